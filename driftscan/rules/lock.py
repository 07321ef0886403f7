"""LK1xx: what is wrong with the lock itself, judged for the target where one is known."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName

from driftscan import markers
from driftscan.compare import Comparison
from driftscan.finding import Location, Severity
from driftscan.model.lock import NoteKind, OriginKind, Package
from driftscan.rules.requirements import edges, requested_extras, satisfies
from driftscan.rules.rule import Draft, Rule, chain, is_foreign, listed, location, versions
from driftscan.rules.wheels import has_sdist, wheels, wheels_that_fit

_ARCHIVES = (OriginKind.INDEX, OriginKind.URL, OriginKind.PATH, OriginKind.CONDA)
_WEAK = frozenset(("md5", "sha1"))
_MUTABLE = (NoteKind.UNPINNED_VCS, NoteKind.URL_WITHOUT_HASH, NoteKind.LOCAL_SOURCE)


def _unpinned(comparison: Comparison) -> Iterator[Draft]:
    for lock in comparison.locks:
        for package in lock.packages:
            if package.pinned or package.is_member or package.id.origin.kind is not OriginKind.INDEX:
                continue
            allowed = f"allows {package.specifier}" if package.specifier else "allows any version"
            yield Draft(
                message=f"{package.id.name} is not pinned: the lock {allowed}",
                package=package.id.name,
                location=location(comparison, package),
            )


def _unpinned_transitive(comparison: Comparison) -> Iterator[Draft]:
    known = _known_names(comparison)
    reported: set[NormalizedName] = set()
    for row in comparison.rows:
        if not row.matches or is_foreign(row.installed[0]):
            continue
        found = row.installed[0]
        for edge in edges(comparison, found, requested_extras(comparison, row)):
            if edge.name in known or edge.name in reported:
                continue
            reported.add(edge.name)
            there = next((each for each in comparison.rows if each.name == edge.name), None)
            installed = tuple(each.version for each in there.installed) if there else ()
            state = f"{listed(installed)} is installed" if installed else "it is not installed"
            yield Draft(
                message=f"{row.name} requires {edge.text}, and the lock does not pin it; {state}",
                package=edge.name,
                installed=installed,
                path=there.installed[0].path if there and there.installed else None,
                layer=there.installed[0].layer if there and there.installed else None,
                chain=(*chain(comparison, row.locked[0].id), str(edge.name)),
                location=location(comparison, row.locked[0]),
            )
    yield from _dangling(comparison, reported)


def _known_names(comparison: Comparison) -> frozenset[NormalizedName]:
    """Projects that the locks say anything about."""
    names: set[NormalizedName] = set()
    for lock in comparison.locks:
        names |= {package.id.name for package in lock.packages} | lock.overrides
        if lock.project_name is not None:
            names.add(lock.project_name)
    return frozenset(names)


def _dangling(comparison: Comparison, reported: set[NormalizedName]) -> Iterator[Draft]:
    """Edges of the lock itself that lead nowhere."""
    for key, package in comparison.selection.packages.items():
        for dependency in package.dependencies or ():
            if dependency.candidates or dependency.name in reported or dependency.scope.name:
                continue
            if markers.evaluate(dependency.marker, comparison.target.markers) is True:
                reported.add(dependency.name)
                yield Draft(
                    message=f"{key.name} requires {dependency.name}{dependency.specifier}, "
                    "and the lock does not pin it",
                    package=dependency.name,
                    chain=(*chain(comparison, key), str(dependency.name)),
                    location=location(comparison, package),
                )


def _missing_hash(comparison: Comparison) -> Iterator[Draft]:
    for package in comparison.selection.packages.values():
        if package.is_member or not package.pinned or package.id.origin.kind not in _ARCHIVES:
            continue
        orphaned = next((note for note in package.notes if note.kind is NoteKind.ORPHANED_HASH), None)
        bare = [artifact for artifact in package.artifacts if not artifact.hashes]
        if package.artifacts and not bare:
            continue
        if orphaned is not None:
            message = f"{package.id} has no hash: {orphaned.text}"
        elif bare and len(bare) < len(package.artifacts):
            message = f"{package.id} has no hash for {listed([each.filename or 'a file' for each in bare])}"
        else:
            message = f"{package.id} has no hash"
        yield Draft(
            message=message,
            package=package.id.name,
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
            names = listed([str(package.id) for package in weak])
            yield Draft(
                message=f"{len(weak)} packages carry only {' and '.join(algorithms)}: {names}"
                if len(weak) > 1
                else f"{names} carries only {' and '.join(algorithms)}",
                package=weak[0].id.name if len(weak) == 1 else None,
                location=Location(path=lock.path, line=weak[0].line),
            )


def _is_weak(package: Package) -> bool:
    hashes = [artifact.hashes for artifact in package.artifacts if artifact.hashes]
    return bool(hashes) and any(all(value.algorithm in _WEAK for value in values) for values in hashes)


def _mutable_source(comparison: Comparison) -> Iterator[Draft]:
    for package in comparison.selection.packages.values():
        if package.is_member:
            continue
        for note in package.notes:
            if note.kind in _MUTABLE:
                yield Draft(
                    message=f"{package.id.name} is locked to {note.text}",
                    package=package.id.name,
                    locked=versions((package,)),
                    location=_note_location(comparison, package, note.line),
                )


def _conflicting_pins(comparison: Comparison) -> Iterator[Draft]:
    by_name: dict[tuple[NormalizedName, bool], list[Package]] = {}
    for key, package in comparison.selection.packages.items():
        by_name.setdefault((key.name, key.origin.kind is OriginKind.CONDA), []).append(package)
    for packages in by_name.values():
        different = {(package.id.version, package.id.origin.kind, package.id.origin.commit) for package in packages}
        if len(different) > 1:
            pins = listed([package.id.version or str(package.id.origin.location) for package in packages])
            yield Draft(
                message=f"{packages[0].id.name} is pinned to {pins} for the same target",
                package=packages[0].id.name,
                locked=versions(packages),
                location=location(comparison, packages[1]),
            )


def _no_artifact(comparison: Comparison) -> Iterator[Draft]:
    for package in _judged_by_files(comparison):
        if not wheels_that_fit(comparison, package) and not has_sdist(package):
            yield Draft(
                message=f"none of the {len(wheels(package))} locked files of {package.id} can be installed on "
                f"{_target(comparison)}",
                package=package.id.name,
                locked=versions((package,)),
                location=location(comparison, package),
            )


def _sdist_only(comparison: Comparison) -> Iterator[Draft]:
    for package in _judged_by_files(comparison):
        if not wheels_that_fit(comparison, package) and has_sdist(package):
            yield Draft(
                message=f"only the source distribution of {package.id} fits {_target(comparison)}",
                package=package.id.name,
                locked=versions((package,)),
                location=location(comparison, package),
            )


def _judged_by_files(comparison: Comparison) -> Iterator[Package]:
    """Selected packages whose files the lock names, where the target's tags are known."""
    if comparison.target.tags is None:
        return
    for package in comparison.selection.packages.values():
        if package.id.origin.kind is OriginKind.INDEX and (wheels(package) or has_sdist(package)):
            yield package


