"""The dev platform as a compose project: the same images, files, commands and variables."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from components.targets.docker.target import environment_of
from components.workload import Workload
from offline import toolchain
from offline.steps import CACHE, PROJECT

VERSION = "v2.40.3"


def compose_binary() -> Path:
    """Docker compose, built from its Go module unless it is in the cache."""
    binary = CACHE / f"compose-{VERSION}" / "docker-compose"
    if not binary.exists():
        toolchain.build_go(
            f"building docker compose {VERSION} from its Go module (a few minutes, once)",
            binary,
            "github.com/docker/compose/v2/cmd",
            module=PROJECT / "bench" / "compose_module",
            flags=f"-X github.com/docker/compose/v2/internal.Version={VERSION}",
            log="compose",
        )
    return binary


class ComposeProject:
    """A compose project made from workloads.

    Args:
        folder: Where its files go.
        workloads: What it runs; each must have exactly one member.
        tuned: Whether servers get our JVM options instead of the image's defaults.
    """

    def __init__(self, folder: Path, workloads: Sequence[Workload], *, tuned: bool) -> None:
        folder.mkdir()
        self._folder = folder
        self._tuned = tuned
        self._compose = compose_binary()
        services = {item.members[0]: self._service(item) for item in workloads}
        lifetimes = {item.storage.lifetime: {} for item in workloads if item.storage}
        (folder / "compose.yaml").write_text(yaml.safe_dump({"services": services, "volumes": lifetimes}))

    def _service(self, workload: Workload) -> dict[str, Any]:
        storage = workload.storage
        mounts = [f"{storage.lifetime}:{storage.path}"] if storage else []
        for file in workload.files:
            source = self._folder / f"{workload.name}-{Path(file.path).name}"
            source.write_text(str(file.content))
            mounts.append(f"{source}:{file.path}:ro")
        filled = {"$(ORDINAL)": "0", "$(HOST)": workload.members[0]}
        return {
            "image": workload.image,
            "hostname": workload.members[0],
            "command": [_fill(word, filled) for word in workload.command],
            "environment": {
                name: value
                for name, value in environment_of(workload).items()
                if self._tuned or "PERFORMANCE" not in name
            },
            "mem_limit": workload.resources.memory,
            "ports": [f"127.0.0.1:{port.outside.number(0)}:{port.number}" for port in workload.ports if port.outside],
            "volumes": mounts,
            # Every half second, so that compose loses no time to a slow check.
            "healthcheck": {"test": ["CMD", *workload.readiness.command], "interval": "500ms", "retries": 120},
            "user": str(workload.user),
        }

    def run(self, *arguments: str) -> None:
        """Run a compose command."""
        command = [self._compose, "--project-directory", self._folder, *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"docker compose {arguments[0]} failed:\n{done.stdout}")


def _fill(word: str, values: dict[str, str]) -> str:
    for placeholder, value in values.items():
        word = word.replace(placeholder, value)
    return word.replace("$", "$$")
