"""Redis keys as bytes: reads, restores and deletes them.

A ``redis/…zst`` part holds keys of one database. After decompression, a key is a head of 20 bytes in network order,
then its name and its value as ``DUMP`` returns it:

    length of name   uint32
    expires at       int64   milliseconds since 1970; -1 for never
    length of value  uint64

Value and expiry of a key are from the same instant. Keys are read in batches while clients write, so different keys may
be from different instants. A snapshot of one instant would need the replication stream, whose format (RDB) no
maintained library reads.
"""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, NamedTuple

from components.redis.client import HEALTH_KEY
from ops.backup.archive.frames import CHUNK_BYTES, FrameError
from ops.errors import OpsError, UnreachableError

if TYPE_CHECKING:
    from redis import Redis

_HEAD = Struct(">IqQ")

_NEVER = -1

_CAUSE = "of pipeline caused error: "

_SIZED_AT_ONCE = 200
"""Keys whose sizes are read at once."""

_OWN = frozenset({HEALTH_KEY.encode()})
"""Keys that the platform itself writes."""


class Key(NamedTuple):
    """One key: its name, its expiry (milliseconds since 1970, -1 for never), and the dump of its value."""

    name: bytes
    expires: int
    dump: bytes


def encode(keys: Iterable[Key]) -> bytes:
    """Keys as bytes."""
    return b"".join(
        piece for key in keys for piece in (_HEAD.pack(len(key.name), key.expires, len(key.dump)), key.name, key.dump)
    )


def decode(data: bytes) -> Iterator[Key]:
    """The reverse of :func:`encode`.

    Raises:
        FrameError: The bytes are malformed.
    """
    position = 0
    while position < len(data):
        try:
            name, expires, dump = _HEAD.unpack_from(data, position)
        except StructError as error:
            raise FrameError(f"a key at byte {position} cannot be read: {error}") from error
        middle = position + _HEAD.size + name
        if middle + dump > len(data):
            raise FrameError(f"a key at byte {position} is truncated")
        yield Key(data[position + _HEAD.size : middle], expires, data[middle : middle + dump])
        position = middle + dump


@contextmanager
def redis_errors(stack: str) -> Generator[None]:
    """Turn errors of the Redis client into :class:`UnreachableError`."""
    from redis.exceptions import RedisError

    try:
        yield
    except RedisError as error:
        raise UnreachableError(f"Redis of stack {stack}: {error}") from error


def databases(client: "Redis") -> list[int]:
    """The databases that hold keys."""
    found = client.info("keyspace")
    return sorted(int(name.removeprefix("db")) for name in found)


def version(client: "Redis") -> str:
    """The server's version: ``7.0.15``."""
    return str(client.info("server")["redis_version"])


def is_newer(archived: str, server: str) -> bool:
    """Whether the server may be unable to read the archive's dumps: its major or minor version is lower."""
    return _release(archived) > _release(server)


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def user_keys(client: "Redis", limit: int = 1) -> list[bytes]:
    """Up to ``limit`` keys of a database, without the platform's own."""
    return list(islice((key for key in client.scan_iter(count=1000) if key not in _OWN), limit))


def read(client: "Redis") -> Iterator[list[Key]]:
    """All keys of a database except the platform's own, in batches that fit a part.

    A key may be read twice while the server resizes its hash table; the later value wins.
    """
    names: Iterator[bytes] = (name for name in client.scan_iter(count=1000) if name not in _OWN)
    while found := list(islice(names, _SIZED_AT_ONCE)):
        for batch in _by_size(client, found):
            keys = _dump(client, batch)
            if keys:
                yield keys


def _by_size(client: "Redis", names: list[bytes]) -> Iterator[list[bytes]]:
    """Batches whose values fit a part; a larger value gets a batch of its own."""
    sizes = client.pipeline(transaction=False)
    for name in names:
        sizes.memory_usage(name)
    batch: list[bytes] = []
    total = 0
    for name, size in zip(names, sizes.execute(), strict=True):
        if batch and total + (size or 0) > CHUNK_BYTES:
            yield batch
            batch, total = [], 0
        batch.append(name)
        total += size or 0
    if batch:
        yield batch


def _dump(client: "Redis", names: list[bytes]) -> list[Key]:
    pipeline = client.pipeline(transaction=True)  # value and expiry must be from the same instant
    for name in names:
        pipeline.dump(name)
        pipeline.execute_command("PEXPIRETIME", name)
    answers = pipeline.execute()
    return [
        Key(name, expires if expires >= 0 else _NEVER, dump)
        for name, dump, expires in zip(names, answers[::2], answers[1::2], strict=True)
        if dump is not None  # deleted or expired since its name was read
    ]


def write(client: "Redis", keys: Iterable[Key]) -> int:
    """Write keys with their absolute expiry; expired keys are skipped.

    Returns:
        The number of skipped keys.

    Raises:
        OpsError: Redis refused a key.
    """
    from redis.exceptions import ResponseError

    now = int(time.time() * 1000)
    pipeline = client.pipeline(transaction=True)
    expired = 0
    for key in keys:
        if key.expires != _NEVER and key.expires <= now:
            expired += 1
            continue
        pipeline.restore(key.name, max(key.expires, 0), key.dump, replace=True, absttl=key.expires != _NEVER)
    try:
        pipeline.execute()
    except ResponseError as error:  # its text repeats the command with all values
        raise OpsError(f"Redis refused keys: {str(error).rpartition(_CAUSE)[2]}") from None
    return expired


def remove(client: "Redis", keys: Iterable[Key]) -> None:
    """Delete keys; missing ones are no error."""
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.unlink(key.name)
    pipeline.execute()
