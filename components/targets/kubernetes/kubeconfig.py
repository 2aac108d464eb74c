"""The kubeconfig: its contexts, and the API server's address and credentials for one of them.

The official loader reads it, with two corrections: the files that it writes for certificates and keys are removed at
once, and a credential plugin that fails, which the loader only logs, is an error.
"""

import logging
import os
import ssl
import threading
import warnings
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from copy import copy
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from components.errors import ClusterError

if TYPE_CHECKING:
    from kubernetes.client import Configuration
    from kubernetes.client.rest import RESTClientObject

_lock = threading.Lock()


@contextmanager
def _loading() -> Generator[None]:
    """Let the loader work, and remove the files that it writes for certificates and keys.

    The loader itself removes them when the process ends, but not when it is killed, as plugins are. A dictionary of
    its module lists the files, hence the lock.
    """
    loader: Any = import_module("kubernetes.config.kube_config")
    with _lock:
        try:
            yield
        finally:
            loader._cleanup_temp_files()


def location(kubeconfig: str | None) -> str:
    """The files of a kubeconfig, as ``KUBECONFIG`` lists them; the default ones for None."""
    return kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"


def files(kubeconfig: str | None) -> list[Path]:
    """The files of a kubeconfig that exist, in order of precedence."""
    return [
        path for part in location(kubeconfig).split(os.pathsep) if part and (path := Path(part).expanduser()).is_file()
    ]


def merged(kubeconfig: str | None) -> dict[str, Any]:
    """The files of a kubeconfig as one; of entries with the same name the first counts. Connects to nothing.

    Returns:
        ``contexts``, ``clusters`` and ``users``, each by name, and ``current-context``, which may be empty.

    Raises:
        ClusterError: There is no such file, or it is not a kubeconfig.
    """
    import yaml

    found = files(kubeconfig)
    if not found:
        raise ClusterError(
            f"there is no kubeconfig at {location(kubeconfig)}",
            ["name one in the stack file, or in the environment as KUBECONFIG"],
        )
    config: dict[str, Any] = {"contexts": {}, "clusters": {}, "users": {}, "current-context": ""}
    for file in found:
        try:
            content: Any = yaml.safe_load(file.read_text())
            for entries, key in (("contexts", "context"), ("clusters", "cluster"), ("users", "user")):
                for entry in content.get(entries) or ():
                    config[entries].setdefault(str(entry["name"]), entry.get(key) or {})
            config["current-context"] = config["current-context"] or str(content.get("current-context") or "")
        except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
            raise ClusterError(f"{file} is not a kubeconfig", [_first_line(error)]) from error
    return config


def contexts(kubeconfig: str | None) -> list[str]:
    """Names of the contexts of a kubeconfig. Connects to nothing.

    Raises:
        ClusterError: There is no such file, or it is not a kubeconfig.
    """
    return list(merged(kubeconfig)["contexts"])


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


class Access:
    """Address and credentials of one context; :meth:`reload` them when the API server rejects them.

    Certificates and keys are in ``tls`` alone, not in files.

    Args:
        kubeconfig: Its path; None for the default one.
        context: Name of the context.

    Raises:
        ClusterError: There is no kubeconfig, it has no such context, or its credentials are unavailable.
    """

    def __init__(self, kubeconfig: str | None, context: str) -> None:
        self.context = context
        self._kubeconfig = kubeconfig
        self.reload()

    def reload(self) -> None:
        """Read the file again, and let a plugin create new credentials."""
        self._loaded, self.tls = self._load()
        # The loader puts files and the proxy back into its own one whenever it gives a token.
        plain: Any = copy(self._loaded)
        plain.refresh_api_key_hook = None
        self.configuration: Configuration = plain

    def headers(self) -> dict[str, str]:
        """Headers that authenticate; a token that expires is renewed first."""
        with _loading(), _raising_logged_errors(self.context):
            token = self._loaded.get_api_key_with_prefix("BearerToken")
        return {"Authorization": token} if token else {}

    def rest(self) -> "RESTClientObject":
        """A client for requests with these certificates; tokens come from :meth:`headers`."""
        from kubernetes.client.rest import RESTClientObject

        client: Any = RESTClientObject(self.configuration)
        client.pool_manager.connection_pool_kw["ssl_context"] = self.tls
        return client

    def _load(self) -> "tuple[Configuration, ssl.SSLContext]":
        where, known = location(self._kubeconfig), contexts(self._kubeconfig)
        if self.context not in known:
            raise ClusterError(
                f'the kubeconfig at {where} has no context "{self.context}"',
                [f"it has {', '.join(sorted(known))}" if known else "it has none"],
            )
        from kubernetes.client import Configuration
        from kubernetes.config import ConfigException, load_kube_config

        loaded = Configuration()
        loaded.retries = 0  # otherwise urllib3 tries thrice, and warns on standard error each time
        try:
            with _loading(), _raising_logged_errors(self.context):
                load_kube_config(config_file=where, context=self.context, client_configuration=loaded)
                tls = _tls(loaded)
                loaded.ssl_ca_cert = loaded.cert_file = loaded.key_file = None
                loaded.proxy = _proxy(loaded)
        except (ConfigException, OSError, ValueError, AttributeError, KeyError, TypeError) as error:
            raise ClusterError(
                f'context "{self.context}" of the kubeconfig at {where} cannot be used', [_first_line(error)]
            ) from error
        if not loaded.verify_ssl:  # as the kubeconfig says
            warnings.filterwarnings("ignore", message="Unverified HTTPS request")
        return loaded, tls


