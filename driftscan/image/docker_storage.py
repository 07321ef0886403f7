"""Layers in the folder of a Docker daemon of this machine, for whoever may read it: what `docker save` reads as well.

Laid out as Docker's overlay2 driver and its layer store do. That the daemon owns the folder and may change it does no
harm: the configuration has to have the image's id, and each layer the diff id that stands in there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from driftscan.errors import ImageError
from driftscan.image.limits import Limits
from driftscan.image.paths import opening_stored
from driftscan.image.source import RandomAccess
from driftscan.image.strictjson import JsonObject
from driftscan.image.tarsplit import StoredFiles, driver_data, stored_blobs

_TOP = re.compile(r"(/.+)/overlay2/[0-9a-z]+/diff")
_CACHE_ID = re.compile(r"[0-9a-z]{1,128}", re.ASCII)
_CACHE_ID_MOST = 200


def storage_root(inspected: JsonObject) -> Path | None:
    """The daemon's folder, told by where it says that an image's last layer lies; None for other storage drivers.

    Whether that is on this machine, and may be read, is another question.
    """
    top = driver_data(inspected).get("UpperDir")
    found = _TOP.fullmatch(top) if isinstance(top, str) else None
    return Path(found[1]) if found else None


def stored_config(root: Path, identity: str, limits: Limits) -> bytes | None:
    """The configuration of the image with that id (`sha256:...`), byte for byte; None where it cannot be had."""
    path = root / "image/overlay2/imagedb/content" / identity.replace(":", "/")
    try:
        with opening_stored(path) as file:
            data = file.read(limits.document + 1)
    except (ImageError, OSError):
        return None
    return data if f"sha256:{hashlib.sha256(data).hexdigest()}" == identity else None


def stored_layers(root: Path, diff_ids: Sequence[str], limits: Limits) -> RandomAccess | None:
    """The layers with these diff ids, one on top of the other; None where one is not there."""
    return stored_blobs([_files(root, chain_id) for chain_id in chain_ids(diff_ids)], limits)


def chain_ids(diff_ids: Sequence[str]) -> Iterator[str]:
    """What names each layer together with those below it (OCI image-spec, config.md, Layer ChainID)."""
    chain = ""
    for diff_id in diff_ids:
        chain = f"sha256:{hashlib.sha256(f'{chain} {diff_id}'.encode()).hexdigest()}" if chain else diff_id
        yield chain


def _files(root: Path, chain_id: str) -> StoredFiles | None:
    layer = root / "image/overlay2/layerdb" / chain_id.replace(":", "/")
    try:
        with opening_stored(layer / "cache-id") as file:
            cache_id = file.read(_CACHE_ID_MOST).decode("ascii")
    except (ImageError, OSError, ValueError):
        return None
    if not _CACHE_ID.fullmatch(cache_id):
        return None
    return StoredFiles(root / "overlay2" / cache_id / "diff", layer / "tar-split.json.gz")
