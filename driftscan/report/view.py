"""Text for people: styled words, wrapped to a width without ever breaking one of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from driftscan.report.escape import plain


class Style(StrEnum):
    """SGR parameters (ECMA-48, 8.3.117)."""

    NONE = ""
    STRONG = "1"
    FAINT = "2"
    BAD = "1;31"
    DOUBTFUL = "1;33"
    GOOD = "1;32"
    NOTE = "36"


class Span(NamedTuple):
    """Text in one style. It is untrusted: it is made harmless when it is laid out."""

    text: str
    style: Style = Style.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Where text is shown: columns, colour, more than ASCII, and everything instead of one screen.

    `folder` is the current folder, which paths of locks start from, and `root` the top of its repository; both are
    absolute, and empty where nobody knows them.
    """

    width: int = 100
    color: bool = False
    unicode: bool = True
    verbose: bool = False
    folder: str = ""
    root: str = ""

    @property
    def separator(self) -> str:
        return "·" if self.unicode else "|"

    @property
    def ellipsis(self) -> str:
        return "…" if self.unicode else "..."

    def paint(self, text: str, style: Style) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.color and style and text else text


def columns(text: str) -> int:
    """Columns that `text` takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(spans: Iterable[Span], view: View, *, first: str = "", rest: str = "", most: int | None = None) -> list[str]:
    """Lines of at most `view.width` columns, the first one indented by `first`, the others by `rest`.

    A word that is longer than a line stays whole, so that paths can be copied. Of more than `most` lines the rest is
    left out, with an ellipsis.
    """
    lines: list[list[Span]] = [[]]
    left = view.width - columns(first)
    for word in _words(spans):
        size = columns(word.text)
        if lines[-1] and size + 1 > left:
            lines.append([])
            left = view.width - columns(rest)
        left -= size + (1 if lines[-1] else 0)
        lines[-1].append(word)
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], [*lines[most - 1], Span(view.ellipsis, Style.FAINT)]]
    return [(rest if index else first) + _painted(line, view) for index, line in enumerate(lines)]


def _words(spans: Iterable[Span]) -> Iterator[Span]:
    for text, style in spans:
        yield from (Span(word, style) for word in plain(text).split(" ") if word)


def _painted(words: Sequence[Span], view: View) -> str:
    """Neighbours of one style are painted together."""
    runs: list[Span] = []
    for word in words:
        if runs and runs[-1].style is word.style:
            runs[-1] = Span(f"{runs[-1].text} {word.text}", word.style)
        else:
            runs.append(word)
    return " ".join(view.paint(*run) for run in runs)


def joined(items: Iterable[str], view: View) -> list[str]:
    """`items` in a row with separators between them, wrapped between items only where that is possible."""
    lines: list[str] = []
    for item in map(plain, items):
        candidate = f"{lines[-1]} {view.separator} {item}" if lines else item
        if lines and columns(candidate) <= view.width:
            lines[-1] = candidate
        else:
            lines += wrap([Span(item)], view)
    return lines


def table(header: Sequence[str], rows: Sequence[Sequence[str]], view: View) -> list[str]:
    """Rows under a header in aligned columns, indented by two; only the last column is wrapped, to two lines."""
    cells = [[plain(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)][:-1]
    lines: list[str] = []
    for index, row in enumerate(cells):
        lead = "  " + "".join(cell + " " * (size - columns(cell) + 2) for cell, size in zip(row, widths, strict=False))
        style = Style.NONE if index else Style.FAINT
        hang = " " * min(columns(lead), view.width // 2)
        lines += wrap([Span(row[-1])], view, first=lead, rest=hang, most=None if view.verbose else 2)
        lines[-1:] = [view.paint(lines[-1].rstrip(), style)]
    return lines
