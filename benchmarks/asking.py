"""What a lock is asked, for which targets and parts, and how answers are written so that they can be compared."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeAlias

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from driftscan.model.lock import Lock, Request
from driftscan.model.target import Target
from driftscan.platforms import target

TARGETS = ("3.12.4 linux", "3.12.4 windows", "3.13.1 macos", "3.10.14 linux/arm64", "3.8.18 linux")
_EDITABLE = re.compile(r"-e (\w+\+\S+?)#egg=([\w.-]+)\S*")
"""A repository as pipenv writes it; no marker follows."""
MOST = 3
"""Extras, groups and members that are asked for one by one."""


class Question(NamedTuple):
    """`target` is a Python and a platform, as `--python` and `--python-platform` take them."""

    target: str
    request: Request


class Refusal(NamedTuple):
    reason: str


Answer: TypeAlias = "frozenset[str] | Refusal"
Answers: TypeAlias = Iterator[tuple[Question, Answer]]


class Case(NamedTuple):
    """A lock in a copy of its folder, and what driftscan read (None: it refuses)."""

    path: Path
    lock: Lock | None


def program(name: str) -> str | None:
    """The program of that name, that beside this interpreter first."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def place(name: str) -> Target:
    """The target of a question, nothing about it unknown."""
    named = target(*name.split(" "))
    markers = {"platform_release": "", "platform_version": "", **named.markers}
    return Target(markers=markers, tags=named.tags, machine=named.machine, libc=named.libc)


def shown(name: str, version: str | None) -> str:
    """Name and version or specifier of a package, spelt alike whoever says it; the name alone where None is given."""
    if version is None:
        return canonicalize_name(name)
    for normal in (Version, SpecifierSet):
        try:
            return f"{canonicalize_name(name)} {normal(version)}".rstrip()
        except (InvalidVersion, InvalidSpecifier):
            continue
    return f"{canonicalize_name(name)} {version}"


def requests(lock: Lock | None) -> list[Request]:
    """Parts of a lock to ask for: the default, the least, all of it, and some extras and groups alone."""
    if lock is None:
        return [Request()]
    found = [Request(), Request(default_groups=False)]
    found += [Request(all_extras=True)] if lock.extras else []
    found += [Request(groups=lock.groups)] if lock.groups else []
    found += [Request(groups=lock.groups, all_extras=True)] if lock.groups and lock.extras else []
    some = islice(sorted(lock.extras), MOST)
    found += [Request(extras=frozenset({name}), default_groups=False) for name in some]
    some = islice(sorted(lock.groups), MOST)
    found += [Request(groups=frozenset({name}), default_groups=False) for name in some]
    return list(dict.fromkeys(found))


def targets(lock: Lock | None) -> list[str]:
    """The targets that a lock supports: outside of them its markers mean nothing, since they are shortened."""
    if lock is None:
        return [*TARGETS[:1]]
    return [name for name in TARGETS if _supports(lock, place(name).markers)]


def _supports(lock: Lock, environment: Mapping[str, str]) -> bool:
    try:
        required = SpecifierSet(lock.requires_python or "")
        if environment["python_full_version"] not in required:
            return False
        return not lock.environments or any(holds(marker, environment) for marker in lock.environments)
    except InvalidSpecifier:
        return True


def holds(marker: object, environment: Mapping[str, str]) -> bool:
    marker = Marker(marker) if isinstance(marker, str) and marker else marker
    return not isinstance(marker, Marker) or marker.evaluate({"extra": "", **environment})


def evaluated(lock: Lock | None, request: Request, answer: Refusal | Callable[[str], Iterable[str]]) -> Answers:
    """The answer for each target of one export, which holds all of them."""
    for name in targets(lock):
        try:
            yield Question(name, request), answer if isinstance(answer, Refusal) else frozenset(answer(name))
        except (UndefinedComparison, UndefinedEnvironmentName) as error:
            yield Question(name, request), refusal(error)


def run(command: Sequence[str], folder: Path, **settings: str) -> str | Refusal:
    """What a command prints; its last words where it fails."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PDM_", "PIPENV_"))}
    environment |= {"HOME": str(folder.parent / "home"), "PIP_NO_INDEX": "1", "NO_COLOR": "1", **settings}
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, env=environment)
    words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return Refusal(words[-1].strip()[:300]) if done.returncode else done.stdout


def refusal(error: BaseException) -> Refusal:
    words = str(error).strip().splitlines()
    return Refusal(f"{type(error).__name__}: {words[0][:300] if words else ''}")


def lines_answer(lines: Iterable[str]) -> Callable[[str], Iterable[str]]:
    """Requirements that hold; what has an address counts by its name, and folders are left out."""
    named = [_EDITABLE.sub(r"\2 @ \1", line) for line in lines]
    kept = [Requirement(line) for line in named if line.strip() and not line.startswith(("-", "#", "."))]

    def answer(name: str) -> Iterator[str]:
        for each in kept:
            if holds(each.marker, place(name).markers):
                yield shown(each.name, None if each.url else str(each.specifier).removeprefix("=="))

    return answer
