"""The formats in which settings are shown, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from driftscan.report import settings_json, settings_text
from driftscan.report.view import View
from driftscan.settings.parse import Configuration, Value

RenderSettings: TypeAlias = Callable[[Configuration, Mapping[str, Value], View], str]

SETTINGS_FORMATS: Mapping[str, RenderSettings] = MappingProxyType(
    {"text": settings_text.render, "json": settings_json.render}
)
"""What `config` can write."""
