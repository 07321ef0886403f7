"""Streams that come in pieces: a forward-only view of them, and pieces as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from driftscan.errors import ImageError

_BLOCK = 512
"""Bytes in which a tar archive is written."""


class Buffer:
    """Exact reads over an iterator of byte pieces; `position` counts the bytes that were taken."""

    __slots__ = ("_offset", "_piece", "_pieces", "position")

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._offset = 0
        self.position = 0

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes; ImageError where the stream ends before."""
        data = self.take_at_most(size)
        if len(data) < size:
            raise ImageError(f"the archive is cut off at byte {self.position}")
        return data

    def take_at_most(self, size: int) -> bytes:
        """`size` bytes, or fewer at the end of the stream."""
        end = self._offset + size
        if end <= len(self._piece):
            data = self._piece[self._offset : end]
            self._offset = end
            self.position += size
            return data
        return b"".join(self._parts(size))

    def peek(self, size: int) -> bytes:
        """The next few bytes, `size` or fewer at the end of the stream, which are not taken."""
        while len(self._piece) - self._offset < size:
            rest, self._piece = self._piece[self._offset :], next(self._pieces, b"")
            is_last = not self._piece
            self._piece, self._offset = rest + self._piece, 0
            if is_last:
                break
        return self._piece[self._offset : self._offset + size]

    def views(self, size: int) -> Sequence[memoryview] | Iterator[memoryview]:
        """The next `size` bytes as they come, without a copy; ImageError where the stream ends before."""
        start, end = self._offset, self._offset + size
        if end <= len(self._piece):
            self._offset = end
            self.position += size
            return (memoryview(self._piece)[start:end],)
        return self._views(size)

    def _views(self, size: int) -> Iterator[memoryview]:
        left = size
        for part in self._parts(size):
            left -= len(part)
            yield part
        if left:
            raise ImageError(f"the archive is cut off at byte {self.position}")

    def skip(self, size: int) -> None:
        """Pass over `size` bytes without copying them; ImageError where the stream ends before."""
        while size:
            there = len(self._piece) - self._offset
            step = min(size, there)
            self._offset += step
            self.position += step
            size -= step
            if size and not self._refill():
                raise ImageError(f"the archive is cut off at byte {self.position}")

    def skip_padding(self, size: int) -> None:
        """Pass over what fills up a body of `size` bytes to a whole block; the end of the stream may cut it off."""
        if size % _BLOCK:
            self.take_at_most(-size % _BLOCK)

    def drain(self) -> None:
        """Pass over everything to the end of the stream."""
        while True:
            self.position += len(self._piece) - self._offset
            if not self._refill():
                return

    def _parts(self, size: int) -> Iterator[memoryview]:
        while size:
            part = memoryview(self._piece)[self._offset : self._offset + size]
            if part:
                self._offset += len(part)
                self.position += len(part)
                size -= len(part)
                yield part
            elif not self._refill():
                return

    def _refill(self) -> bool:
        self._offset = 0
        self._piece = next(self._pieces, b"")
        return bool(self._piece)


class Pieces:
    """Pieces, none of which is empty, as a stream."""

    __slots__ = ("_piece", "_pieces")

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""

    def read(self, size: int, /) -> bytes:
        """The next bytes, `size` or fewer; none at the end."""
        piece = self._piece or next(self._pieces, b"")
        self._piece = piece[size:]
        return piece[:size]
