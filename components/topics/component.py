"""A set of topics as a resource."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.kafka.component import KafkaLogin
from components.targets.base import RouteInputs
from components.topics.provider import TopicSetProvider
from components.topics.rules import TopicSpec
from components.topics.safety import inputs_of


@dataclass(frozen=True, kw_only=True)
class TopicSetArgs:
    """Arguments of a :class:`TopicSet`. Any cluster will do: ``bootstrap`` and ``topics`` are enough.

    Args:
        bootstrap: ``host:port`` of brokers as this machine reaches them, separated by commas.
        topics: The topics; a set manages these and touches no others.
        brokers: Address that each broker advertises, by name (``kafka-0`` has broker id 0). The set waits for all of
            them before it touches a topic, and preview refuses a replication factor above their number. If it is
            empty, one broker that answers is enough.
        existing: ``refuse`` or ``adopt`` declared topics that exist but are not this set's.
        own_cluster: Whether the brokers and their storage belong to the same stack. Existing topics that are exactly as
            declared are then the set's own: they were made by an update that was killed if they are empty, and were
            there when a ``destroy`` was killed if the set is created. In any other cluster, they are refused.
        to_delete: Names of topics that leave ``topics`` and are deleted with their records. A topic that leaves without
            being listed is refused, also an empty one. Names may stay listed after their deletion.
        to_release: Names of topics that leave ``topics``, stay in the cluster, and are no longer this set's.
        protect: Refuse to delete any topic of the set, as each topic's own ``protect`` does for one.
        delete_with_set: Whether the topics are deleted, with their records, when the set itself is: by ``destroy``, or
            because the program no longer declares it. Otherwise that is refused while the set has topics, unless
            the resource option ``retain_on_delete`` keeps them, as where the brokers' volumes are in the same program.
        deadline: Seconds to wait for the brokers, and for a batch of replicas to move.
        logs: For each broker the command that shows its logs.
        trigger: A value for each broker that changes when the broker is replaced. The topics are then compared again,
            because its data may be new too.
        route: How this program's clients reach the brokers, from a prepared target; None if directly.
        login: Who this program's clients are; None for brokers that are open to everyone.
    """

    bootstrap: pulumi.Input[str]
    topics: Sequence[TopicSpec]
    brokers: pulumi.Input[Mapping[str, str]] = field(default_factory=dict[str, str])
    existing: str = "refuse"
    own_cluster: bool = False
    to_delete: Sequence[str] = ()
    to_release: Sequence[str] = ()
    protect: bool = False
    delete_with_set: bool = False
    deadline: float = 180
    logs: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    trigger: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    route: RouteInputs | None = None
    login: KafkaLogin | None = None


class TopicSet(Resource, module="millrace", name="TopicSet"):
    """A set of topics, planned, applied and read as one resource.

    The engine's diff shows the change of each topic, and a thousand topics are one step.

    Args:
        name: The resource's name.
        args: The topics and their cluster.
        opts: Resource options.
    """

    topics: pulumi.Output[dict[str, Any]]
    """The topics as created, by name: partitions, replicationFactor, config, protect."""

    def __init__(self, name: str, args: TopicSetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props: dict[str, object] = {
            "setName": name,
            "bootstrap": args.bootstrap,
            "brokers": args.brokers,
            "topics": inputs_of({spec.name: spec for spec in args.topics}),
            "factorsByDefault": sorted(spec.name for spec in args.topics if spec.factor_by_default),
            "existing": args.existing,
            "ownCluster": args.own_cluster,
            "toDelete": sorted(args.to_delete),
            "toRelease": sorted(args.to_release),
            "protect": args.protect,
            "deleteWithSet": args.delete_with_set,
            "deadline": args.deadline,
            "logs": dict(args.logs),
            "trigger": dict(args.trigger),
            "route": args.route,
            "security": None if args.login is None else args.login.as_input(),
        }
        super().__init__(TopicSetProvider(), name, props, opts)
