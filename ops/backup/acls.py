"""Reads, creates and deletes the ACLs of a Kafka cluster."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.errors import count
from ops.backup.archive.model import Acl
from ops.errors import OpsError

if TYPE_CHECKING:
    from kafka import KafkaAdminClient
    from kafka.admin import ACL


def read(client: "KafkaAdminClient") -> list[Acl] | None:
    """All ACLs; None if the cluster has no authorizer."""
    from kafka import admin
    from kafka.errors import SecurityDisabledError

    everything = admin.ACLFilter(
        principal=None,
        host=None,
        operation=admin.ACLOperation.ANY,
        permission_type=admin.ACLPermissionType.ANY,
        resource_pattern=admin.ResourcePatternFilter(admin.ResourceType.ANY, None, admin.ACLResourcePatternType.ANY),
    )
    try:
        found, _ = client.describe_acls(everything)
    except SecurityDisabledError:
        return None
    rules = [
        Acl(
            resource=rule.resource_pattern.resource_type.name,
            name=rule.resource_pattern.resource_name,
            pattern=rule.resource_pattern.pattern_type.name,
            principal=rule.principal,
            host=rule.host,
            operation=rule.operation.name,
            permission=rule.permission_type.name,
        )
        for rule in found
    ]
    return sorted(rules, key=lambda rule: tuple(rule.model_dump().values()))


def write(client: "KafkaAdminClient", rules: Sequence[Acl]) -> None:
    """Create ACLs; existing ones stay.

    Raises:
        OpsError: The cluster refused one.
    """
    if rules:
        answer = client.create_acls([_rule(rule) for rule in rules])
        if answer["failed"]:
            reasons = sorted({error.__name__ for error in answer["failed"]})
            raise OpsError(f"the cluster refused {count(len(answer['failed']), 'ACL')}: {', '.join(reasons)}")


def remove(client: "KafkaAdminClient", rules: Sequence[Acl]) -> None:
    """Delete ACLs; missing ones are no error."""
    if rules:
        client.delete_acls([_rule(rule) for rule in rules])


def _rule(rule: Acl) -> "ACL":
    from kafka import admin

    return admin.ACL(
        principal=rule.principal,
        host=rule.host,
        operation=admin.ACLOperation[rule.operation],
        permission_type=admin.ACLPermissionType[rule.permission],
        resource_pattern=admin.ResourcePattern(
            admin.ResourceType[rule.resource], rule.name, admin.ACLResourcePatternType[rule.pattern]
        ),
    )
