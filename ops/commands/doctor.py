"""`ops doctor`: what is wrong and what mends it."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
