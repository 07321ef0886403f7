"""What a package index knows and a lock leaves open: names of files, requirements, and what would float in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Self

from packaging.utils import NormalizedName

from driftscan import markers
from driftscan.compare import Comparison
from driftscan.errors import MarkerError, PackageIndexError, UsageError
from driftscan.index.address import origin_of, public, warn_of_insecure
from driftscan.index.credentials import with_password
from driftscan.index.floating import Failure, Start, Walk, parse_requirement
from driftscan.index.page import File
from driftscan.index.releases import Releases
from driftscan.index.settings import configured_indexes
from driftscan.index.transport import CONNECTIONS, Limits, Web
from driftscan.model.lock import Artifact, Dependency, Hash, Lock, OriginKind, Package, PackageId, Unchecked
from driftscan.model.target import Target
from driftscan.rules.requirements import locked_names, overridden

_LIMITS = Limits()
_COMMENTED = "requirements"
_NOT_FROM_INDEXES = frozenset(
    (OriginKind.URL, OriginKind.VCS, OriginKind.PATH, OriginKind.DIRECTORY, OriginKind.EDITABLE)
)


class Online:
    """The indexes that stand behind some locks, to be closed after use.

    `asked` are the URLs of indexes to use instead of those that the locks, or else this machine's settings, name. What
    could not be found out gathers in `unchecked`. Raises UsageError where no index is known, PackageIndexError where
    one that was asked for is no web address.
    """

    def __init__(
        self,
        locks: Sequence[Lock],
        *,
        target: Target | None,
        asked: Sequence[str] = (),
        warn: Callable[[str], None] | None = None,
        limits: Limits = _LIMITS,
    ) -> None:
        self._target = target
        self._asked = tuple(map(with_password, asked))
        self._open = frozenset(
            package.id for lock in locks for package in lock.packages if _lacks_requirements(lock, package)
        )
        self._configured = self._asked or _configured(self._needs_default(lock) for lock in locks)
        named = [url for lock in locks for url in _named(lock) if _is_usable(url)] if not asked else []
        self._web = Web([*self._configured, *named], limits)
        self._releases: dict[tuple[str, ...], Releases] = {}
        self._failures: dict[Failure, None] = {}
        self._unknown_hashes: dict[PackageId, Unchecked | None] = {}
        warn_of_insecure((*self._configured, *named), warn)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._web.close()

    @property
    def web(self) -> Web:
        """The connections, for files whose addresses are known."""
        return self._web

    @property
    def unchecked(self) -> Iterator[Unchecked]:
        """What could not be followed, once for each reason, and hashes that no file has."""
        by_reason: dict[str, list[str]] = {}
        for subject, reason in self._failures:
            by_reason.setdefault(reason, []).append(subject)
        for reason, subjects in by_reason.items():
            others = {1: " requires", 2: " and 1 other require"}
            more = others.get(len(subjects), f" and {len(subjects) - 1} others require")
            yield Unchecked(f"what {subjects[0]}{more}", reason)
        yield from filter(None, self._unknown_hashes.values())

    def told(self, lock: Lock) -> Lock:
        """The lock with what its indexes say of pinned packages: names of files, and edges between packages of it.

        What is required and not in the lock is left to `followed`.
        """
        held: dict[NormalizedName, tuple[PackageId, ...]] = {}
        for package in lock.packages:
            held[package.id.name] = (*held.get(package.id.name, ()), package.id)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return replace(lock, packages=tuple(pool.map(partial(self._package, lock, held), lock.packages)))

    def located(self, lock: Lock) -> Lock:
        """The lock with the addresses of its files, by their hashes; what no index has stays as it is.

        Raises PackageIndexError where an index does not have a release that the lock pins, or cannot be asked.
        """
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return replace(lock, packages=tuple(pool.map(partial(self.located_package, lock), lock.packages)))

    def located_package(self, lock: Lock, package: Package) -> Package:
        """The same for one package of `lock`."""
        key = package.id
        is_known = all(artifact.url is not None for artifact in package.artifacts)
        if is_known or key.origin.kind is not OriginKind.INDEX or not package.pinned or not key.version:
            return package
        files = self._of(lock, package).pinned(key.name, key.version, _hashes(package)).files
        return replace(package, artifacts=tuple(_addressed(_artifacts(package, files), files)))

    def followed(self, comparison: Comparison) -> Comparison:
        """The comparison with what would float in on its target."""
        starts = [
            self._start(comparison, package)
            for key, package in comparison.selection.packages.items()
            if key in self._open and key.origin.kind is OriginKind.INDEX and not comparison.is_own(package)
        ]
        self._note_others(comparison)
        pins = {name: pin for lock in comparison.locks for name, pin in lock.constraints.items()}
        known = locked_names(comparison) | overridden(comparison)
        found = Walk(comparison.target, known, pins, is_exact=self._target is not None).run(starts)
        self._failures |= found.failures
        for start in starts:
            if start.package not in self._unknown_hashes:
                self._unknown_hashes[start.package] = self._asked_hashes(start)
        return replace(comparison, floating=tuple(found.floating))

    def _asked_hashes(self, start: Start) -> Unchecked | None:
        try:
            return _unknown_hashes(start)
        except PackageIndexError as error:
            reason = str(error)
        if any(failure.reason == reason for failure in self._failures):
            return None
        # An index behind the one that has the project is asked for this alone.
        return Unchecked(f"whether files have all hashes of {start.package}", reason)

    def _needs_default(self, lock: Lock) -> bool:
        """Whether something of a lock comes from an index that it does not name."""
        return (not lock.indexes or any(not index.location for index in lock.indexes)) and any(
            package.id in self._open and package.id.origin.kind is OriginKind.INDEX and not package.id.origin.location
            for package in lock.packages
        )

    def _package(self, lock: Lock, held: dict[NormalizedName, tuple[PackageId, ...]], package: Package) -> Package:
        """Failures are told where the package is followed: it may be none that is selected."""
        key = package.id
        if key not in self._open or key.origin.kind is not OriginKind.INDEX or not package.pinned or not key.version:
            return package
        releases = self._of(lock, package)
        try:
            release = releases.pinned(key.name, key.version, _hashes(package))
            package = replace(package, artifacts=tuple(_artifacts(package, release.files)))
            metadata = releases.metadata(release, self._target or Target())
        except PackageIndexError:
            return package
        return replace(
            package,
            dependencies=(*(package.dependencies or ()), *_edges(key.name, metadata.requires, held)),
            requires_python=package.requires_python or metadata.requires_python,
        )

    def _start(self, comparison: Comparison, package: Package) -> Start:
        selection = comparison.selection
        return Start(
            package=package.id,
            specifier=package.specifier,
            extras=selection.extras.get(package.id, frozenset()),
            hashes=_hashes(package),
            chain=selection.chain(package.id),
            releases=self._of(selection.lock_of[package.id], package),
        )

    def _note_others(self, comparison: Comparison) -> None:
        for key, package in comparison.selection.packages.items():
            if key in self._open and key.origin.kind in _NOT_FROM_INDEXES and not comparison.is_own(package):
                self._failures.setdefault(
                    Failure(str(key), "it comes from no index, and only its own files would tell")
                )

    def _of(self, lock: Lock, package: Package) -> Releases:
        """The indexes that a package can come from."""
        own = package.id.origin.location
        named = tuple(
            url for index in lock.indexes for url in ([index.location] if index.location else self._configured)
        )
        urls = self._asked or ((own,) if own else named or self._configured)
        return self._releases.setdefault(urls, Releases(self._web, urls))


def _lacks_requirements(lock: Lock, package: Package) -> bool:
    """Whether a lock may keep quiet about what a package requires.

    Comments of requirements files (`# via`) say who required what is listed, and nothing of what is not.
    """
    return package.dependencies is None or lock.format == _COMMENTED


def _configured(needed: Iterable[bool]) -> tuple[str, ...]:
    """This machine's indexes; they matter for their credentials too where the locks name all of theirs."""
    try:
        return tuple(map(with_password, configured_indexes()))
    except UsageError:
        if any(needed):
            raise
        return ()


