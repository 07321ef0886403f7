"""Commands of the operating systems' package managers: apt, apk, dnf, microdnf and yum."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from driftscan.dockerfile.shell import SimpleCommand, Word, unwrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """A package manager: where it leaves lists and downloads, and how versions are written."""

    name: str
    programs: frozenset[str]
    caches: tuple[str, ...]
    installing: frozenset[str]
    updating: frozenset[str]
    pinned: re.Pattern[str]
    valued: frozenset[str]
    cleaning: str
    """What takes its lists away again, as a part of the same RUN."""


APT = Manager(
    name="apt",
    programs=frozenset({"apt-get", "apt", "aptitude"}),
    caches=("/var/lib/apt/lists", "/var/cache/apt"),
    installing=frozenset({"install", "upgrade", "dist-upgrade", "full-upgrade", "satisfy", "build-dep"}),
    updating=frozenset({"update"}),
    pinned=re.compile(r"[^=]+=[^=*]+"),
    valued=frozenset({"-o", "--option", "-t", "--target-release", "-c", "--config-file", "-S", "--snapshot", "-a"}),
    cleaning="rm -rf /var/lib/apt/lists/*",
)
APK = Manager(
    name="apk",
    programs=frozenset({"apk"}),
    caches=("/var/cache/apk", "/etc/apk/cache"),
    installing=frozenset({"add", "upgrade"}),
    updating=frozenset({"update"}),
    pinned=re.compile(r"[^=~<>]+(?:=|~=|~)[^=]+"),
    valued=frozenset(
        {"-t", "--virtual", "-X", "--repository", "--repositories-file", "-p", "--root", "--arch", "--cache-dir"}
    ),
    cleaning="apk add --no-cache",
)
DNF = Manager(
    name="dnf",
    programs=frozenset({"dnf", "microdnf", "yum", "dnf5", "tdnf"}),
    caches=("/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"),
    installing=frozenset({"install", "update", "upgrade", "localinstall", "groupinstall", "distro-sync"}),
    updating=frozenset({"makecache", "check-update"}),
    pinned=re.compile(r".+-(?:\d+:)?\d[^-]*-[^-]+"),
    valued=frozenset(
        {
            "-c",
            "--config",
            "-x",
            "--exclude",
            "--releasever",
            "--setopt",
            "--installroot",
            "--repo",
            "--enablerepo",
            "--disablerepo",
            "--forcearch",
        }
    ),
    cleaning="dnf clean all",
)
MANAGERS = (APT, APK, DNF)
_PROGRAMS: Mapping[str, Manager] = MappingProxyType({name: each for each in MANAGERS for name in each.programs})
_SNAPSHOT = re.compile(r"snapshot\.(?:debian\.org|ubuntu\.com)|\bAPT::Snapshot\b|/snapshot/|(?:^|\s)--snapshot\b")
_EVERYTHING = frozenset({"upgrade", "dist-upgrade", "full-upgrade", "update", "distro-sync"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One use of a package manager. `packages` are those that it installs; `all_packages` tells that it takes whatever
    is newest of everything that is there.
    """

    manager: Manager
    verb: str
    packages: tuple[Word, ...] = ()
    keeps_nothing: bool = False

    @property
    def installs(self) -> bool:
        return self.verb in self.manager.installing

    @property
    def updates(self) -> bool:
        return self.verb in self.manager.updating

    @property
    def all_packages(self) -> bool:
        return self.verb in _EVERYTHING and not self.packages

    @property
    def floating(self) -> tuple[str, ...]:
        """Packages without a version."""
        return tuple(word.text for word in self.packages if self._is_known(word) and not self._is_pinned(word.text))

    @property
    def unread(self) -> tuple[str, ...]:
        """Words that only a build knows, aside from those whose name is known and whose version is a variable."""
        return tuple(word.text for word in self.packages if not self._is_known(word) and not self._is_pinned(word.text))

    @staticmethod
    def _is_known(word: Word) -> bool:
        """Patterns (`a=1.*`) are the package manager's to match, and known."""
        return word.is_literal or not any(mark in word.text for mark in "$`")

    def _is_pinned(self, text: str) -> bool:
        is_file = "/" in text and text.endswith((".deb", ".apk", ".rpm"))
        return is_file or text.startswith(".") or bool(self.manager.pinned.fullmatch(text))


def use_of(command: SimpleCommand) -> Use | None:
    """How a command uses a package manager; None for others, and for `clean`, `remove` and their like."""
    command = unwrapped(command)
    manager = _PROGRAMS.get(command.name)
    if manager is None:
        return None
    plain: list[Word] = []
    options: set[str] = set()
    following = iter(command.arguments)
    for word in following:
        option, sign, _ = word.text.partition("=")
        if word.text.startswith("-"):
            options.add(option)
            if option in manager.valued and not sign:
                next(following, None)
        else:
            plain.append(word)
    if not plain or not plain[0].is_literal:
        return None
    keeps_nothing = manager is APK and "--no-cache" in options
    return Use(manager=manager, verb=plain[0].text, packages=tuple(plain[1:]), keeps_nothing=keeps_nothing)


def cleans(command: SimpleCommand, manager: Manager) -> bool:
    """Whether a command takes away what the manager leaves."""
    command = unwrapped(command)
    if command.name in manager.programs and any(word.text == "clean" for word in command.arguments):
        # `apt-get clean` leaves the lists.
        return manager is not APT
    if command.name == "find":
        return any(_is_below(word.text, manager) for word in command.arguments) and "-delete" in str(command)
    return command.name == "rm" and any(_is_below(word.text, manager) for word in command.arguments)


def _is_below(path: str, manager: Manager) -> bool:
    """Whether removing `path` removes the lists: they, all in them, or a folder above."""
    bare = path.rstrip("/*").rstrip("/")
    first = manager.caches[0]
    return any(bare == cache for cache in manager.caches if manager is not APT) or (
        bool(bare) and path.startswith("/") and (first == bare or first.startswith(f"{bare}/"))
    )


def is_mounted(manager: Manager, targets: Sequence[str]) -> bool:
    """Whether what the manager keeps goes into mounts that are no part of the layer."""
    first = manager.caches[0]
    return any(first == target.rstrip("/") or first.startswith(f"{target.rstrip('/')}/") for target in targets) or (
        manager is not APT and any(target.rstrip("/") in manager.caches for target in targets)
    )


def names_snapshot(text: str) -> bool:
    """Whether a text sets a snapshot of a distribution as the source of packages."""
    return bool(_SNAPSHOT.search(text))
