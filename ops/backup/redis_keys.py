"""Keys of Redis as bytes, out of a server and into one.

A ``redis/…zst`` part holds keys of one database once it is decompressed. One key is a head of 20 bytes in network
order, then its name and its value as ``DUMP`` gives it:

    length of name   uint32
    expires at       int64   milliseconds since 1970; -1 for never
    length of value  uint64

Each key is as it was at one instant, with its expiry; keys are read one batch after the other while clients write, so
two keys may be of different instants. A snapshot of one instant would take the replication stream, whose format
(RDB) no library reads that is kept up.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any, NamedTuple

from components.redis.client import HEALTH_KEY
from ops.backup.frames import CHUNK_BYTES, FrameError
from ops.errors import OpsError

if TYPE_CHECKING:
    from redis import Redis

_HEAD = Struct(">IqQ")

_NEVER = -1

_CAUSE = "of pipeline caused error: "

_LOOK = 200
"""Keys whose sizes are asked for at once."""

_OWN = frozenset({HEALTH_KEY.encode()})
"""Keys that the platform writes by itself."""


class Key(NamedTuple):
    """One key as it is kept: its name, when it expires (milliseconds since 1970, -1 for never), its value's dump."""

    name: bytes
    expires: int
    dump: bytes


def encode(keys: Iterable[Key]) -> bytes:
    """Keys as bytes."""
    return b"".join(
        piece for key in keys for piece in (_HEAD.pack(len(key.name), key.expires, len(key.dump)), key.name, key.dump)
    )


def decode(data: bytes) -> Iterator[Key]:
    """The keys that :func:`encode` was given.

    Raises:
        FrameError: The bytes are no keys.
    """
    position = 0
    while position < len(data):
        try:
            name, expires, dump = _HEAD.unpack_from(data, position)
        except StructError as error:
            raise FrameError(f"a key at byte {position} cannot be read: {error}") from error
        middle = position + _HEAD.size + name
        if middle + dump > len(data):
            raise FrameError(f"a key at byte {position} is cut off")
        yield Key(data[position + _HEAD.size : middle], expires, data[middle : middle + dump])
        position = middle + dump


def databases(client: "Redis") -> list[int]:
    """The databases that hold keys."""
    found: Any = client.info("keyspace")
    return sorted(int(name.removeprefix("db")) for name in found)


def version(client: "Redis") -> str:
    """The server's version: ``7.0.15``."""
    found: Any = client.info("server")
    return str(found["redis_version"])


def is_newer(archived: str, server: str) -> bool:
    """Whether dumps of one version may be unreadable for a server of another: one with a lower major or minor."""
    return _release(archived) > _release(server)


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def foreign_keys(client: "Redis", limit: int = 1) -> list[bytes]:
    """Some of a database's keys that are not the platform's own."""
    return list(islice((key for key in client.scan_iter(count=1000) if key not in _OWN), limit))


def read(client: "Redis") -> Iterator[list[Key]]:
    """All keys of a database but the platform's own, in batches that fit a part.

    A key that is written while the server grows its table may come twice; the later one holds.
    """
    names: Iterator[bytes] = (name for name in client.scan_iter(count=1000) if name not in _OWN)
    while look := list(islice(names, _LOOK)):
        for batch in _by_size(client, look):
            keys = _dump(client, batch)
            if keys:
                yield keys


def _by_size(client: "Redis", names: list[bytes]) -> Iterator[list[bytes]]:
    """Batches whose values take no more than a part; a value that is larger has a batch to itself."""
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
    together = client.pipeline(transaction=True)  # a value and its expiry must be of the same instant
    for name in names:
        together.dump(name)
        together.execute_command("PEXPIRETIME", name)
    answers = together.execute()
    return [
        Key(name, expires if expires >= 0 else _NEVER, dump)
        for name, dump, expires in zip(names, answers[::2], answers[1::2], strict=True)
        if dump is not None  # deleted or expired since its name was read
    ]


def write(client: "Redis", keys: Iterable[Key]) -> int:
    """Write keys with their absolute expiry; those that have expired are left out.

    Returns:
        How many were left out.

    Raises:
        OpsError: One was refused.
    """
    from redis.exceptions import ResponseError

    now = int(time.time() * 1000)
    together = client.pipeline(transaction=True)
    expired = 0
    for key in keys:
        if key.expires != _NEVER and key.expires <= now:
            expired += 1
            continue
        together.restore(key.name, max(key.expires, 0), key.dump, replace=True, absttl=key.expires != _NEVER)
    try:
        together.execute()
    except ResponseError as error:  # its text repeats the command with all that it wrote
        raise OpsError(f"Redis refused keys: {str(error).rpartition(_CAUSE)[2]}") from None
    return expired


def remove(client: "Redis", keys: Iterable[Key]) -> None:
    """Delete keys; those that are gone already are no error."""
    together = client.pipeline(transaction=False)
    for key in keys:
        together.unlink(key.name)
    together.execute()
