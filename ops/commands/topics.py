"""`ops topics`: list, describe and export topics."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
