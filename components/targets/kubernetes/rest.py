"""Requests to a Kubernetes API server: credentials, deadlines, and an error text for each failure."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from components.errors import ClusterError
from components.targets.kubernetes.kubeconfig import Access
from components.targets.kubernetes.objects import Json

CONNECT_SECONDS = 5.0
"""Seconds for the API server to accept a connection."""

REQUEST_SECONDS = 10.0
"""Seconds for one answer."""

_JSON = "application/json"
_MERGE = "application/merge-patch+json"


class Api(Protocol):
    """Sends one request to an API server."""

    context: str
    """Name of the context, for messages."""

    def request(self, method: str, path: str, body: Json | None, content_type: str) -> tuple[int, bytes]:
        """Send a request.

        Returns:
            Status and body of the answer.

        Raises:
            ClusterError: There is no answer.
        """
        ...


class Rest:
    """Requests over HTTPS with a context's credentials, which are renewed once if the server rejects them.

    Args:
        access: Address and credentials of the API server.
    """

    def __init__(self, access: Access) -> None:
        self.context = access.context
        self._access = access
        self._http = access.rest()

    def request(self, method: str, path: str, body: Json | None, content_type: str) -> tuple[int, bytes]:
        """Send a request, and send it again with new credentials after status 401."""
        status, answer = self._once(method, path, body, content_type)
        if status == 401:
            self._access.reload()
            self._http.close()
            self._http = self._access.rest()
            status, answer = self._once(method, path, body, content_type)
        return status, answer

    def _once(self, method: str, path: str, body: Json | None, content_type: str) -> tuple[int, bytes]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        host = self._access.configuration.host
        headers = {"Content-Type": content_type, "Accept": "application/json, */*", **self._access.headers()}
        timeout = (CONNECT_SECONDS, REQUEST_SECONDS)
        try:
            response = self._http.request(method, host + path, headers=headers, body=body, _request_timeout=timeout)
            return response.status, response.read()
        except (HTTPError, ApiException, OSError) as error:
            raise ClusterError(f"the Kubernetes API at {host} does not answer ({_why(error)})") from error


class Requests:
    """Requests whose failures are errors that name verb, resource and namespace.

    Args:
        api: Sends them.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    def ask(
        self, verb: str, what: str, namespace: str, path: str, *, method: str = "GET", body: Json | None = None
    ) -> dict[str, Any]:
        """As :meth:`find`, but every failure is an error."""
        answer = self.find(verb, what, namespace, path, method=method, body=body, tolerated=())
        assert answer is not None  # noqa: S101  only statuses in `tolerated` are answered with None
        return answer

    def find(
        self,
        verb: str,
        what: str,
        namespace: str,
        path: str,
        *,
        method: str = "GET",
        body: Json | None = None,
        tolerated: Sequence[int] = (404,),
    ) -> dict[str, Any] | None:
        """Send a request and read the JSON of its answer.

        Args:
            verb: The verb that the credentials need.
            what: Resource, and name if it has one, for messages.
            namespace: Where, for messages; "" for cluster-wide.
            path: Path and query.
            method: The request's method.
            body: The request's JSON.
            tolerated: Error statuses for which the answer is None.

        Raises:
            ClusterError: The API server rejects the request, or does not answer.
        """
        try:
            status, answer = self._api.request(method, path, body, _MERGE if method == "PATCH" else _JSON)
        except ClusterError as error:
            raise ClusterError(f"cannot {verb} {what}{_place(namespace)}: {error.headline}", error.problems) from error
        if status in tolerated:
            return None
        if not 200 <= status < 300:
            raise self._error(status, answer, verb, what, namespace)
        try:
            return json.loads(answer)
        except ValueError:
            raise self._error(status, b"the answer is not JSON", verb, what, namespace) from None

    def items(self, namespace: str, resource: str, selector: Mapping[str, str]) -> list[Json]:
        """The objects with all of these labels, sorted by name.

        Raises:
            ClusterError: The API server rejects the request, or does not answer.
        """
        labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
        path = f"{path_of(namespace, resource)}?{urlencode({'labelSelector': labels})}"
        items: list[Json] = self.ask("list", resource, namespace, path)["items"]
        return sorted(items, key=lambda item: item["metadata"]["name"])

    def log(self, namespace: str, pod: str, **options: object) -> list[str] | None:
        """Lines of a pod's log; none while no node has it yet; None if it has no such container, or is gone.

        Args:
            namespace: The pod's namespace.
            pod: Its name.
            options: The request's query, in the API's own keys.

        Raises:
            ClusterError: The API server rejects the request, or does not answer.
        """
        status, body = self._api.request(
            "GET", f"{path_of(namespace, 'pods', pod)}/log?{urlencode(options)}", None, _JSON
        )
        if status in (400, 404):
            return None
        if status not in (200, 204):  # 204: no node has the pod yet
            raise self._error(status, body, "get", f"pods/log {pod}", namespace)
        return body.decode(errors="replace").splitlines()

    def _error(self, status: int, body: bytes, verb: str, what: str, namespace: str) -> ClusterError:
        failed, said = f"cannot {verb} {what}{_place(namespace)}", _message(body)
        if status == 401:
            return ClusterError(
                f"{failed}: the API server rejects the credentials of context {self._api.context}",
                [said or "Unauthorized", "log in to the cluster again, or choose another context"],
            )
        if status == 403:
            resource = what.partition(" ")[0]
            return ClusterError(
                f"{failed}: the credentials of context {self._api.context} lack the verb {verb} on {resource}",
                [said, "ask for a role that allows it, or choose another context"],
            )
        if status == 429:  # a disruption budget, or too many requests
            return ClusterError(" ".join([f"{failed} now: {said}", *_causes(body)]))
        return ClusterError(f"{failed}: {said or 'the API server failed'} (HTTP {status})")


