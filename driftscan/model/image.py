"""An image as files alone tell it: configuration, layers, and what each layer holds.

Paths inside an image are POSIX strings without a leading slash while they are keys of a layer or of the merged root
filesystem (`opt/venv/bin/python`, the root itself is the empty string), decoded from the archive's bytes as UTF-8
with `surrogateescape`, so that any name survives a round trip. Shown to a person or written to a report they get
their leading slash back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from driftscan.model.crowd import Crowd


class EntryKind(IntEnum):
    FILE = 0
    DIRECTORY = 1
    SYMLINK = 2
    HARDLINK = 3
    """Only inside a layer; the merged root filesystem shows the file it links to."""
    OTHER = 4
    """Devices, fifos and sockets; never opened."""


class Entry(NamedTuple):
    """One member of a layer.

    `target` is a symlink's target as written, or a hardlink's target as a normalised path. `size` is in bytes.
    `sha256` (hexadecimal) and `content` are there only for files that were wanted; `elf` is the raw material of the
    native checks, see `driftscan.inventory.elf`.
    """

    kind: EntryKind
    mode: int = 0o644
    size: int = 0
    target: str = ""
    sha256: str | None = None
    content: bytes | None = None
    elf: ElfFacts | None = None


class VersionNeed(NamedTuple):
    """One entry of .gnu.version_r: the library named in NEEDED and a symbol version required of it."""

    library: str
    version: str
    weak: bool


class SymbolFacts(NamedTuple):
    """What the dynamic symbols of a file tell about how it fits to others. All names are sorted.

    `modules` are the Python modules that it is to be imported as (`x` where it exports `PyInit_x`). `python_needs` are
    functions and data of the Python C API that it cannot do without, `python_exports` those that it provides.
    `torch_needs` are the names of torch's C++ symbols that an extension of torch needs; `torch_exports` holds 8-byte
    digests of those that a library of torch itself provides, one after the other. `runtimes` are the numerical
    runtimes that the file contains (`libgomp`, `libomp`, `openblas`, `mkl`, `blis`).
    """

    modules: tuple[str, ...] = ()
    python_needs: tuple[str, ...] = ()
    python_exports: tuple[str, ...] = ()
    torch_needs: tuple[str, ...] = ()
    torch_exports: bytes = b""
    runtimes: tuple[str, ...] = ()


class ElfFacts(NamedTuple):
    """Header, dynamic section and symbols of an ELF file.

    `machine` is e_machine as a number, `bits` 32 or 64, `little_endian` the data encoding. `dynamic_known` is False
    where the dynamic section was damaged or lay outside what was kept: then the fields after it are empty and mean
    nothing. `version_defs` are the symbol versions that a library defines. `symbols` is None where the symbol table is
    missing or was not at hand. `strings` are those that compilers and NumPy's headers leave in extension modules.
    """

    machine: int
    bits: int
    little_endian: bool
    interpreter: str | None = None
    dynamic_known: bool = False
    needed: tuple[str, ...] = ()
    soname: str | None = None
    rpath: str | None = None
    runpath: str | None = None
    version_needs: tuple[VersionNeed, ...] = ()
    version_defs: tuple[str, ...] = ()
    symbols: SymbolFacts | None = None
    strings: tuple[str, ...] = ()


class Keep(NamedTuple):
    """That the content of a file is wanted: at most `limit` bytes of it, passed through `reduce` if that is given.

    A file larger than `limit` is kept without content. `reduce` makes a fact of a large file (the version string
    in a C library) while the layer streams by, so that memory does not hold the file. ELF facts are taken of whatever
    is kept; `hashed` asks for the digest, `strings` for the telling strings of a compiled file.
    """

    limit: int
    reduce: Callable[[bytes], bytes] | None = None
    hashed: bool = True
    strings: bool = False


Wants: TypeAlias = Callable[[str, int], Keep | None]
"""Decides by path and size in bytes whether a file's content is kept."""


@dataclass(frozen=True, slots=True)
class LayerId:
    """A layer as findings name it: 1-based position, diff id (`sha256:...`), and the instruction that made it."""

    index: int
    diff_id: str | None
    created_by: str | None


class Whiteout(NamedTuple):
    """What a layer takes out of lower ones: what is at `path`, or if `opaque` all that is in that directory."""

    path: str
    opaque: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerIndex:
    """What one layer holds: entries by path, and whiteouts in the order in which they stand there.

    Whiteouts apply to lower layers only, whatever stands before or after them; but one may take out the link that leads
    to the place of another.

    Of a layer with very many files, most of those without content and ELF facts are in `crowds` instead of `entries`,
    by folder, later crowds of a folder before earlier ones. An entry of the same path came after them. `late` are the
    paths that got their entry only after files below them had gone into a crowd. `replaced` are those where a symlink
    or a directory was replaced by something else: what was put through it in between went where only that would tell.
    `repeats` says that some path came twice. `by_table` says that the layer's table of contents was believed: what the
    layer is when it is unpacked may be something else.
    """

    entries: Mapping[str, Entry]
    whiteouts: tuple[Whiteout, ...] = ()
    crowds: Mapping[str, tuple[Crowd, ...]] = field(default_factory=lambda: MappingProxyType({}))
    late: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    repeats: bool = False
    by_table: bool = False

    def get(self, path: str) -> Entry | None:
        """What the layer has at `path`."""
        if (entry := self.entries.get(path)) is not None or not self.crowds:
            return entry
        folder, _, name = path.rpartition("/")
        found = (crowd.get(name) for crowd in self.crowds.get(folder, ()))
        return next((entry for entry in found if entry is not None), None)

    @property
    def count(self) -> int:
        """Number of entries, those in crowds included."""
        return len(self.entries) + sum(len(crowd) for crowds in self.crowds.values() for crowd in crowds)


class UsedImage(NamedTuple):
    """An image that a build used: its name without a digest, and the digest (`sha256:...`) that it then had."""

    name: str
    digest: str


class HistoryEntry(NamedTuple):
    created_by: str
    empty_layer: bool = False
    comment: str = ""


def platform_name(os: str, architecture: str, variant: str) -> str:
    """`os/architecture[/variant]`, of what is known of it."""
    return "/".join(part for part in (os, architecture, variant) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The part of an OCI image configuration that driftscan reads (OCI image-spec, config.md)."""

    architecture: str = ""
    os: str = "linux"
    variant: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    working_dir: str = "/"
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    history: tuple[HistoryEntry, ...] = ()
    diff_ids: tuple[str, ...] = ()

    @property
    def platform(self) -> str:
        """`os/architecture[/variant]`."""
        return platform_name(self.os, self.architecture, self.variant)
