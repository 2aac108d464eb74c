"""The base of all sections of a stack file, and the settings that several of them share."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import IPv4Address, ip_interface
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from components.errors import SettingsError, count
from components.limits import (
    LARGEST_MEMORY,
    LARGEST_MEMORY_TEXT,
    LARGEST_STORAGE,
    LARGEST_STORAGE_TEXT,
    LONGEST_WAIT,
    MAX_CONFIG,
    MAX_CORES,
    MAX_HOST,
    MAX_IMAGE,
    MAX_OPTION,
    MAX_OPTIONS,
    MAX_PORT,
    MAX_TEXT,
)
from components.quantities import GIB, MIB, Duration, Size, Whole, at_most, format_duration
from components.report import first_of, unknown_profile, validated

_CPU = re.compile(r"(?=.*[1-9])((0|[1-9][0-9]*)?(\.[0-9]{1,3})?|[1-9][0-9]*m)")
_LONGEST_CPU = len("8192000m")


def _cpu_as_text(value: object) -> object:
    """A Kubernetes CPU quantity as text; YAML reads ``1`` and ``0.5`` as numbers."""
    text = _number_as_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        return text
    if not _CPU.fullmatch(text):
        raise ValueError("must be cores such as 2 or 0.5, or thousandths such as 500m")
    if len(text) > _LONGEST_CPU or _thousandths(text) > MAX_CORES * 1000:
        raise ValueError(f"must be at most {MAX_CORES} cores")
    return text


def _number_as_text(value: float) -> str:
    """The number as YAML writes it.

    Raises:
        ValueError: Python refuses to spell a number with thousands of digits.
    """
    try:
        return str(value)
    except ValueError:
        raise ValueError("must be a number of fewer digits") from None


QUICK_START = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
"""JVM options of small servers. C1-only compilation halves a short-lived JVM's start time; G1 needs more memory than
such a heap has."""

THROUGHPUT = ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"]
"""JVM options of servers under load."""

DERIVED = "the platform derives it"
"""Why a configuration key cannot be set, if no setting changes it."""

Cpu = Annotated[str, BeforeValidator(_cpu_as_text)]

Port = Annotated[Whole, Field(ge=1, le=MAX_PORT)]

Image = Annotated[str, Field(max_length=MAX_IMAGE)]

Memory = Annotated[Size, at_most(LARGEST_MEMORY, LARGEST_MEMORY_TEXT)]

Volume = Annotated[Size, at_most(LARGEST_STORAGE, LARGEST_STORAGE_TEXT)]

Wait = Annotated[Duration, at_most(LONGEST_WAIT, format_duration(LONGEST_WAIT))]
"""Time that an update may have to wait."""


def _thousandths(cpu: str) -> Decimal:
    return Decimal(cpu.removesuffix("m")) if cpu.endswith("m") else Decimal(cpu) * 1000


PROFILE_NAMES = ("light", "ha", "production")
"""All profiles, the smallest first."""


def merged(defaults: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults, overridden by the declared values: mappings are merged by key, everything else is replaced."""
    result = dict(defaults)
    for key, value in declared.items():
        default = result.get(key)
        if isinstance(default, Mapping) and isinstance(value, Mapping):
            result[key] = merged(cast("Mapping[str, Any]", default), cast("Mapping[str, Any]", value))
        else:
            result[key] = value
    return result


class Section(BaseModel):
    """A part of a stack file. Its keys are in camelCase there. Unknown keys are rejected, and errors show no values."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True, defer_build=True
    )

    profile_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Defaults by profile, with the keys of the stack file."""

    @classmethod
    def of(cls, profile: str = "light", /, **settings: Any) -> Self:
        """The section for a program that has no stack file.

        Args:
            profile: Which defaults to start from: ``light``, ``ha`` or ``production``.
            settings: Values over these defaults, by field name: ``KafkaSettings.of("ha", retention="7d")``.

        Raises:
            SettingsError: With every mistake found.
        """
        if profile not in PROFILE_NAMES:
            raise SettingsError(f"{cls.__name__}: 1 mistake", [unknown_profile(profile, PROFILE_NAMES)])
        declared = {to_camel(name): value for name, value in settings.items()}
        values = merged(cls.profile_defaults.get(profile, {}), declared)
        section, problems = validated(cls, values)
        if section is None:
            raise SettingsError(f"{cls.__name__}: {count(len(problems), 'mistake')}", first_of(problems))
        return section

    def broken_rules(self) -> list[str]:
        """Rules between the fields of this section that do not hold, one line each; each section adds its own."""
        return []

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        if problems := self.broken_rules():
            raise ValueError("\n".join(problems))
        return self


class ContainerSettings(Section):
    """Settings of every container."""

    image: Image | None = Field(None, description="Image reference; unset uses the image of the chosen set")
    memory: Memory = Field(description="Memory limit of a member; must leave room above the heap or maxMemory")
    cpu: Cpu = Field("250m", description="CPU request of a member (Kubernetes)")
    cpu_limit: Cpu | None = Field(None, description="CPU limit of a member (Kubernetes); unset is no limit")

    def broken_rules(self) -> list[str]:
        """The CPU limit must be at least the request."""
        if self.cpu_limit is not None and _thousandths(self.cpu_limit) < _thousandths(self.cpu):
            return [f"cpuLimit {self.cpu_limit} is below cpu {self.cpu}; a limit must be at least the request"]
        return []


