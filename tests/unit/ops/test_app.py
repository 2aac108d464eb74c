"""Errors become messages and exit codes; the command line starts without the heavy libraries.

Source: ops/app.py, ops/errors.py.
"""

import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from components.errors import ClusterError, TopicError
from ops import app
from ops.errors import BrokenError, ExitCode, OpsError, RefusedError, UnreachableError


class Failing:
    """A command module whose one command raises."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def register(self, root: typer.Typer) -> None:
        error = self._error

        @root.command("fail")
        def fail() -> None:
            raise error

        @root.command("other")
        def other() -> None: ...


@pytest.fixture
def status_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], object]:
    def run(error: BaseException) -> object:
        monkeypatch.setattr(app, "COMMANDS", (Failing(error),))
        with pytest.raises(SystemExit) as ending:
            app.run(["fail"])
        return ending.value.code

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OpsError("x"), ExitCode.FOUND_WRONG),
        (BrokenError("x"), ExitCode.FOUND_WRONG),
        (UnreachableError("x"), ExitCode.UNREACHABLE),
        (RefusedError("x"), ExitCode.REFUSED),
        (ClusterError("x"), ExitCode.UNREACHABLE),
        (TopicError("x"), ExitCode.UNREACHABLE),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (typer.BadParameter("x"), ExitCode.USAGE),
    ],
)
def test_each_error_has_its_exit_code(
    status_of: Callable[[BaseException], object], error: BaseException, code: int
) -> None:
    assert status_of(error) == code


def test_an_error_is_shown_with_all_its_problems_and_no_traceback(
    status_of: Callable[[BaseException], object], capsys: pytest.CaptureFixture[str]
) -> None:
    status_of(RefusedError("not so", ["first [bold]", "second"]))

    told = capsys.readouterr()
    assert told.err == "error: not so\n  - first [bold]\n  - second\n"
    assert told.out == "", "standard output holds results alone"


def test_the_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        app.run(["statsu"])

    assert ending.value.code == ExitCode.USAGE
    assert "statsu" in capsys.readouterr().err


def test_help_imports_none_of_the_heavy_libraries() -> None:
    heavy = ("kafka", "kubernetes", "docker", "redis", "kazoo", "matplotlib", "pulumi")
    program = (
        "import sys\nfrom ops.app import run\n"
        "try:\n    run(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[]"


def test_every_command_has_help_that_shows_without_a_stack() -> None:
    commands = ["status", "topics", "produce", "consume", "groups", "access", "certificates", "logs", "doctor"]
    for command in commands:
        with pytest.raises(SystemExit) as ending:
            app.run([command, "--help"])
        assert ending.value.code == ExitCode.OK, command


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["status", "5"], "--watch"),
        (["topics", "list", "--bootstrap", "nowhere"], "HOST:PORT"),
        (["consume", "orders", "--from", "+5"], "after the end"),
        (["consume", "orders", "--from", "soon"], "not a position"),
        (["consume", "orders", "--group", "g", "--from", "12"], "groups reset"),
        (["consume", "orders", "--group", "g", "--partition", "1"], "--partition"),
        (["produce", "orders", "--acks", "2"], "--acks"),
        (["produce", "orders", "--value", "x", "--header", "nothing"], "NAME=VALUE"),
        (["produce", "orders", "--format", "json", "--key-separator", ":"], "--key-separator"),
        (["access", "check", "billing", "--topic", "orders"], "--operation"),
        (["access", "check", "billing", "--operation", "read"], "--topic"),
        (["access", "check", "billing", "--group", "g", "--transaction", "t"], "one question at a time"),
        (["groups", "reset", "g", "--topic", "orders:x", "--to", "0"], "not a topic"),
        (["logs", "kafka-0", "--since", "soon"], "not a time"),
    ],
)
def test_wrong_options_are_usage_errors_before_anything_is_asked(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")  # no pulumi CLI: whoever asks for the platform fails otherwise
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ending:
        app.run(arguments)

    assert ending.value.code == ExitCode.USAGE
    assert why in capsys.readouterr().err
