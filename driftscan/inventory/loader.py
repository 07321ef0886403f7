"""Which file a shared library's name means inside an image, as its dynamic loader would find it.

glibc's order (ld.so(8)): DT_RPATH of the file and of those that loaded it, where it has no DT_RUNPATH;
LD_LIBRARY_PATH; DT_RUNPATH; /etc/ld.so.cache; the directories compiled into the loader. musl's: LD_LIBRARY_PATH, the
paths of either kind of the file and of those that loaded it, /etc/ld-musl-ARCH.path or its default.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import join, normpath
from typing import NamedTuple

from driftscan.elf import ldcache
from driftscan.inventory.distributions import Context
from driftscan.inventory.paths import parent, shown
from driftscan.model.image import ElfFacts, EntryKind, LayerId
from driftscan.model.inventory import Library, Linkage, MissingVersion
from driftscan.rootfs import Node, RootFS

_TRIPLETS = {
    "x86_64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "armv7l": "arm-linux-gnueabihf",
    "i686": "i386-linux-gnu",
    "ppc64le": "powerpc64le-linux-gnu",
    "s390x": "s390x-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
}
_MUSL_DEFAULT = ("lib", "usr/local/lib", "usr/lib")
_MUSL_OWN = ("libc", "libpthread", "librt", "libm", "libdl", "libutil", "libxnet")
"""Names that musl's loader answers to itself, whatever follows them."""
_MOST = 2000
"""Libraries that one module can lead to; ordinary ones lead to some dozen."""


class File(NamedTuple):
    """A file that is loaded: its real path in the image, what is known of it, and the folder that it was found in, from
    which links may lead to the path.
    """

    path: str
    elf: ElfFacts | None
    folder: str


class Executable(NamedTuple):
    """The program that loads: its file, and what C library it runs on (`glibc` or `musl`)."""

    file: File
    family: str
    machine: str | None


class _Item(NamedTuple):
    file: File
    inherited: tuple[str, ...]
    """Directories that those that loaded it hand down."""


