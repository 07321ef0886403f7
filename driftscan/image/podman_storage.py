"""Layers in the storage of a Podman of this machine, for whoever may read it: what `podman save` reads as well.

Laid out as containers/storage does with its overlay driver. Each layer has to have its diff id, whatever happens there.
"""

from __future__ import annotations

import re
from pathlib import Path

from driftscan.image.limits import Limits
from driftscan.image.source import RandomAccess
from driftscan.image.strictjson import JsonObject
from driftscan.image.tarsplit import StoredFiles, driver_data, stored_blobs

_LAYER = re.compile(r"(/.+)/overlay/([0-9a-f]{64})/diff", re.ASCII)


def stored_layers(inspected: JsonObject, count: int, limits: Limits) -> RandomAccess | None:
    """The `count` layers of an image, found by the folders that Podman names for them, the last one first; None where
    it has another driver, or does not know how their archives were made.
    """
    data = driver_data(inspected)
    folders = [folder for key in ("UpperDir", "LowerDir") for folder in str(data.get(key, "")).split(":") if folder]
    found = [_LAYER.fullmatch(folder) for folder in reversed(folders)]
    return stored_blobs([_files(each) for each in found], limits) if len(found) == count else None


def _files(found: re.Match[str] | None) -> StoredFiles | None:
    if found is None:
        return None
    return StoredFiles(Path(found[0]), Path(found[1]) / "overlay-layers" / f"{found[2]}.tar-split.gz")
