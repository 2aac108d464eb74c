"""`ops drill`: break something on purpose."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
