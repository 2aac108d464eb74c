"""Workloads on Kubernetes: a StatefulSet each, with everything that keeps it apart, alive and reachable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.naming import PART_OF_LABEL, PROJECT, qualified
from components.outside import Outside
from components.targets.base import Cluster, Deployment, Environment
from components.targets.cluster_preflight import ClusterNeeds, preflight
from components.targets.gated_roll import GatedRoll, MemberStorage
from components.targets.network_policies import default_deny, policy_of
from components.targets.pods import ZONE_SCRIPT, ZONE_SCRIPT_NAME, PodContext, pod_spec
from components.workload import File, Workload

# The roll waits for pods, with reasons, and stops them; the provider would wait without, and one set after the other.
_SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where and how a platform runs on Kubernetes.

    Args:
        context: The kubeconfig's context; no other is ever used.
        kubeconfig: Path of the kubeconfig, or None for KUBECONFIG and its default.
        namespace: Namespace of everything that is made.
        create_namespace: Whether the namespace is made, too.
        domain: The cluster's DNS domain.
        storage_class: StorageClass of the volumes, or None for the cluster's default.
        pull_policy: When a node pulls an image.
        pull_secrets: Secrets with the registries' credentials.
        spread: Whether members must (``required``) or should run on nodes and in zones of their own.
        zones: Whether members that ask for it are told their zone, which takes the right to read nodes.
        client_namespaces: Further namespaces whose pods may connect to ports for clients.
    """

    context: str
    namespace: str
    kubeconfig: str | None = None
    create_namespace: bool = True
    domain: str = "cluster.local"
    storage_class: str | None = None
    pull_policy: str = "IfNotPresent"
    pull_secrets: Sequence[str] = ()
    spread: str = "required"
    zones: bool = True
    client_namespaces: Sequence[str] = field(default_factory=tuple[str, ...])


