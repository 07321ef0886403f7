"""The join of what a lock selects with what an environment holds; nothing is judged here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, NormalizedName, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from driftscan import markers, requiresdist
from driftscan.dockerfile.build import Build
from driftscan.errors import MarkerError
from driftscan.graph import DependencyGraph, Selection
from driftscan.model.floating import Floating
from driftscan.model.inventory import CondaPackage, Distribution, DistributionForm, Environment, Inventory
from driftscan.model.lock import Lock, OriginKind, Package, Request, Unchecked
from driftscan.model.proof import Proof
from driftscan.model.target import Target
from driftscan.model.traces import Uninstalled

_SHOWN = 100
"""Characters of what cannot be read that a report repeats."""
_LOCAL = (OriginKind.DIRECTORY, OriginKind.EDITABLE, OriginKind.VIRTUAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One project: all that is locked for the target, and all that is installed under its name.

    `locked` without `installed` is missing, the reverse is unexpected; several on one side are conflicts and
    duplicates. `shadowed` are installed too, but another distribution of the project is imported instead.
    """

    name: NormalizedName
    locked: tuple[Package, ...] = ()
    installed: tuple[Distribution, ...] = ()
    shadowed: tuple[Distribution, ...] = ()

    @property
    def matches(self) -> bool:
        """Whether exactly what is locked is installed, as far as versions tell."""
        return (
            len(self.installed) == 1
            and bool(self.locked)
            and any(admits(package, self.installed[0].version) for package in self.locked)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaRow:
    """The same for one conda package, by conda's name for it.

    Conda does not normalise names: `ruamel.yaml` and `ruamel_yaml` are two packages.
    """

    name: str
    locked: tuple[Package, ...] = ()
    installed: tuple[CondaPackage, ...] = ()

    @property
    def matches(self) -> bool:
        return (
            len(self.installed) == 1
            and bool(self.locked)
            and any(admits(package, self.installed[0].version) for package in self.locked)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that rules may look at. `environment` and `inventory` are None for a check of locks alone.

    `rows` are Python projects, `conda_rows` conda packages; a conda package that is a Python project stands in the
    latter alone, unless a lock names it as a Python project. Both are sorted by name.
    """

    locks: tuple[Lock, ...]
    graph: DependencyGraph
    selection: Selection
    request: Request
    target: Target
    inventory: Inventory | None = None
    environment: Environment | None = None
    rows: tuple[Row, ...] = ()
    conda_rows: tuple[CondaRow, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()
    example: str | None = None
    """The target in words, where it is only one of many that the locks are judged for."""
    floating: tuple[Floating, ...] = ()
    """What an installer would add to the locks on the target, as far as package indexes were asked."""
    proofs: tuple[Proof, ...] = ()
    """What the locked files say about what is installed, where that was asked."""
    build: Build = Build()  # noqa: RUF009  # immutable
    """How the image was built, as far as it is known."""

    @property
    def all_rows(self) -> tuple[Row | CondaRow, ...]:
        return (*self.rows, *self.conda_rows)

    def is_own(self, package: Package) -> bool:
        """Whether a locked package is one that a lock was made for: a workspace member, or the project itself."""
        names = {lock.project_name for lock in self.locks}
        return package.is_member or (package.id.origin.kind in _LOCAL and package.id.name in names)

    @property
    def locked(self) -> int:
        """Projects that the lock selects for the target, its own projects aside."""
        return sum(any(not self.is_own(package) for package in row.locked) for row in self.all_rows)

    @property
    def installed(self) -> int:
        """Projects that the environment holds; those of the operating system only where a lock holds them too."""
        held = sum(
            bool(row.locked) or any(each.owner is None for each in row.installed) for row in self.rows if row.installed
        )
        return held + sum(bool(row.installed) for row in self.conda_rows)

    @property
    def matching(self) -> int:
        """Locked projects that are installed in a locked version, once."""
        return self.matching_without(frozenset())

    def matching_without(self, wrong: AbstractSet[str]) -> int:
        """The same without projects of which something else is wrong than the version."""
        return sum(
            row.name not in wrong and row.matches and any(not self.is_own(package) for package in row.locked)
            for row in self.all_rows
        )


def compare(
    graph: DependencyGraph,
    selection: Selection,
    locks: Sequence[Lock],
    inventory: Inventory | None,
    environment: Environment | None,
    request: Request,
    target: Target | None = None,
    example: str | None = None,
) -> Comparison:
    """Join `selection` with what `environment` holds: a full outer join by normalised name.

    `target` is the environment's own where there is one; `example` says it in words where it stands for many.
    """
    place = environment.target if environment is not None else target or Target()
    rows = _rows(selection, environment)
    return Comparison(
        locks=tuple(locks),
        graph=graph,
        selection=selection,
        request=request,
        target=place,
        inventory=inventory,
        environment=environment,
        rows=rows,
        conda_rows=_conda_rows(selection, locks, environment),
        unchecked=tuple(_unchecked(selection, locks, inventory, environment)),
        example=example,
    )


def admits(package: Package, version: str) -> bool:
    """Whether an installed `version` is one that the lock's entry means.

    Conda's versions are equal or they are not (CEP 23 names exact files). Others compare as `==` of PEP 440 does: a
    pin without a local label (`2.1.0`) admits any (`2.1.0+cpu`), unless the lock names the files and none of them
    has that label. An entry that is not pinned admits what its specifier does, a source tree without a version all.
    """
    if package.id.origin.kind is OriginKind.CONDA:
        return package.id.version == version
    if package.id.version is None:
        return _in_specifier(package.specifier, version)
    try:
        pin, there = Version(package.id.version), Version(version)
    except InvalidVersion:
        return package.id.version == version
    if pin == there:
        return True
    if pin.local is not None or pin != Version(there.public):
        return False
    files = _file_versions(package)
    return not files or there in files


def uninstalled(inventory: Inventory | None, environment: Environment | None) -> dict[NormalizedName, Uninstalled]:
    """What a layer took out of where `environment` imports from; of several, what came first on that path.

    Empty where nobody asked how the layers were made.
    """
    if inventory is None or inventory.traces is None or environment is None:
        return {}
    order = {site: number for number, site in enumerate(environment.search_path)}
    found = sorted(
        (each for each in inventory.traces.uninstalled if each.site in order), key=lambda each: -order[each.site]
    )
    return {each.name: each for each in found}


def project_name(package: Package) -> str:
    """The name of a locked package as its ecosystem has it: normalised, or conda's own."""
    if package.conda is None:
        return package.id.name
    return package.conda.filename.rsplit("-", 2)[0].lower()


def _in_specifier(specifier: str, version: str) -> bool:
    """True too where one of the two cannot be read: that proves no difference."""
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


def _file_versions(package: Package) -> frozenset[Version]:
    """Versions in the names of the locked files; empty where one is no wheel: a build may add a label of its own."""
    found: set[Version] = set()
    for artifact in package.artifacts:
        try:
            found.add(parse_wheel_filename(artifact.filename or "")[1])
        except InvalidWheelFilename:
            return frozenset()
    return frozenset(found)


def _rows(selection: Selection, environment: Environment | None) -> tuple[Row, ...]:
    locked: dict[NormalizedName, list[Package]] = {}
    has_conda_lock = False
    for key, package in selection.packages.items():
        if key.origin.kind is OriginKind.CONDA:
            has_conda_lock = True
        elif key.origin.kind is not OriginKind.VIRTUAL:
            locked.setdefault(key.name, []).append(package)
    installed: dict[NormalizedName, list[Distribution]] = {}
    shadowed: dict[NormalizedName, list[Distribution]] = {}
    for distribution in environment.distributions if environment is not None else ():
        if has_conda_lock and distribution.conda_name is not None and distribution.name not in locked:
            continue
        place = installed if distribution.shadowed_by is None else shadowed
        place.setdefault(distribution.name, []).append(distribution)
    return tuple(
        Row(
            name=name,
            locked=tuple(locked.get(name, ())),
            installed=tuple(installed.get(name, ())),
            shadowed=tuple(shadowed.get(name, ())),
        )
        for name in sorted({*locked, *installed})
    )


def _conda_rows(selection: Selection, locks: Sequence[Lock], environment: Environment | None) -> tuple[CondaRow, ...]:
    """Rows for conda packages; none where no lock is about them, since pip's locks say nothing of a conda base."""
    if not any(package.id.origin.kind is OriginKind.CONDA for lock in locks for package in lock.packages):
        return ()
    locked: dict[str, list[Package]] = {}
    for key, package in selection.packages.items():
        if key.origin.kind is OriginKind.CONDA:
            locked.setdefault(project_name(package), []).append(package)
    installed: dict[str, list[CondaPackage]] = {}
    for conda in environment.conda if environment is not None else ():
        installed.setdefault(conda.name.lower(), []).append(conda)
    return tuple(
        CondaRow(name=name, locked=tuple(locked.get(name, ())), installed=tuple(installed.get(name, ())))
        for name in sorted({*locked, *installed})
    )


def _unchecked(
    selection: Selection, locks: Sequence[Lock], inventory: Inventory | None, environment: Environment | None
) -> list[Unchecked]:
    found = [item for lock in locks for item in lock.unchecked]
    found += selection.unchecked
    found += inventory.unchecked if inventory is not None else ()
    if environment is not None:
        found += environment.unchecked
        found += _target_unchecked(environment, locks)
        found += _requirements_unchecked(environment)
        found += _files_unchecked(environment)
    return list(dict.fromkeys(found))


def _requirements_unchecked(environment: Environment) -> Iterator[Unchecked]:
    """Requirements of what a Python installer put there, of which nobody knows whether they are met."""
    for distribution in environment.distributions:
        if distribution.owner is not None or distribution.shadowed_by is not None:
            continue
        for text in distribution.requires:
            if (why := _not_known(text, environment.target)) is not None:
                yield Unchecked(f"a requirement of {distribution.name} {distribution.version}: {text[:_SHOWN]}", why)


def _files_unchecked(environment: Environment) -> Iterator[Unchecked]:
    """What a Python installer put there without a list of it."""
    for distribution in environment.distributions:
        has_files = distribution.form in (DistributionForm.DIST_INFO, DistributionForm.EGG_INFO)
        if has_files and not distribution.has_record and not distribution.is_foreign:
            yield Unchecked(
                f"the files of {distribution.name} {distribution.version}",
                "no RECORD lists them; install it again, as a wheel",
            )


def _not_known(text: str, target: Target) -> str | None:
    """Why it cannot be told whether a Requires-Dist applies; None where it can. Extras that nobody asked for do not."""
    declared = requiresdist.read(text)
    if declared is None:
        return "it is no requirement as the standard has them"
    try:
        applies = markers.evaluate(declared[1], target.markers)
    except MarkerError:
        return "its marker cannot be read"
    return None if applies is not None or not target.markers else "its marker asks for what the image does not tell"


def _target_unchecked(environment: Environment, locks: Sequence[Lock]) -> Iterator[Unchecked]:
    target = environment.target
    if target.tags is None:
        yield Unchecked(
            f"which wheels the interpreter of {environment.path} supports",
            "its version, machine or C library could not be told from the image's files",
        )
    if target.python_version is None:
        yield Unchecked(
            f"whether the Python of {environment.path} is one that the lock is for", "its version is not known"
        )
    if environment.natives and (target.machine is None or target.libc is None):
        yield Unchecked(
            f"whether the compiled files of {environment.path} fit its machine and C library",
            "one of the two could not be told from the image's files",
        )
    for lock in locks:
        results = [markers.evaluate(marker, target.markers) for marker in lock.environments]
        if results and all(result is False for result in results):
            yield Unchecked(
                f"what {lock.path} selects for this target",
                "the lock names the environments it supports, and not this one",
            )
