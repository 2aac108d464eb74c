"""The target Docker: a container for each member, with a gate before each member that others depend on."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pulumi
import pulumi_docker as docker

from components.durations import whole_seconds
from components.inputs import lift
from components.naming import MEMBER_LABEL, PLATFORM_LABEL, member_name, ordinal_of, qualified
from components.outside import ANY_ADDRESS, LOOPBACK, Outside
from components.quantities import MIB
from components.safety import Safety
from components.targets.base import Deployment, Environment, with_dependencies_of
from components.targets.docker.client import LocalEngine, restart_order
from components.targets.docker.component import MemberExit, MemberGate, MemberGateArgs, MembersArgs, MemberSet
from components.targets.docker.preflight import EngineProbe, Needs, preflight
from components.workload import FOUNDERS, Probe, Storage, Workload

_LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}


class _Addresses:
    """Names and addresses of the members of one platform on Docker."""

    def __init__(self, platform: str, bind_address: str) -> None:
        self._platform = platform
        self._bind_address = bind_address

    def host(self, workload: str, ordinal: int) -> str:
        """A member's alias on the platform's network: ``kafka-0``."""
        return member_name(workload, ordinal)

    def addresses(self, workload: Workload) -> dict[str, pulumi.Input[str]]:
        """The published addresses, since this program runs on the engine's machine."""
        return dict(zip(workload.members, workload.outside_addresses(), strict=True))

    def outside(self, port: int, *, host: str | None = None, external: str = "none") -> Outside | None:
        """Every port is published; each further member takes the next port number.

        Clients connect to the address that ports are bound to, or to loopback where that is every address.
        """
        bound = LOOPBACK if self._bind_address == ANY_ADDRESS else self._bind_address
        return Outside(host=host or bound, port=port)

    def logs_command(self, member: str) -> str:
        """``docker logs`` of the member's container."""
        return f"docker logs --tail 50 {qualified(self._platform, member)}"


class DockerTarget(_Addresses):
    """Runs a platform's workloads on one Docker engine.

    Args:
        platform: The platform's name; the prefix of all names on the engine.
        bind_address: Address on this machine that ports are bound to.
        engine: What preflight asks; None takes the engine that ``DOCKER_HOST`` names.
    """

    def __init__(self, platform: str, bind_address: str = "127.0.0.1", engine: EngineProbe | None = None) -> None:
        super().__init__(platform, bind_address)
        self._engine = engine or LocalEngine(platform)

    def preflight(self, workloads: Sequence[Workload]) -> None:
        """Check the engine, the images, the ports and the memory.

        Raises:
            PreflightError: With every reason why the workloads cannot run.
        """
        needs = Needs(
            platform=self._platform,
            bind_address=self._bind_address,
            images=sorted({workload.image for workload in workloads}),
            ports={
                qualified(self._platform, member): [outside.number(ordinal) for outside in workload.exposed.values()]
                for workload in workloads
                for ordinal, member in enumerate(workload.members)
            },
            memory={member: workload.resources.memory for workload in workloads for member in workload.members},
        )
        preflight(self._engine, needs)

    def prepare(self, parent: pulumi.Resource | None = None) -> "PreparedDocker":
        """Declare the platform's network."""
        return PreparedDocker(self._platform, self._bind_address, parent)