_shared: dict[Hashable, Access] = {}
_sharing = threading.Lock()


def shared_access(kubeconfig: str | None, context: str) -> Access:
    """The process's one access to a context, as long as its files do not change.

    A credential plugin may ask a person or a slow service. So it runs once, then again only when its credentials have
    expired or the API server rejects them, and not for each connection.

    Args:
        kubeconfig: Its path; None for the default one.
        context: Name of the context.

    Raises:
        ClusterError: There is no kubeconfig, it has no such context, or its credentials are unavailable.
    """
    with _sharing:
        key = (context, *((file, file.stat().st_mtime_ns) for file in files(kubeconfig)))
        if key not in _shared:
            _shared[key] = Access(kubeconfig, context)
        return _shared[key]


_SOCKS_PACKAGES = {"socks": "PySocks", "python_socks": "python-socks"}
"""Modules that a SOCKS proxy needs, urllib3's and websocket-client's, and the packages that have them."""


def _proxy(loaded: "Configuration") -> str | None:
    """The proxy in front of the API server, or None. Names are resolved by a SOCKS proxy, as kubectl does.

    Raises:
        ValueError: No connection can be made through it.
    """
    from kubernetes.client.rest import should_bypass_proxies

    if not loaded.proxy or should_bypass_proxies(loaded.host, loaded.no_proxy or ""):
        return None
    proxy = urlsplit(loaded.proxy)
    if not proxy.hostname or proxy.scheme not in ("http", "socks5", "socks5h"):
        raise ValueError("the proxy, from proxy-url or HTTPS_PROXY, must be http://host:port or socks5://host:port")
    place = f"{proxy.scheme}://{proxy.hostname}" + (f":{proxy.port}" if proxy.port else "")
    if proxy.scheme == "http":
        return loaded.proxy
    missing = [package for module, package in _SOCKS_PACKAGES.items() if find_spec(module) is None]
    if missing:
        names = " and ".join(missing)
        raise ValueError(f"the proxy {place} needs {names}: pip install {' '.join(missing)}")
    return proxy._replace(scheme="socks5h").geturl()


def _tls(loaded: "Configuration") -> ssl.SSLContext:
    """Verify the API server's certificate and present ours, as the kubeconfig says."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not loaded.verify_ssl:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif loaded.ssl_ca_cert:
        made.load_verify_locations(loaded.ssl_ca_cert)
    else:
        made.load_default_certs()
    if loaded.cert_file:
        made.load_cert_chain(loaded.cert_file, loaded.key_file)
    return made


@contextmanager
def _raising_logged_errors(context: str) -> Generator[None]:
    """Raise what the loader only logs: that a credential plugin failed.

    Raises:
        ClusterError: With what was logged.
    """
    logged: list[str] = []
    thread = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and record.name == "root":
                logged.append(record.getMessage())

    listener, root = Listener(logging.ERROR), logging.getLogger()
    root.addHandler(listener)
    try:
        yield
    finally:
        root.removeHandler(listener)
    if logged:
        raise ClusterError(f'the credentials of context "{context}" are unavailable', logged)
