"""What an image contains, as a CycloneDX 1.6 document."""

from __future__ import annotations

from driftscan.finding import TargetInput
from driftscan.model.inventory import Inventory
from driftscan.report.bom import document
from driftscan.report.view import View


def render(inventory: Inventory, target: TargetInput, view: View) -> str:  # noqa: ARG001 (every format is called alike)
    return document(inventory, target)
