"""The Kubernetes objects of a platform as manifests, for other tools and for a golden file."""

from collections.abc import Mapping
from typing import Any

import yaml

from tests.unit.mocks import NAME_SUFFIX, SECRET_MARK, Run, unmasked


def manifests(run: Run, *, secrets: bool = False) -> list[dict[str, Any]]:
    """The Kubernetes objects that a run of the program declares, sorted by kind, namespace and name.

    Values of Secrets are replaced by a mark unless ``secrets`` is True. An object without a name gets one as the
    official provider generates it.
    """
    declared = (item for item in run.resources if item.type.startswith("kubernetes:"))
    objects = [_manifest(item.name, item.inputs, secrets) for item in declared]
    return sorted(
        objects, key=lambda item: (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])
    )


def as_yaml(objects: list[dict[str, Any]]) -> str:
    """Manifests as one YAML file of several documents; multi-line strings are block scalars."""
    return yaml.dump_all(objects, Dumper=_Dumper, width=120, explicit_start=True)


def _manifest(name: str, inputs: Mapping[str, Any], secrets: bool) -> dict[str, Any]:
    made: dict[str, Any] = _whole(unmasked(inputs))
    made["metadata"].setdefault("name", f"{name}-{NAME_SUFFIX}")
    if made["kind"] == "Secret" and not secrets:
        for key in {"data", "stringData"} & made.keys():
            made[key] = dict.fromkeys(made[key], SECRET_MARK)
    return made


def _whole(value: Any) -> Any:
    """A value with whole floats as integers: the engine makes every number a float, the API needs integers."""
    if isinstance(value, Mapping):
        return {key: _whole(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_whole(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Dumper(yaml.SafeDumper):
    """Writes multi-line strings as block scalars, and no YAML aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
