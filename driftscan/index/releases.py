"""What one or several indexes offer of a project, and what its releases require. Everything is asked for once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from driftscan.errors import PackageIndexError
from driftscan.index import metadata
from driftscan.index.address import shown, split_login
from driftscan.index.archives import local_wheel_metadata, sdist_metadata, wheel_metadata
from driftscan.index.links import linked_files, local_path
from driftscan.index.metadata import Metadata
from driftscan.index.page import ACCEPT, File, parse, release
from driftscan.index.preference import Preference
from driftscan.index.transport import MIB, Answer, Web
from driftscan.model.lock import STRONG, Hash
from driftscan.model.target import Target

if TYPE_CHECKING:
    from driftscan.index.pagecache import PageCache

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")
_KEPT_FILES = 100_000
"""Files of pages that are remembered; all are forgotten when there are more."""
_MOST_REQUIREMENTS = 64 * MIB
"""Memory for the requirements of all releases that were asked about; ordinary ones take some kilobytes each."""
_LINE = 64
"""What a string takes beside its characters."""
_UNCHANGED = 304


class Release(NamedTuple):
    """A version of a project with its files."""

    name: NormalizedName
    version: Version
    files: tuple[File, ...]


class Releases:
    """The indexes of one lock, in the order in which they are asked; the first that has a project decides about it.

    What `links` list, which are places as `--find-links` names them, counts as if each index had it. `cache` remembers
    from run to run; with `asks_again`, no page of it counts before the index was asked whether it is still that.
    Threads may share it; what two of them ask for at the same time may be asked twice.
    """

    def __init__(
        self,
        web: Web,
        indexes: Sequence[str],
        links: Sequence[str] = (),
        cache: PageCache | None = None,
        *,
        asks_again: bool = False,
    ) -> None:
        self._web = web
        self._cache = cache
        self._asks_again = asks_again
        self._indexes = tuple(indexes)
        self._links = tuple(links)
        self._recalled: set[tuple[str, NormalizedName]] = set()
        """Pages that were taken from the cache unasked."""
        self._reasked: set[tuple[str, NormalizedName]] = set()
        self._linked: dict[str, tuple[File, ...] | PackageIndexError] = {}
        self._pages: dict[tuple[str, NormalizedName], Mapping[Version, Release] | PackageIndexError | None] = {}
        self._pinned: dict[tuple[NormalizedName, str, frozenset[Hash]], Release | PackageIndexError] = {}
        self._metadata: dict[str, Metadata | PackageIndexError] = {}
        self._preferring: Preference | None = None
        self._kept = 0
        self._required = 0
        self._parsing = Lock()

    def project(self, name: NormalizedName) -> Mapping[Version, Release]:
        """All releases of a project; PackageIndexError where no index has it, or one cannot be asked."""
        found = next(self._offers(name), None)
        if found is None:
            raise PackageIndexError(f"there is no project {name}", where=self.place(name))
        return found

    def pinned(self, name: NormalizedName, version: str, hashes: frozenset[Hash] = frozenset()) -> Release:
        """The release that a pin means, with the files that have one of `hashes`; all files where there are none.

        Hashes say which index is meant, if there are several. A pin without a local label means the highest label too,
        as in PEP 440. Raises PackageIndexError where there is no such release, or none of its files has such a hash.
        """
        return _remembered(self._pinned, (name, version, hashes), lambda: self._find(name, version, hashes))

    def _find(self, name: NormalizedName, version: str, hashes: frozenset[Hash]) -> Release:
        specifier = _pin(version)
        offered: list[Release] = []
        for project in self._offers(name):
            found = [project[each] for each in sorted(specifier.filter(project, prereleases=True), reverse=True)]
            for each in found:
                if files := _hashed(each.files, hashes):
                    return each._replace(files=files)
            offered += found
        if not offered:
            self.project(name)  # where there is none at all, that is what to say
            raise PackageIndexError(f"there is no release {version} of {name}", where=self.place(name))
        if _are_comparable(offered, hashes):
            raise PackageIndexError(f"no file of {name} {version} has a hash of the lock", where=self.place(name))
        return offered[0]

    def unknown_hashes(self, name: NormalizedName, version: str, hashes: frozenset[Hash]) -> frozenset[Hash]:
        """Those of `hashes` that are of no file of the release that a pin means, whatever index it is from.

        A hash of a kind that a file has no digest of may be that file's. Raises PackageIndexError where an index cannot
        be asked.
        """
        specifier = _pin(version)
        files: list[File] = []
        for project in self._offers(name):
            files += (file for each in specifier.filter(project, prereleases=True) for file in project[each].files)
            hashes = hashes.difference(value for file in files for value in file.hashes)
            if not hashes:
                break
        kinds = [{value.algorithm for value in file.hashes} for file in files]
        return frozenset(value for value in hashes if kinds and all(value.algorithm in each for each in kinds))

    def exact(self, name: NormalizedName, version: Version) -> Release:
        """The release of exactly that version, local label included, in the index that decides about the project.

        Raises PackageIndexError where there is none.
        """
        found = self.project(name).get(version) or self._reloaded(name).get(version)
        if found is None:
            raise PackageIndexError(f"there is no release {version} of {name}", where=self.place(name))
        return found

    def _reloaded(self, name: NormalizedName) -> Mapping[Version, Release]:
        """The project as the index has it now: what is remembered from another run can be older than the release."""
        for index in self._indexes:
            if (index, name) in self._recalled:
                self._recalled.discard((index, name))
                self._reasked.add((index, name))
                self._pages.pop((index, name), None)
        return self.project(name)

    def holders(self, name: NormalizedName) -> tuple[str, ...]:
        """The indexes that have a project, as they were named; the first of them decides about it."""
        return tuple(index for index in self._indexes if self._page(index, name) is not None)

    def newest(self, name: NormalizedName, specifier: SpecifierSet, target: Target) -> Release:
        """The release that an installer on `target` would choose today; yanked ones and pre-releases as pip has them.

        Raises PackageIndexError where none is admitted.
        """
        preference = self._preference(target)
        usable = {
            version: each._replace(files=files)
            for version, each in self.project(name).items()
            if (files := tuple(file for file in each.files if preference.is_usable(file, specifier)))
        }
        found = list(specifier.filter(usable))
        if not found:
            admitting = f"{specifier} and the target admit" if specifier else "the target admits"
            raise PackageIndexError(f"there is no release of {name} that {admitting}", where=self.place(name))
        return usable[max(found)]

    def metadata(self, found: Release, target: Target) -> Metadata:
        """The core metadata of a release, from the file of it that fits `target` best.

        They are those beside the file (PEP 658), or those in a wheel, or what a source distribution says is fixed.
        """
        return self.metadata_in(self._preference(target).telling(found.files), found)

    def metadata_in(self, file: File, found: Release) -> Metadata:
        """The same from that file of the release."""
        return _remembered(self._metadata, file.url, lambda: self._read(found, file))

    def _preference(self, target: Target) -> Preference:
        """The same for the same target: some thousand tags are looked at to make one."""
        found = self._preferring
        if found is None or found.target is not target:
            self._preferring = found = Preference(target)
        return found

    def place(self, name: NormalizedName) -> str:
        """Where the indexes have a project, to be shown."""
        return " or ".join(shown(f"{url.rstrip('/')}/{name}/") for url in self._indexes)

    def _offers(self, name: NormalizedName) -> Iterator[Mapping[Version, Release]]:
        """The project as each index has it that has it at all."""
        if self._kept > _KEPT_FILES:
            self._pages, self._kept = {}, 0
        linked = _by_version(list(self._linked_files()), name)
        offered = False
        for index in self._indexes:
            if (found := self._page(index, name)) is not None:
                offered = True
                yield _joined(found, linked) if linked else found
        if linked and not offered:
            yield linked

    def _linked_files(self) -> Iterator[File]:
        for place in self._links:
            yield from _remembered(self._linked, place, partial(linked_files, self._web, place))

    def _page(self, index: str, name: NormalizedName) -> Mapping[Version, Release] | None:
        return _remembered(self._pages, (index, name), partial(self._ask, index, name))

    def _ask(self, index: str, name: NormalizedName) -> Mapping[Version, Release] | None:
        url = f"{index.rstrip('/')}/{name}/"
        key = split_login(url)[0]
        known = self._cache.page(key, name) if self._cache is not None else None
        if known is not None and known.is_fresh and not self._asks_again and (index, name) not in self._reasked:
            self._recalled.add((index, name))
            return known.project
        condition = {"If-None-Match": known.etag} if known is not None and known.etag else {}
        answer = self._web.get(url, {"Accept": ACCEPT, **condition}, self._web.limits.page)
        if answer.is_missing:
            return None
        body = hashlib.sha256(answer.data).hexdigest()
        if known is not None and (answer.status == _UNCHANGED or body == known.body):
            return known.project
        project = _by_version(self._parsed(answer), name)
        if self._cache is not None:
            self._cache.put_page(key, body, answer.headers, project)
        return project

    def _parsed(self, answer: Answer) -> Sequence[File]:
        try:
            with self._parsing:  # what a page takes while it is read is taken once at a time
                files = parse(answer.data, answer.headers.get("content-type", ""), answer.url)
        except PackageIndexError as error:
            raise PackageIndexError(error.message, where=shown(answer.url)) from error
        self._kept += len(files)
        return files

    def _read(self, found: Release, file: File) -> Metadata:
        known = self._cache.requirements(file) if self._cache is not None else None
        if known is None:
            known = self._asked(found, file)
            if self._cache is not None:
                self._cache.put_requirements(file, known)
        return self._counted(known)

    def _asked(self, found: Release, file: File) -> Metadata:
        try:
            data = self._beside(file)
            if data is None and file.is_wheel:
                data = self._inside(file)
            is_source = data is None
            if data is None:
                data = sdist_metadata(self._web, file.url, file.filename)
            return metadata.parse(data, found.name, found.version, is_source=is_source)
        except PackageIndexError as error:
            raise PackageIndexError(error.message, where=error.where or file.filename) from error

    def _inside(self, file: File) -> bytes:
        if (path := local_path(file)) is not None:
            return local_wheel_metadata(path, self._web.limits)
        return wheel_metadata(self._web, file.url)

    def _counted(self, found: Metadata) -> Metadata:
        self._required += sum(len(line) + _LINE for line in found.requires)
        if self._required > _MOST_REQUIREMENTS:
            raise PackageIndexError(f"requirements of more than {_MOST_REQUIREMENTS // MIB} MiB were read before it")
        return found

    def _beside(self, file: File) -> bytes | None:
        """None where the index has none, whatever it promised."""
        if file.metadata is None or not file.is_wheel:
            return None
        answer = self._web.get(file.metadata_url, {}, self._web.limits.metadata)
        if answer.is_missing:
            return None
        for algorithm, digest in file.metadata:
            if algorithm in STRONG and hashlib.new(algorithm, answer.data).hexdigest() != digest:
                raise PackageIndexError("its metadata have another digest than the index says")
        return answer.data


def _pin(version: str) -> SpecifierSet:
    try:
        return SpecifierSet(f"=={Version(version)}")
    except ValueError as error:
        raise PackageIndexError(f"{version[:80]} is no version that an index can be asked for") from error


def _remembered(memory: dict[_Key, _Result | PackageIndexError], key: _Key, ask: Callable[[], _Result]) -> _Result:
    """What was found before, also that nothing could be."""
    if key not in memory:
        try:
            memory[key] = ask()
        except PackageIndexError as error:
            memory[key] = error
    found = memory[key]
    if isinstance(found, PackageIndexError):
        raise found
    return found


def _by_version(files: Sequence[File], name: NormalizedName) -> dict[Version, Release]:
    found: dict[Version, list[File]] = {}
    for file in files:
        version = release(file, name)
        if version is not None:
            found.setdefault(version, []).append(file)
    return {version: Release(name, version, tuple(each)) for version, each in found.items()}


def _joined(one: Mapping[Version, Release], other: Mapping[Version, Release]) -> dict[Version, Release]:
    found = dict(one)
    for version, each in other.items():
        files = found[version].files if version in found else ()
        found[version] = each._replace(files=(*files, *each.files))
    return found


def _hashed(files: Sequence[File], hashes: frozenset[Hash]) -> tuple[File, ...]:
    return tuple(file for file in files if not hashes or not hashes.isdisjoint(file.hashes))


def _are_comparable(releases: Sequence[Release], hashes: frozenset[Hash]) -> bool:
    """Whether all files have a digest of a kind that is among `hashes`."""
    kinds = {value.algorithm for value in hashes}
    return all(any(value.algorithm in kinds for value in file.hashes) for each in releases for file in each.files)
