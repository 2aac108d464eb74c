"""What all sections of a stack file are made of: their rules' place, and what every container may say."""

import re
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from components.quantities import GIB, MIB, Size, Whole

_CPU = re.compile(r"(?=.*[1-9])((0|[1-9][0-9]*)?(\.[0-9]{1,3})?|[1-9][0-9]*m)")


def _is_cpu(value: object) -> object:
    """Kubernetes' CPU quantities, in one spelling: YAML's ``1`` and ``0.5`` are numbers."""
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and not _CPU.fullmatch(text):
        raise ValueError("must be cores such as 2 or 0.5, or thousandths such as 500m")
    return text


Cpu = Annotated[str, BeforeValidator(_is_cpu)]
Port = Annotated[Whole, Field(ge=1, le=65535)]


def _thousandths(cpu: str) -> Decimal:
    return Decimal(cpu.removesuffix("m")) if cpu.endswith("m") else Decimal(cpu) * 1000


class Section(BaseModel):
    """A part of a stack file: no key but its own, camelCase there, nothing of a value in messages."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True)

    def broken_rules(self) -> list[str]:
        """What is wrong between the fields of this section; each section adds its own rules."""
        return []

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        if problems := self.broken_rules():
            raise ValueError("\n".join(problems))
        return self


class ContainerSettings(Section):
    """What all containers share."""

    image: str | None = Field(None, description="Image reference; unset takes the one of the chosen set")
    memory: Size = Field(description="Memory limit of a member; must leave room above the heap or maxMemory")
    cpu: Cpu = Field("250m", description="Processor time kept free for a member (Kubernetes)")
    cpu_limit: Cpu | None = Field(None, description="Processor time that a member may take at most (Kubernetes)")

    def broken_rules(self) -> list[str]:
        """What is promised must lie below the limit."""
        if self.cpu_limit is not None and _thousandths(self.cpu_limit) < _thousandths(self.cpu):
            return [f"cpuLimit {self.cpu_limit} is below cpu {self.cpu}, which is kept free"]
        return []


class ServerSettings(ContainerSettings):
    """What all servers with data of their own share."""

    storage: Size = Field(
        ByteSize(10 * GIB), description="Size of a member's volume (Kubernetes); can grow, never shrink"
    )

    def broken_rules(self) -> list[str]:
        """There must be some storage."""
        return [*super().broken_rules(), *(["storage must be at least 1MiB"] if self.storage < MIB else [])]
