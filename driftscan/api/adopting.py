"""A running image to the lock that it never had."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from posixpath import basename
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from driftscan.adopting import LeftOut, candidates, direct, extras_in_use, lock
from driftscan.api import conversion
from driftscan.api.checking import Place
from driftscan.api.universal import Source, widened
from driftscan.compare import compare
from driftscan.convert.content import Made
from driftscan.errors import ImageError, LockError, PackageIndexError, UsageError
from driftscan.finding import Severity
from driftscan.graph import DependencyGraph
from driftscan.index.address import public, warn_of_insecure
from driftscan.index.credentials import with_password
from driftscan.index.page import File
from driftscan.index.pagecache import PageCache
from driftscan.index.ranges import NoPartsError
from driftscan.index.releases import Releases
from driftscan.index.settings import configured_indexes
from driftscan.index.transport import CONNECTIONS, Web
from driftscan.index.wheelcache import WheelCache
from driftscan.index.wheels import fetched_files, listed_files
from driftscan.lock import FORMATS, parse
from driftscan.lock.document import Document
from driftscan.model.inventory import Distribution, Environment, Inventory
from driftscan.model.lock import STRONG, Artifact, Hash, Origin, OriginKind, Package, PackageId, Request, Unchecked
from driftscan.model.proof import Contents, Grade, WheelFiles
from driftscan.model.target import Target
from driftscan.proving import distance, judged, touched_paths
from driftscan.report.words import describe
from driftscan.resolve.places import place
from driftscan.rules import run
from driftscan.store import default_folder

HASHES = ("all", "exact")
"""Which files of a release a lock has the hashes of: all, or only the one that is installed."""
_ATTEMPTS = 4
_NO_MATCH = 4
"""The distance of a wheel that the interpreter does not accept."""
_DRIFT = ("DR", "NW301", "NW302", "IN404")
_CHANGED = ("IN401", "IN402")


class Options(NamedTuple):
    """`index_urls` are asked instead of those that this machine is set up to use; `hashes` is one of `HASHES`.

    With `universal` the lock is for all platforms, else for the image's own. `output` is the file that it is going to
    be written to, if that is known, `environment` and `platform` are how a part of the image was named: the lock says
    by which command it is made again. `warn` is told of indexes that are not secured.
    """

    index_urls: tuple[str, ...] = ()
    hashes: str = "all"
    universal: bool = False
    output: str | None = None
    environment: str | None = None
    platform: str | None = None
    cache: bool = True
    warn: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The lock's text, how many entries it has, what it does not hold, and what else is to be said of it.

    `changed` says in sentences what of the image the lock does not bring back although it holds the package: files that
    were changed or removed after they were installed.
    """

    text: str
    packages: int
    left_out: tuple[LeftOut, ...] = ()
    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


