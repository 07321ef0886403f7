"""`sbom:`: a bill of materials in a file of this machine, CycloneDX or SPDX in JSON."""

from __future__ import annotations

from dataclasses import replace

from driftscan import sbom
from driftscan.errors import NotFoundError
from driftscan.image.limits import Limits
from driftscan.image.paths import existing, opening
from driftscan.image.source import Image, Taken
from driftscan.image.strictjson import load_object


def open_bill(rest: str, platform: str | None, limits: Limits) -> Image:  # noqa: ARG001  # a bill is of one image
    """`sbom:PATH`. Raises ImageError where the file is no bill of materials that is known."""
    path = existing(rest, f"sbom:{rest}")
    if path.is_dir():
        raise NotFoundError("it is a folder, not a bill of materials", where=rest)
    with opening(path) as file:
        data = file.read(limits.bill + 1)
    document = load_object(data, "the bill of materials", replace(limits, document=limits.bill))
    bill = sbom.parse(document)
    found = sbom.inventory(bill)
    return Image(
        reference=rest,
        source="sbom",
        config=found.config,
        access=Taken(found),
        digest=bill.digest,
        platform=bill.platform,
    )
