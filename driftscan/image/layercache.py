"""The layer cache: indexes of layers that were read before, one file each, by diff id.

A file is named by the digest and verified by its own when it is read; one that is damaged is as good as none.
"""

from __future__ import annotations

import re
from pathlib import Path

from zstandard import ZstdError

from driftscan.image.indexfile import SCHEMA, StoredLayer, decode, encoded
from driftscan.store import Store

_DIFF_ID = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LIMIT = 2 << 30
_MOST = 256 << 20
"""Bytes of one file; a larger index is cheaper to make again than to keep."""


class LayerCache:
    """Layer indexes in a folder. Nothing here fails: what cannot be read or written is not cached."""

    def __init__(self, folder: Path, *, limit: int = _LIMIT) -> None:
        self.store = Store(folder, "layers", SCHEMA, _NAME, most=_MOST, limit=limit)

    def get(self, diff_id: str) -> StoredLayer | None:
        """The layer with that diff id, as it was when its digest had been verified; None where it is not there."""
        name = _name(diff_id)
        data = self.store.read(name) if name is not None else None
        if data is None or name is None:
            return None
        try:
            layer = decode(data, diff_id)
        except (ValueError, TypeError, LookupError, MemoryError, ZstdError):
            return None
        if layer is not None:
            self.store.touch(name)
        return layer

    def put(self, diff_id: str, layer: StoredLayer) -> None:
        """Keep a layer whose content is known to have that diff id."""
        if (name := _name(diff_id)) is not None:
            self.store.write(name, encoded(layer, diff_id))

    def trim(self) -> None:
        """Remove what was not used for longest, until the cache is within its limit."""
        self.store.trim()


def _name(diff_id: str) -> str | None:
    match = _DIFF_ID.fullmatch(diff_id)
    return match[1] if match else None
