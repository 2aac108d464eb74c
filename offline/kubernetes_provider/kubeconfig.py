"""Which cluster a kubeconfig means, and how it is talked to.

Read by hand: the official Python client takes a second to import, and a preview without a cluster needs none of it.
"""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes_provider.settings import Settings

_NOT_LOADED = (
    "unable to load Kubernetes client configuration from kubeconfig file. "
    "Make sure you have: \n\n \t • set up the provider \n\n "
)
_SIGN_IN_BY_PLUGIN = ("exec", "auth-provider")


class Unreachable(Exception):
    """There is no cluster to talk to; the text says why."""


@dataclass(frozen=True)
class Access:
    """How an API server is talked to; certificates and keys as PEM texts."""

    server: str
    namespace: str = "default"
    authority: str = ""
    certificate: str = ""
    key: str = ""
    token: str = ""
    verify: bool = True
    server_name: str | None = None


def access(settings: Settings) -> Access:
    """The access that the settings mean.

    Raises:
        Unreachable: No kubeconfig, no such context, or a way of signing in that is not implemented.
    """
    folder, config = _load(settings)
    context_name = settings.context or config.get("current-context") or ""
    context = _entry(config, "contexts", "context", context_name)
    if context is None:
        if context_name:
            raise Unreachable(f'{_NOT_LOADED}context "{context_name}" does not exist')
        raise Unreachable(
            f"{_NOT_LOADED}invalid configuration: no configuration has been "
            "provided, try setting KUBERNETES_MASTER environment variable"
        )
    cluster = _entry(config, "clusters", "cluster", settings.cluster or context.get("cluster", ""))
    if cluster is None or not cluster.get("server"):
        name = settings.cluster or context.get("cluster", "")
        raise Unreachable(f'{_NOT_LOADED}cluster "{name}" does not exist')
    user = _entry(config, "users", "user", context.get("user", "")) or {}
    for way in _SIGN_IN_BY_PLUGIN:
        if way in user:
            raise Unreachable(f'this stand-in provider does not implement the kubeconfig\'s "{way}"')
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        namespace=settings.namespace or context.get("namespace") or "default",
        authority=_pem(cluster, "certificate-authority", folder),
        certificate=_pem(user, "client-certificate", folder),
        key=_pem(user, "client-key", folder),
        token=_token(user, folder),
        verify=not cluster.get("insecure-skip-tls-verify"),
        server_name=cluster.get("tls-server-name"),
    )


def active_cluster(given: Mapping[str, Any]) -> Any:
    """The part of a provider's configuration that says which cluster it means, to be compared; None if unclear."""
    kubeconfig, context, cluster = (str(given.get(key) or "") for key in ("kubeconfig", "context", "cluster"))
    settings = Settings(kubeconfig=kubeconfig, context=context, cluster=cluster)
    try:
        _, config = _load(settings)
    except Unreachable:
        return None
    chosen = _entry(config, "contexts", "context", context or config.get("current-context") or "")
    return chosen and _entry(config, "clusters", "cluster", cluster or chosen.get("cluster", ""))


def _load(settings: Settings) -> tuple[Path, Mapping[str, Any]]:
    """The kubeconfig, and the folder that its relative paths start from."""
    given = settings.kubeconfig
    if given and "\n" not in given and not given.lstrip().startswith("{"):
        path = Path(given).expanduser()
        if not path.is_file():
            raise Unreachable(
                f"failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- {given}: no such file"
            )
        return path.parent, _parse(path.read_text())
    if given:
        return Path.cwd(), _parse(given)
    candidates = os.environ.get("KUBECONFIG", "").split(os.pathsep)
    for name in [*candidates, str(Path.home() / ".kube" / "config")] if not any(candidates) else candidates:
        if name and Path(name).is_file():
            return Path(name).parent, _parse(Path(name).read_text())
    return Path.cwd(), {}


def _parse(text: str) -> Mapping[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Unreachable(f"failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- {error}") from error
    if not isinstance(config, Mapping):
        raise Unreachable("failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- it is no kubeconfig")
    return config


def _entry(config: Mapping[str, Any], entries: str, key: str, name: str) -> Mapping[str, Any] | None:
    """One named entry of a kubeconfig's list."""
    return next((entry.get(key) or {} for entry in config.get(entries) or [] if entry.get("name") == name), None)


def _pem(entry: Mapping[str, Any], key: str, folder: Path) -> str:
    """A certificate or key: given as data, or as a file."""
    if data := entry.get(f"{key}-data"):
        return base64.b64decode(data).decode()
    return _read(folder / entry[key]) if entry.get(key) else ""


def _token(user: Mapping[str, Any], folder: Path) -> str:
    if path := user.get("tokenFile"):
        return _read(folder / path).strip()
    return str(user.get("token", ""))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise Unreachable(f"{_NOT_LOADED}unable to read {path}: {error.strerror}") from error
