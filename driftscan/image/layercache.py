"""The layer cache: indexes of layers that were read before, one file each, by diff id.

Files lie in `layers/<schema>/` of the cache folder, named by the digest. A file is written under another name, flushed
and renamed, so that a killed process or a full disk leaves either the whole file or none; its own digest is verified
when it is read, and a file that is damaged is as good as none. Several processes may use the folder at once.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from zstandard import ZstdError

from driftscan.image.indexfile import SCHEMA, StoredLayer, decode, encoded

_DIFF_ID = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TEMPORARY = ".part-"
_OTHERS_WRITE = 0o022
_DAY = 24 * 60 * 60
_LIMIT = 2 << 30
"""Bytes; beyond it the layers that were not used for longest are removed."""
_MOST = 256 << 20
"""Bytes of one file; a larger index is cheaper to make again than to keep."""


class CachedLayer(NamedTuple):
    """A file of the cache: `size` in bytes, `used` in seconds since the epoch."""

    path: Path
    size: int
    used: float


class LayerCache:
    """Layer indexes in a folder. Nothing here fails: what cannot be read or written is not cached."""

    def __init__(self, folder: Path, *, limit: int = _LIMIT) -> None:
        self.folder = folder
        self._layers = folder / "layers" / str(SCHEMA)
        self._limit = limit

    def get(self, diff_id: str) -> StoredLayer | None:
        """The layer with that diff id, as it was when its digest had been verified; None where it is not there."""
        path = self._path(diff_id)
        if path is None or not self._is_ours():
            return None
        try:
            layer = decode(_read(path), diff_id)
        except (OSError, ValueError, TypeError, LookupError, MemoryError, ZstdError):
            return None
        if layer is not None:
            with suppress(OSError):
                os.utime(path)
        return layer

    def put(self, diff_id: str, layer: StoredLayer) -> None:
        """Keep a layer whose content is known to have that diff id."""
        path = self._path(diff_id)
        if path is None:
            return
        pieces = encoded(layer, diff_id)
        if sum(map(len, pieces)) > _MOST:
            return
        with suppress(OSError):
            self._layers.mkdir(parents=True, exist_ok=True, mode=0o700)
            _publish(pieces, path)

    def trim(self) -> None:
        """Remove what was not used for longest, until the cache is within its limit."""
        self.prune(keep=self._limit)

    def prune(self, *, keep: int = 0, older_than: float | None = None) -> tuple[CachedLayer, ...]:
        """Remove layers, those not used for longest first, until at most `keep` bytes are left.

        With `older_than` (seconds since the epoch) those last used before it go as well. Returns what was removed;
        files of other schema versions and the remains of killed processes go silently.
        """
        layers = sorted(self.layers(), key=lambda layer: layer.used)
        total = sum(layer.size for layer in layers)
        removed = []
        for layer in layers:
            if total > keep or (older_than is not None and layer.used < older_than):
                with suppress(OSError):
                    layer.path.unlink()
                    removed.append(layer)
                    total -= layer.size
        self._sweep()
        return tuple(removed)

    def layers(self) -> Iterator[CachedLayer]:
        """What is cached, in no order."""
        with suppress(OSError):
            for path in self._layers.iterdir():
                with suppress(OSError):
                    status = path.lstat()
                    if _NAME.fullmatch(path.name) and stat.S_ISREG(status.st_mode):
                        yield CachedLayer(path, status.st_size, status.st_mtime)

    def _sweep(self) -> None:
        """Remove what other versions and killed processes left; what is being written now is younger than a day."""
        yesterday = time.time() - _DAY
        with suppress(OSError):
            for part in self._layers.glob(f"{_TEMPORARY}*"):
                if part.lstat().st_mtime < yesterday:
                    part.unlink()
        with suppress(OSError):
            for schema in self._layers.parent.iterdir():
                if schema != self._layers and schema.name.isdecimal():
                    shutil.rmtree(schema, ignore_errors=True)

    def _is_ours(self) -> bool:
        """Whether nobody else can have written here: a false index would be a false verdict."""
        try:
            status = self._layers.lstat()
        except OSError:
            return False
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_WRITE

    def _path(self, diff_id: str) -> Path | None:
        match = _DIFF_ID.fullmatch(diff_id)
        return self._layers / match[1] if match else None


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


def _read(path: Path) -> bytes:
    """The content of a regular file; OSError for a symlink and whatever else lies there."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return file.read(_MOST + 1)


def _publish(pieces: Iterable[bytes], path: Path) -> None:
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