def _named(lock: Lock) -> Iterator[str]:
    yield from (index.location for index in lock.indexes if index.location)
    for package in lock.packages:
        if package.id.origin.kind is OriginKind.INDEX and package.id.origin.location:
            yield package.id.origin.location


def _is_usable(url: str) -> bool:
    """Whether a lock's index is one of the web; pip accepts folders too."""
    try:
        origin_of(url)
    except PackageIndexError:
        return False
    return True


def _unknown_hashes(start: Start) -> Unchecked | None:
    """What is to be said of the hashes of a pin that are of no file of its release; they are no finding.

    They can be of files that were taken away, of another index, or of none that there ever was.
    """
    key, hashes = start.package, start.hashes
    if not hashes or key.version is None:
        return None
    count = len(start.releases.unknown_hashes(key.name, key.version, hashes))
    if not count:
        return None
    has = f"{start.releases.place(key.name)} has no file of that release with {'it' if count == 1 else 'them'}"
    if count == len(hashes):
        what = "the hash" if count == 1 else f"all {count} hashes"
        return Unchecked(f"{what} of {key}", f"{has}, so nothing that it has can be installed")
    return Unchecked(f"{count} of {len(hashes)} hashes of {key}", has)


def _hashes(package: Package) -> frozenset[Hash]:
    return frozenset(value for artifact in package.artifacts for value in artifact.hashes)


def _artifacts(package: Package, files: Sequence[File]) -> Iterator[Artifact]:
    """The locked files with the names that the index has for their hashes; all of the release's for a pin without any.

    A hash that the index does not know stays a file without a name.
    """
    locked = _hashes(package)
    left = {value: None for artifact in package.artifacts if artifact.filename is None for value in artifact.hashes}
    yield from (artifact for artifact in package.artifacts if artifact.filename is not None)
    for file in files if left or not package.artifacts else ():
        if locked and not left.keys() & set(file.hashes):
            continue
        hashes = tuple(value for value in file.hashes if value in locked)
        yield Artifact(filename=file.filename, url=public(file.url), hashes=hashes, size=file.size)
        for value in hashes:
            left.pop(value, None)
    if left:
        yield Artifact(hashes=tuple(left))


def _addressed(artifacts: Iterable[Artifact], files: Sequence[File]) -> Iterator[Artifact]:
    """Named files with the address and the size that the index has for their hashes."""
    by_hash = {value: file for file in files for value in file.hashes}
    for artifact in artifacts:
        file = next((by_hash[value] for value in artifact.hashes if value in by_hash), None)
        if artifact.url is not None or file is None:
            yield artifact
        else:
            yield replace(
                artifact, url=public(file.url), size=artifact.size if artifact.size is not None else file.size
            )


def _edges(
    name: NormalizedName, lines: Iterable[str], held: dict[NormalizedName, tuple[PackageId, ...]]
) -> Iterator[Dependency]:
    for required in map(parse_requirement, lines):
        if required is None or required.url is not None or required.name == name or required.name not in held:
            continue
        try:
            markers.evaluate(required.marker, {})
        except MarkerError:
            continue
        yield Dependency(
            name=required.name,
            specifier=str(required.specifier),
            extras=required.extras,
            marker=required.marker,
            candidates=held[required.name],
        )
