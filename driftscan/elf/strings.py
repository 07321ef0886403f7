"""Strings that compilers and headers leave in an extension module, found while the file streams by."""

from __future__ import annotations

import re
from collections.abc import Iterable

from driftscan.elf.fragments import occurrences

_LOADED = re.compile(
    rb"numpy\.(?:_core|core)\.(?:_multiarray_umath|multiarray)(?![\w.])"
    rb"|NumPy C-API version 0x%x \(NumPy \d{1,2}\.\d{1,3}"
)
_LOADED_BEGINNINGS = (b"numpy.", b"NumPy C-API version 0x")
_UNLOADED = re.compile(
    rb"-m(?:arch|cpu)=[\w.+-]{1,40}"
    rb"|GCC: \((?:Debian|Ubuntu|Raspbian|Alpine|SUSE Linux)(?![\w])"
)
_UNLOADED_BEGINNINGS = (b"-march=", b"-mcpu=", b"GCC: (")
_OVERLAP = 96
"""Longer than any of the strings, so that none is missed where two pieces meet."""
_MOST = 64


class Strings:
    """Takes parts of a file piece by piece, and keeps the telling strings of them.

    What is loaded as data tells which NumPy a module was built for; what is not loaded at all (comments, debug
    information) tells whose compiler it was, where that is a distribution's own, and its options.
    """

    def __init__(self) -> None:
        self._tails = {True: b"", False: b""}
        self._found: dict[bytes, None] = {}

    def feed(self, piece: bytes, *, loaded: bool) -> None:
        """The next bytes of what is loaded, or of what is not."""
        beginnings, pattern = (_LOADED_BEGINNINGS, _LOADED) if loaded else (_UNLOADED_BEGINNINGS, _UNLOADED)
        seam = self._tails[loaded] + piece[:_OVERLAP]
        for data in (seam, piece) if len(piece) > _OVERLAP else (seam,):
            self._search(data, beginnings, pattern)
        self._tails[loaded] = (self._tails[loaded] + piece[-_OVERLAP:])[-_OVERLAP:]

    def _search(self, data: bytes, beginnings: Iterable[bytes], pattern: re.Pattern[bytes]) -> None:
        for beginning in beginnings:
            for at in occurrences(data, beginning):
                if len(self._found) >= _MOST:
                    return
                # What ends with a part may go on behind it, where it is found again.
                if (match := pattern.match(data, at)) is not None and match.end() < len(data):
                    self._found[match[0]] = None

    def found(self) -> tuple[str, ...]:
        """The strings, sorted; at most 64, and no ordinary module has more than five."""
        return tuple(sorted(text.decode("ascii") for text in list(self._found)[:_MOST]))
