"""Locks in another format, without resolving again.

A format is imported when it is asked for: what keeps the layout of TOML is slow to import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TypeAlias, cast

from driftscan.convert.content import Content, Converted, for_target, universal

__all__ = ["WRITERS", "Content", "Converted", "Write", "for_target", "universal"]

Write: TypeAlias = Callable[[Content], Converted]

_FORMATS = ("requirements", "pylock")


class _Writers(Mapping[str, Write]):
    """`write` of modules of this room, which are called as the format is as a lock."""

    def __getitem__(self, name: str) -> Write:
        if name not in _FORMATS:
            raise KeyError(name)
        return cast("Write", import_module(f"{__name__}.{name}").write)

    def __iter__(self) -> Iterator[str]:
        return iter(_FORMATS)

    def __len__(self) -> int:
        return len(_FORMATS)


WRITERS: Mapping[str, Write] = _Writers()
"""By the name that the format has as a lock."""
