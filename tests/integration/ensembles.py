"""A ZooKeeper ensemble alone, whose number of members changes, with a writer that counts what was acknowledged."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

from components.naming import ordinal_of
from components.zookeeper.client import voters
from tests.crash.kills import heal, start
from tests.integration.stacks import PREFIX, PROJECT, Checkout, eventually


class Ensemble(Checkout):
    """A copy of the program in ``tests/fixtures/ensemble``, with one member."""

    def __init__(self, folder: Path, name: str, **config: Any) -> None:
        shutil.copytree(PROJECT / "tests" / "fixtures" / "ensemble", folder)
        (folder / ".venv").symlink_to(PROJECT / ".venv")
        file, project = folder / "Pulumi.yaml", PREFIX.rstrip("-")
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "name": project}))
        given = {f"{project}:{key}": value for key, value in {"members": 1, **config}.items()}
        super().__init__(folder, name, given, project)

    def set_members(self, members: int) -> None:
        """Change the number of members; the next ``up`` does it."""
        self.config[f"{PREFIX.rstrip('-')}:members"] = members

    def resize(self, members: int, *arguments: str) -> None:
        """Change the number of members."""
        self.set_members(members)
        self.up(*arguments)

    def password(self) -> str:
        """The password with which members are added and removed."""
        (password,) = self.generated().values()
        return password

    def addresses(self) -> Mapping[str, str]:
        """``host:port`` of each member by name, in order."""
        return dict(sorted(self.outputs()["members"].items(), key=lambda item: ordinal_of(item[0])))


def addresses(ensemble: Ensemble) -> list[str]:
    """``host:port`` of each member, in order."""
    return list(ensemble.addresses().values())


def tree(servers: Sequence[str]) -> dict[str, bytes]:
    """All nodes but ephemeral ones and ZooKeeper's own, with their data, as one of the servers has them."""
    client = KazooClient(hosts=",".join(servers), timeout=10)
    client.start(timeout=10)
    found: dict[str, bytes] = {}

    def walk(path: str) -> None:
        data, stat = client.get(path or "/")
        if stat.ephemeralOwner == 0:
            found[path or "/"] = data
        for child in client.get_children(path or "/"):
            if f"{path}/{child}" != "/zookeeper":
                walk(f"{path}/{child}")

    try:
        client.sync("/")
        walk("")
    finally:
        client.stop()
        client.close()
    return found


def kill_resize(ensemble: Ensemble, members: int) -> None:
    """Kill an ``up`` with all that it started after the first vote was given or taken; clean up as `make up` does."""
    first = addresses(ensemble)[:1]
    before = voters(first)
    ensemble.set_members(members)
    running = start(ensemble, "up")
    eventually(lambda: voters(first) != before, 180, "another vote")
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    heal(ensemble, "--if-killed", "--yes")


class Load:
    """Creates a node after the other until it ends, and keeps the paths that ZooKeeper acknowledged."""

    def __init__(self, servers: Sequence[str]) -> None:
        self.acknowledged: set[str] = set()
        self._client = KazooClient(hosts=",".join(servers), timeout=10)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> "Load":
        self._client.start(timeout=10)
        self._client.ensure_path("/load")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._client.stop()
        self._client.close()

    def goes_on(self, seconds: float = 10) -> None:
        """Fail unless further nodes are acknowledged."""
        before, end = len(self.acknowledged), time.monotonic() + seconds
        while len(self.acknowledged) < before + 10:
            assert time.monotonic() < end, "no node was acknowledged"
            time.sleep(0.1)

    def _write(self) -> None:
        number = 0
        while not self._end.is_set():
            number += 1
            try:
                self.acknowledged.add(self._client.create(f"/load/{number}", str(number).encode()))
            except KazooException:  # a lost connection: whether the node exists is unknown
                time.sleep(0.05)
            time.sleep(0.01)
