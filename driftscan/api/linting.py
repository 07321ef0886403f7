"""The six practices: a Dockerfile, an image, or both, to a report with its scorecard."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypedDict

from driftscan import lock as lock_formats
from driftscan import practices, rules
from driftscan.api import request as requests
from driftscan.api.checking import lock_input
from driftscan.api.scanning import LIMITS, Progress, described, open_target, take_inventory
from driftscan.compare import Comparison
from driftscan.compare import compare as join
from driftscan.dockerfile import Dockerfile, parse
from driftscan.dockerfile.build import Build, LockFacts, OtherLock, Resolved
from driftscan.dockerfile.parse import MAX_BYTES
from driftscan.errors import DockerfileError, DriftscanError, ImageError, LockError, UsageError
from driftscan.finding import DockerfileInput, Finding, Practice, Report, Severity, TargetInput
from driftscan.graph import DependencyGraph
from driftscan.image.source import Image
from driftscan.lock.document import Document
from driftscan.model.image import LayerId, UsedImage
from driftscan.model.inventory import Environment, Inventory
from driftscan.model.lock import Lock, OriginKind, Request
from driftscan.model.target import Target
from driftscan.model.traces import FoundLock
from driftscan.practices import base, scope
from driftscan.practices.actions import Action, of_steps
from driftscan.practices.installs import installs
from driftscan.practices.locked import MANAGED
from driftscan.reading import read_document
from driftscan.rules.practices import FAMILIES

if TYPE_CHECKING:
    from driftscan.practices.fixes import Fixed

_LOCAL = (OriginKind.DIRECTORY, OriginKind.EDITABLE, OriginKind.VIRTUAL)
EVERYTHING = Request()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is linted: a Dockerfile by its path, an image by its reference, or both.

    `context` is the folder of the build (without it, the Dockerfile's), `build_arguments` the values of ARGs, `stage`
    the one that is built (without it, the last one), `base` the image that it is built on. `locks` are those that it
    should be installed from. With `online`, registries are asked what the names of images stand for now.
    """

    dockerfile: str | None = None
    image: str | None = None
    context: str | None = None
    build_arguments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    stage: str | None = None
    base: str | None = None
    locks: tuple[str, ...] = ()
    environment: str | None = None
    platform: str | None = None
    online: bool = False
    offline: bool = False
    cache: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """An image that was read."""

    inventory: Inventory
    target: TargetInput
    environment: Environment | None
    used: tuple[UsedImage, ...] = ()
    unread: str | None = None


def lint(
    subject: Subject,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    fail_on: Severity | None = Severity.ERROR,
    progress: Progress | None = None,
) -> Report:
    """Whether each practice holds, fails, or cannot be known. Raises DriftscanError where something cannot be read."""
    requests.check_rules([*select, *ignore])
    comparison, seen = _examined(subject, progress)
    findings = tuple(rules.run(comparison, select=select or None, ignore=ignore, family=FAMILIES))
    said = practices.judged(comparison)
    asked = rules.asked(select or None, ignore)
    dockerfile = comparison.build.dockerfile
    return Report(
        locks=tuple(map(lock_input, comparison.locks)),
        target=seen.target if seen is not None else None,
        environment=seen.environment if seen is not None else None,
        locked=comparison.locked,
        findings=_once(findings, dockerfile),
        unchecked=practices.unchecked(said, asked),
        practices=practices.scorecard(said, asked),
        dockerfile=DockerfileInput(path=dockerfile.path, sha256=dockerfile.sha256) if dockerfile is not None else None,
        inventory=seen.inventory if seen is not None else None,
        fail_on=fail_on,
    )


def fix(subject: Subject) -> Fixed:
    """The Dockerfile with all changes that are safe. Raises DriftscanError where something cannot be read."""
    if subject.dockerfile is None:
        raise UsageError("only a Dockerfile can be changed", hint="driftscan lint Dockerfile --fix")
    from driftscan.practices import fixes

    comparison, _ = _examined(subject, None)
    return fixes.fixed(comparison, subject.build_arguments)


def _examined(subject: Subject, progress: Progress | None) -> tuple[Comparison, _Seen | None]:
    """Everything that the rules may look at."""
    if subject.dockerfile is None and subject.image is None:
        raise UsageError("a Dockerfile or an image is needed", hint="driftscan lint Dockerfile shop:1.4")
    if subject.online and subject.offline:
        raise UsageError("a registry cannot be asked offline", hint="leave --online or --offline out")
    dockerfile = _dockerfile(subject)
    locks = [lock_formats.parse(read_document(path)) for path in subject.locks]
    seen = _look(subject, progress) if subject.image is not None else None
    comparison = _compared(locks, seen)
    build = Build(
        dockerfile=dockerfile,
        context=context_locks(dockerfile, subject.context) if dockerfile is not None else None,
        images=_resolved(dockerfile, seen, subject),
        used=seen.used if seen is not None else (),
        unread=seen.unread if seen is not None else None,
        **_base(subject),
    )
    comparison = with_image_locks(replace(comparison, build=build))
    return comparison, seen


