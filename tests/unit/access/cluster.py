"""A cluster with users, rights and limits, as kafka-python's admin client shows it."""

from types import SimpleNamespace
from typing import Any

from kafka.admin import ACL
from kafka.admin._users import ScramMechanism, UserScramCredentialDeletion
from kafka.errors import NoError
from kafka.protocol.admin.client_quotas import AlterClientQuotasRequest, DescribeClientQuotasRequest

SHA_512 = ScramMechanism.SCRAM_SHA_512


class FakeAccess:
    """Stands for both the admin client and its connection manager."""

    def __init__(self) -> None:
        self.users: dict[str, bytes] = {}
        self.bindings: list[ACL] = []
        self.quotas: dict[str | None, dict[str, float]] = {}
        self.refused: dict[str, str] = {}
        self.failing_rights: list[Any] = []
        self.requests: list[str] = []
        self._manager = self

    def __enter__(self) -> "FakeAccess":
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    # The admin client

    def describe_user_scram_credentials(self, users: list[str]) -> dict[str, Any]:
        self.requests.append(f"describe {len(users)} users")
        return {
            name: {
                "error": None if name in self.users else "Attempt to describe a user credential that does not exist",
                "credential_infos": [{"mechanism": SHA_512, "iterations": 8192}] if name in self.users else [],
            }
            for name in users
        }

    def alter_user_scram_credentials(self, alterations: list[Any]) -> dict[str, str | None]:
        self.requests.append(f"alter {len(alterations)} users")
        answer: dict[str, str | None] = {}
        for item in alterations:
            assert item.mechanism is SHA_512
            answer[item.user] = self.refused.get(item.user)
            if item.user in self.refused:
                continue
            if isinstance(item, UserScramCredentialDeletion):
                del self.users[item.user]
            else:
                assert item.iterations == 8192
                self.users[item.user] = item.salted_password
        return answer

    def describe_acls(self, acl_filter: Any) -> tuple[list[ACL], Any]:
        found = [
            item
            for item in self.bindings
            if item.host == acl_filter.host and item.permission_type == acl_filter.permission_type
        ]
        return found, NoError

    def create_acls(self, acls: list[ACL]) -> dict[str, list[Any]]:
        self.requests.append(f"create {len(acls)} rights")
        if self.failing_rights:
            return {"succeeded": [], "failed": [self.failing_rights.pop(0)]}
        self.bindings += acls
        return {"succeeded": acls, "failed": []}

    def delete_acls(self, filters: list[ACL]) -> list[tuple[Any, list[ACL], Any]]:
        self.requests.append(f"delete {len(filters)} rights")
        if self.failing_rights:
            return [(filters[0], [], self.failing_rights.pop(0))]
        self.bindings = [item for item in self.bindings if item not in filters]
        return [(item, [item], NoError) for item in filters]

    # The connection manager

    def run(self, _send: Any, request: Any) -> Any:
        request = type(request).decode(request.encode(version=1), version=1)  # as the wire has it
        if isinstance(request, AlterClientQuotasRequest):
            return SimpleNamespace(entries=[self._alter(entry) for entry in request.entries])
        assert isinstance(request, DescribeClientQuotasRequest)
        (component,) = request.components
        assert (component.entity_type, component.match_type, request.strict) == ("user", 2, True)
        entries = [
            SimpleNamespace(
                entity=[SimpleNamespace(entity_type="user", entity_name=name)],
                values=[SimpleNamespace(key=key, value=value) for key, value in limits.items()],
            )
            for name, limits in self.quotas.items()
        ]
        return SimpleNamespace(error_code=0, error_message=None, entries=entries or None)

    def send(self) -> None:
        raise AssertionError("only passed on")

    def _alter(self, entry: Any) -> Any:
        self.requests.append("alter limits")
        (entity,) = entry.entity
        limits = self.quotas.setdefault(entity.entity_name, {})
        refused = entity.entity_name in self.refused
        for operation in () if refused else entry.ops:
            if operation.remove:
                limits.pop(operation.key, None)
            else:
                limits[operation.key] = operation.value
        if not limits:
            del self.quotas[entity.entity_name]
        message = self.refused.get(entity.entity_name)
        return SimpleNamespace(error_code=42 if refused else 0, error_message=message, entity=[entity])
