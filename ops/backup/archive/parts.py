"""The archive as a file of parts: appends them, and reads them back verified."""

import hashlib
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from ops.backup.archive.frames import FrameError
from ops.backup.archive.model import CUT, FORMAT, MANIFEST, VERSION, Cut, Manifest, PartEntry
from ops.errors import RefusedError

COMMENT = "comment"
"""The PAX record that describes a part; other programs ignore it."""

PARTIAL = ".partial"
"""Suffix of an incomplete archive."""

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)
"""The end of a tar file."""


class DamagedError(RefusedError):
    """An archive is damaged; the message says where."""


def _location(name: str, position: int) -> str:
    return f"part {name} at byte {position}"


@dataclass(frozen=True)
class Part:
    """One part of an archive.

    Args:
        name: Its name in the tar file.
        meta: What it covers.
        payload: Its stored bytes; empty if they were not read.
        begin: Byte offset of its header in the file.
        end: Byte offset after its padding.
        entry: Its entry in the manifest.
    """

    name: str
    meta: Mapping[str, Any]
    payload: bytes = field(repr=False)
    begin: int
    end: int
    entry: PartEntry

    @property
    def holds_records(self) -> bool:
        """Whether it holds records of a partition."""
        return self.name.startswith("records/")

    @property
    def holds_keys(self) -> bool:
        """Whether it holds Redis keys."""
        return self.name.startswith("redis/")

    @property
    def content(self) -> bytes:
        """Its payload, decompressed.

        Raises:
            FrameError: It cannot be decompressed.
        """
        from zstandard import ZstdDecompressor, ZstdError

        try:
            return ZstdDecompressor().decompress(self.payload)
        except ZstdError as error:
            raise FrameError(f"it cannot be decompressed: {error}") from error

    @property
    def location(self) -> str:
        """Its location, for messages."""
        return _location(self.name, self.begin)


class Writer:
    """Appends parts to an archive.

    Args:
        file: Open for writing, positioned at its end.
        entries: The parts that it already has.
    """

    def __init__(self, file: BinaryIO, entries: list[PartEntry]) -> None:
        self._file = file
        self.entries = entries

    def add(self, name: str, payload: bytes, meta: Mapping[str, Any]) -> None:
        """Append a part.

        Raises:
            OSError: It could not be written; the next run truncates it.
        """
        checksum = hashlib.sha256(payload).hexdigest()
        head = tarfile.TarInfo(name)
        head.size, head.mode = len(payload), 0o600
        head.pax_headers = {COMMENT: json.dumps({"sha256": checksum, "meta": meta}, separators=(",", ":"))}
        header = head.tobuf(format=tarfile.PAX_FORMAT, encoding="utf-8", errors="strict")
        self._file.write(b"".join((header, payload, bytes(-len(payload) % _BLOCK))))
        self._file.flush()
        self.entries.append((name, len(payload), checksum, zlib.crc32(header)))

    def finish(self, manifest: Manifest) -> None:
        """Append the manifest, end the file and sync it to disk."""
        self.add(MANIFEST, manifest.model_dump_json().encode(), {})
        self._file.write(_END)
        self._file.flush()
        os.fsync(self._file.fileno())


def read_parts(path: Path, *, payloads: bool = True) -> Iterator[Part]:
    """The verified parts of an archive, in order.

    Args:
        path: The archive.
        payloads: Whether to read and verify all parts; otherwise only JSON parts and headers.

    Raises:
        DamagedError: A part is damaged or truncated.
        RefusedError: The file is not an archive.
    """
    with _opened(path) as file:
        tar = _tar(path, file)
        position, last = 0, "its start"
        while head := _next(path, tar, position, last):
            wanted = payloads or head.name.endswith(".json")
            part = _part(path, file, head, position, wanted=wanted)
            yield part
            position, last = part.end, part.name
            # tarfile keeps every header that it has read, which adds up in a long archive.
            tar.members = []  # pyright: ignore[reportAttributeAccessIssue]
            if part.name == MANIFEST:
                break
        _check_end(path, file, position, complete=last == MANIFEST)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise RefusedError(f"{path} cannot be read: {error.strerror}") from error


def _not_an_archive(path: Path) -> RefusedError:
    return RefusedError(f"{path} is not an archive of `ops backup`: an archive is a tar file that begins with {CUT}")


def _tar(path: Path, file: BinaryIO) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=file, mode="r:")
    except (tarfile.TarError, ValueError, KeyError, OSError):
        raise _not_an_archive(path) from None


def _next(path: Path, tar: tarfile.TarFile, position: int, last: str) -> tarfile.TarInfo | None:
    """The next header, or None at the end."""
    try:
        return tar.next()
    except (tarfile.TarError, ValueError, KeyError, EOFError) as error:
        raise DamagedError(f"{path} is damaged at byte {position}, after {last}: {error}") from None


