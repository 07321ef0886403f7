"""A blob of a registry as one stream, whatever happens to the connections that bring it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Self, TypeAlias

from driftscan.errors import ImageError, NotFoundError, UnreachableError
from driftscan.image.manifest import Descriptor
from driftscan.image.patience import BrokenOffError, Effort
from driftscan.image.source import UndividedError
from driftscan.image.transport import Answer

Get: TypeAlias = Callable[[dict[str, str], Effort], AbstractContextManager[Answer]]
"""Asks for the blob with some headers."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PIECE = 1 << 20
_FOREIGN = ("nondistributable", "foreign")
_MISSING = 404
_WHOLE = 200
_PARTIAL = 206
_NO_SUCH_RANGE = 416


class Download:
    """A blob as a stream of exactly its promised size; use it as a context manager.

    A connection that breaks is resumed where it broke, with a Range request (RFC 9110 14). Where the registry does not
    know ranges or answers with another one, the blob is asked for from its start, and what was read before is passed
    over. All of that ends where `effort` does. Whoever reads has to verify the digest of the whole.
    """

    def __init__(self, get: Get, descriptor: Descriptor, effort: Effort, where: str) -> None:
        self._get = get
        self._descriptor = descriptor
        self._effort = effort
        self._where = where
        self._start = 0
        self._offset = 0
        self._end = descriptor.size
        self._knows_ranges = True
        self._connection = ExitStack()
        self._answer: Answer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; empty at the end. Raises UnreachableError where the connection breaks too often."""
        while self._offset < self._end:
            try:
                if self._answer is None:
                    self._answer = self._connect()
                data = self._answer.read_some(min(size, self._end - self._offset))
                if not data:
                    raise BrokenOffError("the registry sent less than the blob's size")
            except BrokenOffError as error:
                self._break_off(error)
            except UnreachableError as error:
                if self._offset == self._start:
                    raise
                # It was there before.
                self._break_off(error)
            else:
                self._offset += len(data)
                self._effort.get(len(data))
                return data
        return b""

    def _break_off(self, error: UnreachableError) -> None:
        self._connection.close()
        self._answer = None
        error.where = self._where
        of_all = f"{self._offset - self._start:,} of {self._end - self._start:,} bytes"
        self._effort.fail(error, f"the download ended at {of_all}")

    def _connect(self) -> Answer:
        headers = {"Range": f"bytes={self._offset}-"} if self._offset and self._knows_ranges else {}
        answer = self._connection.enter_context(self._get(headers, self._effort))
        if answer.status == _MISSING:
            raise self._missing()
        if answer.status == _PARTIAL and headers:
            self._check_range(answer)
        elif answer.status == _WHOLE:
            self._check_length(answer)
            self._skip(answer)
        elif headers and answer.status == _NO_SUCH_RANGE:
            self._knows_ranges = False
            raise BrokenOffError(f"asked to go on at byte {self._offset}, the registry says it has no such range")
        else:
            raise ImageError(f"the registry answered {answer.status}", where=self._where)
        return answer

    def _skip(self, answer: Answer) -> None:
        """Pass over what was read before: the registry may not know ranges."""
        left = self._offset
        while left > 0:
            data = answer.read_some(min(left, _PIECE))
            if not data:
                raise BrokenOffError("the registry sent less than before")
            left -= len(data)

    def _check_range(self, answer: Answer) -> None:
        value = answer.header("Content-Range") or ""
        sent = _CONTENT_RANGE.fullmatch(value[:100])
        total = ("*", str(self._descriptor.size))
        if sent and int(sent[1]) == self._offset and int(sent[2]) == self._end - 1 and sent[3] in total:
            return
        self._knows_ranges = False
        raise BrokenOffError(f"asked to go on at byte {self._offset}, the registry sent the range {value[:100]!r}")

    def _check_length(self, answer: Answer) -> None:
        """What is announced has to be the blob: a lower number would look like a broken connection again and again."""
        self._announced(answer, self._descriptor.size, "the manifest says")

    def _announced(self, answer: Answer, size: int, whose: str) -> None:
        announced = answer.header("Content-Length")
        if announced is None or announced == str(size):
            return
        message = f"the registry announces {announced[:40]} bytes, {whose} {size}"
        if encoding := answer.header("Content-Encoding"):
            message = f"the registry sends it with the encoding {encoding[:40]!r}, which was declined"
        raise ImageError(message, where=self._where)

    def _missing(self) -> ImageError:
        if any(mark in self._descriptor.media_type for mark in _FOREIGN):
            return ImageError(
                "the layer is kept outside of the registry, and addresses that an image names are not followed",
                where=self._where,
            )
        return NotFoundError("the registry has no such blob", where=self._where)


class Part(Download):
    """The bytes of a blob from `start` up to `end`, as a stream.

    A registry that sends all of it, or says that there are no ranges, is an UndividedError: whoever wants the part
    decides whether the whole is worth it.
    """

    def __init__(self, get: Get, descriptor: Descriptor, effort: Effort, where: str, start: int, end: int) -> None:
        super().__init__(get, descriptor, effort, where)
        self._start = self._offset = start
        self._end = end

    def _connect(self) -> Answer:
        headers = {"Range": f"bytes={self._offset}-{self._end - 1}"}
        answer = self._connection.enter_context(self._get(headers, self._effort))
        if answer.status in (_WHOLE, _NO_SUCH_RANGE):
            raise UndividedError("the registry gives it as a whole only", where=self._where)
        if answer.status == _MISSING:
            raise self._missing()
        if answer.status != _PARTIAL:
            raise ImageError(f"the registry answered {answer.status}", where=self._where)
        self._check_range(answer)
        self._announced(answer, self._end - self._offset, "asked for were")
        return answer
