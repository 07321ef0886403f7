"""LK1xx: whether the pins of a lock go together, and whether they can be installed on the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name, canonicalize_version

from driftscan import markers
from driftscan.compare import Comparison, project_name
from driftscan.finding import Location, Severity
from driftscan.listing import listed
from driftscan.model.inventory import Distribution
from driftscan.model.lock import Dependency, Origin, OriginKind, Package, ScopeKind
from driftscan.rules.requirements import (
    Requirements,
    importable,
    locked_names,
    overridden,
    satisfies,
)
from driftscan.rules.rule import Draft, Rule, chain, location, versions
from driftscan.rules.wheels import all_files_are_named, has_sdist, wheels, wheels_that_fit

_WHEEL_SOURCES = (OriginKind.INDEX, OriginKind.URL, OriginKind.PATH)
_LEFT_OUT = frozenset(map(canonicalize_name, ("pip", "setuptools", "wheel", "distribute")))
_LOCK_AGAIN = "lock again with the tool that wrote it"


def _unpinned_transitive(comparison: Comparison) -> Iterator[Draft]:
    there = importable(comparison)
    demanded = Requirements(comparison).unlocked()
    for name, demand in demanded.items():
        found = there.get(name, ())
        if _is_constrained(comparison, name, found):
            continue
        state = f"{listed([each.version for each in found])} is installed" if found else "it is not installed"
        yield Draft(
            message=f"{demand.by} requires {demand.edge.text}, and the lock does not pin it; {state}",
            package=name,
            installed=tuple(each.version for each in found),
            path=found[0].path if found else None,
            layer=found[0].layer if found else None,
            chain=demand.chain,
            location=location(comparison, demand.package),
            hint=_way_out(comparison, demand.package, name),
        )
    yield from _dangling(comparison, frozenset(demanded))
    yield from _floating(comparison, frozenset(demanded))


def _is_constrained(comparison: Comparison, name: NormalizedName, found: Sequence[Distribution]) -> bool:
    """Whether a constraints file pins what no entry names, and nothing else is installed."""
    pins = {lock.constraints[name] for lock in comparison.locks if name in lock.constraints}
    return bool(pins) and all(
        canonicalize_version(pin)
        in (canonicalize_version(each.version), canonicalize_version(each.version.split("+")[0]))
        for each in found
        for pin in pins
    )


def _way_out(comparison: Comparison, package: Package, name: NormalizedName) -> str | None:
    lock = comparison.selection.lock_of[package.id]
    if lock.format != "requirements" or name not in _LEFT_OUT:
        return None
    return "pip-compile leaves it out unless asked with --allow-unsafe: lock again with that option"


def _dangling(comparison: Comparison, reported: frozenset[NormalizedName]) -> Iterator[Draft]:
    """Edges of the lock itself that lead to a project it does not hold."""
    seen = set(reported | locked_names(comparison) | overridden(comparison))
    for package, dependency in _lock_edges(comparison):
        if dependency.candidates or dependency.name in seen:
            continue
        seen.add(dependency.name)
        yield Draft(
            message=f"{package.id.name} requires {dependency.name}{dependency.specifier}, and the lock does not pin it",
            package=dependency.name,
            chain=(*chain(comparison, package.id), str(dependency.name)),
            location=location(comparison, package),
        )


def _floating(comparison: Comparison, reported: frozenset[NormalizedName]) -> Iterator[Draft]:
    """What package indexes say that locked packages require, directly or by way of others that would float in."""
    for found in comparison.floating:
        if found.name in reported:
            continue
        package = comparison.selection.packages[found.start]
        where = f" on targets such as {comparison.example}" if found.is_conditional and comparison.example else ""
        today = f"; today it could be {found.newest}" if found.newest is not None else ""
        yield Draft(
            message=f"{found.by} requires {found.requirement}{where}, and the lock does not pin it{today}",
            package=found.name,
            chain=found.chain,
            location=location(comparison, package),
            hint=_way_out(comparison, package, found.name),
        )


def _lock_edges(comparison: Comparison) -> Iterator[tuple[Package, Dependency]]:
    """Edges that the lock records between packages and that apply on the target with the extras asked for."""
    for key, package in comparison.selection.packages.items():
        extras = comparison.selection.extras.get(key, frozenset())
        for dependency in package.dependencies or ():
            scope = dependency.scope
            in_scope = scope.kind is ScopeKind.PRODUCTION or (scope.kind is ScopeKind.EXTRA and scope.name in extras)
            if in_scope and markers.evaluate(dependency.marker, comparison.target.markers, extras=extras) is True:
                yield package, dependency


def _conflicting_pins(comparison: Comparison) -> Iterator[Draft]:
    by_name: dict[tuple[str, bool], list[Package]] = {}
    for key, package in comparison.selection.packages.items():
        if package.pinned:
            by_name.setdefault((project_name(package), key.origin.kind is OriginKind.CONDA), []).append(package)
    for packages in by_name.values():
        different = {_pin(package): package for package in reversed(packages)}
        if len(different) > 1:
            pins = listed([_shown_pin(package) for package in reversed(different.values())])
            place = f", such as {comparison.example}" if comparison.example else ""
            yield Draft(
                message=f"{project_name(packages[0])} is pinned to {pins} for the same target{place}",
                package=project_name(packages[0]),
                locked=versions(packages),
                location=location(comparison, packages[1]),
            )


def _pin(package: Package) -> tuple[str, OriginKind, str]:
    """What has to be equal for two pins to mean the same; which mirror an index is does not count."""
    origin = package.id.origin
    version = package.id.version or ""
    if origin.kind is OriginKind.CONDA:
        return version, origin.kind, f"{origin.location}/{origin.subdirectory}/{origin.build}"
    return canonicalize_version(version), origin.kind, _pinned_place(origin)


def _pinned_place(origin: Origin) -> str:
    return origin.commit or origin.location if origin.kind is not OriginKind.INDEX else ""


def _shown_pin(package: Package) -> str:
    origin = package.id.origin
    if origin.kind is OriginKind.CONDA:
        return f"{package.id.version} {origin.build or ''}".strip()
    return " from ".join(part for part in (package.id.version, _pinned_place(origin)) if part)


def _no_artifact(comparison: Comparison) -> Iterator[Draft]:
    for package in _judged_by_files(comparison):
        if wheels_that_fit(comparison, package) or has_sdist(package):
            continue
        names = [wheel.filename for wheel in wheels(package)]
        yield Draft(
            message=f"{package.id} cannot be installed on {_target(comparison)}: the lock has only {listed(names)}",
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
    """Selected packages all of whose files the lock names, where the target's tags are known."""
    if comparison.target.tags is None:
        return
    for package in comparison.selection.packages.values():
        if not package.is_member and package.id.origin.kind in _WHEEL_SOURCES and all_files_are_named(package):
            yield package


