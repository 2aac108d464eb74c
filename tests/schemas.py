"""Strict JSON schemas from an API server's OpenAPI document, and kubeconform, which checks manifests by them."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from offline.cluster.binaries import ensure_kubeconform

TEMPLATE = "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json"
"""kubeconform's template for the file name of a kind's schema; :func:`schemas` uses the same names."""

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
"""Types that OpenAPI 2 cannot express: it publishes both as plain strings."""


def schemas(openapi: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A schema for each kind, by file name, from an API server's ``/openapi/v2``.

    As strict as ``openapi2jsonschema --strict``, and stricter in two ways: no field may be null, and quantities must be
    valid. Each schema contains all definitions that it refers to.
    """
    definitions = {name: _SPECIAL.get(name) or _strict(item) for name, item in openapi["definitions"].items()}
    made = {}
    for name, item in openapi["definitions"].items():
        kinds = item.get(_GROUP_VERSION_KIND, [])
        if len(kinds) != 1 or "metadata" not in item.get("properties", {}):
            continue  # a part that many groups share, such as DeleteOptions; it is never applied
        group, version, kind = (kinds[0][key] for key in ("group", "version", "kind"))
        own = definitions[name]
        identity = {"apiVersion": {"enum": [f"{group}/{version}" if group else version]}, "kind": {"enum": [kind]}}
        schema = {
            **own,
            "properties": {**own["properties"], **identity},
            "required": sorted({*own.get("required", ()), *_IDENTITY}),
            "definitions": {item: definitions[item] for item in _closure(name, definitions)},
        }
        file = f"{kind.lower()}-{group or version}-{version}.json"  # kubeconform's name for the core group
        made[file] = schema
    return made


def write_schemas(openapi: Mapping[str, Any], folder: Path) -> str:
    """Write a schema for each kind into a new folder; returns the ``-schema-location`` for kubeconform."""
    folder.mkdir(parents=True)
    for name, schema in schemas(openapi).items():
        (folder / name).write_text(json.dumps(schema))
    return f"{folder}/{TEMPLATE}"


def kubeconform(location: str, *files: Path) -> dict[str, Any]:
    """Check manifests by these schemas and no others.

    Returns:
        kubeconform's result for each object (``resources``) and the number of each result (``summary``).
    """
    options = ["-strict", "-summary", "-verbose", "-output", "json", "-schema-location", location]
    command = [str(ensure_kubeconform()), *options, *map(str, files)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(f"kubeconform printed no result: {done.stderr}")
    return json.loads(done.stdout)


def _strict(part: Any) -> Any:
    """A part of a definition in which objects may only have the named fields."""
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
    """Names of the definitions that a definition refers to, directly or indirectly."""
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
