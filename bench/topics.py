"""A thousand topics of three partitions: `pulumi up` against the bare admin client with its best batch size."""

from pathlib import Path

from kafka import KafkaAdminClient

from bench.measure import Comparison, Figure, in_turn, timed
from bench.stacks import docker_stack
from tests.integration.stacks import ports_of

TOPICS = 1000
RUNS = 2
BATCHES = (50, 100, 200)
SERVER = f"127.0.0.1:{ports_of('bench').kafka}"


def compare(folder: Path) -> Comparison:
    """Create the topics both ways, in turn, each time on a new platform."""
    stack = docker_stack(folder, "Pulumi.dev.yaml")
    # So many partitions need more than the light profile's heap.
    stack.set("kafka.heap", "1GiB")
    stack.set("kafka.memory", "3GiB")
    stack.set("health.deadline", "10m")
    declared = [{"name": f"topic-{number:04}", "partitions": 3} for number in range(TOPICS)]
    ours, again = (
        Figure(f"`pulumi up` that creates {TOPICS} topics"),
        Figure(f"`pulumi up` with {TOPICS} topics, unchanged"),
    )
    empty_up = Figure("`pulumi up` of the same stack without topics, unchanged")
    bare = {size: Figure(f"bare admin client, batches of {size}") for size in BATCHES}

    def recreate() -> None:
        stack.config["millrace:topics"] = []
        stack.change("destroy")
        stack.up()

    def through_pulumi() -> None:
        recreate()
        with timed(empty_up):
            stack.up()
        stack.config["millrace:topics"] = declared
        with timed(ours):
            stack.up()
        with timed(again):
            stack.up()

    def through_client() -> None:
        for size, figure in bare.items():
            recreate()
            with timed(figure):
                _make(size, [topic["name"] for topic in declared])

    try:
        in_turn(RUNS, through_pulumi, through_client)
    finally:
        stack.destroy()
    best = min(bare.values(), key=lambda figure: figure.median)
    return Comparison(
        title=f"{TOPICS} topics of 3 partitions",
        how="One broker with ZooKeeper, new for each run; the bare client creates the topics and waits until all have "
        "leaders. The time of `pulumi up` includes the CLI, the program and the health gate.",
        figures=[ours, *bare.values(), again, empty_up],
        ratios=[
            (f"`pulumi up` / {best.name}", ours.median / best.median),
            ("unchanged `up` with all topics, in seconds", again.median),
        ],
        bounds="target: at most 1.20; unchanged under 5 s",
    )


def _make(size: int, names: list[str]) -> None:
    client = KafkaAdminClient(bootstrap_servers=[SERVER], request_timeout_ms=60_000)
    for start in range(0, TOPICS, size):
        batch = names[start : start + size]
        client.create_topics({name: {"num_partitions": 3, "replication_factor": 1} for name in batch})
    client.wait_for_topics(names, timeout_ms=60_000)
    client.close()
