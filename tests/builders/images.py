"""Images blob by blob, for the sources that read them: any compression, several platforms, any index."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.builders.archives import Step, image_config, layer_tar
from tests.builders.tars import archive, long_name, member

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"

STEPS: Sequence[Step] = (
    ("ADD rootfs.tar /", {"etc/os-release": 'ID="debian"\n', "usr/bin/tool": "tool"}),
    ("RUN install", {"opt/app/data.json": "{}", "opt/app/gone": "x"}),
    ("RUN rm gone", {"opt/app/.wh.gone": ""}),
)


def gzipped(data: bytes) -> bytes:
    """The same bytes at any time of day."""
    return gzip.compress(data, mtime=0)


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Built:
    """One platform's image: its blobs as they are stored, configuration first, and its manifest."""

    config: bytes
    layers: tuple[bytes, ...]
    manifest: bytes

    @property
    def blobs(self) -> tuple[bytes, ...]:
        return (self.config, *self.layers, self.manifest)


def build(
    steps: Sequence[Step] = STEPS,
    compress: Callable[[bytes], bytes] = gzipped,
    *,
    platform: str = "linux/amd64",
    manifest: Mapping[str, Any] | None = None,
) -> Built:
    """An image whose manifest has the members in `manifest` changed; None removes one."""
    plain = [layer_tar(files) for _, files in steps]
    names = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    config = encode(image_config(steps, plain, {"Entrypoint": ["/usr/bin/tool"], "Env": ["PATH=/usr/bin"]}) | names)
    layers = tuple(compress(data) for data in plain)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(config, CONFIG_TYPE),
        "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip") for layer in layers],
    } | dict(manifest or {})
    return Built(config, layers, encode({key: value for key, value in document.items() if value is not None}))


def descriptor(blob: bytes, media_type: str = MANIFEST_TYPE, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(blob), "size": len(blob)} | more


def entry(image: Built, name: str | None = None, platform: str | None = None, **more: Any) -> dict[str, Any]:
    """An index entry for `image`."""
    found = descriptor(image.manifest, **more)
    if name is not None:
        found["annotations"] = {REF_NAME: name}
    if platform is not None:
        found["platform"] = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    return found


def index(*entries: Mapping[str, Any]) -> bytes:
    return encode({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": list(entries)})


def layout_files(document: bytes, *blobs: bytes) -> dict[str, bytes]:
    """The files of an OCI layout with this index.json."""
    stored = {f"blobs/{sha256(blob).replace(':', '/')}": blob for blob in blobs}
    return {"oci-layout": encode({"imageLayoutVersion": "1.0.0"}), "index.json": document, **stored}


def layout(image: Built) -> dict[str, bytes]:
    return layout_files(index(entry(image)), *image.blobs)


def saved_files(image: Built, tags: Sequence[str] = ("shop:1.4",), *, legacy: bool = False) -> dict[str, bytes]:
    """The files of a `docker save` archive: as older daemons wrote it, or with OCI blobs."""
    if legacy:
        config = f"{sha256(image.config).removeprefix('sha256:')}.json"
        names = [f"{sha256(layer + b'id')[7:]}/layer.tar" for layer in image.layers]
    else:
        config, *names = (f"blobs/{sha256(blob).replace(':', '/')}" for blob in (image.config, *image.layers))
    files = {config: image.config, **dict(zip(names, image.layers, strict=True))}
    document = [{"Config": config, "RepoTags": list(tags), "Layers": names}]
    return {**files, "manifest.json": encode(document)}


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def tar_of(files: Mapping[str, bytes]) -> bytes:
    return archive(*(_member(name.encode(), data) for name, data in files.items()))


def _member(name: bytes, data: bytes) -> bytes:
    return (long_name(name) if len(name) > 100 else b"") + member(name[:100], data)


def encode(value: object) -> bytes:
    return json.dumps(value).encode()
