"""Whether what is installed is what a locked wheel contains: which wheels may be meant, and how their files compare.

Nothing is fetched here. A wheel's files go where the Binary distribution format says (PEP 427): those at its root into
the directory that modules are imported from, those below `*.data/` by kind. Where the installer put these is taken from
the RECORD that it left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from driftscan.compare import Comparison, CondaRow, Row
from driftscan.model.inventory import Distribution, Environment, FileProblemKind
from driftscan.model.lock import STRONG, Artifact, Hash, Lock, OriginKind, Package
from driftscan.model.proof import Contents, Difference, DifferenceKind, Grade, InstalledFile, Proof, WheelFiles
from driftscan.model.target import Target

_DATA = re.compile(r"[^/]+\.data/(?P<kind>[^/]+)/(?P<rest>.+)")
_PER_INSTALL = re.compile(
    r"[^/]+\.dist-info/(?:INSTALLER|REQUESTED|RECORD(?:\.\w+)?|direct_url\.json|uv_\w+\.json|provenance_url\.json)"
)
"""Files that installers write, or that cannot be the same twice (Recording installed projects; uv's own)."""
_FOLDERS = {"scripts": "bin", "headers": "include"}
_VERSIONED = re.compile(r"[\d.]+|-[\d.]+")
_TOUCHED = (FileProblemKind.MODIFIED, FileProblemKind.MISSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An installed distribution whose files a locked wheel can confirm.

    `artifacts` are the locked files that may be meant, the likeliest first; a file without a name is known by its
    hashes alone. `package` is the lock's entry, `lock` the lock that has it.
    """

    found: Distribution
    contents: Contents
    package: Package
    lock: Lock
    artifacts: tuple[Artifact, ...]

    def claimed(self, why: str) -> Proof:
        """The answer where nothing could confirm what the image says of itself."""
        artifact = self.artifacts[0]
        is_sure = len(self.artifacts) == 1 and artifact.filename is not None
        return Proof(
            name=self.package.id.name,
            version=self.found.version,
            distribution=self.found.path,
            grade=Grade.CLAIMED,
            filename=artifact.filename,
            hash=strong(artifact)[0] if is_sure else None,
            why=why,
        )


def questions(comparison: Comparison) -> Iterator[Question | Proof]:
    """For each locked project that is installed: what can be asked about it, or why nothing can."""
    for row in comparison.rows:
        if row.matches and not any(map(comparison.is_own, row.locked)):
            yield _question(comparison, row)
    for conda in comparison.conda_rows:
        if conda.matches:
            yield _conda(conda)


def _question(comparison: Comparison, row: Row) -> Question | Proof:
    found, package = row.installed[0], row.locked[0]
    contents = comparison.inventory.contents.get(found.path) if comparison.inventory is not None else None
    artifacts = [artifact for each in row.locked for artifact in each.artifacts if strong(artifact)]
    usable = [artifact for artifact in artifacts if artifact.filename is None or artifact.filename.endswith(".whl")]
    reason = _why_not(package, found) or _why_no_file(package, artifacts, usable)
    if reason is not None or contents is None:
        return Proof(
            name=row.name,
            version=found.version,
            distribution=found.path,
            grade=Grade.UNVERIFIABLE,
            why=reason or "it has no RECORD",
        )
    return Question(
        found=found,
        contents=contents,
        package=package,
        lock=comparison.selection.lock_of[package.id],
        artifacts=tuple(sorted(usable, key=lambda artifact: distance(comparison.target, found, artifact.filename))),
    )


def _why_not(package: Package, found: Distribution) -> str | None:
    kind = package.id.origin.kind
    if found.owner is not None:
        return f"the operating system's package {found.owner} installed it"
    if found.conda_name is not None:
        return f"the conda package {found.conda_name} installed it"
    if kind not in (OriginKind.INDEX, OriginKind.URL):
        return f"it is locked as a {kind.value} source, and was built from that"
    if found.built_on_the_spot is not None:
        return f"it was built on the spot: {found.built_on_the_spot}"
    return None


def _why_no_file(package: Package, artifacts: Sequence[Artifact], usable: Sequence[Artifact]) -> str | None:
    if not artifacts:
        has_any = any(artifact.hashes for artifact in package.artifacts)
        return "the lock has only weak hashes of it" if has_any else "the lock has no hash of it"
    return None if usable else "the lock has only its source distribution"


def _conda(row: CondaRow) -> Proof:
    found = row.installed[0]
    hashes = {value.digest for package in row.locked for artifact in package.artifacts for value in artifact.hashes}
    is_claimed = found.sha256 in hashes or found.md5 in hashes
    return Proof(
        name=row.locked[0].id.name,
        version=found.version,
        distribution=found.path,
        grade=Grade.CLAIMED if is_claimed else Grade.UNVERIFIABLE,
        filename=found.filename or None,
        why="conda's record in the image has the lock's hash, and conda packages are not fetched"
        if is_claimed
        else "conda's record in the image has no hash of the lock",
    )


def strong(artifact: Artifact) -> tuple[Hash, ...]:
    """The hashes of a locked file that identify it."""
    return tuple(value for value in artifact.hashes if value.algorithm in STRONG)


def distance(target: Target, found: Distribution, filename: str | None) -> int:
    """0 for a file that was made as what is installed, 4 for one that the target's interpreter does not even accept."""
    wheel = found.wheel
    try:
        _, _, build, tags = parse_wheel_filename(filename or "")
    except InvalidWheelFilename:
        return 3
    if wheel is None:
        return 2
    if wheel.tags == tags:
        return 0 if wheel.build == "".join(map(str, build)) else 1
    if wheel.tags & tags:
        return 2
    supported = target.tags
    return 3 if supported is None or not tags.isdisjoint(supported) else 4


def judged(found: Distribution, contents: Contents, wheel: WheelFiles, value: Hash, touched: frozenset[str]) -> Proof:
    """What `wheel`, which is known by the hash `value`, says about `found`, which has `contents` installed.

    `touched` are the paths of files that are known to be no longer as they were installed.
    """
    files = _Files(found, contents)
    differences = tuple(sorted(_differences(wheel, files), key=attrgetter("path")))
    unknown = files.unknown
    if differences or any(file.path in touched for file in contents.files):
        grade, why = Grade.DIFFERENT, None
    elif unknown:
        grade, why = Grade.CLAIMED, f"{unknown} of its files could not be compared"
    else:
        grade, why = (Grade.PROVED if wheel.is_whole else Grade.EVIDENCE), None
    return Proof(
        name=found.name,
        version=found.version,
        distribution=found.path,
        grade=grade,
        filename=wheel.filename,
        hash=value,
        why=why,
        differences=tuple(each for each in differences if each.path not in touched),
    )


def touched_paths(environment: Environment | None) -> frozenset[str]:
    """Paths of files that differ from the RECORD of their installation, which other rules tell."""
    problems = environment.problems if environment is not None else ()
    return frozenset(problem.path for problem in problems if problem.kind in _TOUCHED)


class _Files:
    """What is installed, found by where the files of a wheel go; remembers what was found."""

    def __init__(self, found: Distribution, contents: Contents) -> None:
        self.site = found.site.rstrip("/")
        self.commands = contents.commands
        self.by_path = {file.path: file for file in contents.files}
        self.by_name: dict[str, list[InstalledFile]] = {}
        for file in contents.files:
            self.by_name.setdefault(_leaf(file.path), []).append(file)
        self.accounted: set[str] = set()
        self.unknown = 0

    def places(self, name: str) -> list[InstalledFile]:
        """Installed files that the wheel's file `name` can have become."""
        match = _DATA.fullmatch(name)
        if match is None:
            file = self.by_path.get(f"{self.site}/{name}")
            return [file] if file is not None else []
        folder = f"/{_FOLDERS.get(match['kind'], '')}/".replace("//", "/")
        return [
            file
            for file in self.by_name.get(_leaf(name), ())
            if file.path.endswith(f"/{match['rest']}") and folder in file.path
        ]

    def others(self) -> Iterator[InstalledFile]:
        """What is installed beside the files of the wheel, without what installers add."""
        for file in self.by_path.values():
            if file.path not in self.accounted and not self._is_installers(file.path):
                yield file

    def _is_installers(self, path: str) -> bool:
        if path.startswith(f"{self.site}/") and _PER_INSTALL.fullmatch(path.removeprefix(f"{self.site}/")):
            return True
        return path.rpartition("/")[0].endswith("/bin") and self._is_command(_leaf(path))

    def _is_command(self, name: str) -> bool:
        """Whether an installer made it for an entry point; pip makes `pip3.11` for `pip` too."""
        return any(
            name == command or (name.startswith(command) and _VERSIONED.fullmatch(name.removeprefix(command)))
            for command in self.commands
        )


def _differences(wheel: WheelFiles, files: _Files) -> Iterator[Difference]:
    for name, digest in wheel.files.items():
        if name.endswith((".pyc", "/")):
            continue
        places = files.places(name)
        files.accounted.update(file.path for file in places)
        if _PER_INSTALL.fullmatch(name):
            continue
        if not any(file.digests != frozenset() for file in places):
            path = places[0].path if places else f"{files.site}/{name}"
            yield Difference(DifferenceKind.MISSING, path, places[0].layer if places else None)
        elif digest is None or any(file.digests is None for file in places):
            files.unknown += 1
        elif not any(digest in (file.digests or ()) for file in places):
            yield Difference(DifferenceKind.CHANGED, places[0].path, places[0].layer)
    for file in files.others():
        if file.digests != frozenset():
            yield Difference(DifferenceKind.ADDED, file.path, file.layer)


def _leaf(path: str) -> str:
    return path.rpartition("/")[2]