def _target(comparison: Comparison) -> str:
    target = comparison.target
    implementation = target.markers.get("implementation_name", "Python")
    python = target.python_version or target.markers.get("python_version", "")
    platform = " ".join(str(part) for part in (target.machine, target.libc) if part)
    return f"{implementation} {python} on {platform}".replace("  ", " ")


def _requires_python(comparison: Comparison) -> Iterator[Draft]:
    target = comparison.target
    python = target.python_version or target.markers.get("python_version")
    if python is None or comparison.example is not None:
        return  # one of many targets is chosen by this very requirement
    for lock in comparison.locks:
        if not markers.admits_python(lock.requires_python, target.markers):
            yield Draft(
                message=f"the lock is for Python {lock.requires_python}, the target has {python}",
                location=Location(path=lock.path),
                subject=(lock.requires_python or "",),
            )
    for package in comparison.selection.packages.values():
        if not package.is_member and not markers.admits_python(package.requires_python, target.markers):
            yield Draft(
                message=f"{package.id} is for Python {package.requires_python}, the target has {python}",
                package=package.id.name,
                locked=versions((package,)),
                location=location(comparison, package),
            )


def _unsatisfied(comparison: Comparison) -> Iterator[Draft]:
    """By the lock's own edges, and by METADATA of what is installed as locked; the lock's word comes first."""
    overrides = overridden(comparison)
    pinned: dict[NormalizedName, list[Package]] = {}
    for key, package in comparison.selection.packages.items():
        if key.origin.kind is not OriginKind.CONDA and package.pinned:
            pinned.setdefault(key.name, []).append(package)
    seen: set[tuple[NormalizedName, NormalizedName]] = set()
    for package, name, text, specifier in _requirements(comparison):
        pins = pinned.get(name, [])
        fits = any(satisfies(pin.id.version, specifier) for pin in pins)
        if not pins or fits or name in overrides or (package.id.name, name) in seen:
            continue
        seen.add((package.id.name, name))
        yield Draft(
            message=f"{package.id} requires {text}, and the lock pins {listed([str(pin.id.version) for pin in pins])}",
            package=name,
            locked=versions(pins),
            chain=(*chain(comparison, package.id), str(name)),
            location=location(comparison, pins[0]),
            subject=(package.id.name,),
        )


