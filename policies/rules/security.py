"""Rules on privileges and network access."""

from collections.abc import Iterator

from policies.rules.rule import PRODUCTION, Context, Limit, Rule
from policies.view.docker import Container, SwarmTask
from policies.view.kubernetes import Pod, PodContainer
from policies.view.servers import REDIS, Server
from policies.view.settings import exposed_listeners, redis_setting
from policies.view.stack import Stack
from policies.view.values import Object

_PSS = "https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_SOCKETS = ("/docker.sock", "/containerd.sock")


def _restricted(subject: Pod | PodContainer | Container, context: Context) -> Iterator[str]:
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
            yield f"uses the node's namespace ({name})"
    for volume in spec.objects("volumes"):
        kinds = set(volume) - {"name"}
        if kinds - _VOLUMES:
            yield f"mounts a volume of type {', '.join(sorted(kinds - _VOLUMES))}"


def _faults_of_container(server: PodContainer) -> Iterator[str]:
    own, pod = server.spec.object("securityContext"), server.pod.spec.object("securityContext")
    if own.flag("privileged"):
        yield "is privileged"
    if own.flag("allowPrivilegeEscalation") is not False:
        yield "may gain privileges (allowPrivilegeEscalation)"
    if "ALL" not in own.object("capabilities").texts("drop"):
        yield "does not drop ALL capabilities"
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
        yield "uses a port of the node"


def _faults_on_docker(props: Object) -> Iterator[str]:
    if props.flag("privileged"):
        yield "is privileged"
    for name in ("networkMode", "pidMode", "ipcMode"):
        if props.text(name) == "host":
            yield f"uses the host's namespace ({name})"
    if props.object("capabilities").texts("adds"):
        yield "adds capabilities"
    mounts = [*props.objects("volumes"), *props.objects("mounts")]
    if any(text.endswith(_SOCKETS) for item in mounts for text in (item.text("hostPath"), item.text("source"))):
        yield "mounts the engine's socket, which makes it root on the host"


def _covered(pod: Pod, context: Context) -> Iterator[str]:
    for policy in pod.in_same_namespace("NetworkPolicy"):
        spec = policy.props.object("spec")
        types = spec.texts("policyTypes") or ["Ingress"]
        # An empty rule allows everyone.
        open_to_all = any(not rule for rule in spec.objects("ingress"))
        if "Ingress" in types and pod.selected_by(spec.object("podSelector")) and not open_to_all:
            return
    yield f"every pod in the cluster can connect to {pod}"


def _loopback(server: Container | SwarmTask, context: Context) -> Iterator[str]:
    allowed = context.limits["addresses"]
    if isinstance(server, Container) and server.resource.props.flag("publishAllPorts"):
        yield f"{server} publishes all ports on every address"
    for port in server.published():
        if isinstance(server, SwarmTask) or port.text("ip", "0.0.0.0") not in allowed:
            yield f"{server} publishes {_number(port)} on an address other than {', '.join(allowed)}"


def _number(port: Object) -> str:
    return f"port {port.number('internal') or port.number('targetPort')}"


def _password(server: Server, context: Context) -> Iterator[str]:
    if not context.production and not server.exposed_ports():
        return
    if not any(redis_setting(server, key) for key in ("requirepass", "aclfile", "user")):
        yield f"{server} accepts connections without a password"


def _encrypts(server: Server, context: Context) -> Iterator[str]:
    for listener in exposed_listeners(server):
        if not listener.encrypts and listener.name not in context.limits["allowed"]:
            yield f"clients elsewhere reach the listener {listener.name} of {server}, which speaks {listener.protocol}"


def _all(stack: Stack) -> list[Pod | Server]:
    containers = [item for pod in stack.pods for item in (*pod.containers, *pod.init_containers)]
    return [*stack.pods, *containers, *stack.containers]


RULES = (
    Rule(
        name="pod-security-restricted",
        title="Pods meet the restricted Pod Security Standard; Docker containers get no host privileges",
        reason="Otherwise, whoever compromises the server controls the node.",
        remedy="Set runAsNonRoot, allowPrivilegeEscalation: false, drop ALL capabilities, seccomp RuntimeDefault.",
        source=_PSS,
        severity="high",
        subjects=_all,
        check=_restricted,
    ),
    Rule(
        name="network-policy",
        title="A NetworkPolicy covers every workload",
        reason="ZooKeeper, brokers and Redis obey any client that can connect.",
        remedy="Declare a NetworkPolicy that selects the pods and lists who may connect.",
        source="https://kubernetes.io/docs/concepts/services-networking/network-policies/",
        severity="high",
        subjects=lambda stack: [pod for pod in stack.pods if pod.long_running],
        check=_covered,
    ),
    Rule(
        name="ports-on-loopback",
        title="On Docker, ports are published on the loopback address only",
        reason="Published ports bypass the host's firewall and are open to the whole network.",
        remedy="Publish the port on 127.0.0.1, or add the address to the rule's list.",
        source="https://docs.docker.com/engine/network/port-publishing/",
        severity="high",
        subjects=lambda stack: [*stack.containers, *stack.tasks],
        check=_loopback,
        limits={"addresses": Limit(default=("127.0.0.1", "::1"), meaning="Addresses that ports may be published on")},
    ),
    Rule(
        name="exposed-listener-encrypts",
        title="Listeners of Kafka that other machines reach encrypt",
        reason="Everyone on the way can read and change records and, without authentication, everyone can send them.",
        remedy="Map the listener to SASL_SSL or SSL (here `access.enabled`), or do not expose it.",
        source="https://kafka.apache.org/39/documentation.html#brokerconfigs_listener.security.protocol.map",
        severity="critical",
        subjects=lambda stack: stack.brokers,
        check=_encrypts,
        limits={"allowed": Limit(default=(), meaning="Listeners, in upper case, that may be exposed without TLS")},
    ),
    Rule(
        name="redis-password",
        title="Redis requires a password in production, and where other machines can connect",
        reason="Anyone who can connect to an open Redis can read and replace data, and write files.",
        remedy="Set requirepass or an ACL file, in a file that comes from a Secret.",
        source="https://redis.io/docs/latest/operate/oss_and_stack/management/security/",
        severity="critical",
        subjects=lambda stack: stack.servers_of(REDIS),
        check=_password,
        limits={"production": PRODUCTION},
    ),
)
