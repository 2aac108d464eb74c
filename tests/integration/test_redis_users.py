"""Applications' users on a real Redis server that runs with the platform's files; declared by a program of its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import docker
import pytest
from docker.models.containers import Container
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from components.access.client import observe_redis_users
from components.naming import PLATFORM_LABEL
from components.redis.component import redis_workload
from components.redis.files import default_user
from components.redis.passwords import accept_password
from components.redis.settings import RedisSettings
from components.targets.docker.target import DockerTarget
from components.waiting import wait_until
from tests.integration.stacks import PREFIX, OwnProgram, ports_of

IMAGE = "millrace/redis:7.0"
PLATFORM = f"{PREFIX}redis-users"
PORT = ports_of("dev").redis + 600
ADDRESS = f"127.0.0.1:{PORT}"
FIRST, SECOND = "platform-4f1c2a9e7b", "platform-77d0b3a1c2"

PROGRAM = """
import json

import pulumi

from components.access.component import RedisUsers, RedisUsersArgs, user_passwords
from components.access.settings import AppSettings
from components.redis.component import RedisLogin

config = pulumi.Config()
apps = [AppSettings.of(**declared).spec() for declared in json.loads(config.require("apps"))]
passwords = user_passwords("app", apps, pulumi.ResourceOptions())
with open(config.require("password")) as file:
    login = RedisLogin(address=config.require("address"), password=file.read())
args = RedisUsersArgs(login=login, applications=apps, passwords=passwords, adopt=config.get_bool("adopt") or False)
pulumi.export("users", RedisUsers("users", args).users)
pulumi.export("passwords", passwords)
"""

BILLING = {"name": "billing", "redis": ["billing:*", "rates"]}
SHOP = {"name": "shop", "redis": ["shop:*"]}


class Program(OwnProgram):
    """The program in a folder of its own."""

    first = ""
    """What the first ``up`` printed."""

    def __init__(self, root: Path, files: Path) -> None:
        config = {"password": str(files / "redis-password"), "address": ADDRESS}
        super().__init__(root / "program", "redis", PROGRAM, config)
        self.declare(BILLING, SHOP)

    def declare(self, *apps: dict[str, Any]) -> None:
        self.config["millrace-test:apps"] = json.dumps(apps)

    def password(self, user: str) -> str:
        return str(self.outputs()["passwords"][user])


class Server:
    """The server with the files of a platform, and its data in a volume."""

    def __init__(self, files: Path) -> None:
        self.files = files
        workload = redis_workload(RedisSettings.of("ha"), DockerTarget("unused"), users=True)
        for file in workload.files:
            (files / Path(file.path).name).write_text(str(file.content))
        self.accept(FIRST)
        self.container: Container = docker.from_env().containers.run(
            IMAGE,
            command=list(workload.command),
            name=PLATFORM,
            labels={PLATFORM_LABEL: PLATFORM},
            ports={"6379/tcp": ("127.0.0.1", PORT)},
            volumes={str(files): {"bind": "/etc/millrace", "mode": "ro"}},
            detach=True,
        )
        self.password = FIRST
        self.wait()

    def accept(self, *passwords: str) -> None:
        """Write the files with the platform's passwords; they count from the next start on."""
        (self.files / "redis-default-user.acl").write_text(default_user(passwords))
        (self.files / "redis-password").write_text(passwords[0])
        for path in self.files.iterdir():
            path.chmod(0o644)

    def restart(self, password: str) -> None:
        self.container.restart(timeout=10)
        self.password = password
        self.wait()

    def wait(self) -> None:
        def answer() -> list[str]:
            try:
                self.own().ping()
            except RedisError as error:
                return [str(error)]
            return []

        wait_until(answer, what="Redis", deadline=30, report=lambda _line: None)

    def own(self) -> Redis:
        return client(None, self.password)

    def users(self) -> dict[str, str]:
        return observe_redis_users(self.own())

    def run(self, *command: str) -> Any:
        return cast(Any, self.own()).execute_command(*command)


def client(user: str | None, password: str) -> Redis:
    return Redis(host="127.0.0.1", port=PORT, username=user, password=password, decode_responses=True)


def may(login: Redis, *command: str) -> bool:
    """Whether the server lets a user run a command; not whether the command makes sense."""
    try:
        cast(Any, login).execute_command(*command)
    except NoPermissionError:
        return False
    except ResponseError:
        return True
    return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    _remove()
    folder = tmp_path_factory.mktemp("files")
    folder.chmod(0o755)
    try:
        yield Server(folder)
    finally:
        _remove()


def _remove() -> None:
    for container in docker.from_env().containers.list(all=True, filters={"label": f"{PLATFORM_LABEL}={PLATFORM}"}):
        container.remove(force=True, v=True)


