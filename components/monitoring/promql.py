"""PromQL's notation: selectors and durations."""

TOTAL = "__total__"
"""Value of the label ``topic`` under which the exporter counts the partitions of all topics."""


def selected(metric: str, **labels: str) -> str:
    """A selector: ``metric{job="a"}``.

    Args:
        metric: The metric's name.
        labels: Labels and the values that they must have.
    """
    matchers = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return f"{metric}{{{matchers}}}" if matchers else metric


def seconds(number: int) -> str:
    """A duration in Prometheus' notation: 180 is ``3m``.

    Args:
        number: Whole seconds.
    """
    for size, unit in ((3600, "h"), (60, "m")):
        if number and number % size == 0:
            return f"{number // size}{unit}"
    return f"{number}s"
