"""Targets by name: what an interpreter of some version on some platform would answer, without having one.

Platforms are named as `uv --python-platform` does (`linux`, `x86_64-manylinux_2_28`, `aarch64-apple-darwin`), as conda
does (`linux-64`), as images do (`linux/arm64`), or by a wheel's platform tag (`musllinux_1_2_x86_64`). Where a name
leaves the system's version open, the one that uv assumes is taken: glibc 2.28, musl 1.2, macOS 13.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from packaging.tags import mac_platforms

from driftscan import tags
from driftscan.errors import UsageError
from driftscan.model.target import Libc, Target

_GLIBC = Libc("glibc", (2, 28))
_MUSL = Libc("musl", (1, 2))
_MACOS = (13, 0)
_PYTHON = re.compile(r"(?P<minor>3\.\d{1,2})(?:\.(?P<patch>\d{1,3}))?(?P<threads>t?)", re.ASCII)
_EXAMPLES = "linux, macos, windows, x86_64-manylinux_2_28, aarch64-unknown-linux-musl, linux/arm64, osx-arm64"


class _System(NamedTuple):
    """An operating system on a machine. `libc` is that of a Linux, `version` that of a macOS."""

    system: str
    machine: str
    libc: Libc | None = None
    version: tuple[int, int] | None = None


def _linux(machine: str, libc: Libc = _GLIBC) -> _System:
    return _System("linux", machine, libc)


_NAMED: Mapping[str, _System] = MappingProxyType(
    {
        "linux": _linux("x86_64"),
        "macos": _System("darwin", "arm64", version=_MACOS),
        "windows": _System("win32", "AMD64"),
        "x86_64-pc-windows-msvc": _System("win32", "AMD64"),
        "aarch64-pc-windows-msvc": _System("win32", "ARM64"),
        "i686-pc-windows-msvc": _System("win32", "x86"),
        "aarch64-apple-darwin": _System("darwin", "arm64", version=_MACOS),
        "x86_64-apple-darwin": _System("darwin", "x86_64", version=_MACOS),
        "x86_64-unknown-linux-gnu": _linux("x86_64"),
        "aarch64-unknown-linux-gnu": _linux("aarch64"),
        "x86_64-unknown-linux-musl": _linux("x86_64", _MUSL),
        "aarch64-unknown-linux-musl": _linux("aarch64", _MUSL),
        "riscv64-unknown-linux": _linux("riscv64"),
        "linux-64": _linux("x86_64"),
        "linux-aarch64": _linux("aarch64"),
        "linux-ppc64le": _linux("ppc64le"),
        "linux-s390x": _linux("s390x"),
        "osx-64": _System("darwin", "x86_64", version=_MACOS),
        "osx-arm64": _System("darwin", "arm64", version=_MACOS),
        "win-64": _System("win32", "AMD64"),
        "win-arm64": _System("win32", "ARM64"),
        "linux/amd64": _linux("x86_64"),
        "linux/arm64": _linux("aarch64"),
        "linux/ppc64le": _linux("ppc64le"),
        "linux/s390x": _linux("s390x"),
        "linux/riscv64": _linux("riscv64"),
        "windows/amd64": _System("win32", "AMD64"),
        "win_amd64": _System("win32", "AMD64"),
        "win_arm64": _System("win32", "ARM64"),
        "win32": _System("win32", "x86"),
    }
)
_MACHINE = r"(?P<machine>x86_64|aarch64|armv7l|i686|ppc64le|s390x|riscv64|arm64)"
_PATTERNS = (
    re.compile(rf"(?P<family>manylinux|musllinux)_(?P<major>\d{{1,2}})_(?P<minor>\d{{1,3}})_{_MACHINE}", re.ASCII),
    re.compile(rf"{_MACHINE}-(?P<family>manylinux|musllinux)_(?P<major>\d{{1,2}})_(?P<minor>\d{{1,3}})", re.ASCII),
    re.compile(rf"(?P<family>macosx)_(?P<major>\d{{1,2}})_(?P<minor>\d{{1,2}})_{_MACHINE}", re.ASCII),
)
_MANYLINUX2014 = re.compile(rf"manylinux2014_{_MACHINE}|(?P<first>x86_64|aarch64)-manylinux2014")
_PLATFORM_SYSTEMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
_WINDOWS_TAGS = {"AMD64": "win_amd64", "ARM64": "win_arm64", "x86": "win32"}


def target(python: str | None, platform: str | None) -> Target:
    """The target that a CPython `python` (`3.12`, `3.12.4`, `3.13t`) on `platform` makes.

    What is not named stays unknown: without `python` there are no version markers and no tags, without `platform` no
    system markers. Of a `python` without a patch release only what all patch releases share is known. Raises UsageError
    for names that mean nothing.
    """
    version = _python(python) if python is not None else None
    system = _system(platform) if platform is not None else None
    markers = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    if version is not None:
        markers |= _version_markers(version["minor"], version["patch"])
    if system is not None:
        markers |= _system_markers(system)
    if version is None or system is None:
        return Target(markers=markers, machine=system.machine if system else None, libc=system.libc if system else None)
    major, minor = map(int, version["minor"].split("."))
    return Target(
        markers=markers,
        tags=tags.cpython((major, minor), _platform_tags(system), gil_disabled=bool(version["threads"]), debug=False),
        machine=system.machine,
        libc=system.libc,
    )


def _python(text: str) -> re.Match[str]:
    match = _PYTHON.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no version of Python 3", hint="name it as 3.12, 3.12.4, or 3.13t")
    return match


def _system(text: str) -> _System:
    name = text.strip().lower()
    found = _NAMED.get(name) or _by_tag(name)
    if found is None:
        raise UsageError(f"{text!r} is no platform that driftscan knows", hint=f"such as {_EXAMPLES}")
    return found


def _by_tag(name: str) -> _System | None:
    if legacy := _MANYLINUX2014.fullmatch(name):
        return _linux(legacy["machine"] or legacy["first"], Libc("glibc", (2, 17)))
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(name):
            version = int(match["major"]), int(match["minor"])
            if match["family"] == "macosx":
                return _System("darwin", match["machine"], version=version)
            return _linux(match["machine"], Libc("glibc" if match["family"] == "manylinux" else "musl", version))
    return None


def _version_markers(minor: str, patch: str | None) -> dict[str, str]:
    if patch is None:
        return {"python_version": minor}
    full = f"{minor}.{int(patch)}"
    return {"python_version": minor, "python_full_version": full, "implementation_version": full}


def _system_markers(system: _System) -> dict[str, str]:
    return {
        "os_name": "nt" if system.system == "win32" else "posix",
        "sys_platform": system.system,
        "platform_system": _PLATFORM_SYSTEMS[system.system],
        "platform_machine": system.machine,
    }


def _platform_tags(system: _System) -> tuple[str, ...]:
    if system.system == "win32":
        return (_WINDOWS_TAGS[system.machine],)
    if system.version is not None:
        return tuple(mac_platforms(system.version, system.machine))
    return tags.platforms(system.machine, system.libc)
