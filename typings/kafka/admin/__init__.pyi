from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

class AlterConfigOp(IntEnum):
    SET = 0
    DELETE = 1

class ConfigResourceType(IntEnum):
    BROKER = 4
    TOPIC = 2

class ConfigResource:
    def __init__(
        self, resource_type: ConfigResourceType, name: str, configs: Mapping[str, Any] | Sequence[str] | None = None
    ) -> None: ...

class OffsetSpec:
    LATEST: int
    EARLIEST: int

class ResourceType(IntEnum):
    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5

class ACLOperation(IntEnum):
    ANY = 1
    READ = 3

class ACLPermissionType(IntEnum):
    ANY = 1
    ALLOW = 3

class ACLResourcePatternType(IntEnum):
    ANY = 1
    LITERAL = 3
    PREFIXED = 4

class ResourcePatternFilter:
    resource_type: ResourceType
    resource_name: str
    pattern_type: ACLResourcePatternType
    def __init__(
        self, resource_type: ResourceType, resource_name: str | None, pattern_type: ACLResourcePatternType
    ) -> None: ...

class ResourcePattern(ResourcePatternFilter): ...

class ACLFilter:
    principal: str
    host: str
    operation: ACLOperation
    permission_type: ACLPermissionType
    resource_pattern: ResourcePatternFilter
    def __init__(
        self,
        principal: str | None,
        host: str | None,
        operation: ACLOperation,
        permission_type: ACLPermissionType,
        resource_pattern: ResourcePatternFilter,
    ) -> None: ...

class ACL(ACLFilter): ...
