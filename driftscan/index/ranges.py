"""A remote file that is read in parts (RFC 9110 14), as far as somebody asks for them."""

from __future__ import annotations

import io
import re

from driftscan.errors import PackageIndexError
from driftscan.index.address import shown
from driftscan.index.transport import Answer, Web

_TAIL = 1 << 16
"""What is asked for first: the end of a wheel has its directory, and its metadata too where it was built well."""
_LEAST = 1 << 14
_REQUESTS = 24
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


class NoPartsError(PackageIndexError):
    """A server does not send parts of files, only the whole of them."""


class RemoteFile(io.RawIOBase):
    """The file at `url`; reading raises PackageIndexError where the server sends no parts, or too much is asked for."""

    def __init__(self, web: Web, url: str) -> None:
        self._web = web
        self._url = url
        self._at = 0
        self._requests = 0
        self._left = web.limits.parts
        self._parts: list[tuple[int, bytes]] = []
        self._size = self._fetch_tail()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("there is nothing before the beginning of a file")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        start = min(self._at, self._size)
        end = self._size if size is None or size < 0 else min(start + size, self._size)
        if start == end:
            return b""
        data = self._held(start, end) or self._fetch(start, end)
        self._at = end
        return data

    def _held(self, start: int, end: int) -> bytes | None:
        for first, data in self._parts:
            if first <= start and end <= first + len(data):
                return data[start - first : end - first]
        return None

    def _fetch(self, start: int, end: int) -> bytes:
        last = min(max(end, start + _LEAST), self._size) - 1
        answer = self._ask(f"bytes={start}-{last}", last + 1 - start)
        if _placed(answer) != (start, last, self._size):
            raise self._error("it sends another part of the file than was asked for")
        self._parts.append((start, answer.data))
        return answer.data[: end - start]

    def _fetch_tail(self) -> int:
        answer = self._ask(f"bytes=-{_TAIL}", _TAIL)
        if answer.status == 206:
            first, last, size = _placed(answer) or (0, 0, 0)
            if last + 1 != size or len(answer.data) != last + 1 - first:
                raise self._error("it sends another part of the file than was asked for")
            self._parts.append((first, answer.data))
            return size
        raise NoPartsError("it sends no parts of files", where=shown(self._url))

    def _ask(self, part: str, length: int) -> Answer:
        self._requests += 1
        self._left -= length
        if self._requests > _REQUESTS or self._left < 0:
            raise self._error("too much of it would have to be read")
        # Compressed, the parts would be those of something else.
        answer = self._web.get(self._url, {"Range": part, "Accept-Encoding": "identity"}, length)
        if answer.is_missing:
            raise self._error("there is no such file")
        return answer

    def _error(self, message: str) -> PackageIndexError:
        return PackageIndexError(message, where=shown(self._url))


def _placed(answer: Answer) -> tuple[int, int, int] | None:
    """First byte, last byte and size that a part says it has; None where that is not what came."""
    match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    if match is None:
        return None
    first, last, size = map(int, match.groups())
    return (first, last, size) if len(answer.data) == last + 1 - first and last < size else None
