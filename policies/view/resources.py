"""A resource as a policy receives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from policies.view.values import Object


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource.

    Args:
        type: Type token.
        name: Logical name.
        urn: URN.
        props: Inputs and known outputs.
        protect: Whether the engine refuses to delete it.
        sources: Property dependencies: by property, the URNs of the resources that its value comes from.
    """

    type: str
    name: str
    urn: str
    props: Object
    protect: bool = False
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    @property
    def kind(self) -> str:
        """The last word of the type: ``StatefulSet``, ``Container``, ``TopicSet``."""
        return self.type.rpartition(":")[2]

    @property
    def on_kubernetes(self) -> bool:
        """Whether it is a Kubernetes object."""
        return self.type.startswith("kubernetes:")

    @property
    def on_docker(self) -> bool:
        """Whether the Docker provider manages it."""
        return self.type.startswith("docker:")

    @property
    def own(self) -> bool:
        """Whether it is one of this project's dynamic resources."""
        return self.type.startswith("pulumi-python:dynamic/")

    @property
    def namespace(self) -> str:
        """A Kubernetes object's namespace; empty if it sets none."""
        return self.props.object("metadata").text("namespace")

    @property
    def object_name(self) -> str:
        """A Kubernetes object's ``metadata.name``; empty if it sets none."""
        return self.props.object("metadata").text("name")

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
