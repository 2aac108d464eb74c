"""Errors that the user can fix, and helpers for their texts.

    PlatformError            base: its text is the whole message, shown without a traceback
    ├── SettingsError        the stack file is invalid (all mistakes at once)
    ├── ChangeError          the stack file is valid, but the running platform cannot become that (all reasons at once)
    ├── PreflightError       this machine cannot run the platform now (all reasons at once)
    ├── ClusterError         the Kubernetes API refused or did not answer
    ├── SafetyError          a member is still needed, so it was neither stopped nor removed
    ├── TopicError           a topic cannot be created or changed as declared
    ├── AccessError          a user, a right or a quota cannot be set as declared
    └── UnhealthyError       the platform did not become healthy before its deadline

``problems`` holds the single problems of an error that reports several.
"""

import difflib
from collections.abc import Iterable, Sequence


class PlatformError(Exception):
    """Base of all errors whose text is shown to the user unchanged.

    Args:
        headline: One line that says what failed, and where.
        problems: Each mistake or finding in one entry; an entry may have several lines.
    """

    def __init__(self, headline: str, problems: Sequence[str] = ()) -> None:
        self.headline = headline
        self.problems = tuple(problems)
        super().__init__("\n".join([headline, *(f"  - {_indented(problem)}" for problem in self.problems)]))


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


class SettingsError(PlatformError):
    """The stack file is invalid; raised before any resource is registered."""


class ChangeError(PlatformError):
    """The running platform cannot become what the stack file asks for; raised before any resource is registered."""


class PreflightError(PlatformError):
    """The machine lacks what the platform needs; raised before any resource is registered."""


class ClusterError(PlatformError):
    """The Kubernetes API refused a request or did not answer; the requested change was not made."""


class SafetyError(PlatformError):
    """A member is still needed, or whether it is could not be determined; it was neither stopped nor removed."""


class TopicError(PlatformError):
    """A topic change was refused or failed; the next ``up`` plans again from what exists."""


class AccessError(PlatformError):
    """A change of users, rights or quotas was refused or failed; the next ``up`` plans again from what exists."""


class UnhealthyError(PlatformError):
    """A health gate's deadline passed; what was created stays for inspection."""


def count(number: int, noun: str) -> str:
    """``count(1, "topic")`` is "1 topic", ``count(2, "topic")`` is "2 topics"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def nearest(key: str, allowed: Iterable[str]) -> str:
    """A hint for a misspelt key: `` Did you mean "x"?``, or an empty text if no key is near."""
    matches = difflib.get_close_matches(key, list(allowed), n=1)
    return f' Did you mean "{matches[0]}"?' if matches else ""
