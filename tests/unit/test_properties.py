"""Properties files. Oracle: javaproperties for ``java.util.Properties``.

Source: components/properties.py.
"""

import javaproperties
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.properties import render_properties


@given(entries=st.dictionaries(st.text(), st.text()))
@example(entries={"": ""})
@example(entries={" a key:with=all#of!it\\": "\\ and\na\tvalue\r\f "})
@example(entries={"#": "#", "!": "!"})
@example(entries={"größe": "naïve 😀 \x00 \x7f \x85 \u2028"})
@example(entries={"a": "  two spaces", "b": "\\u0041"})
def test_java_reads_the_rendered_values(entries: dict[str, str]) -> None:
    text = render_properties(entries)
    assert javaproperties.loads(text) == entries
    assert text.isascii(), "Java reads these files as ISO 8859-1"
    assert text.count("\n") == len(entries), "one line per entry"
    assert list(javaproperties.loads(text)) == sorted(entries), (
        "sorted by key, so that only real changes change the text"
    )


def test_the_order_of_entries_does_not_matter() -> None:
    assert render_properties({"b": "1", "a": "2"}) == render_properties({"a": "2", "b": "1"}) == "a=2\nb=1\n"


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("listeners", "INTERNAL://:29092", "listeners=INTERNAL://:29092"),
        ("a b", "c d", r"a\ b=c d"),
        ("a", " b", r"a=\ b"),
        ("a", "b\nc=d", r"a=b\nc=d"),
        ("a", "ü", r"a=\u00fc"),
        ("a", "😀", r"a=\ud83d\ude00"),
        ("a", "", "a="),
    ],
)
def test_a_line_is_escaped_only_where_needed(key: str, value: str, line: str) -> None:
    assert render_properties({key: value}) == f"{line}\n"
