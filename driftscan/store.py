"""A folder of files that can be made again, shared by processes: a cache that never fails and never lies.

A file is written under another name, flushed and renamed, so that a killed process or a full disk leaves either the
whole file or none. Only folders are read that nobody else can have written to.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
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


class Trouble(NamedTuple):
    """What stands in the way of keeping something, and how."""

    path: Path
    why: str

    def __str__(self) -> str:
        return f"nothing is kept in {self.path}: {self.why}"


class Pruned(NamedTuple):
    """What was removed, and what could not be, each with the reason."""

    removed: tuple[StoredFile, ...] = ()
    stuck: tuple[tuple[StoredFile, str], ...] = ()


class Store:
    """Files in `folder/kind/schema` whose names match `names`, each at most `most` bytes, together about `limit`.

    `kind` says what they are; another `schema` means that nobody reads what the old one wrote.
    """

    def __init__(self, folder: Path, kind: str, schema: int, names: re.Pattern[str], *, most: int, limit: int) -> None:
        self.kind = kind
        self.folder = folder / kind / str(schema)
        self._names = names
        self._most = most
        self._limit = limit

    def read(self, name: str) -> bytes | None:
        """The content that was stored under `name`; None where there is none, or somebody else may have written it."""
        if not self._names.fullmatch(name) or not self._is_ours():
            return None
        path = self.folder / name
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or status.st_size > self._most:
                    return None
                return file.read(status.st_size)
        except (OSError, MemoryError):
            return None

    def touch(self, name: str) -> None:
        """Note that `name` was of use."""
        with suppress(OSError):
            os.utime(self.folder / name)

    def write(self, name: str, pieces: Sequence[bytes]) -> None:
        """Store what `pieces` make together, in place of what was there; nothing where that is not possible."""
        if not self._names.fullmatch(name) or sum(map(len, pieces)) > self._most:
            return
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _publish(pieces, self.folder / name)

    def files(self) -> Iterator[StoredFile]:
        """What is stored, in no order."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                with suppress(OSError):
                    status = path.lstat()
                    if self._names.fullmatch(path.name) and stat.S_ISREG(status.st_mode):
                        yield StoredFile(path, status.st_size, status.st_mtime)

    def trim(self) -> None:
        """Remove what was not used for longest, until the store is within its limit."""
        self.prune(keep=self._limit)

    def prune(self, *, keep: int = 0, older_than: float | None = None) -> Pruned:
        """Remove files, those not used for longest first, until at most `keep` bytes are left.

        With `older_than` (seconds since the epoch) those last used before it go as well. Files of other schemas, the
        remains of killed processes and what stands in the place of a file go silently.
        """
        files = sorted(self.files(), key=lambda file: file.used)
        total = sum(file.size for file in files)
        removed: list[StoredFile] = []
        stuck: list[tuple[StoredFile, str]] = []
        for file in files:
            if total > keep or (older_than is not None and file.used < older_than):
                try:
                    file.path.unlink()
                except OSError as error:
                    stuck.append((file, error.strerror or str(error)))
                else:
                    removed.append(file)
                    total -= file.size
        self._sweep()
        return Pruned(tuple(removed), tuple(stuck))

    def _sweep(self) -> None:
        """Remove what other versions and killed processes left, and what is no file and has the name of one.

        What is being written now is younger than a day.
        """
        yesterday = time.time() - _DAY
        with suppress(OSError):
            for part in self.folder.glob(f"{_TEMPORARY}*"):
                if part.lstat().st_mtime < yesterday:
                    part.unlink()
        with suppress(OSError):
            for path in self.folder.iterdir():
                if self._names.fullmatch(path.name) and not stat.S_ISREG(path.lstat().st_mode):
                    _remove(path)
        with suppress(OSError):
            for schema in self.folder.parent.iterdir():
                if schema != self.folder and schema.name.isdecimal():
                    _remove(schema)

    def _is_ours(self) -> bool:
        """Whether nobody else can have written here: what is false here would be a false verdict."""
        return _unsafe(self.folder) is None


def trouble(folder: Path) -> Trouble | None:
    """Why nothing is kept in `folder`, which is made where it is missing; None where nothing stands in the way."""
    if os.path.lexists(folder):
        place, why = folder, _unsafe(folder) or _unwritable(folder)
    else:
        place = next((each for each in folder.parents if os.path.lexists(each)), folder)
        why = _unwritable(place) or _barren(place)
    return Trouble(place, why) if why is not None else None


def _unsafe(folder: Path) -> str | None:
    """Why somebody else may have written to a folder."""
    try:
        status = folder.lstat()
    except OSError as error:
        return error.strerror
    if not stat.S_ISDIR(status.st_mode):
        return "it is no folder"
    if status.st_uid != os.geteuid():
        return "it belongs to somebody else"
    return "others may write to it" if status.st_mode & _OTHERS_WRITE else None


def _unwritable(folder: Path) -> str | None:
    """Why nothing can be put into a folder."""
    if not folder.is_dir():
        return "it is no folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else "it cannot be written to"


def _barren(folder: Path) -> str | None:
    """Why no folder can be made in one whose permissions allow it, such as /proc."""
    import tempfile

    try:
        Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder)).rmdir()
    except OSError as error:
        return f"no folder can be made there ({error.strerror})"
    return None


def _remove(path: Path) -> None:
    """Remove a folder with all that is in it, or anything else, as far as that is possible."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def sealed(text: bytes) -> tuple[bytes, ...]:
    """What to store so that damage to `text` is noticed: its SHA-256 on a line, and then itself."""
    return hashlib.sha256(text).hexdigest().encode(), b"\n", text


def unsealed(data: bytes | None) -> bytes | None:
    """The text that was sealed; None where there is none, or where it is damaged."""
    digest, newline, text = (data or b"").partition(b"\n")
    return text if newline and hashlib.sha256(text).hexdigest().encode() == digest else None


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


def _publish(pieces: Sequence[bytes], path: Path) -> None:
    import tempfile  # which takes some milliseconds that reading needs not wait for

    descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
