"""A preview without changes: this program against an empty one."""

from pathlib import Path

from bench.measure import Comparison, Figure, in_turn, timed
from bench.stacks import docker_stack
from tests.integration.stacks import PROJECT, Checkout

RUNS = 7
_EMPTY = (
    'name: empty\nruntime: {name: python, options: {toolchain: pip, virtualenv: .venv}}\nbackend: {url: "file://."}\n'
)


def compare(folder: Path) -> Comparison:
    """Time both previews, in turn."""
    ours, empty = Figure("`pulumi preview` of the dev stack, unchanged"), Figure("`pulumi preview` of an empty program")
    stack = docker_stack(folder, "Pulumi.dev.yaml")
    other = _empty_project(folder / "empty")

    def preview(checkout: Checkout, figure: Figure) -> None:
        with timed(figure):
            checkout.run("preview", "--stack", checkout.name, "--expect-no-changes", check=True)

    try:
        stack.up()
        other.up()
        in_turn(RUNS, lambda: preview(stack, ours), lambda: preview(other, empty))
    finally:
        stack.destroy()
    return Comparison(
        title="A preview with nothing to do",
        how="The dev stack is up; the empty program imports pulumi and declares nothing.",
        figures=[ours, empty],
        ratios=[("ours / empty", ours.median / empty.median)],
        bounds="target: under 2.5 s, and under 2.0 times the empty program",
    )


def _empty_project(folder: Path) -> Checkout:
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(_EMPTY)
    (folder / "__main__.py").write_text("import pulumi\n")
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    return Checkout(folder, "empty", {})
