"""Layers as Docker stores them: files in a folder, and what made them a tar beside it (tar-split)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from driftscan.image.docker_storage import chain_ids
from tests.builders.archives import Step, image_config, layer_tar
from tests.builders.images import write_files

CACHE_ID = "cache{}"


def docker_store(root: Path, steps: Sequence[Step], **config: Any) -> dict[str, Any]:
    """Write a daemon's folder with one image of uncompressed layers; what the daemon says of it is returned."""
    layers = [layer_tar(files) for _, files in steps]
    document = image_config(steps, layers, config)
    data = json.dumps(document).encode()
    identity = hashlib.sha256(data).hexdigest()
    write_files(root / "image/overlay2/imagedb/content/sha256", {identity: data})
    diff_ids = document["rootfs"]["diff_ids"]
    for position, (chain_id, layer) in enumerate(zip(chain_ids(diff_ids), layers, strict=True)):
        folder = root / "image/overlay2/layerdb" / chain_id.replace(":", "/")
        write_files(folder, {"cache-id": CACHE_ID.format(position).encode()})
        store_layer(layer, root / "overlay2" / CACHE_ID.format(position) / "diff", folder / "tar-split.json.gz")
    top = root / "overlay2" / CACHE_ID.format(len(layers) - 1) / "diff"
    return {
        "Id": f"sha256:{identity}",
        "Architecture": "amd64",
        "Os": "linux",
        "Config": config,
        "RootFS": {"Type": "layers", "Layers": diff_ids},
        "GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": str(top)}},
    }


def store_layer(layer: bytes, folder: Path, split: Path) -> None:
    """Take a tar apart: its files into `folder`, all else into `split`."""
    folder.mkdir(parents=True)
    write_files(folder, dict(_files(layer)))
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in split_lines(layer))
    write_files(split.parent, {split.name: gzip.compress(lines)})


def split_lines(layer: bytes) -> Iterator[dict[str, Any]]:
    """What tar-split writes of a tar."""
    at = 0
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        for member in archive:
            yield {"type": 2, "payload": b64encode(layer[at : member.offset_data]).decode()}
            at = member.offset_data + (member.size if member.isreg() else 0)
            yield {"type": 1, "name": member.name, **({"size": member.size} if member.isreg() else {}), "payload": None}
    yield {"type": 2, "payload": b64encode(layer[at:]).decode()}


def _files(layer: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        for member in archive:
            if member.isreg() and (body := archive.extractfile(member)) is not None:
                yield member.name, body.read()
