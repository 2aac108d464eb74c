"""Findings of checks as text: which member, what was seen, what was expected, where to look next."""

from collections.abc import Mapping


def finding(member: str, *, seen: str, expected: str, logs: Mapping[str, str]) -> str:
    """One finding as text.

    Args:
        member: The member, such as ``kafka-1``, or a part of the platform, such as ``Kafka``.
        seen: What the check saw.
        expected: What it expected to see.
        logs: For each member the command that shows its logs.
    """
    command = logs.get(member)
    hint = f"\nlook at: {command}" if command else ""
    return f"{member}: {seen}; expected {expected}{hint}"
