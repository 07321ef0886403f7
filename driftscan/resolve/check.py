"""Whether a lock is still the one that its inputs ask for: by what it says, by resolving again, by what the index says.

Texts are not compared: a lock that another tool wrote, or that lists things in another order, is as good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import InvalidVersion, Version

from driftscan import markers
from driftscan.errors import PackageIndexError
from driftscan.index.page import File
from driftscan.index.releases import Release
from driftscan.model.lock import Lock, OriginKind, Package, PackageId
from driftscan.model.target import Target
from driftscan.resolve.facts import Facts
from driftscan.resolve.inputs import Inputs, Wanted

_VCS = OriginKind.VCS


class State(StrEnum):
    """How a step ended: nothing is wrong, something is, that cannot be told, or nobody asked for it."""

    FINE = "fine"
    STALE = "stale"
    OPEN = "open"
    SKIPPED = "skipped"


class Step(NamedTuple):
    """One of the three steps, `inputs`, `resolve` and `audit`, with what it found, a line each."""

    name: str
    state: State
    lines: tuple[str, ...]


class Checked(NamedTuple):
    """What was found of the lock at `path`."""

    path: str
    steps: tuple[Step, ...]

    @property
    def is_stale(self) -> bool:
        return any(step.state is State.STALE for step in self.steps)

    @property
    def is_open(self) -> bool:
        return any(step.state is State.OPEN for step in self.steps)


def by_itself(inputs: Inputs, lock: Lock, digest: str, targets: Sequence[Target]) -> Step:
    """The inputs against the pins, without asking anybody. `digest` is that of the inputs which the lock records.

    It is open where the lock was made from other inputs, or does not say from which, and its pins satisfy them all the
    same: what an extra or a wider range would bring in, only an index tells. So it does whether anything asks for a pin
    where the inputs ask for extras: a lock names no extras, and records who requires whom for what it was made from.
    """
    differences = [*_unlocked(lock), *_unsatisfied(inputs, lock, targets)]
    if digest == inputs.digest or not any(wanted.extras for wanted in inputs.requirements):
        differences += _unasked(inputs, lock)
    differences = list(dict.fromkeys(differences))
    if differences:
        return Step("inputs", State.STALE, tuple(differences))
    count = len(inputs.requirements)
    asked = f"{count} {'requirement' if count == 1 else 'requirements'} of {', '.join(inputs.files)}"
    if digest != inputs.digest:
        made = "was made from others" if digest else "does not say from which it was made"
        return Step("inputs", State.FINE, (f"satisfied: {asked}; the lock {made}",))
    return Step("inputs", State.FINE, (f"satisfied: {asked}",))


def _unlocked(lock: Lock) -> Iterator[str]:
    for package in lock.packages:
        if not package.pinned:
            yield f"{_place(lock, package)}: {package.id.name}{package.specifier} is not pinned"
        elif package.id.origin.kind is not _VCS and not any(each.hashes for each in package.artifacts):
            yield f"{_place(lock, package)}: {package.id} has no hash"


def _place(lock: Lock, package: Package) -> str:
    path = package.path or lock.path
    return f"{path}:{package.line}" if package.line else path


def _unsatisfied(inputs: Inputs, lock: Lock, targets: Sequence[Target]) -> Iterator[str]:
    for target in targets:
        pins = _pins(lock, target)
        for wanted in (*inputs.requirements, *inputs.constraints):
            if markers.evaluate(wanted.marker, target.markers) is not True:
                continue
            found = pins.get(wanted.name)
            if found is None:
                if wanted in inputs.requirements:
                    yield f"{wanted.where} asks for {wanted.shown}, which the lock does not have"
            elif found.version is None and wanted.located is None:
                continue  # that it is not pinned is said already
            elif not _satisfies(wanted, found):
                has = found.version or found.origin.location
                yield f"{wanted.where} asks for {wanted.shown}, and the lock has {has}"


def _pins(lock: Lock, target: Target) -> dict[NormalizedName, PackageId]:
    return {
        key.name: key
        for root in lock.roots
        if markers.evaluate(root.marker, target.markers) is not False
        for key in root.candidates
    }


def _satisfies(wanted: Wanted, pin: PackageId) -> bool:
    if wanted.located is not None:
        origin = wanted.located.origin
        return pin.origin.kind is origin.kind and pin.origin.commit == origin.commit
    try:
        return SpecifierSet(wanted.specifier).contains(Version(pin.version or ""), prereleases=True)
    except InvalidVersion:
        return pin.version is not None and SpecifierSet(wanted.specifier).contains(pin.version)


def _unasked(inputs: Inputs, lock: Lock) -> Iterator[str]:
    """Pins that no input leads to any more, by who requires whom in the lock; nothing where it does not say that."""
    if any(package.dependencies is None for package in lock.packages):
        return
    packages = {package.id: package for package in lock.packages}
    asked = {wanted.name for wanted in inputs.requirements}
    pending = [key for key in packages if key.name in asked]
    reached = set(pending)
    while pending:
        for edge in packages[pending.pop()].dependencies or ():
            fresh = [key for key in edge.candidates if key in packages and key not in reached]
            reached.update(fresh)
            pending += fresh
    for key, package in packages.items():
        if key not in reached:
            yield f"{_place(lock, package)}: nothing asks for {key} any more"


def audit(lock: Lock, facts: Facts, *, all_files: bool) -> Step:
    """What the index says of the pins today: yanked, gone, other hashes.

    Files that were added to a release since are told where the lock has `all_files` of each, and make nothing stale.
    """
    pinned = [
        package
        for package in lock.packages
        if package.id.origin.kind is OriginKind.INDEX and package.pinned and package.id.version
    ]
    try:
        releases = facts.releases_of(pinned)
    except PackageIndexError as error:
        return Step("audit", State.OPEN, (f"the index cannot be asked: {error}",))
    wrong: list[str] = []
    added = 0
    for package, release in zip(pinned, releases, strict=True):
        if isinstance(release, PackageIndexError):
            wrong.append(f"{_place(lock, package)}: {package.id} is gone from the index")
            continue
        locked = {value for artifact in package.artifacts for value in artifact.hashes}
        wrong += _changed(lock, package, release, {value for file in release.files for value in file.hashes})
        added += sum(_is_comparable(file, package) and locked.isdisjoint(file.hashes) for file in release.files)
    if wrong:
        return Step("audit", State.STALE, tuple(wrong))
    more = f"; {added} {'file was' if added == 1 else 'files were'} added since" if added and all_files else ""
    count = f"{len(pinned)} {'pin' if len(pinned) == 1 else 'pins'}"
    return Step("audit", State.FINE, (f"{count}: none was yanked, and no hash is gone{more}",))


def _changed(lock: Lock, package: Package, release: Release, known: Iterable[object]) -> Iterator[str]:
    reasons = [file.yanked for file in release.files]
    if None not in reasons:
        because = f" ({reasons[0]})" if reasons[0] else ""
        yield f"{_place(lock, package)}: {package.id} was yanked{because}"
    algorithms = {value.algorithm for file in release.files for value in file.hashes}
    locked = {value for artifact in package.artifacts for value in artifact.hashes if value.algorithm in algorithms}
    gone = sorted(map(str, locked.difference(known)))
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        yield f"{_place(lock, package)}: no file of {package.id} has the hash {gone[0]}{more} any more"


def _is_comparable(file: File, package: Package) -> bool:
    """Whether a file has a digest of a kind that the lock has of that package."""
    kinds = {value.algorithm for artifact in package.artifacts for value in artifact.hashes}
    return any(value.algorithm in kinds for value in file.hashes)
