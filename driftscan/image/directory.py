"""`dir:`: an unpacked root filesystem on this machine, read where it lies."""

from __future__ import annotations

from driftscan.errors import NotFoundError
from driftscan.image.files import Collector
from driftscan.image.limits import Limits
from driftscan.image.paths import existing
from driftscan.image.source import Image, Indexed
from driftscan.model.image import ImageConfig, LayerIndex, Wants

_KERNEL = frozenset(("proc", "sys", "dev"))
"""What a running kernel shows there belongs to no image."""


def open_directory(rest: str, platform: str | None, limits: Limits) -> Image:  # noqa: ARG001  # a folder has one
    """`dir:PATH`. There is no configuration, so there are no layers and no entrypoint."""
    root = existing(rest, f"dir:{rest}")
    if not root.is_dir():
        raise NotFoundError("it is a file, not a folder", where=rest)

    def index(wants: Wants) -> LayerIndex:
        collector = Collector(root, wants, limits)
        collector.add_tree("", skip=_KERNEL)
        return collector.index()

    return Image(reference=rest, source="dir", config=ImageConfig(), access=Indexed(index=index))
