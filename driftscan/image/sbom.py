"""`sbom:`: a bill of materials in a file of this machine, CycloneDX or SPDX in JSON."""

from __future__ import annotations

from driftscan import sbom
from driftscan.image.documents import read_document
from driftscan.image.limits import Limits
from driftscan.image.source import Image, Taken


def open_bill(rest: str, platform: str | None, limits: Limits) -> Image:  # noqa: ARG001  # a bill is of one image
    """`sbom:PATH`. Raises ImageError where the file is no bill of materials that is known."""
    bill = sbom.parse(read_document("sbom", rest, "the bill of materials", limits))
    found = sbom.inventory(bill)
    return Image(
        reference=rest,
        source="sbom",
        config=found.config,
        access=Taken(found),
        digest=bill.digest,
        platform=bill.platform,
    )
