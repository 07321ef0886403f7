"""DR2xx: what the lock selects against what the environment holds."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.compare import Comparison, Row, same_version
from driftscan.finding import Severity
from driftscan.model.inventory import CondaPackage, Distribution
from driftscan.model.lock import Hash, Origin, OriginKind, Package
from driftscan.rules.requirements import chain_to, edges, requested_extras, satisfies
from driftscan.rules.rule import Draft, Rule, by_layer, chain, is_foreign, listed, location, versions

INSTALLERS = frozenset(
    map(canonicalize_name, ("pip", "setuptools", "wheel", "uv", "poetry", "pdm", "pipenv", "virtualenv", "conda"))
)
"""What installs the rest is in most images and in few locks."""


def _excluded_names(comparison: Comparison) -> dict[NormalizedName, tuple[Package, str]]:
    packages = {package.id: package for lock in comparison.locks for package in lock.packages}
    return {key.name: (packages[key], reason) for key, reason in comparison.selection.excluded.items()}


def _own_names(comparison: Comparison) -> frozenset[NormalizedName]:
    """The projects that the locks were made for: their own installation is no drift."""
    members = {package.id.name for lock in comparison.locks for package in lock.packages if package.is_member}
    return frozenset(members | {lock.project_name for lock in comparison.locks if lock.project_name is not None})


def _missing(comparison: Comparison) -> Iterator[Draft]:
    if comparison.environment is None:
        return
    for row in comparison.all_rows:
        if row.installed or not row.locked:
            continue
        package = row.locked[0]
        asked = listed([str(each.id) for each in row.locked])
        if package.is_member:
            yield Draft(
                message=f"the project itself, {asked}, is not installed",
                severity=Severity.INFO,
                package=row.name,
                locked=versions(row.locked),
                location=location(comparison, package),
                hint="this is as it should be where its code is copied in (`--no-install-project`, `--no-root`)",
            )
            continue
        yield Draft(
            message=f"{asked} is locked and not installed",
            package=row.name,
            locked=versions(row.locked),
            chain=chain(comparison, package.id),
            location=location(comparison, package),
            hint=f"install from {comparison.selection.lock_of[package.id].path} in the image's build, "
            "or choose the extras and groups that were installed",
        )


def _mismatch(comparison: Comparison) -> Iterator[Draft]:
    for row in comparison.all_rows:
        there = row.installed
        if not row.locked or not there:
            continue
        wrong = [each for each in there if not any(same_version(p.id.version, each.version) for p in row.locked)]
        if not wrong or len(wrong) < len(there):
            # One of several is right: that is a duplicate, which says the rest.
            continue
        package, found = row.locked[0], wrong[0]
        locked = listed([str(each.id.version) for each in row.locked])
        source = f"installed by {by_layer(found.layer)}" if found.layer is not None else "installed"
        yield Draft(
            message=f"{row.name} {locked} is locked, {listed([each.version for each in wrong])} is installed",
            package=row.name,
            locked=versions(row.locked),
            installed=tuple(each.version for each in wrong),
            path=found.path,
            layer=found.layer,
            chain=chain(comparison, package.id),
            location=location(comparison, package),
            hint=f"{found.version} was {source}: take that out and install from the lock, or lock {found.version}",
        )


def _unexpected(comparison: Comparison) -> Iterator[Draft]:
    excluded = _excluded_names(comparison)
    own = _own_names(comparison)
    unknown = {key.name for key in comparison.selection.unknown}
    for row in comparison.rows:
        if row.locked or row.name in excluded or row.name in own or row.name in unknown:
            continue
        if chain_from_lock(comparison, row.name):
            continue
        for found in row.installed:
            yield _unexpected_draft(comparison, row, found)
    for conda_row in comparison.conda_rows:
        if not conda_row.locked and conda_row.name not in {key.name for key in comparison.selection.excluded}:
            for package in conda_row.installed:
                yield Draft(
                    message=f"conda package {package.name} {package.version} is installed and not locked",
                    package=conda_row.name,
                    installed=(package.version,),
                    path=package.path,
                    layer=package.layer,
                    hint=_take_out(package),
                )


def _unexpected_draft(comparison: Comparison, row: Row, found: Distribution) -> Draft:
    severity, why = None, ""
    if found.owner is not None:
        severity, why = Severity.INFO, f" (it belongs to the OS package {found.owner})"
    elif row.name in INSTALLERS:
        severity, why = Severity.INFO, " (an installer)"
    return Draft(
        message=f"{row.name} {found.version} is installed and not locked{why}",
        severity=severity,
        package=row.name,
        installed=(found.version,),
        path=found.path,
        layer=found.layer,
        chain=chain_to(comparison, row.name),
        hint=None if severity else _take_out(found),
    )


def _take_out(found: Distribution | CondaPackage) -> str:
    source = f"it was installed by {by_layer(found.layer)}: " if found.layer is not None else ""
    return f"{source}take it out, or add it to the requirements and lock again"


def chain_from_lock(comparison: Comparison, name: NormalizedName) -> tuple[str, ...]:
    """Who requires `name`, if that is a locked package installed as locked: then the lock is incomplete (LK102)."""
    for row in comparison.rows:
        if not row.matches or row.name == name or is_foreign(row.installed[0]):
            continue
        if any(edge.name == name for edge in edges(comparison, row.installed[0], requested_extras(comparison, row))):
            return (*chain(comparison, row.locked[0].id), str(name))
    return ()


def _source_mismatch(comparison: Comparison) -> Iterator[Draft]:
    for row in comparison.rows:
        if not row.matches or is_foreign(row.installed[0]):
            continue
        found = row.installed[0]
        reasons = [_source_difference(package, found) for package in row.locked]
        if all(reasons) and reasons[0] is not None:
            package = row.locked[0]
            yield Draft(
                message=f"{row.name} is locked {reasons[0][0]}, and was installed {reasons[0][1]}",
                package=row.name,
                locked=versions(row.locked),
                installed=(found.version,),
                path=found.path,
                layer=found.layer,
                chain=chain(comparison, package.id),
                location=location(comparison, package),
            )


def _source_difference(package: Package, found: Distribution) -> tuple[str, str] | None:
    """How a package is locked and how it was installed instead; None where the two agree or nothing tells."""
    if package.is_member:
        return None
    origin, direct = package.id.origin, found.direct_url
    locked = _locked_from(origin)
    if direct is None:
        # Installers record every source but an index (PEP 610); older ones did not record local files.
        remote = origin.kind in (OriginKind.VCS, OriginKind.URL) and found.installer != "conda"
        return (locked, "from an index") if remote else None
    installed = {"vcs": f"from the repository {direct.url}", "archive": f"from {direct.url}"}.get(
        direct.kind, f"from the folder {direct.url}"
    )
    if origin.kind is OriginKind.VCS:
        if direct.kind != "vcs":
            return locked, installed
        same = origin.commit is None or direct.commit is None or direct.commit == origin.commit
        return None if same else (locked, f"at commit {direct.commit}")
    if origin.kind in (OriginKind.DIRECTORY, OriginKind.EDITABLE):
        return None if direct.kind == "dir" else (locked, installed)
    if direct.kind != "archive":
        return locked, installed
    return _archive_difference(package, direct.hashes, locked, installed)


def _archive_difference(
    package: Package, hashes: tuple[Hash, ...], locked: str, installed: str
) -> tuple[str, str] | None:
    """An archive with one of the locked hashes is the locked file, wherever it came from."""
    allowed = {value for artifact in package.artifacts for value in artifact.hashes}
    algorithms = {value.algorithm for value in allowed}
    comparable = [value for value in hashes if value.algorithm in algorithms]
    if comparable:
        return None if any(value in allowed for value in comparable) else (locked, f"{installed}, with another hash")
    return None if package.id.origin.kind is not OriginKind.INDEX else (locked, installed)


def _locked_from(origin: Origin) -> str:
    match origin.kind:
        case OriginKind.INDEX:
            return "from an index"
        case OriginKind.VCS:
            return f"at commit {origin.commit}" if origin.commit else f"from the repository {origin.location}"
        case OriginKind.DIRECTORY | OriginKind.EDITABLE:
            return f"from the folder {origin.location}"
        case _:
            return f"from {origin.location}"


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
    environment = comparison.environment
    if environment is None:
        return
    rows = {row.name: row for row in comparison.rows}
    passed_over = _explained(comparison)
    conda = {canonicalize_name(each.name) for each in environment.conda}
    for row in comparison.rows:
        for found in row.installed:
            if is_foreign(found) or row.name in passed_over:
                continue
            for edge in edges(comparison, found, requested_extras(comparison, row)):
                there = rows[edge.name].installed if edge.name in rows else ()
                satisfied = any(satisfies(each.version, edge.specifier) for each in there)
                if satisfied or edge.name in passed_over or (not there and edge.name in conda):
                    continue
                state = f"{listed([each.version for each in there])} is installed" if there else "it is not installed"
                yield Draft(
                    message=f"{row.name} {found.version} requires {edge.text}, and {state}",
                    package=row.name,
                    installed=(found.version,),
                    path=found.path,
                    layer=found.layer,
                    chain=(*_locked_chain(comparison, row), str(edge.name)),
                )


def _explained(comparison: Comparison) -> frozenset[NormalizedName]:
    """Names whose absence or version another finding is about, or that the lock's author has overridden."""
    names: set[NormalizedName] = set()
    for row in comparison.rows:
        if row.locked and not row.matches:
            names.add(row.name)
    for lock in comparison.locks:
        names |= lock.overrides
    return frozenset(names)


