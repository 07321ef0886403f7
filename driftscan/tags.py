"""The ordered list of tags that an interpreter supports, built from facts and never from the running one.

Platform compatibility tags are defined in PEP 425, manylinux ones in PEP 600 and musllinux ones in PEP 656; the
order is the one that `packaging.tags.sys_tags` gives on the system described.
"""

from __future__ import annotations

from collections.abc import Iterator

from packaging import tags
from packaging.tags import Tag

from driftscan.model.target import Libc

_LEGACY = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_OLDEST_GLIBC_MINOR = 17
_OLDEST_GLIBC_MINOR_X86 = 5
_ELF_MACHINES = {
    (3, 32): "i686",
    (20, 32): "ppc",
    (22, 64): "s390x",
    (40, 32): "armv7l",
    (62, 64): "x86_64",
    (183, 64): "aarch64",
    (243, 64): "riscv64",
    (258, 64): "loongarch64",
}
_PPC64 = (21, 64)


def machine_name(machine: int, bits: int, little_endian: bool) -> str | None:
    """The architecture as platform tags spell it, from an ELF header's e_machine, class and data encoding."""
    if (machine, bits) == _PPC64:
        return "ppc64le" if little_endian else "ppc64"
    return _ELF_MACHINES.get((machine, bits))


def platforms(machine: str, libc: Libc | None) -> tuple[str, ...]:
    """Platform tags of a Linux system, best first. Without a C library of known version: the plain one alone."""
    found = [f"linux_{machine}"]
    if libc is not None and libc.version is not None:
        known = _manylinux if libc.family == "glibc" else _musllinux
        found += known(machine, *libc.version)
    return tuple(found)


def _manylinux(machine: str, major: int, minor: int) -> Iterator[str]:
    if major != 2:
        return
    oldest = _OLDEST_GLIBC_MINOR_X86 if machine in ("x86_64", "i686") else _OLDEST_GLIBC_MINOR
    for number in range(minor, oldest - 1, -1):
        yield f"manylinux_2_{number}_{machine}"
        if legacy := _LEGACY.get((2, number)):
            yield f"{legacy}_{machine}"


def _musllinux(machine: str, major: int, minor: int) -> Iterator[str]:
    for number in range(minor, -1, -1):
        yield f"musllinux_{major}_{number}_{machine}"


def cpython(
    version: tuple[int, int], platform_tags: tuple[str, ...], *, gil_disabled: bool, debug: bool
) -> tuple[Tag, ...]:
    """Tags of a CPython 3 of that (major, minor) version."""
    nodot = f"{version[0]}{version[1]}"
    threading = "t" if gil_disabled else ""
    abis = [f"cp{nodot}{threading}"]
    if debug:
        abis.insert(0, f"cp{nodot}{threading}d")
    if version < (3, 8):
        abis = [f"cp{nodot}{'d' if debug else ''}m"]
    return (
        *tags.cpython_tags(version, abis, platform_tags),
        *tags.compatible_tags(version, f"cp{nodot}", platform_tags),
    )


def pypy(version: tuple[int, int], soabi: str, platform_tags: tuple[str, ...]) -> tuple[Tag, ...]:
    """Tags of a PyPy that implements that Python version; `soabi` as in its extension suffix, `pypy310-pp73-...`."""
    abi = "_".join(soabi.split("-")[:2])
    return (
        *tags.generic_tags(f"pp{version[0]}{version[1]}", [abi], platform_tags),
        *tags.compatible_tags(version, "pp3", platform_tags),
    )
