"""Bills of materials as inventories: CycloneDX and SPDX documents in JSON.

A bill of materials names packages and versions, and little else: there are no files, no compiled code and no history
to look at. So what is read here can show drift of versions, and never that there is no drift of another kind; that
stands under `unchecked` of each environment.
"""

from __future__ import annotations

from collections.abc import Mapping

from driftscan.errors import ImageError
from driftscan.sbom import cyclonedx, spdx
from driftscan.sbom.components import Bill, inventory

__all__ = ["Bill", "inventory", "parse"]


def parse(document: Mapping[str, object]) -> Bill:
    """What a JSON document says, in whichever of the two formats it is. Raises ImageError where it is in neither."""
    if cyclonedx.matches(document):
        return cyclonedx.parse(document)
    if spdx.matches(document):
        return spdx.parse(document)
    raise ImageError(
        "it is no CycloneDX and no SPDX document",
        hint="one of CycloneDX has `bomFormat`, one of SPDX 2 has `spdxVersion`",
    )
