"""The script that makes Redis's data ready for its configured persistence.

Source: components/redis/files.py.
Proof limit: server and client are fakes that leave the files of real ones.
tests/integration/test_dev_stack.py changes the persistence of a real server.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.redis.files import UserFiles, start_script

SNAPSHOT, LOG = "dump.rdb", "appendonlydir/appendonly.aof.manifest"

SERVER = """
echo "server $*" >> calls
case "$*" in *unixsocket*) until [ -f stopped ]; do sleep 0.02; done;; esac
"""
CLIENT = """
echo "client ${REDISCLI_AUTH-} $*" >> calls
case "$*" in
    *ping) echo PONG;;
    *"config set"*) mkdir -p data/appendonlydir; touch data/appendonlydir/appendonly.aof.manifest; echo OK;;
    *" save") if [ -f full ]; then echo ERR; else touch data/dump.rdb; echo OK; fi;;
    *shutdown*) touch stopped;;
esac
"""


def start(
    folder: Path, *, append_only: bool, files: Sequence[str], users: UserFiles | None = None
) -> tuple[int, list[str]]:
    """Run the script in a folder with these data files; returns its status and the calls of server and client."""
    (folder / "redis.conf").write_text(f"appendonly {'yes' if append_only else 'no'}\n")
    (folder / "password").write_text("s3cret")
    (folder / "calls").write_text("")
    (folder / "stopped").unlink(missing_ok=True)
    for name in files:
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / name).touch()
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    for name, body in {"redis-server": SERVER, "redis-cli": CLIENT}.items():
        (commands / name).write_text(f"#!/bin/sh\n{body}")
        (commands / name).chmod(0o755)
    script = start_script(data_path="data", password_path="password", users=users)
    path = {"PATH": f"{commands}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", script, "start", "redis.conf"], env=path, cwd=folder, check=False, timeout=20)
    (folder / "stopped").touch()  # ends a server that the script left
    return done.returncode, (folder / "calls").read_text().splitlines()


def of(program: str, calls: Sequence[str]) -> list[str]:
    """The calls of one program; a server that runs beside the client is recorded in no certain order."""
    return [call for call in calls if call.startswith(program)]


def left(folder: Path) -> list[str]:
    """The data files."""
    return sorted(str(path.relative_to(folder / "data")) for path in (folder / "data").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("append_only", "files"),
    [(True, []), (False, []), (True, [LOG]), (False, [SNAPSHOT]), (True, [LOG, SNAPSHOT])],
)
def test_data_in_the_configured_form_is_not_touched(tmp_path: Path, append_only: bool, files: list[str]) -> None:
    (tmp_path / "data").mkdir()
    assert start(tmp_path, append_only=append_only, files=files) == (0, ["server redis.conf"])
    assert left(tmp_path) == sorted(files)


def test_a_snapshot_becomes_an_append_only_file_before_the_server_starts(tmp_path: Path) -> None:
    status, calls = start(tmp_path, append_only=True, files=[SNAPSHOT])
    assert status == 0
    converting, serving = of("server", calls)
    assert "--port 0" in converting
    assert converting.endswith("--appendonly no")
    assert serving == calls[-1] == "server redis.conf"
    assert [call.rpartition("sock ")[2] for call in of("client", calls)] == [
        "ping",
        "config set appendonly yes",
        "shutdown nosave",
    ]
    assert left(tmp_path) == [LOG, SNAPSHOT]


def test_an_append_only_file_becomes_a_snapshot_and_is_never_loaded_again(tmp_path: Path) -> None:
    status, calls = start(tmp_path, append_only=False, files=[LOG, SNAPSHOT])
    assert status == 0
    converting, serving = of("server", calls)
    assert converting.endswith("--appendonly yes")
    assert serving == calls[-1] == "server redis.conf"
    assert [call.rpartition("sock ")[2] for call in of("client", calls)] == ["ping", "save", "shutdown nosave"]
    assert left(tmp_path) == [SNAPSHOT]


def test_a_snapshot_that_cannot_be_written_keeps_the_append_only_file(tmp_path: Path) -> None:
    (tmp_path / "full").touch()
    status, calls = start(tmp_path, append_only=False, files=[LOG])
    assert status != 0
    assert "server redis.conf" not in calls
    assert left(tmp_path) == [LOG]


def test_the_client_logs_in_with_the_password_of_the_file(tmp_path: Path) -> None:
    _, calls = start(tmp_path, append_only=True, files=[SNAPSHOT])
    assert all(call.startswith("client s3cret ") for call in of("client", calls))


# Users

USERS = UserFiles(users="data/users.acl", own="own.acl")
OWN = "user default on ~* &* +@all #new\n"
BILLING = "user billing on #0a ~billing:* resetchannels &billing:* +@all -@dangerous\n"


def users_after(folder: Path, before: str | None, *, own: str | None = OWN, append_only: bool = False) -> str | None:
    """The file of users after a start; None if there is none."""
    (folder / "data").mkdir(exist_ok=True)
    if before is not None:
        (folder / "data/users.acl").write_text(before)
    if own is not None:
        (folder / "own.acl").write_text(own)
    status, calls = start(folder, append_only=append_only, files=[SNAPSHOT], users=USERS)
    assert (status, calls[-1]) == (0, "server redis.conf")
    assert left(folder) == sorted({*left(folder)} - {"users.acl.new"})
    path = folder / "data/users.acl"
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, OWN),
        ("", OWN),
        ("user default on ~* &* +@all #old #older\n", OWN),
        (f"{BILLING}user default off #old\n", OWN + BILLING),
        (f"user default on #old\n{BILLING}user default-2 on\n", f"{OWN}{BILLING}user default-2 on\n"),
    ],
)
def test_the_platforms_own_user_is_as_its_file_says_and_others_stay(
    tmp_path: Path, before: str | None, after: str
) -> None:
    assert users_after(tmp_path, before) == after
    assert users_after(tmp_path, None) == after, "and a second start changes nothing"
    assert (tmp_path / "data/users.acl").stat().st_mode & 0o077 == 0, "nobody else reads hashes of passwords"


def test_users_are_there_before_the_data_is_converted(tmp_path: Path) -> None:
    assert users_after(tmp_path, BILLING, append_only=True) == OWN + BILLING


def test_a_server_that_asks_for_no_password_forgets_its_users(tmp_path: Path) -> None:
    assert users_after(tmp_path, BILLING, own=None) is None


def test_users_that_cannot_be_read_are_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "own.acl").write_text(OWN)
    (tmp_path / "data/users.acl").write_text(BILLING)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/grep").write_text("#!/bin/sh\nexit 2\n")
    (tmp_path / "bin/grep").chmod(0o755)
    status, calls = start(tmp_path, append_only=False, files=[SNAPSHOT], users=USERS)
    assert (status != 0, calls) == (True, [])
    assert (tmp_path / "data/users.acl").read_text() == BILLING
