from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

class AlterConfigOp(IntEnum):
    SET = 0
    DELETE = 1

class ConfigResourceType(IntEnum):
    TOPIC = 2

class ConfigResource:
    def __init__(
        self, resource_type: ConfigResourceType, name: str, configs: Mapping[str, Any] | Sequence[str] | None = None
    ) -> None: ...

class OffsetSpec:
    LATEST: int
