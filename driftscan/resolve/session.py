"""Loose requirements to a lock: files read, targets found, indexes chosen, and the result as text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from driftscan.errors import LockError, UsageError
from driftscan.index.address import warn_of_insecure
from driftscan.lock import parse
from driftscan.lock.document import Document
from driftscan.lock.requirements_sources import Located
from driftscan.model.lock import Lock, OriginKind, Unchecked
from driftscan.model.target import Target
from driftscan.reading import read_document
from driftscan.resolve import places as resolve_places
from driftscan.resolve.inputs import Inputs, Wanted, name_of, read_inputs
from driftscan.resolve.options import STDOUT, Locate, Options
from driftscan.resolve.places import Place
from driftscan.resolve.plan import Plan
from driftscan.resolve.question import Engine
from driftscan.resolve.record import UNIVERSAL, Record, command_line, read_record
from driftscan.resolve.sources import folders, indexes
from driftscan.store import default_folder

if TYPE_CHECKING:
    from driftscan.convert.content import Made
    from driftscan.resolve.facts import Facts

_DAYS = re.compile(r"(?:P?(\d{1,5})\s*(?:d|D|days?))")
_LOWEST = re.compile(r">=\s*(3\.\d{1,2}(?:\.\d{1,3})?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A lock as text. `changes` are lines on what is different from the lock that was there before."""

    text: str
    packages: int
    words: tuple[str, ...]
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that was read before anything is asked for."""

    options: Options
    inputs: Inputs
    previous: Lock | None
    record: Record
    cutoff: str | None
    places: tuple[Place, ...]
    python: str
    indexes: tuple[str, ...]
    folders: tuple[str, ...]
    engine: Engine
    warn: Callable[[str], None] | None = field(default=None)

    def plan(self) -> Plan:
        pinned = frozenset(map(name_of, self.options.upgrade_packages))
        return Plan(
            inputs=self.inputs,
            engine=self.engine,
            places=self.places,
            python=self.python,
            indexes=self.indexes,
            folders=self.folders,
            cutoff=self.cutoff,
            previous=None if self.options.upgrade else self.previous,
            upgraded=pinned,
            allow_builds=self.options.allow_builds,
            cache=str(self._cache) if self._cache is not None else None,
        )

    @property
    def _cache(self) -> Path | None:
        return default_folder() if self.options.cache else None

    def facts(self, *, asks_again: bool = False) -> Facts:
        from driftscan.index.pagecache import PageCache
        from driftscan.index.releases import Releases
        from driftscan.index.transport import Web
        from driftscan.resolve.facts import Facts

        warn_of_insecure(self.indexes, self.warn)
        web = Web([*self.indexes, *(url for url in self.folders if "://" in url)])
        cutoff = datetime.fromisoformat(self.cutoff) if self.cutoff is not None else None
        cache = PageCache(self._cache) if self._cache is not None else None
        releases = Releases(web, self.indexes, self.folders, cache, asks_again=asks_again)
        target = self.places[0].target if self.places else Target()
        return Facts(web, releases, target, cutoff=cutoff, cache=cache)

    @property
    def words(self) -> tuple[str, ...]:
        """What the lock is for, as it records it."""
        return tuple(place.words for place in self.places) or (f"{UNIVERSAL}{self.python} and newer",)

    def made(self) -> Made:
        record = Record(
            inputs=self.inputs.digest,
            places=self.words,
            cutoff=self.cutoff,
            engine=f"{self.engine.name} {self.engine.version}",
            hashes=self.options.hashes,
        )
        return record.made(command_line([*_words(self.inputs.files, self.options, self.cutoff)]))


def prepare(paths: Sequence[str], options: Options, locate: Locate, warn: Callable[[str], None] | None = None) -> Task:
    """Read what is to be locked and what was locked before, and find out for what and from where.

    Raises DriftscanError where a file cannot be read or the options make no sense.
    """
    if not paths:
        raise UsageError("requirements are needed", hint="driftscan lock requirements.in")
    _check(paths, options)
    documents = [read_document(path) for path in paths]
    upgrades = [text for text in options.upgrade_packages if re.search(r"[<>=!~@]", text)]
    inputs = read_inputs(
        documents,
        [read_document(path) for path in options.constraints],
        chosen=options.chosen,
        allow_builds=options.allow_builds,
        upgrades=upgrades,
    )
    old = _previous(options)
    record = read_record(old) if old is not None else Record()
    places, python = _target(inputs, options, record, locate)
    return Task(
        options=options,
        inputs=_absolute(inputs),
        previous=parse(old) if old is not None and not options.upgrade else None,
        record=record,
        cutoff=_instant(options.exclude_newer, datetime.now(UTC)) if options.exclude_newer else None,
        places=places,
        python=python,
        indexes=tuple(indexes(inputs, options)),
        folders=tuple(folders(inputs, options)),
        engine=_engine(options.engine or record.engine.partition(" ")[0]),
        warn=warn,
    )


def lock(
    paths: Sequence[str],
    options: Options,
    *,
    locate: Locate,
    warn: Callable[[str], None] | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Locked:
    """The lock of the requirements files and projects at `paths`.

    Nothing is written. `locate` finds the targets of images, `warn` is told of indexes that are not secured. Raises
    ResolveError, with file and line, where nothing satisfies the requirements or what does may not be used;
    DriftscanError where something cannot be read. `meanwhile` is called while the engine works.
    """
    if options.offline:
        raise UsageError("nothing can be resolved offline", hint="--check --offline compares the lock with its inputs")
    return _locked(prepare(paths, options, locate, warn), meanwhile)


def _locked(task: Task, meanwhile: Callable[[], object]) -> Locked:
    plan = task.plan()
    with closing(plan.begin()) as first:
        # The rest is imported while the engine works: that takes as long as many a resolution.
        from driftscan.resolve.locking import resolve
        from driftscan.resolve.writing import changes, write

        made = task.made()
        with task.facts() as facts:
            resolved = resolve(plan, facts, first, meanwhile)
    options = task.options
    result = write(plan, resolved, options.to, made, options.hashes, partial(seen_from, options.output))
    return Locked(
        text=result.text,
        packages=len(result.lock.packages),
        words=tuple(place.asked or place.words for place in task.places) or task.words,
        changes=tuple(changes(task.previous or _before(options), result.lock)),
        notes=(*task.inputs.notes, *resolved.notes, *result.notes),
        unchecked=resolved.unchecked,
    )


def _check(paths: Sequence[str], options: Options) -> None:
    named = [
        name for name, value in (("--for", options.targets), ("--python-platform", options.python_platform)) if value
    ]
    if options.universal and named:
        raise UsageError(
            f"a universal lock is for all platforms, and {named[0]} names one", hint="leave one of them out"
        )
    if options.targets and (options.python or options.python_platform):
        raise UsageError("an image says itself which Python and platform it has", hint="leave --python or --for out")
    if options.output == STDOUT:
        return
    output = Path(options.output)
    if not output.parent.is_dir():
        raise UsageError(f"there is no folder {output.parent}")
    for path in (*paths, *options.constraints):
        if output.exists() and Path(path).exists() and output.samefile(path):
            raise UsageError(
                f"{path} would be replaced by what is made from it", hint="name another file with -o, or rename it"
            )


def _previous(options: Options) -> Document | None:
    """The lock that is there, as far as somebody may want to keep something of it; pipes and devices hold none."""
    place = Path(options.output)
    if options.output == STDOUT or not (place.is_file() or place.is_dir()):
        return None
    return read_document(options.output)


def _before(options: Options) -> Lock | None:
    try:
        old = _previous(options)
        return parse(old) if old is not None else None
    except LockError:
        return None


def _absolute(inputs: Inputs) -> Inputs:
    """Engines work elsewhere, so paths of archives are made absolute, as seen from the file that has them."""

    def settled(wanted: Wanted) -> Wanted:
        located = wanted.located
        if located is None or located.origin.kind is not OriginKind.PATH:
            return wanted
        path = Path(Path(wanted.file).parent, located.origin.location).absolute()
        if not path.is_file():
            raise LockError(f"there is no file {located.origin.location}", where=wanted.where)
        return replace(wanted, text=_addressed(wanted, located, path))

    return replace(inputs, requirements=tuple(map(settled, inputs.requirements)))


def _addressed(wanted: Wanted, located: Located, path: Path) -> str:
    extras = f"[{','.join(sorted(located.extras))}]" if located.extras else ""
    return f"{wanted.name}{extras} @ {path.as_uri()}"


def _target(inputs: Inputs, options: Options, record: Record, locate: Locate) -> tuple[tuple[Place, ...], str]:
    """What to lock for: places, or (none) all platforms and the oldest Python.

    What is not named is as the lock that is there has it, so that locking again does not mean another machine's Python.
    """
    if options.universal:
        return (), _lowest(inputs, options)
    if options.targets or options.python or options.python_platform or not record.places:
        return tuple(_places(options, locate)), ""
    if record.places[0].startswith(UNIVERSAL):
        python = record.places[0].removeprefix(UNIVERSAL).partition(" ")[0]
        return (), resolve_places.named(python, "linux").python
    found = [resolve_places.recorded(each) for each in record.places]
    if None in found:
        raise UsageError(
            f"{record.places[found.index(None)]} cannot be made again from its name",
            where=options.output,
            hint="name the image that the lock is for: --for IMAGE",
        )
    return tuple(place for place in found if place is not None), ""


def _places(options: Options, locate: Locate) -> Iterator[Place]:
    if not options.targets:
        is_here = options.python is None and options.python_platform is None
        here = resolve_places.this_machine() if is_here else None
        yield here or resolve_places.named(options.python, options.python_platform)
        return
    for reference in options.targets:
        yield resolve_places.place(locate(reference, options), reference)


def _lowest(inputs: Inputs, options: Options) -> str:
    """The oldest Python that a universal lock is for."""
    match = _LOWEST.search(inputs.requires_python or "")
    if options.python is None and match is not None:
        return match[1] if match[1].count(".") == 2 else f"{match[1]}.0"
    here = ".".join(resolve_places.this_machine().python.split(".")[:2])
    return resolve_places.named(options.python or here, "linux").python


def _engine(name: str) -> Engine:
    if name == "pip-tools":
        from driftscan.resolve.piptools import PipTools

        return PipTools()
    from driftscan.resolve.uv import Uv

    return Uv()


def _instant(text: str, now: datetime) -> str:
    """A moment in UTC by RFC 3339, from one in any zone, the beginning of a day, or a number of days ago."""
    if match := _DAYS.fullmatch(text.strip()):
        return _written(now - timedelta(days=int(match[1])))
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no moment", hint="name it as 2026-11-24, 2026-11-24T12:00:00Z, or 7d for a week ago"
        ) from error
    return _written(found if found.tzinfo is not None else found.replace(tzinfo=UTC))


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def seen_from(output: str, path: str) -> str:
    """A path as it is seen from the folder of the lock."""
    folder = Path(output).parent if output != STDOUT else Path()
    return Path(os.path.relpath(path, folder)).as_posix()


def _words(files: Iterable[str], options: Options, cutoff: str | None) -> Iterator[str]:
    """The options that make the same lock again, run in its folder; indexes are a matter of the machine."""
    yield from (seen_from(options.output, path) for path in files)
    yield from ("-o", Path(options.output).name) if options.output != STDOUT else ()
    for path in options.constraints:
        yield from ("-c", seen_from(options.output, path))
    for name, values in (
        ("--extra", options.chosen.extras),
        ("--group", options.chosen.groups),
        ("--for", options.targets),
        ("--environment", (options.environment,)),
        ("--platform", (options.platform,)),
        ("--python", (options.python,)),
        ("--python-platform", (options.python_platform,)),
        ("--exclude-newer", (cutoff,)),
        ("--engine", (options.engine,)),
        ("--hashes", (options.hashes if options.hashes != "all" else None,)),
    ):
        for value in values:
            yield from (name, value) if value else ()
    for name, is_set in (
        ("--all-extras", options.chosen.all_extras),
        ("--universal", options.universal),
        ("--allow-builds", options.allow_builds),
    ):
        yield from (name,) if is_set else ()
