"""Records as bytes: the content of a ``records/…zst`` part after decompression.

One record is a head of 33 bytes in network order, then the key, the value and the headers:

    offset             int64   in the partition it was read from
    timestamp          int64   milliseconds since 1970; -1 for none
    timestamp type     uint8   0 is CreateTime, 1 is LogAppendTime
    length of key      int32   -1 for null, 0 for an empty key
    length of value    int32   -1 for null (a tombstone), 0 for an empty value
    length of headers  uint32  of all headers together
    number of headers  uint32

A header is the int32 length of its name, its name in UTF-8, the int32 length of its value (-1 for null), its value.
"""

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from struct import error as StructError
from typing import NamedTuple, Protocol

HEAD = Struct(">qqBiiII")
_LENGTH = Struct(">i")

CHUNK_BYTES = 8 * 1024 * 1024
"""Bytes of records in one part, before compression; a longer record gets a part of its own."""

CHUNK_RECORDS = 20_000
"""Records in one part: small ones need more memory as objects than as bytes."""

Headers = Sequence[tuple[str, bytes | None]]


class FrameError(ValueError):
    """The bytes are malformed."""


class Record(NamedTuple):
    """One record in an archive.

    Args:
        offset: Offset in the partition it was read from.
        timestamp: Milliseconds since 1970; -1 for none.
        timestamp_type: 0 for CreateTime, 1 for LogAppendTime.
        key: The key, or None.
        value: The value; None for a tombstone.
        headers: Names and values, in order; names can repeat.
    """

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Readable(Protocol):
    """The saved fields of a consumer's record."""

    @property
    def offset(self) -> int: ...  # noqa: D102  as in Record
    @property
    def timestamp(self) -> int | None: ...  # noqa: D102  as in Record
    @property
    def timestamp_type(self) -> int | None: ...  # noqa: D102  as in Record
    @property
    def key(self) -> bytes | None: ...  # noqa: D102  as in Record
    @property
    def value(self) -> bytes | None: ...  # noqa: D102  as in Record
    @property
    def headers(self) -> Headers: ...  # noqa: D102  as in Record


class Chunk:
    """Collects records until they fill a part."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.records = 0
        self.size = 0

    @property
    def full(self) -> bool:
        """Whether the next record needs a new part."""
        return self.size >= CHUNK_BYTES or self.records >= CHUNK_RECORDS

    def add(self, record: Readable) -> None:
        """Add the next record of the partition."""
        key, value = record.key, record.value
        headers = _headers(record.headers) if record.headers else b""
        head = HEAD.pack(
            record.offset,
            -1 if record.timestamp is None else record.timestamp,
            record.timestamp_type or 0,
            -1 if key is None else len(key),
            -1 if value is None else len(value),
            len(headers),
            len(record.headers),
        )
        self._pieces += (head, key or b"", value or b"", headers)
        self.records += 1
        self.size += len(head) + len(key or b"") + len(value or b"") + len(headers)

    def data(self) -> bytes:
        """The records as bytes."""
        return b"".join(self._pieces)


def _headers(headers: Headers) -> bytes:
    pieces: list[bytes] = []
    for name, value in headers:
        encoded = name.encode()
        pieces += (_LENGTH.pack(len(encoded)), encoded)
        pieces += (_LENGTH.pack(-1),) if value is None else (_LENGTH.pack(len(value)), value)
    return b"".join(pieces)


def encode(records: Iterable[Readable]) -> bytes:
    """Records as bytes."""
    chunk = Chunk()
    for record in records:
        chunk.add(record)
    return chunk.data()


def scan(data: bytes) -> Iterator[tuple[int, int]]:
    """Offset and timestamp of each record: several times as fast as :func:`decode`.

    Raises:
        FrameError: The bytes are malformed.
    """
    position, end, head, unpack = 0, len(data), HEAD.size, HEAD.unpack_from
    while position < end:
        if position + head > end:
            raise FrameError(f"a record at byte {position} is truncated")
        offset, timestamp, _, key, value, headers, _ = unpack(data, position)
        if key < -1 or value < -1:
            raise FrameError(f"a record at byte {position} has a negative length")
        position += head + max(key, 0) + max(value, 0) + headers
        yield offset, timestamp
    if position != end:
        raise FrameError(f"the last record ends at byte {position}; the data has {end}")


def decode(data: bytes) -> Iterator[Record]:
    """The reverse of :func:`encode`.

    Raises:
        FrameError: The bytes are malformed.
    """
    position = 0
    while position < len(data):
        try:
            offset, timestamp, kind, key, value, headers, count = HEAD.unpack_from(data, position)
            start = position + HEAD.size
            key_end = start + max(key, 0)
            value_end = key_end + max(value, 0)
            position = value_end + headers
            if position > len(data):
                raise FrameError(f"the record with offset {offset} is truncated")
            yield Record(
                offset,
                timestamp,
                kind,
                None if key < 0 else data[start:key_end],
                None if value < 0 else data[key_end:value_end],
                _read_headers(data, value_end, count) if count else (),
            )
        except (StructError, UnicodeDecodeError) as error:
            raise FrameError(f"a record near byte {position} cannot be read: {error}") from error


def _read_headers(data: bytes, position: int, count: int) -> Headers:
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(data, position)
        name_end = position + _LENGTH.size + length
        name = data[position + _LENGTH.size : name_end].decode()
        (length,) = _LENGTH.unpack_from(data, name_end)
        position = name_end + _LENGTH.size + max(length, 0)
        headers.append((name, None if length < 0 else data[name_end + _LENGTH.size : position]))
    return tuple(headers)
