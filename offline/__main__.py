"""Set up a checkout: `python3 -m offline setup`. Each part does only what is still missing.

setup         create .venv and the stacks, start a Docker engine; without an installed Pulumi CLI, also build the CLI,
              its plugins and the images
engine        start a Docker engine
images        build the local images
cluster       start the Kubernetes cluster for tests
cluster-down  remove that cluster
"""

import argparse
import fcntl
import sys

from offline.steps import CACHE, PROJECT, VENV, SetupError, fail, run, step

PYTHON_MINIMUM = (3, 11)


def main() -> None:
    """Run one part; a lock keeps other runs waiting."""
    parser = argparse.ArgumentParser(prog="python3 -m offline", description="Set up a checkout")
    parts = {
        "setup": setup,
        "engine": engine,
        "images": images,
        "cluster": cluster,
        "cluster-down": cluster_down,
    }
    parser.add_argument("part", choices=list(parts))
    part = parser.parse_args().part
    if sys.version_info < PYTHON_MINIMUM:
        fail(SetupError(f"Python {'.'.join(map(str, PYTHON_MINIMUM))} or newer is required"))
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            parts[part]()
        except SetupError as error:
            fail(error)


def setup() -> None:
    """Set up everything that `pulumi up -s dev` needs."""
    from offline import cli, python, stacks

    python.ensure_venv()
    if installed := cli.official():
        with step(f"installing plugins with {installed}"):
            run([installed, "install", "--no-dependencies"], log="pulumi-install", cwd=PROJECT)
        stacks.ensure_stacks(installed)
        engine()
        return
    cli.ensure_cli()
    cli.ensure_plugins()
    stacks.ensure_stacks(VENV / "bin" / "pulumi")
    engine()
    images()


def engine() -> None:
    """Start a Docker engine if none runs."""
    from offline.engine import ensure_engine

    ensure_engine()


def images() -> None:
    """Build the local images."""
    from offline.images import ensure_images

    ensure_images()


def cluster() -> None:
    """Start the Kubernetes cluster for tests."""
    from offline.cluster.lifecycle import ensure_cluster

    engine()
    images()
    ensure_cluster()


def cluster_down() -> None:
    """Remove that cluster."""
    from offline.cluster.lifecycle import remove_cluster

    engine()
    with step("removing the test cluster"):
        remove_cluster()


main()
