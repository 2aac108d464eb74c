"""Topics as code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.providers.topics import TopicSetProvider, inputs_of
from components.topic_rules import TopicSpec


@dataclass(frozen=True, kw_only=True)
class TopicSetArgs:
    """Inputs of a :class:`TopicSet`.

    Args:
        bootstrap: ``host:port`` of brokers as this machine reaches them, separated by commas.
        brokers: Address that each broker advertises, by name (``kafka-0`` has broker id 0); all of them are
            waited for before a topic is touched.
        topics: The topics; a set owns these and touches no others.
        existing: ``refuse`` or ``adopt`` declared topics that someone else made.
        deadline: Seconds to wait for the brokers, and for replicas to move.
        logs: For each broker the command that shows its logs.
        trigger: Something for each broker that changes when the broker is made anew; the topics are then compared
            again, because its data may be new too.
        route: How this program's clients get to the brokers; see :mod:`components.clients.routes`.
    """

    bootstrap: str
    brokers: Mapping[str, str]
    topics: Sequence[TopicSpec]
    existing: str = "refuse"
    deadline: float = 180
    logs: Mapping[str, str] | None = None
    trigger: Mapping[str, pulumi.Input[str]] | None = None
    route: Mapping[str, Any] | None = None


class TopicSet(Resource, module="millrace", name="TopicSet"):
    """A set of topics that is planned, made and read as one.

    One resource for all: the engine's diff still shows each topic's change, and a thousand topics cost one step.
    """

    topics: pulumi.Output[dict[str, Any]]
    """The topics as made, by name: partitions, replicationFactor, config, protect."""

    def __init__(self, name: str, args: TopicSetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            "setName": name,
            "bootstrap": args.bootstrap,
            "brokers": dict(args.brokers),
            "topics": inputs_of({spec.name: spec for spec in args.topics}),
            "existing": args.existing,
            "deadline": args.deadline,
            "logs": dict(args.logs or {}),
            "trigger": dict(args.trigger or {}),
            "route": args.route,
        }
        super().__init__(TopicSetProvider(), name, props, opts)
