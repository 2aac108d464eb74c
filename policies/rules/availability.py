"""What keeps a cluster whole while nodes and pods go."""

from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Judgement, Limit, Rule
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


def _budget(pod: Pod, judgement: Judgement) -> Iterator[str]:
    budgets = [
        item for item in pod.beside("PodDisruptionBudget") if pod.selected_by(item.props.object("spec", "selector"))
    ]
    if len(budgets) != 1:
        yield f"{pod} has {len(budgets)} PodDisruptionBudgets; Kubernetes takes exactly one"
    for budget in budgets[:1]:
        if not _allows_one(budget.props.object("spec"), pod.replicas):
            yield f"{budget} does not let exactly one pod of {pod} go"


def _allows_one(budget: Object, replicas: int) -> bool:
    most, least = budget.get("maxUnavailable"), budget.get("minAvailable")
    return most == 1 if least is None else least == replicas - 1


def _grace(server: Server, judgement: Judgement) -> Iterator[str]:
    of = "kafka" if server.kind == KAFKA else "others"
    limit = int(judgement.limits[f"{of}Seconds" if judgement.production else f"{of}SecondsElsewhere"])
    if server.grace < limit:
        yield f"{server} is killed after {server.grace} s; {server.kind} takes {limit} s to stop cleanly"


def _spread(pod: Pod, judgement: Judgement) -> Iterator[str]:
    if not judgement.production or pod.replicas < 2:
        return
    rules = pod.spec.object("affinity", "podAntiAffinity")
    terms = rules.objects("requiredDuringSchedulingIgnoredDuringExecution")
    if judgement.limits["nodes"] == "preferred":
        terms += [
            item.object("podAffinityTerm") for item in rules.objects("preferredDuringSchedulingIgnoredDuringExecution")
        ]
    if not any(_spreads(pod, term, _HOST) for term in terms):
        yield f"two pods of {pod} may run on one node"
    if not any(_spreads(pod, item, _ZONE) for item in pod.spec.objects("topologySpreadConstraints")):
        yield f"pods of {pod} are not spread over zones"


def _spreads(pod: Pod, term: Object, key: str) -> bool:
    return term.text("topologyKey") == key and pod.selected_by(term.object("labelSelector"))


def _rolls(pod: Pod, judgement: Judgement) -> Iterator[str]:
    if pod.resource.kind != "StatefulSet":
        return
    strategy = pod.resource.props.object("spec", "updateStrategy").text("type", "RollingUpdate")
    gated = [
        roll for roll in judgement.stack.of("GatedRoll") if roll.props.text("workload") == pod.resource.object_name
    ]
    if strategy == "OnDelete" and not gated:
        yield f"{pod} leaves its pods as they are when it changes, and no GatedRoll replaces them"
    if strategy != "OnDelete" and judgement.production and KAFKA in pod.kinds and pod.replicas > 1:
        yield f"{pod} restarts the next broker when a pod is ready, whether or not its replicas are in sync"


def _gates(gate: Resource, judgement: Judgement) -> Iterator[str]:
    deadline = gate.props.number("deadline") or 0
    least, most = int(judgement.limits["leastSeconds"]), int(judgement.limits["mostSeconds"])
    if not least <= deadline <= most:
        yield f"{gate} waits for {deadline} s; {least} to {most} s are sensible"
    if gate.kind in ("GatedRoll", "MemberStorage"):
        members = len(gate.props.object("members"))
        for pod in judgement.stack.pods:
            if pod.resource.object_name == gate.props.text("workload") and pod.replicas != members:
                yield f"{gate} knows {members} member(s), {pod} has {pod.replicas}"
    elif judgement.stack.brokers:
        brokers = len(gate.props.object("brokers"))
        if brokers != judgement.stack.brokers:
            yield f"{gate} knows {brokers} broker(s), the stack has {judgement.stack.brokers}"


def _own_gates(stack: Stack) -> list[Resource]:
    return [item for item in stack.of("GatedRoll", "MemberStorage", "TopicSet", "HealthGate") if item.own]


def _service_links(pod: Pod, judgement: Judgement) -> Iterator[str]:
    if pod.kinds and pod.spec.flag("enableServiceLinks") is not False:
        yield f"{pod} gets a variable for each Service, and start scripts read KAFKA_PORT and the like as settings"


RULES = (
    Rule(
        name="disruption-budget",
        title="A PodDisruptionBudget lets one pod go, and only one",
        reason="A drained node may take two brokers at once; with a budget of none no node can ever be drained.",
        remedy="Declare one PodDisruptionBudget for the workload with maxUnavailable: 1.",
        source="https://kubernetes.io/docs/tasks/run-application/configure-pdb/",
        severity="high",
        subjects=_stateful,
        check=_budget,
    ),
    Rule(
        name="grace-period",
        title="A server gets the time that it takes to stop cleanly",
        reason="A killed broker hands no partition over and recovers its logs for minutes when it starts.",
        remedy="Set terminationGracePeriodSeconds, on Docker stop_timeout and destroy_grace_seconds.",
        source="https://kafka.apache.org/39/documentation.html#basic_ops_restarting",
        severity="high",
        subjects=_known_servers,
        check=_grace,
        limits={
            "production": PRODUCTION,
            "kafkaSeconds": Limit(default=120, meaning="Least seconds for a broker in production"),
            "othersSeconds": Limit(default=30, meaning="Least seconds for ZooKeeper and Redis in production"),
            "kafkaSecondsElsewhere": Limit(default=30, meaning="Least seconds for a broker elsewhere"),
            "othersSecondsElsewhere": Limit(default=10, meaning="Least seconds for ZooKeeper and Redis elsewhere"),
        },
    ),
    Rule(
        name="spread",
        title="In production members run on nodes of their own and in several zones",
        reason="Otherwise one lost node or zone takes a majority along.",
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
                meaning="Whether nodes of their own are required or preferred",
            ),
        },
    ),
    Rule(
        name="gated-roll",
        title="Brokers restart one at a time, when all replicas are in sync",
        reason="A StatefulSet's own rolling update knows nothing of replicas and takes partitions offline.",
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
        title="Rolls, storage, topics and health gates know all members, and wait for a sensible time",
        reason="A member that no gate knows is changed or left without a look.",
        remedy="Give the gate as many members as the workload has replicas.",
        source=_ROLLS,
        severity="medium",
        subjects=_own_gates,
        check=_gates,
        limits={
            "leastSeconds": Limit(default=10, meaning="Shortest deadline"),
            "mostSeconds": Limit(default=3600, meaning="Longest deadline"),
        },
    ),
    Rule(
        name="no-service-links",
        title="Pods of these servers get no variables of Services",
        reason="A Service called kafka sets KAFKA_PORT, which start scripts take for a setting; some then exit.",
        remedy="Set enableServiceLinks: false.",
        source="https://github.com/confluentinc/kafka-images/issues/169",
        severity="medium",
        subjects=_stateful,
        check=_service_links,
    ),
)