def _part(path: Path, file: BinaryIO, head: tarfile.TarInfo, position: int, *, wanted: bool) -> Part:
    if position == 0 and head.name != CUT:
        raise _not_an_archive(path)
    location = _location(head.name, position)
    descriptor = file.fileno()
    header = os.pread(descriptor, head.offset_data - position, position)
    checksum, meta = _comment(head)
    if checksum is None or head.offset != position or any(_header_padding(header)):
        raise DamagedError(f"{path} is damaged: {location} has no readable header")
    end = head.offset_data + head.size + -head.size % _BLOCK
    if os.fstat(descriptor).st_size < end:
        raise DamagedError(
            f"{path} is damaged: {location} is truncated; it should end at byte {end}, but the file ends at byte "
            f"{os.fstat(descriptor).st_size}"
        )
    payload = os.pread(descriptor, head.size, head.offset_data) if wanted else b""
    if wanted:
        _verify_payload(path, location, payload, checksum)
        padding = os.pread(descriptor, end - head.offset_data - head.size, head.offset_data + head.size)
        if any(padding):
            raise DamagedError(f"{path} is damaged: the padding after {location} is not zero")
    return Part(head.name, meta, payload, position, end, (head.name, head.size, checksum, zlib.crc32(header)))


def _comment(head: tarfile.TarInfo) -> tuple[str | None, dict[str, Any]]:
    """The checksum and ``meta`` of a part; no checksum if the header has none."""
    try:
        comment = json.loads(head.pax_headers.get(COMMENT, ""))
        return str(comment["sha256"]), dict(comment["meta"])
    except (ValueError, KeyError, TypeError):
        return None, {}


def _header_padding(header: bytes) -> bytes:
    """The padding of a header's PAX records to a whole block; no checksum covers it."""
    records = tarfile.TarInfo.frombuf(header[:_BLOCK], "utf-8", "strict")
    return header[_BLOCK + records.size : -_BLOCK]


def _verify_payload(path: Path, location: str, payload: bytes, checksum: str) -> None:
    found = hashlib.sha256(payload).hexdigest()
    if found != checksum:
        raise DamagedError(f"{path} is damaged: {location} has sha256 {found}; its header says {checksum}")


def _check_end(path: Path, file: BinaryIO, position: int, *, complete: bool) -> None:
    size = os.fstat(file.fileno()).st_size
    if complete:
        rest = os.pread(file.fileno(), 1024 * 1024, position)
        if size != position + len(_END) or rest != _END:
            raise DamagedError(
                f"{path} is damaged at byte {position}, after {MANIFEST}: {size - position} bytes follow instead of "
                f"{len(_END)} zero bytes"
            )
    elif position == 0:
        raise _not_an_archive(path)
    elif size > position:
        raise DamagedError(
            f"{path} is damaged at byte {position}: no part begins there; {size - position} bytes follow"
        )


def read_cut(part: Part, path: Path) -> Cut:
    """Parse the first part of an archive.

    Raises:
        RefusedError: The file is not an archive, or has a newer format.
        DamagedError: It cannot be parsed.
    """
    try:
        found = json.loads(part.payload)
        if found["format"] != FORMAT:
            raise _not_an_archive(path)
        version = int(found["version"])
    except (ValueError, KeyError, TypeError):
        raise _not_an_archive(path) from None
    if version > VERSION:
        raise RefusedError(
            f"{path} has format version {version}; this program reads versions up to {VERSION}",
            ["use the program that wrote it, or a newer one"],
        )
    try:
        return Cut.model_validate(found)
    except ValidationError as error:
        raise DamagedError(f"{path}: {part.location} cannot be parsed: {error}") from error


def read_manifest(part: Part, path: Path) -> Manifest:
    """Parse the last part of an archive.

    Raises:
        DamagedError: It cannot be parsed.
    """
    try:
        return Manifest.model_validate_json(part.payload)
    except ValidationError as error:
        raise DamagedError(f"{path}: {part.location} cannot be parsed: {error}") from error


def incomplete(path: Path, position: int) -> RefusedError:
    """The error for an archive without a manifest.

    Args:
        path: The archive.
        position: The byte offset after its last complete part.
    """
    if path.name.endswith(PARTIAL):
        whole = str(path).removesuffix(PARTIAL)
        return RefusedError(
            f"{path} is a backup that was interrupted", [f"`python -m ops backup {whole}` continues where it stopped"]
        )
    return DamagedError(f"{path} is damaged: it ends at byte {position}, before {MANIFEST}")
