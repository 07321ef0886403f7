"""Distributions that one layer brought and a later one took out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.inventory.distributions import EGG_NAME
from driftscan.inventory.paths import child, name, parent, shown
from driftscan.model.image import EntryKind, LayerId, LayerIndex
from driftscan.model.traces import Uninstalled
from driftscan.rootfs import RootFS

_SUFFIXES = (".dist-info", ".egg-info")
_LEAVES = ("METADATA", "PKG-INFO")
_FILES = (".dist-info/METADATA", ".egg-info/PKG-INFO")


def read(rootfs: RootFS, indexes: Sequence[LayerIndex], layers: Sequence[LayerId]) -> tuple[Uninstalled, ...]:
    """What of `indexes` is not in `rootfs`, which they make; of each project in a directory what was there last.

    Metadata is content that is kept, so it is always among the entries of a layer and never in a crowd.
    """
    last: dict[tuple[str, NormalizedName], tuple[int, Uninstalled]] = {}
    for folder in _folders(indexes):
        position = _removed_by(rootfs, folder)
        match = EGG_NAME.fullmatch(_stem(name(folder)))
        if position is None or position >= len(layers) or match is None:
            continue
        project = canonicalize_name(match["name"])
        found = Uninstalled(project, match["version"].replace("_", "-"), shown(folder), layers[position])
        key = parent(folder), project
        if key not in last or last[key][0] <= position:
            last[key] = position, found
    sites = {site: frozenset(_projects(rootfs, site)) for site in {site for site, _ in last}}
    return tuple(sorted((found for (site, project), (_, found) in last.items() if project not in sites[site]), key=_at))


def _at(found: Uninstalled) -> str:
    return found.path


def _folders(indexes: Sequence[LayerIndex]) -> Iterator[str]:
    """Metadata folders of all layers, lowest first; one that several wrote comes as often."""
    for index in indexes:
        for path, entry in index.entries.items():
            if path.endswith(_FILES) and entry.kind in (EntryKind.FILE, EntryKind.HARDLINK):
                yield parent(path)


def _removed_by(rootfs: RootFS, folder: str) -> int | None:
    """0-based index of the layer that took the metadata out; None where it is there."""
    removed = [rootfs.removed_by(child(folder, leaf)) for leaf in _LEAVES]
    return max((each for each in removed if each is not None), default=None)


def _projects(rootfs: RootFS, site: str) -> Iterator[NormalizedName]:
    """Projects that have metadata in a directory."""
    for entry in rootfs.children(site):
        folder = child(site, entry)
        if entry.endswith(_SUFFIXES) and any(rootfs.get(child(folder, leaf)) is not None for leaf in _LEAVES):
            yield canonicalize_name(_stem(entry).partition("-")[0])


def _stem(folder: str) -> str:
    return folder.removesuffix(".dist-info").removesuffix(".egg-info")
