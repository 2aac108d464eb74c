"""Requests to the API server, and its errors."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from plugin_protocol.values import Props

from components.errors import ClusterError
from components.targets.kubernetes.kubeconfig import Access

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"

_HEADERS = {"Accept": "application/json", "User-Agent": "pulumi-kubernetes"}
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 60


class ApiError(Exception):
    """The API server rejected a request; the text is the server's."""

    def __init__(self, message: str, code: int, reason: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details or {}

    @property
    def names_missing_namespace(self) -> bool:
        """Whether the request failed because its namespace does not exist."""
        return self.code == 404 and self.details.get("kind") == "namespaces"


class Api:
    """An API server."""

    def __init__(self, access: Access) -> None:
        import urllib3  # slow to import; a preview without a cluster does not need it

        self._access = access
        server_name = access.configuration.tls_server_name
        options: dict[str, Any] = {"server_hostname": server_name} if server_name else {}
        self._pool = urllib3.PoolManager(
            maxsize=64,
            retries=False,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS),
            ssl_context=access.tls,
            **options,
        )

    def get(self, path: str, **query: str) -> Props:
        """Get an object or a list."""
        return self._ask("GET", path, query)

    def create(self, path: str, manifest: Props, **query: str) -> Props:
        """Create an object in a collection."""
        return self._ask("POST", path, query, manifest, "application/json")

    def patch(self, path: str, body: Any, content: str, **query: str) -> Props:
        """Patch or apply an object."""
        return self._ask("PATCH", path, query, body, content)

    def delete(self, path: str, propagation: str) -> Props:
        """Start the deletion of an object."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        return self._ask("DELETE", path, {}, options, "application/json")

    def _ask(self, method: str, path: str, query: Mapping[str, str], body: Any = None, content: str = "") -> Props:
        import urllib3

        url = f"{self._access.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**_HEADERS, **({"Content-Type": content} if content else {})}
        try:
            headers |= self._access.headers()
            answer = self._pool.request(method, url, body=json.dumps(body) if content else None, headers=headers)
        except ClusterError as error:
            raise ApiError(str(error), 0) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(f'{method.capitalize()} "{url}": {_without_addresses(error)}', 0) from error
        text = answer.data.decode(errors="replace")
        document: Props = json.loads(text) if text.startswith("{") else {"message": text.strip()}
        if answer.status >= 400:
            message = document.get("message") or f"the server answered with status {answer.status}"
            raise ApiError(message, answer.status, document.get("reason", ""), document.get("details"))
        return document


def _without_addresses(error: BaseException) -> str:
    """An error's text without the object that urllib3 puts in front of it."""
    text = str(error)
    return text.partition(": ")[2] if text.startswith("<") and ": " in text else text
