"""What a target asks a subject before it stops, adds or removes a member.

Each subject with members that need each other derives its rules from :class:`Safety` in its ``safety.py``. A
:class:`~components.workload.Workload` carries the class; dynamic providers, which get plain values only, load it by
:func:`reference` and :func:`safety_of`.

Every rule fails closed: an answer that cannot be read is a finding, so the target waits.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module

from components.errors import SafetyError
from components.naming import ordinal_of
from components.routes import DIRECT, Route

Report = Callable[[str], None]
"""Shows one line of progress."""


@dataclass(frozen=True, kw_only=True)
class Members:
    """The members of one workload, as this program reaches them.

    Args:
        addresses: ``host:port`` of each member, by name.
        logs: For each member the command that shows its logs.
        route: How the addresses are reached.
        deadline: Seconds that a member may take to join or leave.
        login: How the rules log in to the members, by the subject's own keys; empty where members ask for nothing.
    """

    addresses: Mapping[str, str]
    logs: Mapping[str, str] = field(default_factory=dict[str, str])
    route: Route = DIRECT
    deadline: float = 180
    login: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class Safety:
    """The rules of a server that needs no other members: it may be stopped at any time.

    Args:
        members: The members of the workload.
    """

    def __init__(self, members: Members) -> None:
        self.members = members

    def last(self) -> str | None:
        """The member to restart last: the one that coordinates the others."""
        return None

    def stop_findings(self, name: str, ready: Collection[str]) -> list[str]:
        """Why a member must not be stopped now; empty when it may be.

        Args:
            name: The member.
            ready: Members that serve, as the target sees them. If there are none, nothing can be lost.
        """
        return []

    def interruptions(self, name: str) -> list[str]:
        """What is unavailable while a member is away, one line each, as the last :meth:`stop_findings` saw it."""
        return []

    def return_findings(self, name: str) -> list[str]:
        """Why the next member must wait after this one was started; empty when it is back."""
        return []

    def join(self, names: Collection[str], report: Report) -> None:
        """Make members that were started part of the group; those that are part of it already stay as they are.

        A target calls it after it has created members and before it restarts others. Calling it again goes on where an
        interrupted call stopped.

        Args:
            names: Members that must belong to the group.
            report: Called with one line for each step.
        """

    def outsiders(self) -> list[str]:
        """Members that serve outside of the group, as after an interrupted removal; none if that is unknown."""
        return []

    def leave(self, names: Sequence[str], report: Report) -> None:
        """Take members out of the group, while they still run, so that they can be removed permanently.

        A target calls it before it removes members, then asks :meth:`removal_findings`. Calling it again goes on where
        an interrupted call stopped.

        Args:
            names: Members that will be removed.
            report: Called with one line for each step.
        """

    def removal_findings(self, names: Sequence[str]) -> list[str]:
        """Why members must not be removed permanently; empty when they may be."""
        return []


def in_restart_order(serving: Mapping[str, bool], last: str | None) -> list[str]:
    """Members in the order in which they are restarted: those that do not serve first, the coordinating one last.

    Args:
        serving: Members to restart, and whether each serves.
        last: The member that coordinates the others, as :meth:`Safety.last` gives it.
    """
    return sorted(serving, key=lambda name: (serving[name], name == last, ordinal_of(name)))


def release(safety: Safety, names: Sequence[str], shell: str, report: Report) -> None:
    """Take members out of their group before they are removed permanently.

    Refuses it if they are still needed then, or if that cannot be determined.

    Args:
        safety: The rules of all members, the removed ones included.
        names: Members that will be removed.
        shell: The command that opens a shell on a member.
        report: Called with one line for each step.

    Raises:
        SafetyError: With the reasons.
    """
    safety.leave(names, report)
    if problems := safety.removal_findings(names):
        raise SafetyError(
            f"{' and '.join(names)} cannot be removed",
            [*problems, f"a shell on a member: {shell}", "then run `pulumi up` again; nothing was changed"],
        )


def reference(safety: type[Safety]) -> str:
    """The importable name of a safety class: ``components.kafka.safety:BrokerSafety``."""
    return f"{safety.__module__}:{safety.__qualname__}"


def safety_of(name: str, members: Members) -> Safety:
    """The safety object of an importable name.

    Args:
        name: As :func:`reference` gives it.
        members: The members of the workload.
    """
    module, _, cls = name.partition(":")
    return getattr(import_module(module), cls)(members)
