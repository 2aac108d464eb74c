"""A preview without changes: this program against an empty one, and where the rest of the time goes."""

import subprocess
import sys
from pathlib import Path

from bench.measure import Comparison, Figure, in_turn, timed
from bench.stacks import docker_stack
from offline.cli import plugin_folder
from offline.steps import VENV
from tests.integration.stacks import PROJECT, Checkout

RUNS = 7
_NO_ENGINE = "127.0.0.1:1"
_MODULES = "components.platform, components.stack_file.stack, components.targets.docker.target, docker"
_EMPTY = (
    'name: empty\nruntime: {name: python, options: {toolchain: pip, virtualenv: .venv}}\nbackend: {url: "file://."}\n'
)


def compare(folder: Path) -> Comparison:
    """Time both previews, in turn."""
    ours, empty = Figure("`pulumi preview` of the dev stack, unchanged"), Figure("`pulumi preview` of an empty program")
    sdk, all_ = (
        Figure("of both: Python imports `pulumi`"),
        Figure("Python imports `pulumi` and what dev's program needs"),
    )
    hosted, plugin = Figure("the host of dynamic providers starts"), Figure("the Docker plugin (stand-in) starts")
    stack = docker_stack(folder, "Pulumi.dev.yaml")
    other = _empty_project(folder / "empty")

    def preview(checkout: Checkout, figure: Figure) -> None:
        with timed(figure):
            checkout.run("preview", "--stack", checkout.name, "--expect-no-changes", check=True)

    try:
        stack.up()
        other.up()
        in_turn(RUNS, lambda: preview(stack, ours), lambda: preview(other, empty))
        in_turn(
            RUNS,
            lambda: _imported("pulumi", sdk),
            lambda: _imported(f"pulumi, {_MODULES}", all_),
            lambda: _started(VENV / "bin" / "pulumi-resource-pulumi-python", hosted),
            lambda: _started(plugin_folder("docker") / "pulumi-resource-docker", plugin),
        )
    finally:
        stack.destroy()
    return Comparison(
        title="A preview with nothing to do",
        how="The dev stack is up; the empty program imports pulumi and declares nothing. The engine starts the two "
        "plugins one after the other, each when the program declares the first resource that needs it.",
        figures=[ours, empty, sdk, all_, plugin, hosted],
        ratios=[("ours / empty", ours.median / empty.median)],
        bounds="target: under 2.5 s, and under 2.0 times the empty program",
    )


def _empty_project(folder: Path) -> Checkout:
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(_EMPTY)
    (folder / "__main__.py").write_text("import pulumi\n")
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    return Checkout(folder, "empty", {})


def _imported(modules: str, figure: Figure) -> None:
    with timed(figure):
        subprocess.run([sys.executable, "-c", f"import gc; gc.disable(); import {modules}"], cwd=PROJECT, check=True)


def _started(plugin: Path, figure: Figure) -> None:
    """Start a plugin, and wait until it prints the port that it serves.

    Raises:
        RuntimeError: It printed none.
    """
    with timed(figure):
        process = subprocess.Popen([plugin, _NO_ENGINE], cwd=PROJECT, stdout=subprocess.PIPE)
        port = process.stdout.readline() if process.stdout else b""
    process.kill()
    process.communicate()
    if not port.strip().isdigit():
        raise RuntimeError(f"{plugin.name} did not start")