def _requirements(comparison: Comparison) -> Iterator[tuple[Package, NormalizedName, str, SpecifierSet]]:
    for package, dependency in _lock_edges(comparison):
        if package.id.origin.kind is OriginKind.CONDA:
            continue  # conda's solver has read these, in a syntax and for versions of its own
        try:
            specifier = SpecifierSet(dependency.specifier)
        except InvalidSpecifier:
            continue
        yield package, dependency.name, f"{dependency.name}{dependency.specifier}", specifier
    for demand in Requirements(comparison).demands():
        yield demand.package, demand.edge.name, demand.edge.text, demand.edge.specifier


RULES = (
    Rule(
        code="LK102",
        slug="unpinned-transitive",
        severity=Severity.ERROR,
        summary="a locked package requires it, and the lock does not pin it",
        why="The installer chooses its version on the day of the build.",
        evidence="the lock's own edges, METADATA of the distributions that are installed as locked, and those that "
        "a package index has of the pinned releases",
        remedy="lock all requirements with their dependencies",
        check=_unpinned_transitive,
    ),
    Rule(
        code="LK106",
        slug="conflicting-pins",
        severity=Severity.ERROR,
        summary="two different pins of one project apply to the same target",
        why="An installer refuses, or one of the two wins by accident.",
        evidence="the lock's markers, evaluated for the image's interpreter and platform",
        remedy="make their markers exclude each other, or keep one",
        check=_conflicting_pins,
    ),
    Rule(
        code="LK108",
        slug="no-artifact-for-target",
        severity=Severity.ERROR,
        summary="no locked file can be installed on the target's interpreter and platform",
        why="The install fails there, or is done past the lock.",
        evidence="the names of the locked files, and the tags that the image's interpreter supports",
        remedy=f"{_LOCK_AGAIN} for this platform, or change the base image",
        check=_no_artifact,
    ),
    Rule(
        code="LK109",
        slug="sdist-only-for-target",
        severity=Severity.WARNING,
        summary="only a source distribution fits the target, so it would be compiled on install",
        why="What a compiler makes of it depends on the machine that builds the image.",
        evidence="the names of the locked files, and the tags that the image's interpreter supports",
        remedy="choose a version with a wheel for this platform, or build one and keep it on an index of your own",
        check=_sdist_only,
    ),
    Rule(
        code="LK110",
        slug="requires-python",
        severity=Severity.ERROR,
        summary="the target's Python is outside the lock's or a package's requires-python",
        why="The lock was not resolved for this Python; markers and versions may be wrong for it.",
        evidence="requires-python in the lock, and the version of the image's interpreter",
        remedy=f"change the Python of the base image, or {_LOCK_AGAIN} for this one",
        check=_requires_python,
    ),
    Rule(
        code="LK112",
        slug="unsatisfied-pin",
        severity=Severity.ERROR,
        summary="two pins contradict each other's requirements",
        why="The set was never resolved together; one of the two gets a version that it does not support.",
        evidence="the lock's own edges, and METADATA of the distributions that are installed as locked",
        remedy="lock the requirements together",
        check=_unsatisfied,
    ),
)
