"""What an image contains, as its files tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from packaging.tags import Tag
from packaging.utils import NormalizedName

from driftscan.model.image import ElfFacts, ImageConfig, LayerId
from driftscan.model.lock import Hash, Unchecked
from driftscan.model.proof import Contents
from driftscan.model.target import Libc, Target
from driftscan.model.traces import Traces


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python interpreter. `executable` is the absolute path of the real binary after symlinks.

    `version` is the full version (`3.11.2`). `evidence` names the facts that `version` rests on. `api` are the names of
    the C API that it exports to extension modules; None where they could not be read. `linkage` is what it needs
    itself to start; None where that could not be followed.
    """

    executable: str
    implementation: str = "cpython"
    version: str | None = None
    soabi: str | None = None
    gil_disabled: bool = False
    debug: bool = False
    machine: str | None = None
    bits: int | None = None
    libc: Libc | None = None
    stdlib: str | None = None
    evidence: tuple[str, ...] = ()
    api: frozenset[str] | None = None
    linkage: Linkage | None = None


class EnvironmentKind(StrEnum):
    VENV = "venv"
    CONDA = "conda"
    PREFIX = "prefix"
    """An interpreter's own prefix (`/usr/local`, a standalone build, the distribution's `/usr`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A place Python packages are installed in and imported from together.

    `path` is the prefix, absolute. `search_path` are the directories that it imports from, in order, absolute:
    its own first, then what it inherits (system site packages, user site, `.pth`). `target` is the marker
    environment and tags of its interpreter. `distributions` are all that are importable, in path order.
    """

    path: str
    kind: EnvironmentKind
    interpreter: Interpreter
    target: Target
    search_path: tuple[str, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    conda: tuple[CondaPackage, ...] = ()
    natives: tuple[Native, ...] = ()
    problems: tuple[FileProblem, ...] = ()
    cuda: tuple[CudaBuild, ...] = ()
    chosen_because: str | None = None
    unchecked: tuple[Unchecked, ...] = ()


class DirectUrl(NamedTuple):
    """direct_url.json (PEP 610). `kind` is `vcs`, `archive` or `dir`. The URL is without credentials."""

    url: str
    kind: str
    commit: str | None = None
    requested_revision: str | None = None
    editable: bool = False
    hashes: tuple[Hash, ...] = ()
    subdirectory: str | None = None


class WheelFacts(NamedTuple):
    """The WHEEL file: expanded tags, build tag as written (empty: none), purelib flag."""

    tags: frozenset[Tag]
    build: str = ""
    root_is_purelib: bool = True


class DistributionForm(StrEnum):
    DIST_INFO = "dist-info"
    EGG_INFO = "egg-info"
    EGG_LINK = "egg-link"
    LISTED = "listed"
    """Named in a bill of materials: whatever describes it is not at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One installed distribution.

    `path` is the absolute path of its dist-info or egg-info; `site` the directory of the search path that holds it.
    `owner` names the OS package that owns it (`python3-yaml`), None where none does. `shadowed_by` is the path of
    the distribution of the same project that is imported instead. `has_record` is False where nothing lists its
    files; `record_files` counts the listed ones. `requires` are METADATA's Requires-Dist lines as written. `layer`
    is the one that wrote METADATA last.
    """

    name: NormalizedName
    version: str
    path: str
    site: str
    form: DistributionForm = DistributionForm.DIST_INFO
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    provides_extras: frozenset[str] = frozenset()
    installer: str | None = None
    requested: bool | None = None
    direct_url: DirectUrl | None = None
    wheel: WheelFacts | None = None
    built_on_the_spot: str | None = None
    """Why it is known that this build was made on the spot and not downloaded as a wheel; None: no sign of it."""
    has_record: bool = False
    record_files: int = 0
    owner: str | None = None
    shadowed_by: str | None = None
    conda_name: str | None = None
    """Name of the conda package that installed it, where one did."""
    layer: LayerId | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else than a Python installer answers for its files: the operating system, or conda."""
        return self.owner is not None or self.conda_name is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPackage:
    """One file of conda-meta: a conda package installed into a prefix."""

    name: str
    version: str
    build: str
    channel: str
    subdir: str
    filename: str
    url: str
    path: str
    md5: str | None = None
    sha256: str | None = None
    depends: tuple[str, ...] = ()
    layer: LayerId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OsPackage:
    """A package of the operating system's package manager (`dpkg`, `apk`, `rpm`).

    `layer` is the one that installed it last; None where the manager keeps all packages in one file.
    """

    name: str
    version: str
    manager: str
    layer: LayerId | None = None


class Library(NamedTuple):
    """A shared library that a module leads to: its name, where it was found (None: nowhere), and what needs it.

    `removed_by` is the layer that took it out of the image, where one did.
    """

    name: str
    path: str | None
    needed_by: str
    removed_by: LayerId | None = None


class MissingVersion(NamedTuple):
    """A symbol version that the file `needed_by` asks of `library`, and that the one at `path` does not define."""

    library: str
    path: str
    version: str
    needed_by: str


class Linkage(NamedTuple):
    """What the dynamic loader has to find for an interpreter; for a module, beside what its interpreter has loaded."""

    libraries: tuple[Library, ...] = ()
    missing_versions: tuple[MissingVersion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """A compiled file that belongs to a distribution: absolute path, owner, and what its ELF headers say.

    `is_module` tells that it is an extension module whose file name the environment's interpreter accepts; `linkage` is
    there for those, as far as it could be followed.
    """

    path: str
    distribution: str
    """Path of the distribution that owns it."""
    elf: ElfFacts
    layer: LayerId | None = None
    is_module: bool = False
    linkage: Linkage | None = None


class FileProblemKind(StrEnum):
    MODIFIED = "modified"
    MISSING = "missing"
    UNOWNED = "unowned"
    STRANDED = "stranded"
    """A script whose interpreter, named in its first line, is not in the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem:
    """A difference between RECORD and the image. `layer` is the one that changed, removed or added the file.

    `expected` and `actual` are digests; for a stranded script `expected` is the path of its interpreter.
    """

    kind: FileProblemKind
    path: str
    distribution: str | None = None
    """Path of the distribution whose RECORD lists the file; None for unowned files."""
    expected: str | None = None
    actual: str | None = None
    layer: LayerId | None = None


class CudaBuild(NamedTuple):
    """A distribution that is built for a CUDA version (`12.4`, or only `12`), and what tells so."""

    distribution: NormalizedName
    version: str
    cuda: str
    evidence: str


class Cuda(NamedTuple):
    """Of the image as a whole: the installed toolkit's version, and what its variables declare (`CUDA_VERSION`,
    `NVIDIA_REQUIRE_CUDA`)."""

    toolkit: str | None = None
    declared: str | None = None
    driver_requirement: str | None = None


class Leftover(NamedTuple):
    """Python metadata that is in the image but does not count as installed, and why (vendored, cache, stale)."""

    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything that was found in one image. `default` indexes `environments`; None where there is none.

    `contents` are the files of distributions by the path of their metadata, empty unless they were asked for.
    """

    config: ImageConfig
    layers: tuple[LayerId, ...] = ()
    os_name: str | None = None
    environments: tuple[Environment, ...] = ()
    default: int | None = None
    os_packages: tuple[OsPackage, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    cuda: Cuda = Cuda()  # noqa: RUF009  # immutable
    unchecked: tuple[Unchecked, ...] = ()
    traces: Traces | None = None
    """How its layers were made; None unless it was asked for."""
    contents: Mapping[str, Contents] = field(default_factory=lambda: MappingProxyType({}), repr=False)
