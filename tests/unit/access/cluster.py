"""A cluster with users, rights and limits, as kafka-python's admin client shows it."""

from types import SimpleNamespace
from typing import Any

from kafka.admin import ACL
from kafka.admin._users import ScramMechanism
from kafka.errors import NoError
from kafka.protocol.admin import AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest
from kafka.protocol.admin.client_quotas import AlterClientQuotasRequest, DescribeClientQuotasRequest

SHA_512 = ScramMechanism.SCRAM_SHA_512


def _result(user: str, code: int, message: str | None = None) -> Any:
    return SimpleNamespace(user=user, error_code=code, error_message=message)


class FakeAccess:
    """Stands for both the admin client and its connection manager."""

    def __init__(self) -> None:
        self.users: dict[str, bytes] = {}
        self.salts: dict[str, list[bytes]] = {}
        self.bindings: list[ACL] = []
        self.quotas: dict[str | None, dict[str, float]] = {}
        self.refused: dict[str, str] = {}
        self.unreadable: dict[str, int] = {}
        """Error codes of users that cannot be described."""
        self.failing_rights: list[Any] = []
        self.requests: list[str] = []
        self.controller = 1
        self._manager = self

    def __enter__(self) -> "FakeAccess":
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    # The admin client

    def describe_cluster(self) -> dict[str, Any]:
        return {"controller_id": 1}

    def _describe_users(self, request: Any, node: int | None) -> Any:
        if node != self.controller:
            return SimpleNamespace(error_code=41, error_message=None, results=[])
        known = [SimpleNamespace(mechanism=SHA_512)]
        results = [
            SimpleNamespace(
                user=name,
                credential_infos=known if name in self.users else [],
                error_code=self.unreadable.get(name, 0 if name in self.users else 91),
                error_message=None,
            )
            for name in (self.users if request.users is None else [item.name for item in request.users])
        ]
        return SimpleNamespace(error_code=0, error_message=None, results=results)

    def _alter_users(self, request: Any, node: int | None) -> Any:
        """Only the controller takes it; others answer with an error that has no message."""
        if node != self.controller:
            names = [item.name for item in [*request.upsertions, *request.deletions]]
            return SimpleNamespace(results=[_result(name, 41) for name in names])
        self.requests.append(f"alter {len(request.upsertions) + len(request.deletions)} users")
        results: list[Any] = []
        for item in request.upsertions:
            assert (item.mechanism, item.iterations, len(item.salt)) == (SHA_512, 8192, 24)
            if item.name not in self.refused:
                self.users[item.name] = item.salted_password
                self.salts.setdefault(item.name, []).append(item.salt)
            results.append(_result(item.name, 93 if item.name in self.refused else 0, self.refused.get(item.name)))
        for item in request.deletions:
            known = self.users.pop(item.name, None) is not None
            results.append(_result(item.name, 0 if known else 91))
        return SimpleNamespace(results=results)

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

    def run(self, _send: Any, request: Any, node: int | None = None) -> Any:
        request = type(request).decode(
            request.encode(version=request.max_version), version=request.max_version
        )  # as the wire has it
        if isinstance(request, AlterUserScramCredentialsRequest):
            return self._alter_users(request, node)
        if isinstance(request, DescribeUserScramCredentialsRequest):
            return self._describe_users(request, node)
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
