"""requirements.txt in pip's grammar, as written by hand, by pip-compile and by uv.

Every entry stands for itself, so the lock is flat. Who requires what is known from `# via` comments, where the file has
them. `${VARIABLES}` stay as they are written: what this machine's environment holds is none of the lock's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from posixpath import basename

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.lock.document import Document
from driftscan.lock.requirements_lines import decode_head
from driftscan.lock.requirements_reader import Entry, Reader, intersection, project_name
from driftscan.lock.requirements_source import compare_with_sources
from driftscan.model.lock import Artifact, Dependency, Hash, Lock, Package, PackageId, SelectionMode

_NAME = re.compile(
    r"(?:.*[-_.])?(?:requirements|constraints)(?:[-_.].*)?\.(?:txt|in|lock)|.*\.txt|.*\.in", re.IGNORECASE
)
_ENTRY = re.compile(
    r"[ \t]*(?:[A-Za-z0-9][\w.-]*[ \t]*(?:\[[^\]\n]*\])?[ \t]*(?:[=!~]=|[<>@;#\\]|--|$)"
    r"|-[A-Za-z-]|\.{0,2}/|(?:[a-z]+\+)?[a-z]+://)"
)


def matches(name: str, head: bytes) -> bool:
    """Whether a file can be a requirements file: by its name's end, and by a line that reads as a requirement."""
    if _NAME.fullmatch(basename(name)) is None:
        return False
    lines = [line for line in decode_head(head).split("\n") if line.strip() and not line.lstrip().startswith("#")]
    return not lines or any(_ENTRY.match(line.rstrip("\r")) for line in lines)


def parse(document: Document) -> Lock:
    """Read a requirements file and what it includes.

    Raises LockError with file and line for a line that pip refuses, an include that is missing, remote, outside of
    the project or circular, and a merge conflict.
    """
    reader = Reader()
    reader.read(document, is_constraint=False, chain=())
    entries = list(reader.constrained())
    by_name: dict[NormalizedName, dict[PackageId, None]] = {}
    for entry in entries:
        by_name.setdefault(entry.id.name, {})[entry.id] = None
    children = _children(entries)
    packages = _merged((entry.marker, _package(entry, by_name, children, document)) for entry in entries)
    return Lock(
        path=document.name,
        format="requirements",
        sha256=document.sha256,
        mode=SelectionMode.FLAT,
        packages=packages,
        roots=tuple(_root(entry) for entry in entries),
        constraints={
            constraint.id.name: constraint.id.version
            for constraint in reader.constraints
            if constraint.id.version is not None and constraint.marker is None and constraint.id.name not in by_name
        },
        indexes=reader.indexes.all(),
        sources=tuple(compare_with_sources(reader.documents, entries, _requirements)),
        project_name=project_name(document, "pyproject.toml"),
        hashes_required=reader.hashes_required,
    )


def _requirements(document: Document) -> list[Entry]:
    """The requirements of a file and of what it includes, without constraints."""
    reader = Reader()
    reader.read(document, is_constraint=False, chain=())
    return reader.entries


def _children(entries: list[Entry]) -> dict[str, list[NormalizedName]] | None:
    """What each package requires, from the `via` comments turned around; None where there are no comments."""
    if all(entry.via is None for entry in entries):
        return None
    children: dict[str, list[NormalizedName]] = {}
    for entry in entries:
        for parent in entry.via or ():
            if not parent.startswith(("-r", "-c", "(")) and " " not in parent.split(" (")[0]:
                children.setdefault(canonicalize_name(parent.split("[")[0].split(" (")[0]), []).append(entry.id.name)
    return children


def _package(
    entry: Entry,
    by_name: Mapping[NormalizedName, Mapping[PackageId, None]],
    children: dict[str, list[NormalizedName]] | None,
    document: Document,
) -> Package:
    dependencies = None
    if children is not None:
        dependencies = tuple(
            Dependency(name=child, candidates=tuple(by_name[child]))
            for child in dict.fromkeys(children.get(entry.id.name, ()))
        )
    located = entry.located
    artifact = Artifact(
        filename=located.filename if located else None,
        url=located.origin.location if located and located.filename else None,
        hashes=entry.hashes,
    )
    return Package(
        id=entry.id,
        pinned=entry.pinned,
        specifier=entry.specifier,
        artifacts=(artifact,) if entry.hashes or artifact.filename else (),
        dependencies=dependencies,
        path=entry.file if entry.file != document.name else None,
        line=entry.line,
        notes=entry.notes,
    )


def _merged(packages: Iterable[tuple[str | None, Package]]) -> tuple[Package, ...]:
    """One package for entries that differ in marker or extras only.

    Entries for the same environments have to agree, so pip takes the hashes that all of them allow; those of entries
    for different ones stay alternatives.
    """
    found: dict[PackageId, dict[str | None, Package]] = {}
    for marker, package in packages:
        by_marker = found.setdefault(package.id, {})
        known = by_marker.get(marker)
        by_marker[marker] = package if known is None else _agreed(known, package)
    return tuple(_alternatives([*by_marker.values()]) for by_marker in found.values())


def _agreed(one: Package, other: Package) -> Package:
    hashes = intersection(_all_hashes(one), _all_hashes(other))
    artifacts = tuple(replace(artifact, hashes=hashes) for artifact in (one.artifacts or other.artifacts)[:1])
    return replace(one, artifacts=artifacts, notes=tuple(dict.fromkeys((*one.notes, *other.notes))))


def _all_hashes(package: Package) -> tuple[Hash, ...]:
    return tuple(value for artifact in package.artifacts for value in artifact.hashes)


def _alternatives(packages: list[Package]) -> Package:
    artifacts = dict.fromkeys(artifact for package in packages for artifact in package.artifacts)
    notes = dict.fromkeys(note for package in packages for note in package.notes)
    return replace(packages[0], artifacts=tuple(artifacts), notes=tuple(notes))


def _root(entry: Entry) -> Dependency:
    return Dependency(
        name=entry.id.name,
        specifier=entry.specifier,
        extras=entry.extras,
        marker=entry.marker,
        candidates=(entry.id,),
        line=entry.line,
    )
