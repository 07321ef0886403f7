"""The `[[package]]` tables of poetry.lock: identity, source and files of each package, through all lock versions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from posixpath import basename, normpath
from typing import NamedTuple

from packaging.utils import (
    InvalidName,
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from driftscan.errors import LockError
from driftscan.lock.document import clean_url
from driftscan.lock.poetry_requirements import Requirement, Source
from driftscan.lock.table import Table
from driftscan.model.lock import Artifact, Hash, Note, NoteKind, Origin, OriginKind, PackageId

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class Entry(NamedTuple):
    """One `[[package]]` table. `written_name` is the key of its hashes in older locks."""

    id: PackageId
    written_name: str
    source: Source
    table: Table
    line: int | None


class Catalogue:
    """The entries of one lock by name, newest version first."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        by_name: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            by_name[entry.id.name].append(entry)
        for group in by_name.values():
            group.sort(key=lambda entry: Version(entry.id.version or "0"), reverse=True)
        self._by_name: Mapping[str, list[Entry]] = by_name

    def candidates(self, requirement: Requirement) -> tuple[PackageId, ...]:
        """The packages that the requirement can mean, the one Poetry prefers first.

        The source narrows them where it can: a repository or an index may be written in more than one way, so a
        source that no candidate has excludes none.
        """
        versions = [
            entry
            for entry in self._by_name.get(requirement.name, ())
            if requirement.source.kind in {"git", "url", "path"}
            or requirement.constraint.allows(entry.id.version or "")
        ]
        same_source = [entry for entry in versions if _same_source(requirement.source, entry.source)]
        return tuple(entry.id for entry in same_source or versions)


def read_entry(table: Table, line: int | None) -> Entry:
    """Read name, version and source; LockError where one is missing or malformed."""
    written, version = table.text("name"), table.text("version")
    if not written or not version:
        raise LockError("a [[package]] table has no name or no version", where=table.where)
    try:
        name = canonicalize_name(written, validate=True)
        Version(version)
    except (InvalidName, ValueError) as error:
        raise LockError(
            f"a [[package]] table has an invalid name or version: {error}"[:300], where=table.where
        ) from None
    source = table.table("source")
    return Entry(PackageId(name, version, _origin(source, table)), written, _source(source), table, line)


def artifacts(entry: Entry, metadata: Table) -> tuple[Artifact, ...]:
    """The files of a package: from its own `files`, or from the tables of older locks that list them by name.

    Those tables hold the files of all versions of a name together; files that name another version are left out.
    """
    if "files" in entry.table.values:
        return tuple(_artifact(entry, file) for file in entry.table.tables("files"))
    if "hashes" in metadata.values:
        digests = _named(metadata.table("hashes"), entry).texts("found")
        return (Artifact(hashes=tuple(_hash(digest, entry) for digest in digests)),) if digests else ()
    files = _named(metadata.table("files"), entry).tables("found")
    if entry.id.origin.kind is OriginKind.PATH:
        wanted = basename(entry.id.origin.location)
        files = tuple(file for file in files if file.text("file") == wanted)
    return tuple(_artifact(entry, file) for file in files if _may_be(file.text("file") or "", entry))


def notes(entry: Entry, files: tuple[Artifact, ...]) -> tuple[Note, ...]:
    """What about the source of a package cannot be reproduced."""
    kind, location = entry.id.origin.kind, entry.id.origin.location
    if kind is OriginKind.VCS and entry.id.origin.commit is None:
        return (Note(NoteKind.UNPINNED_VCS, location, entry.line),)
    if kind is OriginKind.URL and not any(file.hashes for file in files):
        return (Note(NoteKind.URL_WITHOUT_HASH, location, entry.line),)
    if kind in {OriginKind.PATH, OriginKind.DIRECTORY, OriginKind.EDITABLE}:
        return (Note(NoteKind.LOCAL_SOURCE, location, entry.line),)
    return ()


def _origin(source: Table, package: Table) -> Origin:
    kind, url = source.text("type") or "", source.text("url") or ""
    if kind == "git":
        reference, commit = source.text("reference"), source.text("resolved_reference")
        if commit is None and reference and _COMMIT.fullmatch(reference):
            commit = reference  # Poetry 1.0 wrote the commit where later versions write what was asked for
        return Origin(OriginKind.VCS, clean_url(url), commit, reference, source.text("subdirectory"))
    if kind == "directory":
        editable = package.flag("develop")
        return Origin(OriginKind.EDITABLE if editable else OriginKind.DIRECTORY, url)
    if kind == "file":
        return Origin(OriginKind.PATH, url, subdirectory=source.text("subdirectory"))
    if kind == "url":
        return Origin(OriginKind.URL, clean_url(url), subdirectory=source.text("subdirectory"))
    if kind not in {"", "legacy"}:
        raise LockError(
            f'source type "{kind[:50]}" is not known; legacy, git, url, file and directory are', where=package.where
        )
    return Origin(OriginKind.INDEX, clean_url(url))


def _source(source: Table) -> Source:
    kind, url = source.text("type") or "", source.text("url") or ""
    if kind in {"", "legacy"}:
        return Source("index", source.text("reference") or "PyPI")
    return Source("path" if kind in {"file", "directory"} else kind, url)


def _same_source(wanted: Source, found: Source) -> bool:
    if not wanted.kind:
        return True
    return wanted.kind == found.kind and _comparable(wanted) == _comparable(found)


def _comparable(source: Source) -> str:
    if source.kind == "path":
        return normpath(source.location)
    if source.kind == "git":
        return source.location.removesuffix("/").removesuffix(".git")
    return source.location.casefold() if source.kind == "index" else source.location


def _named(files: Table, entry: Entry) -> Table:
    """What a table by package name holds for a package, under the key `found`."""
    key = entry.written_name if entry.written_name in files.values else entry.id.name
    return Table({"found": files.values.get(key, [])}, entry.table.where)


def _artifact(entry: Entry, file: Table) -> Artifact:
    origin, digest = entry.id.origin, file.text("hash")
    return Artifact(
        filename=file.text("file"),
        url=origin.location if origin.kind is OriginKind.URL else None,
        hashes=(_hash(digest, entry),) if digest else (),
    )


def _hash(text: str, entry: Entry) -> Hash:
    algorithm, separator, digest = text.partition(":")
    if not separator:
        algorithm, digest = "sha256", text
    if not re.fullmatch(r"[0-9a-fA-F]+", digest):
        raise LockError(f"{text[:100]!r} is not a hash", where=entry.table.where)
    return Hash(algorithm.lower(), digest.lower())


def _may_be(filename: str, entry: Entry) -> bool:
    """Whether a file can be one of this version: False only where its name says another."""
    try:
        wheel = filename.endswith(".whl")
        version = parse_wheel_filename(filename)[1] if wheel else parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):
        return True
    return version == Version(entry.id.version or "0")
