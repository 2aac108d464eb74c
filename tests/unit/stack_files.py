"""Stack files as tests write them: their settings, their mistakes, and all fields."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from components.errors import SettingsError
from components.stack_file.settings import Settings, load_settings
from components.topics.rules import TopicSpec

MIB = 1024**2
GIB = 1024**3
SOURCE = "Pulumi.test.yaml"
NO_DURATION = "must be a duration such as 7d, 24h, 30m, 90s or a number of milliseconds"
NO_SIZE = "must be a size such as 512MiB, 1GiB or a number of bytes"
NO_HOST = "must be a host name or an address; {ordinal} in it stands for the broker's number"
TOPIC = {"name": "orders"}


def loaded(declared: dict[str, Any] | None = None, *, secrets: tuple[str, ...] = ()) -> Settings:
    """The settings of a stack file that has no mistakes."""
    return load_settings(declared or {}, source=SOURCE, secret_keys=secrets)


def problems(declared: dict[str, Any], *, secrets: tuple[str, ...] = ()) -> list[str]:
    """The mistakes of a stack file."""
    with pytest.raises(SettingsError) as caught:
        loaded(declared, secrets=secrets)
    return list(caught.value.problems)


def topic(**fields: Any) -> dict[str, Any]:
    """A stack file with one topic."""
    return {"topics": [{**TOPIC, **fields}]}


def spec(declared: dict[str, Any]) -> TopicSpec:
    """The one topic of a stack file with its defaults."""
    (only,) = loaded(declared).topic_specs()
    return only


def leaves(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, str, Any]]:
    """Path, Python name and description of every field that is not a section."""
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if section is None:
            yield f"{above}{field.alias}", name, field.description
        else:
            yield from leaves(section, f"{above}{field.alias}.")


FIELDS = list(leaves(Settings))


def value_at(settings: Settings, path: str) -> Any:
    """The value of a field by its path in the stack file."""
    found: Any = settings
    for part in path.split("."):
        names = {field.alias: name for name, field in type(found).model_fields.items()}
        found = getattr(found, names[part])
        found = found[0] if part in ("topics", "apps") else found
    return found


# Mistakes


def unknown(path: str, model: type[BaseModel], hint: str = "") -> str:
    """The line for an unknown key: the near miss and the keys that its section has."""
    allowed = sorted(str(field.alias) for field in model.model_fields.values())
    return f"{path}: unknown key.{hint} Allowed are {', '.join(allowed)}"


NO_CONTEXT = (
    "kubernetes.context is required with target kubernetes: the stack file names the cluster, so that "
    "no other can be changed by mistake (`kubectl config get-contexts` lists yours)"
)


def cluster(**sections: Any) -> dict[str, Any]:
    """A stack file for a cluster."""
    return {"target": "kubernetes", "profile": "production", "kubernetes": {"context": "test"}, **sections}
