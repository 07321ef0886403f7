"""Zip archives (APPNOTE 6.3.10) that can be read in one way only.

Some installers go by the directory at the end of a wheel, others from front to back. A wheel in which the two find
different files, or different bytes in one, is refused: nobody knows which of them was installed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

_HEADER = struct.Struct("<4s5H3L2H")
_SIGNATURE = b"PK\3\4"
_SIZES_FOLLOW = 0x8
_UTF_8 = 0x800
_IN_EXTRA = 0xFFFFFFFF
"""What stands in place of a size that the extra field holds (Zip64)."""
_MOST_EXTRA = 0xFFFF
_MOST_DESCRIPTOR = 24
_PIECE = 1 << 20


def check_places(archive: ZipFile, *, thoroughly: bool) -> None:
    """ValueError where something stands before, between or over the files that the directory lists.

    Only `thoroughly`, for which the header of each file is read, small things between files are seen too.
    """
    found = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    if found and found[0].header_offset:
        raise ValueError("something stands before its first file")
    following = [*(entry.header_offset for entry in found), archive.start_dir][1:]
    for entry, limit in zip(found, following, strict=True):
        if thoroughly:
            behind, most = limit - _content(archive, entry) - entry.compress_size, _MOST_DESCRIPTOR
        else:
            start = entry.header_offset + _HEADER.size + len(_name(entry))
            behind, most = limit - start - entry.compress_size, _MOST_EXTRA + _MOST_DESCRIPTOR
        if not 0 <= behind <= most:
            raise ValueError(f"its file {entry.filename[:80]} and what follows it do not fit together")


def pieces(archive: ZipFile, entry: ZipInfo) -> Iterator[bytes]:
    """The content of a file, which is held to what the directory and the file's own header say of it."""
    size = digest = 0
    for piece in _inflated(archive, entry):
        size, digest = size + len(piece), zlib.crc32(piece, digest)
        if size > entry.file_size:
            break
        yield piece
    if size != entry.file_size:
        raise ValueError(f"its file {entry.filename[:80]} has another size than its directory says")
    if digest != entry.CRC:
        raise BadZipFile(f"Bad CRC-32 for file {entry.filename!r}")


def read(archive: ZipFile, entry: ZipInfo, most: int) -> bytes:
    """The content of a file, or its first `most` bytes."""
    data = b""
    for piece in pieces(archive, entry):
        data += piece
        if len(data) >= most:
            break
    return data[:most]


def _inflated(archive: ZipFile, entry: ZipInfo) -> Iterator[bytes]:
    packed = _packed(archive, entry)
    if entry.compress_type == ZIP_STORED:
        yield from packed
        return
    if entry.compress_type != ZIP_DEFLATED:
        raise ValueError(f"its file {entry.filename[:80]} is packed as no wheel is (method {entry.compress_type})")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    for data in packed:
        rest = data
        while rest and not inflate.eof:
            yield inflate.decompress(rest, _PIECE)
            rest = inflate.unconsumed_tail
    yield inflate.flush()
    if not inflate.eof or inflate.unused_data:
        raise ValueError(f"the data of its file {entry.filename[:80]} do not end where its directory says")


def _packed(archive: ZipFile, entry: ZipInfo) -> Iterator[bytes]:
    file, at, left = _file(archive), _content(archive, entry), entry.compress_size
    while left:
        file.seek(at)
        data = file.read(min(left, _PIECE))
        if not data:
            raise EOFError
        at, left = at + len(data), left - len(data)
        yield data


def _content(archive: ZipFile, entry: ZipInfo) -> int:
    """Where the content of a file begins; ValueError where its own header says anything else than the directory."""
    file = _file(archive)
    file.seek(entry.header_offset)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(_SIGNATURE):
        raise ValueError(f"its file {entry.filename[:80]} is not where its directory says")
    _, _, flags, method, _, _, digest, packed, size, name, extra = _HEADER.unpack(header)
    agrees = file.read(name) == _name(entry) and method == entry.compress_type
    if not flags & _SIZES_FOLLOW:
        agrees = agrees and digest == entry.CRC
        agrees = agrees and packed in (entry.compress_size, _IN_EXTRA) and size in (entry.file_size, _IN_EXTRA)
    if not agrees:
        raise ValueError(f"the header of its file {entry.filename[:80]} and its directory say different things")
    lengths: int = name + extra
    return entry.header_offset + _HEADER.size + lengths


def _name(entry: ZipInfo) -> bytes:
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF_8 else "cp437")


def _file(archive: ZipFile) -> IO[bytes]:
    if archive.fp is None:
        raise ValueError("it was closed")
    return archive.fp
