"""Backs up a platform to one file, destroys the platform, and restores everything."""

import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka import TopicPartition

from ops.backup.archive.model import PartitionId
from ops.backup.archive.parts import read_parts
from ops.backup.archive.verify import check
from tests.integration.ops import backup_data as data
from tests.integration.ops.conftest import Ops, runner
from tests.integration.stacks import Stack, eventually, ports_of, standing

pytestmark = pytest.mark.docker

MEMORY = 256 * 1024 * 1024
"""The memory limit of a process in bytes, for any amount of data."""

INTERRUPTED = 130


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The dev stack file on different ports, with an authorizer and a fast log cleaner."""
    config = {
        "authorizer.class.name": "kafka.security.authorizer.AclAuthorizer",
        "super.users": "User:ANONYMOUS",
        "log.cleaner.backoff.ms": "300",
    }
    stack = Stack(
        tmp_path_factory.mktemp("backup") / "project",
        "test-backup",
        "Pulumi.dev.yaml",
        {**ports_of("backup").overrides(), "kafka.config": config},
    )
    with standing(stack):
        yield stack


@pytest.fixture(scope="module")
def ops(stack: Stack) -> Ops:
    """The command line on that stack."""
    return runner(stack)


@dataclass
class Backup:
    """An archive, and the platform's data at that time."""

    file: Path
    before: data.Snapshot
    peak: int


@pytest.fixture(scope="module")
def backup(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Backup:
    """A backup of a platform with data of every kind."""
    data.fill(stack)
    before = data.snapshot(stack)
    file = tmp_path_factory.mktemp("archive") / "all.tar"
    return Backup(file, before, _peak(stack, "backup", str(file)))


@pytest.fixture(scope="module")
def fresh(stack: Stack, backup: Backup) -> Stack:
    """The same stack, destroyed after the backup and created again: only the stack file's topics, all empty."""
    assert backup.file.exists()
    stack.change("destroy")
    stack.up()
    return stack


MEASURED = """
import sys
from ops.app import run
try:
    run()
finally:
    with open("/proc/self/status") as status:
        sys.stdout.write(next(line for line in status if line.startswith("VmHWM")))
"""
"""Runs the command line and prints its peak memory. The kernel's figure for child processes includes the copy of the
parent before exec, so it cannot be used."""


def _peak(stack: Stack, *arguments: str) -> int:
    """Run a command and return its peak memory in bytes."""
    process = _start(stack, *arguments, program=("-c", MEASURED))
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return int(out.split()[-2]) * 1024


def _start(
    stack: Stack, *arguments: str, limit: int | None = None, program: Sequence[str] = ("-m", "ops")
) -> "subprocess.Popen[str]":
    def limited() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, *program, "--stack", stack.name, *arguments],
        cwd=stack.folder,
        env=stack.ops_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limited,
    )


def _interrupt_backup(stack: Stack, file: Path, number: signal.Signals, *arguments: str) -> str:
    """Interrupt a backup by a signal after it has saved some records."""
    process = _start(stack, "backup", str(file), *arguments)
    partial = file.with_name(file.name + ".partial")

    def begun() -> bool:
        assert process.poll() is None, process.communicate()
        return partial.exists() and partial.stat().st_size > 2_000_000

    eventually(begun, 60, "a part of the backup")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (INTERRUPTED if number == signal.SIGINT else -number), said
    assert not file.exists()
    return said


def _big(stack: Stack) -> dict[PartitionId, int]:
    return {PartitionId("big", number): data.BIG_RECORDS for number in range(2)}


def test_a_backup_holds_and_counts_only_committed_records(backup: Backup) -> None:
    contents = check(backup.file)
    expected = {PartitionId(*place): len(records) for place, records in backup.before.records.items()}
    assert {place: number for place, number in contents.records.items() if number} == {
        place: number for place, number in expected.items() if number
    }
    assert contents.records[PartitionId("transactions", 0)] == 30


def test_a_backup_is_readable_to_its_owner_alone(backup: Backup) -> None:
    assert stat.S_IMODE(backup.file.stat().st_mode) == 0o600


def test_a_backup_takes_little_memory(backup: Backup) -> None:
    assert backup.file.stat().st_size > 200_000_000, "too little data for this test"
    assert backup.peak < MEMORY


