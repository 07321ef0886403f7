"""Answers of engines, one for each target, put together: which version is installed where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from packaging.utils import NormalizedName
from packaging.version import Version

from driftscan import markers
from driftscan.convert.content import environment_marker
from driftscan.errors import MarkerError, ResolveError
from driftscan.markersets import NOWHERE, Diagram, Diagrams
from driftscan.model.lock import Lock, Package, PackageId
from driftscan.model.target import Target
from driftscan.resolve.places import Place
from driftscan.resolve.question import Pin

Answers: TypeAlias = Sequence[tuple[Place | None, Lock]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A package and the marker of the environments that get it; None: all that the lock is for."""

    package: Package
    marker: str | None = None

    def holds(self, target: Target) -> bool:
        """Whether the target gets it; what it does not tell is taken for yes."""
        return markers.evaluate(self.marker, target.markers) is not False


def merged(answers: Answers) -> tuple[Choice, ...]:
    """The choices of all targets; of a universal answer, those that it has markers for.

    Raises ResolveError where two targets that no marker tells apart get different versions.
    """
    if len(answers) == 1:
        place, lock = answers[0]
        marked = {key: _marker(lock, key) if place is None else None for key in _ids(lock)}
        return tuple(Choice(package=package, marker=marked[package.id]) for package in lock.packages)
    return tuple(_several(answers))


def _ids(lock: Lock) -> list[PackageId]:
    return [package.id for package in lock.packages]


def _marker(lock: Lock, key: PackageId) -> str | None:
    found = [root.marker for root in lock.roots if key in root.candidates]
    known = [marker for marker in found if marker is not None]
    if len(known) < len(found):
        return None
    return known[0] if len(known) == 1 else " or ".join(f"({marker})" for marker in known)


def _several(answers: Answers) -> list[Choice]:
    texts = [environment_marker(place.target) or "" for place, _ in answers if place is not None]
    try:
        diagrams = Diagrams(texts)
        sets = [diagrams.marker(text) for text in texts]
    except MarkerError as error:
        raise ResolveError(f"the targets cannot be told apart: {error.message}") from error
    _refuse_twins(answers, sets, diagrams)
    whole = NOWHERE
    for each in sets:
        whole = diagrams.any_of(whole, each)
    packages: dict[PackageId, Package] = {}
    where: dict[PackageId, Diagram] = {}
    for (_, lock), here in zip(answers, sets, strict=True):
        for package in lock.packages:
            packages.setdefault(package.id, package)
            where[package.id] = diagrams.any_of(where.get(package.id, NOWHERE), here)
    return [Choice(package=package, marker=diagrams.written(where[key], whole)) for key, package in packages.items()]


def _refuse_twins(answers: Answers, sets: Sequence[Diagram], diagrams: Diagrams) -> None:
    """Two versions for one environment, since the targets differ in nothing that a marker could ask for."""
    for number, ((place, lock), here) in enumerate(zip(answers, sets, strict=True)):
        for (other_place, other), there in zip(answers[:number], sets, strict=False):
            if not diagrams.is_possible(diagrams.all_of(here, there)):
                continue
            versions, others = _versions(lock), _versions(other)
            for name in sorted(versions.keys() | others.keys()):
                if versions.get(name) != others.get(name):
                    raise ResolveError(
                        f"{name} is {_told(others.get(name))} for {_words(other_place)} and"
                        f" {_told(versions.get(name))} for {_words(place)}, and no marker tells these targets apart",
                        hint="lock for each of them on its own, or narrow the requirement",
                    )


def _versions(lock: Lock) -> Mapping[NormalizedName, PackageId]:
    return {package.id.name: package.id for package in lock.packages}


def _told(key: PackageId | None) -> str:
    return "absent" if key is None else str(key.version or key.origin.location)


def _words(place: Place | None) -> str:
    return "all" if place is None else place.asked or place.words


def agreed_pins(answers: Answers) -> tuple[Pin, ...]:
    """Where targets got different versions of a project, the lowest for all, if they agree to it; none otherwise."""
    found: dict[NormalizedName, set[str]] = {}
    for _, lock in answers:
        for package in lock.packages:
            if package.id.version is not None:
                found.setdefault(package.id.name, set()).add(package.id.version)
    if all(len(versions) == 1 for versions in found.values()):
        return ()
    return tuple(Pin(name, min(versions, key=Version)) for name, versions in found.items())
