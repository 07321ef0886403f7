"""What the index says of pinned releases: every file with its hash, and what each release requires."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self, cast

from packaging.utils import NormalizedName
from packaging.version import InvalidVersion, Version

from driftscan.errors import PackageIndexError, ResolveError
from driftscan.index.address import shown
from driftscan.index.archives import local_wheel_metadata, wheel_metadata
from driftscan.index.floating import parse_requirement
from driftscan.index.links import local_path
from driftscan.index.metadata import Metadata, parse
from driftscan.index.page import File
from driftscan.index.pagecache import PageCache
from driftscan.index.releases import Release, Releases
from driftscan.index.transport import CONNECTIONS, Web
from driftscan.model.lock import STRONG, Hash, OriginKind, Package
from driftscan.model.target import Target

_AHEAD = 3
"""Connections while an engine works: it asks the same index, and should not have to wait for what may be of use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A pinned release. Each file has a strong hash at least.

    `index` is the one that it is from, without credentials, empty for what comes from no index; `others` are further
    indexes that have a project of that name. `metadata` is None where nothing but a build would tell them: `unknown`
    says why.
    """

    release: Release
    index: str = ""
    others: tuple[str, ...] = ()
    metadata: Metadata | None = None
    unknown: str | None = None

    @property
    def yanked(self) -> str | None:
        """The reason, which can be empty, where no file of the release is left that is not yanked; None elsewhere."""
        reasons = [file.yanked for file in self.release.files]
        return cast("str", reasons[0]) if reasons and None not in reasons else None


class Facts:
    """The index client of one run, to be closed after use. What is asked for ahead comes while an engine works.

    `target` says which file of a release tells its requirements: they are the same in all, as a rule.
    """

    def __init__(
        self,
        web: Web,
        releases: Releases,
        target: Target,
        *,
        cutoff: datetime | None = None,
        cache: PageCache | None = None,
    ) -> None:
        self._web = web
        self._target = target
        self._cache = cache
        self.releases = releases
        self._cutoff = cutoff
        self._pool = ThreadPoolExecutor(CONNECTIONS)
        self._early = ThreadPoolExecutor(_AHEAD)
        self._ahead: list[Future[object]] = []
        self._known: dict[tuple[NormalizedName, Version], Fact] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in (self._early, self._pool):
            pool.shutdown(cancel_futures=True)
        self._web.close()
        if self._cache is not None:
            self._cache.trim()

    def ahead(self, names: Mapping[NormalizedName, str | None]) -> None:
        """Begin to ask for projects that are likely to be of use, with the versions that they are likely to have.

        That one of them fails matters when it is of use.
        """
        for name, version in names.items():
            self._ahead.append(self._early.submit(self._glance, name, version))

    def _glance(self, name: NormalizedName, version: str | None) -> None:
        with suppress(PackageIndexError, InvalidVersion):
            if version is None:
                self.releases.project(name)
                return
            release = self.releases.exact(name, Version(version))
            if not all(any(value.algorithm in STRONG for value in file.hashes) for file in release.files):
                return  # whole files are fetched when it is known that they are of use
            fact = self._indexed(name, release.version)
            for line in fact.metadata.requires if fact.metadata is not None else ():
                parse_requirement(line)  # it is remembered, and takes half of the time that the proof does

    def all(self, packages: Sequence[Package]) -> list[Fact]:
        """The facts of packages, in their order.

        Raises PackageIndexError where an index does not have what an engine found, or cannot be asked.
        """
        # What is being asked for already is waited for, or it would be asked for twice.
        wait([future for future in self._ahead if not future.cancel()])
        return list(self._pool.map(self.one, packages))

    def releases_of(self, packages: Sequence[Package]) -> list[Release | PackageIndexError]:
        """The releases of pins, with their files from before the cutoff; an error for what the index does not have.

        Raises PackageIndexError where it cannot be asked.
        """
        return list(self._pool.map(self._release_of, packages))

    def _release_of(self, package: Package) -> Release | PackageIndexError:
        try:
            release = self.releases.exact(package.id.name, _version(package))
        except PackageIndexError as error:
            if error.message.startswith("there is no "):
                return error
            raise
        return release._replace(files=tuple(self.before(release.files)))

    def one(self, package: Package) -> Fact:
        if package.id.origin.kind is not OriginKind.INDEX:
            return self._located(package)
        key = package.id.name, _version(package)
        return self._known.get(key) or self._indexed(*key)

    def _indexed(self, name: NormalizedName, version: Version) -> Fact:
        fact = self._known[name, version] = self._found(name, version)
        return fact

    def _found(self, name: NormalizedName, version: Version) -> Fact:
        release = self.releases.exact(name, version)
        release = release._replace(files=tuple(map(self._hashed, self.before(release.files))))
        holders = [shown(index) for index in self.releases.holders(name)]
        fact = Fact(release=release, index=holders[0] if holders else "", others=tuple(holders[1:]))
        try:
            return replace(fact, metadata=self.releases.metadata(release, self._target))
        except PackageIndexError as error:
            return replace(fact, unknown=str(error))

    def before(self, files: tuple[File, ...]) -> Iterator[File]:
        """Files of before the cutoff; PackageIndexError where the index does not tell when one was uploaded."""
        for file in files:
            if self._cutoff is None or _uploaded(file) < self._cutoff:
                yield file

    def _hashed(self, file: File) -> File:
        """With its strong hashes, the usual one first: those of the index, or of what the index sends."""
        strong = tuple(value for name in STRONG for value in file.hashes if value.algorithm == name)
        return file if strong and strong == file.hashes else replace(file, hashes=strong or (self._fetched(file),))

    def _fetched(self, file: File) -> Hash:
        if (path := local_path(file)) is not None:
            return local_hash(path)
        with tempfile.TemporaryFile() as content:
            if self._web.download(file.url, content).is_missing:
                raise PackageIndexError("there is no such file", where=shown(file.url))
            content.seek(0)
            return Hash("sha256", hashlib.file_digest(content, "sha256").hexdigest())

    def _located(self, package: Package) -> Fact:
        """What a requirement with an address leads to: one file, or a repository, of which nothing is known."""
        origin = package.id.origin
        version = _version(package) if package.id.version is not None else Version("0")
        release = Release(package.id.name, version, ())
        if origin.kind is OriginKind.VCS or package.artifacts[0].filename is None:
            return Fact(release=release, unknown="only a build tells what it requires")
        url = origin.location if origin.kind is OriginKind.URL else Path(origin.location).resolve().as_uri()
        file = File(filename=package.artifacts[0].filename, url=url, hashes=package.artifacts[0].hashes)
        file = self._hashed(file)
        fact = Fact(release=release._replace(files=(file,)))
        if not file.is_wheel:
            return replace(fact, unknown="only a build tells what it requires")
        return replace(fact, metadata=parse(self._wheel(file), package.id.name, version))

    def _wheel(self, file: File) -> bytes:
        if (path := local_path(file)) is not None:
            return local_wheel_metadata(path, self._web.limits)
        return wheel_metadata(self._web, file.url)


def local_hash(path: Path) -> Hash:
    try:
        with path.open("rb") as file:
            return Hash("sha256", hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise ResolveError(f"it cannot be read: {error.strerror}", where=str(path)) from error


def _version(package: Package) -> Version:
    try:
        return Version(package.id.version or "")
    except InvalidVersion as error:
        raise ResolveError(f"the engine pinned {package.id}, which is no version") from error


def _uploaded(file: File) -> datetime:
    try:
        return datetime.fromisoformat(file.uploaded or "")
    except ValueError as error:
        raise PackageIndexError(
            f"it does not tell when {file.filename} was uploaded, so nothing can be said of what was there before",
            where=shown(file.url),
        ) from error
