"""`ops monitoring`: alert rules and dashboards."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
