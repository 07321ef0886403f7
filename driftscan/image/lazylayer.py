"""A layer to its index by its table of contents, with no more of the blob than is wanted, as lazy pulling does.

The table is gone through twice: once to know which parts of the blob are needed, then to read these in their order, so
that neighbours are fetched together and nothing is held but the table. Compressed data has to lie in the table's order
and apart from each other, as it does in a stream that was written once.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from typing import Self

from driftscan.errors import ImageError
from driftscan.image.buffer import Buffer
from driftscan.image.decompress import Stream, inflated
from driftscan.image.entries import WHITEOUT, Kept, LayerEntries, normalised, read_body, shown
from driftscan.image.limits import KIB, Limits
from driftscan.image.pipeline import Room
from driftscan.image.source import OpenPart, Parts
from driftscan.image.tarheader import Header
from driftscan.image.toc import Chunk, Listed, listed
from driftscan.image.tocplace import Table, read_table
from driftscan.model.image import Keep, LayerIndex, Wants

_NEAR = 256 * KIB
"""Parts of the blob between which no more lies are fetched together: it costs less than to ask once more."""
_PIECE = 1 << 16
_ZEROS = bytes(_PIECE)
_SHARED = re.compile(rb"\.so(?:\.[^/]*)?$")


def read_layer_lazily(
    parts: Parts, wants: Wants, limits: Limits, inflate: Callable[[int], None], room: Room
) -> LayerIndex | None:
    """Read a layer by its table of contents; None where it has none at its place, and can only be read whole.

    `inflate` is told of the bytes that its files have, and ends the work by raising. The tables of all layers that are
    read at once share `room`. Raises UndividedError where its source gives no parts, ImageError where the table or what
    was fetched is not what was promised, LimitError where a limit is passed.
    """
    with ExitStack() as held:
        table = read_table(parts, limits, lambda size: held.enter_context(room.holding(size)))
        return _read_by(table, parts, wants, limits, inflate) if table is not None else None


def _read_by(table: Table, parts: Parts, wants: Wants, limits: Limits, inflate: Callable[[int], None]) -> LayerIndex:
    extents = _Extents(table, wants, limits)
    inflate(extents.size)
    with _Fetched(parts.open, extents.wanted, limits) as fetched:
        bodies = _Bodies(fetched, limits, inflate)
        index = LayerEntries(bodies, wants, limits).index(bodies.followed(listed(table.data, table.kind, limits)))
    return replace(index, by_table=True)


def _is_fetched(header: Header, keep: Keep) -> bool:
    """Whether the content of a file is needed: to keep it, or since it may be ELF, of which facts are taken."""
    return 0 < keep.limit >= header.size or header.mode & 0o111 != 0 or _SHARED.search(header.name) is not None


class _Extents:
    """Where the compressed data is that is needed: starts and ends, one after the other, in `wanted`.

    `size` is what all files have together. Raises ImageError where data overlaps, is out of order or out of the blob.
    """

    def __init__(self, table: Table, wants: Wants, limits: Limits) -> None:
        self.wanted = array("q")
        self.size = 0
        self._wants = wants
        self._limits = limits
        self._bound = table.end
        # Of the compressed data that came last: where it begins and ends, as far as that is known, what of its content
        # belongs to files so far, and whether any of these is wanted.
        self._start = 0
        self._end = 0
        self._taken = 0
        self._is_wanted = False
        for item in listed(table.data, table.kind, limits):
            try:
                self._add(item)
            except ImageError as error:
                error.where = error.where or f"entry {shown(item.header.name)}"
                raise
        self._close(self._bound)

    def _add(self, item: Listed) -> None:
        self.size += item.header.size
        self._limits.check("layer_size", self.size, "the layer, inflated,")
        is_wanted = bool(item.chunks) and self._needs(item.header)
        for chunk in item.chunks:
            self._place(chunk, is_wanted=is_wanted and not chunk.is_hole)
        if item.end is not None:
            if not self._start < item.end <= self._bound:
                raise ImageError("its content ends where it cannot")
            self._end = item.end

    def _needs(self, header: Header) -> bool:
        path = normalised(header.name, self._limits)
        if path.rpartition("/")[2].startswith(WHITEOUT):
            return False
        keep = self._wants(path, header.size)
        return keep is not None and _is_fetched(header, keep)

    def _place(self, chunk: Chunk, *, is_wanted: bool) -> None:
        self._limits.check("layer_size", chunk.inner + chunk.size, "the layer, inflated,")
        if chunk.offset >= self._bound:
            raise ImageError("a piece of it is not in the part of the blob that has files")
        if chunk.offset != self._start:
            if chunk.offset < max(self._start, self._end):
                raise ImageError("a piece of it overlaps another or stands before it")
            self._close(chunk.offset)
            self._start, self._end, self._taken, self._is_wanted = chunk.offset, 0, 0, False
        elif chunk.inner < self._taken:
            raise ImageError("a piece of it overlaps another")
        self._taken = chunk.inner + chunk.size
        self._is_wanted = self._is_wanted or is_wanted

    def _close(self, following: int) -> None:
        """Note the compressed data that came last; what follows it begins there."""
        if self._is_wanted:
            self.wanted.extend((self._start, self._end or following))


class _Fetched:
    """What is fetched of a blob, part after part; use it as a context manager."""

    def __init__(self, opener: OpenPart, extents: array[int], limits: Limits) -> None:
        self._open = opener
        self._extents = extents
        self._limits = limits
        self._next = 0
        self._connection = ExitStack()
        self._stream: Stream | None = None
        self._position = 0
        self._range_end = 0
        self._extent_end = 0
        self._offset = 0
        self._plain = Buffer(iter(()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def pieces(self, chunk: Chunk) -> Iterator[bytes]:
        """The content of a piece of a file; pieces that need fetching have to come in their order."""
        if chunk.is_hole:
            yield from (_ZEROS[: chunk.size - start] for start in range(0, chunk.size, _PIECE))
            return
        if chunk.offset != self._offset:
            self._advance()
            self._offset = chunk.offset
            self._plain = Buffer(inflated(self, self._limits))
        for _ in self._taken(chunk.inner - self._plain.position):
            pass
        yield from self._taken(chunk.size)

    def read(self, size: int, /) -> bytes:
        """Compressed data, no further than to where the next one may begin."""
        left = self._extent_end - self._position
        if self._stream is None or left <= 0:
            return b""
        data = self._stream.read(min(size, left))
        self._position += len(data)
        return data

    def _taken(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self._plain.take_at_most(min(size, _PIECE))
            if not piece:
                raise ImageError("its compressed data ends too soon")
            size -= len(piece)
            yield piece

    def _advance(self) -> None:
        """Go to where the next compressed data begins."""
        start, self._extent_end = self._extents[self._next], self._extents[self._next + 1]
        if self._stream is not None:
            # It was asked for, and a connection is used again once all of its answer was read.
            self._pass_over(min(start, self._range_end))
        if start >= self._range_end:
            self._range_end = self._joined()
            self._connection.close()
            self._stream = self._connection.enter_context(self._open(start, self._range_end))
            self._position = start
        self._next += 2

    def _pass_over(self, end: int) -> None:
        while self._stream is not None and self._position < end:
            self._position += len(self._stream.read(min(end - self._position, _PIECE)))

    def _joined(self) -> int:
        """Where a part that begins with the next data ends: with data behind which there is little to fetch."""
        end = self._extents[self._next + 1]
        for at in range(self._next + 2, len(self._extents), 2):
            if self._extents[at] - end > _NEAR:
                break
            end = self._extents[at + 1]
        return end


class _Bodies:
    """The bodies of entries, of which some are fetched; of others the table tells the digest."""

    def __init__(self, fetched: _Fetched, limits: Limits, inflate: Callable[[int], None]) -> None:
        self._fetched = fetched
        self._limits = limits
        self._inflate = inflate
        self._item = Listed(Header(0, b"", b"", 0, 0, 0, sparse=False))

    def followed(self, items: Iterator[Listed]) -> Iterator[Header]:
        """The headers of `items`, if each body is read or passed over before the next one is asked for."""
        for self._item in items:
            yield self._item.header

    def skip(self, _: int) -> None:
        """Nothing of it comes by."""

    def read(self, header: Header, keep: Keep) -> Kept:
        digest = self._item.sha256
        if digest is None:
            raise ImageError("the table of contents has no digest of it")
        told = digest if keep.hashed else None
        if header.size and not _is_fetched(header, keep):
            return Kept(told, None, None)
        self._inflate(0)
        buffer = Buffer(self._verified(digest))
        kept = read_body(buffer, header.size, keep._replace(hashed=False), self._limits)
        # The digest is known at the end.
        buffer.drain()
        return kept._replace(sha256=told)

    def _verified(self, digest: str) -> Iterator[bytes]:
        whole = sha256()
        for chunk in self._item.chunks:
            own = sha256() if chunk.sha256 is not None and len(self._item.chunks) > 1 else None
            for piece in self._fetched.pieces(chunk):
                whole.update(piece)
                if own is not None:
                    own.update(piece)
                yield piece
            if own is not None and own.hexdigest() != chunk.sha256:
                raise ImageError("a piece of it does not have the digest that the table of contents says")
        if whole.hexdigest() != digest:
            raise ImageError("it does not have the digest that the table of contents says")
