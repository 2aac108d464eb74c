"""Properties of resources, read so that a value which is not known yet can't be overlooked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

# How the engine marks what is only known after the update, by type of the value; and how `pulumi policy analyze --file`
# marks a secret that it can't decrypt.
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
"""The engine's mark for an unknown text; here also for what stands outside the stack."""


class Undecided(Exception):
    """A rule needs a value that is not known yet, or that stands outside the stack.

    Args:
        what: The property, by its path; never its value.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def is_unknown(value: object) -> bool:
    """Whether the engine's mark for an unknown value stands here."""
    return isinstance(value, str) and value in _UNKNOWN


class Object(Mapping[str, Any]):
    """A mapping of properties. Reading an unknown value raises :class:`Undecided`; what is absent or null is absent.

    Args:
        values: The properties as the engine gives them.
        path: Where they stand, for messages.
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
        """Where a property stands: ``spec.replicas``."""
        return ".".join(part for part in (self._path, key) if part)

    def knows(self, key: str) -> bool:
        """Whether a property's value, if there is one, is known."""
        return not is_unknown(self._values.get(key))

    def object(self, *keys: str) -> "Object":
        """A mapping below, step by step; an empty one where there is none."""
        here = self
        for key in keys:
            below = here.get(key)
            here = below if isinstance(below, Object) else Object({}, here.path(key))
        return here

    def objects(self, key: str) -> list["Object"]:
        """The mappings in a list."""
        return [item for item in self._items(key) if isinstance(item, Object)]

    def texts(self, key: str) -> list[str]:
        """The texts in a list; a single text counts as a list of one."""
        return [str(item) for item in self._items(key)]

    def text(self, key: str, default: str = "") -> str:
        """A text."""
        value = self.get(key, default)
        return value if isinstance(value, str) else default

    def number(self, key: str) -> int | None:
        """A whole number, also one written as text."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        return whole(str(value))

    def flag(self, key: str) -> bool | None:
        """True, false or unset."""
        value = self.get(key)
        return value if isinstance(value, bool) else None

    def raw(self, key: str) -> Any:
        """A value or the engine's mark, without a question whether it is known."""
        return self._values.get(key)

    def _items(self, key: str) -> Sequence[Any]:
        found = self.get(key, [])
        return found if isinstance(found, list) else [found]


def whole(text: str) -> int | None:
    """A whole number from a text, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def undecided(what: str) -> NoReturn:
    """Give up for now."""
    raise Undecided(what)


def _read(value: Any, path: str) -> Any:
    if is_unknown(value):
        raise Undecided(path)
    if isinstance(value, Mapping):
        return Object(value, path)
    if isinstance(value, list | tuple):
        return [_read(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return value
