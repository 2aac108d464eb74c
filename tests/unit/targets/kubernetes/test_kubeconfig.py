"""Credentials of a plugin: how often it is asked.

Source: components/targets/kubernetes/kubeconfig.py.
Proof limit: no API server rejects the credentials; the cluster tests have a real one.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from components.targets.kubernetes.kubeconfig import shared_access

API = "client.authentication.k8s.io/v1"


class Plugin:
    """A kubeconfig with a credential plugin that counts its runs; each run gives another token."""

    def __init__(self, folder: Path, lives: timedelta) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self._runs = folder / "runs"
        tool = folder / "plugin"
        status = {"token": "TOKEN", "expirationTimestamp": (datetime.now(UTC) + lives).strftime("%Y-%m-%dT%H:%M:%SZ")}
        credential = json.dumps({"apiVersion": API, "kind": "ExecCredential", "status": status})
        tool.write_text(
            f"#!/bin/sh\necho run >> {self._runs}\necho '{credential}' | sed s/TOKEN/token-$(wc -l < {self._runs})/\n"
        )
        tool.chmod(0o755)
        user = {"exec": {"apiVersion": API, "command": str(tool), "interactiveMode": "Never"}}
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
                    "users": [{"name": "u", "user": user}],
                    "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
                }
            )
        )

    @property
    def runs(self) -> int:
        return len(self._runs.read_text().splitlines())

    def token(self) -> str:
        """The token of one look at the cluster."""
        return shared_access(str(self.kubeconfig), "test").headers()["Authorization"]


def test_a_plugin_is_asked_once_for_all_looks_until_its_credentials_expire(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, timedelta(hours=1))
    assert {plugin.token() for _ in range(5)} == {"Bearer token-1"}
    assert plugin.runs == 1


def test_expired_credentials_are_renewed(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, timedelta(seconds=-1))
    assert plugin.token() != plugin.token()
    assert plugin.runs >= 2


def test_rejected_credentials_are_renewed_for_all_looks(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, timedelta(hours=1))
    plugin.token()
    shared_access(str(plugin.kubeconfig), "test").reload()
    assert {plugin.token() for _ in range(3)} == {"Bearer token-2"}


def test_a_changed_kubeconfig_is_read_again(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, timedelta(hours=1))
    plugin.token()
    os.utime(plugin.kubeconfig, ns=(1, 1))
    assert plugin.token() == "Bearer token-2"


@pytest.mark.parametrize("name", ["one", "two"])
def test_contexts_do_not_share_credentials(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert Plugin(tmp_path / name, timedelta(hours=1)).token() == "Bearer token-1"
