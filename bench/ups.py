"""From nothing to a healthy dev platform with its topics: `pulumi up` against docker compose and the topic command."""

from pathlib import Path

from bench.compose import ComposeProject
from bench.measure import Comparison, Figure, in_turn, timed
from bench.stacks import NAME, docker_stack, settings_of, topic_command
from components.platform import workloads_of
from components.stack_file.images import choose_images
from components.stack_file.settings import Settings
from components.targets.docker.target import DockerTarget
from components.zookeeper.component import zookeeper_workload

RUNS = 5


def compare(folder: Path) -> Comparison:
    """Time both ways, in turn."""
    stack = docker_stack(folder, "Pulumi.dev.yaml")
    stack.write()
    settings = settings_of(stack.config, "Pulumi.dev.yaml")
    images = choose_images(settings, {"MILLRACE_IMAGES": "local"})
    target = DockerTarget(NAME)
    # The workloads for preflight lack the files with secrets, of which ZooKeeper needs its own to start.
    ensemble = zookeeper_workload(settings.zookeeper, target, image=images.zookeeper, password="compared")
    workloads = [ensemble, *workloads_of(settings, images, target, NAME)[1:]]
    plain = ComposeProject(folder / "millrace-test-plain", workloads, tuned=False)
    tuned = ComposeProject(folder / "millrace-test-tuned", workloads, tuned=True)

    with_preview = Figure("`pulumi up --yes`")
    without = Figure("`pulumi up --yes --skip-preview` (what `make up` runs)")
    plain_up = Figure("`docker compose up --wait`, the image's JVM defaults")
    tuned_up = Figure("`docker compose up --wait`, our JVM options")
    made = Figure("the same topics with `kafka-topics.sh`")

    def ours() -> None:
        with timed(with_preview):
            stack.run("up", "--stack", stack.name, "--yes", check=True)
        stack.change("destroy")
        with timed(without):
            stack.up()
        stack.change("destroy")

    def theirs(compose: ComposeProject, services: Figure) -> None:
        try:
            with timed(services):
                compose.run("up", "--wait", "--quiet-pull")
            with timed(made):
                _make_topics(compose, settings)
        finally:
            compose.run("down", "--volumes", "--timeout", "5")

    try:
        in_turn(RUNS, ours, lambda: theirs(plain, plain_up), lambda: theirs(tuned, tuned_up))
    finally:
        stack.destroy()
    total, tuned_total = plain_up.median + made.median, tuned_up.median + made.median
    return Comparison(
        title="From nothing to a healthy dev platform with its topics",
        how="The same images, files, commands and memory limits. Compose starts everything at once and runs its "
        "health checks twice a second; `pulumi up` ends when the topics exist and the health gate has passed.",
        figures=[with_preview, without, plain_up, tuned_up, made],
        ratios=[
            ("`pulumi up` / (compose + topics)", with_preview.median / total),
            ("`pulumi up --skip-preview` / (compose + topics)", without.median / total),
            ("`pulumi up --skip-preview` / (compose with our JVM options + topics)", without.median / tuned_total),
        ],
        bounds="target: at most 0.70 of a plain compose file and the topic command; goal 0.50",
    )


def _make_topics(compose: ComposeProject, settings: Settings) -> None:
    for spec in settings.topic_specs():
        compose.run("exec", "-T", "kafka-0", *topic_command(spec, "kafka-0:29092"))
