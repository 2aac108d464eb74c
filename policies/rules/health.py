"""Rules on health checks."""

import re
from collections.abc import Iterator

from policies.rules.rule import Context, Rule
from policies.view.kubernetes import PodContainer
from policies.view.servers import Check, Server
from policies.view.stack import Stack

_SHELLS = {"sh", "bash", "ash", "dash", "zsh"}
_OPERATORS = {"|", "||", "&&", ";", ">", ">>", "<", "2>&1", "&"}
_SUCCEEDS = {"true", ":", "echo", "printf", "exit"}
_ALWAYS = re.compile(r"(\|\||;)\s*(true|:|exit(\s+0)?|echo\b[^|;&]*)\s*$")
_CURL = re.compile(r"\bcurl\b(?![^|;&]*\s(-\w*f|--fail))[^|;&]*$")


def fault(check: Check) -> str | None:
    """Why a check can never fail, or None. The text leaves out the command, which may hold a password."""
    if check.command is None:
        return None
    command = list(check.command)
    if not command:
        return "runs nothing"
    script = command[0] if check.shell else _script(command)
    if script is not None:
        return _fault_of_script(script)
    if _OPERATORS & set(command):
        return "passes shell operators to its program as arguments: no shell interprets them"
    program = command[0].rpartition("/")[2]
    return f"runs only {program}, which always succeeds" if program in _SUCCEEDS else None


def _script(command: list[str]) -> str | None:
    """The script that a shell runs, or None if the command runs no shell."""
    if command[0].rpartition("/")[2] not in _SHELLS:
        return None
    flags = [index for index, word in enumerate(command) if re.fullmatch(r"-[a-z]*c", word)]
    return command[flags[0] + 1] if flags and len(command) > flags[0] + 1 else None


def _fault_of_script(script: str) -> str | None:
    if _ALWAYS.search(script):
        return "ends in a command that always succeeds"
    words = script.split()
    if words[0] in _SUCCEEDS and not _OPERATORS & set(re.findall(r"\|\|?|&&|;", script)) and words != ["exit", "1"]:
        return f"runs only {words[0]}, which always succeeds"
    if _CURL.search(script):
        return "accepts any HTTP answer, even an error: curl needs --fail"
    return None


def _can_fail(server: Server, context: Context) -> Iterator[str]:
    names = [check.name for check in server.checks]
    needed = "readinessProbe" if isinstance(server, PodContainer) else "health check"
    if server.kind and needed not in names:
        yield f"{server} has no {needed}"
    for check in server.checks:
        why = fault(check)
        if why is not None:
            yield f"the {check.name} of {server} cannot fail: it {why}"


def _servers(stack: Stack) -> list[Server]:
    return [server for server in stack.servers if server.long_running]


RULES = (
    Rule(
        name="health-check-can-fail",
        title="Every server has a health check, and the check can fail",
        reason="A check that never fails counts a dead member as healthy, so a roll goes on to restart the others.",
        remedy='Run pipes in a shell: ["CMD-SHELL", "echo srvr | nc localhost 2181 | grep Mode"]; '
        "do not end a check in a command that always succeeds.",
        source="https://docs.docker.com/reference/dockerfile/#healthcheck",
        severity="high",
        subjects=_servers,
        check=_can_fail,
    ),
)