def _dockerfile(subject: Subject) -> Dockerfile | None:
    """The Dockerfile with the stage that is built; UsageError where it has none of that name."""
    if subject.dockerfile is None:
        return None
    found = read_dockerfile(subject.dockerfile, subject.build_arguments)
    if subject.stage is None:
        return found
    stage = found.stage(subject.stage)
    if stage is None:
        names = ", ".join(each.name for each in found.stages if each.name is not None) or "no stage with a name"
        raise UsageError(f"there is no stage {subject.stage!r}", where=found.path, hint=f"it has {names}")
    return replace(found, target=stage.index)


def scorecard(comparison: Comparison, ignore: Sequence[str] = ()) -> tuple[Practice, ...]:
    """The practices as far as an image and its locks show them."""
    return practices.scorecard(practices.judged(comparison), rules.asked(None, ignore))


def _once(findings: Iterable[Finding], dockerfile: Dockerfile | None) -> tuple[Finding, ...]:
    """Without what a layer shows again of an instruction that the Dockerfile has been blamed for."""
    found = tuple(findings)
    if dockerfile is None:
        return found
    lines = {each.line: " ".join(each.text.split()) for each in dockerfile.instructions}
    told = {
        (each.rule, lines.get(each.location.line or 0, ""))
        for each in found
        if each.location is not None and each.layer is None
    }
    return tuple(each for each in found if each.layer is None or (each.rule, _flat(each.layer)) not in told)


def _flat(layer: LayerId) -> str:
    return " ".join((layer.created_by or "").split())


def read_dockerfile(path: str, build_arguments: Mapping[str, str] = MappingProxyType({})) -> Dockerfile:
    """The Dockerfile at `path`, or in the folder there. Raises DockerfileError where it cannot be read."""
    place = Path(path)
    if place.is_dir():
        held = next((place / name for name in ("Dockerfile", "Containerfile") if (place / name).is_file()), None)
        if held is None:
            raise DockerfileError("it is a folder without a Dockerfile", where=path)
        return read_dockerfile(str(held), build_arguments)
    try:
        with place.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise DockerfileError("there is no such file", where=path) from error
    except (OSError, ValueError) as error:
        raise DockerfileError(f"it cannot be read: {getattr(error, 'strerror', None) or error}", where=path) from error
    return parse(data, path, build_arguments)


def is_dockerfile(path: str) -> bool:
    """Whether there is a file or folder at `path` that is a Dockerfile, or holds one, by its name and content."""
    place = Path(path)
    try:
        if place.is_dir():
            return any((place / name).is_file() for name in ("Dockerfile", "Containerfile"))
        if not place.is_file() or place.suffix in (".tar", ".json"):
            return False
        name = place.name.lower()
        if "dockerfile" in name or "containerfile" in name:
            return True
        with place.open("rb") as file:
            head = file.read(1 << 14)
    except (OSError, ValueError):
        return False
    return b"\0" not in head and any(line.strip().upper().startswith(b"FROM ") for line in head.splitlines())


def _look(subject: Subject, progress: Progress | None) -> _Seen:
    with open_target(subject.image or "", platform=subject.platform, offline=subject.offline) as image:
        inventory = take_inventory(
            image, environment=subject.environment, progress=progress, cache=subject.cache, with_traces=True
        )
        used, unread = _used(image)
        return _Seen(
            inventory=inventory,
            target=described(image),
            environment=default(inventory),
            used=used,
            unread=unread,
        )


def _used(image: Image) -> tuple[tuple[UsedImage, ...], str | None]:
    """The images that it was built from as its builder attests, or why that cannot be read."""
    try:
        return image.used(), None
    except ImageError as error:
        return (), str(error)


def default(inventory: Inventory) -> Environment | None:
    """The environment that the image runs, where it runs one."""
    return inventory.environments[inventory.default] if inventory.default is not None else None


def _compared(locks: Sequence[Lock], seen: _Seen | None) -> Comparison:
    environment = seen.environment if seen is not None else None
    graph = DependencyGraph.build(locks)
    selection = graph.select(environment.target if environment is not None else Target(), EVERYTHING)
    return join(graph, selection, locks, seen.inventory if seen is not None else None, environment, EVERYTHING)


