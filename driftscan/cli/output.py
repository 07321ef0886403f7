"""Where results go: stdout in the way it can show them, and files."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path
from typing import TextIO

import click

from driftscan.errors import UsageError
from driftscan.report.escape import plain
from driftscan.report.view import View

STDOUT = "-"
_WIDTH = 100
"""Columns where nobody can say how many there are: not on a terminal, or in a file."""
_WIDEST = 120
_CHECKOUTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Where runners of GitHub and GitLab say which folder is the repository's."""
SUMMARY_LIMIT = 1024 * 1024
"""Bytes that GitHub takes of the summary of a step; of one with more it shows nothing."""


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
    return dataclasses.replace(
        file_view(verbose=verbose), width=width, color=colored(sys.stdout), unicode=_speaks_unicode(sys.stdout)
    )


def file_view(*, verbose: bool) -> View:
    folder = Path.cwd()
    return View(width=_WIDTH, verbose=verbose, folder=folder.as_posix(), root=_repository(folder).as_posix())


def _repository(folder: Path) -> Path:
    """The top of the repository that `folder` is in: as the CI runner says, else where `.git` is, else itself."""
    for variable in _CHECKOUTS:
        if (top := os.environ.get(variable)) and folder.is_relative_to(top):
            return Path(top)
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def _speaks_unicode(stream: TextIO) -> bool:
    try:
        "·…".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def show(text: str) -> None:
    """Write to stdout at once; a character it cannot encode becomes an escape."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"the result cannot be written: {error.strerror}") from error


def hint(text: str) -> None:
    """A word on stderr beside the result."""
    sys.stderr.write(f"{click.style('hint', fg='cyan') if colored(sys.stderr) else 'hint'}: {plain(text)}\n")


def note(text: str) -> None:
    """What a user should know of a result that stands elsewhere, on stderr."""
    sys.stderr.write(f"{plain(text)}\n")


def replace(text: str, path: str) -> None:
    """Write a file as a whole or not at all: who reads it meanwhile sees the old one, and so does a full disk.

    A symlink keeps leading to the file that is replaced.
    """
    from tempfile import NamedTemporaryFile

    place = Path(path).resolve()
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


def check_folder(path: str) -> None:
    """UsageError where a result could not be written to `path` after all the work for want of the folder."""
    if path != STDOUT and not Path(path).parent.is_dir():
        raise UsageError(f"there is no folder {Path(path).parent}")


def save(text: str, path: str) -> None:
    """Write a result to a file, as UTF-8; a pipe or a device gets it as it is, and so does what stdout leads to."""
    place = Path(path)
    if not place.is_relative_to("/dev") and (place.is_file() or not place.exists()):
        replace(text, path)
        return
    try:
        place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the result cannot be written: {error.strerror}", where=path) from error


def step_summary(text: str) -> None:
    """Add to the summary of the running step of GitHub Actions, where there is one and it has room."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    written = text.encode()
    try:
        with Path(path).open("ab") as file:
            if file.tell() + len(written) > SUMMARY_LIMIT:
                note("the summary of this step is full, and the report is not in it")
                return
            file.write(written)
    except OSError as error:
        raise UsageError(f"the step summary cannot be written: {error.strerror}", where=path) from error
