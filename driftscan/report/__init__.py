"""What a report looks like: one file a format, each a pure function of the finished report.

A format is imported when it is asked for: a run writes one or two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from driftscan.imported import Imported
from driftscan.report.view import View

if TYPE_CHECKING:
    from driftscan.finding import Report, TargetInput
    from driftscan.model.inventory import Inventory

__all__ = ["CHECK_FORMATS", "FORMATS", "INVENTORY_FORMATS", "Render", "RenderInventory", "View"]

Render: TypeAlias = "Callable[[Report, View], str]"
RenderInventory: TypeAlias = "Callable[[Inventory, TargetInput, View], str]"


def _rendering(modules: Mapping[str, str]) -> Mapping[str, str]:
    """Where modules of this room render the format of each name."""
    return {name: f"{module}.render" for name, module in modules.items()}


_OF_FINDINGS = ("text", "json", "markdown", "html", "sarif", "junit", "github", "gitlab")

CHECK_FORMATS: Mapping[str, Render] = Imported[Render](__name__, _rendering({name: name for name in _OF_FINDINGS}))
"""What `check` can write: reports that need no image."""

FORMATS: Mapping[str, Render] = Imported[Render](
    __name__, _rendering({name: name for name in (*_OF_FINDINGS, "cyclonedx")})
)
"""What `compare` can write."""

INVENTORY_FORMATS: Mapping[str, RenderInventory] = Imported[RenderInventory](
    __name__, _rendering({"text": "inventory_text", "json": "inventory_json", "cyclonedx": "inventory_cyclonedx"})
)
"""What `inspect` can write."""
