"""Where results go: stdout in the way it can show them, and files."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TextIO

import click

from driftscan.errors import UsageError
from driftscan.report.escape import plain
from driftscan.report.view import View

_WIDTH = 100
"""Columns where nobody can say how many there are: not on a terminal, or in a file."""
_WIDEST = 120


def colored(stream: TextIO) -> bool:
    """Whether to use colour: NO_COLOR (no-color.org) over FORCE_COLOR over what the stream is."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def view(*, verbose: bool) -> View:
    """How stdout shows text."""
    width = min(shutil.get_terminal_size((_WIDTH, 24)).columns, _WIDEST) if sys.stdout.isatty() else _WIDTH
    return View(width=width, color=colored(sys.stdout), unicode=_speaks_unicode(sys.stdout), verbose=verbose)


def file_view(*, verbose: bool) -> View:
    return View(width=_WIDTH, verbose=verbose)


def _speaks_unicode(stream: TextIO) -> bool:
    try:
        "·…".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def show(text: str) -> None:
    """Write to stdout at once; a character it cannot encode becomes an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def hint(text: str) -> None:
    """A word on stderr beside the result."""
    sys.stderr.write(f"{click.style('hint', fg='cyan') if colored(sys.stderr) else 'hint'}: {plain(text)}\n")


def note(text: str) -> None:
    """What a user should know of a result that stands elsewhere, on stderr."""
    sys.stderr.write(f"{plain(text)}\n")


def replace(text: str, path: str) -> None:
    """Write a file as a whole or not at all: who reads it meanwhile sees the old one, and so does a full disk."""
    place = Path(path)
    try:
        with NamedTemporaryFile(
            "w", encoding="utf-8", dir=place.parent, prefix=f".{place.name}.", delete=False
        ) as file:
            kept = Path(file.name)
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                kept.chmod(_mode(place))
                kept.replace(place)
            except BaseException:
                kept.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UsageError(f"the result cannot be written: {error.strerror}", where=path) from error


def _mode(place: Path) -> int:
    """The permissions of the file that is replaced, or those that a new file gets."""
    if place.exists():
        return place.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def save(text: str, path: str) -> None:
    """Write a result to a file, as UTF-8."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the result cannot be written: {error.strerror}", where=path) from error