def path_of(namespace: str, resource: str, name: str = "") -> str:
    """The API's path of a resource in a namespace, or of one object of it."""
    group = "/apis/apps/v1" if resource == "statefulsets" else "/api/v1"
    return f"{group}/namespaces/{quote(namespace)}/{resource}" + (f"/{quote(name)}" if name else "")


def object_path(manifest: Mapping[str, Any]) -> str:
    """The API's path of the object that a manifest describes; of those kinds that the program declares."""
    version, metadata, kind = str(manifest["apiVersion"]), manifest["metadata"], str(manifest["kind"]).lower()
    group = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = f"/namespaces/{quote(metadata['namespace'])}" if metadata.get("namespace") else ""
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return f"{group}{place}/{plural}/{quote(metadata['name'])}"


def _place(namespace: str) -> str:
    return f" in namespace {namespace}" if namespace else ""


def _message(body: bytes) -> str:
    """The API server's message; lines after the first are its own data structures."""
    try:
        return str(json.loads(body)["message"]).strip().partition("\n")[0]
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()[:300]


def _causes(body: bytes) -> list[str]:
    """The single reasons in an API server's refusal, if it gives any: which disruption budget, and what it needs."""
    try:
        return [str(cause["message"]) for cause in json.loads(body)["details"]["causes"]]
    except (ValueError, KeyError, TypeError):
        return []


def _why(error: Exception) -> str:
    """The innermost reason of a failed request, as text."""
    from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ReadTimeoutError

    reason = getattr(error, "reason", None) or error
    if isinstance(reason, NameResolutionError):
        return "its name is not known"
    if isinstance(reason, ConnectTimeoutError) and not isinstance(reason, NewConnectionError):
        return f"no connection within {CONNECT_SECONDS:.0f} s"
    if isinstance(reason, ReadTimeoutError):
        return f"no answer within {REQUEST_SECONDS:.0f} s"
    text = str(reason).rpartition("connection: ")[2]
    return re.sub(r"^\[.*?\] | \(_ssl\.c:\d+\)$", "", text.strip())
