"""Archives: complete ones are read back, all others are refused.

Source: ops/backup/archive/.
"""

import io
import json
import tarfile
from pathlib import Path

import pytest

from ops.backup.archive import writer as archives
from ops.backup.archive.model import CUT, MANIFEST, VERSION, PartitionId
from ops.backup.archive.parts import DamagedError, Writer, read_parts
from ops.backup.archive.verify import check, summary
from ops.errors import RefusedError
from tests.unit.ops import backup_archives


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return backup_archives.write(tmp_path / "a.tar")


def test_an_archive_is_a_plain_tar_file(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert names == [
        CUT,
        "redis/0/000000.zst",
        "redis.json",
        "records/orders/0/00000000000000000005.zst",
        "records/orders/0/00000000000000000009.zst",
        "records/orders/1/00000000000000000000.zst",
        MANIFEST,
    ]


def test_a_whole_archive_passes_with_its_counts(archive: Path) -> None:
    contents = check(archive)
    assert contents.records == {PartitionId("orders", 0): 4, PartitionId("orders", 1): 0}
    assert contents.keys == {0: 2}
    assert contents.manifest is not None
    assert contents.manifest.topics["orders"].records == 4


def test_positions_are_counted_in_records_not_in_offsets(archive: Path) -> None:
    assert check(archive).before == {PartitionId("orders", 0): {8: 2}, PartitionId("orders", 1): {3: 0}}


def test_records_before_a_limit_are_counted_as_old(archive: Path) -> None:
    assert check(archive, limits={"orders": 3_000}).old == {"orders": 2}


def test_a_summary_needs_no_records(archive: Path) -> None:
    damaged = bytearray(archive.read_bytes())
    part = next(part for part in read_parts(archive) if part.name.startswith("records/"))
    damaged[part.end - 512] ^= 1
    archive.write_bytes(damaged)
    cut, manifest = summary(archive)
    assert cut.stack == "staging"
    assert manifest.topics["orders"].records == 4


def _refuses(path: Path) -> bool:
    try:
        check(path)
    except RefusedError:
        return True
    return False


def test_any_flipped_byte_is_detected(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    damaged = tmp_path / "damaged.tar"
    for position in range(0, len(whole), 17):
        data = bytearray(whole)
        data[position] ^= 0x20
        damaged.write_bytes(data)
        assert _refuses(damaged), f"a flipped byte {position} passed"


@pytest.mark.parametrize("number", range(7))
def test_a_flipped_byte_in_a_part_is_reported_with_its_location_and_both_checksums(archive: Path, number: int) -> None:
    part = list(read_parts(archive))[number]
    data = bytearray(archive.read_bytes())
    data[data.index(part.payload, part.begin)] ^= 1
    archive.write_bytes(data)
    with pytest.raises(DamagedError) as error:
        check(archive)
    assert f"part {part.name} at byte {part.begin}" in str(error.value)
    assert part.entry[2] in str(error.value)
    assert "has sha256" in str(error.value)


def test_a_truncated_archive_is_reported_with_the_location(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    cut = tmp_path / "cut.tar"
    for length in range(0, len(whole), 211):
        cut.write_bytes(whole[:length])
        with pytest.raises(RefusedError) as error:
            check(cut)
        assert "byte" in str(error.value) or length < 3 * 512, f"no location for {length}: {error.value}"


def test_bytes_after_the_end_are_refused(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(DamagedError, match="after manifest"):
        check(archive)


def test_a_missing_part_is_refused_though_all_checksums_are_right(archive: Path) -> None:
    parts = list(read_parts(archive))
    whole = archive.read_bytes()
    gone = parts[3]
    archive.write_bytes(whole[: gone.begin] + whole[gone.end :])
    with pytest.raises(DamagedError, match="continue at 5, not at 9"):
        check(archive)


def test_parts_in_the_wrong_order_are_refused(archive: Path) -> None:
    parts = list(read_parts(archive))
    whole = archive.read_bytes()
    keys, end = parts[1], parts[2]
    moved = whole[end.begin : end.end] + whole[keys.begin : keys.end]
    archive.write_bytes(whole[: keys.begin] + moved + whole[end.end :])
    with pytest.raises(DamagedError, match="entry 1 of its list"):
        check(archive)


def test_wrong_counts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        writer = Writer(file, [])
        begun = backup_archives.cut()
        writer.add(CUT, begun.model_dump_json().encode(), {})
        unfinished = archives.Archive(writer, begun)
        for partition in backup_archives.RECORDS:
            for meta, data in backup_archives.chunks(partition):
                unfinished.add_records(meta.model_copy(update={"records": meta.records + 1}), data)
        unfinished.finish()
    with pytest.raises(DamagedError, match="it holds 2 records; its header says 3"):
        check(path)


@pytest.mark.parametrize(
    "data", [b"", b"hello", bytes(10_000), b"PK\x03\x04" + bytes(2000)], ids=["empty", "text", "zeros", "zip"]
)
def test_a_file_that_is_not_an_archive_is_refused_as_such(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    with pytest.raises(RefusedError, match="is not an archive of `ops backup`"):
        check(path)


def test_a_different_tar_file_is_not_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("readme"), io.BytesIO())
    with pytest.raises(RefusedError, match="is not an archive"):
        check(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="No such file"):
        check(tmp_path / "none.tar")


def test_a_newer_format_is_refused_with_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        says = {**json.loads(backup_archives.cut().model_dump_json()), "version": VERSION + 1, "more": 1}
        Writer(file, []).add(CUT, json.dumps(says).encode(), {})
    with pytest.raises(RefusedError, match=f"has format version {VERSION + 1}; this program reads versions up to"):
        check(path)


def test_an_incomplete_backup_names_the_command_that_continues_it(tmp_path: Path) -> None:
    path = backup_archives.write(tmp_path / "a.tar.partial", finished=False)
    for look in (check, summary):
        with pytest.raises(RefusedError, match=r"`python -m ops backup .*/a\.tar` continues where it stopped"):
            look(path)


def test_a_whole_archive_that_lost_its_end_is_damaged_not_interrupted(tmp_path: Path) -> None:
    path = backup_archives.write(tmp_path / "a.tar", finished=False)
    with pytest.raises(DamagedError, match="before manifest"):
        check(path)


def _resume(path: Path) -> archives.Archive | None:
    with path.open("r+b") as file:
        return archives.resumed(path, file)


def test_an_incomplete_part_is_truncated_and_complete_parts_are_kept(tmp_path: Path) -> None:
    path = backup_archives.write(tmp_path / "a.tar.partial", finished=False)
    parts = list(read_parts(path))
    whole = path.read_bytes()
    last = parts[-2]
    for torn in (last.begin + 1, last.begin + 700, last.end - 513):
        path.write_bytes(whole[:torn])
        archive = _resume(path)
        assert archive is not None
        assert path.stat().st_size == last.begin
        assert archive.reached == {PartitionId("orders", 0): 9, PartitionId("orders", 1): 0}
        assert archive.totals["orders"].records == 2


def test_the_resumed_backup_keeps_its_cut(tmp_path: Path) -> None:
    archive = _resume(backup_archives.write(tmp_path / "a.tar.partial", finished=False))
    assert archive is not None
    assert archive.cut == backup_archives.cut()
    assert archive.left == {}


def test_incomplete_keys_are_read_again(tmp_path: Path) -> None:
    path = backup_archives.write(tmp_path / "a.tar.partial", finished=False)
    parts = list(read_parts(path))
    path.write_bytes(path.read_bytes()[: parts[1].end])
    archive = _resume(path)
    assert archive is not None
    assert archive.redis is None
    assert path.stat().st_size == parts[0].end


def test_a_backup_that_was_complete_but_not_renamed_is_finished_again(tmp_path: Path) -> None:
    path = backup_archives.write(tmp_path / "a.tar.partial")
    with path.open("r+b") as file:
        archive = archives.resumed(path, file)
        assert archive is not None
        archive.finish()
    assert check(path).records == {PartitionId("orders", 0): 4, PartitionId("orders", 1): 0}


def test_a_partial_file_without_a_complete_part_starts_a_new_backup(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.partial"
    path.write_bytes(backup_archives.write(tmp_path / "whole").read_bytes()[:900])
    assert _resume(path) is None
