"""Functions by name, whose modules are imported when one is asked for: a run needs one or two of many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

_Function = TypeVar("_Function")


class Imported(Mapping[str, _Function], Generic[_Function]):
    """`places` are what stands behind each name: `MODULE.FUNCTION` in the package `room`."""

    def __init__(self, room: str, places: Mapping[str, str]) -> None:
        self._room = room
        self._places = places

    def __getitem__(self, name: str) -> _Function:
        module, _, function = self._places[name].partition(".")
        return cast("_Function", getattr(import_module(f"{self._room}.{module}"), function))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