class PreparedDocker(_Addresses):
    """A Docker engine with a platform's network.

    Declares, for the workloads that it deploys: a resource for each image, a volume for each storage lifetime, a
    container for each member, and gates.

    Args:
        platform: The platform's name.
        bind_address: Address on this machine that ports are bound to.
        parent: The component that network, images and volumes belong to; None for the stack itself.
    """

    def __init__(self, platform: str, bind_address: str, parent: pulumi.Resource | None) -> None:
        super().__init__(platform, bind_address)
        self._parent = parent
        self._images: dict[str, docker.RemoteImage] = {}
        self._volumes: dict[str, docker.Volume] = {}
        self._network = docker.Network(
            "network",
            name=platform,
            labels=[docker.NetworkLabelArgs(label=PLATFORM_LABEL, value=platform)],
            opts=pulumi.ResourceOptions(parent=parent),
        )

    def route(self, workloads: Sequence[Workload] | None = None) -> None:
        """None: members are reached directly."""
        return

    def publish(self, environment: Environment, parent: pulumi.Resource) -> Mapping[str, pulumi.Input[str]]:
        """Return the network's name: containers that join it reach members by name."""
        return {"network": self._platform}

    def hand_over(
        self, application: str, content: pulumi.Input[Mapping[str, str]], namespace: str | None, parent: pulumi.Resource
    ) -> None:
        """Nothing: an engine has no place for it."""

    def deploy(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        *,
        deadline: float,
        after: Sequence[Deployment] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> Deployment:
        """Declare a container for each member; if members need each other, a gate before and one after each."""
        identities: dict[str, pulumi.Output[str]] = {}
        resources: list[pulumi.Resource] = []
        before = [resource for deployment in after for resource in deployment.settled]
        addresses = self.addresses(workload)
        logs = {member: self.logs_command(member) for member in workload.members}
        gated = workload.replicas > 1 and workload.safety is not Safety
        containers = {member: qualified(self._platform, member) for member in workload.members}
        members = MembersArgs(
            safety=workload.safety, addresses=addresses, logs=logs, deadline=deadline, login=workload.login
        )
        gates = _Gates(members, containers)
        if workload.safety is not Safety:
            # Members that leave are released, or kept, before any other restarts.
            before = [*before, MemberSet(workload.name, members, _after(opts, parent, before))]
        # The order is only in what depends on what, so another order is no change.
        order = restart_order(workload.safety, addresses, containers) if gated else workload.members
        made: dict[str, docker.Container] = {}
        for member in order:
            ordinal = ordinal_of(member)
            if gated:
                may_stop = gates.before(member, self._digest(workload, ordinal), _after(opts, parent, before))
                before = [may_stop]
                resources.append(may_stop)
            container = self._container(workload, ordinal, _after(opts, parent, before))
            made[member], identities[member] = container, container.id
            resources.append(container)
            if gated:
                returned = gates.after(member, container.id, _after(opts, parent, [container]))
                before = [returned]
                resources.append(returned)
        if workload.safety is not Safety:
            self._exits(workload.members, made, members, parent)
        storage = None if workload.storage is None else self._volume(workload.storage)
        return Deployment(identities=identities, created=resources, settled=resources, logs=logs, storage=storage)

    def _exits(
        self,
        names: Sequence[str],
        containers: Mapping[str, docker.Container],
        members: MembersArgs,
        parent: pulumi.Resource,
    ) -> None:
        """The last look at each member that can leave; where the whole platform goes, nobody is asked."""
        whole = pulumi.ResourceOptions(deleted_with=self._network)
        earlier: list[pulumi.Resource] = []
        for member in names[1:]:
            opts = pulumi.ResourceOptions.merge(_after(None, parent, [containers[member], *earlier]), whole)
            earlier = [MemberExit(member, members.upto(member), opts)]

    def _image(self, reference: str) -> docker.RemoteImage:
        """An image, declared once. Other platforms on the engine may share it, so a destroy keeps it."""
        if reference not in self._images:
            options = pulumi.ResourceOptions(parent=self._parent)
            self._images[reference] = docker.RemoteImage(
                f"image-{reference}", name=reference, keep_locally=True, opts=options
            )
        return self._images[reference]

    def _volume(self, storage: Storage) -> docker.Volume:
        """The volume of a storage lifetime, declared once."""
        if storage.lifetime not in self._volumes:
            self._volumes[storage.lifetime] = docker.Volume(
                f"{storage.lifetime}-data",
                name=qualified(self._platform, storage.lifetime),
                labels=[docker.VolumeLabelArgs(label=PLATFORM_LABEL, value=self._platform)],
                opts=pulumi.ResourceOptions(parent=self._parent, protect=storage.protect),
            )
        return self._volumes[storage.lifetime]

    def _digest(self, workload: Workload, ordinal: int) -> pulumi.Output[str]:
        """A digest of everything that the member's container is created from."""
        plain = repr(
            (ordinal, self._bind_address, replace(workload, replicas=1, files=(), env={}, catch_up=None, login=None))
        )
        keys = [*(file.path for file in workload.files), *workload.env]
        values = [*(file.content for file in workload.files), *workload.env.values()]
        image = self._image(workload.image).image_id
        return pulumi.Output.from_input(lift(lambda parts: _sha256([plain, *keys, *parts]), [image, *values]))

    def _container(self, workload: Workload, ordinal: int, options: pulumi.ResourceOptions) -> docker.Container:
        member = member_name(workload.name, ordinal)
        fill = _placeholders(ordinal, self.host(workload.name, ordinal))
        return docker.Container(
            member,
            name=qualified(self._platform, member),
            image=self._image(workload.image).image_id,
            hostname=member,
            command=[fill(argument) for argument in workload.command],
            envs=[
                lift(lambda known, name=name: f"{name}={fill(known[0])}", [value])
                for name, value in sorted(environment_of(workload).items())
            ],
            user=str(workload.user),
            restart="unless-stopped",
            memory=workload.resources.memory // MIB,
            # Without an equal swap limit, the official provider shows a difference in every preview.
            memory_swap=workload.resources.memory // MIB,
            stop_timeout=whole_seconds(workload.stop_grace),
            destroy_grace_seconds=whole_seconds(workload.stop_grace),
            log_driver="json-file",
            log_opts=_LOG_OPTIONS,
            uploads=[docker.ContainerUploadArgs(file=file.path, content=file.content) for file in workload.files],
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=self._network.name, aliases=[workload.name, member])
            ],
            volumes=self._mounts(workload.storage),
            ports=[
                docker.ContainerPortArgs(
                    internal=port.number,
                    external=port.outside.number(ordinal),
                    ip=self._bind_address,
                    protocol="tcp",
                )
                for port in workload.ports
                if port.outside is not None
            ],
            labels=[
                docker.ContainerLabelArgs(label=MEMBER_LABEL, value=member),
                docker.ContainerLabelArgs(label=PLATFORM_LABEL, value=self._platform),
            ],
            healthcheck=_health_check(workload.readiness),
            opts=options,
        )

    def _mounts(self, storage: Storage | None) -> list[docker.ContainerVolumeArgs] | None:
        if storage is None:
            return None
        volume = self._volume(storage)
        return [docker.ContainerVolumeArgs(volume_name=volume.name, container_path=storage.path)]


