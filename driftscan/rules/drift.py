"""DR2xx: what the lock selects against what the environment holds."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.compare import Comparison, CondaRow, Row, admits, uninstalled
from driftscan.finding import Severity
from driftscan.listing import listed
from driftscan.model.inventory import CondaPackage, Distribution
from driftscan.model.lock import OriginKind, Package, PackageId
from driftscan.model.traces import Uninstalled
from driftscan.requiresdist import Edge
from driftscan.rules.requirements import (
    Requirements,
    importable,
    overridden,
    row_chain,
    satisfies,
)
from driftscan.rules.rule import Draft, Rule, chain, location, take_out, title, versions

INSTALLERS = frozenset(
    map(
        canonicalize_name,
        ("pip", "setuptools", "wheel", "uv", "poetry", "pdm", "pipenv", "virtualenv", "conda", "pkg-resources"),
    )
)
"""What installs the rest is in most images and in few locks. Debian's and Ubuntu's venv brought pkg-resources 0.0.0."""


_POETRY_MAIN = "main"
"""The group that Poetry calls the project's own dependencies; it is never left out."""
_LOCK_AGAIN = "add it to the requirements and lock again"


def _excluded_packages(comparison: Comparison) -> dict[tuple[NormalizedName, bool], tuple[Package, str]]:
    """Locked and not selected, by name and by whether it is a conda package, with the reason."""
    packages = {package.id: package for lock in comparison.locks for package in lock.packages}
    return {_kind_and_name(key): (packages[key], reason) for key, reason in comparison.selection.excluded.items()}


def _kind_and_name(key: PackageId) -> tuple[NormalizedName, bool]:
    return key.name, key.origin.kind is OriginKind.CONDA


def _row_key(row: Row | CondaRow) -> tuple[NormalizedName, bool]:
    return canonicalize_name(row.name), isinstance(row, CondaRow)


def _own_names(comparison: Comparison) -> frozenset[NormalizedName]:
    """The projects that the locks were made for: their own installation is no drift."""
    members = {package.id.name for lock in comparison.locks for package in lock.packages if package.is_member}
    return frozenset(members | {lock.project_name for lock in comparison.locks if lock.project_name is not None})


def _missing(comparison: Comparison) -> Iterator[Draft]:
    if comparison.environment is None:
        return
    without_groups = _selected_without_groups(comparison)
    removals = uninstalled(comparison.inventory, comparison.environment)
    for row in comparison.all_rows:
        if row.installed or not row.locked:
            continue
        package = row.locked[0]
        asked = listed([title(each) for each in row.locked])
        if comparison.is_own(package):
            yield Draft(
                message=f"the project itself, {asked}, is not installed",
                severity=Severity.INFO,
                package=row.name,
                locked=versions(row.locked),
                location=location(comparison, package),
                hint="this is as it should be where its code is copied in (`--no-install-project`, `--no-root`)",
            )
            continue
        removed = removals.get(row.name) if isinstance(row, Row) else None
        yield Draft(
            message=f"{asked} is locked and not installed",
            package=row.name,
            locked=versions(row.locked),
            layer=removed.layer if removed is not None else None,
            chain=chain(comparison, package.id),
            location=location(comparison, package),
            hint=_keep_hint(removed) if removed is not None else _missing_hint(comparison, package, without_groups),
        )


def _keep_hint(removed: Uninstalled) -> str:
    return f"take that instruction out, which uninstalled {removed.name} {removed.version}; or lock without it"


def _selected_without_groups(comparison: Comparison) -> frozenset[PackageId] | None:
    """What would be selected without the default groups; None where they were not asked for."""
    if not comparison.request.default_groups or not any(lock.default_groups for lock in comparison.locks):
        return None
    request = comparison.request._replace(default_groups=False)
    return frozenset(comparison.graph.select(comparison.target, request).packages)


def _missing_hint(comparison: Comparison, package: Package, without_groups: frozenset[PackageId] | None) -> str:
    lock = comparison.selection.lock_of[package.id]
    if without_groups is not None and package.id not in without_groups:
        groups = sorted(lock.default_groups - comparison.request.groups - {_POETRY_MAIN})
        what = (
            f"the default group {groups[0]!r} brings"
            if len(groups) == 1
            else f"default groups ({listed(groups)}) bring"
        )
        return f"only {what} it in; compare with --no-default-groups if the image leaves that out"
    return (
        f"install from {lock.path} in the image's build, or compare with the extras and groups that were installed "
        "(--extra, --group, --no-default-groups)"
    )


