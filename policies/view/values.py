"""Resource properties, read so that no rule can overlook an unknown value."""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, cast

# The engine's markers for values that are unknown before the update, one per type, and the marker that
# `pulumi policy analyze --file` puts in place of a secret that it cannot decrypt.
_UNKNOWN = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
        "[secret]",
    }
)

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's marker for an unknown text; here also for values that come from outside the stack."""


class Undecided(Exception):
    """A rule needs a value that is unknown or comes from outside the stack.

    Args:
        what: The property's path; never its value.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def as_mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, otherwise an empty mapping."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def is_unknown(value: object) -> bool:
    """Whether a value is one of the engine's markers for unknown values."""
    return isinstance(value, str) and value in _UNKNOWN


class Object(Mapping[str, Any]):
    """A mapping of properties. Reading an unknown value raises :class:`Undecided`; null counts as absent.

    Args:
        values: The properties as the engine gives them.
        path: Path of the mapping in its resource, for messages.
    """

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._values = {key: value for key, value in values.items() if value is not None}
        self._path = path

    def __getitem__(self, key: str) -> Any:
        return _read(self._values[key], self.path(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def path(self, key: str = "") -> str:
        """A property's path: ``spec.replicas``."""
        return ".".join(part for part in (self._path, key) if part)

    def is_known(self, key: str) -> bool:
        """Whether a property is absent or its value is known."""
        return not is_unknown(self._values.get(key))

    def object(self, *keys: str) -> "Object":
        """The mapping at a path below; empty if there is none."""
        current = self
        for key in keys:
            below = current.get(key)
            current = below if isinstance(below, Object) else Object({}, current.path(key))
        return current

    def objects(self, key: str) -> list["Object"]:
        """The mappings of a list."""
        return [item for item in self._items(key) if isinstance(item, Object)]

    def texts(self, key: str) -> list[str]:
        """The texts of a list; a single text counts as a list of one."""
        return [str(item) for item in self._items(key)]

    def text(self, key: str, default: str = "") -> str:
        """A text; the default if the property is absent or no text."""
        value = self.get(key, default)
        return value if isinstance(value, str) else default

    def number(self, key: str) -> int | None:
        """A whole number, or a text of one; otherwise None."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        return whole(str(value))

    def flag(self, key: str) -> bool | None:
        """A boolean, or None."""
        value = self.get(key)
        return value if isinstance(value, bool) else None

    def raw(self, key: str) -> Any:
        """A value or the engine's marker for an unknown one; None if absent."""
        return self._values.get(key)

    def _items(self, key: str) -> list[Any]:
        found = self.get(key, [])
        return cast("list[Any]", found) if isinstance(found, list) else [found]


def whole(text: str) -> int | None:
    """The whole number that a text holds, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def undecided(what: str) -> NoReturn:
    """Report that a rule cannot be decided.

    Raises:
        Undecided: Always.
    """
    raise Undecided(what)


def _read(value: Any, path: str) -> Any:
    if is_unknown(value):
        raise Undecided(path)
    if isinstance(value, Mapping):
        return Object(as_mapping(cast("object", value)), path)
    if isinstance(value, list | tuple):
        return [_read(item, f"{path}[{index}]") for index, item in enumerate(cast("list[Any]", value))]
    return value
