"""Images as `docker save` and OCI layouts hold them, from layers written out as {path: content}."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.builders.rootfs import Content, Link, Removed

Step = tuple[str, Mapping[str, Content]]
"""What the history says of a layer, and what is in it."""


def oci_layout(folder: Path, steps: Sequence[Step], **config: Any) -> Path:
    """Write an OCI layout of one image, uncompressed."""
    layers = [layer_tar(files) for _, files in steps]
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    document = _json(image_config(steps, layers, config))
    kinds = {"config": "application/vnd.oci.image.config.v1+json", "layer": "application/vnd.oci.image.layer.v1.tar"}
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor(document, kinds["config"]),
            "layers": [_descriptor(layer, kinds["layer"]) for layer in layers],
        }
    )
    for blob in (document, manifest, *layers):
        (blobs / hashlib.sha256(blob).hexdigest()).write_bytes(blob)
    index = {"schemaVersion": 2, "manifests": [_descriptor(manifest, "application/vnd.oci.image.manifest.v1+json")]}
    (folder / "index.json").write_bytes(_json(index))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return folder


def docker_archive(path: Path, steps: Sequence[Step], **config: Any) -> Path:
    """Write what `docker save` of older daemons wrote."""
    layers = [layer_tar(files) for _, files in steps]
    document = _json(image_config(steps, layers, config))
    config_name = f"{hashlib.sha256(document).hexdigest()}.json"
    names = [f"{position}/layer.tar" for position in range(len(layers))]
    manifest = [{"Config": config_name, "RepoTags": ["shop:1.4"], "Layers": names}]
    members = {config_name: document, **dict(zip(names, layers, strict=True)), "manifest.json": _json(manifest)}
    path.write_bytes(_tar(_file(member, data) for member, data in members.items()))
    return path


def image_config(steps: Sequence[Step], layers: Sequence[bytes], config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
        "history": [{"created_by": made_by} for made_by, _ in steps],
    }


def layer_tar(files: Mapping[str, Content]) -> bytes:
    return _tar(_member(path, content) for path, content in files.items())


def _member(path: str, content: Content) -> tuple[tarfile.TarInfo, bytes]:
    if isinstance(content, Removed):
        parent, _, name = path.rpartition("/")
        return _file(f"{parent}/.wh.{name}" if parent else f".wh.{name}", b"")
    if isinstance(content, bytes | str):
        return _file(path, content.encode() if isinstance(content, str) else content)
    info = tarfile.TarInfo(path)
    info.type = tarfile.SYMTYPE if isinstance(content, Link) else tarfile.DIRTYPE
    info.linkname = content.target if isinstance(content, Link) else ""
    info.mode = 0o755
    return info, b""


def _file(path: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.size = len(data)
    info.mode = 0o755
    return info, data


def _tar(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _descriptor(blob: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}", "size": len(blob)}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
