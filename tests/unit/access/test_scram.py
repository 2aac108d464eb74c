"""Users in ZooKeeper: the credential, the node, and how it is written.

Source: components/access/scram.py.
Proof limit: the ensemble is a fake, and kafka-python's client half of RFC 5802 stands for a broker's clients.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.net.sasl.scram import ScramClient
from kazoo.exceptions import BadVersionError, ConnectionLoss, NoNodeError

from components.access import scram
from components.access.rules import Right
from components.access.scram import (
    ITERATIONS,
    credential,
    is_password_of,
    users_are_written,
    with_credential,
    write_users,
)
from components.errors import AccessError, UnhealthyError
from components.kafka.security import MECHANISM

PASSWORD = "pass-0123456789"

# -------------------------------------------------------------------------------------------------------- credentials


def server_accepts(stored: str, password: str) -> bool:
    """The server's half of RFC 5802, with what it stores, against kafka-python's client."""
    fields = dict(part.partition("=")[::2] for part in stored.split(","))
    client = ScramClient("billing", password, MECHANISM)
    first = client.first_message().decode().removeprefix("n,,")
    nonce = dict(part.partition("=")[::2] for part in first.split(","))["r"] + "server"
    challenge = f"r={nonce},s={fields['salt']},i={fields['iterations']}"
    client.process_server_first_message(challenge.encode())
    final = dict(part.partition("=")[::2] for part in client.final_message().decode().split(","))
    message = f"{first},{challenge},c=biws,r={nonce}".encode()
    stored_key, server_key = (base64.b64decode(fields[key]) for key in ("stored_key", "server_key"))
    signature = hmac.digest(stored_key, message, "sha512")
    proof = base64.b64decode(final["p"])
    client_key = bytes(left ^ right for left, right in zip(proof, signature, strict=True))
    if hashlib.sha512(client_key).digest() != stored_key:
        return False
    # The client checks that the server knows it, and raises otherwise.
    answer = base64.b64encode(hmac.digest(server_key, message, "sha512"))
    client.process_server_final_message(b"v=" + answer)
    return True


def test_a_client_with_the_password_is_accepted_and_accepts_the_server() -> None:
    assert server_accepts(credential(PASSWORD), PASSWORD)


def test_a_client_with_another_password_is_not() -> None:
    assert not server_accepts(credential(PASSWORD), "pass-0123456780")


def test_a_credential_has_the_fields_that_brokers_read() -> None:
    fields = [part.partition("=") for part in credential(PASSWORD).split(",")]
    assert [name for name, _, _ in fields] == ["salt", "stored_key", "server_key", "iterations"]
    assert fields[-1][2] == "8192"
    assert [len(base64.b64decode(value)) for _, _, value in fields[:3]] == [24, 64, 64]


def test_two_credentials_of_one_password_differ() -> None:
    assert credential(PASSWORD) != credential(PASSWORD)
    assert PASSWORD not in credential(PASSWORD)


@given(password=st.text(min_size=1, max_size=40), salt=st.binary(min_size=8, max_size=32))
@settings(max_examples=30, deadline=None)
def test_a_credential_is_known_again_by_its_password(password: str, salt: bytes) -> None:
    stored = credential(password, salt=salt, iterations=4096)
    assert is_password_of(stored, password)
    assert not is_password_of(stored, password + "x")


@pytest.mark.parametrize(
    "stored", ["", "salt=AAAA", "salt=AAAA,iterations=x", "salt=A,iterations=1", "salt=AAAA,iterations=0", "x"]
)
def test_what_is_no_credential_is_no_passwords(stored: str) -> None:
    assert not is_password_of(stored, PASSWORD)


# --------------------------------------------------------------------------------------------------------- the node


def test_a_new_user_gets_a_node_as_brokers_write_it() -> None:
    node = json.loads(with_credential(None, PASSWORD) or b"")
    assert set(node) == {"version", "config"}
    assert node["version"] == 1
    assert set(node["config"]) == {MECHANISM}
    assert is_password_of(node["config"][MECHANISM], PASSWORD)


def test_a_node_with_the_password_stays() -> None:
    assert with_credential(with_credential(None, PASSWORD), PASSWORD) is None


def test_quotas_and_other_mechanisms_of_a_user_stay() -> None:
    others = {"producer_byte_rate": "1024.0", "SCRAM-SHA-256": "salt=…"}
    old = json.dumps({"version": 1, "config": {**others, MECHANISM: credential("old")}}).encode()
    config = json.loads(with_credential(old, PASSWORD) or b"")["config"]
    assert {key: config[key] for key in others} == others
    assert is_password_of(config[MECHANISM], PASSWORD)


@pytest.mark.parametrize("node", [b"", b"{", b"[]", b'{"version":1}', b'{"config":[]}', b"null"])
def test_a_node_that_cannot_be_read_is_written_anew(node: bytes) -> None:
    assert with_credential(node, PASSWORD) is not None


# ------------------------------------------------------------------------------------------------------- the ensemble


class FakeEnsemble:
    """Nodes by path, as kazoo reads and writes them."""

    def __init__(self) -> None:
        self.nodes: dict[str, bytes] = {}
        self.versions: dict[str, int] = {}
        self.failures: list[Exception] = []
        self.before_set: Any = None
        self.open = 0

    def client(self, _addresses: Any, _route: Any) -> "FakeEnsemble":
        self.open += 1
        return self

    def start(self, timeout: float) -> None:
        if self.failures:
            raise self.failures.pop(0)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        self.open -= 1

    def get(self, path: str) -> tuple[bytes, Any]:
        if path not in self.nodes:
            raise NoNodeError
        return self.nodes[path], SimpleNamespace(version=self.versions.get(path, 0))

    def set(self, path: str, value: bytes, version: int = -1) -> None:
        if self.before_set:
            self.before_set()
        if version != self.versions.get(path, 0):
            raise BadVersionError
        self.nodes[path] = value
        self.versions[path] = version + 1

    def create(self, path: str, value: bytes = b"", *, sequence: bool = False, makepath: bool = False) -> str:
        path = f"{path}{len(self.nodes):010}" if sequence else path
        self.nodes[path] = value
        return path

    def ensure_path(self, path: str) -> bool:
        self.nodes.setdefault(path, b"")
        return True

    def settings(self) -> dict[str, bytes]:
        """All nodes but those that tell brokers of changes."""
        return {path: value for path, value in self.nodes.items() if "change" not in path}

    def changes(self) -> list[str]:
        found = [value for path, value in self.nodes.items() if path.startswith("/config/changes/config_change_")]
        return [json.loads(value)["entity_path"] for value in found]


@pytest.fixture
def ensemble(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEnsemble]:
    fake = FakeEnsemble()
    monkeypatch.setattr(scram, "_client", fake.client)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    yield fake
    assert fake.open == 0, "every client is closed"


def write(passwords: dict[str, str], *, rights: Mapping[str, Sequence[Right]] = {}, deadline: float = 5) -> list[str]:
    return write_users(["127.0.0.1:1"], passwords, rights, deadline=deadline, report=lambda _line: None)


WATCHER = {
    "watcher": (
        Right("describe", "topic", "*"),
        Right("alter-configs", "cluster", "kafka-cluster"),
        Right("read", "group", "*"),
    )
}


def entries(ensemble: FakeEnsemble, node: str) -> list[tuple[str, str, str]]:
    found = json.loads(ensemble.nodes[f"/kafka-acl/{node}"])["acls"]
    assert {entry["permissionType"] for entry in found} <= {"Allow"}
    return [(entry["principal"], entry["operation"], entry["host"]) for entry in found]


PROBES = ("User:ANONYMOUS", "Describe", "127.0.0.1")


def test_rights_are_written_once_as_brokers_write_them_and_brokers_are_told(ensemble: FakeEnsemble) -> None:
    write({"watcher": PASSWORD}, rights=WATCHER)
    assert entries(ensemble, "Topic/*") == [("User:watcher", "Describe", "*"), PROBES]
    assert entries(ensemble, "Cluster/kafka-cluster") == [("User:watcher", "AlterConfigs", "*")]
    assert entries(ensemble, "Group/*") == [("User:watcher", "Read", "*")]
    told = [ensemble.nodes[path] for path in sorted(ensemble.nodes) if "/acl_changes_" in path]
    assert sorted(told) == [b"Cluster:kafka-cluster", b"Group:*", b"Topic:*"]
    before = ensemble.settings()
    write({"watcher": PASSWORD}, rights=WATCHER)
    assert ensemble.settings() == before


def test_rights_that_the_platforms_users_no_longer_need_are_taken_back_and_others_rights_stay(
    ensemble: FakeEnsemble,
) -> None:
    write({"watcher": PASSWORD}, rights=WATCHER)
    other = {"principal": "User:x", "permissionType": "Allow", "operation": "Read", "host": "*"}
    for node in ("Topic/*", "Group/*"):
        found = json.loads(ensemble.nodes[f"/kafka-acl/{node}"])["acls"]
        ensemble.nodes[f"/kafka-acl/{node}"] = json.dumps({"version": 1, "acls": [*found, other]}).encode()
    write({"watcher": PASSWORD}, rights={"watcher": [Right("read", "topic", "*")]})
    assert entries(ensemble, "Topic/*") == [("User:x", "Read", "*"), ("User:watcher", "Read", "*"), PROBES]
    assert entries(ensemble, "Group/*") == [("User:x", "Read", "*")]
    assert entries(ensemble, "Cluster/kafka-cluster") == []


def test_a_look_finds_missing_users_and_rights(ensemble: FakeEnsemble) -> None:
    def look(password: str = PASSWORD, rights: Mapping[str, Sequence[Right]] = WATCHER) -> bool | None:
        return users_are_written(["127.0.0.1:1"], {"watcher": password}, rights)

    assert look() is False
    write({"watcher": PASSWORD}, rights=WATCHER)
    assert look() is True
    assert look("another") is False
    assert look(rights={"watcher": [Right("read", "topic", "*")]}) is False
    ensemble.failures = [ConnectionLoss()]
    assert look() is None


def test_rights_that_cannot_be_read_are_left_as_they_are(ensemble: FakeEnsemble) -> None:
    write({"watcher": PASSWORD}, rights=WATCHER)
    ensemble.nodes["/kafka-acl/Topic/*"] = b"?"
    with pytest.raises(AccessError, match="/kafka-acl/Topic/\\* cannot be read"):
        write({"watcher": PASSWORD}, rights=WATCHER)
    assert ensemble.nodes["/kafka-acl/Topic/*"] == b"?"
    assert users_are_written(["127.0.0.1:1"], {"watcher": PASSWORD}, WATCHER) is None


def test_users_are_written_once_and_brokers_are_told(ensemble: FakeEnsemble) -> None:
    assert write({"millrace": PASSWORD, "billing": "other"}) == ["billing", "millrace"]
    assert ensemble.changes() == ["users/billing", "users/millrace"]
    before = ensemble.settings()
    assert write({"millrace": PASSWORD, "billing": "other"}) == []
    assert ensemble.settings() == before
    assert ensemble.changes() == ["users/billing", "users/millrace"] * 2, "the first may have ended before it told them"


def test_a_changed_password_replaces_the_old_one(ensemble: FakeEnsemble) -> None:
    write({"millrace": PASSWORD})
    assert write({"millrace": "another"}) == ["millrace"]
    config = json.loads(ensemble.nodes["/config/users/millrace"])["config"]
    assert is_password_of(config[MECHANISM], "another")
    assert not is_password_of(config[MECHANISM], PASSWORD)


def test_an_ensemble_that_does_not_answer_is_asked_again(ensemble: FakeEnsemble) -> None:
    ensemble.failures = [ConnectionLoss(), ConnectionLoss()]
    assert write({"millrace": PASSWORD}) == ["millrace"]


def test_a_quota_that_someone_writes_meanwhile_is_kept(ensemble: FakeEnsemble) -> None:
    write({"millrace": "old"})
    path = "/config/users/millrace"

    def meanwhile() -> None:
        ensemble.before_set = None
        node = json.loads(ensemble.nodes[path])
        node["config"]["producer_byte_rate"] = "1.0"
        ensemble.nodes[path] = json.dumps(node).encode()
        ensemble.versions[path] = 1

    ensemble.before_set = meanwhile
    assert write({"millrace": PASSWORD}) == ["millrace"]
    config = json.loads(ensemble.nodes[path])["config"]
    assert config["producer_byte_rate"] == "1.0"
    assert is_password_of(config[MECHANISM], PASSWORD)


def test_the_error_names_the_ensemble_and_no_password(ensemble: FakeEnsemble) -> None:
    ensemble.failures = [ConnectionLoss("lost")] * 3
    with pytest.raises(UnhealthyError) as caught:
        write({"millrace": PASSWORD}, deadline=0)
    assert "ZooKeeper at 127.0.0.1:1: lost; expected to write users" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_rounds_are_at_least_what_kafka_accepts() -> None:
    assert ITERATIONS >= 4096
