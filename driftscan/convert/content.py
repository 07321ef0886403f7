"""What is going to be written, whatever the format: packages of a lock, and when each of them is installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from posixpath import join, normpath
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from driftscan.convert.conditions import Condition, conditions, supports
from driftscan.errors import LockError
from driftscan.graph import DependencyGraph
from driftscan.model.lock import Lock, OriginKind, Package, PackageId, Request
from driftscan.model.target import Target

_TOLD = ("implementation_name", "sys_platform", "platform_machine")
"""Markers that tell a target from another, beside its Python."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A package, when it is installed, and who requires it (names, sorted)."""

    package: Package
    condition: Condition
    required_by: tuple[str, ...] = ()


class Made(NamedTuple):
    """How a lock came to be: the command that makes it again, and facts to be read back, by short names.

    `tool` is which command of driftscan that is.
    """

    command: str
    facts: tuple[tuple[str, str], ...] = ()
    tool: str = "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Entries in the order of their names and versions.

    `environment` is the marker of the target that they are for, None where they are for all that the lock supports;
    `words` says which in words. `is_open` tells that their markers leave extras and groups to be asked for.
    `folder` leads from the new file's folder to the lock's.
    """

    lock: Lock
    entries: tuple[Entry, ...]
    own: tuple[str, ...]
    """Names of the projects that the lock was made for: they are built from their sources, not locked."""
    words: str | None = None
    environment: str | None = None
    is_open: bool = False
    folder: str = "."
    made: Made | None = None
    """How it was resolved or adopted; None for what is converted from another lock."""

    def path(self, location: str) -> str:
        """A path relative to the lock, as seen from the new file: it begins with `./`, `../` or `/`."""
        path = normpath(join(self.folder, location))
        return path if path.startswith(("/", "../")) or path == ".." else "." if path == "." else f"./{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """The text of a lock, and in words what of the other lock it does not hold."""

    text: str
    notes: tuple[str, ...] = ()


def clone_address(url: str) -> str:
    """The address to clone from. Locks are kept without users in addresses; over ssh, git hosts know one user only."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://git@{rest}" if separator and scheme == "ssh" else url


def left_out(content: Content) -> Iterator[str]:
    """What to do about the projects that no lock can hold."""
    if content.own:
        verb = "are" if len(content.own) > 1 else "is"
        yield f"{named(content.own)} {verb} left out, built from sources: install with `pip install --no-deps`"


def named(names: Iterable[str]) -> str:
    """`a, b and c`, or `a, b, c and 7 more`."""
    found = sorted(set(names))
    shown = found if len(found) <= 4 else [*found[:3], f"{len(found) - 3} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def universal(lock: Lock, request: Request | None, folder: str = ".") -> Content:
    """All that a lock ever installs for `request`, or with extras and groups left open, under markers."""
    return replace(_content(lock, conditions(lock, request)), folder=folder, is_open=request is None)


def for_target(lock: Lock, request: Request, target: Target, words: str, folder: str = ".") -> Content:
    """What a lock installs on one target; markers are left only for what the target does not tell.

    Raises LockError where the lock is not made for the target.
    """
    environment = environment_marker(target)
    if environment is not None and not supports(lock, environment):
        made_for = f"Python {lock.requires_python}" if lock.requires_python else "other environments"
        raise LockError(f"it is made for {made_for}, not for {words}", where=lock.path)
    selection = DependencyGraph.build([lock]).select(target, request)
    if selection.unknown:
        found = conditions(lock, request, within=environment)
    else:
        found = {key: Condition(None, selection.extras.get(key, frozenset())) for key in selection.packages}
    return replace(_content(lock, found), folder=folder, words=words, environment=environment)


def _content(lock: Lock, found: Mapping[PackageId, Condition]) -> Content:
    packages = {package.id: package for package in lock.packages if package.id in found}
    requiring = _requiring(packages.values())
    entries = [
        Entry(package=package, condition=found[key], required_by=tuple(sorted(requiring.get(key, ()))))
        for key, package in packages.items()
        if not is_own(package)
    ]
    return Content(
        lock=lock,
        entries=tuple(sorted(entries, key=lambda entry: _order(entry.package.id))),
        own=tuple(sorted({package.id.name for package in packages.values() if is_own(package)})),
    )


def is_own(package: Package) -> bool:
    """Whether it is a project that the lock was made for, or one of whom only the requirements are installed."""
    return package.is_member or package.id.origin.kind is OriginKind.VIRTUAL


def _order(key: PackageId) -> tuple[str, Version, str, str]:
    """By name and version; what is no version by the rules comes first, in the order of its letters."""
    try:
        version = Version(key.version or "")
    except InvalidVersion:
        version = Version("0.dev0")
    return key.name, version, key.version or "", str(key.origin)


def _requiring(packages: Iterable[Package]) -> Mapping[PackageId, set[str]]:
    found: dict[PackageId, set[str]] = {}
    for package in packages:
        for edge in package.dependencies or ():
            for candidate in edge.candidates:
                if candidate != package.id:
                    found.setdefault(candidate, set()).add(package.id.name)
    return found


def environment_marker(target: Target) -> str | None:
    """Of the Python the minor release, since that is what wheels are for; None where nothing is known."""
    parts = [f"{name} == '{target.markers[name]}'" for name in _TOLD if name in target.markers]
    if "python_version" in target.markers:
        major, minor = target.markers["python_version"].split(".")
        parts = [
            f"python_full_version >= '{major}.{minor}'",
            f"python_full_version < '{major}.{int(minor) + 1}'",
            *parts,
        ]
    return " and ".join(parts) or None
