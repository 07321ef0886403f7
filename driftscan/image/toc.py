"""The entries of a layer's table of contents: what eStargz and zstd:chunked say of files, and where their bytes are.

The formats are those of containerd's stargz-snapshotter (docs/estargz.md) and of containers/storage (pkg/chunked). Both
list the entries of the tar stream in its order; the pieces of a file's content follow it as entries of type `chunk`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from driftscan.errors import ImageError
from driftscan.image.entries import shown
from driftscan.image.limits import Limits
from driftscan.image.manifest import check_digest
from driftscan.image.tarheader import Header
from driftscan.image.tocjson import toc_entries

_FILE = "reg"
_LINKS = ("hardlink", "symlink")
_FLAGS = {
    _FILE: ord("0"),
    "hardlink": ord("1"),
    "symlink": ord("2"),
    "char": ord("3"),
    "block": ord("4"),
    "dir": ord("5"),
    "fifo": ord("6"),
}
_CHUNK = "chunk"
_ZEROS = "zeros"
_EMPTY = sha256().hexdigest()
_MOST = 1 << 63
"""Numbers are of 64 bits and signed."""


class Kind(Enum):
    ESTARGZ = "eStargz"
    ZSTD_CHUNKED = "zstd:chunked"


class Chunk(NamedTuple):
    """`size` bytes of a file. They are in the compressed data that begins at `offset` of the blob, `inner` bytes after
    the beginning of what that inflates to; `is_hole` says that they are zeros, and that nothing is fetched for them."""

    offset: int
    inner: int
    size: int
    sha256: str | None
    is_hole: bool


class Listed(NamedTuple):
    """An entry, and of a file its digest and pieces. `end` is where its compressed data ends; None where nothing says
    so but what comes next."""

    header: Header
    sha256: str | None = None
    chunks: tuple[Chunk, ...] = ()
    end: int | None = None


def listed(data: bytes, kind: Kind, limits: Limits) -> Iterator[Listed]:
    """The entries of a table of contents in their order.

    Raises ImageError at the place where it contradicts itself or the format.
    """
    last: _Entry | None = None
    for item in toc_entries(data, limits):
        try:
            if item.get("type") == _CHUNK:
                if last is None or not last.is_file or item.get("name") != last.name:
                    raise ImageError("a piece follows no file that it could be of")
                last.add(item)
                continue
            if last is not None:
                yield last.whole()
            last = _Entry(item, kind)
        except ImageError as error:
            error.where = error.where or _place(item.get("name"))
            raise
    if last is not None:
        yield last.whole()


def _place(name: object) -> str:
    return f"entry {shown(str(name).encode(errors='backslashreplace'))}"


class _Entry:
    """An entry while its pieces come by."""

    def __init__(self, item: Mapping[str, object], kind: Kind) -> None:
        self.name = item.get("name")
        self.is_file = item.get("type") == _FILE
        self._kind = kind
        self._header = _header(item)
        self._chunks: list[Chunk] = []
        self._size = 0
        self._digest = _digest(item, "digest") if self.is_file else None
        self._end = _number(item, "endOffset") if self.is_file and kind is Kind.ZSTD_CHUNKED else 0
        if self._header.size:
            self.add(item)

    def add(self, item: Mapping[str, object]) -> None:
        """Note a piece. They follow each other, and the last one may leave its size out."""
        if _number(item, "chunkOffset") != self._size:
            raise ImageError("its pieces do not follow each other")
        length = _number(item, "chunkSize") or self._header.size - self._size
        offset = _number(item, "offset")
        if length <= 0 or not offset:
            raise ImageError("one of its pieces has no size or no place")
        inner, digest = _inner(item, self._kind), _digest(item, "chunkDigest")
        self._chunks.append(Chunk(offset, inner, length, digest, _is_hole(item, self._kind)))
        self._size += length

    def whole(self) -> Listed:
        """What it is, now that there are no more pieces."""
        try:
            return self._listed()
        except ImageError as error:
            error.where = _place(self.name)
            raise

    def _listed(self) -> Listed:
        if not self.is_file:
            return Listed(self._header)
        if self._size != self._header.size:
            raise ImageError(f"its pieces have {self._size} bytes together, its size is {self._header.size}")
        if not self._size:
            if self._digest not in (None, _EMPTY):
                raise ImageError("it is empty, and what is said of its content is not")
            return Listed(self._header, _EMPTY)
        digest = self._digest
        if len(self._chunks) == 1 and not self._chunks[0].is_hole:
            alone = self._chunks[0].sha256
            if None not in (digest, alone) and digest != alone:
                raise ImageError("its digest is not that of its only piece")
            digest = digest or alone
        return Listed(self._header, digest, tuple(self._chunks), self._end or None)


def _header(item: Mapping[str, object]) -> Header:
    """An entry as the header of a tar archive has it."""
    kind = item.get("type")
    flag = _FLAGS.get(kind) if isinstance(kind, str) else None
    if flag is None:
        raise ImageError(f"its type {str(kind)[:40]!r} is none that there is")
    size = _number(item, "size") if kind == _FILE else 0
    return Header(
        flag=flag,
        name=_text(item, "name"),
        link=_text(item, "linkName") if kind in _LINKS else b"",
        mode=_number(item, "mode") & 0o7777,
        size=size,
        logical_size=size,
        sparse=False,
    )


def _inner(item: Mapping[str, object], kind: Kind) -> int:
    inner = _number(item, "innerOffset")
    if inner and kind is not Kind.ESTARGZ:
        raise ImageError("one of its pieces begins inside of compressed data, which there is not in this format")
    return inner


def _is_hole(item: Mapping[str, object], kind: Kind) -> bool:
    told = item.get("chunkType")
    if told in (None, ""):
        return False
    if told != _ZEROS or kind is not Kind.ZSTD_CHUNKED:
        raise ImageError(f"the type {str(told)[:40]!r} of one of its pieces is none that there is")
    return True


def _number(item: Mapping[str, object], key: str) -> int:
    value = item.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
        raise ImageError(f"its {key!r} is no number that it could be")
    return value


def _text(item: Mapping[str, object], key: str) -> bytes:
    value = item.get(key, "")
    if not isinstance(value, str):
        raise ImageError(f"its {key!r} is no text")
    try:
        found = value.encode()
    except UnicodeEncodeError as error:
        raise ImageError(f"its {key!r} is no Unicode text") from error
    if b"\0" in found:
        raise ImageError(f"its {key!r} has a zero byte in it")
    return found


def _digest(item: Mapping[str, object], key: str) -> str | None:
    """A SHA-256 in hexadecimal; None where there is none."""
    value = item.get(key)
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise ImageError(f"its {key!r} is no text")
    return check_digest(value, f"its {key!r}").removeprefix("sha256:")