class Loader:
    """The dynamic loader of one executable in an image, with the LD_LIBRARY_PATH that the image sets."""

    def __init__(self, context: Context, executable: Executable, library_path: str) -> None:
        self._context = context
        self._rootfs = context.rootfs
        self.executable = executable
        self._musl = executable.family == "musl"
        self._library_path = [part for part in library_path.replace(";", ":").split(":") if part.startswith("/")]
        self._cache: Mapping[str, Sequence[str]] = {} if self._musl else _cached(context.rootfs)
        self._defaults = self._default_folders()
        self._known: dict[tuple[str, ...], File | None] = {}
        self._removed: dict[str, LayerId] = {}
        """Libraries that were looked for in vain, and the layers that took them away."""
        versions: dict[MissingVersion, None] = {}
        self.own, needed_by = self._closure(executable.file, {}, versions)
        """What the executable itself loads, by name: everything after it finds these already there."""
        self.own_linkage = self._linkage(self.own, needed_by, versions)

    def linkage(self, module: File) -> Linkage:
        """What the extension `module` makes the loader look for, and what is not there."""
        versions: dict[MissingVersion, None] = {}
        found, needed_by = self._closure(module, self.own, versions)
        return self._linkage(found, needed_by, versions)

    def _linkage(
        self, found: Mapping[str, File | None], needed_by: Mapping[str, str], versions: Iterable[MissingVersion]
    ) -> Linkage:
        libraries = tuple(
            Library(
                name, shown(file.path) if file is not None else None, shown(needed_by[name]), self._removed.get(name)
            )
            for name, file in found.items()
            if name in needed_by
        )
        return Linkage(libraries=libraries, missing_versions=tuple(versions))

    def _closure(
        self, start: File, loaded: Mapping[str, File | None], versions: dict[MissingVersion, None]
    ) -> tuple[dict[str, File | None], dict[str, str]]:
        """Breadth first, as the loader does; a library is loaded once by whatever name it was asked for."""
        found = dict(loaded)
        needed_by: dict[str, str] = {}
        pending = deque([_Item(start, self._rpath(self.executable.file) if start != self.executable.file else ())])
        while pending and len(found) < _MOST:
            item = pending.popleft()
            if item.file.elf is None:
                continue
            for name in item.file.elf.needed:
                if name not in found:
                    file = self._find(name, item)
                    found[name] = file
                    needed_by[name] = item.file.path
                    if file is not None:
                        pending.append(_Item(file, (*self._rpath(item.file), *item.inherited)))
            versions.update(dict.fromkeys(_missing_versions(item.file, found)))
        return found, needed_by

    def _find(self, name: str, item: _Item) -> File | None:
        if "/" in name:
            return self._at(_expanded(name, item.file.folder, self.executable.machine))
        if self._musl and name.partition(".")[0] in _MUSL_OWN:
            own = self.executable.file.elf
            return File((own.interpreter if own is not None else None) or "", None, "")
        key = (name, item.file.folder, item.file.path, *item.inherited)
        if key not in self._known:
            places = [
                *(f"{folder}/{name}" for folder in self._folders(item)),
                *self._cache.get(name, ()),
                *(f"{folder}/{name}" for folder in self._defaults),
            ]
            self._known[key] = next(filter(None, map(self._at, places)), None)
            if self._known[key] is None and (layer := self._remover(places)) is not None:
                self._removed[name] = layer
        return self._known[key]

    def _remover(self, places: Iterable[str]) -> LayerId | None:
        """The layer that took away what was at one of `places`, or what a link there leads to."""
        for place in map(normpath, places):
            node = self._rootfs.lookup(place)
            if node is not None and node.entry.kind is EntryKind.SYMLINK:
                place = normpath(join("/", parent(node.path), node.entry.target))
            if (number := self._rootfs.removed_by(place)) is not None:
                return self._context.layer(number)
        return None

    def _folders(self, item: _Item) -> Iterator[str]:
        own = self._rpath(item.file)
        runpath = self._split(item.file.elf.runpath if item.file.elf else None, item.file.folder)
        if self._musl:
            yield from (*self._library_path, *own, *runpath, *item.inherited)
            return
        if not runpath:
            yield from (*own, *item.inherited)
        yield from (*self._library_path, *runpath)

    def _rpath(self, file: File) -> tuple[str, ...]:
        """What a file hands down: its DT_RPATH, which is ignored where it has a DT_RUNPATH; in musl, either."""
        if file.elf is None or (file.elf.runpath and not self._musl):
            return ()
        return self._split(file.elf.rpath or (file.elf.runpath if self._musl else None), file.folder)

    def _split(self, paths: str | None, origin: str) -> tuple[str, ...]:
        parts = (_expanded(part, origin, self.executable.machine) for part in (paths or "").split(":") if part)
        return tuple(part for part in parts if part.startswith("/"))

    def _at(self, path: str) -> File | None:
        """The library at `path`, if it is one for this machine: the loader passes over others."""
        node = self._rootfs.get(path)
        if node is None or node.entry.kind is not EntryKind.FILE or not self._fits(node):
            return None
        return File(node.path, node.entry.elf, parent(normpath(path).strip("/")))

    def _fits(self, node: Node) -> bool:
        elf, own = node.entry.elf, self.executable.file.elf
        return elf is None or own is None or (elf.machine, elf.bits) == (own.machine, own.bits)

    def _default_folders(self) -> tuple[str, ...]:
        if self._musl:
            text = self._rootfs.read(f"etc/ld-musl-{self.executable.machine}.path")
            named = (text or b"").decode("utf-8", "surrogateescape").replace("\n", ":").split(":")
            return tuple(filter(None, named)) or _MUSL_DEFAULT
        triplet = _TRIPLETS.get(self.executable.machine or "")
        multiarch = (f"lib/{triplet}", f"usr/lib/{triplet}") if triplet else ()
        return (*multiarch, "lib64", "usr/lib64", "lib", "usr/lib")


def _cached(rootfs: RootFS) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for name, path in ldcache.read(rootfs.read("etc/ld.so.cache") or b""):
        found.setdefault(name, []).append(path)
    return found


def _expanded(text: str, origin: str, machine: str | None) -> str:
    """`$ORIGIN` is the folder of the file that the path stands in (ld.so(8), rpath token expansion)."""
    if "$" not in text:
        return text
    library = f"lib/{_TRIPLETS[machine]}" if machine in _TRIPLETS else "lib64"
    for token, value in (("ORIGIN", f"/{origin}"), ("LIB", library), ("PLATFORM", machine or "")):
        text = text.replace(f"${{{token}}}", value).replace(f"${token}", value)
    return text


def _missing_versions(file: File, found: Mapping[str, File | None]) -> Iterator[MissingVersion]:
    """Symbol versions that `file` cannot do without and that the library which resolves does not define.

    A library that defines no versions at all satisfies any.
    """
    for need in file.elf.version_needs if file.elf is not None else ():
        library = found.get(need.library)
        if need.weak or library is None or library.elf is None or not library.elf.version_defs:
            continue
        if need.version not in library.elf.version_defs:
            yield MissingVersion(need.library, shown(library.path), need.version, shown(file.path))
