"""The records that a drill writes: numbered per key, with the time of sending and a checksum. Pure."""

import struct
import zlib
from typing import NamedTuple

RUN_BYTES = 8
"""Bytes of a run's id, which distinguishes its records from any others in the topic."""

_HEAD = struct.Struct(f">{RUN_BYTES}sIQQ")
_CHECKSUM = struct.Struct(">I")

SMALLEST = _HEAD.size + _CHECKSUM.size
"""Bytes of the smallest record."""


class Stamp(NamedTuple):
    """What identifies a record.

    Args:
        key: Number of its key.
        sequence: Its position among all records of its key, from 0.
        sent: When it was handed to the producer, in nanoseconds of this machine's monotonic clock.
    """

    key: int
    sequence: int
    sent: int


def key_of(number: int) -> bytes:
    """The record key with this number."""
    return b"key-%d" % number


def encode(run: bytes, stamp: Stamp, size: int) -> bytes:
    """A record's value.

    Args:
        run: The run's id, :data:`RUN_BYTES` long.
        stamp: What identifies the record.
        size: Bytes of the value, at least :data:`SMALLEST`.
    """
    body = _HEAD.pack(run, *stamp).ljust(size - _CHECKSUM.size, b".")
    return body + _CHECKSUM.pack(zlib.crc32(body))


def decode(run: bytes, value: bytes | None) -> Stamp | None:
    """The stamp of a record's value; None if it is damaged or of a different run."""
    if value is None or len(value) < SMALLEST:
        return None
    body, (checksum,) = value[: -_CHECKSUM.size], _CHECKSUM.unpack(value[-_CHECKSUM.size :])
    name, *stamp = _HEAD.unpack_from(body)
    return Stamp(*stamp) if name == run and checksum == zlib.crc32(body) else None