def test_a_backup_does_not_overwrite_a_file(ops: Ops, backup: Backup) -> None:
    size = backup.file.stat().st_size
    done = ops("backup", str(backup.file), check=False)
    assert done.returncode == 4
    assert f"{backup.file} already exists" in done.stderr
    assert backup.file.stat().st_size == size


def test_an_unknown_topic_is_refused(ops: Ops, backup: Backup, tmp_path: Path) -> None:
    done = ops("backup", str(tmp_path / "a.tar"), "--topics", "plain,plane", check=False)
    assert done.returncode == 4
    assert '"plane" matches none of its topics' in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_backup_resumes_with_the_same_cut(
    stack: Stack, ops: Ops, backup: Backup, tmp_path: Path
) -> None:
    file = tmp_path / "a.tar"
    said = _interrupt_backup(stack, file, signal.SIGINT, "--topics", "big,plain")
    assert "the same command continues where it stopped" in said
    with data.clients(stack) as (_, servers):
        data.write_big(servers, 10_000)
    done = ops("backup", str(file), "--topics", "big,plain")
    assert "resuming" in done.stderr
    assert {place: number for place, number in check(file).records.items() if place.topic == "big"} == _big(stack)
    assert not file.with_name("a.tar.partial").exists()


def test_a_killed_backup_resumes_and_reports_records_lost_to_retention(
    stack: Stack, ops: Ops, backup: Backup, tmp_path: Path
) -> None:
    file = tmp_path / "a.tar"
    _interrupt_backup(stack, file, signal.SIGKILL, "--topics", "big")
    with file.with_name("a.tar.partial").open("ab") as partial:
        partial.write(b"torn")
    with data.clients(stack) as (client, _):
        client.delete_records({TopicPartition("big", 1): 60_000})
    done = ops("backup", str(file), "--topics", "big")
    assert "warning: topic big: retention deleted 60000 offsets before they were read" in done.stderr
    contents = check(file)
    assert contents.records[PartitionId("big", 0)] == 110_000
    assert contents.records[PartitionId("big", 1)] == 50_000
    assert ops("archive", "show", str(file)).stdout.splitlines()[1].split("\t")[-1] == "60000"


def test_a_partial_backup_resumes_only_with_the_same_options(
    stack: Stack, ops: Ops, backup: Backup, tmp_path: Path
) -> None:
    file = tmp_path / "a.tar"
    _interrupt_backup(stack, file, signal.SIGINT, "--topics", "big")
    done = ops("backup", str(file), "--topics", "plain", check=False)
    assert done.returncode == 4
    assert "it was started with --topics big; now with --topics plain" in done.stderr
    done = ops("restore", f"{file}.partial", check=False)
    assert done.returncode == 4
    assert f"`python -m ops backup {file}` continues where it stopped" in done.stderr


def test_a_full_disk_is_reported_and_the_backup_resumes_later(
    stack: Stack, ops: Ops, backup: Backup, tmp_path: Path
) -> None:
    file = tmp_path / "a.tar"
    process = _start(stack, "backup", str(file), "--topics", "plain,big", "--no-redis", limit=1_500_000)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert f"the disk of {file}.partial is full" in said
    assert not file.exists()
    ops("backup", str(file), "--topics", "plain,big", "--no-redis")
    assert check(file).keys == {}


def test_all_conflicts_with_existing_data_are_refused_at_once(stack: Stack, ops: Ops, backup: Backup) -> None:
    before = data.extent(stack)
    done = ops("restore", str(backup.file), check=False)
    assert done.returncode == 4
    for name in ("plain", "compacted", "transactions", "tda_jobs"):
        assert f"topic {name} already holds" in done.stderr
    assert "group midway already has committed offsets" in done.stderr
    assert "Redis database 0 already holds keys" in done.stderr
    assert "Redis database 3 already holds keys" in done.stderr
    assert data.extent(stack) == before


def _empty(stack: Stack) -> data.Extent:
    """The state before a restore and after its rollback."""
    found = data.extent(stack)
    assert found.empty, found
    return found


def test_a_damaged_archive_is_refused_with_the_location_and_changes_nothing(
    fresh: Stack, ops: Ops, backup: Backup, tmp_path: Path
) -> None:
    before = _empty(fresh)
    part = [part for part in read_parts(backup.file) if part.name.startswith("records/big/1/")][-1]
    damaged = tmp_path / "damaged.tar"
    content = bytearray(backup.file.read_bytes())
    content[part.end - 600] ^= 1
    damaged.write_bytes(content)
    done = ops("restore", str(damaged), check=False)
    assert done.returncode == 4
    assert f"part {part.name} at byte {part.begin}" in done.stderr
    assert _empty(fresh) == before
    verified = ops("archive", "verify", str(damaged), check=False)
    assert verified.returncode == 1
    assert part.entry[2] in verified.stderr


