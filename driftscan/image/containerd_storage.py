"""Images in the content store of a containerd of this machine, for whoever may read it: what `docker save` reads, too.

Docker's containerd image store keeps blobs as they were fetched, by digest, in folders like those of an OCI layout. So
they are read as one is: each is verified from the digest that the daemon calls the image by down to its layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from driftscan.errors import ImageError, LimitError
from driftscan.image.content import Origin, open_stored, verify
from driftscan.image.limits import Limits
from driftscan.image.manifest import Descriptor, read_manifest
from driftscan.image.oci_layout import BlobFolder
from driftscan.image.source import Image
from driftscan.image.strictjson import JsonObject

_CONTENT = "io.containerd.content.v1.content"
_SYSTEM = Path("/var/lib/containerd")
"""Where containerd keeps its things unless its configuration, which no daemon hands out, says otherwise."""


def content_stores(info: JsonObject) -> Iterator[Path]:
    """Where the content store may be of a daemon that says this of itself: of a containerd that it started, or of the
    system's. What is there does not depend on it, since it goes by digests.
    """
    root = info.get("DockerRootDir")
    if isinstance(root, str) and root.startswith("/"):
        yield Path(root) / "containerd/daemon" / _CONTENT
    yield _SYSTEM / _CONTENT


def open_content(store: Path, target: Descriptor, platform: str | None, reference: str, limits: Limits) -> Image | None:
    """The image whose index or manifest is `target`; None where that, or its configuration, is not in the store.

    Whether its layers are shows when they are read.
    """
    blobs = BlobFolder(store, limits)
    where = f"docker:{reference}"
    try:
        raw = blobs.read_manifest(target)
        verify(raw, target, "the manifest", where)
        document = read_manifest(raw, limits, target.media_type or None)
        return open_stored(blobs, document, platform, Origin(reference, "docker", where), limits)
    except LimitError:
        raise
    except (ImageError, OSError):
        return None
