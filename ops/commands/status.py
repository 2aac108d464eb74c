"""`ops status`: members, roles, disk and lag."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
