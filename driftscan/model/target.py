"""The interpreter and platform that a lock is judged against: the image's, never this machine's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from packaging.tags import Tag


class Libc(NamedTuple):
    """C library: family `glibc` or `musl`, and its version as (major, minor) where it is known."""

    family: str
    version: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"{self.family} {self.version[0]}.{self.version[1]}" if self.version else self.family


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Marker environment and supported tags.

    `markers` maps the variables of PEP 508 (`python_full_version`, `sys_platform`, ...) to values; a variable that
    is absent is unknown, and a marker that depends on it evaluates to unknown, not to a guess. `tags` is the
    interpreter's ordered list, best first; None where it is unknown.
    """

    markers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    tags: tuple[Tag, ...] | None = None
    machine: str | None = None
    libc: Libc | None = None

    @property
    def python_version(self) -> str | None:
        """Full version of the interpreter, `3.11.2`."""
        return self.markers.get("python_full_version")
