"""`ops bench`: throughput and latency."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
