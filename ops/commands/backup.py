"""`ops backup`: back up and restore."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