def _locked_chain(comparison: Comparison, row: Row) -> tuple[str, ...]:
    return chain(comparison, row.locked[0].id) if row.locked else (str(row.name),)


def _excluded(comparison: Comparison) -> Iterator[Draft]:
    excluded = _excluded_names(comparison)
    for row in comparison.all_rows:
        if row.locked or not row.installed or row.name not in excluded:
            continue
        package, reason = excluded[row.name]
        found = row.installed[0]
        yield Draft(
            message=f"{row.name} {found.version} is installed, and the lock leaves it out here: {reason}",
            package=row.name,
            locked=versions((package,)),
            installed=(found.version,),
            path=found.path,
            layer=found.layer,
            location=location(comparison, package),
            hint="compare with the extras and groups that were meant (--extra, --group), or install without them",
        )


def _build_mismatch(comparison: Comparison) -> Iterator[Draft]:
    for row in comparison.conda_rows:
        if not row.matches:
            continue
        found = row.installed[0]
        same = [package for package in row.locked if package.id.version == found.version]
        differences = [_build_difference(package, found) for package in same]
        if all(differences):
            package = same[0]
            yield Draft(
                message=f"{row.name} {found.version} is installed as another build: {differences[0]}",
                package=row.name,
                locked=versions((package,)),
                installed=(found.version,),
                path=found.path,
                layer=found.layer,
                location=location(comparison, package),
                hint=_take_out(found).replace("add it to the requirements and lock", "lock"),
            )


