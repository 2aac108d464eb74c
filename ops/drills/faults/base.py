"""What a fault is."""

from typing import Protocol


class Fault(Protocol):
    """Something that can be broken in a running platform, and mended again."""

    def describe(self) -> str:
        """What is broken, for a person: ``kafka-1 is killed and kept down``."""
        ...

    def obstacles(self) -> list[str]:
        """What keeps the fault from being injected here, with the cure; nothing where it can be."""
        ...

    def inject(self) -> None:
        """Break it.

        Raises:
            UnreachableError: The engine or the cluster does not answer; :meth:`heal` mends what was half-broken.
        """
        ...

    def heal(self) -> None:
        """Mend it; does nothing where nothing is broken, and may be called after an injection that failed.

        It takes the fault away and does not wait until the member serves again.

        Raises:
            UnreachableError: The engine or the cluster does not answer.
        """
        ...
