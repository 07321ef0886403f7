"""The `[[package]]` tables of pdm.lock: identity, source, files, and what of a project an entry stands for.

A package that is required with extras has one entry for itself and one for each set of extras, which requires the
package itself and what the extras add. Here they become one package.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import basename
from typing import NamedTuple
from urllib.parse import unquote

from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import Version

from driftscan.errors import LockError, MarkerError
from driftscan.lock.document import clean_url, url_filename
from driftscan.lock.pdm_requirements import Requirement, local_path, read_dependencies, relative
from driftscan.lock.table import Table
from driftscan.markers import parse as parse_marker
from driftscan.model.lock import (
    Artifact,
    Dependency,
    Hash,
    Note,
    NoteKind,
    Origin,
    OriginKind,
    Package,
    PackageId,
    Scope,
    ScopeKind,
)

_REPOSITORIES = ("git", "hg", "svn", "bzr")
_ARCHIVE = re.compile(r".*\.(whl|zip|tar\.gz|tgz|tar\.bz2|tbz|tar\.xz|txz|tar)", re.DOTALL)
_HASH = re.compile(r"([A-Za-z0-9_]+):([0-9a-fA-F]+)")


class Entry(NamedTuple):
    """One `[[package]]` table. `extras` are those that it stands for; `unread` are texts that are no requirements."""

    id: PackageId
    extras: frozenset[str]
    groups: tuple[NormalizedName, ...]
    marker: str | None
    requirements: tuple[Requirement, ...]
    unread: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    requires_python: str | None
    line: int | None


class Catalogue:
    """The entries of one lock by package and by name."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.by_id: dict[PackageId, list[Entry]] = {}
        for entry in entries:
            self.by_id.setdefault(entry.id, []).append(entry)
        self._by_name: defaultdict[str, list[PackageId]] = defaultdict(list)
        for key in self.by_id:
            self._by_name[key.name].append(key)

    def named(self, name: NormalizedName) -> Sequence[PackageId]:
        """All packages of a name."""
        return self._by_name.get(name, ())

    def candidates(self, requirement: Requirement) -> tuple[PackageId, ...]:
        """The packages that a requirement can mean.

        Overrides let the lock hold a version that a requirement does not admit: where none fits, it means any. Of
        those that fit, it means the ones that are locked with the extras it asks for.
        """
        if requirement.name is None:
            return tuple(key for key in self.by_id if key.origin.location == requirement.place)
        found = self._by_name.get(requirement.name, [])
        fitting = [key for key in found if _fits(key, requirement)]
        exact = [key for key in fitting if any(entry.extras == requirement.extras for entry in self.by_id[key])]
        return tuple(exact or fitting or found)


def _fits(key: PackageId, requirement: Requirement) -> bool:
    if requirement.place:
        return key.origin.kind is not OriginKind.INDEX
    return key.version is None or requirement.specifier.contains(key.version, prereleases=True)


def read_entry(table: Table, line: int | None, files: Mapping[tuple[str, str], Sequence[Table]]) -> Entry:
    """Read a `[[package]]` table; `files` are those that older locks list apart, by normalised name and version.

    Raises LockError where name or version is missing or malformed, and for a marker or hash that cannot be read.
    """
    name, version = _name(table), table.text("version")
    try:
        Version(version or "0")
    except ValueError:
        raise LockError(
            f"the version {(version or '')[:100]!r} of {name} is not one (PEP 440)", where=table.where
        ) from None
    origin = _origin(table)
    if version is None and origin.kind is OriginKind.INDEX:
        raise LockError(f"the [[package]] table of {name} has no version", where=table.where)
    found = list(read_dependencies(table))
    listed = table.tables("files") or tuple(files.get((name, version or ""), ()))
    return Entry(
        id=PackageId(name, version, origin),
        extras=frozenset(map(canonicalize_name, table.texts("extras"))),
        groups=tuple(map(canonicalize_name, table.texts("groups") or table.texts("sections"))),
        marker=_marker(table),
        requirements=tuple(requirement for _, requirement in found if requirement is not None),
        unread=tuple(text for text, requirement in found if requirement is None),
        artifacts=tuple(_artifact(file, table.where) for file in listed),
        requires_python=table.text("requires_python"),
        line=line,
    )


def _name(table: Table) -> NormalizedName:
    written = table.text("name") or ""
    try:
        return canonicalize_name(written, validate=True)
    except InvalidName:
        raise LockError(f"the name {written[:100]!r} of a [[package]] table is not one", where=table.where) from None


def read_files(metadata: Table) -> dict[tuple[str, str], tuple[Table, ...]]:
    """`[metadata.files]` of lock versions before 4.3, whose keys are `name version`."""
    listed = metadata.table("files")
    found: dict[tuple[str, str], tuple[Table, ...]] = {}
    for key in listed.values:
        name, _, version = key.partition(" ")
        found[canonicalize_name(name.partition("[")[0]), version] = listed.tables(key)
    return found


