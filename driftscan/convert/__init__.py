"""Locks in another format, without resolving again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from driftscan.convert import pylock, requirements
from driftscan.convert.content import Content, Converted, for_target, universal

__all__ = ["WRITERS", "Content", "Converted", "Write", "for_target", "universal"]

Write: TypeAlias = Callable[[Content], Converted]

WRITERS: Mapping[str, Write] = MappingProxyType({"requirements": requirements.write, "pylock": pylock.write})
"""By the name that the format has as a lock."""
