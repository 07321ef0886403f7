"""Strings that compilers and headers leave in an extension module, found while the file streams by."""

from __future__ import annotations

import re

_LOADED = re.compile(
    rb"numpy\.(?:_core|core)\.(?:_multiarray_umath|multiarray)(?![\w.])"
    rb"|NumPy C-API version 0x%x \(NumPy \d{1,2}\.\d{1,3}"
)
_LOADED_HINTS = (b"multiarray", b"NumPy C-API version 0x")
_UNLOADED = re.compile(
    rb"-m(?:arch|cpu)=[\w.+-]{1,40}"
    rb"|GCC: \((?:Debian|Ubuntu|Raspbian|Alpine|SUSE Linux)(?![\w])"
)
_UNLOADED_HINTS = (b"-march=", b"-mcpu=", b"GCC: (")
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
        hints, pattern = (_LOADED_HINTS, _LOADED) if loaded else (_UNLOADED_HINTS, _UNLOADED)
        if len(self._found) < _MOST:
            seam = self._tails[loaded] + piece[:_OVERLAP]
            for data in (seam, piece) if len(piece) > _OVERLAP else (seam,):
                if any(hint in data for hint in hints):
                    # What ends with a part may go on behind it, where it is found again.
                    self._found.update((match[0], None) for match in pattern.finditer(data) if match.end() < len(data))
        self._tails[loaded] = (self._tails[loaded] + piece[-_OVERLAP:])[-_OVERLAP:]

    def found(self) -> tuple[str, ...]:
        """The strings, sorted; at most 64, and no ordinary module has more than five."""
        return tuple(sorted(text.decode("ascii") for text in list(self._found)[:_MOST]))
