"""The targets that a pdm.lock was resolved for, as markers.

https://pdm-project.org/latest/usage/lock-targets/. The version of a C library, and musl instead of glibc, cannot be
said in a marker and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from driftscan.lock.table import Table

_SYSTEMS = {"linux": "linux", "manylinux": "linux", "musllinux": "linux", "alpine": "linux"} | {
    "windows": "win32",
    "macos": "darwin",
}
_PLATFORM = re.compile(r"(linux|manylinux|musllinux|alpine|windows|macos)(?:_\d+_\d+)?(?:_([a-z0-9_]+))?")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "x86", "i686": "x86"}
"""Other names of machines, by which PDM knows them too."""
_SPELLINGS = {
    "win32": {"x86_64": "AMD64", "aarch64": "ARM64"},
    "darwin": {"aarch64": "arm64"},
    "linux": {"x86": "i686"},
}
"""What `platform_machine` is where a system does not call a machine what PDM does."""
_USUAL = {"linux": "x86_64", "alpine": "x86_64", "windows": "x86_64", "macos": "aarch64"}
"""The machine of a platform that names none."""


class Targets(NamedTuple):
    """`requires_python` holds for all targets. `unread` are platforms that no marker was made of."""

    requires_python: str | None
    environments: tuple[str, ...]
    unread: tuple[str, ...]


def read_targets(tables: Sequence[Table]) -> Targets:
    """The targets of `[[metadata.targets]]`."""
    pythons = {(table.text("requires_python") or "").strip() for table in tables}
    python = pythons.pop() if len(pythons) == 1 else ""
    shared = _specifier(python)
    unread = [text for table in tables if (text := table.text("platform")) and _platform(text) is None]
    markers = [" and ".join(_parts(table, with_python=shared is None)) for table in tables]
    return Targets(shared, tuple(dict.fromkeys(markers)) if all(markers) else (), tuple(unread))


def _parts(table: Table, *, with_python: bool) -> Iterator[str]:
    if with_python and (marker := _python(table.text("requires_python") or "")):
        yield marker
    yield from _platform(table.text("platform") or "") or ()
    if implementation := table.text("implementation"):
        yield f"implementation_name == '{implementation}'"


def _specifier(text: str) -> str | None:
    """PEP 440 has no unions, and `*` is no restriction."""
    try:
        return str(SpecifierSet(text)) or None if text != "*" else None
    except InvalidSpecifier:
        return None


def _python(text: str) -> str | None:
    """The marker for a specifier, or for several that are joined by `||`."""
    alternatives = [list(_comparisons(part)) for part in text.split("||")]
    if not all(alternatives):
        return None
    joined = [" and ".join(comparisons) for comparisons in alternatives]
    return joined[0] if len(joined) == 1 else f"({' or '.join(f'({each})' for each in joined)})"


def _comparisons(text: str) -> Iterator[str]:
    try:
        specifiers: Iterable[str] = sorted(map(str, SpecifierSet(text.strip())))
    except InvalidSpecifier:
        return
    for specifier in specifiers:
        operator = re.match(r"[=<>!~]+", specifier)
        if operator:
            yield f"python_full_version {operator[0]} '{specifier[operator.end() :]}'"


def _platform(text: str) -> tuple[str, ...] | None:
    match = _PLATFORM.fullmatch(text)
    if match is None:
        return None
    system = _SYSTEMS[match[1]]
    machine = match[2] or _USUAL.get(match[1], "")
    machine = _MACHINES.get(machine, machine)
    if not machine:
        return (f"sys_platform == '{system}'",)
    spelling = _SPELLINGS[system].get(machine, machine)
    return f"sys_platform == '{system}'", f"platform_machine == '{spelling}'"
