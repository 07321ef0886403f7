"""`podman:`: images of a Podman service, over its libpod API (which resolves short names as `podman` itself does)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from driftscan.errors import UnreachableError
from driftscan.image.daemon import Client, Endpoint, Engine, asking, image_path, saved_image
from driftscan.image.limits import Limits
from driftscan.image.manifest import check_digest, read_config
from driftscan.image.podman_storage import stored_layers
from driftscan.image.source import Image
from driftscan.image.strictjson import JsonObject, text

_ENGINE = Engine("Podman", "podman", "`podman system service --time=0 &`", "podman pull")
_ANSWER = "Podman's answer"
_VERSION = "4.0.0"
_FORMATS = ("docker-archive", "oci-archive")
_SYSTEM_SOCKET = "/run/podman/podman.sock"


def open_image(reference: str, platform: str | None, limits: Limits) -> Image:
    """Open an image by name or id.

    Raises UnreachableError where no service answers, NotFoundError where it does not have the image.
    """
    path = image_path(reference, _ENGINE)
    client = Client(_ENGINE, _endpoint(), limits)
    with asking(client, reference):
        # libpod takes any version from the oldest that it knows up to its own, which differ between releases.
        images = f"/v{client.header('/libpod/_ping', 'Libpod-API-Version') or _VERSION}/libpod/images"
        found = client.object(f"{images}/{path}/json", _ANSWER)
        identity = check_digest(f"sha256:{text(found, 'Id', _ANSWER).removeprefix('sha256:')}", "the image")
        # The other format takes longer, since layers are compressed for it; but zstd layers do not go into this one.
        saves = [f"{images}/{identity.removeprefix('sha256:')}/get?compress=false&format={kind}" for kind in _FORMATS]
        config = read_config(_config(found), limits)
        stored = stored_layers(found, len(config.diff_ids), limits) if client.is_here else None
        return saved_image(client, reference, identity, config, saves, platform, limits, stored)


def _config(found: JsonObject) -> bytes:
    """What `podman image inspect` knows, in the shape of an image configuration."""
    rootfs = found.get("RootFS")
    document = {
        "architecture": found.get("Architecture"),
        "os": found.get("Os"),
        "config": found.get("Config"),
        "rootfs": {"diff_ids": rootfs.get("Layers") if isinstance(rootfs, dict) else None},
        "history": found.get("History"),
    }
    return json.dumps(document).encode()


def _endpoint() -> Endpoint:
    if url := os.environ.get("CONTAINER_HOST"):
        if url.startswith("ssh://"):
            raise UnreachableError(
                "a Podman service over SSH cannot be asked",
                where="CONTAINER_HOST",
                hint="forward its socket (ssh -L) and name that, or read a `podman save` file with docker-archive:",
            )
        return Endpoint(url, "CONTAINER_HOST")
    sockets = list(_sockets())
    path = next((path for path in sockets if Path(path).exists()), sockets[0])
    return Endpoint(f"unix://{path}", "podman")


def _sockets() -> Iterator[str]:
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield f"{runtime}/podman/podman.sock"
    yield _SYSTEM_SOCKET
