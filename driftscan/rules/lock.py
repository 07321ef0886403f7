"""LK1xx: what the entries of a lock say and leave open, whatever they are installed on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from driftscan.compare import Comparison, project_name
from driftscan.finding import Location, Severity
from driftscan.listing import listed
from driftscan.model.lock import Index, Lock, NoteKind, Origin, OriginKind, Package
from driftscan.rules.rule import Draft, Rule, location, title, versions

_ARCHIVES = (OriginKind.INDEX, OriginKind.URL, OriginKind.PATH, OriginKind.CONDA)
_PINNABLE = (OriginKind.INDEX, OriginKind.CONDA)
_LOOPBACK = re.compile(r"http://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?:[:/]|$)")
_WEAK = frozenset(("md5", "sha1"))


def _unpinned(comparison: Comparison) -> Iterator[Draft]:
    for lock in comparison.locks:
        for package in lock.packages:
            if package.pinned or comparison.is_own(package) or package.id.origin.kind not in _PINNABLE:
                continue
            allowed = f"allows {package.specifier}" if package.specifier else "allows any version"
            yield Draft(
                message=f"{package.id.name} is not pinned: the lock {allowed}",
                package=project_name(package),
                location=location(comparison, package),
            )


def _missing_hash(comparison: Comparison) -> Iterator[Draft]:
    for package in comparison.selection.packages.values():
        if package.is_member or not package.pinned or package.id.origin.kind not in _ARCHIVES or _mutability(package):
            continue
        orphaned = next((note for note in package.notes if note.kind is NoteKind.ORPHANED_HASH), None)
        bare = [artifact for artifact in package.artifacts if not artifact.hashes]
        if package.artifacts and not bare:
            continue
        if orphaned is not None:
            message = f"{title(package)} has no hash: {orphaned.text}"
        elif bare and len(bare) < len(package.artifacts):
            message = f"{title(package)} has no hash for {listed([each.filename or 'a file' for each in bare])}"
        else:
            message = f"{title(package)} has no hash"
        yield Draft(
            message=message,
            package=project_name(package),
            locked=versions((package,)),
            location=_note_location(comparison, package, orphaned.line if orphaned else None),
        )


def _note_location(comparison: Comparison, package: Package, line: int | None) -> Location | None:
    place = location(comparison, package)
    return place if place is None or line is None else Location(path=place.path, line=line)


def _weak_hash(comparison: Comparison) -> Iterator[Draft]:
    """One finding a lock: tools write all hashes of a file by one algorithm, and 300 findings say no more than one."""
    for lock in comparison.locks:
        weak = [package for package in lock.packages if _is_weak(package)]
        if weak:
            algorithms = sorted({value.algorithm for p in weak for each in p.artifacts for value in each.hashes})
            names = listed([title(package) for package in weak])
            yield Draft(
                message=f"{len(weak)} packages carry only {' and '.join(algorithms)}: {names}"
                if len(weak) > 1
                else f"{names} carries only {' and '.join(algorithms)}",
                package=project_name(weak[0]) if len(weak) == 1 else None,
                location=Location(path=lock.path, line=weak[0].line),
                subject=tuple(algorithms),
            )


def _is_weak(package: Package) -> bool:
    hashes = [artifact.hashes for artifact in package.artifacts if artifact.hashes]
    return bool(hashes) and any(all(value.algorithm in _WEAK for value in values) for values in hashes)


def _mutable_source(comparison: Comparison) -> Iterator[Draft]:
    for package in comparison.selection.packages.values():
        # The projects that the lock was made for are meant to change.
        if not comparison.is_own(package) and (reason := _mutability(package)) is not None:
            yield Draft(
                message=f"{package.id.name} is locked to {reason}",
                package=project_name(package),
                locked=versions((package,)),
                location=location(comparison, package),
            )


def _mutability(package: Package) -> str | None:
    """What of a source can change under the lock; None for an index, and for what a commit or a hash fixes."""
    origin = package.id.origin
    match origin.kind:
        case OriginKind.VCS if origin.commit is None:
            asked = f" ({origin.reference!r} can move)" if origin.reference else ""
            return f"{origin.location} without a commit{asked}"
        case OriginKind.URL if not _is_hashed(package):
            return f"{origin.location} without a hash"
        case OriginKind.PATH if not _is_hashed(package):
            return f"the file {origin.location} without a hash"
        case OriginKind.DIRECTORY | OriginKind.EDITABLE:
            return f"the folder {origin.location or '.'}"
        case _:
            return None


def _is_hashed(package: Package) -> bool:
    return any(artifact.hashes for artifact in package.artifacts)


def _stale(comparison: Comparison) -> Iterator[Draft]:
    for lock in comparison.locks:
        for source in lock.sources:
            for difference in source.differences:
                yield Draft(
                    message=difference.text,
                    package=difference.package,
                    location=Location(path=source.path, line=difference.line),
                    hint=f"lock again, so that {lock.path} agrees with {source.path}",
                )


def _index_mix(comparison: Comparison) -> Iterator[Draft]:
    for lock in comparison.locks:
        concerned = [package for package in lock.packages if _is_from_any_index(package)]
        if len(lock.indexes) > 1 and concerned:
            places = listed([index.location or "the default index" for index in lock.indexes])
            yield Draft(
                message=f"{len(lock.indexes)} indexes could supply {_names(concerned)}: {places}",
                severity=_as_far_as_open(concerned),
                location=Location(path=lock.path, line=lock.indexes[-1].line),
                subject=tuple(index.location for index in lock.indexes),
            )
        yield from _insecure_indexes(lock, concerned)


def _insecure_indexes(lock: Lock, open_to_any: Sequence[Package]) -> Iterator[Draft]:
    for index in filter(_is_insecure, lock.indexes):
        own = Origin(location=index.location)
        if concerned := [*open_to_any, *(package for package in lock.packages if package.id.origin == own)]:
            yield Draft(
                message=f"{index.location} is not secured by TLS, and could supply {_names(concerned)}",
                severity=_as_far_as_open(concerned),
                location=Location(path=lock.path, line=index.line),
                subject=("insecure", index.location),
                hint="name it by https, and do not trust it without a certificate",
            )


def _names(packages: Sequence[Package]) -> str:
    return listed([package.id.name for package in packages])


def _as_far_as_open(packages: Sequence[Package]) -> Severity | None:
    """Where every file is known by its hash, another index could supply nothing else: that is worth a note only."""
    return Severity.INFO if all(map(_is_hashed, packages)) else None


def _is_from_any_index(package: Package) -> bool:
    return package.id.origin == Origin() and not package.is_member


def _is_insecure(index: Index) -> bool:
    return index.is_trusted or (index.location.startswith("http://") and not _LOOPBACK.match(index.location))


RULES = (
    Rule(
        code="LK101",
        slug="unpinned",
        severity=Severity.ERROR,
        summary="an entry of the lock is not pinned to one exact version",
        why="Two builds from the same file can install different versions.",
        evidence="the entries of the lock",
        remedy="pin it with ==, or let a locking tool write the file",
        check=_unpinned,
    ),
    Rule(
        code="LK103",
        slug="missing-hash",
        severity=Severity.ERROR,
        summary="a pinned artifact carries no hash",
        why="Whoever can change the file on the index, a mirror or the way between can change what is installed.",
        evidence="the entries of the lock",
        remedy="lock with hashes (`pip-compile --generate-hashes`, `uv pip compile --generate-hashes`)",
        check=_missing_hash,
    ),
    Rule(
        code="LK104",
        slug="weak-hash",
        severity=Severity.WARNING,
        summary="only md5 or sha1",
        why="Files with a chosen md5 or sha1 can be made.",
        evidence="the entries of the lock",
        remedy="write the lock with sha256 (`conda list --explicit --sha256`)",
        check=_weak_hash,
    ),
    Rule(
        code="LK105",
        slug="mutable-source",
        severity=Severity.ERROR,
        summary="a VCS reference without a commit, a URL without a hash, an editable or local path",
        why="What stands at that place tomorrow can be something else.",
        evidence="the entries of the lock",
        remedy="name the full commit, add `#sha256=…` to the URL, or publish the package",
        check=_mutable_source,
    ),
    Rule(
        code="LK107",
        slug="stale-lock",
        severity=Severity.ERROR,
        summary="the lock no longer satisfies the file it was made from",
        why="What was asked for since then is in no image that is built from this lock.",
        evidence="content hashes and requirements that the lock records, and the requirements of its source beside it",
        remedy="lock again",
        check=_stale,
    ),
    Rule(
        code="LK111",
        slug="index-mix",
        severity=Severity.WARNING,
        summary="more than one index, or an insecure one, could supply a package",
        why="Whoever publishes a higher version, or any at all, on the less guarded index decides what is installed.",
        evidence="the index options of the lock; packages that name an index of their own are not concerned",
        remedy="use one index, or name the index of each package (`uv`: an explicit index; `poetry`: a source)",
        check=_index_mix,
    ),
)
