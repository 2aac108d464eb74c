"""Java properties files: escaped, and sorted so that equal entries give equal text."""

from collections.abc import Mapping

_NAMED = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
_KEY_SYNTAX = " :=#!"


def render_properties(entries: Mapping[str, str]) -> str:
    r"""Render key and value lines that ``java.util.Properties`` reads back as the same mapping.

    Java reads these files as ISO 8859-1, so anything outside ASCII is written as ``\uXXXX``
    (https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)).

    Args:
        entries: Keys and values; both may hold any character.

    Returns:
        The file's text: one line per entry, sorted by key.
    """
    return "".join(f"{_escape_key(key)}={_escape_value(value)}\n" for key, value in sorted(entries.items()))


def _escape_key(key: str) -> str:
    return "".join(f"\\{char}" if char in _KEY_SYNTAX else _escape_char(char) for char in key)


def _escape_value(value: str) -> str:
    escaped = "".join(map(_escape_char, value))
    return f"\\{escaped}" if escaped.startswith(" ") else escaped


def _escape_char(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if " " <= char <= "~":
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