def adopt(
    inventory: Inventory,
    environment: Environment,
    *,
    asked: str,
    reference: str,
    digest: str,
    to: str,
    options: Options,
) -> Adopted:
    """The lock that brings back what `environment` of the image `reference` holds, in the format `to`.

    `asked` is how that was named, `digest` the image's, without its algorithm. Each distribution of an index gets the
    hashes of the release whose wheel it was installed from: its name fits the installed build, and its list of files
    the installed files. Raises PackageIndexError where an index does not answer, ImageError where nothing is there to
    be adopted; for a universal lock also ResolveError or LockError where there is none that brings the same back.
    """
    if options.universal and options.hashes != "all":
        raise UsageError(
            f"--hashes {options.hashes} is for one platform, and a universal lock for all", hint="leave one of them out"
        )
    indexes = tuple(map(with_password, options.index_urls or configured_indexes()))
    warn_of_insecure(indexes, options.warn)
    with closing(Web(indexes)) as web:
        matcher = _Matcher(web, indexes, inventory, environment, options)
        found = list(candidates(environment))
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            results = list(pool.map(matcher.match, found))
    packages = [each for each in results if isinstance(each, Package)]
    left_out = tuple(each for each in results if isinstance(each, LeftOut))
    if not packages:
        why = f"; {left_out[0].name}: {left_out[0].why}" if left_out else ""
        raise ImageError(f"there is nothing in {environment.path} that a lock can hold{why}", where=reference)
    form = "requirements" if options.universal else to
    made = lock(environment, _addressed(packages, form, options), reference=reference, digest=digest)
    judged = Place(target=environment.target, words=", ".join(describe(environment)))
    command = _command(asked, to, options)
    told = Made(command, tuple(_facts(environment.target, digest, options)), "adopt")
    result = conversion.convert(made, form, judged=judged, made=told, request=Request())
    if options.universal:
        source = Source(
            lock=made,
            text=result.text,
            target=environment.target,
            left_out=left_out,
            extras=extras_in_use(environment, {package.id.name for package in packages}),
            reference=reference,
            command=command,
            digest=digest,
            indexes=indexes,
            cache=options.cache,
        )
        result = widened(source, to)
    return Adopted(
        text=result.text,
        packages=result.packages,
        left_out=left_out,
        changed=_verified(result.text, to, inventory, environment, packages),
        notes=(*matcher.notes(), *result.notes),
        unchecked=result.unchecked,
    )


def _command(asked: str, to: str, options: Options) -> str:
    """The command that makes the lock again, where this one was run; indexes are a matter of the machine."""
    words = ["driftscan", "adopt", asked]
    for name, value in (
        ("-o", options.output),
        ("--to", to if not _is_named_so(options.output, to) else None),
        ("--environment", options.environment),
        ("--platform", options.platform),
        ("--hashes", options.hashes if options.hashes != "all" else None),
    ):
        words += [name, value] if value else []
    return shlex.join([*words, *(["--universal"] if options.universal else [])])


def _is_named_so(output: str | None, to: str) -> bool:
    """Whether the name of the file tells its format."""
    return output is not None and any(form.name == to and form.matches(basename(output), b"") for form in FORMATS)


def _facts(target: Target, digest: str, options: Options) -> Iterator[tuple[str, str]]:
    """What the lock records, so that locking again is for the same Python and platform.

    Without the patch release of its Python, a place cannot be locked for.
    """
    if digest:
        yield "image", f"sha256:{digest}"
    if "python_full_version" in target.markers:
        yield "for", place(target).words
    if options.hashes != "all":
        yield "hashes", options.hashes


def _addressed(packages: Sequence[Package], to: str, options: Options) -> list[Package]:
    """Packages with their indexes where a lock should name them: always in pylock.toml, else if they were chosen."""
    if to == "pylock" or options.index_urls:
        return list(packages)
    return [
        replace(each, id=each.id._replace(origin=Origin())) if each.id.origin.kind is OriginKind.INDEX else each
        for each in packages
    ]


def _verified(
    text: str, to: str, inventory: Inventory, environment: Environment, packages: Sequence[Package]
) -> tuple[str, ...]:
    """What the image has otherwise than the lock that was made of it brings it back: changed and removed files.

    Raises LockError where they differ in anything else that the lock holds.
    """
    written = parse(Document("pylock.toml" if to == "pylock" else "requirements.txt", text.encode()), to)
    graph = DependencyGraph.build([written])
    selection = graph.select(environment.target, Request())
    names = {package.id.name for package in packages}
    comparison = compare(graph, selection, [written], inventory, environment, Request())
    found = [
        finding
        for finding in run(comparison, select=(*_DRIFT, *_CHANGED))
        if finding.severity is Severity.ERROR and finding.package in names
    ]
    for finding in found:
        if finding.rule not in (*_CHANGED, "DR206", "DR207"):
            raise LockError(f"the lock that was made does not say what is installed: {finding.message}")
    return tuple(finding.message for finding in found if finding.rule in _CHANGED)


