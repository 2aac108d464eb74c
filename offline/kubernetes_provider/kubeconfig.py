"""The cluster that the provider's settings select, read as the platform reads it, with the official error texts."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kubernetes_provider.settings import Settings

from components.errors import ClusterError
from components.targets.kubernetes.kubeconfig import Access, files, location, merged

_NOT_PARSED = "failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- "
_NOT_LOADED = (
    "unable to load Kubernetes client configuration from kubeconfig file. "
    "Make sure you have: \n\n \t • set up the provider \n\n "
)
_NO_CONFIGURATION = (
    "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable"
)


class Unreachable(Exception):
    """No cluster can be reached; the text says why."""


def access(settings: Settings) -> tuple[Access, str]:
    """Address and credentials of the selected cluster, and the namespace of objects that name none.

    Raises:
        Unreachable: There is no kubeconfig, it lacks the context or cluster, or its credentials are unusable.
    """
    with _path(settings) as path:
        config = _read(settings, path)
        name = settings.context or config["current-context"]
        context = config["contexts"].get(name)
        if context is None:
            raise Unreachable(_NOT_LOADED + (f'context "{name}" does not exist' if name else _NO_CONFIGURATION))
        cluster = settings.cluster or context.get("cluster", "")
        if not config["clusters"].get(cluster, {}).get("server"):
            raise Unreachable(f'{_NOT_LOADED}cluster "{cluster}" does not exist')
        namespace = settings.namespace or context.get("namespace") or "default"
        try:
            if not settings.cluster:
                return Access(path, name), namespace
            with _overlay({"name": name, "context": {**context, "cluster": cluster}}) as overlay:
                return Access(os.pathsep.join([overlay, location(path)]), name), namespace
        except ClusterError as error:
            raise Unreachable(f"{_NOT_LOADED}{error}") from error


def selected_cluster(given: Mapping[str, Any]) -> Any:
    """The kubeconfig's entry of the cluster that a provider's inputs select, for comparison; None if there is none."""
    kubeconfig, context, cluster = (str(given.get(key) or "") for key in ("kubeconfig", "context", "cluster"))
    settings = Settings(kubeconfig=kubeconfig, context=context, cluster=cluster)
    try:
        with _path(settings) as path:
            config = _read(settings, path)
    except Unreachable:
        return None
    chosen = config["contexts"].get(context or config["current-context"])
    return chosen and config["clusters"].get(cluster or chosen.get("cluster", ""))


def _path(settings: Settings) -> AbstractContextManager[str | None]:
    """The path of the kubeconfig, None for the default one; contents are written to a temporary file."""
    given = settings.kubeconfig
    is_contents = "\n" in given or given.lstrip().startswith("{")
    return _file(given) if is_contents else nullcontext(given or None)


@contextmanager
def _file(text: str) -> Iterator[str]:
    """The path of a temporary file that only this user can read."""
    with TemporaryDirectory(prefix="millrace-") as folder:
        path = Path(folder, "kubeconfig")
        path.write_text(text)
        yield str(path)


def _overlay(context: Mapping[str, Any]) -> AbstractContextManager[str]:
    """The path of a kubeconfig with one context; first in a list of files, it overrides the others."""
    return _file(json.dumps({"contexts": [context]}))


def _read(settings: Settings, path: str | None) -> dict[str, Any]:
    """The merged kubeconfig; an empty one where the default one does not exist."""
    if not files(path):
        if settings.kubeconfig:
            raise Unreachable(f"{_NOT_PARSED}{settings.kubeconfig}: no such file")
        return {"contexts": {}, "clusters": {}, "current-context": ""}
    try:
        return merged(path)
    except ClusterError as error:
        raise Unreachable(_NOT_PARSED + "; ".join(error.problems)) from error
