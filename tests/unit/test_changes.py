"""Changes between two values as text: every change is shown, and nothing else.

Source: components/changes.py.
Proof limit: only a reader can judge the wording; the tests compare whole lines for the changes that a roll reports.
"""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.changes import changes

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
LINES = st.lists(st.text("ab=\r\n", max_size=4)).map("\n".join)
NAMED = st.fixed_dictionaries({"name": st.sampled_from(["a", "b", "c"])}, optional={"value": SCALARS})
VALUES = st.recursive(
    SCALARS | LINES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(NAMED, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "name", "c"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_has_no_changes_against_itself(value: Any) -> None:
    assert changes(value, value) == []


@given(VALUES, VALUES)
@example({"a": None}, {})
@example("a\n", "a")
@example("a\r\nb", "a\nb")
@example("a\nb", "b\na")
@example([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}])
@example([{"name": "a", "value": 1}, {"name": "a", "value": 2}], [{"name": "a", "value": 2}])
@example([{"name": "a", "value": 1}, {"name": "a", "value": 2}], [{"name": "a", "value": 3}, {"name": "a", "value": 2}])
@example([{"name": ["a"]}], [{"name": ["b"]}])
@example([], [{"name": "a"}])
@example([None], [])
@example("", None)
def test_no_change_is_hidden(old: Any, new: Any) -> None:
    lines = changes(old, new, "here")
    assert bool(lines) == (old != new)
    assert all(line.startswith("here") and "\n" not in line for line in lines), (
        "each change has its own line with its path"
    )


@given(st.text("ab ", max_size=200), st.text("ab ", max_size=200))
@example("x" * 100, "x" * 101)
@example("x" * 100 + "a" + "y" * 100, "x" * 100 + "b" + "y" * 100)
@example("-XX:+UseG1GC " * 9, "-XX:+UseG1GC " * 9 + "-Xint")
def test_long_texts_are_shown_where_they_differ(old: str, new: str) -> None:
    if old == new:
        return
    (line,) = changes(old, new, "p")
    before, after = line.removeprefix("p: ").split(" -> ")
    assert before != after, "two equal texts would show no difference"
    assert max(len(before), len(after)) <= 62


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        pytest.param(1, 2, ["p: 1 -> 2"], id="number"),
        pytest.param(30.0, 120.0, ["p: 30 -> 120"], id="the-engines-number"),
        pytest.param(0.5, 1.5, ["p: 0.5 -> 1.5"], id="fraction"),
        pytest.param(True, False, ["p: true -> false"], id="boolean"),
        pytest.param("a", "b", ["p: a -> b"], id="word"),
        pytest.param(None, "b", ["p: (none) -> b"], id="added"),
        pytest.param("a", None, ["p: a -> (none)"], id="removed"),
        pytest.param({"a": 1, "b": 2}, {"a": 1, "b": 3}, ["p.b: 2 -> 3"], id="one-key"),
        pytest.param({"a": 1}, {"b": 1}, ["p.a: 1 -> (none)", "p.b: (none) -> 1"], id="different-key"),
        pytest.param(
            {"b": {"c": 1}, "a": 1}, {"b": {"c": 2}, "a": 2}, ["p.a: 1 -> 2", "p.b.c: 1 -> 2"], id="ordered-list"
        ),
        pytest.param([1, {"a": 1}], [1, {"a": 2}], ["p[1].a: 1 -> 2"], id="by-index"),
        pytest.param([1], [1, 2], ["p: [1] -> [1, 2]"], id="longer-list"),
        pytest.param(["a", "b"], ["a", "c"], ["p: ['a', 'b'] -> ['a', 'c']"], id="words"),
        pytest.param({"a": 1}, [1], ["p: {'a': 1} -> [1]"], id="different-type"),
        pytest.param(
            [{"name": "x", "value": "1"}, {"name": "y", "value": "1"}],
            [{"name": "w", "value": "0"}, {"name": "x", "value": "1"}, {"name": "y", "value": "2"}],
            ["p.w: (none) -> {'name': 'w', 'value': '0'}", "p.y.value: 1 -> 2"],
            id="by-name",
        ),
        pytest.param(
            [{"name": "config", "mountPath": "/a"}, {"name": "config", "mountPath": "/b"}],
            [{"name": "config", "mountPath": "/c"}, {"name": "config", "mountPath": "/b"}],
            ["p[0].mountPath: /a -> /c"],
            id="shared-names",
        ),
        pytest.param(
            [{"name": "a"}, {"name": "b"}],
            [{"name": "b"}, {"name": "a"}],
            ["p: only order, line ends or empty entries differ"],
            id="different-order",
        ),
        pytest.param("a=1\nb=2\n", "a=1\nb=3\n", ["p: b 2 -> 3"], id="setting-changed"),
        pytest.param("a=1\nb=2\n", "a=1\n", ["p: removed b=2"], id="setting-removed"),
        pytest.param("a=1\n", "a=1\nb=2\n", ["p: added b=2"], id="setting-added"),
        pytest.param("a=\nb=x=y\n", "a=1\nb=x=z\n", ["p: a  -> 1", "p: b x=y -> x=z"], id="signs-in-values"),
        pytest.param("save 1\nport 1\n", "save 2\nport 1\n", ["p: removed save 1", "p: added save 2"], id="directive"),
        pytest.param("a\n", "a", ["p: only order, line ends or empty entries differ"], id="last-line-end"),
        pytest.param("a=1\nx\n", "x\na=1\n", ["p: x moved"], id="moved-line"),
        pytest.param(None, "a\nb\tc\n", [r"p: (none) -> a\nb\tc\n"], id="new-text"),
        pytest.param("a", "b\nc", ["p: removed a", "p: added b", "p: added c"], id="one-line-becomes-two"),
    ],
)
def test_a_change_is_reported_as_this_line(old: Any, new: Any, lines: list[str]) -> None:
    assert changes(old, new, "p") == lines


def test_an_unknown_value_is_reported_as_unknown() -> None:
    unknown = object()
    assert changes({"a": "x"}, {"a": unknown}) == ["a: x -> (known after `up`)"]
    assert changes({}, {"a": unknown}) == ["a: (none) -> (known after `up`)"]


def test_a_settings_file_with_many_changes_names_each_once() -> None:
    old = "".join(f"key.{number}={number}\n" for number in range(40))
    new = "".join(f"key.{number}={number + (number % 10 == 0)}\n" for number in range(40))
    assert changes(old, new, "f") == [f"f: key.{number} {number} -> {number + 1}" for number in (0, 10, 20, 30)]