class _Gates:
    """The gates of one workload, in the order in which its members change: one before each and one after it."""

    def __init__(self, members: MembersArgs, containers: Mapping[str, str]) -> None:
        self._members = members
        self._containers = containers
        self._changed: list[str] = []

    def before(self, member: str, inputs: pulumi.Input[str], opts: pulumi.ResourceOptions) -> MemberGate:
        """The gate that waits until a member may be stopped.

        Args:
            member: The member.
            inputs: A digest that changes when the member's container will be replaced.
            opts: Options of the gate.
        """
        args = self._args(stops=member, returns=None, trigger={"inputs": inputs})
        return MemberGate(f"{member}-may-stop", args, opts)

    def after(self, member: str, container: pulumi.Input[str], opts: pulumi.ResourceOptions) -> MemberGate:
        """The gate that waits until a member is back.

        Args:
            member: The member.
            container: Id of its container.
            opts: Options of the gate.
        """
        self._changed.append(member)
        args = self._args(stops=None, returns=member, trigger={member: container})
        return MemberGate(f"{member}-returned", args, opts)

    def _args(self, stops: str | None, returns: str | None, trigger: Mapping[str, pulumi.Input[str]]) -> MemberGateArgs:
        return MemberGateArgs(
            members=self._members,
            stops=stops,
            returns=returns,
            changed=list(self._changed),
            containers=self._containers,
            trigger=trigger,
        )


def environment_of(workload: Workload) -> Mapping[str, pulumi.Input[str]]:
    """A member's variables. The first member may found its group: it sees in the shared volume if others have data."""
    return {**workload.env, FOUNDERS: "1"} if workload.founded else workload.env


def _after(
    opts: pulumi.ResourceOptions | None, parent: pulumi.Resource, before: Sequence[pulumi.Resource]
) -> pulumi.ResourceOptions:
    """Options of a child that depends on these resources and on whatever its component depends on."""
    return with_dependencies_of(opts, pulumi.ResourceOptions(parent=parent, depends_on=list(before)))


def _sha256(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _placeholders(ordinal: int, host: str) -> Callable[[str], str]:
    """A function that fills in a member's placeholders; see :mod:`components.workload`."""
    return lambda text: text.replace("$(ORDINAL)", str(ordinal)).replace("$(HOST)", host)


def _health_check(probe: Probe) -> docker.ContainerHealthcheckArgs:
    return docker.ContainerHealthcheckArgs(
        tests=["CMD", *probe.command],
        interval=_go_duration(probe.interval),
        timeout=_go_duration(probe.timeout),
        start_period=_go_duration(probe.start_period),
        retries=probe.failures,
    )


def _go_duration(duration: timedelta) -> str:
    """A duration below an hour as Go prints it, which the provider reads back: ``5s``, ``1m0s``."""
    minutes, seconds = divmod(whole_seconds(duration), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
