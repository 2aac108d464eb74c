"""Output without a terminal, and when the reader closes the pipe.

Source: ops/console.py.
"""

import json
import subprocess
import sys

import pytest
from rich.console import Console
from rich.text import Text

from ops import console


def test_a_table_without_a_terminal_is_tab_separated_and_has_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(("NAME", "STATE"), [["kafka-0", Text("down", style="bold red")]])

    assert capsys.readouterr().out == "NAME\tSTATE\nkafka-0\tdown\n"


def test_tabs_and_newlines_in_a_cell_do_not_break_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(("A", "B"), [["one\ttwo", "first\nsecond"]])

    assert capsys.readouterr().out.splitlines()[1].split("\t") == ["one two", "first; second"]


def test_brackets_in_a_cell_are_text_and_no_style() -> None:
    terminal = Console(force_terminal=True, width=80, color_system=None)
    with terminal.capture() as captured:
        terminal.print(console.view(("KEY",), [["[red]orders[/red]"]]))

    assert "[red]orders[/red]" in captured.get()


def test_json_is_one_document_whatever_the_width(capsys: pytest.CaptureFixture[str]) -> None:
    console.json_document({"text": "ü" * 300})

    assert json.loads(capsys.readouterr().out) == {"text": "ü" * 300}


@pytest.mark.parametrize(
    ("amount", "text"),
    [(None, "?"), (0, "0B"), (1023, "1023B"), (1536, "1.5KiB"), (1024**3, "1.0GiB"), (5 * 1024**5, "5120.0TiB")],
)
def test_bytes_are_shown_in_their_largest_unit(amount: int | None, text: str) -> None:
    assert console.size(amount) == text


@pytest.mark.parametrize(
    "writes",
    ["console.line('x' * 1000)", "console.raw(b'x' * 1000)", "console.table(['A'], [['x' * 1000]])"],
)
def test_a_closed_pipe_ends_the_program_quietly(writes: str) -> None:
    program = f"from ops import console\nwhile True:\n    {writes}"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.read(1)
        writer.stdout.close()
        said = writer.stderr.read()

    assert (writer.returncode, said) == (0, b"")
