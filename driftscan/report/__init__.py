"""What a report looks like: one file a format, each a pure function of the finished report.

A format is imported when it is asked for: a run writes one or two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

from driftscan.report.view import View

if TYPE_CHECKING:
    from driftscan.finding import Report, TargetInput
    from driftscan.model.inventory import Inventory

__all__ = ["CHECK_FORMATS", "FORMATS", "INVENTORY_FORMATS", "Render", "RenderInventory", "View"]

Render: TypeAlias = "Callable[[Report, View], str]"
RenderInventory: TypeAlias = "Callable[[Inventory, TargetInput, View], str]"

_Render = TypeVar("_Render", bound="Render | RenderInventory")


class _Formats(Mapping[str, _Render], Generic[_Render]):
    """`render` of modules of this room, by the name of the format."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = modules

    def __getitem__(self, name: str) -> _Render:
        return cast("_Render", import_module(f"{__name__}.{self._modules[name]}").render)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


_OF_FINDINGS = ("text", "json", "markdown", "html", "sarif", "junit", "github", "gitlab")

CHECK_FORMATS: Mapping[str, Render] = _Formats[Render](dict(zip(_OF_FINDINGS, _OF_FINDINGS, strict=True)))
"""What `check` can write: reports that need no image."""

FORMATS: Mapping[str, Render] = _Formats[Render]({**{name: name for name in _OF_FINDINGS}, "cyclonedx": "cyclonedx"})
"""What `compare` can write."""

INVENTORY_FORMATS: Mapping[str, RenderInventory] = _Formats[RenderInventory](
    {"text": "inventory_text", "json": "inventory_json", "cyclonedx": "inventory_cyclonedx"}
)
"""What `inspect` can write."""
