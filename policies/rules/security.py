"""Who may do and reach what."""

from collections.abc import Iterator

from policies.rules.memory import of_kind
from policies.rules.rule import PRODUCTION, Judgement, Limit, Rule
from policies.view.docker import Container, SwarmTask
from policies.view.kubernetes import Pod, PodContainer
from policies.view.servers import REDIS, Server
from policies.view.settings import redis_setting
from policies.view.stack import Stack
from policies.view.values import Object

_PSS = "https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_SOCKETS = ("/docker.sock", "/containerd.sock")


def _restricted(subject: Pod | PodContainer | Container, judgement: Judgement) -> Iterator[str]:
    if isinstance(subject, Pod):
        wrong = _faults_of_pod(subject.spec)
    elif isinstance(subject, PodContainer):
        wrong = _faults_of_container(subject)
    else:
        wrong = _faults_on_docker(subject.resource.props)
    for what in wrong:
        yield f"{subject} {what}"


def _faults_of_pod(spec: Object) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.flag(name):
            yield f"takes the node's own namespace ({name})"
    for volume in spec.objects("volumes"):
        kinds = set(volume) - {"name"}
        if kinds - _VOLUMES:
            yield f"mounts a volume of the kind {', '.join(sorted(kinds - _VOLUMES))}"


def _faults_of_container(server: PodContainer) -> Iterator[str]:
    own, pod = server.spec.object("securityContext"), server.pod.spec.object("securityContext")
    if own.flag("privileged"):
        yield "is privileged"
    if own.flag("allowPrivilegeEscalation") is not False:
        yield "may gain rights (allowPrivilegeEscalation)"
    if "ALL" not in own.object("capabilities").texts("drop"):
        yield "keeps capabilities: drop ALL"
    if set(own.object("capabilities").texts("add")) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True or 0 in (
        own.number("runAsUser"),
        pod.number("runAsUser"),
    ):
        yield "may run as root"
    profile = own.object("seccompProfile").text("type") or pod.object("seccompProfile").text("type")
    if profile not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"
    if any(port.number("hostPort") for port in server.spec.objects("ports")):
        yield "takes a port of the node"


def _faults_on_docker(props: Object) -> Iterator[str]:
    if props.flag("privileged"):
        yield "is privileged"
    for name in ("networkMode", "pidMode", "ipcMode"):
        if props.text(name) == "host":
            yield f"takes the host's own namespace ({name})"
    if props.object("capabilities").texts("adds"):
        yield "adds capabilities"
    mounts = [*props.objects("volumes"), *props.objects("mounts")]
    if any(text.endswith(_SOCKETS) for item in mounts for text in (item.text("hostPath"), item.text("source"))):
        yield "can use the engine's socket, and so is root on the host"


def _guarded(pod: Pod, judgement: Judgement) -> Iterator[str]:
    for policy in pod.beside("NetworkPolicy"):
        spec = policy.props.object("spec")
        types = spec.texts("policyTypes") or ["Ingress"]
        # A rule with nothing in it allows everyone.
        open_to_all = any(not rule for rule in spec.objects("ingress"))
        if "Ingress" in types and pod.selected_by(spec.object("podSelector")) and not open_to_all:
            return
    yield f"{pod} can be reached by every pod of the cluster"


def _loopback(server: Container | SwarmTask, judgement: Judgement) -> Iterator[str]:
    allowed = judgement.limits["addresses"]
    if isinstance(server, Container) and server.resource.props.flag("publishAllPorts"):
        yield f"{server} publishes all ports on every address"
    for port in server.published():
        if isinstance(server, SwarmTask) or port.text("ip", "0.0.0.0") not in allowed:
            yield f"{server} publishes {_number(port)} beyond the addresses {', '.join(allowed)}"


def _number(port: Object) -> str:
    return f"port {port.number('internal') or port.number('targetPort')}"


def _password(server: Server, judgement: Judgement) -> Iterator[str]:
    if not judgement.production and not _is_published(server):
        return
    if not any(redis_setting(server, key) for key in ("requirepass", "aclfile", "user")):
        yield f"{server} lets everyone in who reaches it"


def _is_published(server: Server) -> bool:
    """Whether more than this machine reaches it."""
    if isinstance(server, Container):
        return any(not port.text("ip", "0.0.0.0").startswith(("127.", "::1")) for port in server.published())
    return isinstance(server, SwarmTask) and bool(server.published())


def _all(stack: Stack) -> list[Pod | Server]:
    containers = [item for pod in stack.pods for item in (*pod.containers, *pod.init_containers)]
    return [*stack.pods, *containers, *stack.containers]


RULES = (
    Rule(
        name="pod-security-restricted",
        title="Pods keep the restricted profile; containers on Docker get no rights of the host",
        reason="Whoever gets into the server gets the node.",
        remedy="Set runAsNonRoot, allowPrivilegeEscalation: false, drop ALL capabilities, seccomp RuntimeDefault.",
        source=_PSS,
        severity="high",
        subjects=_all,
        check=_restricted,
    ),
    Rule(
        name="network-policy",
        title="A NetworkPolicy guards every workload",
        reason="ZooKeeper takes orders from whoever connects, and brokers and Redis serve them.",
        remedy="Declare a NetworkPolicy that selects the pods and names who may connect.",
        source="https://kubernetes.io/docs/concepts/services-networking/network-policies/",
        severity="high",
        subjects=lambda stack: [pod for pod in stack.pods if pod.long_running],
        check=_guarded,
    ),
    Rule(
        name="ports-on-loopback",
        title="Ports on Docker are bound to this machine",
        reason="Docker opens published ports past the host's firewall, to the whole network.",
        remedy="Bind the port to 127.0.0.1, or add the address to the rule's list.",
        source="https://docs.docker.com/engine/network/port-publishing/",
        severity="high",
        subjects=lambda stack: [*stack.containers, *stack.tasks],
        check=_loopback,
        limits={"addresses": Limit(default=("127.0.0.1", "::1"), meaning="Addresses that ports may be bound to")},
    ),
    Rule(
        name="redis-password",
        title="Redis asks for a password, in production or where others reach it",
        reason="An open Redis lets anyone read and replace data, and write files.",
        remedy="Set requirepass or an ACL file, in a file that comes from a secret.",
        source="https://redis.io/docs/latest/operate/oss_and_stack/management/security/",
        severity="critical",
        subjects=of_kind(REDIS),
        check=_password,
        limits={"production": PRODUCTION},
    ),
)
