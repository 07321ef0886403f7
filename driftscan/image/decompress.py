"""Layer blobs to plain tar bytes: gzip of one or more members (RFC 1952), zstd frames (RFC 8878), or as they are.

The format is told by the first bytes, as container runtimes do, not by a media type. Everything is read to the end:
a damaged trailer or anything behind the last member is an error, since a shorter layer must never look complete.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from driftscan.errors import ImageError
from driftscan.image.limits import Limits

if TYPE_CHECKING:
    import zstandard

fast_zlib: ModuleType
try:
    fast_zlib = import_module("isal.isal_zlib")
except ImportError:  # isal has no wheels for this platform
    fast_zlib = zlib

_ERRORS: tuple[type[Exception], ...] = (zlib.error, fast_zlib.error)
CHUNK = 1 << 17
"""Bytes read at a time: small pieces stay in the processor's cache from one step to the next."""
_PLAIN = 1 << 19
"""Bytes inflated at a time, which also keeps a bomb from inflating a whole piece at once."""
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_ZSTD_PIECE = 1 << 11
"""What goes into the zstd library at once: it expands that whole, and a bomb 32,000 times."""
_AUTO_GZIP = 31
"""Window bits that make zlib read a gzip header and check the trailer."""


class Stream(Protocol):
    """What is read here: a file, a socket, a member of an archive."""

    def read(self, size: int, /) -> bytes: ...


class HashSink(Protocol):
    """Takes the bytes of a blob as they come in."""

    def update(self, data: bytes, /) -> object: ...


def chunks(stream: Stream, seen: HashSink, limits: Limits) -> Iterator[bytes]:
    """Plain bytes of `stream`, in pieces of up to half a MiB; each compressed byte goes through `seen`.

    Raises ImageError where the compressed data is damaged, cut off, or followed by something else.
    """
    raw = _raw(stream, seen)
    head = next(raw, b"")
    while len(head) < 4 and (more := next(raw, b"")):
        head += more
    if head.startswith(_GZIP):
        yield from _gunzip(head, raw)
    elif head.startswith(_ZSTD) or int.from_bytes(head[:4], "little") in _SKIPPABLE:
        yield from _unzstd(head, raw, limits)
    else:
        yield head
        yield from raw


def _raw(stream: Stream, seen: HashSink) -> Iterator[bytes]:
    while data := stream.read(CHUNK):
        seen.update(data)
        yield data


def _gunzip(data: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
    member = fast_zlib.decompressobj(wbits=_AUTO_GZIP)
    try:
        while True:
            plain = member.decompress(data, _PLAIN)
            if plain:
                yield plain
            data = member.unused_data if member.eof else member.unconsumed_tail
            if not data and (member.eof or not plain or len(plain) < _PLAIN):
                data = next(raw, b"")
                if not data:
                    break
            if member.eof:
                data = _next_member(data, raw)
                member = fast_zlib.decompressobj(wbits=_AUTO_GZIP)
    except _ERRORS as error:
        raise ImageError(f"the gzip data is damaged ({error})") from error
    if not member.eof:
        raise ImageError("the gzip data is cut off before its end")


def _next_member(data: bytes, raw: Iterator[bytes]) -> bytes:
    while len(data) < len(_GZIP) and (more := next(raw, b"")):
        data += more
    if not data.startswith(_GZIP):
        raise ImageError("something that is not gzip follows the gzip data")
    return data


def _unzstd(data: bytes, raw: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=limits.zstd_window)
    try:
        while data:
            while len(data) < 8 and (more := next(raw, b"")):
                data += more
            if int.from_bytes(data[:4], "little") in _SKIPPABLE:
                data = _skip(data, raw)
                continue
            data = yield from _frame(decompressor.decompressobj(), data, raw)
    except zstandard.ZstdError as error:
        raise ImageError(f"the zstd data is damaged ({error})") from error


def _frame(frame: zstandard.ZstdDecompressionObj, data: bytes, raw: Iterator[bytes]) -> Generator[bytes, None, bytes]:
    """The content of one frame that begins with `data`; returns what follows it."""
    while True:
        for start in range(0, len(data), _ZSTD_PIECE):
            plain = frame.decompress(data[start : start + _ZSTD_PIECE])
            for offset in range(0, len(plain), _PLAIN):
                yield plain[offset : offset + _PLAIN]
            if frame.eof:
                return frame.unused_data + data[start + _ZSTD_PIECE :] or next(raw, b"")
        data = next(raw, b"")
        if not data:
            raise ImageError("the zstd data is cut off before its end")


def _skip(data: bytes, raw: Iterator[bytes]) -> bytes:
    """What follows a skippable frame, whose size stands in its second four bytes."""
    if len(data) < 8:
        raise ImageError("the zstd data is cut off before its end")
    left = 8 + int.from_bytes(data[4:8], "little")
    while left > len(data):
        left -= len(data)
        data = next(raw, b"")
        if not data:
            raise ImageError("the zstd data is cut off before its end")
    return data[left:] or next(raw, b"")
