"""Practice 4: dependencies are installed from a lock, with hashes, and from the lock that is compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from driftscan.compare import Comparison
from driftscan.dockerfile.build import LockFacts, OtherLock
from driftscan.dockerfile.shell import SimpleCommand, unwrapped
from driftscan.finding import Outcome
from driftscan.listing import listed
from driftscan.practices import scope
from driftscan.practices.actions import Action, places
from driftscan.practices.installs import Install, Source, installs, is_installer
from driftscan.practices.statements import Grade, Statement, passed, unknown

MANAGED = frozenset({"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pixi.lock"})
"""Locks whose tools check the hashes in them without being asked."""
_TOOL_NAMES = re.compile(r".*(?:pip|poetry|conda|venv|requirements).*", re.IGNORECASE)


class _Found(NamedTuple):
    action: Action
    command: SimpleCommand
    install: Install
    before: tuple[Action, ...]


def judge(comparison: Comparison) -> Iterator[Statement]:
    stages = scope.stages(comparison)
    found = tuple(each for actions in stages for each in _found(actions))
    yield from _sources(comparison, found, stages)
    yield from _hashes(comparison, found)
    yield from _same(comparison)


def _found(actions: tuple[Action, ...]) -> Iterator[_Found]:
    for position, action in enumerate(actions):
        for command, install in installs(action.commands, action.values):
            yield _Found(action, command, install, actions[: position + 1])


def _claim(grade: Grade) -> str:
    """What a text proves is that it was asked for."""
    return " (enforcement claimed in the history)" if grade is Grade.HISTORY else ""


def _sources(
    comparison: Comparison, found: tuple[_Found, ...], stages: tuple[tuple[Action, ...], ...]
) -> Iterator[Statement]:
    seen = False
    for each in found:
        action, _, install, _ = each
        where = next(places((action,)), "")
        if install.source is Source.LOOSE:
            seen = True
            yield _loose(each)
        elif install.source is Source.UNKNOWN:
            seen = True
            yield unknown("IM541", action.grade, f"what `{_short(each.command)}` installs ({where})", install.because)
        elif install.source is Source.LOCK:
            seen = True
            yield _lock(comparison, each, where)
    opaque = [*_opaque(stages)]
    for action, what in opaque:
        where = next(places((action,)), "")
        why = "it is a program that the text does not show; write the installing commands into the Dockerfile"
        yield unknown("IM541", action.grade, f"what `{what}` installs ({where})", why)
    if not seen and not opaque:
        yield _nothing(comparison)


def _nothing(comparison: Comparison) -> Statement:
    environment = comparison.environment
    if comparison.build.dockerfile is None and environment is not None and environment.distributions:
        return unknown(
            "IM541",
            Grade.HISTORY,
            "whether the dependencies were installed from a lock",
            "the history holds no command that installs them; give the Dockerfile",
        )
    grade = Grade.DOCKERFILE if comparison.build.dockerfile is not None else Grade.HISTORY
    return passed("IM541", grade, "no instruction installs Python packages")


def _loose(found: _Found) -> Statement:
    action, command, install, _ = found
    return Statement(
        rule="IM541",
        outcome=Outcome.FAIL,
        grade=action.grade,
        text=f"`{_short(command)}` does not install from a lock: {install.because}",
        hint=install.instead or None,
        location=action.location,
        layer=action.layer,
    )


def _short(command: SimpleCommand, most: int = 70) -> str:
    text = " ".join(str(command).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _lock(comparison: Comparison, found: _Found, where: str) -> Statement:
    """An install that reads a lock, as far as the lock is known and was there."""
    action, command, install, _ = found
    facts = [known for path in install.locks if (known := _facts(comparison, path)) is not None]
    loose = [each.path for each in facts if not each.is_pinned]
    if loose:
        return Statement(
            rule="IM541",
            outcome=Outcome.FAIL,
            grade=action.grade,
            text=f"`{_short(command)}` reads {listed(loose)}, which does not pin everything that it names",
            hint="lock it (uv pip compile --generate-hashes, pip-compile --generate-hashes), and install the result",
            location=action.location,
            layer=action.layer,
        )
    missing = [path for path in install.locks if path in MANAGED and not _is_copied(path, found)]
    if missing and action.grade is Grade.DOCKERFILE:
        return Statement(
            rule="IM541",
            outcome=Outcome.FAIL,
            grade=action.grade,
            text=f"`{_short(command)}` has no {missing[0]} to read: nothing copies or mounts it in front of it",
            hint=f"copy {missing[0]} beside its manifest",
            location=action.location,
            layer=action.layer,
        )
    locks = listed(install.locks)
    return passed("IM541", action.grade, f"{install.tool} reads {locks} ({where}){_claim(action.grade)}")


def _facts(comparison: Comparison, path: str) -> LockFacts | None:
    """What is known of the lock that a command names: the one in the build context of that name."""
    return (comparison.build.context or {}).get(path.removeprefix("./"))


def _is_copied(lock: str, found: _Found) -> bool:
    return any(
        _brings(source, lock)
        for action in found.before
        for source in (*action.sources, *(action.bound if action is found.action else ()))
    ) or any(action.origin is not None for action in found.before)


def _brings(source: str, lock: str) -> bool:
    """Whether copying `source` brings the lock along: it is it, a pattern for it, or a folder."""
    name = source.rstrip("/").rpartition("/")[2]
    if name in ("", ".", "*") or name == lock or "." not in name:
        return True
    pattern = re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")
    return any(mark in name for mark in "*?[") and ("[" in name or bool(re.fullmatch(pattern, lock)))


def _opaque(stages: tuple[tuple[Action, ...], ...]) -> Iterator[tuple[Action, str]]:
    """Programs that most likely install packages, and whose text is not there; what could not be read at all."""
    for actions in stages:
        for action in actions:
            for command in action.commands:
                inner = unwrapped(command)
                name = inner.name
                is_script = name.endswith(".sh") and ("/" in inner.words[0].text)
                is_named = (
                    not is_installer(name) and _TOOL_NAMES.fullmatch(name) is not None and _installs_by_name(inner)
                )
                if is_script or is_named:
                    yield action, _short(command)
            for reason in action.unread:
                yield action, f"{action.text[:50]}... ({reason})"


def _installs_by_name(command: SimpleCommand) -> bool:
    return "install" in command.name or any("install" in word.text for word in command.arguments[:1])


def _hashes(comparison: Comparison, found: tuple[_Found, ...]) -> Iterator[Statement]:
    seen = False
    for action, command, install, _ in found:
        if install.source is not Source.LOCK:
            continue
        seen = True
        where = next(places((action,)), "")
        facts = [_facts(comparison, path) for path in install.locks]
        if install.hashes:
            yield passed("IM542", action.grade, f"{install.tool} insists on hashes ({where}){_claim(action.grade)}")
        elif facts and all(known is not None and known.is_hashed for known in facts):
            text = f"{listed(install.locks)} has a hash for every file, and {install.tool} insists on them ({where})"
            yield passed("IM542", Grade.LOCK, text)
        else:
            yield _no_hashes(action, command, install, [each for each in facts if each is not None])
    if not seen:
        grade = Grade.DOCKERFILE if comparison.build.dockerfile is not None else Grade.HISTORY
        loose = any(each.install.source in (Source.LOOSE, Source.UNKNOWN) for each in found)
        if not loose and grade is Grade.DOCKERFILE:
            yield passed("IM542", grade, "no instruction installs Python packages")


def _no_hashes(action: Action, command: SimpleCommand, install: Install, facts: list[LockFacts]) -> Statement:
    known = [each.path for each in facts if not each.is_hashed]
    if install.tool.startswith("conda"):
        instead = "lock with conda-lock, whose explicit files carry a digest for each package"
    else:
        instead = "add --require-hashes" + (", and lock with hashes" if known else "")
    reason = f"{listed(known)} has files without a hash" if known else "nothing makes it insist on hashes"
    return Statement(
        rule="IM542",
        outcome=Outcome.FAIL,
        grade=action.grade,
        text=f"`{_short(command)}` takes whatever file the index has: {reason}",
        hint=instead,
        location=action.location,
        layer=action.layer,
    )


def _same(comparison: Comparison) -> Iterator[Statement]:
    """IM543, where there is a lock to compare and an image that holds one of its name."""
    build = comparison.build
    for path in build.same_locks:
        yield passed("IM543", Grade.LAYER, f"{path} in the image is the lock that is compared")
    for other in build.other_locks:
        yield _other(other)
    if comparison.locks and scope.image(comparison) is not None and not (build.same_locks or build.other_locks):
        names = listed([lock.path.rpartition("/")[2] for lock in comparison.locks])
        why = "the image does not hold it: it was mounted, deleted, or another one was used"
        yield unknown("IM543", Grade.LAYER, f"whether the image was built from {names}", why)


def _other(other: OtherLock) -> Statement:
    text = f"{other.path} in the image is another lock than {other.compared}"
    if other.unread is not None:
        text += f", and cannot be read: {other.unread}"
    elif not other.differences:
        text += ", though both lock the same for this image"
    else:
        are = "is" if other.follows == 1 else "are"
        text += (
            f": {listed(other.differences)}; {other.follows} of {len(other.differences)} {are} installed as in there"
        )
    return Statement(
        rule="IM543",
        outcome=Outcome.FAIL,
        grade=Grade.LAYER,
        text=text,
        path=other.path,
        layer=other.layer,
        hint="build the image again from the lock, or compare with the lock that it was built from",
    )
