"""Where the tools run: beside the brokers, in containers of the platform's own image."""

from collections.abc import Callable
from typing import Protocol

from ops.benchmark.output import Line
from ops.benchmark.tools import Tool
from ops.platform import Platform

BENCHMARK_LABEL = "millrace.benchmark"
"""Label of everything that a benchmark starts: the run's identity. What carries it may be removed."""

OnLine = Callable[[Line], None]


class Host(Protocol):
    """Runs tools beside the brokers."""

    bootstrap: str
    """Brokers as the tools reach them, separated by commas."""

    def run(self, tool: Tool, on_line: OnLine) -> int:
        """Run a tool to its end.

        Args:
            tool: What to run.
            on_line: Called with each line that it prints, soon after it did.

        Returns:
            Its exit status.

        Raises:
            ToolError: It could not be started, or was stopped from outside.
        """
        ...

    def by_hand(self, tool: Tool) -> str:
        """The command line with which a person runs the same."""
        ...

    def remove_all(self) -> None:
        """End and remove all that this run has started; the tools that run now fail."""
        ...

    def left_behind(self) -> list[str]:
        """Commands that remove what earlier runs of this platform left, which were killed."""
        ...


def host_of(platform: Platform, identity: str) -> Host:
    """The host of a platform's target."""
    if platform.on_kubernetes:
        from ops.benchmark.kubernetes import KubernetesHost

        return KubernetesHost(platform, identity)
    from ops.benchmark.docker import DockerHost

    return DockerHost(platform, identity)