def _target(comparison: Comparison) -> str:
    target = comparison.target
    implementation = target.markers.get("implementation_name", "Python")
    platform = " ".join(str(part) for part in (target.machine, target.libc) if part)
    return f"{implementation} {target.python_version or ''} on {platform}".replace("  ", " ")


def _requires_python(comparison: Comparison) -> Iterator[Draft]:
    python = comparison.target.python_version
    if python is None:
        return
    for lock in comparison.locks:
        if not _admits(lock.requires_python, python):
            yield Draft(
                message=f"the lock is for Python {lock.requires_python}, the target has {python}",
                location=Location(path=lock.path),
            )
    for package in comparison.selection.packages.values():
        if not package.is_member and not _admits(package.requires_python, python):
            yield Draft(
                message=f"{package.id} is for Python {package.requires_python}, the target has {python}",
                package=package.id.name,
                locked=versions((package,)),
                location=location(comparison, package),
            )


def _admits(required: str | None, python: str) -> bool:
    try:
        return not required or SpecifierSet(required).contains(python, prereleases=True)
    except InvalidSpecifier:
        return True


def _unsatisfied(comparison: Comparison) -> Iterator[Draft]:
    pins = {row.name: row for row in comparison.rows if row.locked}
    overridden = {name for lock in comparison.locks for name in lock.overrides}
    for row in comparison.rows:
        if not row.matches or is_foreign(row.installed[0]):
            continue
        for edge in edges(comparison, row.installed[0], requested_extras(comparison, row)):
            other = pins.get(edge.name)
            if other is None or edge.name in overridden:
                continue
            if not any(satisfies(package.id.version, edge.specifier) for package in other.locked):
                yield Draft(
                    message=f"{row.locked[0].id} requires {edge.text}, and the lock pins {other.locked[0].id.version}",
                    package=edge.name,
                    locked=versions(other.locked),
                    chain=(*chain(comparison, row.locked[0].id), str(edge.name)),
                    location=location(comparison, other.locked[0]),
                )


