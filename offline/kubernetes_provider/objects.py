"""Objects on an API server: created, updated, deleted and awaited as the official provider does."""

import copy
from collections.abc import Sequence
from typing import Any

from kubernetes_provider import awaiting, ownership
from kubernetes_provider.annotations import (
    DELETION,
    FIELD_MANAGER,
    PATCH_FORCE,
    SKIP_AWAIT,
    annotation,
    says_yes,
    timeout_of,
)
from kubernetes_provider.api import APPLY, JSON_PATCH, ApiError
from kubernetes_provider.awaiting import Waiting
from kubernetes_provider.kinds import Kind
from kubernetes_provider.settings import Settings
from plugin_protocol.values import Props

_CREATOR = "pulumi-kubernetes"
_ATTEMPTS = 5
_STRICT = {"fieldValidation": "Strict"}
_DRY = {"dryRun": "All"}
_PROPAGATION = {"orphan": "Orphan", "background": "Background"}


class Objects:
    """The objects of one cluster."""

    def __init__(self, settings: Settings, waiting: Waiting) -> None:
        self._settings = settings
        self._waiting = waiting
        self._api = waiting.api

    def preview_creation(self, kind: Kind, manifest: Props) -> Props | None:
        """The object that the server would create, or None if it cannot be previewed yet."""
        try:
            made = self._create(kind, manifest, dry=True)
        except ApiError as error:
            if error.code == 403 or error.reason == "AlreadyExists" or error.names_missing_namespace:
                return None
            raise
        made.pop("status", None)
        return made

    def create(self, kind: Kind, manifest: Props, seconds: float) -> Props:
        """Create an object and wait until it is ready."""
        made = self._create_with_retries(kind, manifest)
        self._waiting.report("")
        return self._awaited(kind, manifest, made, seconds)

    def _create_with_retries(self, kind: Kind, manifest: Props) -> Props:
        """Create the object; retry until its namespace exists."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._create(kind, manifest)
            except ApiError as error:
                if error.code != 404:
                    raise
                self._waiting.report(f"Retry #{attempt}; creation failed: {error}")
                self._waiting.cancelled.wait(2**attempt)
        return self._create(kind, manifest)

    def _create(self, kind: Kind, manifest: Props, dry: bool = False) -> Props:
        metadata, query = manifest["metadata"], {**_STRICT, **(_DRY if dry else {})}
        if self._settings.upsert:
            path = kind.path(metadata.get("namespace", ""), metadata["name"])
            return self._apply(path, manifest, annotation(manifest, FIELD_MANAGER) or _CREATOR, dry)
        return self._api.create(
            kind.collection(metadata.get("namespace", "")), manifest, fieldManager=_CREATOR, **query
        )

    def _apply(self, path: str, manifest: Props, manager: str, dry: bool) -> Props:
        force = dry or self._settings.patch_force or says_yes(manifest, PATCH_FORCE)
        query = {**_STRICT, **(_DRY if dry else {}), "fieldManager": manager, "force": str(force).lower()}
        try:
            return self._api.patch(path, manifest, APPLY, **query)
        except ApiError as error:
            if error.code != 409:
                raise
            message = (
                "Server-Side Apply field conflict detected. Annotate the object with "
                f'{PATCH_FORCE}: "true" to take the field over.\n'
                f'The resource managed by field manager "{manager}" had an apply conflict: {error}'
            )
            raise ApiError(message, error.code, error.reason, error.details) from error

    def _awaited(self, kind: Kind, manifest: Props, live: Props, seconds: float) -> Props:
        """Wait until an object is ready, unless waiting is disabled; returns the live object."""
        if not says_yes(manifest, SKIP_AWAIT):
            awaiting.until_ready(self._waiting, kind, live, timeout_of(manifest, seconds))
            self._waiting.report("")
        try:
            return self._api.get(awaiting.path_of(kind, live))
        except ApiError:
            return live

    def read(self, kind: Kind, namespace: str, name: str) -> Props | None:
        """The live object, or None if it does not exist."""
        try:
            return self._api.get(kind.path(namespace, name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def check(self, kind: Kind, manifest: Props, live: Props) -> None:
        """Raise NotReady if an object is not ready now."""
        if not says_yes(manifest, SKIP_AWAIT):
            awaiting.check(self._api, kind, live)

    def preview_update(self, path: str, manifest: Props, manager: str, ignored: Sequence[str]) -> Props:
        """The object that the server would return for an update."""
        live = self._api.get(path)
        return self._apply(path, _without_ignored(manifest, live, manager, ignored), manager, dry=True)

    def update(
        self, kind: Kind, path: str, manifest: Props, manager: str, ignored: Sequence[str], seconds: float
    ) -> Props:
        """Apply a changed manifest and wait until the object is ready."""
        live = self._api.get(path)
        entries = live["metadata"].get("managedFields", [])
        owned = ownership.taken_over(entries, manager)
        if owned != entries:
            changes = [
                {"op": "replace", "path": "/metadata/managedFields", "value": owned},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
            ]
            live = self._api.patch(path, changes, JSON_PATCH, fieldManager=manager)
        applied = self._apply(path, _without_ignored(manifest, live, manager, ignored), manager, dry=False)
        return self._awaited(kind, manifest, applied, seconds)

    def delete(self, kind: Kind, path: str, manifest: Props, seconds: float) -> None:
        """Delete an object and wait until it is gone; a missing one is no error."""
        propagation = _PROPAGATION.get(annotation(manifest, DELETION).lower(), "Foreground")
        try:
            self._api.delete(path, propagation)
        except ApiError as error:
            if error.code != 404:
                raise
            return
        if not says_yes(manifest, SKIP_AWAIT):
            awaiting.until_gone(self._waiting, kind, path, timeout_of(manifest, seconds))


def _without_ignored(manifest: Props, live: Props, manager: str, ignored: Sequence[str]) -> Props:
    """The manifest without ignored fields that only other managers own; other ignored fields get their live values."""
    entries = live["metadata"].get("managedFields", [])
    result = copy.deepcopy(manifest)
    for text in ignored:
        path = text.split(".")
        holder, present = _holder(result, path), _holder(live, path)
        if holder is None:
            continue
        if ownership.is_others_only(entries, manager, path):
            holder.pop(path[-1], None)
        elif present is not None and path[-1] in present:
            holder[path[-1]] = present[path[-1]]
    return result


def _holder(manifest: Any, path: Sequence[str]) -> Props | None:
    for part in path[:-1]:
        manifest = manifest.get(part) if isinstance(manifest, dict) else None
    return manifest if isinstance(manifest, dict) else None
