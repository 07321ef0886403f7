"""Names in the conda world: package files, platforms (subdirs), and requirements as far as they name a package."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from packaging.utils import canonicalize_name

from driftscan.lock.document import clean_url, url_filename
from driftscan.model.lock import Artifact, CondaBuild, Dependency, Hash, Origin, OriginKind, Package, PackageId

_ENDINGS = (".conda", ".tar.bz2")
_SYSTEMS = {
    "linux-32": ("linux", "i686"),
    "linux-64": ("linux", "x86_64"),
    "linux-aarch64": ("linux", "aarch64"),
    "linux-armv6l": ("linux", "armv6l"),
    "linux-armv7l": ("linux", "armv7l"),
    "linux-ppc64le": ("linux", "ppc64le"),
    "linux-riscv64": ("linux", "riscv64"),
    "linux-s390x": ("linux", "s390x"),
    "osx-64": ("darwin", "x86_64"),
    "osx-arm64": ("darwin", "arm64"),
    "win-32": ("win32", "x86"),
    "win-64": ("win32", "AMD64"),
    "win-arm64": ("win32", "ARM64"),
    "emscripten-wasm32": ("emscripten", "wasm32"),
    "wasi-wasm32": ("wasi", "wasm32"),
}

PLATFORM_MARKERS: Mapping[str, str] = MappingProxyType(
    {
        name: f"sys_platform == '{system}' and platform_machine == '{machine}'"
        for name, (system, machine) in _SYSTEMS.items()
    }
)
"""The marker that says a target is of a conda platform."""


class CondaFile(NamedTuple):
    """What the URL of a conda package tells. `name` is conda's own, not normalised; `channel` is without the subdir."""

    name: str
    version: str
    build: str
    channel: str
    subdir: str
    filename: str
    url: str


def conda_file(url: str) -> CondaFile | None:
    """The parts of a conda package's URL, credentials removed; None where it names no such file."""
    clean = clean_url(url)
    filename = url_filename(clean)
    stem = next((filename.removesuffix(ending) for ending in _ENDINGS if filename.endswith(ending)), None)
    if stem is None or stem.count("-") < 2:
        return None
    name, version, build = stem.rsplit("-", 2)
    channel, _, subdir = clean.rpartition("/")[0].rpartition("/")
    return CondaFile(name, version, build, channel, subdir, filename, clean)


def conda_package(
    file: CondaFile,
    hashes: tuple[Hash, ...],
    *,
    size: int | None = None,
    line: int | None = None,
    dependencies: tuple[Dependency, ...] | None = None,
) -> Package:
    """A locked package that is this file."""
    origin = Origin(OriginKind.CONDA, file.channel, subdirectory=file.subdir, build=file.build)
    return Package(
        id=PackageId(canonicalize_name(file.name), file.version, origin),
        artifacts=(Artifact(filename=file.filename, url=file.url, hashes=hashes, size=size),),
        dependencies=dependencies,
        conda=CondaBuild(file.build, file.channel, file.subdir, file.filename),
        line=line,
    )


def required(text: str) -> tuple[str, str]:
    """Name and version specification of a requirement as package records have it: `numpy >=1.19,<3 py_0`."""
    name, _, specifier = text.strip().partition(" ")
    return name, specifier.strip()


def is_virtual(name: str) -> bool:
    """Whether a name is that of a virtual package (`__glibc`): a fact about the machine, never installed."""
    return name.startswith("__")
