"""The four resource types: create, read, update and delete on a Docker engine.

Inputs, outputs and defaults are those of the official provider (docker 5.2.0).
"""

import io
import tarfile
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from plugin_protocol.values import Props

if TYPE_CHECKING:
    from docker import APIClient

_Answer = TypeVar("_Answer")


class Failed(Exception):
    """A resource was created but failed: Pulumi keeps it in the state and the next update replaces it."""

    def __init__(self, reason: str, id_: str, outputs: Props) -> None:
        super().__init__(reason)
        self.id = id_
        self.outputs = outputs


class Resource:
    """One resource type.

    Class attributes:
        inputs: All implemented input properties; others are rejected.
        in_place: Inputs that change in place; changes of others replace the resource.
        defaults: Default values of inputs.
        sets: Unordered lists among the inputs, with the sort key to compare them by.
    """

    inputs: ClassVar[frozenset[str]]
    in_place: ClassVar[frozenset[str]] = frozenset()
    defaults: ClassVar[Mapping[str, Any]] = {}
    sets: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def __init__(self, client: "APIClient") -> None:
        self.client = client

    def create(self, inputs: Props) -> tuple[str, Props]:
        """Create it; return its id and outputs."""
        raise NotImplementedError

    def read(self, id_: str, state: Props) -> Props | None:
        """Its current outputs, or None if it no longer exists."""
        raise NotImplementedError

    def update(self, id_: str, inputs: Props) -> Props:
        """Update it in place; return its outputs."""
        raise NotImplementedError

    def delete(self, id_: str, state: Props) -> None:
        """Delete it; a missing one is no error."""
        raise NotImplementedError


def status_of(error: OSError) -> int | None:
    """The HTTP status of an error from the engine, or None; docker's errors are OSErrors with a status."""
    return getattr(error, "status_code", None)


def or_none(ask: Callable[[], _Answer]) -> _Answer | None:
    """The engine's answer, or None if it has no such object."""
    try:
        return ask()
    except OSError as error:
        if status_of(error) == 404:
            return None
        raise


def _labels(props: Props) -> dict[str, str]:
    return {entry["label"]: entry["value"] for entry in props.get("labels") or []}


def _label_list(labels: Mapping[str, str] | None) -> list[Props]:
    return [{"label": label, "value": value} for label, value in sorted((labels or {}).items())]


def by_label(entry: Props) -> str:
    """Sort key of label entries."""
    return str(entry["label"])


class Network(Resource):
    """docker:index/network:Network."""

    inputs = frozenset({"name", "labels", "ipamDriver"})
    defaults: ClassVar[Mapping[str, Any]] = {"ipamDriver": "default"}
    sets: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"labels": by_label}

    def create(self, inputs: Props) -> tuple[str, Props]:
        made = self.client.create_network(
            inputs["name"], driver="bridge", check_duplicate=True, labels=_labels(inputs) or None
        )
        return made["Id"], self._state(made["Id"])

    def _state(self, id_: str) -> Props:
        seen = self.client.inspect_network(id_)
        return {
            "attachable": seen["Attachable"],
            "driver": seen["Driver"],
            "id": seen["Id"],
            "ingress": seen["Ingress"],
            "internal": seen["Internal"],
            "ipamConfigs": [
                {
                    "auxAddress": config.get("AuxiliaryAddresses") or {},
                    "gateway": config.get("Gateway", ""),
                    "ipRange": config.get("IPRange", ""),
                    "subnet": config["Subnet"],
                }
                for config in seen["IPAM"]["Config"]
            ],
            "ipamDriver": seen["IPAM"]["Driver"],
            "ipv6": seen["EnableIPv6"],
            "labels": _label_list(seen["Labels"]),
            "name": seen["Name"],
            "options": seen["Options"],
            "scope": seen["Scope"],
        }

    def read(self, id_: str, state: Props) -> Props | None:
        return or_none(lambda: self._state(id_))

    def delete(self, id_: str, state: Props) -> None:
        _retry_while_used(lambda: self.client.remove_network(id_))


class Volume(Resource):
    """docker:index/volume:Volume."""

    inputs = frozenset({"name", "labels"})
    sets: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"labels": by_label}

    def create(self, inputs: Props) -> tuple[str, Props]:
        self.client.create_volume(inputs["name"], labels=_labels(inputs) or None)
        return inputs["name"], self._state(inputs["name"])

    def _state(self, name: str) -> Props:
        seen = self.client.inspect_volume(name)
        return {
            "driver": seen["Driver"],
            "id": seen["Name"],
            "labels": _label_list(seen["Labels"]),
            "mountpoint": seen["Mountpoint"],
            "name": seen["Name"],
        }

    def read(self, id_: str, state: Props) -> Props | None:
        return or_none(lambda: self._state(id_))

    def delete(self, id_: str, state: Props) -> None:
        _retry_while_used(lambda: self.client.remove_volume(id_))


def _retry_while_used(remove: Callable[[], None], seconds: float = 10) -> None:
    """Remove an object; retry while containers still use it."""
    end = time.monotonic() + seconds
    while True:
        try:
            remove()
        except OSError as error:
            if status_of(error) == 404:
                return
            if status_of(error) not in (403, 409) or time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


class RemoteImage(Resource):
    """docker:index/remoteImage:RemoteImage: an image, pulled unless the engine has it."""

    inputs = frozenset({"name", "keepLocally"})
    in_place = frozenset({"keepLocally"})

    def create(self, inputs: Props) -> tuple[str, Props]:
        name = inputs["name"]
        if or_none(lambda: self.client.inspect_image(name)) is None:
            self._pull(name)
        return self._state(inputs)

    def _pull(self, name: str) -> None:
        repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
        try:
            for line in self.client.pull(repository, tag=tag, stream=True, decode=True):
                if "error" in line:
                    raise RuntimeError(f"unable to pull image {name}: error pulling image {name}: {line['error']}")
        except OSError as error:
            reason = f"Error response from daemon: {getattr(error, 'explanation', error)}"
            raise RuntimeError(f"unable to pull image {name}: error pulling image {name}: {reason}") from error

    def _state(self, inputs: Props) -> tuple[str, Props]:
        name = inputs["name"]
        seen = self.client.inspect_image(name)
        id_ = f"{seen['Id']}{name}"
        digests = seen.get("RepoDigests") or []
        outputs = {
            "id": id_,
            "imageId": seen["Id"],
            "keepLocally": inputs.get("keepLocally"),
            "name": name,
            "repoDigest": digests[0] if digests else "",
        }
        return id_, outputs

    def read(self, id_: str, state: Props) -> Props | None:
        seen = or_none(lambda: self._state(state))
        return seen[1] if seen is not None and seen[0] == id_ else None

    def update(self, id_: str, inputs: Props) -> Props:
        return self._state(inputs)[1]

    def delete(self, id_: str, state: Props) -> None:
        if not state.get("keepLocally"):
            or_none(lambda: self.client.remove_image(state["name"]))


def tar_of(uploads: list[Props]) -> bytes:
    """The uploads as a tar archive to unpack at the container's root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for upload in uploads:
            content = upload["content"].encode()
            entry = tarfile.TarInfo(upload["file"].lstrip("/"))
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def nanoseconds(duration: str) -> int:
    """A Go duration of minutes and seconds (``1m30s``) in nanoseconds."""
    minutes, _, rest = duration.rpartition("m")
    return int((int(minutes or 0) * 60 + float(rest.removesuffix("s") or 0)) * 1e9)
