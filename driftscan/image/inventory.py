"""`inventory:`: what `driftscan inspect --format json` wrote of an image, in a file of this machine."""

from __future__ import annotations

from driftscan.image.documents import read_document
from driftscan.image.limits import Limits
from driftscan.image.source import Image, Taken
from driftscan.inventory.document import parse


def open_inventory(rest: str, platform: str | None, limits: Limits) -> Image:  # noqa: ARG001  # it is of one image
    """`inventory:PATH`. Raises ImageError where the file is no inventory."""
    found = parse(read_document("inventory", rest, "the inventory", limits))
    return Image(
        reference=rest,
        source="inventory",
        config=found.inventory.config,
        access=Taken(found.inventory),
        digest=found.digest,
        platform=found.platform,
    )
