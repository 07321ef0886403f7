"""Paths of this machine in references."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from driftscan.errors import ImageError, NotFoundError


def split_reference(rest: str) -> tuple[str, str | None]:
    """`PATH[:NAME]` to its parts. A path may hold colons itself: the longest part that exists is the path."""
    end = len(rest)
    while end > 0:
        if Path(rest[:end]).exists():
            return rest[:end], rest[end + 1 :] or None
        end = rest.rfind(":", 0, end)
    return rest, None


def home() -> Path:
    """The user's home folder; a path that does not exist where the user has none, as in many containers."""
    found = os.path.expanduser("~")  # noqa: PTH111 (without a home, Path.home raises)
    return Path(found if found.startswith("/") else "/nonexistent")


def existing(path: str, reference: str) -> Path:
    """The path, or NotFoundError."""
    found = Path(path)
    if not found.exists():
        raise NotFoundError(f"there is no {path}", where=reference)
    return found


@contextmanager
def opening_stored(path: Path) -> Iterator[BinaryIO]:
    """A file in somebody else's storage for reading; ImageError where there is none, or something else than a file,
    which is not opened: opening a pipe or a device can take forever, and do anything.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ImageError("it is no file", where=str(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(f"it cannot be read ({error.strerror})", where=str(path)) from error
    with os.fdopen(descriptor, "rb") as file:
        yield file


@contextmanager
def opening(path: Path) -> Iterator[BinaryIO]:
    """The file for reading; ImageError where it cannot be opened."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ImageError(f"it cannot be read ({error.strerror})", where=str(path)) from error
    with file:
        yield file