def _build_difference(package: Package, found: CondaPackage) -> str | None:
    """What differs; None where the hashes agree, or nothing that is known differs."""
    there = {"sha256": found.sha256, "md5": found.md5}
    hashes = [value for artifact in package.artifacts for value in artifact.hashes]
    comparable = [(value, there[value.algorithm]) for value in hashes if there.get(value.algorithm)]
    if any(value.digest == digest for value, digest in comparable):
        return None
    conda = package.conda
    if conda is not None and conda.build != found.build:
        return f"build {conda.build} is locked, {found.build} is installed"
    if comparable:
        value, digest = comparable[0]
        return f"{value.algorithm} {value.digest[:12]}… is locked, {str(digest)[:12]}… is installed"
    folder = found.url.rpartition("/")[0]
    if conda is not None and folder and not folder.endswith(f"{conda.channel}/{conda.subdir}".removesuffix("/")):
        return f"channel {conda.channel} is locked, {folder.rpartition('/')[0]} is installed"
    return None


RULES = (
    Rule(
        code="DR201",
        slug="missing",
        severity=Severity.ERROR,
        summary="locked for this target, not installed",
        why="The code imports something that is not there, or falls back to something else without saying so.",
        remedy="install from the lock in the image's build",
        check=_missing,
    ),
    Rule(
        code="DR202",
        slug="version-mismatch",
        severity=Severity.ERROR,
        summary="locked and installed versions differ",
        why="What was tested with the lock is not what runs.",
        remedy="install from the lock, or lock again",
        check=_mismatch,
    ),
    Rule(
        code="DR203",
        slug="unexpected",
        severity=Severity.ERROR,
        summary="installed, not locked, and no locked package requires it",
        why="Nobody reviewed it, and the next build may bring another version or none.",
        remedy="take it out of the image, or add it to the requirements and lock again",
        check=_unexpected,
    ),
    Rule(
        code="DR205",
        slug="source-mismatch",
        severity=Severity.ERROR,
        summary="locked from one kind of source or commit, installed from another",
        why="The same version number from another place is other code.",
        remedy="install from the source that the lock names",
        check=_source_mismatch,
    ),
    Rule(
        code="DR206",
        slug="duplicate-install",
        severity=Severity.ERROR,
        summary="one project is installed twice on one import path",
        why="Which of the two is imported depends on the order of folders, and metadata and code can disagree.",
        remedy="install it once: upgrade within one environment instead of copying over it",
        check=_duplicates,
    ),
    Rule(
        code="DR207",
        slug="broken-dependency",
        severity=Severity.ERROR,
        summary="what is installed violates its own requirements",
        why="It fails when it is imported, or where the missing part is first used.",
        remedy="lock with all requirements together, and install from that lock",
        check=_broken,
    ),
    Rule(
        code="DR208",
        slug="excluded-by-marker",
        severity=Severity.WARNING,
        summary="installed although the lock excludes it for this target, extras and groups",
        why="Development tools in production widen what can go wrong and what can be attacked.",
        remedy="install without that extra or group",
        check=_excluded,
    ),
    Rule(
        code="DR209",
        slug="build-mismatch",
        severity=Severity.ERROR,
        summary="conda: same version, other build, channel or hash",
        why="Builds of one version differ in compilers, options and the libraries they are linked with.",
        remedy="create the environment from the explicit lock",
        check=_build_mismatch,
    ),
)
