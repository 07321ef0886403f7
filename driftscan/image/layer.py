"""One layer's tar stream to its index."""

from __future__ import annotations

from collections.abc import Iterator

from driftscan.image.buffer import Buffer
from driftscan.image.entries import Kept, LayerEntries, read_body
from driftscan.image.limits import Limits
from driftscan.image.tarheader import Header, Headers
from driftscan.model.image import Keep, LayerIndex, Wants


def read_layer(pieces: Iterator[bytes], wants: Wants, limits: Limits) -> LayerIndex:
    """Read an uncompressed layer to the very end of `pieces`.

    Raises ImageError for what a container runtime would reject, LimitError where a limit is passed.
    """
    buffer = Buffer(pieces)
    index = LayerEntries(_Bodies(buffer, limits), wants, limits).index(_headers(buffer, limits))
    buffer.drain()
    return index


def _headers(buffer: Buffer, limits: Limits) -> Iterator[Header]:
    """The headers of an archive, if each body is read or passed over before the next one is asked for."""
    headers = Headers(buffer, limits)
    while (header := headers.next()) is not None:
        yield header
        buffer.skip_padding(header.size)


class _Bodies:
    """Those that follow their headers."""

    def __init__(self, buffer: Buffer, limits: Limits) -> None:
        self.skip = buffer.skip
        self._buffer = buffer
        self._limits = limits

    def read(self, header: Header, keep: Keep) -> Kept:
        return read_body(self._buffer, header.size, keep, self._limits)
