"""Inputs as they are sent to the API server: normalized, with a name and a namespace."""

import base64
import hashlib
import re
import secrets as random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kubernetes_provider.annotations import AUTONAMED, IMPLEMENTED, says_yes
from kubernetes_provider.kinds import SECRET, Kind
from plugin_protocol.failures import not_implemented
from plugin_protocol.values import UNKNOWN, Props, has_secrets, has_unknowns, is_secret, secret

from components.targets.kubernetes.quantity import quantity

_READ_ONLY = ("creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "uid")
_EXPONENT = re.compile(r"[eE][+-]?[0-9]+$")
_BINARY = [(Decimal(1024) ** power, unit) for power, unit in enumerate(("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))]
_DECIMAL = [(Decimal(1000) ** power, unit) for power, unit in enumerate(("n", "u", "m", "", *"kMGTPE"), start=-3)]


def rejections(kind: Kind, manifest: Props) -> dict[str, str]:
    """Why inputs are rejected, by property."""
    known = kind.inputs | {"apiVersion", "kind", "metadata"}
    reasons = {key: not_implemented(key) for key in manifest if key not in known and not key.startswith("__")}
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    for key in annotations if isinstance(annotations, Mapping) else ():
        if key.startswith("pulumi.com/") and key not in IMPLEMENTED:
            reasons[f'metadata.annotations["{key}"]'] = not_implemented(key)
    if isinstance(metadata, Mapping) and "generateName" in metadata:
        reasons["metadata.generateName"] = (
            "the `.metadata.generateName` field is not supported in Server-Side Apply mode"
        )
    return reasons


def normalized(kind: Kind, manifest: Props) -> Props:
    """The manifest as the API server would return it; unchanged if it contains unknowns."""
    manifest = {**manifest, "apiVersion": kind.api_version, "kind": kind.name}
    if has_unknowns(manifest):
        return manifest
    if isinstance(manifest.get("metadata"), Mapping):
        manifest["metadata"] = {key: item for key, item in manifest["metadata"].items() if key not in _READ_ONLY}
    if kind == SECRET and "stringData" in manifest:
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in manifest["stringData"].items()}
        manifest["data"] = {**manifest.get("data", {}), **encoded}
        del manifest["stringData"]
    return _with_quantities(manifest)


def _with_quantities(value: Any) -> Any:
    """Values with canonical quantities below ``resources`` and in a volume's ``sizeLimit``."""
    if isinstance(value, list):
        return [_with_quantities(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    spelt = {key: _with_quantities(item) for key, item in value.items()}
    for key in ("requests", "limits"):
        if isinstance(spelt.get("resources"), Mapping) and isinstance(spelt["resources"].get(key), Mapping):
            spelt["resources"][key] = {name: canonical(item) for name, item in spelt["resources"][key].items()}
    if "sizeLimit" in spelt:
        spelt["sizeLimit"] = canonical(spelt["sizeLimit"])
    return spelt


def canonical(value: Any) -> Any:
    """A quantity in the server's canonical form: ``1024Mi`` is ``1Gi``, ``0.5`` is ``500m``; other texts stay."""
    text = str(value)
    if _EXPONENT.search(text):  # the server keeps this format
        return value
    try:
        amount = quantity(text)
    except ValueError:
        return value
    units = _BINARY if text.endswith("i") else _DECIMAL
    if not amount:
        return "0"
    fits = [(scale, unit) for scale, unit in units if amount % scale == 0]
    return f"{int(amount / fits[-1][0])}{fits[-1][1]}" if fits else value


def named(manifest: Props, old: Props, resource: str, seed: bytes) -> Props:
    """The manifest with a name: the given one, the one generated before, or a new one."""
    metadata = manifest.get("metadata") or {}
    if metadata == UNKNOWN or metadata.get("name"):
        return manifest
    if says_yes(old, AUTONAMED):
        name = old["metadata"]["name"]
    else:
        suffix = hashlib.sha256(seed).hexdigest()[:8] if seed else random.token_hex(4)
        name = f"{resource}-{suffix}"
    annotations = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}
    return {**manifest, "metadata": {**metadata, "annotations": annotations, "name": name}}


def placed(kind: Kind, manifest: Props, namespace: str) -> Props:
    """The manifest with a namespace if its kind is namespaced."""
    metadata = manifest.get("metadata") or {}
    if not kind.namespaced or metadata == UNKNOWN or metadata.get("namespace"):
        return manifest
    return {**manifest, "metadata": {**metadata, "namespace": namespace}}


def with_secrets_of(values: Props, source: Props) -> Props:
    """Values with secrets marked as in the source; all data of a Secret is marked."""
    if values.get("kind") == SECRET.name:
        return {key: secret(item) if key in ("data", "stringData") else item for key, item in values.items()}
    marked = dict(values)
    for key, given in source.items():
        if key not in values or not has_secrets(given):
            continue
        if isinstance(values[key], Mapping) and isinstance(given, Mapping) and not is_secret(given):
            marked[key] = with_secrets_of(values[key], dict(given))
        else:
            marked[key] = secret(values[key])
    return marked
