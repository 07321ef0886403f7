"""A finished resolution as a lock: its text, which is read again before anybody relies on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from driftscan.convert import WRITERS, Content
from driftscan.convert.conditions import Condition
from driftscan.convert.content import Entry, Made, environment_marker
from driftscan.errors import LockError, ResolveError
from driftscan.graph import DependencyGraph
from driftscan.index.page import File
from driftscan.lock import parse
from driftscan.lock.document import Document, clean_url
from driftscan.model.lock import (
    Artifact,
    Dependency,
    Index,
    Lock,
    OriginKind,
    Package,
    PackageId,
    Request,
    SelectionMode,
)
from driftscan.model.target import Target
from driftscan.resolve.inputs import Wanted
from driftscan.resolve.locking import Resolved, targets
from driftscan.resolve.plan import Plan
from driftscan.resolve.verify import Platform, fits

HASHES = ("all", "target", "exact")
"""Which files of a release a lock has the hashes of: all, those that the targets accept, the best for each target."""
_NAMES = {"requirements": "requirements.txt", "pylock": "pylock.toml"}


class Written(NamedTuple):
    """The text of a lock and what it is read as; in words what the format cannot say."""

    text: str
    lock: Lock
    notes: tuple[str, ...]


def write(plan: Plan, resolved: Resolved, to: str, made: Made, hashes: str, place: Callable[[str], str]) -> Written:
    """The lock in the format `to`, read back and compared.

    `place` gives a path as seen from the lock. Raises ResolveError where what was written does not say what was
    resolved, or an entry is not pinned or has no hash.
    """
    converted = WRITERS[to](_content(plan, resolved, to, made, hashes, place))
    try:
        lock = parse(Document(_NAMES[to], converted.text.encode()), to)
    except LockError as error:
        raise ResolveError(f"the format cannot hold it: {error.message}") from error
    _verify(plan, resolved, lock, hashes)
    return Written(converted.text, lock, converted.notes)


def _content(plan: Plan, resolved: Resolved, to: str, made: Made, hashes: str, place: Callable[[str], str]) -> Content:
    ids = {choice.package.id: _named(choice.package.id, resolved, to, place) for choice in resolved.choices}
    requiring: dict[PackageId, set[str]] = {}
    for parent, children in resolved.edges.items():
        for child in children:
            requiring.setdefault(child, set()).add(parent.name)
    entries = []
    for choice in resolved.choices:
        key = choice.package.id
        metadata = resolved.facts[key].metadata
        package = Package(
            id=ids[key],
            artifacts=tuple(_artifact(file, key, to) for file in _kept(plan, resolved, key, hashes)),
            dependencies=tuple(Dependency(name=each.name, candidates=(ids[each],)) for each in resolved.edges[key]),
            requires_python=metadata.requires_python if metadata is not None else None,
        )
        asked_by = sorted({_by(wanted, place) for wanted in plan.inputs.asking(key.name) if wanted.by})
        by = (*asked_by, *sorted(requiring.get(key, ())))
        entries.append(Entry(package=package, condition=Condition(choice.marker), required_by=by))
    entries.sort(key=_order)
    return Content(
        lock=_lock(plan, [entry.package for entry in entries]),
        entries=tuple(entries),
        own=(),
        environment=environment_marker(plan.places[0].target) if len(plan.places) == 1 else None,
        made=made,
    )


def _order(entry: Entry) -> tuple[str, Version, str]:
    key = entry.package.id
    return key.name, Version(key.version or "0"), str(key.origin)


def _named(key: PackageId, resolved: Resolved, to: str, place: Callable[[str], str]) -> PackageId:
    """Where a package comes from as the lock has it. In requirements files, indexes are no matter of packages."""
    origin = key.origin
    if origin.kind is OriginKind.INDEX:
        index = clean_url(resolved.facts[key].index) if to == "pylock" else ""
        return key._replace(origin=origin._replace(location=index))
    if origin.kind is OriginKind.PATH:
        return key._replace(origin=origin._replace(location=place(origin.location)))
    return key


def _by(wanted: Wanted, place: Callable[[str], str]) -> str:
    option = wanted.by[:2]
    return f"{option} {place(wanted.file)}" if option in ("-r", "-c") else wanted.by


def _lock(plan: Plan, packages: Sequence[Package]) -> Lock:
    """What writers ask of the lock as a whole: the indexes that the inputs name, without credentials."""
    named = [clean_url(url) for url in plan.inputs.indexes]
    return Lock(
        path="the resolution",
        format="requirements",
        sha256="",
        mode=SelectionMode.FLAT,
        packages=tuple(packages),
        roots=(),
        requires_python=f">={plan.python}" if not plan.places else None,
        indexes=tuple(Index(url) for url in dict.fromkeys(named)),
    )


def _artifact(file: File, key: PackageId, to: str) -> Artifact:
    """A file as the lock has it. In requirements files, those of an index have no addresses."""
    has_url = to == "pylock" and key.origin.kind is not OriginKind.PATH
    url = clean_url(file.url) if has_url else None
    return Artifact(filename=file.filename, url=url, hashes=file.hashes[:1], size=file.size)


def _kept(plan: Plan, resolved: Resolved, key: PackageId, hashes: str) -> Sequence[File]:
    """The files whose hashes the lock is going to have."""
    files = _asked_for(plan.inputs.asking(key.name), resolved.facts[key].release.files, key)
    if hashes == "all" or not plan.places or not all(place.target.tags for place in plan.places):
        return files
    platforms = [Platform.of(place.target) for place in plan.places]
    if hashes == "target":
        return [file for file in files if any(_accepts(platform, file) for platform in platforms)]
    best = [min(files, key=lambda file: _rank(file, place.target)) for place in plan.places if files]
    return [file for file in files if file in best]


def _accepts(platform: Platform, file: File) -> bool:
    return not file.is_wheel or fits(file, platform.supported)


def _rank(file: File, target: Target) -> tuple[int, str]:
    """Order in which an installer on the target takes files; the least is the best."""
    tags = target.tags or ()
    try:
        found = parse_wheel_filename(file.filename)[3]
    except InvalidWheelFilename:
        return len(tags), file.filename
    return next((place for place, tag in enumerate(tags) if tag in found), len(tags) + 1), file.filename


def _asked_for(asking: Iterable[Wanted], files: Sequence[File], key: PackageId) -> Sequence[File]:
    """Files that have one of the hashes that the inputs give, where they give any."""
    for wanted in asking:
        if not wanted.hashes or wanted.located is not None:
            continue
        found = [file for file in files if not set(file.hashes).isdisjoint(wanted.hashes)]
        if not found:
            raise ResolveError(
                f"no file of {key} has the hash that is asked for, {wanted.hashes[0]}"[:200],
                where=wanted.where,
                hint="take the hash out, and it is fetched from the index",
            )
        files = found
    return files


def _verify(plan: Plan, resolved: Resolved, lock: Lock, hashes: str) -> None:
    """What was read back is what was resolved, and every entry is pinned and has a hash."""
    for package in lock.packages:
        is_hashed = any(artifact.hashes for artifact in package.artifacts)
        if not package.pinned or (not is_hashed and package.id.origin.kind is not OriginKind.VCS):
            raise ResolveError(f"{package.id} has no {'hash' if package.pinned else 'pin'} in what was written")
    graph = DependencyGraph.build([lock])
    for words, target in targets(plan, resolved.choices):
        selected = graph.select(target, Request()).packages.values()
        found = {_fact(package) for package in selected}
        expected = {
            (key.name, _version(key), _hashes(_kept(plan, resolved, key, hashes)))
            for key in (choice.package.id for choice in resolved.choices if choice.holds(target))
        }
        if different := found ^ expected:
            name, version, _ = min(different)
            raise ResolveError(f"{name} {version} is not in what was written as it was resolved for {words}")


def _fact(package: Package) -> tuple[str, str, tuple[str, ...]]:
    values = {str(value) for artifact in package.artifacts for value in artifact.hashes}
    return package.id.name, _version(package.id), tuple(sorted(values))


def _version(key: PackageId) -> str:
    """Of a repository the commit: what is there has no version before it is built."""
    return str(key.origin.commit) if key.origin.kind is OriginKind.VCS else str(Version(key.version or "0"))


def _hashes(files: Iterable[File]) -> tuple[str, ...]:
    return tuple(sorted({str(file.hashes[0]) for file in files}))


def changes(previous: Lock | None, current: Lock) -> Iterator[str]:
    """What is different between two locks, a line each: `+ NAME VERSION`, `- …`, `~ NAME VERSION -> VERSION`."""
    before, after = _versions(previous), _versions(current)
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None:
            yield f"+ {name} {new}"
        elif new is None:
            yield f"- {name} {old}"
        elif old != new:
            yield f"~ {name} {old} -> {new}"


def _versions(lock: Lock | None) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for package in lock.packages if lock is not None else ():
        found.setdefault(package.id.name, []).append(package.id.version or package.id.origin.commit or "unpinned")
    return {name: " and ".join(sorted(set(versions))) for name, versions in found.items()}
