"""A proxy in front of the API server, as a kubeconfig's ``proxy-url`` names it.

Source: components/targets/kubernetes/kubeconfig.py, components/targets/kubernetes/port_forward.py.
Proof limit: no proxy runs; the tests show what the clients are told.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from components.errors import ClusterError, PreflightError
from components.targets.kubernetes import kubeconfig, port_forward
from components.targets.kubernetes.kubeconfig import Access
from components.targets.kubernetes.port_forward import PodRefused, PortForward
from components.targets.kubernetes.preflight import ClusterNeeds, preflight

NEEDED = "the proxy socks5://proxy.example:1080 needs PySocks and python-socks: pip install PySocks python-socks"


@pytest.fixture(autouse=True)
def _no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "find_spec", lambda module: None)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def proxied(folder: Path, proxy: object) -> str:
    """A kubeconfig whose API server is behind a proxy."""
    cluster = {"server": "http://api.example:6443", "proxy-url": proxy}
    content = {
        "clusters": [{"name": "there", "cluster": cluster}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "there", "user": "me"}}],
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(content))
    return str(file)


def test_the_error_names_the_packages_that_a_socks_proxy_needs(tmp_path: Path) -> None:
    file = proxied(tmp_path, "socks5://me:hunter2@proxy.example:1080")
    with pytest.raises(ClusterError) as caught:
        Access(file, "test")
    assert caught.value.headline == f'context "test" of the kubeconfig at {file} cannot be used'
    assert caught.value.problems == (NEEDED,), "without the proxy's password"


def test_preflight_ends_with_that_error(tmp_path: Path) -> None:
    file = proxied(tmp_path, "socks5://proxy.example:1080")
    needs = ClusterNeeds(
        context="test", kubeconfig=file, namespace="a", create_namespace=False, storage_class=None, zones=False
    )
    with pytest.raises(PreflightError, match=NEEDED):
        preflight(needs, dry_run=False)


@pytest.mark.parametrize(
    "proxy", ["https://proxy.example", "ftp://proxy.example", "proxy.example:3128", "http://", "socks4://proxy.example"]
)
def test_a_proxy_that_cannot_be_used_is_refused(tmp_path: Path, proxy: str) -> None:
    """The client for requests would raise an error of its own; the one for the tunnel does not speak TLS to a proxy."""
    with pytest.raises(ClusterError) as caught:
        Access(proxied(tmp_path, proxy), "test")
    assert caught.value.problems == (
        "the proxy, from proxy-url or HTTPS_PROXY, must be http://host:port or socks5://host:port",
    )


@pytest.mark.parametrize("proxy", [5, ["http://proxy.example"], "http://proxy.example:http", "http://[proxy"])
def test_a_proxy_that_is_no_address_is_refused(tmp_path: Path, proxy: object) -> None:
    with pytest.raises(ClusterError, match="cannot be used"):
        Access(proxied(tmp_path, proxy), "test")


@pytest.mark.parametrize(
    ("proxy", "settings"),
    [
        ("http://proxy.example", {"http_proxy_host": "proxy.example", "http_proxy_port": 80, "proxy_type": "http"}),
        (
            "socks5://m%40e:hunter%202@proxy.example",
            {
                "http_proxy_host": "proxy.example",
                "http_proxy_port": 1080,
                "proxy_type": "socks5h",
                "http_proxy_auth": ("m@e", "hunter 2"),
            },
        ),
    ],
)
def test_the_tunnel_uses_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, settings: dict[str, object]
) -> None:
    """A SOCKS proxy resolves the API server's name, as for kubectl."""
    monkeypatch.setattr(kubeconfig, "find_spec", lambda module: module)
    given: dict[str, Any] = {}

    def connect(self: object, url: str, **options: Any) -> None:
        given.update(url=url, **options)
        raise port_forward.ProxyError("refused")

    monkeypatch.setattr(port_forward.WebSocket, "connect", connect)
    with pytest.raises(PodRefused, match="does not answer: refused"):
        PortForward(Access(proxied(tmp_path, proxy), "test"), "prod")("kafka-0", 9092)
    assert given["url"].startswith("ws://api.example:6443/")
    assert {key: given[key] for key in settings} == settings


def test_a_server_that_is_reached_without_its_proxy_needs_no_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "api.example")
    assert Access(proxied(tmp_path, "socks5://proxy.example"), "test").configuration.proxy is None