class _Matcher:
    """Finds the release that a distribution was installed from. Threads may share it."""

    def __init__(
        self, web: Web, indexes: Sequence[str], inventory: Inventory, environment: Environment, options: Options
    ) -> None:
        self._web = web
        folder = default_folder() if options.cache else None
        pages = PageCache(folder) if folder is not None else None
        self._releases = {url: Releases(web, (url,), cache=pages) for url in indexes}
        self._contents = inventory.contents
        self._environment = environment
        self._touched = touched_paths(environment)
        self._options = options
        self._cache = WheelCache(folder) if folder is not None else None
        self._notes: list[str] = []

    def notes(self) -> Sequence[str]:
        return sorted(self._notes)

    def match(self, found: Distribution) -> Package | LeftOut:
        said = direct(found)
        if said is not None:
            return said
        contents = self._contents.get(found.path)
        if contents is None:
            return LeftOut(found.name, found.version, "it has no RECORD, so nothing tells which file it is from")
        try:
            version = Version(found.version)
        except InvalidVersion:
            return LeftOut(found.name, found.version, "its version is none that an index can be asked for")
        return self._indexed(found, contents, version)

    def _indexed(self, found: Distribution, contents: Contents, version: Version) -> Package | LeftOut:
        why = []
        for url, releases in self._releases.items():
            try:
                files = releases.exact(found.name, version).files
            except PackageIndexError as error:
                if not error.message.startswith("there is no "):
                    raise
                why.append(error.message)
                continue
            matched = self._confirmed(found, contents, files)
            if isinstance(matched, File):
                return self._package(found, matched, files, url)
            why.append(matched)
        reason = f"it was built on the spot ({found.built_on_the_spot})" if found.built_on_the_spot else ""
        return LeftOut(found.name, found.version, "; ".join(filter(None, (reason, *dict.fromkeys(why)))))

    def _confirmed(self, found: Distribution, contents: Contents, files: Sequence[File]) -> File | str:
        """The wheel whose list of files is that of what is installed; why there is none otherwise."""
        likely = sorted((each for each in self._ranked(found, files) if each[0] < _NO_MATCH), key=lambda each: each[0])
        if not likely:
            return "no wheel of that release fits the interpreter"
        refused = ""
        for _, file in likely[:_ATTEMPTS]:
            proof = judged(found, contents, self._listed(file), file.hashes[0], self._touched)
            if proof.grade is not Grade.DIFFERENT or not proof.differences:
                return file
            refused = refused or f"{proof.differences[0].path} is not as in {file.filename}"
        return refused

    def _ranked(self, found: Distribution, files: Sequence[File]) -> Iterator[tuple[int, File]]:
        for file in files:
            if file.is_wheel and any(value.algorithm in STRONG for value in file.hashes):
                yield distance(self._environment.target, found, file.filename), file

    def _listed(self, file: File) -> WheelFiles:
        value = _hash(file)
        known = self._cache.get(value) if self._cache is not None else None
        if known is None:
            known = self._read(file, value)
            if self._cache is not None:
                self._cache.put(value, known)
        return known

    def _read(self, file: File, value: Hash) -> WheelFiles:
        """The list in the wheel, or all of it where a server sends no parts of files."""
        try:
            return listed_files(self._web, file.url, file.filename)
        except NoPartsError:
            return fetched_files(self._web, file.url, file.filename, [value])[0]

    def _package(self, found: Distribution, matched: File, files: Sequence[File], url: str) -> Package:
        if matched.yanked is not None:
            reason = f": {matched.yanked}" if matched.yanked else ""
            self._notes.append(f"{found.name} {found.version} is yanked{reason}")
        kept = [matched] if self._options.hashes == "exact" else files
        return Package(
            id=PackageId(found.name, found.version, Origin(location=public(url))),
            artifacts=tuple(
                Artifact(filename=file.filename, url=public(file.url), hashes=(_hash(file),), size=file.size)
                for file in kept
                if any(value.algorithm in STRONG for value in file.hashes)
            ),
        )


def _hash(file: File) -> Hash:
    return next(value for value in file.hashes if value.algorithm in STRONG)
