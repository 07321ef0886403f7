"""Layer blobs to plain tar bytes: gzip of one or more members (RFC 1952), zstd frames (RFC 8878), or as they are.

The format is told by the first bytes, as container runtimes do, not by a media type. Everything is read to the end:
a damaged trailer or anything behind the last member is an error, since a shorter layer must never look complete.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from driftscan.errors import ImageError
from driftscan.image.limits import Limits

if TYPE_CHECKING:
    import zstandard

CHUNK = 1 << 19
"""Bytes read at a time: fewer steps between those that need no interpreter, and still in the processor's cache."""
_PLAIN = 1 << 19
"""Bytes inflated at a time, which also keeps a bomb from inflating a whole piece at once."""
_HEAD = 4
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_MEMBER_HEAD = 1 << 14
"""Bytes at the beginning of a gzip member that are fed at once: igzip wants its header whole."""
_ZSTD_PIECE = 1 << 11
"""What goes into the zstd library at once: it expands that whole, and a bomb 32,000 times."""
_AUTO_GZIP = 31
"""Window bits that make zlib read a gzip header and check the trailer."""


class Inflater(Protocol):
    """Inflates one gzip member, and checks its trailer. `needs_input`: there is no more output of what it has."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class ZlibInflater:
    """Python's zlib, which hands back what it has not looked at yet."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=_AUTO_GZIP)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        plain = self._member.decompress(self._member.unconsumed_tail + data, max_length)
        self.needs_input = not self._member.unconsumed_tail and len(plain) < max_length
        return plain


new_inflater: Callable[[], Inflater]
_errors: tuple[type[Exception], ...]
try:
    _igzip = import_module("isal.igzip_lib")
except ImportError:  # isal has no wheels for this platform
    new_inflater, _errors = ZlibInflater, (zlib.error,)
else:
    new_inflater = partial(_igzip.IgzipDecompressor, flag=_igzip.DECOMP_GZIP)
    _errors = (zlib.error, _igzip.error)


class Stream(Protocol):
    """What is read here: a file, a socket, a member of an archive."""

    def read(self, size: int, /) -> bytes: ...


def read_up_to(stream: Stream, size: int) -> bytes:
    """`size` bytes of a stream that may give them in parts, or fewer at its end."""
    parts = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class HashSink(Protocol):
    """Takes the bytes of a blob as they come in."""

    def update(self, data: bytes, /) -> object: ...


def is_compressed(head: bytes) -> bool:
    """Whether data that begins with these four bytes or more is gzip or zstd."""
    return head.startswith((_GZIP, _ZSTD)) or int.from_bytes(head[:4], "little") in _SKIPPABLE


def chunks(stream: Stream, seen: HashSink, limits: Limits) -> Iterator[bytes]:
    """Plain bytes of `stream`, in pieces of up to half a MiB.

    Each byte of compressed data goes through `seen`; of data that is not compressed, none does, since it is what comes
    out here.

    Raises ImageError where the compressed data is damaged, cut off, or followed by something else.
    """
    head, raw = _begun(stream)
    if not is_compressed(head):
        yield from raw
    else:
        yield from _inflated(head, _seen(raw, seen), limits)


def inflated(stream: Stream, limits: Limits) -> Iterator[bytes]:
    """Plain bytes of `stream`, as from `chunks`; ImageError where it is not compressed."""
    head, raw = _begun(stream)
    if not is_compressed(head):
        raise ImageError("what is there is neither gzip nor zstd")
    yield from _inflated(head, raw, limits)


def _begun(stream: Stream) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes of a stream, enough to tell what it is, and all of it."""
    raw = _raw(stream)
    head = b""
    while len(head) < _HEAD and (data := next(raw, b"")):
        head += data
    return head, chain((head,), raw)


def _inflated(head: bytes, raw: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    source = _Source(raw)
    if head.startswith(_GZIP):
        yield from _gunzip(source)
    else:
        yield from _unzstd(source, limits)


def _raw(stream: Stream) -> Iterator[bytes]:
    while data := stream.read(CHUNK):
        yield data


def _seen(pieces: Iterator[bytes], sink: HashSink) -> Iterator[bytes]:
    for piece in pieces:
        sink.update(piece)
        yield piece


class _Source:
    """Compressed bytes, of which some may be given back: what a library was fed beyond the end of its part."""

    def __init__(self, raw: Iterator[bytes]) -> None:
        self._raw = raw
        self._data = b""
        self._start = 0

    def fill(self, size: int) -> bytes:
        """Have `size` bytes at hand, or fewer at the end; returns the first four of them without taking them."""
        while len(self._data) - self._start < size and (more := next(self._raw, b"")):
            self._data = self._data[self._start :] + more
            self._start = 0
        return self._data[self._start : self._start + 4]

    def take(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        if self._start == len(self._data):
            self._data, self._start = next(self._raw, b""), 0
        data = self._data[self._start : self._start + size]
        self._start += len(data)
        return data

    def give_back(self, size: int) -> None:
        """Have the last `size` bytes, at most those of one `take`, come again."""
        self._start -= size


def _gunzip(source: _Source) -> Iterator[bytes]:
    try:
        while head := source.fill(_MEMBER_HEAD):
            if not head.startswith(_GZIP):
                raise ImageError("something that is not gzip follows the gzip data")
            yield from _member(source)
    except _errors as error:
        raise ImageError(f"the gzip data is damaged ({error})") from error


def _member(source: _Source) -> Iterator[bytes]:
    member = new_inflater()
    data = source.take(_MEMBER_HEAD)
    while True:
        if plain := member.decompress(data, _PLAIN):
            yield plain
        if member.eof:
            break
        data = source.take(CHUNK) if member.needs_input else b""
        if member.needs_input and not data:
            raise ImageError("the gzip data is cut off before its end")
    source.give_back(len(member.unused_data))


def _unzstd(source: _Source, limits: Limits) -> Iterator[bytes]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=limits.zstd_window)
    try:
        while head := source.fill(8):
            if int.from_bytes(head, "little") in _SKIPPABLE:
                _skip(source)
            else:
                yield from _frame(source, decompressor.decompressobj())
    except zstandard.ZstdError as error:
        raise ImageError(f"the zstd data is damaged ({error})") from error


def _frame(source: _Source, frame: zstandard.ZstdDecompressionObj) -> Iterator[bytes]:
    while not frame.eof:
        data = source.take(_ZSTD_PIECE)
        if not data:
            raise ImageError("the zstd data is cut off before its end")
        plain = frame.decompress(data)
        for start in range(0, len(plain), _PLAIN):
            yield plain[start : start + _PLAIN]
    source.give_back(len(frame.unused_data))


def _skip(source: _Source) -> None:
    """Pass over a skippable frame, whose size stands in its second four bytes."""
    head = source.take(8)
    left = int.from_bytes(head[4:], "little") if len(head) == 8 else 1
    while left:
        data = source.take(min(left, CHUNK))
        if not data:
            raise ImageError("the zstd data is cut off before its end")
        left -= len(data)