def _marker(table: Table) -> str | None:
    text = table.text("marker")
    if not text:
        return None
    try:
        parse_marker(text)
    except MarkerError as error:
        raise LockError(error.message, where=table.where, hint="the lock is damaged; run `pdm lock`") from error
    return text


def _origin(table: Table) -> Origin:
    subdirectory = table.text("subdirectory")
    for system in _REPOSITORIES:
        if url := table.text(system):
            return Origin(
                OriginKind.VCS, clean_url(url), table.text("revision"), table.text("ref") or None, subdirectory
            )
    path, url = table.text("path"), local_path(table.text("url") or "")
    if path is None and url.startswith("file:"):
        path = unquote(url.removeprefix("file:").removeprefix("//"))
    if path is None and url and "://" in url:
        return Origin(OriginKind.URL, clean_url(url), subdirectory=subdirectory)
    if path is None and not table.text("url"):
        return Origin()
    place = path if path and path.startswith("/") else relative(path or url)
    if table.flag("editable"):
        return Origin(OriginKind.EDITABLE, place, subdirectory=subdirectory)
    kind = OriginKind.PATH if _ARCHIVE.fullmatch(place) else OriginKind.DIRECTORY
    return Origin(kind, place, subdirectory=subdirectory)


def _artifact(file: Table, where: str) -> Artifact:
    url, digest = file.text("url"), file.text("hash")
    return Artifact(
        filename=file.text("file") or (url_filename(url) if url else None) or None,
        url=clean_url(url) if url else None,
        hashes=(_hash(digest, where),) if digest else (),
    )


def _hash(text: str, where: str) -> Hash:
    match = _HASH.fullmatch(text)
    if match is None:
        raise LockError(f"the hash {text[:100]!r} is not of the form algorithm:hexadecimal", where=where)
    return Hash(match[1].lower(), match[2].lower())


def packages(catalogue: Catalogue) -> tuple[Package, ...]:
    """One package for all entries of the same package."""
    return tuple(_package(entries, catalogue) for entries in catalogue.by_id.values())


def _package(entries: Sequence[Entry], catalogue: Catalogue) -> Package:
    first = next((entry for entry in entries if not entry.extras), entries[0])
    artifacts = dict.fromkeys(artifact for entry in entries for artifact in entry.artifacts)
    return Package(
        id=first.id,
        artifacts=tuple(artifacts),
        dependencies=tuple(_dependencies(entries, catalogue)),
        requires_python=first.requires_python,
        line=first.line,
        notes=tuple(_notes(first.id.origin, artifacts, first.line)),
    )


def _notes(origin: Origin, artifacts: Iterable[Artifact], line: int | None) -> Iterator[Note]:
    if origin.kind is OriginKind.VCS and origin.commit is None:
        yield Note(NoteKind.UNPINNED_VCS, f"{origin.location} without a commit", line)
    if origin.kind is OriginKind.URL and not any(artifact.hashes for artifact in artifacts):
        yield Note(NoteKind.URL_WITHOUT_HASH, origin.location, line)
    if origin.kind in (OriginKind.PATH, OriginKind.DIRECTORY, OriginKind.EDITABLE):
        yield Note(NoteKind.LOCAL_SOURCE, f"{origin.kind} {origin.location}", line)


def _dependencies(entries: Sequence[Entry], catalogue: Catalogue) -> Iterator[Dependency]:
    for entry in entries:
        for requirement in entry.requirements:
            for scope in _scopes(entry, requirement, entries):
                found = edge(requirement, catalogue, scope, entry.line)
                # What an entry with extras requires of its own package are other extras, or nothing new.
                if found.candidates != (entry.id,) or not found.extras <= entry.extras:
                    yield found


def _scopes(entry: Entry, requirement: Requirement, entries: Sequence[Entry]) -> Iterator[Scope]:
    """The extras that bring a requirement in: of a set of them those that do so alone, or else have no own entry."""
    if not entry.extras:
        yield Scope()
        return
    alone = {next(iter(each.extras)): each for each in entries if len(each.extras) == 1}
    owners = sorted(extra for extra in entry.extras if extra in alone and requirement in alone[extra].requirements)
    for extra in owners or sorted(entry.extras - alone.keys()) or sorted(entry.extras):
        yield Scope(ScopeKind.EXTRA, extra)


def edge(requirement: Requirement, catalogue: Catalogue, scope: Scope, line: int | None = None) -> Dependency:
    """The edge for a requirement; a place without a name has the name of what the lock holds for it."""
    found = catalogue.candidates(requirement)
    return Dependency(
        name=requirement.name or (found[0].name if found else canonicalize_name(basename(requirement.place))),
        specifier=str(requirement.specifier),
        extras=requirement.extras,
        marker=requirement.marker,
        scope=scope,
        candidates=found,
        line=line,
    )