class KubernetesTarget:
    """Runs a platform's workloads in one namespace of one cluster.

    Makes, for each workload: ServiceAccount, ConfigMap, Secret where there are secret files, headless and client
    Service, a Service for each member where a port is exposed, PodDisruptionBudget, NetworkPolicy, volume claims, a
    StatefulSet that replaces no pod by itself, and a GatedRoll that does.

    Args:
        platform: The platform's name.
        options: Where and how it runs.
    """

    def __init__(self, platform: str, options: ClusterOptions) -> None:
        self._platform = platform
        self._options = options
        self._hosts: list[str] = []  # this and the next two are set by prepare
        self._provider: k8s.Provider | None = None
        self._namespace: k8s.core.v1.Namespace | None = None
        self._workloads: Sequence[Workload] = ()

    def host(self, workload: str, ordinal: int) -> str:
        """A pod's name in the cluster's DNS, by way of the headless Service."""
        return f"{workload}-{ordinal}.{workload}.{self._options.namespace}.svc.{self._options.domain}"

    def addresses(self, workload: Workload) -> list[str]:
        """The pods' own addresses, which the tunnel leads to; nothing need be exposed."""
        port = workload.client_port.number
        return [f"{self.host(workload.name, ordinal)}:{port}" for ordinal in range(workload.replicas)]

    def route(self) -> Mapping[str, Any]:
        """Through the Kubernetes API, to the pods of this platform and no others."""
        options = self._options
        kubeconfig = {} if options.kubeconfig is None else {"kubeconfig": options.kubeconfig}
        return {**kubeconfig, "context": options.context, "namespace": options.namespace, "hosts": self._hosts}

    def logs_command(self, member: str) -> str:
        """``kubectl logs`` of the member's pod."""
        return f"kubectl --context {self._options.context} -n {self._options.namespace} logs --tail 50 {member}"

    def preflight(self, workloads: Sequence[Workload]) -> None:
        """Check the context, the rights in the namespace and the storage class.

        Raises:
            PreflightError: With every reason why the workloads cannot run.
        """
        options = self._options
        needs = ClusterNeeds(
            context=options.context,
            kubeconfig=options.kubeconfig,
            namespace=options.namespace,
            create_namespace=options.create_namespace,
            storage_class=options.storage_class,
            zones=options.zones and any(workload.zone_file for workload in workloads),
        )
        preflight(needs, dry_run=pulumi.runtime.is_dry_run())

    def prepare(self, workloads: Sequence[Workload], parent: pulumi.Resource) -> None:
        """Declare the provider, the namespace and the policy that denies whatever no other allows."""
        options = self._options
        self._workloads = workloads
        self._hosts = [self.host(item.name, ordinal) for item in workloads for ordinal in range(item.replicas)]
        self._provider = k8s.Provider(
            "cluster",
            context=options.context,
            kubeconfig=options.kubeconfig,
            # What applications read keeps its name; see publish.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        if options.create_namespace:
            labels = self._labels() | {
                f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")
            }
            self._namespace = k8s.core.v1.Namespace(
                "namespace", metadata=_words({"name": options.namespace, "labels": labels}), opts=self._made_by(parent)
            )
        k8s.networking.v1.NetworkPolicy(
            "default-deny",
            metadata=self._metadata("default-deny"),
            spec=_words(default_deny(self._selector())),
            opts=self._made_by(parent),
        )

    def deploy(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        cluster: Cluster,
        *,
        after: Sequence[Deployment] = (),
    ) -> Deployment:
        """Declare a StatefulSet with all that belongs to it, and the roll that replaces its pods."""
        name = workload.name
        storage = self._storage(workload, cluster, parent)
        texts = self._texts(workload)
        config = self._config_map(workload, texts, parent)
        secret = self._secret(workload, parent)
        before = [resource for resource in (storage, config) if resource is not None]
        beside = [*before, *self._beside(workload, parent)]
        config_name = None if config is None else config.metadata.apply(_name_of)
        context = self._pod_context(workload, config_name, secret)
        pod = pod_spec(workload, context)
        behind = [resource for deployment in after for resource in deployment.made]
        stateful_set = self._stateful_set(workload, pod, self._made_by(parent, after=[*beside, *behind]))
        logs = {member: self.logs_command(member) for member in workload.members}
        settled = [resource for deployment in after for resource in deployment.settled]
        options = self._made_by(parent, after=[stateful_set, *settled], tool=True)
        # The ConfigMap's name says no more than the files.
        nameless = replace(context, config_map=None if config is None else "")
        template = {"pod": pod_spec(workload, nameless), "files": texts}
        generation = stateful_set.metadata.apply(lambda metadata: metadata.generation)
        roll = GatedRoll(f"{name}-roll", name, cluster, self.route(), template, generation, logs, options)
        return Deployment(
            identities={member: roll.identities[member] for member in workload.members},
            made=[stateful_set],
            settled=[stateful_set, roll],
            storage=storage,
        )

    def publish(self, environment: Environment, parent: pulumi.Resource) -> Mapping[str, pulumi.Input[str]]:
        """A ConfigMap and a Secret for ``envFrom``: plain variables in the one, all in the other."""
        name = qualified(self._platform, "clients")
        k8s.core.v1.ConfigMap(
            "clients", metadata=self._metadata(name), data=dict(environment.plain), opts=self._made_by(parent)
        )
        k8s.core.v1.Secret(
            "clients",
            metadata=self._metadata(name),
            string_data={**environment.plain, **environment.secret},
            opts=self._made_by(parent),
        )
        return {"namespace": self._options.namespace, "clientConfigMap": name, "clientSecret": name}

    def _storage(self, workload: Workload, cluster: Cluster, parent: pulumi.Resource) -> MemberStorage | None:
        if workload.storage is None:
            return None
        return MemberStorage(
            f"{workload.name}-storage",
            workload.name,
            cluster,
            self.route(),
            workload.storage.size,
            self._options.storage_class,
            self._labels(workload.name),
            self._made_by(parent, protect=workload.storage.protect, tool=True),
        )

    def _texts(self, workload: Workload) -> dict[str, str]:
        """The plain files, by their names without a folder."""
        texts = {_key(file): str(file.content) for file in workload.files if not file.secret}
        return texts | ({ZONE_SCRIPT_NAME: ZONE_SCRIPT} if self._tells_zone(workload) else {})

    def _config_map(
        self, workload: Workload, texts: Mapping[str, str], parent: pulumi.Resource
    ) -> k8s.core.v1.ConfigMap | None:
        """The plain files, in a ConfigMap that is another one when they change: a pod keeps what it was made with."""
        if not texts:
            return None
        return k8s.core.v1.ConfigMap(
            f"{workload.name}-config",
            metadata=self._unnamed(workload.name),
            data=dict(texts),
            immutable=True,
            opts=self._replaced_with(["data"], parent),
        )

    def _secret(self, workload: Workload, parent: pulumi.Resource) -> pulumi.Output[str] | None:
        files = {_key(file): file.content for file in workload.files if file.secret}
        if not files:
            return None
        secret = k8s.core.v1.Secret(
            f"{workload.name}-files",
            metadata=self._unnamed(workload.name),
            string_data=files,
            opts=self._replaced_with(["stringData"], parent),
        )
        return secret.metadata.apply(_name_of)

    def _beside(self, workload: Workload, parent: pulumi.Resource) -> list[pulumi.Resource]:
        """What stands beside a StatefulSet."""
        name = workload.name
        account = k8s.core.v1.ServiceAccount(
            name,
            metadata=self._metadata(name, name),
            automount_service_account_token=False,
            opts=self._made_by(parent),
        )
        budget = k8s.policy.v1.PodDisruptionBudget(
            name,
            metadata=self._metadata(name, name),
            spec=_words({"maxUnavailable": 1, "selector": {"matchLabels": self._selector(name)}}),
            opts=self._made_by(parent),
        )
        policy = policy_of(
            workload,
            self._workloads,
            self._selector,
            client_namespaces=self._options.client_namespaces,
            reads_nodes=self._tells_zone(workload),
        )
        guard = k8s.networking.v1.NetworkPolicy(
            name,
            metadata=self._metadata(name, name),
            spec=_words(policy),
            opts=self._made_by(parent),
        )
        services = [*self._services(workload, parent), *self._outside_services(workload, parent)]
        reader = self._zone_reader(workload, parent) if self._tells_zone(workload) else []
        return [account, budget, guard, *services, *reader]

    def _services(self, workload: Workload, parent: pulumi.Resource) -> list[pulumi.Resource]:
        name = workload.name
        ports = [_service_port(port.name, port.number) for port in workload.ports]
        headless = k8s.core.v1.Service(
            name,
            metadata=self._metadata(name, name, annotations=_SKIP_AWAIT),
            # Members must find each other before they are ready, and a draining one must stay reachable.
            spec=_words(
                {
                    "clusterIP": "None",
                    "publishNotReadyAddresses": True,
                    "selector": self._selector(name),
                    "ports": ports,
                }
            ),
            opts=self._made_by(parent),
        )
        client = k8s.core.v1.Service(
            f"{name}-client",
            metadata=self._metadata(f"{name}-client", name, annotations=_SKIP_AWAIT),
            spec=_words({"type": "ClusterIP", "selector": self._selector(name), "ports": ports[:1]}),
            opts=self._made_by(parent),
        )
        return [headless, client]

    def _outside_services(self, workload: Workload, parent: pulumi.Resource) -> Sequence[pulumi.Resource]:
        """For each exposed port one Service a member: clients must reach the very broker that leads a partition."""
        return [
            k8s.core.v1.Service(
                f"{member}-{port.name}",
                metadata=self._metadata(f"{member}-{port.name}", workload.name, annotations=_SKIP_AWAIT),
                spec=_words(
                    {
                        **_outside_service(port.name, port.number, port.outside, ordinal),
                        "selector": {**self._selector(workload.name), "statefulset.kubernetes.io/pod-name": member},
                    }
                ),
                opts=self._made_by(parent),
            )
            for port in workload.ports
            if port.outside is not None
            for ordinal, member in enumerate(workload.members)
        ]

    def _zone_reader(self, workload: Workload, parent: pulumi.Resource) -> list[pulumi.Resource]:
        """The right to read nodes, where their zones stand; nodes belong to no namespace."""
        name = qualified(self._platform, f"{workload.name}-zones")
        metadata = _words({"name": name, "labels": self._labels(workload.name)})
        role = k8s.rbac.v1.ClusterRole(
            f"{workload.name}-zones",
            metadata=metadata,
            rules=_words([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]),
            opts=self._made_by(parent),
        )
        binding = k8s.rbac.v1.ClusterRoleBinding(
            f"{workload.name}-zones",
            metadata=metadata,
            role_ref=_words({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}),
            subjects=_words([{"kind": "ServiceAccount", "name": workload.name, "namespace": self._options.namespace}]),
            opts=self._made_by(parent),
        )
        return [role, binding]

    def _stateful_set(
        self, workload: Workload, pod: Mapping[str, Any], options: pulumi.ResourceOptions
    ) -> k8s.apps.v1.StatefulSet:
        name, labels = workload.name, self._labels(workload.name)
        return k8s.apps.v1.StatefulSet(
            name,
            metadata=self._metadata(name, name, annotations=_SKIP_AWAIT),
            spec=_words(
                {
                    "serviceName": name,
                    "replicas": workload.replicas,
                    "podManagementPolicy": "Parallel",  # a lost zone must not keep the other members from coming back
                    "updateStrategy": {"type": "OnDelete"},  # GatedRoll replaces pods
                    "selector": {"matchLabels": self._selector(name)},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                    **self._claims(workload),
                }
            ),
            # The claims are MemberStorage's; another template would replace the StatefulSet.
            opts=pulumi.ResourceOptions.merge(
                options, pulumi.ResourceOptions(ignore_changes=["spec.volumeClaimTemplates"])
            ),
        )

    def _claims(self, workload: Workload) -> dict[str, Any]:
        """The part of a StatefulSet's specification that speaks of its members' volumes."""
        if workload.storage is None:
            return {}
        claim = {
            "metadata": {"name": "data", "labels": self._labels(workload.name)},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": str(workload.storage.size)}},
                **({"storageClassName": self._options.storage_class} if self._options.storage_class else {}),
            },
        }
        return {
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "volumeClaimTemplates": [claim],
        }

    def _pod_context(
        self, workload: Workload, config: pulumi.Output[str] | None, secret: pulumi.Output[str] | None
    ) -> PodContext:
        return PodContext(
            host=f"$(POD_NAME).{workload.name}.{self._options.namespace}.svc.{self._options.domain}",
            selector=self._selector(workload.name),
            config_map=config,
            secret=secret,
            tells_zone=self._tells_zone(workload),
            spread=self._options.spread,
            pull_policy=self._options.pull_policy,
            pull_secrets=self._options.pull_secrets,
        )

    def _tells_zone(self, workload: Workload) -> bool:
        return self._options.zones and workload.zone_file is not None

    def _selector(self, workload: str | None = None) -> dict[str, str]:
        """The labels by which pods of this platform, or of one workload of it, are found; they never change."""
        name = {} if workload is None else {"app.kubernetes.io/name": workload}
        return {"app.kubernetes.io/instance": self._platform, **name}

    def _labels(self, workload: str | None = None) -> dict[str, str]:
        return {
            **self._selector(workload),
            PART_OF_LABEL: PROJECT,
            "app.kubernetes.io/managed-by": "pulumi",
        }

    def _metadata(self, name: str, workload: str | None = None, *, annotations: Mapping[str, str] | None = None) -> Any:
        metadata: dict[str, Any] = {
            "name": name,
            "namespace": self._options.namespace,
            "labels": self._labels(workload),
        }
        return metadata | ({"annotations": dict(annotations)} if annotations else {})

    def _unnamed(self, workload: str) -> Any:
        """Metadata of what the provider names: each replacement gets another name, also one of what was before."""
        return {"namespace": self._options.namespace, "labels": self._labels(workload)}

    def _replaced_with(self, properties: list[str], parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of what is replaced when these properties change, so that pods which have the old one are told."""
        return pulumi.ResourceOptions.merge(
            self._made_by(parent), pulumi.ResourceOptions(replace_on_changes=properties)
        )

    def _made_by(
        self,
        parent: pulumi.Resource,
        *,
        after: Sequence[pulumi.Resource] = (),
        protect: bool | None = None,
        tool: bool = False,
    ) -> pulumi.ResourceOptions:
        """Options of a child: in the namespace, made by the cluster's provider (a ``tool`` is a dynamic resource)."""
        before = [*after, *([self._namespace] if self._namespace is not None else [])]
        provider = None if tool else self._provider
        return pulumi.ResourceOptions(parent=parent, provider=provider, depends_on=before, protect=protect)


def _words(part: Any) -> Any:
    """A part of a manifest in Kubernetes' own words: the SDK passes them on, though its types spell them otherwise."""
    return part


def _name_of(metadata: Any) -> str:
    return str(metadata.name)


def _key(file: File) -> str:
    return file.path.rpartition("/")[2]


def _service_port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "port": number, "targetPort": number, "protocol": "TCP"}


def _outside_service(name: str, number: int, outside: Outside, ordinal: int) -> dict[str, Any]:
    port = _service_port(name, number)
    if outside.kind == "loadBalancer":
        return {"type": "LoadBalancer", "ports": [port | {"port": outside.number(ordinal)}]}
    return {"type": "NodePort", "ports": [port | {"nodePort": outside.number(ordinal)}]}
