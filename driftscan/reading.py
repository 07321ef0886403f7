"""Locks and the files beside them, from disk to documents."""

from __future__ import annotations

import difflib
import os
import stat
from functools import partial
from pathlib import Path

from driftscan.errors import LockError
from driftscan.lock import FORMATS
from driftscan.lock.document import MAX_BYTES, Document

_HEAD = 4096


def read_document(path: str) -> Document:
    """The file at `path`, whose neighbours can be read as far as they lie in the same project.

    The project is the nearest folder above that holds `.git`, or else the file's own folder. Raises LockError where
    there is no such file or it cannot be read.
    """
    return Document(path, _read(path), partial(_sibling, path, _project(Path(path).parent)))


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise LockError("there is no such file", where=_shown(path), hint=_alike(path)) from error
    except IsADirectoryError as error:
        raise LockError("it is a folder, not a lock", where=path, hint=_held(path)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LockError(f"it cannot be read: {reason}", where=_shown(path)) from error


def _shown(path: str) -> str:
    """What is no file may have been meant for an image, and have credentials in its name."""
    from driftscan.image.references import masked

    return masked(path)


def _project(folder: Path) -> Path:
    resolved = folder.resolve()
    return next((place for place in (resolved, *resolved.parents) if (place / ".git").exists()), resolved)


def _sibling(path: str, project: Path, relative: str) -> Document | None:
    """The regular file at `relative` to the one at `path`; None where there is none."""
    name = os.path.normpath(os.path.join(os.path.dirname(path), relative))  # noqa: PTH118, PTH120 (`name` is shown)
    try:
        real = Path(name).resolve()
        if not real.is_relative_to(project):
            raise LockError(
                f"`{relative}` leads out of the project, and only the project is read",
                where=path,
                hint=f"the project is {project}",
            )
        if not stat.S_ISREG(real.stat().st_mode):
            return None
    except (OSError, ValueError, RuntimeError):
        return None
    return Document(name, _read(name), partial(_sibling, name, project))


def _entries(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _alike(path: str) -> str | None:
    found = difflib.get_close_matches(Path(path).name, _entries(Path(path).parent), n=1)
    return f"did you mean {Path(path).parent / found[0]}?" if found else None


def _held(path: str) -> str | None:
    known = [name for name in _entries(Path(path)) if _matches(name, b"")]
    return f"it holds {', '.join(known)}" if known else None


def is_lock(path: str) -> bool:
    """Whether there is a file at `path` whose name and first bytes are those of a lock."""
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return _matches(path, file.read(_HEAD))
    except (OSError, ValueError):
        return False


def _matches(name: str, head: bytes) -> bool:
    return any(form.matches(name, head) for form in FORMATS)
