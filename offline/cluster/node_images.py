"""Local images inside the nodes' containerd."""

import functools
import hashlib
import json
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components.images import SETS
from offline.cluster.layout import NODES, STATE, Node
from offline.cluster.nodes import ARCHIVES, PAUSE
from offline.steps import SetupError, run, step

IMAGES = [PAUSE, *sorted(set(SETS["local"].values()))]
"""Images that every node needs."""

_IMPORTED = STATE / "images.json"
"""Ids of the images on all nodes; nodes keep them until the cluster is removed."""

Ids = dict[str, str]


def ensure_imported(images: Sequence[str] = IMAGES) -> None:
    """Import missing or rebuilt images into every node.

    Raises:
        SetupError: The Docker engine has no such image.
    """
    wanted, present = _ids(images), _imported()
    if not wanted.items() <= present.items():
        archive = _ensure_archive(wanted)
        with step(f"importing {', '.join(images)} into the nodes"), ThreadPoolExecutor(len(NODES)) as pool:
            list(pool.map(functools.partial(_import_into, archive.name), NODES))
        _IMPORTED.write_text(json.dumps(present | wanted, indent=2))


def _ids(images: Sequence[str]) -> Ids:
    show = ["docker", "image", "inspect", "--format", "{{.Id}}", *images]
    done = subprocess.run(show, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(
            f"an image is missing: {done.stderr.strip()}; `python3 -m offline images` builds the local ones"
        )
    return dict(zip(images, done.stdout.split(), strict=True))


def _imported() -> Ids:
    return json.loads(_IMPORTED.read_text()) if _IMPORTED.exists() else {}


def _ensure_archive(ids: Ids) -> Path:
    """Keep one archive of all images: shared layers are saved once, and the next cluster reuses it."""
    name = hashlib.sha256(json.dumps(ids, sort_keys=True).encode()).hexdigest()[:16]
    archive = ARCHIVES / f"{name}.tar"
    if not archive.exists():
        ARCHIVES.mkdir(exist_ok=True)
        for old in ARCHIVES.iterdir():
            old.unlink()
        with step(f"saving {', '.join(ids)} for the nodes"):
            partial = archive.with_suffix(".partial")
            run(["docker", "save", "--output", partial, *ids], log="node-images")
            partial.rename(archive)
    return archive


def _import_into(archive: str, node: Node) -> None:
    read = ["ctr", "--namespace", "k8s.io", "images", "import", f"/images/{archive}"]
    run(["docker", "exec", node.name, *read], log=f"node-images-{node.number}")
