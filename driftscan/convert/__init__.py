"""Locks in another format, without resolving again.

A format is imported when it is asked for: what keeps the layout of TOML is slow to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from driftscan.convert.content import Content, Converted, for_target, universal
from driftscan.imported import Imported

__all__ = ["WRITERS", "Content", "Converted", "Write", "for_target", "universal"]

Write: TypeAlias = Callable[[Content], Converted]

WRITERS: Mapping[str, Write] = Imported[Write](
    __name__, {"requirements": "requirements.write", "pylock": "pylock.write"}
)
"""By the name that the format has as a lock."""
