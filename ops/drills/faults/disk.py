"""A full disk of a broker, emulated by forbidding its process to write: members share one volume, so none is filled."""

import threading
from dataclasses import dataclass, field
from typing import Any

from ops.drills.faults.containers import container_of, engine, helper_obstacles, run_helper
from ops.errors import UnreachableError
from ops.platform import Platform

_UNLIMITED = -1

_POLL_SECONDS = 0.5
"""Seconds between two checks whether the broker restarted and its new process must be limited too."""

# Runs in the broker's PID namespace, where the broker is process 1, as the broker's own user: a process may change the
# limits of other processes of its user without any capability. Only the soft limit changes, so it can be raised again.
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
    """Limits the files that a broker's process writes to one byte (``RLIMIT_FSIZE``).

    Every append then fails with "File too large" instead of "No space left on device". Kafka treats both alike: it
    takes its log directory offline and, having no other, halts. The engine restarts it and it fails again, until the
    limit is lifted.

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
        """Why no helper can run, if so."""
        return helper_obstacles(self.platform)

    def inject(self) -> None:
        """Limit the broker's process, and after each restart its new one, until healed."""
        with engine(self.platform) as client:
            container = container_of(client, self.platform, self.member)
            self._limit(client, container, 1)
            process = container.attrs["State"]["Pid"]
        self._healed.clear()
        self._keeper = threading.Thread(target=self._keep_full, args=(process,), name="full-disk", daemon=True)
        self._keeper.start()

    def heal(self) -> None:
        """Lift the limit, and start the broker if it is down or waits for its next restart."""
        self._healed.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None
        with engine(self.platform) as client:
            container = container_of(client, self.platform, self.member)
            if container.status == "running":
                try:
                    self._limit(client, container, _UNLIMITED)
                except UnreachableError:
                    container.reload()  # it ended meanwhile
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
            raise UnreachableError(f"the resource limits of {self.member} cannot be changed: {error}") from error

    def _keep_full(self, process: int) -> None:
        """Limit each new process of the broker."""
        while not self._healed.wait(_POLL_SECONDS):
            try:
                with engine(self.platform) as client:
                    container = container_of(client, self.platform, self.member)
                    state = container.attrs["State"]
                    if state["Running"] and state["Pid"] not in (0, process):
                        self._limit(client, container, 1)
                        process = state["Pid"]
            except UnreachableError:
                continue  # it ended or is just starting
