"""A Redis server in a program without a platform.

Source: components/redis/component.py.
Proof limit: mocks replace the engine; nothing is created.
"""

import json
from typing import Any

from components.redis.component import RedisServer, RedisServerArgs
from components.redis.files import default_user
from components.redis.settings import RedisSettings
from components.targets.docker.target import DockerTarget
from tests.unit.mocks import CONTAINER, CREDENTIALS, GENERATED_PASSWORD, SECRET_MARK, Run, declared_by, masked, unmasked


def server(name: str = "redis", **args: Any) -> Run:
    def program() -> dict[str, object]:
        target = DockerTarget("own").prepare()
        made = RedisServer(name, RedisServerArgs(target=target, image="own/redis:1", **args))
        return {"member": made.member, "address": made.address, "url": made.url, "password": made.password}

    return declared_by(program)


def test_a_server_without_a_password_exports_its_address() -> None:
    run = server()
    assert run.outputs == {
        "member": "redis-0",
        "address": "127.0.0.1:6379",
        "url": "redis://127.0.0.1:6379/0",
        "password": None,
    }
    assert run.secret_outputs == frozenset()
    assert run.of(CREDENTIALS) == []


def test_any_given_password_becomes_a_secret() -> None:
    run = server(settings=RedisSettings.of("ha"), password="in plain text", deadline=1)
    (container,) = run.of(CONTAINER)
    assert "in plain text" in json.dumps(unmasked(container.inputs))
    assert "in plain text" not in json.dumps(masked(container.inputs))
    ((_, _, outputs),) = run.registered_outputs
    assert masked(outputs) == {"address": "127.0.0.1:16379", "url": SECRET_MARK}
    assert run.outputs["url"] == "redis://:in%20plain%20text@127.0.0.1:16379/0"
    assert run.secret_outputs == {"url", "password"}
    assert run.of(CREDENTIALS) == []


def test_a_missing_password_is_generated() -> None:
    run = server("cache", settings=RedisSettings.of("ha"))
    (credentials,) = run.of(CREDENTIALS)
    assert (credentials.name, credentials.parent) == ("cache-password", "cache"), "names of two servers do not clash"
    assert run.outputs["password"] == GENERATED_PASSWORD
    assert run.secret_outputs == {"url", "password"}


def test_a_password_without_authentication_is_not_used() -> None:
    run = server(password="in plain text")
    assert run.outputs["password"] is None
    assert "in plain text" not in json.dumps([unmasked(item.inputs) for item in run.resources])


def test_a_server_with_users_has_the_platforms_own_in_a_secret_file() -> None:
    (container,) = server(settings=RedisSettings.of("ha"), password="in plain text", users=True).of(CONTAINER)
    files = {item["file"]: item["content"] for item in unmasked(container.inputs["uploads"])}
    assert files["/etc/millrace/redis-default-user.acl"] == default_user(["in plain text"])
    assert "/etc/millrace/redis-password.conf" not in files
    assert files["/etc/millrace/redis.conf"].endswith("aclfile /data/users.acl\n")
    assert default_user(["in plain text"]) not in str(masked(container.inputs))


def test_a_server_that_asks_for_no_password_has_no_users() -> None:
    (container,) = server(users=True).of(CONTAINER)
    files = {item["file"]: item["content"] for item in container.inputs["uploads"]}
    assert "aclfile" not in files["/etc/millrace/redis.conf"]
    assert "rm -f /data/users.acl" in files["/etc/millrace/start-redis.sh"]
