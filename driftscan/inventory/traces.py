"""What each layer brings, changes and leaves behind: facts for the reproducibility practices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from driftscan.inventory import execution
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
_NO_WASTE = frozenset({"lock", ".lock", "CACHEDIR.TAG", ".gitignore", "lastUpdate"})
_DATABASES = frozenset(
    {"var/lib/dpkg/status", "lib/apk/db/installed", "usr/lib/apk/db/installed"}
    | {"var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages", "usr/lib/sysimage/rpm/rpmdb.sqlite"}
)
_SOURCES = re.compile(r"etc/apt/sources\.list(?:\.d/[^/]+)?|etc/apk/repositories|etc/yum\.repos\.d/[^/]+")
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
    return Traces(
        waste=tuple(waste for index, layer in pairs for waste in _waste(index, layer)),
        removed=tuple(
            removed
            for position, (index, layer) in enumerate(pairs)
            if (removed := _removed(rootfs, position, index, layer)) is not None
        ),
        package_layers=tuple(layer for index, layer in pairs if any(map(index.get, _DATABASES))),
        sources=tuple(_sources(rootfs, indexes)),
        locks=tuple(
            lock for position, (index, layer) in enumerate(pairs) for lock in _locks(rootfs, position, index, layer)
        ),
        code=tuple(code for index, layer in pairs if (code := _code(index, layer)) is not None),
        execution=execution.follow(rootfs, config, environment),
    )


def _files(index: LayerIndex) -> Iterator[tuple[str, Entry]]:
    yield from ((path, entry) for path, entry in index.entries.items() if entry.kind is EntryKind.FILE)
    for folder, crowds in index.crowds.items():
        yield from ((child(folder, each), entry) for crowd in crowds for each, entry in crowd.items())


def _waste(index: LayerIndex, layer: LayerId) -> Iterator[Waste]:
    found: dict[tuple[str, str], list[int]] = {}
    for path, entry in _files(index):
        match = _IS_WASTE.match(path)
        if match is not None and entry.size and name(path) not in _NO_WASTE:
            kind = next(kind for folder, kind in _WASTE if match[0].endswith(folder))
            found.setdefault((kind, match[0].rstrip("/")), []).append(entry.size)
    for (kind, folder), sizes in sorted(found.items()):
        yield Waste(kind, shown(folder), layer, len(sizes), sum(sizes))


def _removed(rootfs: RootFS, position: int, index: LayerIndex, layer: LayerId) -> Removed | None:
    """Files of a layer that are not what the image shows in the end."""
    files, size, example, largest = 0, 0, "", -1
    for path, entry in _files(index):
        if not entry.size:
            continue
        node = rootfs.lookup(path)
        if node is None or node.layer != position:
            files += 1
            size += entry.size
            if entry.size > largest:
                example, largest = path, entry.size
    return Removed(layer, files, size, shown(example)) if size >= _LEAST_REMOVED else None


def _sources(rootfs: RootFS, indexes: Sequence[LayerIndex]) -> Iterator[str]:
    paths = {
        path for index in indexes for path in index.entries if path.startswith("etc/") and _SOURCES.fullmatch(path)
    }
    for path in sorted(paths):
        data = rootfs.read(path)
        if data is not None:
            yield data.decode("utf-8", "replace")


def _locks(rootfs: RootFS, position: int, index: LayerIndex, layer: LayerId) -> Iterator[FoundLock]:
    for path, entry in _files(index):
        if entry.sha256 is None or _SITE.match(path) or not _LOCK.fullmatch(name(path)):
            continue
        node = rootfs.lookup(path)
        if node is not None and node.layer == position:
            yield FoundLock(shown(path), entry.sha256, entry.content, layer)


def _code(index: LayerIndex, layer: LayerId) -> CodeLayer | None:
    """What COPY or ADD of the build context brings beside manifests: modules outside of where packages live."""
    text = layer.created_by or ""
    if not text.startswith(("COPY", "ADD")) or "--from" in text:
        return None
    found = [
        path
        for path, _ in _files(index)
        if path.endswith(".py")
        and name(path) not in ("setup.py", "version.py", "_version.py")
        and not _SITE.match(path)
    ]
    return CodeLayer(layer, shown(min(found))) if found else None
