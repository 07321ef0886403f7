"""Locked wheels at hand, on an index or in the cache, to judge what is installed by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from driftscan.api.online import Online
from driftscan.compare import Comparison
from driftscan.errors import PackageIndexError, UsageError
from driftscan.index.transport import CONNECTIONS
from driftscan.index.wheelcache import WheelCache
from driftscan.index.wheels import fetched_files, listed_files, opened_files
from driftscan.listing import listed
from driftscan.model.lock import Artifact, Hash, Unchecked
from driftscan.model.proof import Grade, Proof, WheelFiles
from driftscan.proving import Question, distance, judged, questions, strong, touched_paths
from driftscan.store import default_folder

if TYPE_CHECKING:
    from driftscan.api import Proving

_ATTEMPTS = 4
"""Locked files of one project that are looked at, the likeliest first."""
_GRADES = tuple(Grade)

_Found: TypeAlias = Iterator[tuple[WheelFiles, Hash]]


class Sources(NamedTuple):
    """Where locked wheels are looked for: in the folder `wheels`, in the cache, on the indexes of `online`.

    With `download` a wheel is fetched whole, without only the part that lists its files.
    """

    wheels: Path | None = None
    cache: WheelCache | None = None
    online: Online | None = None
    download: bool = False


def proved(comparison: Comparison, proving: Proving, *, cache: bool) -> Comparison:
    """`comparison` with its proofs, and what could not be proved among what is unchecked.

    Raises UsageError where the folder of wheels cannot be read, or no index is known.
    """
    folder = default_folder() if cache else None
    sources = Sources(
        wheels=Path(proving.wheels) if proving.wheels is not None else None,
        cache=WheelCache(folder) if folder is not None else None,
        download=proving.download,
    )
    if not (proving.index or proving.download):
        return _with(comparison, prove(comparison, sources))
    with Online(comparison.locks, target=comparison.target, asked=proving.index_urls, warn=proving.warn) as online:
        return _with(comparison, prove(comparison, sources._replace(online=online)))


def _with(comparison: Comparison, proofs: tuple[Proof, ...]) -> Comparison:
    return replace(comparison, proofs=proofs, unchecked=(*comparison.unchecked, *_open_questions(proofs)))


def _open_questions(proofs: Sequence[Proof]) -> Iterator[Unchecked]:
    """What is neither proved nor refuted, once for each reason."""
    by_reason: dict[str, list[str]] = {}
    for proof in proofs:
        if proof.grade in (Grade.CLAIMED, Grade.UNVERIFIABLE):
            by_reason.setdefault(proof.why or "", []).append(f"{proof.name} {proof.version}")
    for reason, names in by_reason.items():
        verb = "has" if len(names) == 1 else "have"
        yield Unchecked(f"whether {listed(names)} {verb} the locked bytes", reason)


def prove(comparison: Comparison, sources: Sources) -> tuple[Proof, ...]:
    """What the locked files say about each locked project that is installed, in the order of names.

    Raises UsageError where the folder of wheels cannot be read.
    """
    prover = _Prover(comparison, sources)
    asked = list(questions(comparison))
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        proofs = tuple(pool.map(prover.answer, asked))
    if sources.cache is not None:
        sources.cache.store.trim()
    return proofs


class _Prover:
    def __init__(self, comparison: Comparison, sources: Sources) -> None:
        self._comparison = comparison
        self._sources = sources
        self._touched = touched_paths(comparison.environment)
        self._folder = _wheels(sources.wheels) if sources.wheels is not None else {}

    def answer(self, question: Question | Proof) -> Proof:
        if isinstance(question, Proof):
            return question
        best: Proof | None = None
        why = self._not_at_hand()
        for find in (self._in_folder, self._in_cache, self._on_index):
            try:
                for wheel, value in islice(find(question), _ATTEMPTS):
                    proof = judged(question.found, question.contents, wheel, value, self._touched)
                    best = min((proof, best or proof), key=_rank)
                    if proof.grade is not Grade.DIFFERENT:
                        break
            except PackageIndexError as error:
                why = str(error)
            if best is not None and self._suffices(best):
                return best
        return best or question.claimed(why)

    def _suffices(self, proof: Proof) -> bool:
        return proof.grade is Grade.PROVED or (proof.grade is Grade.EVIDENCE and not self._sources.download)

    def _not_at_hand(self) -> str:
        if self._sources.wheels is None:
            return "the locked file is not at hand, and no index is asked"
        return f"{self._sources.wheels} has no wheel of it with a hash of the lock"

    def _in_folder(self, question: Question) -> _Found:
        key = _Key(question.package.id.name, _version(question.found.version))
        hashes = _hashes(question)
        for path in sorted(self._folder.get(key, ()), key=lambda path: self._distance(question, path.name)):
            found = opened_files(path, hashes)
            if found is not None:
                self._keep(*found)
                yield found

    def _in_cache(self, question: Question) -> _Found:
        if self._sources.cache is None:
            return
        known = ((self._sources.cache.get(value), value) for value in _hashes(question))
        found = [(wheel, value) for wheel, value in known if wheel is not None]
        yield from sorted(found, key=lambda each: (self._distance(question, each[0].filename), not each[0].is_whole))

    def _on_index(self, question: Question) -> _Found:
        online = self._sources.online
        if online is None:
            return
        for artifact in self._addressed(online, question):
            filename, url = artifact.filename or "", artifact.url or ""
            if self._sources.download:
                found = fetched_files(online.web, url, filename, strong(artifact))
            else:
                found = listed_files(online.web, url, filename), strong(artifact)[0]
            self._keep(*found)
            yield found

    def _addressed(self, online: Online, question: Question) -> Sequence[Artifact]:
        """The locked wheels with names and addresses, the likeliest first."""
        artifacts = question.artifacts
        if any(artifact.filename is None or artifact.url is None for artifact in artifacts):
            hashes = frozenset(_hashes(question))
            held = online.located_package(question.lock, question.package).artifacts
            artifacts = tuple(artifact for artifact in held if not hashes.isdisjoint(artifact.hashes))
        usable = [
            artifact
            for artifact in artifacts
            if artifact.url is not None and (artifact.filename or "").endswith(".whl") and strong(artifact)
        ]
        if not usable:
            raise PackageIndexError("the index has no wheel with a hash of the lock")
        return sorted(usable, key=lambda artifact: self._distance(question, artifact.filename))

    def _distance(self, question: Question, filename: str | None) -> int:
        return distance(self._comparison.target, question.found, filename)

    def _keep(self, wheel: WheelFiles, value: Hash) -> None:
        if self._sources.cache is not None:
            self._sources.cache.put(value, wheel)


class _Key(NamedTuple):
    name: str
    version: Version | None


def _wheels(folder: Path) -> dict[_Key, list[Path]]:
    """The wheels in a folder by project and version; UsageError where it cannot be read."""
    found: dict[_Key, list[Path]] = {}
    try:
        for path in sorted(folder.iterdir()):
            try:
                name, version, _, _ = parse_wheel_filename(path.name)
            except InvalidWheelFilename:
                continue
            found.setdefault(_Key(canonicalize_name(name), version), []).append(path)
    except OSError as error:
        raise UsageError(f"the wheels in {folder} cannot be read: {error.strerror or error}") from error
    return found


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _hashes(question: Question) -> tuple[Hash, ...]:
    return tuple(dict.fromkeys(value for artifact in question.artifacts for value in strong(artifact)))


def _rank(proof: Proof) -> tuple[int, int]:
    return _GRADES.index(proof.grade), len(proof.differences)