_LOCK_AGAIN = "lock again with the tool that wrote it"

RULES = (
    Rule(
        code="LK101",
        slug="unpinned",
        severity=Severity.ERROR,
        summary="an entry of the lock is not pinned to one exact version",
        why="Two builds from the same file can install different versions.",
        remedy="pin it with ==, or let a locking tool write the file",
        check=_unpinned,
    ),
    Rule(
        code="LK102",
        slug="unpinned-transitive",
        severity=Severity.ERROR,
        summary="a locked package requires it, and the lock does not pin it",
        why="The installer chooses its version on the day of the build.",
        remedy="lock all requirements with their dependencies",
        check=_unpinned_transitive,
    ),
    Rule(
        code="LK103",
        slug="missing-hash",
        severity=Severity.ERROR,
        summary="a pinned artifact carries no hash",
        why="Whoever can change the file on the index, a mirror or the way between can change what is installed.",
        remedy="lock with hashes (`pip-compile --generate-hashes`, `uv pip compile --generate-hashes`)",
        check=_missing_hash,
    ),
    Rule(
        code="LK104",
        slug="weak-hash",
        severity=Severity.WARNING,
        summary="only md5 or sha1",
        why="Files with a chosen md5 or sha1 can be made.",
        remedy="write the lock with sha256 (`conda list --explicit --sha256`)",
        check=_weak_hash,
    ),
    Rule(
        code="LK105",
        slug="mutable-source",
        severity=Severity.ERROR,
        summary="a VCS reference without a commit, a URL without a hash, an editable or local path",
        why="What stands at that place tomorrow can be something else.",
        remedy="name the full commit, add `#sha256=…` to the URL, or publish the package",
        check=_mutable_source,
    ),
    Rule(
        code="LK106",
        slug="conflicting-pins",
        severity=Severity.ERROR,
        summary="two different pins of one project apply to the same target",
        why="An installer refuses, or one of the two wins by accident.",
        remedy="make their markers exclude each other, or keep one",
        check=_conflicting_pins,
    ),
    Rule(
        code="LK108",
        slug="no-artifact-for-target",
        severity=Severity.ERROR,
        summary="no locked file can be installed on the target's interpreter and platform",
        why="The install fails there, or is done past the lock.",
        remedy=f"{_LOCK_AGAIN} for this platform, or change the base image",
        check=_no_artifact,
    ),
    Rule(
        code="LK109",
        slug="sdist-only-for-target",
        severity=Severity.WARNING,
        summary="only a source distribution fits the target, so it would be compiled on install",
        why="What a compiler makes of it depends on the machine that builds the image.",
        remedy="choose a version with a wheel for this platform, or build one and keep it on an index of your own",
        check=_sdist_only,
    ),
    Rule(
        code="LK110",
        slug="requires-python",
        severity=Severity.ERROR,
        summary="the target's Python is outside the lock's or a package's requires-python",
        why="The lock was not resolved for this Python; markers and versions may be wrong for it.",
        remedy=f"change the Python of the base image, or {_LOCK_AGAIN} for this one",
        check=_requires_python,
    ),
    Rule(
        code="LK112",
        slug="unsatisfied-pin",
        severity=Severity.ERROR,
        summary="two pins contradict each other's requirements",
        why="The set was never resolved together; one of the two gets a version that it does not support.",
        remedy="lock the requirements together",
        check=_unsatisfied,
    ),
)
