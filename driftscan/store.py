"""A folder of files that can be made again, shared by processes: a cache that never fails and never lies.

A file is written under another name, flushed and renamed, so that a killed process or a full disk leaves either the
whole file or none. Only folders are read that nobody else can have written to.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_TEMPORARY = ".part-"
_OTHERS_WRITE = 0o022
_DAY = 24 * 60 * 60


class StoredFile(NamedTuple):
    """A file of the store: `size` in bytes, `used` in seconds since the epoch."""

    path: Path
    size: int
    used: float


class Store:
    """Files in `folder` whose names match `names`, each at most `most` bytes."""

    def __init__(self, folder: Path, names: re.Pattern[str], *, most: int) -> None:
        self.folder = folder
        self._names = names
        self._most = most

    def read(self, name: str) -> bytes | None:
        """The content that was stored under `name`; None where there is none, or somebody else may have written it."""
        if not self._names.fullmatch(name) or not self._is_ours():
            return None
        path = self.folder / name
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError(errno.EINVAL, "not a regular file", path)
                data = file.read(self._most + 1)
        except (OSError, MemoryError):
            return None
        return data if len(data) <= self._most else None

    def touch(self, name: str) -> None:
        """Note that `name` was of use."""
        with suppress(OSError):
            os.utime(self.folder / name)

    def write(self, name: str, data: bytes) -> None:
        """Store `data`, in place of what was there; nothing where that is not possible."""
        if not self._names.fullmatch(name) or len(data) > self._most:
            return
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _publish(data, self.folder / name)

    def files(self) -> Iterator[StoredFile]:
        """What is stored, in no order."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                with suppress(OSError):
                    status = path.lstat()
                    if self._names.fullmatch(path.name) and stat.S_ISREG(status.st_mode):
                        yield StoredFile(path, status.st_size, status.st_mtime)

    def sweep(self) -> None:
        """Remove what killed processes left; what is being written now is younger than a day."""
        yesterday = time.time() - _DAY
        with suppress(OSError):
            for part in self.folder.glob(f"{_TEMPORARY}*"):
                if part.lstat().st_mtime < yesterday:
                    part.unlink()

    def _is_ours(self) -> bool:
        """Whether nobody else can have written here."""
        try:
            status = self.folder.lstat()
        except OSError:
            return False
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_WRITE


def default_folder() -> Path | None:
    """`DRIFTSCAN_CACHE_DIR`, or `driftscan` in the user's cache folder (XDG Base Directory Specification)."""
    if own := os.environ.get("DRIFTSCAN_CACHE_DIR"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        # The specification says to ignore relative paths.
        return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "driftscan"
    except RuntimeError:
        return None


def _publish(data: bytes, path: Path) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