def test_a_dry_run_shows_the_plan_and_changes_nothing(fresh: Stack, ops: Ops, backup: Backup) -> None:
    before = _empty(fresh)
    done = ops("restore", str(backup.file), "--dry-run")
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in done.stdout.splitlines()}
    assert rows["tda_jobs"] == ["fill", "3", "1", "20"]
    assert rows["transactions"] == ["create", "1", "1", "30"]
    assert _empty(fresh) == before


def test_records_that_retention_will_delete_are_counted_in_a_warning(fresh: Stack, ops: Ops, backup: Backup) -> None:
    with data.clients(fresh) as (client, _):
        topic = {"num_partitions": 1, "replication_factor": 1, "configs": {"retention.ms": "86400000"}}
        client.create_topics({"transactions": topic}, wait_for_metadata=True)
        done = ops("restore", str(backup.file), "--topics", "transactions", "--dry-run")
        client.delete_topics(["transactions"])
        eventually(lambda: "transactions" not in client.list_topics())
    assert "warning: topic transactions: 30 records of the archive are older than its retention (1 days)" in done.stderr


def _when_records_arrive(stack: Stack, process: "subprocess.Popen[str]") -> None:
    """Wait until a restore has written some of the topic ``big``."""
    with data.clients(stack) as (client, _):
        place = TopicPartition("big", 0)

        def some() -> bool:
            assert process.poll() is None, process.communicate()
            if "big" not in client.list_topics():
                return False
            return client.list_partition_offsets({place: -1})[place].offset > 0

        eventually(some, 60, "a restored record")


def test_a_restore_that_is_interrupted_leaves_nothing(fresh: Stack, backup: Backup) -> None:
    before = _empty(fresh)
    process = _start(fresh, "restore", str(backup.file))
    _when_records_arrive(fresh, process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == INTERRUPTED, said
    assert "nothing of the archive is left on the platform" in said
    assert _empty(fresh) == before
    assert list(backup.file.parent.iterdir()) == [backup.file]


def test_a_killed_restore_is_rolled_back_with_undo(fresh: Stack, ops: Ops, backup: Backup) -> None:
    before = _empty(fresh)
    process = _start(fresh, "restore", str(backup.file))
    _when_records_arrive(fresh, process)
    process.kill()
    process.communicate()
    refused = ops("restore", str(backup.file), check=False)
    assert refused.returncode == 4
    assert f"restore {backup.file} --undo` removes what it left" in refused.stderr
    ops("restore", str(backup.file), "--undo")
    assert _empty(fresh) == before
    assert ops("restore", str(backup.file), "--undo", check=False).returncode == 4


def test_a_restore_that_fails_at_its_end_leaves_nothing(fresh: Stack, ops: Ops, backup: Backup) -> None:
    before = _empty(fresh)
    with data.redis(fresh) as client:
        client.config_set("maxmemory", "1")
        try:
            done = ops("restore", str(backup.file), "--topics", "plain,tda_results,transactions", check=False)
        finally:
            client.config_set("maxmemory", "0")
    assert done.returncode == 1
    assert "Redis refused keys: command not allowed when used memory" in done.stderr
    assert "RESTORE" not in done.stderr, "values of keys must not be shown"
    assert "nothing of the archive is left on the platform" in done.stderr
    assert _empty(fresh) == before


def test_everything_comes_back_as_it_was(fresh: Stack, backup: Backup) -> None:
    # Some topics exist, with a configuration that would alter restored records, or a first offset above 0.
    data.make_topics(fresh, "appended", "squeezed", "emptied")
    data.use_up_offsets(fresh, "emptied")
    peak = _peak(fresh, "restore", str(backup.file))
    after, before = data.snapshot(fresh), backup.before
    assert peak < MEMORY
    assert set(after.records) == set(before.records)
    for place, records in before.records.items():
        assert after.records[place] == records, place
    assert after.next_records == before.next_records
    assert after.configs == before.configs
    assert after.rules == before.rules
    assert after.keys == before.keys
    assert list(backup.file.parent.iterdir()) == [backup.file]
