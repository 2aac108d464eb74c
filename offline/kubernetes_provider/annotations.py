"""The annotations that configure the provider per resource."""

from collections.abc import Mapping

from plugin_protocol.values import Props

AUTONAMED = "pulumi.com/autonamed"
DELETION = "pulumi.com/deletionPropagationPolicy"
FIELD_MANAGER = "pulumi.com/patchFieldManager"
PATCH_FORCE = "pulumi.com/patchForce"
SKIP_AWAIT = "pulumi.com/skipAwait"
TIMEOUT = "pulumi.com/timeoutSeconds"

IMPLEMENTED = frozenset({AUTONAMED, DELETION, FIELD_MANAGER, PATCH_FORCE, SKIP_AWAIT, TIMEOUT})


def annotation(manifest: Props, key: str) -> str:
    """An annotation's value; empty if it is not set."""
    annotations = manifest.get("metadata", {}).get("annotations")
    return str(annotations.get(key, "")) if isinstance(annotations, Mapping) else ""


def says_yes(manifest: Props, key: str) -> bool:
    """Whether an annotation is ``"true"``."""
    return annotation(manifest, key).lower() == "true"


def timeout_of(manifest: Props, seconds: float, default: float = 600) -> float:
    """An operation's timeout in seconds: from the resource's options, else the annotation, else ten minutes."""
    return seconds or float(annotation(manifest, TIMEOUT) or default)
