from collections.abc import Mapping
from typing import Any

from kubernetes.client import Configuration

class RESTResponse:
    status: int
    def read(self) -> bytes: ...

class RESTClientObject:
    def __init__(self, configuration: Configuration) -> None: ...
    def close(self) -> None: ...
    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        _request_timeout: tuple[float, float] | None = None,
    ) -> RESTResponse: ...

def should_bypass_proxies(url: str, no_proxy: str) -> bool: ...
