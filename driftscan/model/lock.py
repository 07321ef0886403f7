"""What a lock file says, whatever its format.

A lock is a set of packages and the dependency edges between them. Universal locks hold several versions of one
project, so nothing here is keyed by name alone: the key is `PackageId`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from packaging.utils import NormalizedName


class OriginKind(StrEnum):
    """Kind of place that a package comes from."""

    INDEX = "index"
    URL = "url"
    VCS = "vcs"
    PATH = "path"
    """A local archive (wheel or source distribution)."""
    DIRECTORY = "directory"
    EDITABLE = "editable"
    VIRTUAL = "virtual"
    """A project that is never installed itself; only its dependencies are (uv's `virtual`)."""
    CONDA = "conda"


class Origin(NamedTuple):
    """Where a package comes from.

    `location` is the normalised index, archive, repository or channel URL, or a path relative to the lock; the
    empty string stands for the default index. It never holds credentials. `commit` is the resolved revision of a
    VCS origin, `reference` the branch or tag that was asked for. `subdirectory` is the folder in an archive or
    repository, or that of a conda channel (`linux-64`); `build` is the build string of a conda package. Conda needs
    both to tell one package from another: a version has builds for several platforms and variants.
    """

    kind: OriginKind = OriginKind.INDEX
    location: str = ""
    commit: str | None = None
    reference: str | None = None
    subdirectory: str | None = None
    build: str | None = None


class PackageId(NamedTuple):
    """Key of a package in every graph. `version` is None where the lock gives none (VCS, directories)."""

    name: NormalizedName
    version: str | None
    origin: Origin = Origin()

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else str(self.name)


STRONG = ("sha256", "sha384", "sha512")
"""Hash algorithms that identify a file, and that installers accept; the usual one first."""


class Hash(NamedTuple):
    """A digest of a file: lower-case algorithm name as in hashlib, lower-case hexadecimal digest."""

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file that the lock allows to be installed for a package.

    `filename` is the wheel's or sdist's name, or None where the format gives only hashes (requirements.txt,
    Pipfile.lock): then `hashes` are alternatives for unknown files. `url` is an address, or a path relative to the
    lock. `size` is in bytes.
    """

    filename: str | None = None
    url: str | None = None
    hashes: tuple[Hash, ...] = ()
    size: int | None = None


class ScopeKind(StrEnum):
    PRODUCTION = "production"
    EXTRA = "extra"
    GROUP = "group"


class Scope(NamedTuple):
    """The part of a project that an edge belongs to: always, with one extra, or with one dependency group."""

    kind: ScopeKind = ScopeKind.PRODUCTION
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """An edge: from the package that holds it (or from the lock's root) to `name`.

    `candidates` are the packages of this lock that the edge can mean; the parser narrows them by version and
    source as far as the lock tells, to exactly one wherever the format does. Empty: the lock does not contain what
    this edge requires (see LK102). `marker` is a PEP 508 marker, possibly with the `extras` and
    `dependency_groups` variables of PEP 751. `line` is 1-based.
    """

    name: NormalizedName
    specifier: str = ""
    extras: frozenset[str] = frozenset()
    marker: str | None = None
    scope: Scope = Scope()  # noqa: RUF009  # immutable
    candidates: tuple[PackageId, ...] = ()
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One locked package.

    `pinned` is False where the entry admits more than one version (`a>=1`, `a==1.*`, a name without a version);
    such an entry keeps its specifier in `specifier`. `dependencies` is None where the format records no edges.
    `is_member` marks the projects that the lock was made for (workspace members, the project itself).
    """

    id: PackageId
    pinned: bool = True
    specifier: str = ""
    artifacts: tuple[Artifact, ...] = ()
    dependencies: tuple[Dependency, ...] | None = None
    requires_python: str | None = None
    is_member: bool = False
    conda: CondaBuild | None = None
    path: str | None = None
    """The file that holds the entry, where it is not the lock's own (`-r` includes)."""
    line: int | None = None
    notes: tuple[Note, ...] = ()


class CondaBuild(NamedTuple):
    """Identity of a conda package beside name and version."""

    build: str
    channel: str
    subdir: str
    filename: str


class NoteKind(StrEnum):
    """Something a parser saw that a rule reports later."""

    ORPHANED_HASH = "orphaned-hash"
    """A `--hash` cut off from its requirement by a comment inside a continuation; pip ignores it."""
    UNPINNED_VCS = "unpinned-vcs"
    URL_WITHOUT_HASH = "url-without-hash"
    LOCAL_SOURCE = "local-source"


class Note(NamedTuple):
    kind: NoteKind
    text: str
    line: int | None = None


class SelectionMode(StrEnum):
    """How an installer turns the lock into a set of packages.

    FLAT: every package has a root edge that says when it is installed, and edges between packages explain but do
    not select (requirements.txt, poetry 2.1, pylock, conda). WALK: root edges name the projects, and packages are
    reached over the edges (uv, poetry before 2.1).
    """

    FLAT = "flat"
    WALK = "walk"


class Unchecked(NamedTuple):
    """Something that could not be determined: what, why, and so what would settle it."""

    what: str
    why: str


class Index(NamedTuple):
    """A package index that a lock names, without credentials. `line` is 1-based.

    `is_trusted` says that the installer was told to accept it without a verified TLS connection.
    """

    location: str
    line: int | None = None
    is_trusted: bool = False


class Choice(NamedTuple):
    """An extra or a group of one project, or (production scope) the project itself, in a set of which only one can
    be installed at a time."""

    package: NormalizedName
    scope: Scope


class Difference(NamedTuple):
    """One way in which a lock no longer satisfies what it was made from; `line` is 1-based, in that file."""

    text: str
    package: NormalizedName | None = None
    line: int | None = None


class LockSource(NamedTuple):
    """A file that a lock was made from, and what in it the lock no longer satisfies (nothing: it is up to date).

    `evidence` says in words what that is known from (`its content hash`, `the requirements that the lock records`).
    """

    path: str
    evidence: str
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A parsed lock. `path` is as the user named it; `sha256` is of the file's bytes, hexadecimal."""

    path: str
    format: str
    sha256: str
    mode: SelectionMode
    packages: tuple[Package, ...]
    roots: tuple[Dependency, ...]
    requires_python: str | None = None
    environments: tuple[str, ...] = ()
    """Markers of the environments that the lock supports; empty: all."""
    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    default_groups: frozenset[str] = frozenset()
    exclusive_groups: bool = False
    """Whether groups are alternatives (environments of a pixi workspace): to ask for some replaces the default."""
    conflicts: tuple[frozenset[Choice], ...] = ()
    """Sets of which at most one can be asked for at a time (uv's `conflicts`)."""
    indexes: tuple[Index, ...] = ()
    """Indexes that may supply any package that names none of its own, where the lock says which."""
    sources: tuple[LockSource, ...] = ()
    """Files beside the lock that it was made from, as far as they are there and can be judged without resolving."""
    constraints: Mapping[NormalizedName, str] = field(default_factory=lambda: MappingProxyType({}))
    """Versions that projects get which something requires and no entry names (pins of `-c` files)."""
    overrides: frozenset[NormalizedName] = frozenset()
    """Projects whose requirements the lock's author has overridden: contradictions about them are wanted."""
    project_name: NormalizedName | None = None
    """Name of the project the lock was made for, where it is known; its own installation is expected."""
    hashes_required: bool = True
    """False where the format or its options do not make the installer insist on hashes."""
    unchecked: tuple[Unchecked, ...] = ()
    notes: tuple[Note, ...] = field(default=())


class Request(NamedTuple):
    """Which part of a lock is meant. `packages` limits a workspace to these members (empty: the default ones)."""

    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    default_groups: bool = True
    all_extras: bool = False
    packages: frozenset[NormalizedName] = frozenset()
