"""A lock in another format, read back and compared before anybody sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeAlias

from packaging.specifiers import SpecifierSet

from driftscan import markers
from driftscan.api.checking import Place, everything
from driftscan.convert import WRITERS, Content, for_target, universal
from driftscan.convert.content import Made, is_own
from driftscan.errors import LockError
from driftscan.graph import DependencyGraph
from driftscan.lock import parse
from driftscan.lock.document import Document
from driftscan.model.lock import Artifact, Lock, OriginKind, Package, PackageId, Request, Unchecked
from driftscan.model.target import Target
from driftscan.witnesses import in_words, witnesses

_Facts: TypeAlias = tuple[str, str | None, str, frozenset[str]]
"""Name, version, source and hashes of a package."""
_NAMES: Mapping[str, str] = {"requirements": "requirements.txt", "pylock": "pylock.toml"}
_WEAK = frozenset(("md5", "sha1", "sha224", "blake2b"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The new lock's text; `notes` say in words what of the old one it does not hold. `packages` counts entries.

    `unchecked` is what could not be verified of what it holds beside the old one.
    """

    text: str
    packages: int
    notes: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


def convert(
    lock: Lock,
    to: str,
    *,
    request: Request | None = None,
    judged: Place = Place(),  # noqa: B008  # immutable
    folder: str = ".",
    made: Made | None = None,
) -> Conversion:
    """`lock` in the format `to` (a key of `driftscan.convert.WRITERS`).

    It is for the target that `judged` names, or else for all that the lock supports. Without a `request`, a pylock.toml
    leaves extras and groups to be asked for, and a requirements file has what is installed by default. `folder` leads
    from the new file's folder to the lock's; `made` says how the lock came to be where it is not converted from a file.
    Raises LockError where the format cannot hold the lock, or where what was written does not say the same as the lock
    when it is read again.
    """
    asked = request if request is not None or to == "pylock" else Request()
    if judged.target is None:
        content = universal(lock, asked, folder)
    else:
        words = judged.words or in_words(judged.target)
        content = for_target(lock, asked or Request(), judged.target, words, folder)
    converted = WRITERS[to](replace(content, made=made))
    _verify(converted.text, to, content, judged.target, asked)
    return Conversion(text=converted.text, packages=len(content.entries), notes=converted.notes)


def _verify(text: str, to: str, content: Content, target: Target | None, request: Request | None) -> None:
    """Compare what both locks install, on every target that their markers tell apart."""
    lock = content.lock
    written = _read(text, to, lock)
    targets = _targets(lock, written, target, content.environment)
    before, after = DependencyGraph.build([lock]), DependencyGraph.build([written])
    merged = _merged(content) if to == "requirements" else {}
    for place, (old, new) in product(targets, list(_requests(lock, content, request))):
        selected = [package for package in before.select(place, old).packages.values() if not is_own(package)]
        expected = {_fact(merged.get(package.id, package), to) for package in selected}
        different = expected ^ {_fact(package, to) for package in after.select(place, new).packages.values()}
        if different:
            name, version, *_ = min(different, key=str)
            raise LockError(
                f"{name} {version or ''} cannot be converted: on {in_words(place)}, other files would be installed",
                where=lock.path,
                hint="convert it for one target: --python 3.12 --python-platform linux",
            )


def _read(text: str, to: str, lock: Lock) -> Lock:
    try:
        return parse(Document(_NAMES[to], text.encode()), to)
    except LockError as error:
        raise LockError(f"{_NAMES[to]} cannot say what it says: {error.message}", where=lock.path) from error


def _targets(lock: Lock, written: Lock, target: Target | None, environment: str | None) -> Sequence[Target]:
    """The target itself where it is known in full; else witnesses of the environments that the new lock is for."""
    if target is not None and target.python_version is not None and "sys_platform" in target.markers:
        return [target]
    found = witnesses([lock, written])
    return [each for each in found if markers.evaluate(environment, each.markers) is not False]


def _requests(lock: Lock, content: Content, request: Request | None) -> Iterator[tuple[Request, Request]]:
    """What is asked of the old lock, and what has to be asked of the new one for the same."""
    if not content.is_open:
        yield request or Request(), Request()
        return
    yield Request(), Request()
    for each in everything([lock]):
        if not each.packages:
            yield each, each


def _merged(content: Content) -> Mapping[PackageId, Package]:
    """Packages of one version from several indexes, as a requirements file is read: each with the files of all."""
    files: dict[tuple[str, str | None], list[Artifact]] = {}
    entries = [entry.package for entry in content.entries if entry.package.id.origin.kind is OriginKind.INDEX]
    for package in entries:
        files.setdefault(package.id[:2], []).extend(package.artifacts)
    return {package.id: replace(package, artifacts=tuple(files[package.id[:2]])) for package in entries}


def _fact(package: Package, to: str) -> _Facts:
    """What has to survive. The names of files are lost in requirements.txt, and which index a package is from."""
    origin = package.id.origin
    values = {value for artifact in package.artifacts for value in artifact.hashes}
    if to == "requirements":
        values = {value for value in values if value.algorithm not in _WEAK}
    if origin.kind is OriginKind.VCS:
        return package.id.name, None, f"{origin.location}@{origin.commit}#{origin.subdirectory}", frozenset()
    if origin.kind in (OriginKind.DIRECTORY, OriginKind.EDITABLE):
        return "", None, f"{origin.kind}", frozenset()
    if origin.kind in (OriginKind.URL, OriginKind.PATH):
        # The version is that of the file's name, or of what is in it; the hash decides anyway.
        return package.id.name, None, str(origin.kind), frozenset(map(str, values))
    version = package.id.version if package.pinned else str(SpecifierSet(package.specifier))
    return package.id.name, version, origin.kind, frozenset(map(str, values))