@pytest.fixture(scope="module")
def program(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    made = Program(tmp_path_factory.mktemp("redis-users"), server.files)
    made.first = made.up().output
    yield made
    made.run("destroy", "--stack", made.name, "--yes", "--skip-preview")


def test_applications_may_use_their_keys_and_channels_and_nothing_else(program: Program) -> None:
    billing, shop = (client(name, program.password(name)) for name in ("billing", "shop"))
    keys = ("billing:1", "rates", "rates:1", "shop:1", "other")
    assert [key for key in keys if may(billing, "SET", key, "x")] == ["billing:1", "rates"]
    assert [key for key in keys if may(billing, "GET", key)] == ["billing:1", "rates"]
    assert [key for key in keys if may(shop, "GET", key)] == ["shop:1"]
    assert [key for key in keys if may(billing, "PUBLISH", key, "x")] == ["billing:1", "rates"]
    assert not may(billing, "COPY", "billing:1", "shop:1")
    assert may(billing, "EVAL", "return redis.call('get', KEYS[1])", "1", "billing:1")
    assert not may(billing, "EVAL", "return redis.call('get', KEYS[1])", "1", "shop:1")
    for allowed in (["PING"], ["MULTI"], ["SCRIPT", "LOAD", "return 1"], ["SSCAN", "billing:2", "0"]):
        assert may(client("billing", program.password("billing")), *allowed), allowed
    for dangerous in (
        *(["KEYS", "*"], ["SCAN", "0"], ["RANDOMKEY"], ["FLUSHALL"], ["SWAPDB", "0", "1"], ["SHUTDOWN"], ["MONITOR"]),
        *(["CONFIG", "GET", "*"], ["ACL", "LIST"], ["ACL", "SETUSER", "billing", "~*"], ["CLIENT", "LIST"]),
        *(["FUNCTION", "LIST"], ["FUNCTION", "FLUSH"], ["SCRIPT", "FLUSH"], ["SAVE"], ["REPLICAOF", "h", "1"]),
    ):
        assert not may(billing, *dangerous), dangerous


def test_a_second_up_and_a_refresh_change_nothing(program: Program) -> None:
    assert program.up().changed() == {}
    assert program.change("refresh").changed() == {}


def test_what_was_changed_by_hand_is_shown_and_taken_back(program: Program, server: Server) -> None:
    billing = server.users()["billing"]
    server.run("ACL", "SETUSER", "billing", "~shop:*", ">guessed")
    server.run("ACL", "DELUSER", "shop")
    server.run("ACL", "SETUSER", "stranger", "on", ">theirs", "~*", "+get")
    assert program.change("refresh").changed() == {"update": ["users"]}
    assert program.up().changed() == {"update": ["users"]}
    assert server.users()["billing"] == billing
    assert may(client("shop", program.password("shop")), "GET", "shop:1")
    assert "stranger" in server.users(), "others' users are left alone"


def test_users_survive_a_restart_and_the_platforms_password_changes_in_two_steps(
    program: Program, server: Server
) -> None:
    billing = client("billing", program.password("billing"))
    accept_password(ADDRESS, [FIRST], SECOND, deadline=10, report=lambda _line: None)
    client(None, SECOND).ping()
    # A save between the two steps keeps no password of the platform.
    program.declare(BILLING, SHOP, {"name": "third", "redis": "third:*"})
    program.up()
    server.accept(SECOND, FIRST)
    server.restart(SECOND)
    assert [client(None, password).ping() for password in (FIRST, SECOND)] == [True, True]
    assert may(billing, "GET", "billing:1")
    program.declare(BILLING, SHOP)
    program.up()
    server.accept(SECOND)
    server.restart(SECOND)
    with pytest.raises(AuthenticationError):
        client(None, FIRST).ping()
    assert sorted(server.users()) == ["billing", "default", "shop", "stranger"]
    assert billing.get("billing:1") == "x", "with the data"
    assert program.change("refresh").changed() == {}, "though the server orders what it says of users anew"


def test_a_new_password_works_beside_the_old_one_until_that_is_dropped(program: Program, server: Server) -> None:
    before = program.password("billing")
    old = client("billing", before)
    program.declare({**BILLING, "generation": 2}, SHOP)
    assert "redis: creates user billing-2" in program.up().output
    new = client("billing-2", program.password("billing-2"))
    assert [may(login, "GET", "billing:1") for login in (old, new)] == [True, True]
    program.declare({**BILLING, "generation": 2, "keep_previous": False}, SHOP)
    program.up()
    assert may(new, "GET", "billing:1")
    with pytest.raises(AuthenticationError):
        client("billing", before).ping()


def test_others_users_are_refused_before_any_change_or_taken_over(program: Program, server: Server) -> None:
    server.run("ACL", "SETUSER", "third", "on", ">theirs", "~*", "+get")
    before = server.users()
    program.declare({**BILLING, "generation": 2, "keep_previous": False}, SHOP, {"name": "third", "redis": "third:*"})
    refused = program.up(check=False)
    assert "users exist already and are not this stack's: third; nothing was changed" in refused.output
    assert server.users() == before
    program.config["millrace-test:adopt"] = "true"
    program.up()
    third = client("third", program.password("third"))
    assert [may(third, "GET", key) for key in ("third:1", "shop:1")] == [True, False]


def test_no_secret_is_in_state_logs_or_command_lines(program: Program, server: Server) -> None:
    passwords = program.outputs()["passwords"]
    places = {
        "state": program.state(),
        "up": program.first,
        "log": server.container.logs().decode(),
        "container": str(server.container.attrs),
        "processes": str(server.container.top(ps_args="-eo pid,args")),
    }
    for secret in (FIRST, SECOND, *passwords.values()):
        assert [place for place, text in places.items() if secret in text] == []


def test_destroy_removes_the_users_and_no_others(program: Program, server: Server) -> None:
    program.change("destroy")
    server.restart(SECOND)
    assert sorted(server.users()) == ["default", "stranger"]
