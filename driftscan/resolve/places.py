"""Targets of a resolution: this machine's interpreter, a named one, or an image's; in words, and as uv names them."""

from __future__ import annotations

import platform
from typing import NamedTuple

from packaging import tags as packaging_tags
from packaging.markers import default_environment

from driftscan import platforms
from driftscan.errors import ResolveError, UsageError
from driftscan.model.target import Libc, Target

_GLIBC = (40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17)
"""Minor versions of glibc 2 that uv knows platforms for, newest first."""
_GLIBC_MACHINES = ("x86_64", "aarch64")
_MUSL_MACHINES = ("x86_64", "aarch64")
_WINDOWS = {"AMD64": "x86_64", "ARM64": "aarch64", "x86": "i686"}


class Place(NamedTuple):
    """A target to lock for. `words` are those of the lock's header, `asked` is how the user named it, if at all."""

    target: Target
    words: str
    asked: str | None = None

    @property
    def python(self) -> str:
        """The full version of its Python."""
        return self.target.markers["python_full_version"]


def place(target: Target, asked: str | None = None) -> Place:
    """The place that a target makes; ResolveError where it is not known which Python it has."""
    if "python_full_version" not in target.markers:
        raise ResolveError(
            "which patch release of Python it has is not known",
            where=asked,
            hint="name the Python and the platform: --python 3.12.4 --python-platform linux",
        )
    return Place(target, _words(target), asked)


def named(python: str | None, python_platform: str | None) -> Place:
    """The place of a Python and a platform by name; what is not named is this machine's.

    A Python without a patch release is its first one: what installs there installs on all later ones.
    """
    here = this_machine()
    version = python or here.python
    if version.removesuffix("t").count(".") == 1:
        version = f"{version.removesuffix('t')}.0{'t' if version.endswith('t') else ''}"
    system = python_platform or platform_name(here.target)
    if system is None:
        raise UsageError("this machine's platform has no name", hint="name one with --python-platform linux")
    return place(platforms.target(version, system))


def this_machine() -> Place:
    """The interpreter that driftscan runs on."""
    markers = {key: str(value) for key, value in default_environment().items() if key != "extra"}
    family, version = platform.libc_ver()
    known = tuple(map(int, version.split(".")[:2])) if version else ()
    libc = Libc("glibc", (known[0], known[1])) if family == "glibc" and len(known) == 2 else None
    return place(
        Target(markers=markers, tags=tuple(packaging_tags.sys_tags()), machine=platform.machine(), libc=libc or _musl())
    )


def _musl() -> Libc | None:
    """musl tells its version only to who runs it; the tags of the interpreter have it too."""
    for tag in packaging_tags.sys_tags():
        family, *numbers = tag.platform.split("_")
        if family == "musllinux":
            return Libc("musl", (int(numbers[0]), int(numbers[1])))
    return None


def platform_name(target: Target) -> str | None:
    """The name by which `--python-platform` means the target's platform again; None where there is none."""
    system, machine = target.markers.get("sys_platform"), target.markers.get("platform_machine")
    if system == "linux" and target.libc is not None and target.libc.version is not None:
        family = "manylinux" if target.libc.family == "glibc" else "musllinux"
        return f"{family}_{target.libc.version[0]}_{target.libc.version[1]}_{target.machine or machine}"
    if system == "darwin" and target.tags:
        return next((tag.platform for tag in target.tags if tag.platform.startswith("macosx_")), None)
    if system == "win32":
        return {"AMD64": "win_amd64", "ARM64": "win_arm64", "x86": "win32"}.get(machine or "")
    return None


def _words(target: Target) -> str:
    """`CPython 3.11.2 on manylinux_2_36_x86_64`."""
    markers = target.markers
    implementation = markers.get("platform_python_implementation", "Python")
    threads = "t" if is_free_threaded(target) else ""
    name = platform_name(target) or " ".join(filter(None, (markers.get("sys_platform"), target.machine)))
    return f"{implementation} {markers['python_full_version']}{threads} on {name or 'an unknown platform'}"


def recorded(words: str) -> Place | None:
    """The place that a lock's header has in words; None where it is none that can be made again from its name."""
    implementation, _, rest = words.partition(" ")
    version, _, name = rest.partition(" on ")
    if implementation != "CPython":
        return None
    try:
        return place(platforms.target(version, name))
    except (UsageError, ResolveError):
        return None


def is_free_threaded(target: Target) -> bool:
    return any(tag.abi.startswith("cp") and tag.abi.endswith("t") for tag in (target.tags or ())[:1])


def uv_platform(target: Target) -> str | None:
    """uv's name of the newest platform that the target is at least; None where uv knows none.

    https://docs.astral.sh/uv/reference/cli/#uv-pip-compile--python-platform
    """
    system, machine = target.markers.get("sys_platform"), target.markers.get("platform_machine", "")
    if target.markers.get("implementation_name") != "cpython" or is_free_threaded(target):
        return None
    if system == "win32":
        return f"{_WINDOWS[machine]}-pc-windows-msvc" if machine in _WINDOWS else None
    if system == "darwin":
        return {"arm64": "aarch64-apple-darwin", "x86_64": "x86_64-apple-darwin"}.get(machine)
    if system != "linux" or target.libc is None or target.libc.version is None:
        return None
    if target.libc.family == "musl":
        return f"{machine}-unknown-linux-musl" if machine in _MUSL_MACHINES else None
    if machine not in _GLIBC_MACHINES or target.libc.version[0] != 2:
        return None
    fitting = next((minor for minor in _GLIBC if minor <= target.libc.version[1]), None)
    return f"{machine}-manylinux_2_{fitting}" if fitting is not None else None
