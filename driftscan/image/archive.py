"""Random access to the members of a tar file on disk, without `tarfile` and without unpacking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from driftscan.errors import ImageError
from driftscan.image.buffer import Buffer
from driftscan.image.decompress import is_compressed
from driftscan.image.limits import Limits
from driftscan.image.paths import opening
from driftscan.image.tarheader import BLOCK, Headers

_READ = 1 << 16
_FILE, _SYMLINK, _HARDLINK = ord("0"), ord("2"), ord("1")


class Member(NamedTuple):
    """Where a file's body lies in the archive, in bytes."""

    offset: int
    size: int


class SlicedFile:
    """The bytes of one member as a stream."""

    def __init__(self, file: BinaryIO, member: Member) -> None:
        self._file = file
        self._left = member.size
        file.seek(member.offset)

    def read(self, size: int, /) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


class _SeekingBuffer(Buffer):
    """Passes over bodies by seeking."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(iter(lambda: file.read(_READ), b""))
        self._file = file
        self._length = file.seek(0, 2)
        file.seek(0)

    def skip(self, size: int) -> None:
        there = min(size, len(self._piece) - self._offset)
        super().skip(there)
        beyond = size - there
        if not beyond:
            return
        self.position += beyond
        if self.position > self._length:
            raise ImageError(f"the archive is cut off at byte {self._length}")
        self._piece, self._offset = b"", 0
        self._file.seek(self.position)


def index_members(path: Path, limits: Limits) -> Mapping[str, Member]:
    """Files of a tar archive by name, links among them resolved; the last one of a name counts."""
    members: dict[str, Member] = {}
    links: dict[str, str] = {}
    with opening(path) as file:
        if is_compressed(file.read(4)):
            raise ImageError("it is compressed", where=str(path), hint="decompress it first, for example with gunzip")
        buffer = _SeekingBuffer(file)
        headers = Headers(buffer, limits)
        while (header := headers.next()) is not None:
            name = _plain(header.name)
            if header.flag == _FILE and not header.sparse:
                members[name] = Member(buffer.position, header.size)
            elif header.flag in (_SYMLINK, _HARDLINK):
                # Old `docker save` links a layer that two images share.
                base = name.rpartition("/")[0] if header.flag == _SYMLINK else ""
                links[name] = _plain(f"{base}/".encode() + header.link)
            if len(members) + len(links) > limits.layer_entries:
                limits.check("layer_entries", len(members) + len(links), "the number of files", str(path))
            buffer.skip(header.size + -header.size % BLOCK)
    return members | {name: members[target] for name, target in links.items() if target in members}


def _plain(name: bytes) -> str:
    parts: list[str] = []
    for part in name.decode("utf-8", "surrogateescape").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


@contextmanager
def open_member(path: Path, member: Member) -> Iterator[SlicedFile]:
    with opening(path) as file:
        yield SlicedFile(file, member)


def read_member(path: Path, member: Member, limits: Limits, what: str) -> bytes:
    """The whole of a small member."""
    limits.check("document", member.size, what, str(path))
    with open_member(path, member) as stream:
        return stream.read(member.size)
