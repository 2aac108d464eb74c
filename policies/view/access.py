"""Users of applications with their rights and limits, and certificates, as this project's resources declare them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from policies.view.resources import Resource
from policies.view.values import Object, undecided


@dataclass(frozen=True, kw_only=True)
class Right:
    """One thing that a user may do in Kafka.

    Args:
        operation: What: ``read``.
        kind: On what kind of resource: ``topic``.
        name: The resource's name; with a ``*`` at its end, all whose names start so.
    """

    operation: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.operation} {self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class User:
    """A user of an AccessSet. Its rights and limits are read when a rule asks for them.

    Args:
        name: The user's name.
        resource: The resource that declares it.
    """

    name: str
    resource: Resource

    @property
    def urn(self) -> str:
        """The resource that findings are reported for."""
        return self.resource.urn

    @property
    def rights(self) -> list[Right]:
        """What it may do."""
        return [_right(text) for text in self._declared.texts("rights")]

    @property
    def quota(self) -> Object:
        """Its limits, by Kafka's keys."""
        return self._declared.object("quota")

    def may(self, operation: str, kind: str) -> bool:
        """Whether it has a right of this operation on a kind of resource."""
        return any((right.operation, right.kind) == (operation, kind) for right in self.rights)

    @property
    def _declared(self) -> Object:
        return self.resource.props.object("users", self.name)

    def __str__(self) -> str:
        return f"user {self.name} of {self.resource}"


def _right(text: str) -> Right:
    operation, _, rest = text.partition(" ")
    kind, _, name = rest.partition(" ")
    return Right(operation=operation, kind=kind, name=name)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate, or an authority's, of a Certificates resource.

    Args:
        name: Its name there.
        resource: The resource that makes it.
    """

    name: str
    resource: Resource

    @property
    def urn(self) -> str:
        """The resource that findings are reported for."""
        return self.resource.urn

    @property
    def expires(self) -> date:
        """The day on which it expires.

        Raises:
            Undecided: It is unknown, or no day.
        """
        days = self.resource.props.object("expires")
        try:
            return date.fromisoformat(days.text(self.name))
        except ValueError:
            undecided(days.path(self.name))

    def __str__(self) -> str:
        return f"certificate {self.name} of {self.resource}"


def users_of(sets: Sequence[Resource]) -> list[User]:
    """The users of AccessSets."""
    return [User(name=name, resource=item) for item in sets if item.own for name in item.props.object("users")]


def certificates_of(makers: Sequence[Resource]) -> list[Certificate]:
    """The certificates of Certificates resources; one that is not created yet has none."""
    return [
        Certificate(name=name, resource=item) for item in makers if item.own for name in item.props.object("expires")
    ]
