"""How to lock, as the command line and callers from Python say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from driftscan.model.target import Target
from driftscan.resolve.project import Chosen

STDOUT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to lock. `targets` are image references; `output` a path, `-` for none; the rest is as the command has it."""

    output: str = STDOUT
    to: str = "requirements"
    constraints: tuple[str, ...] = ()
    chosen: Chosen = Chosen()  # noqa: RUF009  # immutable
    targets: tuple[str, ...] = ()
    environment: str | None = None
    platform: str | None = None
    python: str | None = None
    python_platform: str | None = None
    universal: bool = False
    engine: str | None = None
    """None: as the lock that is there was made, or uv."""
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    exclude_newer: str | None = None
    allow_builds: bool = False
    hashes: str = "all"
    index_urls: tuple[str, ...] = ()
    extra_index_urls: tuple[str, ...] = ()
    index_config: str | None = None
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    offline: bool = False
    cache: bool = True


Locate: TypeAlias = Callable[[str, Options], Target]
"""Finds the target of the Python in the image that a reference names."""