def _mismatch(comparison: Comparison) -> Iterator[Draft]:
    for row in comparison.all_rows:
        wrong = [each for each in row.installed if not any(admits(package, each.version) for package in row.locked)]
        if not row.locked or not wrong or len(wrong) < len(row.installed):
            # One of several is right: that is a duplicate, which says the rest.
            continue
        package, found = row.locked[0], wrong[0]
        locked = listed([each.id.version or each.specifier for each in row.locked])
        yield Draft(
            message=f"{found.name} {locked} is locked, {listed([each.version for each in wrong])} is installed",
            package=row.name,
            locked=versions(row.locked),
            installed=tuple(each.version for each in wrong),
            path=found.path,
            layer=found.layer,
            chain=chain(comparison, package.id),
            location=location(comparison, package),
            hint=_install_again(found),
        )


def _install_again(found: Distribution | CondaPackage) -> str:
    if found.layer is None:
        return f"install from the lock, or lock {found.version}"
    return f"take that instruction out or let it install from the lock; or lock {found.version}"


def _unexpected(comparison: Comparison) -> Iterator[Draft]:
    passed_over = {*_excluded_packages(comparison), *map(_kind_and_name, comparison.selection.unknown)}
    # What a locked package requires is the lock's fault, and LK102 says so.
    requirements = Requirements(comparison)
    python = _own_names(comparison) | frozenset(requirements.unlocked())
    parents = requirements.parents()
    for row in comparison.all_rows:
        if row.locked or _row_key(row) in passed_over or (isinstance(row, Row) and row.name in python):
            continue
        for found in row.installed:
            parent = parents.get(found.name) if isinstance(found, Distribution) else None
            yield _unexpected_draft(row.name, found, (*row_chain(comparison, parent), row.name) if parent else ())


def _unexpected_draft(name: str, found: Distribution | CondaPackage, chain: tuple[str, ...]) -> Draft:
    excuse = _excuse(name, found)
    kind = "conda package " if isinstance(found, CondaPackage) else ""
    return Draft(
        message=f"{kind}{found.name} {found.version} is installed and not locked{excuse}",
        severity=Severity.INFO if excuse else None,
        package=name,
        installed=(found.version,),
        path=found.path,
        layer=found.layer,
        chain=chain,
        hint=take_out(found, _LOCK_AGAIN),
    )


def _excuse(name: str, found: Distribution | CondaPackage) -> str:
    """Why something may well be there without a lock; empty for no reason."""
    if isinstance(found, Distribution) and found.owner is not None:
        return f" (it belongs to the OS package {found.owner})"
    return " (an installer)" if name in INSTALLERS else ""


def _duplicates(comparison: Comparison) -> Iterator[Draft]:
    for row in comparison.rows:
        if len(row.installed) < 2:
            continue
        newest = max(row.installed, key=lambda each: (each.layer.index if each.layer else 0, each.path))
        places = listed([f"{each.version} in {each.site}" for each in row.installed])
        yield Draft(
            message=f"{row.name} is installed {len(row.installed)} times: {places}",
            package=row.name,
            locked=versions(row.locked),
            installed=tuple(each.version for each in row.installed),
            path=newest.path,
            layer=newest.layer,
        )


def _broken(comparison: Comparison) -> Iterator[Draft]:
    there = importable(comparison)
    conda = {canonicalize_name(each.name) for each in comparison.environment.conda} if comparison.environment else set()
    requirements = Requirements(comparison)
    explained = _Explained(comparison, requirements)
    for row in comparison.rows:
        for found in row.installed:
            if found.is_foreign or row.name in explained.wrong:
                continue
            for edge in requirements.of(found):
                others = there.get(edge.name, ())
                satisfied = any(satisfies(each.version, edge.specifier) for each in others)
                if satisfied or (not others and edge.name in conda) or explained.covers(row, edge, bool(others)):
                    continue
                state = f"{listed([each.version for each in others])} is installed" if others else "it is not installed"
                yield Draft(
                    message=f"{row.name} {found.version} requires {edge.text}, and {state}",
                    package=row.name,
                    installed=(found.version,),
                    path=found.path,
                    layer=found.layer,
                    chain=(*row_chain(comparison, row), str(edge.name)),
                    subject=(str(edge.name),),
                )


