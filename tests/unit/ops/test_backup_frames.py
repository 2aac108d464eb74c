"""Records and keys as bytes, and back.

Source: ops/backup/archive/frames.py.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.backup import redis_keys
from ops.backup.archive.frames import CHUNK_BYTES, CHUNK_RECORDS, Chunk, FrameError, Record, decode, encode, scan

optional_bytes = st.none() | st.binary(max_size=20)
headers = st.lists(st.tuples(st.text(max_size=10), optional_bytes), max_size=2).map(tuple)
int64 = st.integers(-(2**63), 2**63 - 1)
records = st.lists(
    st.builds(Record, st.integers(0, 2**63 - 1), int64, st.integers(0, 1), optional_bytes, optional_bytes, headers),
    max_size=5,
)
keys = st.lists(
    st.builds(redis_keys.Key, st.binary(max_size=30), st.integers(-1, 2**62), st.binary(max_size=60)), max_size=4
)


@given(records)
def test_records_come_back_as_they_were(given_records: list[Record]) -> None:
    assert list(decode(encode(given_records))) == given_records


@given(records)
def test_a_scan_finds_the_same_offsets_and_timestamps(given_records: list[Record]) -> None:
    assert list(scan(encode(given_records))) == [(record.offset, record.timestamp) for record in given_records]


def test_a_null_is_not_an_empty_value() -> None:
    null, empty = Record(0, 0, 0, None, None, (("h", None),)), Record(1, 0, 0, b"", b"", (("h", b""),))
    assert list(decode(encode([null, empty]))) == [null, empty]


@given(records.filter(bool), st.data())
def test_truncated_records_are_refused(given_records: list[Record], data: st.DataObject) -> None:
    encoded = encode(given_records)
    ends = {len(encode(given_records[:number])) for number in range(len(given_records) + 1)}
    cut = data.draw(st.integers(0, len(encoded)).filter(lambda at: at not in ends))
    for read in (decode, scan):
        with pytest.raises(FrameError):
            list(read(encoded[:cut]))


def test_a_chunk_is_full_by_bytes() -> None:
    chunk = Chunk()
    chunk.add(Record(0, 0, 0, None, bytes(CHUNK_BYTES - 100), ()))
    assert not chunk.full
    chunk.add(Record(1, 0, 0, None, bytes(100), ()))
    assert chunk.full


def test_a_chunk_is_full_by_records() -> None:
    chunk = Chunk()
    for number in range(CHUNK_RECORDS):
        assert not chunk.full
        chunk.add(Record(number, 0, 0, None, b"", ()))
    assert chunk.full


@given(keys)
def test_keys_come_back_as_they_were(given_keys: list[redis_keys.Key]) -> None:
    assert list(redis_keys.decode(redis_keys.encode(given_keys))) == given_keys


def test_truncated_keys_are_refused() -> None:
    encoded = redis_keys.encode([redis_keys.Key(b"name", -1, b"value")])
    for cut in range(1, len(encoded)):
        with pytest.raises(FrameError):
            list(redis_keys.decode(encoded[:cut]))
