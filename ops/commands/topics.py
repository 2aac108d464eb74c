"""`ops topics`: list, describe and export topics."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ops import console
from ops.commands.options import AsJson, bootstrap_option, platform
from ops.kafka_cluster import admin_at

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

    from ops.topics.views import TopicView

Bootstrap = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT[,…]", help="Read any other cluster instead of the stack's: host:port of one or more brokers"
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    topics = typer.Typer(no_args_is_help=True, help="List, describe and export topics.")
    topics.command("list")(list_topics)
    topics.command("describe")(describe)
    topics.command("export")(export)
    app.add_typer(topics, name="topics")


@contextmanager
def _admin(context: typer.Context, bootstrap: str | None) -> "Generator[KafkaAdminClient]":
    """An admin client of the given cluster, or of the stack's."""
    with admin_at(bootstrap_option("--bootstrap", bootstrap)) if bootstrap else platform(context).admin() as client:
        yield client


def list_topics(
    context: typer.Context,
    internal: Annotated[bool, typer.Option("--internal", help="Include internal topics, which start with __")] = False,
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """List topics: partitions, replicas, retention, records and size on disk.

    RECORDS is the end offset minus the first offset, an upper bound for compacted topics; DISK covers all replicas.
    """
    from ops.topics.views import is_internal, read_topics

    with _admin(context, bootstrap) as client:
        names = [name for name in client.list_topics() if internal or not is_internal(name)]
        views = read_topics(client, names)
    if as_json:
        console.json_document([view.to_json() for view in views])
        return
    headings = ("TOPIC", "PARTITIONS", "RF", "MIN ISR", "CLEANUP", "RETENTION", "RECORDS", "DISK")
    console.table(headings, map(_list_row, views), numbers=("PARTITIONS", "RF", "MIN ISR", "RECORDS", "DISK"))


def _list_row(view: "TopicView") -> list[str]:
    return [
        view.name,
        str(len(view.partitions)),
        str(view.replication_factor),
        view.effective.get("min.insync.replicas", "?"),
        view.effective.get("cleanup.policy", "?"),
        _retention(view),
        console.number(view.records),
        console.size(view.disk),
    ]


def _retention(view: "TopicView") -> str:
    """Retention time, and size if that is limited too."""
    from datetime import timedelta

    from components.quantities import format_duration

    age, amount = int(view.effective.get("retention.ms", -1)), int(view.effective.get("retention.bytes", -1))
    try:
        time = "forever" if age < 0 else format_duration(timedelta(milliseconds=age))
    except OverflowError:  # beyond the range of timedelta: people write the largest number for "forever"
        time = "forever"
    return time if amount < 0 else f"{time}, {console.size(amount)}"


def describe(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Topics", show_default=False)],
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Show each partition of topics, and the configuration set on them."""
    from ops.topics.views import read_topics

    with _admin(context, bootstrap) as client:
        views = read_topics(client, names)
    if as_json:
        console.json_document([view.to_json() for view in views])
        return
    headings = ("TOPIC", "PARTITION", "LEADER", "REPLICAS", "IN SYNC", "BEGIN", "END", "SIZE")
    rows = [row for view in views for row in _partition_rows(view)]
    console.table(headings, rows, numbers=("PARTITION", "BEGIN", "END", "SIZE"))
    settings = [[view.name, key, value] for view in views for key, value in sorted(view.own.items())]
    console.line("")
    console.table(("TOPIC", "CONFIG", "VALUE"), settings or [[view.name, "(defaults only)", ""] for view in views])


def _partition_rows(view: "TopicView") -> list[list[str]]:
    return [
        [
            view.name,
            str(partition.number),
            str(partition.leader) if partition.leader >= 0 else "none",
            _ids(partition.replicas),
            _ids(partition.in_sync),
            console.number(partition.begin),
            console.number(partition.end),
            console.size(partition.size),
        ]
        for partition in view.partitions
    ]


def _ids(brokers: Sequence[int]) -> str:
    return ",".join(map(str, brokers)) or "none"


def export(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Topics; default: all but internal ones")
    ] = None,
    bootstrap: Bootstrap = None,
) -> None:
    """Write existing topics as a stack file declares them, to take over the topics of an existing cluster.

    Example: `python -m ops topics export --bootstrap kafka.example.com:9092 > topics.yaml`
    """
    from components.kafka.client import cluster_state, minimum_in_sync
    from components.topics.client import observe
    from ops.kafka_cluster import require_topics
    from ops.topics.export import obstacles, stack_file_text, with_reachable_minimum
    from ops.topics.views import is_internal

    with _admin(context, bootstrap) as client:
        require_topics(client, names or [])
        wanted = names or [name for name in client.list_topics() if not is_internal(name)]
        found = observe(client, wanted)
        brokers = len(cluster_state(client).brokers)
        reachable, problems = with_reachable_minimum(found, minimum_in_sync(client, found))
    console.line(stack_file_text(reachable).rstrip())
    for name, topic in sorted(reachable.items()):
        problems += obstacles(name, topic, brokers)
    for problem in problems:
        console.say(f"warning: {problem}")
