"""Compiled distributions of an environment, a line each: what they are built for and what they need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from driftscan.model.inventory import Distribution, Environment, Native
from driftscan.report.text import NARROW
from driftscan.report.view import View, table

_GLIBC = re.compile(r"GLIBC_(\d{1,3})\.(\d{1,3})(?:\.\d{1,3})?")
_PARTS_OF_LIBC = re.compile(
    r"lib(?:c|m|mvec|pthread|dl|rt|util|nsl|resolv)\.so\.\d|ld-linux.*|libc\.musl-.*|ld-musl-.*"
)
_HEADER = ("compiled", "for", "glibc", "other libraries")


class Compiled(NamedTuple):
    """A distribution with compiled files. `libraries` are those from outside of the site directory, the C library's own
    parts aside."""

    title: str
    built_for: str
    floor: str
    libraries: Sequence[str]


def compiled(environment: Environment) -> Iterator[Compiled]:
    """In the order of the distributions."""
    natives: dict[str, list[Native]] = {}
    for native in environment.natives:
        natives.setdefault(native.distribution, []).append(native)
    for distribution in environment.distributions:
        if files := natives.get(distribution.path):
            yield Compiled(
                f"{distribution.name} {distribution.version}",
                _tags(distribution),
                _floor(files),
                tuple(_outside(distribution, files)),
            )


def lines(environment: Environment, view: View) -> list[str]:
    """A table, or nothing where nothing is compiled."""
    rows = [(each.title, each.built_for, each.floor, ", ".join(each.libraries)) for each in compiled(environment)]
    step = 2 if view.width < NARROW else 1
    return ["", *table(_HEADER[::step], [row[::step] for row in rows], view)] if rows else []


def _tags(distribution: Distribution) -> str:
    """`cp311 manylinux_2_17_x86_64`: of compressed tag sets the oldest platform, which says the same."""
    if distribution.wheel is None or not distribution.wheel.tags:
        return "-"
    tag = min(distribution.wheel.tags, key=lambda each: (each.interpreter, each.abi, _age(each.platform)))
    abi = "" if tag.abi == tag.interpreter else f" {tag.abi}"
    return f"{tag.interpreter}{abi} {tag.platform}"


def _age(platform: str) -> tuple[int, tuple[int, ...], str]:
    """Names by number (PEP 600) before the old ones that mean the same."""
    numbers = re.match(r"(?:many|musl)linux_(\d+)_(\d+)_", platform)
    return (0, (int(numbers[1]), int(numbers[2])), platform) if numbers else (1, (), platform)


def _floor(natives: Iterable[Native]) -> str:
    found = [
        (int(match[1]), int(match[2]))
        for native in natives
        for need in native.elf.version_needs
        if not need.weak and (match := _GLIBC.fullmatch(need.version)) is not None
    ]
    return ".".join(map(str, max(found))) if found else "-"


def _outside(distribution: Distribution, natives: Iterable[Native]) -> Iterator[str]:
    seen: dict[str, str | None] = {}
    for native in natives:
        for library in native.linkage.libraries if native.linkage is not None else ():
            is_own = library.path is not None and library.path.startswith(f"{distribution.site}/")
            if not is_own and not _PARTS_OF_LIBC.fullmatch(library.name):
                seen.setdefault(library.name, library.path)
    # What is missing matters most.
    for name, path in sorted(seen.items(), key=lambda item: (item[1] is not None, item[0])):
        yield name if path is not None else f"{name} (not in the image)"
