"""pylock.toml (PEP 751), named `pylock.toml` or `pylock.<name>.toml`.

https://packaging.python.org/specifications/pylock-toml/. The lock is flat: each package carries the marker under
which it is installed, over the sets `extras` and `dependency_groups` as well. Edges only explain why a package is
there; most producers write none, and PDM writes its own, as requirements under `packages.tool.pdm.dependencies`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from posixpath import basename
from urllib.parse import unquote

from packaging.pylock import Package as LockedPackage
from packaging.pylock import PackageSdist, PackageWheel, Pylock, PylockValidationError
from packaging.utils import NormalizedName, canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from driftscan.errors import LockError
from driftscan.lock.document import Document, clean_url, header_lines, load_toml
from driftscan.lock.pylock_edges import read_edges
from driftscan.model.lock import (
    Artifact,
    Dependency,
    Hash,
    Lock,
    Origin,
    OriginKind,
    Package,
    PackageId,
    SelectionMode,
    Unchecked,
)

NEWEST = Version("1.0")
"""The lock version of PEP 751."""

_NAME = re.compile(r"pylock\.([^.]+\.)?toml")
_QUERY = re.compile(r"[?#]")
_PLACE = re.compile(r"packages\[(\d+)\]")


def matches(name: str, head: bytes) -> bool:  # noqa: ARG001 - every format is asked the same question
    """Whether a file is a pylock.toml: the standard fixes its name."""
    return _NAME.fullmatch(basename(name)) is not None


def parse(document: Document) -> Lock:
    """Read a pylock.toml.

    Raises LockError where it is no TOML, not what the standard asks for (the message has the key's path), or of a
    lock version that is not supported.
    """
    data = load_toml(document)
    version = _lock_version(data, document.name)
    tables = _tables(data)
    lines: Sequence[int | None] = header_lines(document, "packages")
    if len(lines) != len(tables):  # a string that looks like a header, or tables written inline
        lines = [None] * len(tables)
    pylock = _validated(data, document.name, lines)
    packages = _packages(pylock, lines)
    edges, unread = read_edges(tables, [package.id for package in packages])
    if edges is not None:
        packages = tuple(replace(package, dependencies=each) for package, each in zip(packages, edges, strict=True))
    groups = frozenset(map(canonicalize_name, (*(pylock.dependency_groups or ()), *(pylock.default_groups or ()))))
    return Lock(
        path=document.name,
        format="pylock",
        sha256=document.sha256,
        mode=SelectionMode.FLAT,
        packages=packages,
        roots=tuple(map(_root, pylock.packages, packages)),
        requires_python=str(pylock.requires_python) if pylock.requires_python else None,
        environments=tuple(map(str, pylock.environments or ())),
        extras=frozenset(pylock.extras or ()),
        groups=groups,
        default_groups=frozenset(map(canonicalize_name, pylock.default_groups or ())),
        project_name=_project_name(document),
        unchecked=(*_newer_version(document.name, version), *_unread(document.name, unread)),
    )


def _lock_version(data: Mapping[str, object], where: str) -> Version:
    written = data.get("lock-version")
    if written is None:
        raise LockError("there is no lock-version, so this is no pylock.toml", where=where)
    try:
        version = Version(written) if isinstance(written, str) else None
    except ValueError:
        version = None
    if version is None or version.major != NEWEST.major:
        raise LockError(
            f"lock-version {str(written)[:50]!r} of pylock.toml is not supported; {NEWEST} is",
            where=where,
            hint="Update driftscan, or lock again with a tool that writes lock-version 1.0.",
        )
    return version


def _newer_version(name: str, version: Version) -> Iterator[Unchecked]:
    if version > NEWEST:
        yield Unchecked(
            f"what is new in lock-version {version} of {name}",
            f"driftscan knows lock version {NEWEST}; a newer driftscan may read more",
        )


def _unread(name: str, texts: Sequence[str]) -> Iterator[Unchecked]:
    for text in texts:
        yield Unchecked(f"what the dependency {text[:100]!r} in {name} means", "it is not a requirement (PEP 508)")


def _validated(data: Mapping[str, object], name: str, lines: Sequence[int | None]) -> Pylock:
    """The lock as packaging reads it; its complaints get the line of the package that they are about."""
    try:
        return Pylock.from_dict({**data, "lock-version": str(NEWEST)})
    except PylockValidationError as error:
        place = _PLACE.match(error.context or "")
        index = int(place[1]) if place else len(lines)
        line = lines[index] if index < len(lines) else None
        where = f"{name}:{line}" if line else name
        raise LockError(f"this is no valid pylock.toml: {error}"[:500], where=where) from None


def _packages(pylock: Pylock, lines: Sequence[int | None]) -> tuple[Package, ...]:
    return tuple(
        Package(
            id=PackageId(package.name, _version(package), _origin(package)),
            artifacts=tuple(_artifacts(package)),
            requires_python=str(package.requires_python) if package.requires_python else None,
            line=line,
        )
        for package, line in zip(pylock.packages, lines, strict=True)
    )


def _version(package: LockedPackage) -> str | None:
    """The version, from a file's name where the entry gives none; a source tree has none that could be relied on."""
    if package.version:
        return str(package.version)
    if package.sdist:
        return str(parse_sdist_filename(package.sdist.filename)[1])
    if package.wheels:
        return str(parse_wheel_filename(package.wheels[0].filename)[1])
    return None


def _origin(package: LockedPackage) -> Origin:
    if vcs := package.vcs:
        return Origin(
            OriginKind.VCS,
            clean_url(vcs.url or vcs.path or ""),
            vcs.commit_id,
            vcs.requested_revision,
            vcs.subdirectory,
        )
    if directory := package.directory:
        kind = OriginKind.EDITABLE if directory.editable else OriginKind.DIRECTORY
        return Origin(kind, directory.path, subdirectory=directory.subdirectory)
    if archive := package.archive:
        if archive.url:
            return Origin(OriginKind.URL, clean_url(archive.url), subdirectory=archive.subdirectory)
        return Origin(OriginKind.PATH, archive.path or "", subdirectory=archive.subdirectory)
    return Origin(OriginKind.INDEX, clean_url(package.index or ""))


def _artifacts(package: LockedPackage) -> Iterator[Artifact]:
    if archive := package.archive:
        name = basename(_QUERY.split(archive.url, maxsplit=1)[0] if archive.url else archive.path or "")
        yield Artifact(
            filename=unquote(name) or None,
            url=clean_url(archive.url) if archive.url else archive.path,
            hashes=_hashes(archive.hashes),
            size=archive.size,
        )
    files: list[PackageWheel | PackageSdist] = [*(package.wheels or ())]
    for file in [*files, package.sdist] if package.sdist else files:
        yield Artifact(
            filename=file.filename,
            url=clean_url(file.url) if file.url else file.path,
            hashes=_hashes(file.hashes),
            size=file.size,
        )


def _hashes(hashes: Mapping[str, str]) -> tuple[Hash, ...]:
    return tuple(Hash(algorithm.lower(), digest.lower()) for algorithm, digest in sorted(hashes.items()))


def _root(locked: LockedPackage, package: Package) -> Dependency:
    return Dependency(
        name=package.id.name,
        specifier=f"=={package.id.version}" if package.id.version else "",
        marker=str(locked.marker) if locked.marker else None,
        candidates=(package.id,),
        line=package.line,
    )


def _project_name(document: Document) -> NormalizedName | None:
    pyproject = document.sibling("pyproject.toml")
    project = load_toml(pyproject).get("project") if pyproject else None
    name = project.get("name") if isinstance(project, Mapping) else None
    return canonicalize_name(name) if isinstance(name, str) and name else None


def _tables(data: Mapping[str, object]) -> list[Mapping[str, object]]:
    packages = data.get("packages")
    return [table for table in packages if isinstance(table, Mapping)] if isinstance(packages, list) else []