class _Explained:
    """What other rules say already, so that one cause is one finding.

    `wrong` are the projects that are not installed as locked (DR201, DR202, DR206).
    """

    def __init__(self, comparison: Comparison, requirements: Requirements) -> None:
        self.wrong = frozenset(row.name for row in comparison.rows if row.locked and not row.matches)
        self._right = {row.name: row.locked for row in comparison.rows if row.matches}
        self._overridden = overridden(comparison)
        self._unlocked = requirements.unlocked()

    def covers(self, row: Row, edge: Edge, is_there: bool) -> bool:
        """Whether it is known why `row` lacks what `edge` requires."""
        if edge.name in self.wrong or edge.name in self._overridden:
            return True
        if not is_there and edge.name in self._unlocked:
            # LK102 says so.
            return True
        # LK112 says which two pins contradict each other.
        pins = [package for package in self._right.get(edge.name, ()) if package.pinned]
        contradicted = bool(pins) and not any(satisfies(pin.id.version, edge.specifier) for pin in pins)
        return contradicted and row.name in self._right


def _excluded(comparison: Comparison) -> Iterator[Draft]:
    excluded = _excluded_packages(comparison)
    own = _own_names(comparison)
    for row in comparison.all_rows:
        if row.locked or not row.installed or _row_key(row) not in excluded or row.name in own:
            continue
        package, reason = excluded[_row_key(row)]
        found = row.installed[0]
        excuse = _excuse(row.name, found)
        yield Draft(
            message=f"{row.name} {found.version} is installed{excuse}, and the lock leaves it out here: {reason}",
            severity=Severity.INFO if excuse else None,
            package=row.name,
            locked=versions((package,)),
            installed=(found.version,),
            path=found.path,
            layer=found.layer,
            location=location(comparison, package),
            hint="compare with the extras and groups that were meant (--extra, --group), or install without them",
        )


RULES = (
    Rule(
        code="DR201",
        slug="missing",
        severity=Severity.ERROR,
        summary="locked for this target, not installed",
        why="The code imports something that is not there, or falls back to something else without saying so.",
        evidence="the lock's selection for the image's interpreter, and the metadata that is installed or was removed",
        remedy="install from the lock in the image's build",
        check=_missing,
    ),
    Rule(
        code="DR202",
        slug="version-mismatch",
        severity=Severity.ERROR,
        summary="locked and installed versions differ",
        why="What was tested with the lock is not what runs.",
        evidence="the lock's selection for the image's interpreter, and the metadata that is installed",
        remedy="install from the lock, or lock again",
        check=_mismatch,
    ),
    Rule(
        code="DR203",
        slug="unexpected",
        severity=Severity.ERROR,
        summary="installed, not locked, and no locked package requires it",
        why="Nobody reviewed it, and the next build may bring another version or none.",
        evidence="the lock's selection for the image's interpreter, and the metadata that is installed",
        remedy="take it out of the image, or add it to the requirements and lock again",
        check=_unexpected,
    ),
    Rule(
        code="DR206",
        slug="duplicate-install",
        severity=Severity.ERROR,
        summary="one project is installed twice on one import path",
        why="Which of the two is imported depends on the order of folders, and metadata and code can disagree.",
        evidence="two metadata folders of one project in one directory of the import path",
        remedy="install it once: upgrade within one environment instead of copying over it",
        check=_duplicates,
    ),
    Rule(
        code="DR207",
        slug="broken-dependency",
        severity=Severity.ERROR,
        summary="what is installed violates its own requirements",
        why="It fails when it is imported, or where the missing part is first used.",
        evidence="METADATA of all installed distributions, as `pip check` reads it",
        remedy="lock with all requirements together, and install from that lock",
        check=_broken,
    ),
    Rule(
        code="DR208",
        slug="excluded-by-marker",
        severity=Severity.WARNING,
        summary="installed although the lock excludes it for this target, extras and groups",
        why="Development tools in production widen what can go wrong and what can be attacked.",
        evidence="the lock's markers, extras and groups, and the metadata that is installed",
        remedy="install without that extra or group",
        check=_excluded,
    ),
)
