"""DR2xx: the right version from the wrong place, or as another build."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from driftscan.compare import Comparison, admits
from driftscan.finding import Severity
from driftscan.model.inventory import CondaPackage, DirectUrl, Distribution, DistributionForm
from driftscan.model.lock import Origin, OriginKind, Package
from driftscan.rules.rule import Draft, Rule, chain, location, take_out, versions


class Difference(NamedTuple):
    """How a package is locked, and how it was installed instead, both in words."""

    locked: str
    installed: str


def _source_mismatch(comparison: Comparison) -> Iterator[Draft]:
    for row in comparison.rows:
        if not row.matches or row.installed[0].is_foreign:
            continue
        found = row.installed[0]
        differences = [_source_difference(package, found) for package in row.locked if not comparison.is_own(package)]
        if not differences or differences[0] is None or None in differences:
            continue
        yield Draft(
            message=f"{row.name} is locked {differences[0].locked}, and was installed {differences[0].installed}",
            package=row.name,
            locked=versions(row.locked),
            installed=(found.version,),
            path=found.path,
            layer=found.layer,
            chain=chain(comparison, row.locked[0].id),
            location=location(comparison, row.locked[0]),
            hint=take_out(found, "lock the source that it was installed from"),
        )


def _source_difference(package: Package, found: Distribution) -> Difference | None:
    """None where lock and direct_url.json agree, or nothing tells."""
    origin, direct = package.id.origin, found.direct_url
    locked = _locked_from(origin)
    if direct is None:
        # Installers record every source but an index (PEP 610); old ones did not record local files, and in an
        # egg-info nothing is recorded.
        is_remote = origin.kind in (OriginKind.VCS, OriginKind.URL) and found.form is DistributionForm.DIST_INFO
        return Difference(locked, "from an index") if is_remote else None
    installed = _installed_from(direct)
    match origin.kind, direct.kind:
        case OriginKind.VCS, "vcs":
            same = None in (origin.commit, direct.commit) or origin.commit == direct.commit
            return None if same else Difference(locked, f"at commit {direct.commit}")
        case ((OriginKind.DIRECTORY | OriginKind.EDITABLE), "dir"):
            return None
        case ((OriginKind.INDEX | OriginKind.URL | OriginKind.PATH), "archive"):
            return _archive_difference(package, direct, Difference(locked, installed))
        case _:
            return Difference(locked, installed)


def _archive_difference(package: Package, direct: DirectUrl, difference: Difference) -> Difference | None:
    """A file with one of the locked hashes is the locked file, wherever it came from; next best is its URL."""
    allowed = {value for artifact in package.artifacts for value in artifact.hashes}
    algorithms = {value.algorithm for value in allowed}
    comparable = [value for value in direct.hashes if value.algorithm in algorithms]
    if any(value in allowed for value in comparable):
        return None
    if comparable:
        return difference._replace(installed=f"{difference.installed}, with another hash")
    urls = {artifact.url for artifact in package.artifacts} | {package.id.origin.location}
    same = package.id.origin.kind is OriginKind.PATH or direct.url.partition("#")[0] in urls
    return None if same else difference


def _installed_from(direct: DirectUrl) -> str:
    match direct.kind:
        case "vcs":
            return f"from the repository {direct.url}"
        case "dir":
            return f"from the folder {direct.url}"
        case _:
            return f"from {direct.url}"


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


def _build_mismatch(comparison: Comparison) -> Iterator[Draft]:
    for row in comparison.conda_rows:
        if not row.matches:
            continue
        found = row.installed[0]
        same = [package for package in row.locked if admits(package, found.version)]
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
                hint=take_out(found, "lock again"),
            )


def _build_difference(package: Package, found: CondaPackage) -> str | None:
    """What differs; None where the hashes agree, or nothing that is known differs."""
    hashes = {value.algorithm: value.digest for artifact in package.artifacts for value in artifact.hashes}
    there = {"sha256": found.sha256, "md5": found.md5}
    strongest = next((name for name in there if name in hashes and there[name]), None)
    if strongest is not None and hashes[strongest] == there[strongest]:
        return None
    conda = package.conda
    if conda is not None and found.build and conda.build != found.build:
        return f"build {conda.build} is locked, {found.build} is installed"
    if strongest is not None:
        return f"{strongest} {hashes[strongest][:12]}… is locked, {str(there[strongest])[:12]}… is installed"
    folder = found.url.rpartition("/")[0]
    if conda is not None and folder and folder != f"{conda.channel}/{conda.subdir}":
        return f"channel {conda.channel} is locked, {folder.rpartition('/')[0]} is installed"
    return None


RULES = (
    Rule(
        code="DR205",
        slug="source-mismatch",
        severity=Severity.ERROR,
        summary="locked from one kind of source or commit, installed from another",
        why="The same version number from another place is other code.",
        evidence="direct_url.json (PEP 610), which installers leave for every source but an index",
        remedy="install from the source that the lock names",
        check=_source_mismatch,
    ),
    Rule(
        code="DR209",
        slug="build-mismatch",
        severity=Severity.ERROR,
        summary="conda: same version, other build, channel or hash",
        why="Builds of one version differ in compilers, options and the libraries they are linked with.",
        evidence="conda-meta: build, hashes and url of what is installed",
        remedy="create the environment from the explicit lock",
        check=_build_mismatch,
    ),
)