class _Base(TypedDict, total=False):
    base_name: str
    base_layers: tuple[str, ...]
    base_runs: tuple[str, ...]


def _base(subject: Subject) -> _Base:
    """What the base image is now, where one was named."""
    if subject.base is None:
        return _Base()
    with open_target(subject.base, platform=subject.platform, offline=subject.offline) as image:
        config = image.config
        runs = (*config.entrypoint, *config.cmd)
        return _Base(base_name=subject.base, base_layers=config.diff_ids, base_runs=runs)


# Locks in the build context


def context_locks(dockerfile: Dockerfile, context: str | None) -> Mapping[str, LockFacts]:
    """The locks in the build context that the Dockerfile's instructions install from, by the name that they use."""
    folder = Path(context) if context is not None else Path(dockerfile.path).parent
    found: dict[str, LockFacts] = {}
    for name, copied in _named_locks(dockerfile):
        for path in (*copied, *_candidates(name)):
            facts = _lock_facts(folder, path)
            if facts is not None:
                found.setdefault(name.removeprefix("./"), facts)
                break
    return MappingProxyType(found)


def _named_locks(dockerfile: Dockerfile) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names of locks as commands have them, and which files of the context were copied under that name before."""
    for stage in dockerfile.stages:
        copied: dict[str, list[str]] = {}
        for _, action in of_steps(dockerfile.path, stage):
            for name, source in _copied(action):
                copied.setdefault(name, []).append(source)
            for _, install in installs(action.commands, action.values):
                for lock in install.locks:
                    yield lock, tuple(reversed(copied.get(posixpath.basename(lock), ())))


def _copied(action: Action) -> Iterator[tuple[str, str]]:
    """What a file of the context is called after it was copied, and its path in the context."""
    if action.keyword not in ("COPY", "ADD") or action.origin is not None or action.destination is None:
        return
    for source in action.sources:
        is_renamed = len(action.sources) == 1 and posixpath.basename(action.destination)
        yield posixpath.basename(action.destination if is_renamed else source), source


def _candidates(name: str) -> Iterator[str]:
    """Where the file that a command calls `name` may lie in the context: there, or in one of the folders above."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        yield "/".join(parts[start:])


def _lock_facts(folder: Path, path: str) -> LockFacts | None:
    """None where there is no such file, or none that is a lock."""
    place = folder / path
    try:
        if not place.is_file() or not place.resolve().is_relative_to(folder.resolve()):
            return None
        return facts_of(lock_formats.parse(read_document(str(place))), path)
    except (LockError, OSError):
        return None


def facts_of(lock: Lock, path: str) -> LockFacts:
    packages = [package for package in lock.packages if not package.is_member and package.id.origin.kind not in _LOCAL]
    return LockFacts(
        path=path,
        is_pinned=all(package.pinned for package in packages),
        is_hashed=bool(packages) and all(any(each.hashes for each in package.artifacts) for package in packages),
        sha256=lock.sha256,
        projects=frozenset(package.id.name for package in packages),
    )


# Locks in the image


def with_image_locks(comparison: Comparison) -> Comparison:
    """The comparison with what the image holds under the names of locks: of those that are compared, and of those that
    its history installs from.
    """
    traces = comparison.inventory.traces if comparison.inventory is not None else None
    if traces is None:
        return comparison
    installed = MappingProxyType(dict(_held_locks(comparison, traces.locks)))
    if comparison.build.context is None:
        comparison = replace(comparison, build=replace(comparison.build, context=installed))
    if not comparison.locks:
        return comparison
    paths = {facts.path for facts in installed.values()}
    same: list[str] = []
    other: list[OtherLock] = []
    for lock in comparison.locks:
        name = lock.path.replace(os.sep, "/").rpartition("/")[2]
        held = [found for found in traces.locks if found.path.rpartition("/")[2] == name]
        equal = [found.path for found in held if found.sha256 == lock.sha256]
        same += equal
        if not equal and (meant := _meant(comparison, held, paths)):
            other.append(_other(meant[0], lock, comparison))
    return replace(comparison, build=replace(comparison.build, same_locks=tuple(same), other_locks=tuple(other)))


def _meant(comparison: Comparison, held: Sequence[FoundLock], installed: AbstractSet[str]) -> list[FoundLock]:
    """Of files called like a lock those that the image may have been installed from: what lies where it runs, or what
    an instruction of its history installs from (`installed`, by their paths in the image); and any that is called as
    only one tool calls its locks.
    """
    inventory = comparison.inventory
    folder = inventory.config.working_dir.rstrip("/") if inventory is not None else ""
    here = [found for found in held if found.path.rpartition("/")[0] == folder or found.path in installed]
    return here or [found for found in held if found.path.rpartition("/")[2] in MANAGED]


