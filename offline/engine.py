"""Makes sure that a Docker engine runs: starts it, and installs it first if it is missing."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from offline.steps import CACHE, SetupError, install_packages, run, step, succeeds

_START_SECONDS = 60
_PID_FILES = [Path("/var/run/docker.pid"), Path("/var/run/docker/containerd/containerd.pid")]


def ensure_engine() -> None:
    """Start a Docker engine unless one answers.

    Raises:
        SetupError: None answers, and this user cannot start one.
    """
    if succeeds("docker", "info"):
        return
    if os.environ.get("DOCKER_HOST"):
        raise SetupError(f"no Docker engine answers at DOCKER_HOST ({os.environ['DOCKER_HOST']})")
    if os.geteuid() != 0:
        raise SetupError(
            "no Docker engine answers; start one (`systemctl start docker`, Docker Desktop), or run this as root"
        )
    if not (shutil.which("dockerd") and shutil.which("iptables")):
        install_packages("docker.io", "iptables")
    with step("starting the Docker engine"):
        if Path("/run/systemd/system").is_dir():
            run(["systemctl", "start", "docker"], log="engine")
        else:
            _start_daemon()
        end = time.monotonic() + _START_SECONDS
        while not succeeds("docker", "info"):
            if time.monotonic() > end:
                raise SetupError(f"the Docker engine does not answer after {_START_SECONDS} s; see {_log()}")
            time.sleep(0.2)


def _log() -> Path:
    return CACHE / "logs" / "dockerd.log"


def _start_daemon() -> None:
    """Start dockerd directly, on machines without a service manager."""
    for path in _PID_FILES:
        _remove_stale(path)
    _log().parent.mkdir(parents=True, exist_ok=True)
    with _log().open("ab") as output:
        subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def _remove_stale(path: Path) -> None:
    """Remove the pid file of a killed engine: the pid may belong to a different process by now."""
    try:
        pid = int(path.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        name = ""
    if name not in ("dockerd", "containerd"):
        path.unlink(missing_ok=True)
