"""Inventories of images that were looked at before, by what decides them: the layers' diff ids, the configuration, the
environment that was asked for, and the limits.

A file is verified by its own digest when it is read; one that is damaged is as good as none.
"""

from __future__ import annotations

import hashlib
import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import packaging

from driftscan import inventoryfile
from driftscan._version import __version__
from driftscan.image.limits import Limits
from driftscan.model.image import ImageConfig
from driftscan.model.inventory import Inventory
from driftscan.store import Store

_NAMES = re.compile(r"[0-9a-f]{64}", re.ASCII)
_VERSIONS = (__version__, packaging.__version__, sys.version)
"""Of what takes inventories: packaging knows which tags an interpreter supports, Python's library reads metadata."""
_LIMIT = 256 << 20
_MOST = 64 << 20
"""Bytes of one file."""


class Fresh(NamedTuple):
    """An inventory that was just taken. `is_proven`: of layers whose content is known to have their diff ids."""

    inventory: Inventory
    is_proven: bool


class InventoryCache:
    """Inventories in a folder. Nothing here fails: what cannot be read or written is not cached."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder, "inventories", inventoryfile.SCHEMA, _NAMES, most=_MOST, limit=_LIMIT)

    def kept(self, name: str, make: Callable[[], Fresh]) -> Inventory:
        """What is stored under a name that `name_of` gave; where it is not there, what `make` gives, which is stored if
        it is proven."""
        found = self._get(name)
        if found is not None:
            return found
        fresh = make()
        if fresh.is_proven:
            self.store.write(name, [inventoryfile.encode(fresh.inventory, name)])
            self.store.trim()
        return fresh.inventory

    def _get(self, name: str) -> Inventory | None:
        data = self.store.read(name)
        if data is None:
            return None
        try:
            found = inventoryfile.decode(data, name)
        except (ValueError, TypeError, LookupError, RecursionError, MemoryError, zlib.error):
            return None
        if found is not None:
            self.store.touch(name)
        return found


def name_of(config: ImageConfig, prefer: str | None, *, with_traces: bool, limits: Limits) -> str:
    """What the inventory is stored under that is taken of the image with that configuration."""
    decisive = (inventoryfile.SCHEMA, *_VERSIONS, config, prefer, with_traces, repr(limits))
    return hashlib.sha256(inventoryfile.key(decisive)).hexdigest()
