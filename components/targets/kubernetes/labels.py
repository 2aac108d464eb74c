"""Labels and metadata of all objects that are created on a cluster."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.naming import PART_OF_LABEL, PROJECT


class Labels:
    """The labels and metadata of one platform.

    Args:
        platform: The platform's name.
        namespace: Its namespace.
    """

    def __init__(self, platform: str, namespace: pulumi.Input[str]) -> None:
        self._platform = platform
        self._namespace = namespace

    def selector(self, workload: str | None = None) -> dict[str, str]:
        """Labels that select the pods of this platform, or of one of its workloads; they never change."""
        name = {} if workload is None else {"app.kubernetes.io/name": workload}
        return {"app.kubernetes.io/instance": self._platform, **name}

    def all(self, workload: str | None = None) -> dict[str, str]:
        """All labels of an object of this platform, or of one of its workloads."""
        return {**self.selector(workload), PART_OF_LABEL: PROJECT, "app.kubernetes.io/managed-by": "pulumi"}

    def metadata(self, name: str, workload: str | None = None, *, annotations: Mapping[str, str] | None = None) -> Any:
        """Metadata of an object with a fixed name."""
        metadata = {"name": name, **self.unnamed(workload)}
        return metadata | ({"annotations": dict(annotations)} if annotations else {})

    def unnamed(self, workload: str | None = None) -> Any:
        """Metadata of an object that the provider names, so that each replacement gets a new name."""
        return {"namespace": self._namespace, "labels": self.all(workload)}
