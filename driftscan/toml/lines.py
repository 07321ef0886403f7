"""Where things stand in a TOML document (toml.io, v1.0.0); tomllib keeps no positions."""

from __future__ import annotations

import re
import tomllib
from typing import TypeAlias

Path: TypeAlias = "tuple[str | int, ...]"
"""Keys and positions in arrays, from the top of the document."""

_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PART = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_STRING = re.compile(
    r"""
    "{3}(?:[^"\\]|\\.|"(?!""))*"{3,5}
    | '{3}(?:[^']|'(?!''))*'{3,5}
    | "(?:[^"\\\n]|\\.)*"
    | '[^'\n]*'
    """,
    re.DOTALL | re.VERBOSE,
)
_PLAIN = re.compile(r"[^,\]}\n#]*")


def lines(text: str) -> dict[Path, int]:
    """1-based lines of all tables, keys and elements of arrays of `text`, which has to be valid TOML."""
    return _Reader(text).read()


class _Reader:
    """One pass over a document that tomllib accepts; what it would refuse is not looked for again."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._found: dict[Path, int] = {}
        self._sizes: dict[Path, int] = {}

    def read(self) -> dict[Path, int]:
        table: Path = ()
        while self._next():
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _next(self) -> bool:
        """Go to the next thing that is neither blank nor a comment; False at the end."""
        self._take(_GAP)
        return self._at < len(self._text)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"no TOML at offset {self._at}")
        self._at = match.end()
        return match[0]

    def _mark(self, path: Path) -> None:
        """Remember that `path` begins here; the first place counts."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        self._found.setdefault(path, self._line)

    def _key(self) -> tuple[str, ...]:
        """A dotted key, and the blanks around it."""
        parts: list[str] = []
        while True:
            self._take(_BLANK)
            part = self._take(_PART)
            parts.append(tomllib.loads(f"part = {part}")["part"] if part[0] in "\"'" else part)
            self._take(_BLANK)
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _header(self) -> Path:
        begin = self._at
        is_array = self._text.startswith("[[", begin)
        self._at += 2 if is_array else 1
        *parents, name = self._key()
        end = self._at + (2 if is_array else 1)
        path = (*self._within((), parents), name)
        if is_array:
            self._sizes[path] = self._sizes.get(path, 0) + 1
        path = self._within(path[:-1], [name])
        self._at = begin
        self._mark(path)
        self._at = end
        return path

    def _within(self, table: Path, keys: list[str]) -> Path:
        """`keys` below `table`; of an array of tables its last element so far."""
        for key in keys:
            table = (*table, key)
            if table in self._sizes:
                table = (*table, self._sizes[table] - 1)
        return table

    def _pair(self, table: Path) -> None:
        begin = self._at
        path = (*table, *self._key())
        self._at, end = begin, self._at
        for size in range(len(table) + 1, len(path) + 1):
            self._mark(path[:size])
        self._at = end + 1  # past the equals sign
        self._take(_BLANK)
        self._value(path)

    def _value(self, path: Path) -> None:
        match self._text[self._at]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._take(_STRING)
            case _:
                self._take(_PLAIN)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._next() and not self._text.startswith("]", self._at):
            if self._text.startswith(",", self._at):
                self._at += 1
                continue
            self._mark((*path, index))
            self._value((*path, index))
            index += 1
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while self._next() and not self._text.startswith("}", self._at):
            if self._text.startswith(",", self._at):
                self._at += 1
            else:
                self._pair(path)
        self._at += 1
