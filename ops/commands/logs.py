"""`ops logs`: a member's logs."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
