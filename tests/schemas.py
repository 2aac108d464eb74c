"""Strict JSON schemas made from what an API server says about itself, and kubeconform that judges manifests by them."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from offline.cluster.binaries import ensure_kubeconform

TEMPLATE = "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json"
"""Name of a kind's schema, in kubeconform's words; :func:`schemas` names them so."""

_REFERENCE = "#/definitions/"
_GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"
_IDENTITY = ("apiVersion", "kind", "metadata")
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_SPECIAL = {
    _QUANTITY: {
        "type": ["string", "number"],
        "pattern": r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
    },
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
}
"""What OpenAPI's second version cannot say: both are plain texts there."""


def schemas(openapi: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A schema for each kind, by file name, from an API server's ``/openapi/v2``.

    As strict as ``openapi2jsonschema --strict``, and in two things stricter: no field may be null, and a quantity has
    to be one. Each schema holds all that it refers to.
    """
    definitions = {name: _SPECIAL.get(name) or _strict(item) for name, item in openapi["definitions"].items()}
    made = {}
    for name, item in openapi["definitions"].items():
        kinds = item.get(_GROUP_VERSION_KIND, [])
        if len(kinds) != 1 or "metadata" not in item.get("properties", {}):
            continue  # a part that many groups share, such as DeleteOptions; no one applies it
        group, version, kind = (kinds[0][key] for key in ("group", "version", "kind"))
        own = definitions[name]
        identity = {"apiVersion": {"enum": [f"{group}/{version}" if group else version]}, "kind": {"enum": [kind]}}
        schema = {
            **own,
            "properties": {**own["properties"], **identity},
            "required": sorted({*own.get("required", ()), *_IDENTITY}),
            "definitions": {item: definitions[item] for item in _closure(name, definitions)},
        }
        file = f"{kind.lower()}-{group or version}-{version}.json"  # kubeconform calls the group of the core so
        made[file] = schema
    return made


def write_schemas(openapi: Mapping[str, Any], folder: Path) -> str:
    """Write a schema for each kind; returns kubeconform's ``-schema-location`` for them."""
    folder.mkdir(parents=True)
    for name, schema in schemas(openapi).items():
        (folder / name).write_text(json.dumps(schema))
    return f"{folder}/{TEMPLATE}"


def kubeconform(location: str, *files: Path) -> dict[str, Any]:
    """Judge manifests by these schemas and no others.

    Returns:
        What kubeconform says of each object (``resources``), and how many there are of each verdict (``summary``).
    """
    options = ["-strict", "-summary", "-verbose", "-output", "json", "-schema-location", location]
    command = [str(ensure_kubeconform()), *options, *map(str, files)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(f"kubeconform says nothing: {done.stderr}")
    return json.loads(done.stdout)


def _strict(part: Any) -> Any:
    """A part of a definition, in which an object has no fields but the named ones."""
    if isinstance(part, list):
        return [_strict(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    made = {key: value for key, value in part.items() if not key.startswith("x-") and key != "description"}
    if "properties" in made:
        made["properties"] = {name: _strict(value) for name, value in made["properties"].items()}
        if not part.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = _strict(made[key])
    if made.get("format") == "int-or-string" or part.get("x-kubernetes-int-or-string"):
        made = {"type": ["string", "integer"]}
    return made


def _closure(name: str, definitions: Mapping[str, Any]) -> list[str]:
    """The definitions that one refers to, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for reference in _references(definitions[waiting.pop()]) - found:
            found.add(reference)
            waiting.append(reference)
    return sorted(found)


def _references(part: Any) -> set[str]:
    if isinstance(part, Mapping):
        own = {str(part["$ref"]).removeprefix(_REFERENCE)} if isinstance(part.get("$ref"), str) else set[str]()
        return own.union(*(_references(item) for item in part.values()))
    return set[str]().union(*(_references(item) for item in part)) if isinstance(part, list) else set()
