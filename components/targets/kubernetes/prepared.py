"""Declares workloads on Kubernetes: a StatefulSet each, with the objects that configure, isolate and expose it."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.errors import SettingsError
from components.inputs import lift
from components.naming import qualified
from components.targets.base import Deployment, Environment, RouteInputs, with_dependencies_of
from components.targets.kubernetes.addresses import ClusterAddresses, ClusterOptions
from components.targets.kubernetes.component import GatedRoll, MembersArgs, MemberStorage, NamespaceRemoval
from components.targets.kubernetes.labels import Labels
from components.targets.kubernetes.network_policies import default_deny, policy_of
from components.targets.kubernetes.pods import ZONE_SCRIPT, ZONE_SCRIPT_NAME, PodContext, pod_spec, stateful_set_spec
from components.targets.kubernetes.services import client_service, headless_service, outside_services
from components.workload import File, Workload

# GatedRoll waits for pods and gives reasons; the provider would wait without reasons, one StatefulSet at a time.
_SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}


class PreparedKubernetes(ClusterAddresses):
    """A namespace of a cluster, with the policy that denies all traffic that no other policy allows.

    Creates, for each workload: ServiceAccount, ConfigMap, Secret where there are secret files, headless and client
    Service, a Service for each member where a port is exposed, PodDisruptionBudget, NetworkPolicy, volume claims, a
    StatefulSet that replaces no pod by itself, and a GatedRoll that does.

    Args:
        platform: The platform's name.
        options: Where and how it runs.
        parent: The component that the shared resources belong to; None for the stack itself.
    """

    def __init__(self, platform: str, options: ClusterOptions, parent: pulumi.Resource | None) -> None:
        super().__init__(platform, options)
        self._labels = Labels(platform, options.namespace)
        self._deployed: list[Workload] = []
        self._provider = k8s.Provider(
            "cluster",
            context=options.context,
            kubeconfig=options.kubeconfig,
            # What applications read keeps its name; see `publish`.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        self._namespace = self._create_namespace(parent) if options.create_namespace else []
        k8s.networking.v1.NetworkPolicy(
            "default-deny",
            metadata=self._labels.metadata("default-deny"),
            spec=_manifest(default_deny(self._labels.selector())),
            opts=self._options(parent),
        )

    def route(self, workloads: Sequence[Workload] | None = None) -> RouteInputs:
        """Through the Kubernetes API, to the pods of these workloads and no others."""
        options = self.options
        reached = self._deployed if workloads is None else workloads
        hosts = [self.host(item.name, ordinal) for item in reached for ordinal in range(item.replicas)]
        return RouteInputs(context=options.context, namespace=options.namespace, hosts=hosts, **self._kubeconfig())

    def deploy(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        *,
        deadline: float,
        after: Sequence[Deployment] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> Deployment:
        """Declare a StatefulSet with the objects around it, and the roll that replaces its pods."""
        _refuse_equal_names(workload, [ZONE_SCRIPT_NAME] if self._reads_zone(workload) else [])
        self._deployed.append(workload)
        members = self._members(workload, deadline)
        storage = self._storage(workload, members, parent)
        files = self._plain_files(workload)
        config = self._config_map(workload, files, parent)
        secret = self._secret(workload, parent)
        companions = [item for item in (storage, config) if item is not None] + self._companions(workload, parent)
        context = self._pod_context(workload, None if config is None else config.metadata.apply(_name_of), secret)
        created_before = [resource for deployment in after for resource in deployment.created]
        stateful_set = self._stateful_set(
            workload, context, self._options(parent, after=[*companions, *created_before], outer=opts)
        )
        settled = [resource for deployment in after for resource in deployment.settled]
        logs = {member: self.logs_command(member) for member in workload.members}
        roll = GatedRoll(
            f"{workload.name}-roll",
            members,
            # The files are compared instead of the ConfigMap's generated name.
            {"pod": pod_spec(workload, replace(context, config_map=None if config is None else "")), "files": files},
            stateful_set.metadata.apply(lambda metadata: metadata.generation),
            logs,
            self.options.pull_patience,
            self._options(parent, after=[stateful_set, *settled], dynamic=True),
        )
        return Deployment(
            identities={member: roll.identities[member] for member in workload.members},
            created=[stateful_set],
            settled=[stateful_set, roll],
            logs=logs,
            storage=storage,
        )

    def publish(self, environment: Environment, parent: pulumi.Resource) -> Mapping[str, pulumi.Input[str]]:
        """Declare a ConfigMap with the plain variables and a Secret with all variables, for ``envFrom``."""
        name = qualified(self.platform, "clients")
        k8s.core.v1.ConfigMap(
            "clients",
            metadata=self._labels.metadata(name),
            data=dict(environment.plain),
            opts=self._options(parent),
        )
        k8s.core.v1.Secret(
            "clients",
            metadata=self._labels.metadata(name),
            string_data={**environment.plain, **environment.secret},
            opts=self._options(parent),
        )
        return {"namespace": self.options.namespace, "clientConfigMap": name, "clientSecret": name}

    def hand_over(
        self, application: str, content: pulumi.Input[Mapping[str, str]], namespace: str | None, parent: pulumi.Resource
    ) -> None:
        """Declare a Secret in the application's namespace: variables for ``envFrom``, and files to mount."""
        k8s.core.v1.Secret(
            f"app-{application}",
            metadata=Labels(self.platform, namespace or self.options.namespace).metadata(f"{application}-kafka"),
            string_data=content,
            opts=self._options(parent),
        )

    def _create_namespace(self, parent: pulumi.Resource | None) -> list[pulumi.Resource]:
        """The namespace, and what deletes it after everything else, if no volume claim is left in it."""
        options = self.options
        security = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
        namespace = k8s.core.v1.Namespace(
            "namespace",
            metadata=_manifest({"name": options.namespace, "labels": self._labels.all() | security}),
            # A namespace takes its claims with it. So the provider never deletes it: not when createNamespace changes.
            opts=pulumi.ResourceOptions(parent=parent, provider=self._provider, retain_on_delete=True),
        )
        removal = NamespaceRemoval(
            "namespace-removal",
            RouteInputs(context=options.context, namespace=options.namespace, hosts=[], **self._kubeconfig()),
            pulumi.ResourceOptions(parent=parent, depends_on=[namespace]),
        )
        return [namespace, removal]

    def _kubeconfig(self) -> Mapping[str, str]:
        return {} if self.options.kubeconfig is None else {"kubeconfig": self.options.kubeconfig}

    def _members(self, workload: Workload, deadline: float) -> MembersArgs:
        return MembersArgs(
            workload=workload.name,
            addresses=self.addresses(workload),
            safety=workload.safety,
            route=self.route([workload]),
            deadline=deadline,
            login=workload.login,
            founded=workload.founded,
        )

    def _storage(self, workload: Workload, members: MembersArgs, parent: pulumi.Resource) -> MemberStorage | None:
        if workload.storage is None:
            return None
        return MemberStorage(
            f"{workload.name}-storage",
            members,
            workload.storage.size,
            self.options.storage_class,
            self._labels.all(workload.name),
            self._options(parent, protect=workload.storage.protect, dynamic=True),
        )

    def _plain_files(self, workload: Workload) -> dict[str, pulumi.Input[str]]:
        """Contents of the files without secrets, by file name without the folder."""
        files = {_key(file): file.content for file in workload.files if not file.secret}
        return files | ({ZONE_SCRIPT_NAME: ZONE_SCRIPT} if self._reads_zone(workload) else {})

    def _config_map(
        self, workload: Workload, files: Mapping[str, pulumi.Input[str]], parent: pulumi.Resource
    ) -> k8s.core.v1.ConfigMap | None:
        """The plain files. Changed files create a new ConfigMap; running pods keep the old one."""
        if not files:
            return None
        return k8s.core.v1.ConfigMap(
            f"{workload.name}-config",
            metadata=self._labels.unnamed(workload.name),
            data=dict(files),
            immutable=True,
            opts=self._replaced_with(["data"], parent),
        )

    def _secret(self, workload: Workload, parent: pulumi.Resource) -> pulumi.Output[str] | None:
        """Name of the Secret with the secret files, which is replaced like the ConfigMap.

        The data is encoded here: the provider turns ``stringData`` into ``data`` before it compares, so a replacement
        that ``stringData`` asks for is shown in a preview and never happens.
        """
        files = {_key(file): lift(_base64, [file.content]) for file in workload.files if file.secret}
        if not files:
            return None
        secret = k8s.core.v1.Secret(
            f"{workload.name}-files",
            metadata=self._labels.unnamed(workload.name),
            data=files,
            immutable=True,
            opts=self._replaced_with(["data"], parent),
        )
        return secret.metadata.apply(_name_of)

    def _companions(self, workload: Workload, parent: pulumi.Resource) -> list[pulumi.Resource]:
        """The ServiceAccount, budget, policy, Services and rights of a workload."""
        name, selector = workload.name, self._labels.selector(workload.name)
        account = k8s.core.v1.ServiceAccount(
            name,
            metadata=self._labels.metadata(name, name),
            automount_service_account_token=False,
            opts=self._options(parent),
        )
        budget = k8s.policy.v1.PodDisruptionBudget(
            name,
            metadata=self._labels.metadata(name, name),
            spec=_manifest({"maxUnavailable": 1, "selector": {"matchLabels": selector}}),
            opts=self._options(parent),
        )
        policy = policy_of(
            workload,
            self._deployed,
            self._labels.selector,
            client_namespaces=list(
                dict.fromkeys([*self.options.client_namespaces, *self.options.application_namespaces])
            ),
            reads_nodes=self._reads_zone(workload),
        )
        network_policy = k8s.networking.v1.NetworkPolicy(
            name, metadata=self._labels.metadata(name, name), spec=_manifest(policy), opts=self._options(parent)
        )
        services = [
            self._service(workload, parent, name, headless_service(workload, selector)),
            self._service(workload, parent, f"{name}-client", client_service(workload, selector)),
            *(self._service(workload, parent, *item) for item in outside_services(workload, selector)),
        ]
        reader = self._zone_reader(workload, parent) if self._reads_zone(workload) else []
        return [account, budget, network_policy, *services, *reader]

    def _service(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        name: str,
        spec: Mapping[str, Any],
        annotations: Mapping[str, str] | None = None,
    ) -> k8s.core.v1.Service:
        return k8s.core.v1.Service(
            name,
            metadata=self._labels.metadata(name, workload.name, annotations={**(annotations or {}), **_SKIP_AWAIT}),
            spec=_manifest(spec),
            opts=self._options(parent),
        )

    def _zone_reader(self, workload: Workload, parent: pulumi.Resource) -> list[pulumi.Resource]:
        """The right to read nodes, whose labels hold their zones; it is cluster-wide, since nodes have no namespace."""
        name = qualified(self.platform, f"{workload.name}-zones")
        metadata = _manifest({"name": name, "labels": self._labels.all(workload.name)})
        account = {"kind": "ServiceAccount", "name": workload.name, "namespace": self.options.namespace}
        role = k8s.rbac.v1.ClusterRole(
            f"{workload.name}-zones",
            metadata=metadata,
            rules=_manifest([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]),
            opts=self._options(parent),
        )
        binding = k8s.rbac.v1.ClusterRoleBinding(
            f"{workload.name}-zones",
            metadata=metadata,
            role_ref=_manifest({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}),
            subjects=_manifest([account]),
            opts=self._options(parent),
        )
        return [role, binding]

    def _stateful_set(
        self, workload: Workload, context: PodContext, options: pulumi.ResourceOptions
    ) -> k8s.apps.v1.StatefulSet:
        name = workload.name
        spec = stateful_set_spec(workload, context, self._labels.all(name), self.options.storage_class)
        # MemberStorage owns the claims; a changed claim template would replace the StatefulSet.
        ignored = pulumi.ResourceOptions(ignore_changes=["spec.volumeClaimTemplates"])
        return k8s.apps.v1.StatefulSet(
            name,
            metadata=self._labels.metadata(name, name, annotations=_SKIP_AWAIT),
            spec=_manifest(spec),
            opts=pulumi.ResourceOptions.merge(options, ignored),
        )

    def _pod_context(
        self, workload: Workload, config: pulumi.Output[str] | None, secret: pulumi.Output[str] | None
    ) -> PodContext:
        return PodContext(
            host=self.pod_host(workload.name, "$(POD_NAME)"),
            selector=self._labels.selector(workload.name),
            config_map=config,
            secret=secret,
            reads_zone=self._reads_zone(workload),
            spread=self.options.spread,
            pull_policy=self.options.pull_policy,
            pull_secrets=self.options.pull_secrets,
        )

    def _reads_zone(self, workload: Workload) -> bool:
        return self.options.zones and workload.zone_file is not None

    def _replaced_with(self, properties: list[str], parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of an object that is replaced, and so renamed in the pods, when these properties change."""
        replaced = pulumi.ResourceOptions(replace_on_changes=properties)
        return pulumi.ResourceOptions.merge(self._options(parent), replaced)

    def _options(
        self,
        parent: pulumi.Resource | None,
        *,
        after: Sequence[pulumi.Resource] = (),
        protect: bool | None = None,
        dynamic: bool = False,
        outer: pulumi.ResourceOptions | None = None,
    ) -> pulumi.ResourceOptions:
        """Options of a child in the namespace.

        Args:
            parent: The component that it belongs to.
            after: What it depends on.
            protect: Whether deleting it is refused.
            dynamic: Whether it is a dynamic resource, which the Kubernetes provider does not create.
            outer: Options of the component; what that depends on, the child depends on.
        """
        before = [*after, *self._namespace]
        provider = None if dynamic else self._provider
        own = pulumi.ResourceOptions(parent=parent, provider=provider, depends_on=before, protect=protect)
        return with_dependencies_of(outer, own)


def _manifest(part: Any) -> Any:
    """A part of a manifest with Kubernetes' own keys, which the SDK passes on though its types spell them otherwise."""
    return part


def _name_of(metadata: Any) -> str:
    return str(metadata.name)


def _base64(texts: Sequence[str]) -> str:
    return base64.b64encode(texts[0].encode()).decode()


def _refuse_equal_names(workload: Workload, reserved: Sequence[str]) -> None:
    """Files are keys of one ConfigMap and one Secret, which every folder of the pod shows.

    Args:
        workload: The workload.
        reserved: Names of files that the target adds.

    Raises:
        SettingsError: Two files have the same name.
    """
    names = Counter([*map(_key, workload.files), *reserved])
    if equal := [file.path for file in workload.files if names[_key(file)] > 1]:
        raise SettingsError(
            f"files of {workload.name} have names that are taken; all folders of a pod share one list of names",
            [f"rename {path}" for path in equal],
        )


def _key(file: File) -> str:
    return file.path.rpartition("/")[2]
