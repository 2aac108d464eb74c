"""Where the tools run: next to the brokers, in containers or pods of the platform's own image."""

from collections.abc import Callable
from typing import Protocol

from ops.benchmark.output import Line
from ops.benchmark.tools import Tool

BENCHMARK_LABEL = "millrace.benchmark"
"""Label of every container and pod of a benchmark; its value is the run's id. All of them may be removed."""

USER = 1000
"""The image's user, by id: Kubernetes cannot check that a user name is not root."""

FORGETTING = 'trap \'rm -f "$0"\' EXIT; "$@"'
"""Runs a command, and removes the file with its login (``$0``) whatever becomes of it."""

OnLine = Callable[[Line], None]


class Host(Protocol):
    """Runs tools next to the brokers."""

    bootstrap: str
    """Bootstrap servers as the tools reach them, separated by commas."""
    login: str | None
    """Path in a tool's container of the properties file with its login; None where brokers ask for nothing."""

    def run(self, tool: Tool, on_line: OnLine) -> int:
        """Run a tool until it exits.

        Args:
            tool: The tool.
            on_line: Called with each line of its output, soon after it is printed.

        Returns:
            Its exit status.

        Raises:
            ToolError: It could not be started, or was stopped from outside.
        """
        ...

    def command_line(self, tool: Tool) -> str:
        """A command line that runs the same tool by hand."""
        ...

    def remove_all(self) -> None:
        """Remove everything that this run has started; tools that still run fail."""
        ...

    def cleanup_commands(self) -> list[str]:
        """Commands that remove what earlier, killed runs on this platform left behind."""
        ...
