"""The JSON of a table of contents, an entry at a time: it may have hundreds of thousands of them.

The form is that of stargz (containerd's estargz.md, "TOC and TOCEntries"), which zstd:chunked has taken over. Readers
of it differ about equal keys and about the case of keys, so that both are errors here.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping

from driftscan.errors import ImageError
from driftscan.image.limits import Limits
from driftscan.strictjson import no_constant, unique

_KEYS = frozenset(
    (
        *("name", "type", "size", "modtime", "accesstime", "changetime", "linkName", "mode", "uid", "gid"),
        *("userName", "groupName", "devMajor", "devMinor", "xattrs", "digest", "offset", "endOffset", "innerOffset"),
        *("chunkSize", "chunkOffset", "chunkDigest", "chunkType"),
    )
)
_TOP = frozenset(("version", "entries", "tarSplitDigest"))
_FOLDED = {key.casefold(): key for key in _KEYS | _TOP}
_SPACE = re.compile(rb"[ \t\n\r]*")
_USUAL = 1 << 11
"""Bytes that nearly every entry fits in."""
_VERSION = 1


def toc_entries(data: bytes, limits: Limits) -> Iterator[Mapping[str, object]]:
    """The entries in their order.

    Raises ImageError where the document is damaged or of another version, at its place: only who takes all entries
    knows that there is none. What one of them takes is held to the limit `header`.
    """
    reader = _Reader(data, limits)
    seen: set[str] = set()
    for key in reader.members():
        if key in seen:
            raise reader.error(f"it has the key {key[:40]!r} twice")
        seen.add(key)
        _check_case(key, _TOP)
        if key == "entries":
            yield from _entries(reader)
        elif reader.value() != _VERSION and key == "version":
            raise ImageError(f"its version is not {_VERSION}")
    reader.finish()
    if "version" not in seen:
        raise ImageError("it has no version")


def _entries(reader: _Reader) -> Iterator[Mapping[str, object]]:
    for entry in reader.items():
        if not isinstance(entry, dict):
            raise reader.error("an entry is no object")
        for key in entry.keys() - _KEYS:
            _check_case(key, _KEYS)
        yield entry


def _check_case(key: str, known: frozenset[str]) -> None:
    if key not in known and _FOLDED.get(key.casefold()) in known:
        raise ImageError(f"it has the key {key[:40]!r}, which some take for {_FOLDED[key.casefold()]!r}")


class _Reader:
    """JSON values one after the other. `position` is in bytes."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.data = data
        self.position = 0
        self._limits = limits
        self._decoder = json.JSONDecoder(object_pairs_hook=unique, parse_constant=no_constant)

    def members(self) -> Iterator[str]:
        """The keys of an object, whose values are to be taken in between."""
        self._expect(b"{")
        if self._accept(b"}"):
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise self.error("a key is no text")
            self._expect(b":")
            yield key
            if not self._accept(b","):
                break
        self._expect(b"}")

    def items(self) -> Iterator[object]:
        """The values of an array; none of null, as which Go writes an empty one."""
        if self._accept(b"null"):
            return
        self._expect(b"[")
        if self._accept(b"]"):
            return
        while True:
            yield self.value()
            if not self._accept(b","):
                break
        self._expect(b"]")

    def value(self) -> object:
        """The next value; it is small, or the limit `header` is passed."""
        self._skip_space()
        try:
            try:
                return self._decoded(_USUAL)
            except ValueError:
                return self._decoded(self._limits.header)
        except RecursionError as error:
            raise self.error("it is nested too deeply") from error
        except ValueError as error:
            if len(self.data) - self.position > self._limits.header:
                raise self.error("it is no JSON, or an entry passes the limit `header`") from error
            raise self.error("it is no JSON") from error

    def finish(self) -> None:
        self._skip_space()
        if self.position < len(self.data):
            raise self.error("something follows it")

    def error(self, message: str) -> ImageError:
        return ImageError(f"{message} (at byte {self.position:,})")

    def _decoded(self, size: int) -> object:
        # Whatever is cut off at the end of these bytes is no whole value, and an error.
        text, _ = codecs.utf_8_decode(self.data[self.position : self.position + size], "strict", False)
        value, end = self._decoder.raw_decode(text)
        self.position += end if text.isascii() else len(text[:end].encode())
        return value

    def _accept(self, mark: bytes) -> bool:
        """Whether `mark` comes next; it is taken then."""
        self._skip_space()
        found = self.data.startswith(mark, self.position)
        self.position += len(mark) if found else 0
        return found

    def _expect(self, mark: bytes) -> None:
        if not self._accept(mark):
            raise self.error(f"{mark.decode()!r} is missing")

    def _skip_space(self) -> None:
        self.position = _SPACE.match(self.data, self.position).end()  # type: ignore[union-attr]  # it always matches
