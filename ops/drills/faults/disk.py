"""A broker whose disk is full. Members share a volume, so nothing is really filled: its process may not write."""

import threading
from dataclasses import dataclass, field
from typing import Any

from ops.drills.faults.containers import container_of, engine, helper_obstacles, run_helper
from ops.errors import UnreachableError
from ops.platform import Platform

UNLIMITED = -1

PAUSE_SECONDS = 0.5
"""Seconds between two looks whether the broker was started again, so that its new process is limited too."""

# Runs in the broker's process namespace, where the broker is process 1, as the broker's own user: a process may change
# the limits of another of the same user, so no capability is needed. Only the soft limit changes; it can be raised.
_LIMIT = """
import os, resource, sys
ids = dict(line.split()[:2] for line in open("/proc/1/status") if line.startswith(("Uid:", "Gid:")))
os.setgroups([])
os.setgid(int(ids["Gid:"]))
os.setuid(int(ids["Uid:"]))
resource.prlimit(1, resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
"""


@dataclass
class FullDisk:
    """A limit of one byte on files that the broker's process writes (``RLIMIT_FSIZE``).

    Every append then fails with "File too large" where a full disk says "No space left on device"; Kafka treats both
    alike: it takes its log folder offline and, having no other, halts. The engine starts it again, it fails again, and
    so on until there is room.

    Args:
        platform: The platform.
        member: The broker.
    """

    platform: Platform
    member: str
    _healed: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _keeper: threading.Thread | None = field(default=None, init=False, repr=False)

    def describe(self) -> str:
        """What is broken."""
        return f"writes of {self.member} fail as on a full disk (a file size limit of its process)"

    def obstacles(self) -> list[str]:
        """The helpers' image may be missing."""
        return helper_obstacles(self.platform)

    def inject(self) -> None:
        """Limit the broker's process, and each that follows it until healed."""
        with engine(self.platform) as client:
            container = container_of(client, self.platform, self.member)
            self._limit(client, container, 1)
            process = container.attrs["State"]["Pid"]
        self._healed.clear()
        self._keeper = threading.Thread(target=self._keep_full, args=(process,), name="full-disk", daemon=True)
        self._keeper.start()

    def heal(self) -> None:
        """Lift the limit, and start the broker where it is down or the engine waits before its next try."""
        self._healed.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None
        with engine(self.platform) as client:
            container = container_of(client, self.platform, self.member)
            if container.status == "running":
                try:
                    self._limit(client, container, UNLIMITED)
                except UnreachableError:
                    container.reload()  # it ended in this very moment
            container.reload()
            if container.status == "restarting":
                container.restart()
            else:
                container.start()

    def _limit(self, client: Any, container: Any, size: int) -> None:
        from docker.errors import APIError, ContainerError

        try:
            command = ["python3", "-c", _LIMIT, str(size)]
            run_helper(client, self.platform, command, pid_mode=f"container:{container.id}", network_mode="none")
        except (APIError, ContainerError) as error:
            raise UnreachableError(f"the limits of {self.member} cannot be changed: {error}") from error

    def _keep_full(self, process: int) -> None:
        """Limit each new process of the broker."""
        while not self._healed.wait(PAUSE_SECONDS):
            try:
                with engine(self.platform) as client:
                    container = container_of(client, self.platform, self.member)
                    state = container.attrs["State"]
                    if state["Running"] and state["Pid"] not in (0, process):
                        self._limit(client, container, 1)
                        process = state["Pid"]
            except UnreachableError:
                continue  # it ended, or was just being started
