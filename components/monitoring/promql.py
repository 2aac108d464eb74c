"""Pieces of PromQL."""

TOTAL = "__total__"
"""Topic under which the exporter counts the partitions of all topics."""


def selected(metric: str, **labels: str) -> str:
    """A selector: ``metric{job="a"}``.

    Args:
        metric: The metric's name.
        labels: Labels and the values that they must have.
    """
    matchers = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return f"{metric}{{{matchers}}}" if matchers else metric


def seconds(number: int) -> str:
    """A length of time as Prometheus writes it: ``180s`` is ``3m``."""
    for size, unit in ((3600, "h"), (60, "m")):
        if number and number % size == 0:
            return f"{number // size}{unit}"
    return f"{number}s"
