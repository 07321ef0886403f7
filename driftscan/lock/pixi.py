"""pixi.lock, versions 4 to 7 (the format of the `rattler_lock` library, which documents it in its source).

A workspace has environments, each with a list of packages for each platform; pixi installs one environment as a whole.
They are groups here that exclude each other. Details of the packages stand in a second list, to which the environments
refer by URL or path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from posixpath import basename

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from driftscan.errors import LockError
from driftscan.lock.conda_names import PLATFORM_MARKERS, conda_package, is_virtual, required
from driftscan.lock.document import Document, clean_url, url_filename
from driftscan.lock.pixi_entries import (
    DAMAGED,
    Entries,
    Entry,
    Reference,
    mapping,
    maps,
    read_entry,
    read_references,
    texts,
)
from driftscan.lock.yaml_document import YamlList, YamlMap, load_yaml
from driftscan.model.lock import (
    Artifact,
    Dependency,
    Hash,
    Lock,
    OriginKind,
    Package,
    PackageId,
    Scope,
    ScopeKind,
    SelectionMode,
    Unchecked,
)

VERSIONS = ("4", "5", "6", "7")
_DEFAULT = "default"


def matches(name: str, head: bytes) -> bool:
    """Whether a file is a pixi.lock: by its name, or by the keys it starts with."""
    return basename(name) == "pixi.lock" or (head.startswith(b"version: ") and b"\nenvironments:\n" in head)


def parse(document: Document) -> Lock:
    """Read a pixi.lock.

    Raises LockError with the line where it is no YAML, of a version that is not supported, or an environment refers to
    a package that is not there.
    """
    data = load_yaml(document)
    _check_version(data, document.name)
    entries = Entries([read_entry(item, document.name) for item in maps(data, "packages", document.name)])
    platforms = _platforms(data)
    references = [
        replace(reference, subdir=platforms.get(reference.platform, reference.platform))
        for reference in read_references(data, document.name)
    ]
    used = [(reference, entries.find(reference)) for reference in references]
    groups = frozenset(reference.environment for reference in references) | frozenset(mapping(data, "environments"))
    packages = _packages(used, entries)
    return Lock(
        path=document.name,
        format="pixi",
        sha256=document.sha256,
        mode=SelectionMode.FLAT,
        packages=packages,
        roots=tuple(dict.fromkeys(_root(reference, entry) for reference, entry in used)),
        groups=groups,
        default_groups=groups & {_DEFAULT},
        exclusive_groups=True,
        unchecked=tuple(_unchecked(references, groups, document.name)),
    )


def _check_version(data: YamlMap, name: str) -> None:
    text = data.get("version")
    if text not in VERSIONS:
        raise LockError(
            f"it is a pixi.lock of version {str(text)[:20]!r}",
            where=name,
            hint=f"supported are versions {VERSIONS[0]} to {VERSIONS[-1]}; lock with a pixi that writes one of them",
        )


def _packages(used: Sequence[tuple[Reference, Entry]], entries: Entries) -> tuple[Package, ...]:
    """Packages that some environment refers to, files of one version together; edges within the same environment."""
    there: dict[tuple[str, str], dict[str, PackageId]] = {}
    conda: dict[tuple[str, str], dict[str, PackageId]] = {}
    places: dict[PackageId, list[tuple[str, str]]] = {}
    for reference, entry in used:
        place = (reference.environment, reference.platform)
        there.setdefault(place, {}).update(dict.fromkeys(entry.provides, entry.key))
        if entry.kind != "pypi":
            conda.setdefault(place, {})[_conda_name(entry)] = entry.key
        places.setdefault(entry.key, []).append(place)
    found: dict[PackageId, Package] = {}
    for entry in entries.entries:
        if entry.key not in places:
            continue
        names = (conda if entry.kind != "pypi" else there, there)
        package = _package(entry, tuple(_edges(entry, places[entry.key], names)))
        known = found.get(entry.key)
        found[entry.key] = package if known is None else _together(known, package)
    return tuple(found.values())


def _conda_name(entry: Entry) -> str:
    return (entry.file.name if entry.file is not None else str(entry.key.name)).lower()


_Names = Mapping[tuple[str, str], Mapping[str, PackageId]]


def _edges(entry: Entry, places: Sequence[tuple[str, str]], names: tuple[_Names, _Names]) -> Iterator[Dependency]:
    for name, specifier, marker, extras in _requirements(entry):
        first, python = names
        candidates = [
            found
            for place in places
            if (found := first.get(place, {}).get(name.lower()) or python.get(place, {}).get(canonicalize_name(name)))
        ]
        yield Dependency(
            name=canonicalize_name(name),
            specifier=specifier,
            extras=extras,
            marker=marker,
            candidates=tuple(dict.fromkeys(candidates)),
            line=entry.data.line,
        )


def _requirements(entry: Entry) -> Iterator[tuple[str, str, str | None, frozenset[str]]]:
    """Name, specifier, marker and extras of what an entry requires; extras of its own are left out."""
    if entry.kind != "pypi":
        for text in texts(entry.data.get("depends")):
            name, specifier = required(text)
            if not is_virtual(name):
                yield name, specifier, None, frozenset()
        return
    for text in texts(entry.data.get("requires_dist")):
        try:
            requirement = Requirement(text)
        except (InvalidRequirement, RecursionError):
            continue
        marker = str(requirement.marker) if requirement.marker is not None else None
        if marker is None or "extra" not in marker:
            extras = frozenset(map(canonicalize_name, requirement.extras))
            yield requirement.name, str(requirement.specifier), marker, extras


def _package(entry: Entry, dependencies: tuple[Dependency, ...]) -> Package:
    hashes = tuple(_hashes(entry))
    size = entry.data.get("size")
    number = int(size) if isinstance(size, str) and size.isdecimal() and len(size) < 16 else None
    if entry.file is not None:
        return conda_package(entry.file, hashes, size=number, line=entry.data.line, dependencies=dependencies)
    requires_python = entry.data.get("requires_python")
    origin = entry.key.origin
    is_archive = origin.kind in (OriginKind.INDEX, OriginKind.PATH)
    filename = url_filename(entry.place)
    url = clean_url(entry.place) if "://" in entry.place else None
    return Package(
        id=entry.key,
        artifacts=(Artifact(filename=filename, url=url, hashes=hashes, size=number),) if is_archive else (),
        dependencies=dependencies,
        requires_python=requires_python if isinstance(requires_python, str) else None,
        is_member=origin.kind in (OriginKind.DIRECTORY, OriginKind.EDITABLE)
        and origin.location.rstrip("/") in (".", ""),
        line=entry.data.line,
    )


def _hashes(entry: Entry) -> Iterator[Hash]:
    for algorithm in ("sha256", "md5"):
        digest = entry.data.get(algorithm)
        if isinstance(digest, str) and digest:
            if digest.strip("0123456789abcdefABCDEF"):
                raise LockError(f"the {algorithm} {digest[:80]!r} is not hexadecimal", where=entry.where, hint=DAMAGED)
            yield Hash(algorithm, digest.lower())


def _together(one: Package, other: Package) -> Package:
    """Wheels of one version for several platforms are several entries."""
    edges: dict[tuple[NormalizedName, str | None], Dependency] = {}
    for edge in (*(one.dependencies or ()), *(other.dependencies or ())):
        known = edges.get((edge.name, edge.marker))
        candidates = tuple(dict.fromkeys((*(known.candidates if known else ()), *edge.candidates)))
        edges[edge.name, edge.marker] = replace(known or edge, candidates=candidates)
    artifacts = tuple(dict.fromkeys((*one.artifacts, *other.artifacts)))
    return replace(one, artifacts=artifacts, dependencies=tuple(edges.values()))


def _root(reference: Reference, entry: Entry) -> Dependency:
    return Dependency(
        name=entry.key.name,
        extras=reference.extras,
        marker=PLATFORM_MARKERS.get(reference.subdir),
        scope=Scope(ScopeKind.GROUP, reference.environment),
        candidates=(entry.key,),
    )


def _platforms(data: YamlMap) -> dict[str, str]:
    """From version 7 on platforms have names of their own, and may say which conda platform they are."""
    found: dict[str, str] = {}
    platforms = data.get("platforms")
    for item in platforms if isinstance(platforms, YamlList) else ():
        if isinstance(item, YamlMap) and isinstance(name := item.get("name"), str):
            subdir = item.get("subdir")
            found[name] = subdir if isinstance(subdir, str) else name
    return found


def _unchecked(references: Sequence[Reference], groups: frozenset[str], name: str) -> Iterator[Unchecked]:
    for platform in sorted({each.subdir for each in references} - PLATFORM_MARKERS.keys() - {"noarch"}):
        yield Unchecked(
            f"which targets the platform {platform[:50]!r} of {name} means", "it is no platform that is known"
        )
    if groups and _DEFAULT not in groups:
        names = ", ".join(sorted(groups))
        yield Unchecked(
            f"which environment of {name} is meant", f"none is called {_DEFAULT!r}; name one with --group: {names}"
        )
