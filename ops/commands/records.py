"""`ops records`: produce and consume records."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
