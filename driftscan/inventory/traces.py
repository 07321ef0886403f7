"""What each layer brings, changes and leaves behind: facts for the reproducibility practices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from driftscan.inventory import execution, uninstalled
from driftscan.inventory.paths import child, name, shown
from driftscan.model.image import Entry, EntryKind, ImageConfig, LayerId, LayerIndex
from driftscan.model.inventory import Environment
from driftscan.model.traces import CodeLayer, FoundLock, Removed, Traces, Waste
from driftscan.rootfs import RootFS

_WASTE = (
    ("var/lib/apt/lists/", "the package lists of apt"),
    ("var/cache/apt/", "downloads of apt"),
    ("var/cache/apk/", "the package lists of apk"),
    ("etc/apk/cache/", "downloads of apk"),
    ("var/cache/dnf/", "package lists and downloads of dnf"),
    ("var/cache/libdnf5/", "package lists and downloads of dnf"),
    ("var/cache/yum/", "package lists and downloads of yum"),
    (".cache/pip/", "downloads of pip"),
    (".cache/uv/", "the cache of uv"),
    (".cache/pypoetry/", "the cache of Poetry"),
    (".cache/pdm/", "the cache of PDM"),
    (".cache/pipenv/", "the cache of pipenv"),
    (".cache/rattler/", "the cache of pixi"),
)
_IS_WASTE = re.compile(
    "|".join(("(?:.*/)?" if folder.startswith(".") else "") + re.escape(folder) for folder, _ in _WASTE)
)
_MAY_BE_WASTE = ("cache/", "var/lib/apt/lists/")
"""One of these is in every path that `_IS_WASTE` matches, and is looked for much faster."""
_NO_WASTE = frozenset({"lock", ".lock", "CACHEDIR.TAG", ".gitignore", "lastUpdate"})
_DATABASES = frozenset(
    {"var/lib/dpkg/status", "lib/apk/db/installed", "usr/lib/apk/db/installed"}
    | {"var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages", "usr/lib/sysimage/rpm/rpmdb.sqlite"}
)
_SOURCES = re.compile(r"etc/apt/sources\.list(?:\.d/[^/]+)?|etc/apk/repositories|etc/yum\.repos\.d/[^/]+")
_LOCK_ENDINGS = (".txt", ".lock", ".toml")
_LOCK = re.compile(
    r"[^/]*requirements[^/]*\.txt|(?:uv|poetry|pdm|pixi|Pipfile)\.lock|pylock[^/]*\.toml|[^/]*conda[^/]*lock[^/]*|[^/]+\.lock"
)
_SITE = re.compile(r"(?:.*/)?(?:site|dist)-packages/|(?:usr/)?lib/python3|usr/share/")
_LEAST_REMOVED = 1 << 20
"""Bytes below which what a layer ships in vain is not worth a word: databases change with every package."""


def read(
    rootfs: RootFS,
    indexes: Sequence[LayerIndex],
    layers: Sequence[LayerId],
    config: ImageConfig,
    environment: Environment | None,
) -> Traces:
    """`indexes` are the layers that `rootfs` was merged from, named by `layers`; `environment` is the one that runs."""
    pairs = tuple(zip(indexes, layers, strict=False))
    waste: list[Waste] = []
    removed: list[Removed] = []
    locks: list[FoundLock] = []
    code: list[CodeLayer] = []
    for position, (index, layer) in enumerate(pairs):
        files = _Files(index)
        waste += _waste(files, layer)
        removed += _removed(rootfs, position, files, layer)
        locks += _locks(rootfs, position, files, layer)
        code += _code(files, layer)
    return Traces(
        waste=tuple(waste),
        removed=tuple(removed),
        package_layers=tuple(layer for index, layer in pairs if any(map(index.get, _DATABASES))),
        sources=tuple(_sources(rootfs, indexes)),
        locks=tuple(locks),
        code=tuple(code),
        uninstalled=uninstalled.read(rootfs, indexes, layers),
        execution=execution.follow(rootfs, config, environment),
    )


class _Files:
    """The files of a layer, as often as they are asked for. Those of crowds are never all in memory."""

    def __init__(self, index: LayerIndex) -> None:
        self._own = [item for item in index.entries.items() if item[1].kind is EntryKind.FILE]
        self._crowds = index.crowds

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        return chain(self._own, self._crowded())

    def _crowded(self) -> Iterator[tuple[str, Entry]]:
        for folder, crowds in self._crowds.items():
            yield from ((child(folder, each), entry) for crowd in crowds for each, entry in crowd.items())


def _waste(files: _Files, layer: LayerId) -> Iterator[Waste]:
    found: dict[tuple[str, str], list[int]] = {}
    first, second = _MAY_BE_WASTE
    for path, entry in files:
        if first not in path and second not in path:
            continue
        match = _IS_WASTE.match(path)
        if match is not None and entry.size and name(path) not in _NO_WASTE:
            kind = next(kind for folder, kind in _WASTE if match[0].endswith(folder))
            found.setdefault((kind, match[0].rstrip("/")), []).append(entry.size)
    for (kind, folder), sizes in sorted(found.items()):
        yield Waste(kind, shown(folder), layer, len(sizes), sum(sizes))


def _removed(rootfs: RootFS, position: int, files: _Files, layer: LayerId) -> Iterator[Removed]:
    """Files of a layer that are not what the image shows in the end."""
    count, size, example, largest = 0, 0, "", -1
    for path, entry in files:
        if not entry.size or ((node := rootfs.lookup(path)) is not None and node.layer == position):
            continue
        count += 1
        size += entry.size
        if entry.size > largest:
            example, largest = path, entry.size
    if size >= _LEAST_REMOVED:
        yield Removed(layer, count, size, shown(example))


def _sources(rootfs: RootFS, indexes: Sequence[LayerIndex]) -> Iterator[str]:
    paths = {
        path for index in indexes for path in index.entries if path.startswith("etc/") and _SOURCES.fullmatch(path)
    }
    for path in sorted(paths):
        data = rootfs.read(path)
        if data is not None:
            yield data.decode("utf-8", "replace")


def _locks(rootfs: RootFS, position: int, files: _Files, layer: LayerId) -> Iterator[FoundLock]:
    for path, entry in files:
        if entry.sha256 is None or not (path.endswith(_LOCK_ENDINGS) or "conda" in path):
            continue
        if _SITE.match(path) or not _LOCK.fullmatch(name(path)):
            continue
        node = rootfs.lookup(path)
        if node is not None and node.layer == position:
            yield FoundLock(shown(path), entry.sha256, entry.content, layer)


def _code(files: _Files, layer: LayerId) -> Iterator[CodeLayer]:
    """What COPY or ADD of the build context brings beside manifests: modules outside of where packages live."""
    text = layer.created_by or ""
    if not text.startswith(("COPY", "ADD")) or "--from" in text:
        return
    found = [
        path
        for path, _ in files
        if path.endswith(".py")
        and name(path) not in ("setup.py", "version.py", "_version.py")
        and not _SITE.match(path)
    ]
    if found:
        yield CodeLayer(layer, shown(min(found)))