class ServerSettings(ContainerSettings):
    """Settings of every server with its own data."""

    storage: Volume = Field(
        ByteSize(10 * GIB), description="Size of a member's volume (Kubernetes); can grow, never shrink"
    )

    def broken_rules(self) -> list[str]:
        """Storage must not be empty."""
        return [*super().broken_rules(), *(["storage must be at least 1MiB"] if self.storage < MIB else [])]


def _as_text(value: object) -> object:
    """A config value as the files write it: YAML's ``true`` and ``3`` become "true" and "3"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _number_as_text(value) if isinstance(value, int | float) else value


ConfigValue = Annotated[str, BeforeValidator(_as_text)]


def _fits_into_a_file(config: dict[str, str]) -> dict[str, str]:
    if not all(_is_unicode(key) and _is_unicode(value) for key, value in config.items()):
        raise ValueError("has a key or value that is not Unicode text")
    if (size := sum(len(key) + len(value) for key, value in config.items())) > MAX_CONFIG:
        raise ValueError(f"has {size} characters; at most {MAX_CONFIG} are allowed")
    return config


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


Config = Annotated[dict[str, ConfigValue], AfterValidator(_fits_into_a_file)]
"""Keys and values of a server's configuration file or of a topic."""


def _ipv4_address(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except ValueError:
        raise ValueError("must be an IPv4 address such as 127.0.0.1") from None


DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
"""One DNS label (RFC 1123), as Kubernetes requires of namespaces."""

Address = Annotated[str, AfterValidator(_ipv4_address)]


def _network(value: str) -> str:
    """The network as Kubernetes writes it; a single address is a network of one."""
    try:
        written = ip_interface(value)
    except ValueError:
        written = None
    if written is None or "%" in value:  # the zone after a % has a meaning on one machine only
        raise ValueError("must be a network such as 10.0.0.0/8 or 2001:db8::/32")
    if written.ip != written.network.network_address:
        raise ValueError(f"must be a network; this is an address in {written.network}")
    return str(written.network)


Network = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_network)]
"""An IPv4 or IPv6 network: ``10.0.0.0/8``."""

_LABEL = "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_ANNOTATION = re.compile(
    rf"(?:(?=[^/]{{1,{MAX_HOST}}}/){_LABEL}(\.{_LABEL})*/)?[A-Za-z0-9]([-_.A-Za-z0-9]{{0,61}}[A-Za-z0-9])?"
)
_PULUMI = "pulumi.com/"


def _legal_annotations(annotations: dict[str, str]) -> dict[str, str]:
    problems = [
        f'{json.dumps(key)} is no key of an annotation: it is a name of at most 63 letters, digits, "-", "_" and ".", '
        'after a domain and "/" if it has one'
        for key in sorted(annotations)
        if not _ANNOTATION.fullmatch(key)
    ]
    problems += [
        f"{json.dumps(key)} tells Pulumi how to change an object, which the platform does; remove it"
        for key in sorted(annotations)
        if key.startswith(_PULUMI)
    ]
    if problems:
        raise ValueError("\n".join(problems))
    return annotations


Annotations = Annotated[Config, AfterValidator(_legal_annotations)]
"""Annotations of a Kubernetes object."""


def refuse_protected(config: Mapping[str, str], protected: Mapping[str, str]) -> None:
    """Reject keys that the platform renders itself.

    Args:
        config: Keys of a section's ``config``, with their values.
        protected: What to set instead, by key.

    Raises:
        ValueError: With every such key.
    """
    refused = [f'"{key}" is rendered by the platform; {protected[key]}' for key in sorted(config) if key in protected]
    if refused:
        raise ValueError("; ".join(refused))


class JavaServerSettings(ServerSettings):
    """Settings of ZooKeeper and Kafka servers."""

    replicas: Whole = Field(ge=1, description="Number of members")
    heap: Memory | None = Field(None, description="JVM heap, initial and maximum; unset uses half of the memory")
    port: Port = Field(description="Port of member 0 on this machine; each further member uses the next")
    jvm_options: list[Annotated[str, Field(max_length=MAX_OPTION)]] = Field(
        default_factory=list, max_length=MAX_OPTIONS, description="JVM options besides the heap"
    )
    stop_grace: Wait = Field(description="Time to stop cleanly before a member is killed")

    @field_validator("heap")
    @classmethod
    def _heap_is_positive(cls, heap: Size | None) -> Size | None:
        if heap is not None and heap < MIB:
            raise ValueError("heap must be at least 1MiB")
        return heap

    @property
    def heap_bytes(self) -> int:
        """The heap in bytes: as set, else half of the memory, so that a broker keeps as much for its page cache."""
        return int(self.memory) // 2 if self.heap is None else int(self.heap)

    def broken_rules(self) -> list[str]:
        """The heap must fit into the memory."""
        problems = super().broken_rules()
        if self.heap_bytes < MIB:
            problems.append(f"memory {self.memory.human_readable()} is too small for a heap of at least 1MiB")
        if self.heap is None or self.heap < self.memory:
            return problems
        return [
            *problems,
            f"heap {self.heap.human_readable()} does not fit into memory {self.memory.human_readable()}: "
            "a JVM needs more than its heap, and a broker needs page cache",
        ]
