"""`ops groups`: list, describe and reset consumer groups."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
