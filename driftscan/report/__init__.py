"""What a report looks like: one file a format, each a pure function of the finished report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from driftscan.finding import Report, TargetInput
from driftscan.model.inventory import Inventory
from driftscan.report import inventory_json, inventory_text, json, text
from driftscan.report.view import View

__all__ = ["FORMATS", "INVENTORY_FORMATS", "Render", "RenderInventory", "View"]

Render: TypeAlias = Callable[[Report, View], str]
RenderInventory: TypeAlias = Callable[[Inventory, TargetInput, View], str]

FORMATS: Mapping[str, Render] = MappingProxyType({"text": text.render, "json": json.render})
"""What `compare` can write, by the name of the format."""

INVENTORY_FORMATS: Mapping[str, RenderInventory] = MappingProxyType(
    {"text": inventory_text.render, "json": inventory_json.render}
)
"""What `inspect` can write."""
