"""Rules that keep clusters available while nodes and pods go down."""

from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Context, Limit, Rule
from policies.view.kubernetes import Pod
from policies.view.resources import Resource
from policies.view.servers import KAFKA, Server
from policies.view.stack import Stack
from policies.view.values import Object

_HOST = "kubernetes.io/hostname"
_ZONE = "topology.kubernetes.io/zone"
_ROLLS = "https://docs.confluent.io/operator/current/co-roll-cluster.html"


def _stateful(stack: Stack) -> list[Pod]:
    return [pod for pod in stack.pods if pod.stateful and pod.long_running]


def _known_servers(stack: Stack) -> list[Server]:
    return [server for server in stack.servers if server.kind]


def _budget(pod: Pod, context: Context) -> Iterator[str]:
    budgets = [
        item
        for item in pod.in_same_namespace("PodDisruptionBudget")
        if pod.selected_by(item.props.object("spec", "selector"))
    ]
    if len(budgets) != 1:
        yield f"{pod} has {len(budgets)} PodDisruptionBudgets; Kubernetes supports exactly one per pod"
    for budget in budgets[:1]:
        if not _allows_one(budget.props.object("spec"), pod.replicas):
            yield f"{budget} does not allow exactly one unavailable pod of {pod}"


def _allows_one(budget: Object, replicas: int) -> bool:
    most, least = budget.get("maxUnavailable"), budget.get("minAvailable")
    return most == 1 if least is None else least == replicas - 1


def _grace(server: Server, context: Context) -> Iterator[str]:
    prefix = "kafka" if server.kind == KAFKA else "others"
    limit = int(context.limits[f"{prefix}Seconds" if context.production else f"{prefix}SecondsElsewhere"])
    if server.grace < limit:
        yield f"{server} is killed after {server.grace} s; {server.kind} needs {limit} s to stop cleanly"


def _spread(pod: Pod, context: Context) -> Iterator[str]:
    if not context.production or pod.replicas < 2:
        return
    rules = pod.spec.object("affinity", "podAntiAffinity")
    terms = rules.objects("requiredDuringSchedulingIgnoredDuringExecution")
    if context.limits["nodes"] == "preferred":
        terms += [
            item.object("podAffinityTerm") for item in rules.objects("preferredDuringSchedulingIgnoredDuringExecution")
        ]
    if not any(_spreads(pod, term, _HOST) for term in terms):
        yield f"two pods of {pod} may share a node"
    if not any(_spreads(pod, item, _ZONE) for item in pod.spec.objects("topologySpreadConstraints")):
        yield f"pods of {pod} are not spread across zones"


def _spreads(pod: Pod, term: Object, key: str) -> bool:
    return term.text("topologyKey") == key and pod.selected_by(term.object("labelSelector"))


def _rolls(pod: Pod, context: Context) -> Iterator[str]:
    if pod.resource.kind != "StatefulSet":
        return
    strategy = pod.resource.props.object("spec", "updateStrategy").text("type", "RollingUpdate")
    gated = [roll for roll in context.stack.of("GatedRoll") if roll.props.text("workload") == pod.resource.object_name]
    if strategy == "OnDelete" and not gated:
        yield f"{pod} uses OnDelete, and no GatedRoll replaces its pods"
    if strategy != "OnDelete" and context.production and KAFKA in pod.kinds and pod.replicas > 1:
        yield f"{pod} restarts the next broker once a pod is ready, even if replicas are out of sync"


def _gates(gate: Resource, context: Context) -> Iterator[str]:
    deadline = gate.props.number("deadline") or 0
    least, most = int(context.limits["leastSeconds"]), int(context.limits["mostSeconds"])
    if not least <= deadline <= most:
        yield f"{gate} has a deadline of {deadline} s; expected: {least} to {most} s"
    if gate.kind in ("GatedRoll", "MemberStorage"):
        members = len(gate.props.object("members"))
        for pod in context.stack.pods:
            if pod.resource.object_name == gate.props.text("workload") and pod.replicas != members:
                yield f"{gate} covers {members} member(s), {pod} has {pod.replicas}"
    elif context.stack.broker_count:
        part = gate.props.object("kafka") if gate.kind == "HealthGate" else gate.props
        brokers = len(part.object("brokers"))
        if brokers and brokers != context.stack.broker_count:
            yield f"{gate} covers {brokers} broker(s), the stack has {context.stack.broker_count}"


