"""A stack's resources as a policy gets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from policies.view.values import Object


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource.

    Args:
        type: Type token.
        name: Name in the program.
        urn: The engine's name.
        props: Inputs, and outputs as far as they are known.
        protect: Whether the engine refuses to delete it.
        sources: For each property the URNs of the resources that its value comes from.
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
        """Whether it is an object of Kubernetes."""
        return self.type.startswith("kubernetes:")

    @property
    def on_docker(self) -> bool:
        """Whether it is made by the Docker provider."""
        return self.type.startswith("docker:")

    @property
    def own(self) -> bool:
        """Whether it is one of this project's dynamic resources."""
        return self.type.startswith("pulumi-python:dynamic/")

    @property
    def namespace(self) -> str:
        """A Kubernetes object's namespace; the default one has no name here."""
        return self.props.object("metadata").text("namespace")

    @property
    def object_name(self) -> str:
        """A Kubernetes object's own name."""
        return self.props.object("metadata").text("name")

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