def _held_locks(comparison: Comparison, locks: Sequence[FoundLock]) -> Iterator[tuple[str, LockFacts]]:
    """The locks in the image that its history says were installed from, by the name that it uses."""
    actions = scope.history(comparison)
    names = (name for each in actions for _, install in installs(each.commands, each.values) for name in install.locks)
    for name in dict.fromkeys(names):
        ending = f"/{name.removeprefix('./').lstrip('/')}"
        alike = [found for found in locks if found.path.endswith(ending)]
        if len(alike) == 1 and alike[0].content is not None:
            try:
                yield name.removeprefix("./"), facts_of(_parsed(alike[0], comparison.locks), alike[0].path)
            except DriftscanError:
                continue


def _parsed(found: FoundLock, read: Sequence[Lock]) -> Lock:
    """The lock in the image; where it is one of those that were `read`, and includes nothing, that one."""
    for lock in read:
        is_called_alike = posixpath.basename(lock.path.replace(os.sep, "/")) == posixpath.basename(found.path)
        if lock.sha256 == found.sha256 and is_called_alike and all(package.path is None for package in lock.packages):
            return lock
    return lock_formats.parse(Document(found.path, found.content or b"", _nothing))


def _nothing(_: str) -> None:
    """What lies beside a lock in the image is not read."""


def _other(found: FoundLock, lock: Lock, comparison: Comparison) -> OtherLock:
    if found.content is None:
        return OtherLock(
            path=found.path,
            compared=lock.path,
            layer=found.layer,
            unread="it is too large to be read, or of an unknown name",
        )
    try:
        theirs = lock_formats.parse(Document(found.path, found.content, _nothing))
        graph = DependencyGraph.build([theirs])
        locked = graph.select(comparison.target, EVERYTHING).packages
    except DriftscanError as error:
        return OtherLock(path=found.path, compared=lock.path, layer=found.layer, unread=error.message)
    in_image = _versions((package.id.name, package.id.version) for package in locked.values())
    in_lock = _versions((each.id.name, each.id.version) for each in comparison.selection.packages.values())
    installed = {str(row.name): {each.version for each in row.installed} for row in comparison.rows}
    changed = sorted(name for name in {*in_image, *in_lock} if in_image.get(name) != in_lock.get(name))
    follows = sum(bool(installed.get(name)) and installed[name] <= in_image.get(name, set()) for name in changed)
    return OtherLock(
        path=found.path,
        compared=lock.path,
        layer=found.layer,
        differences=tuple(_change(name, in_lock.get(name), in_image.get(name)) for name in changed),
        follows=follows,
    )


def _versions(pairs: Iterable[tuple[str, str | None]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in pairs:
        found.setdefault(name, set()).add(version or "(no version)")
    return found


def _change(name: str, ours: set[str] | None, theirs: set[str] | None) -> str:
    if ours is None:
        return f"{name} {', '.join(sorted(theirs or ()))} only in the image's"
    if theirs is None:
        return f"{name} {', '.join(sorted(ours))} not in the image's"
    return f"{name} {', '.join(sorted(ours))} is {', '.join(sorted(theirs))} in the image's"


# What names of images stand for


def _resolved(dockerfile: Dockerfile | None, seen: _Seen | None, subject: Subject) -> Mapping[str, Resolved]:
    """The digest that each image's registry has for its name now, or else the daemon; empty unless that was asked."""
    if not subject.online:
        return MappingProxyType({})
    names = [base.bare(name) for name, _ in base.images(dockerfile)] if dockerfile is not None else []
    if seen is not None and (label := seen.inventory.config.labels.get(base.BASE_NAME)):
        names.append(base.bare(label))
    names += [base.bare(each.name) for each in (seen.used if seen is not None else ())]
    found: dict[str, Resolved] = {}
    for name in dict.fromkeys(names):
        found[name] = _asked(name)
    return MappingProxyType(found)


def _asked(name: str) -> Resolved:
    from driftscan.image.docker import known_digest
    from driftscan.image.registry import current_digest

    try:
        return Resolved(current_digest(name, LIMITS), "the registry")
    except DriftscanError as error:
        refusal = str(error)
    try:
        return Resolved(known_digest(name, LIMITS), "the Docker daemon")
    except DriftscanError:
        return Resolved(None, refusal)