def _own_gates(stack: Stack) -> list[Resource]:
    return [item for item in stack.of("GatedRoll", "MemberStorage", "TopicSet", "HealthGate") if item.own]


def _service_links(pod: Pod, context: Context) -> Iterator[str]:
    if pod.kinds and pod.spec.flag("enableServiceLinks") is not False:
        yield f"{pod} gets Service environment variables; start scripts read KAFKA_PORT and the like as settings"


RULES = (
    Rule(
        name="disruption-budget",
        title="A PodDisruptionBudget allows exactly one unavailable pod",
        reason="Without one, draining nodes may stop two brokers at once; one that allows none blocks every drain.",
        remedy="Declare one PodDisruptionBudget for the workload with maxUnavailable: 1.",
        source="https://kubernetes.io/docs/tasks/run-application/configure-pdb/",
        severity="high",
        subjects=_stateful,
        check=_budget,
    ),
    Rule(
        name="grace-period",
        title="A server gets enough time to stop cleanly",
        reason="A killed broker hands over no partition and recovers its logs for minutes when it starts.",
        remedy="Set terminationGracePeriodSeconds; on Docker, stop_timeout and destroy_grace_seconds.",
        source="https://kafka.apache.org/39/documentation.html#basic_ops_restarting",
        severity="high",
        subjects=_known_servers,
        check=_grace,
        limits={
            "production": PRODUCTION,
            "kafkaSeconds": Limit(default=120, meaning="Minimum seconds for a broker in production"),
            "othersSeconds": Limit(default=30, meaning="Minimum seconds for ZooKeeper and Redis in production"),
            "kafkaSecondsElsewhere": Limit(default=30, meaning="Minimum seconds for a broker elsewhere"),
            "othersSecondsElsewhere": Limit(default=10, meaning="Minimum seconds for ZooKeeper and Redis elsewhere"),
        },
    ),
    Rule(
        name="spread",
        title="In production, members run on separate nodes and in several zones",
        reason="Otherwise, losing one node or zone may lose the majority.",
        remedy="Set a pod anti-affinity on the host name and a topology spread constraint on the zone.",
        source="https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/",
        severity="high",
        subjects=_stateful,
        check=_spread,
        limits={
            "production": PRODUCTION,
            "nodes": Limit(
                default="required",
                choices=("required", "preferred"),
                meaning="Whether separate nodes are required or preferred",
            ),
        },
    ),
    Rule(
        name="gated-roll",
        title="Brokers restart one at a time, each once all replicas are in sync",
        reason="A StatefulSet's rolling update ignores replicas and takes partitions offline.",
        remedy="Use updateStrategy OnDelete with a GatedRoll, or an operator.",
        source=_ROLLS,
        severity="high",
        mandatory=False,
        subjects=_stateful,
        check=_rolls,
        limits={"production": PRODUCTION},
    ),
    Rule(
        name="gates-cover-members",
        title="Rolls, storage, topic sets and health gates cover all members, with a sensible deadline",
        reason="A member that no gate covers may change unsafely, and is never checked.",
        remedy="Give the gate as many members as the workload has replicas.",
        source=_ROLLS,
        severity="medium",
        subjects=_own_gates,
        check=_gates,
        limits={
            "leastSeconds": Limit(default=10, meaning="Minimum deadline in seconds"),
            "mostSeconds": Limit(default=3600, meaning="Maximum deadline in seconds"),
        },
    ),
    Rule(
        name="no-service-links",
        title="Pods of Kafka, ZooKeeper and Redis get no Service environment variables",
        reason="A Service named kafka sets KAFKA_PORT, which start scripts read as a setting; some then exit.",
        remedy="Set enableServiceLinks: false.",
        source="https://github.com/confluentinc/kafka-images/issues/169",
        severity="medium",
        subjects=_stateful,
        check=_service_links,
    ),
)
