"""Workloads on a Docker engine: a container a member, chained where a gate stands between members."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pulumi
import pulumi_docker as docker

from components.clients import docker_engine
from components.naming import MEMBER_LABEL, PLATFORM_LABEL, member_name, qualified
from components.quantities import MIB
from components.targets.base import Cluster, Deployment, Environment
from components.targets.member_gate import MemberGate
from components.workload import Probe, Storage, Workload

_LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}


class DockerTarget:
    """Runs a platform's workloads on one Docker engine.

    Makes, as needed: a network of its own, an image resource for each image, a volume for each storage lifetime,
    and a container for each member, published on one address of this machine.

    Args:
        platform: The platform's name; the prefix of all names on the engine.
        bind_address: Address on this machine that exposed ports are bound to.
        engine: How the engine is asked what it has; tests give their own.
    """

    def __init__(self, platform: str, bind_address: str, engine: docker_engine.EngineProbe) -> None:
        self._platform = platform
        self._bind_address = bind_address
        self._engine = engine
        self._network: docker.Network | None = None  # this and the next two are set by prepare
        self._images: dict[str, docker.RemoteImage] = {}
        self._volumes: dict[str, docker.Volume] = {}

    def host(self, workload: str, ordinal: int) -> str:
        """A member's alias on the platform's network: ``kafka-0``."""
        return member_name(workload, ordinal)

    def logs_command(self, member: str) -> str:
        """``docker logs`` of the member's container."""
        return f"docker logs --tail 50 {qualified(self._platform, member)}"

    def addresses(self, workload: Workload) -> list[str]:
        """The published addresses: this program runs on the engine's machine."""
        return workload.outside_addresses()

    def route(self) -> Mapping[str, Any] | None:
        """Directly."""
        return None

    def publish(self, environment: Environment, parent: pulumi.Resource) -> Mapping[str, pulumi.Input[str]]:
        """The network that other containers join to reach members by name."""
        return {"network": self._platform}

    def preflight(self, workloads: Sequence[Workload]) -> None:
        """Check the engine, the images, the ports and the memory.

        Raises:
            PreflightError: With every reason why the workloads cannot run.
        """
        needs = docker_engine.Needs(
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
        docker_engine.preflight(self._engine, needs)

    def prepare(self, workloads: Sequence[Workload], parent: pulumi.Resource) -> None:
        """Declare the network, and each image and volume once."""
        options = pulumi.ResourceOptions(parent=parent)
        network_labels = [docker.NetworkLabelArgs(label=PLATFORM_LABEL, value=self._platform)]
        self._network = docker.Network("network", name=self._platform, labels=network_labels, opts=options)
        for reference in sorted({workload.image for workload in workloads}):
            # Images are shared with other platforms on the engine, so they stay when this one goes.
            self._images[reference] = docker.RemoteImage(
                f"image-{reference}", name=reference, keep_locally=True, opts=options
            )
        storages = [item.storage for item in workloads if item.storage is not None]
        for lifetime, protect in sorted({(storage.lifetime, storage.protect) for storage in storages}):
            self._volumes[lifetime] = docker.Volume(
                f"{lifetime}-data",
                name=qualified(self._platform, lifetime),
                labels=[docker.VolumeLabelArgs(label=PLATFORM_LABEL, value=self._platform)],
                opts=pulumi.ResourceOptions(parent=parent, protect=protect),
            )

    def deploy(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        cluster: Cluster,
        *,
        after: Sequence[Deployment] = (),
    ) -> Deployment:
        """Declare a container for each member, and between members a gate."""
        identities: dict[str, pulumi.Output[str]] = {}
        resources: list[pulumi.Resource] = []
        before = [resource for deployment in after for resource in deployment.settled]
        for ordinal, member in enumerate(workload.members):
            container = self._container(workload, ordinal, pulumi.ResourceOptions(parent=parent, depends_on=before))
            identities[member] = container.id
            resources.append(container)
            if workload.replicas > 1:
                options = pulumi.ResourceOptions(parent=parent, depends_on=[container])
                logs = {member: self.logs_command(member)}
                before = [MemberGate(member, cluster, container.id, logs, options)]
                resources += before
        storage = None if workload.storage is None else self._volumes[workload.storage.lifetime]
        return Deployment(identities=identities, made=resources, settled=resources, storage=storage)

    def _container(self, workload: Workload, ordinal: int, options: pulumi.ResourceOptions) -> docker.Container:
        member = member_name(workload.name, ordinal)
        fill = _placeholders(ordinal, self.host(workload.name, ordinal))
        if self._network is None:
            raise RuntimeError("deploy was called before prepare")
        return docker.Container(
            member,
            name=qualified(self._platform, member),
            image=self._images[workload.image].image_id,
            hostname=member,
            command=[fill(argument) for argument in workload.command],
            envs=[f"{name}={fill(value)}" for name, value in sorted(workload.env.items())],
            user=str(workload.user),
            restart="unless-stopped",
            memory=workload.resources.memory // MIB,
            # Without an equal swap limit the official provider sees a difference for ever.
            memory_swap=workload.resources.memory // MIB,
            stop_timeout=_seconds(workload.stop_grace),
            destroy_grace_seconds=_seconds(workload.stop_grace),
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
        volume = self._volumes[storage.lifetime]
        return [docker.ContainerVolumeArgs(volume_name=volume.name, container_path=storage.path)]


def _placeholders(ordinal: int, host: str) -> Callable[[str], str]:
    """Fills in what differs from member to member; see :mod:`components.workload`."""
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
    """As Go prints durations below an hour, which is how the provider reads them back: ``5s``, ``1m0s``."""
    minutes, seconds = divmod(_seconds(duration), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())
