"""Layers to an inventory, of images that nothing is known of yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from driftscan import inventory
from driftscan.image.history import layer_ids
from driftscan.image.layercache import LayerCache
from driftscan.image.limits import Limits
from driftscan.image.scan import scan
from driftscan.image.source import Image
from driftscan.model.image import ImageConfig, LayerIndex
from driftscan.model.inventory import Inventory
from driftscan.rootfs import RootFS


class Taking(NamedTuple):
    """What is wanted: the path of the environment to look at, if one was named; digests of all files that distributions
    list; how the layers were made."""

    prefer: str | None = None
    with_contents: bool = False
    with_traces: bool = False


def take(
    image: Image, wanted: Taking, limits: Limits, folder: Path | None, progress: Callable[[int, int], None] | None
) -> Inventory:
    """Read all layers of `image` that the cache in `folder` does not have, and take the inventory of all together."""
    layers = scan(image, inventory.wants, limits, progress, LayerCache(folder) if folder is not None else None)
    return _taken(image.config, layers, wanted)


def _taken(config: ImageConfig, layers: Sequence[LayerIndex], wanted: Taking) -> Inventory:
    rootfs = RootFS.merge(layers)
    ids = layer_ids(config)
    found = inventory.take(rootfs, config, ids, prefer=wanted.prefer, with_contents=wanted.with_contents)
    if not wanted.with_traces:
        return found
    runs = found.environments[found.default] if found.default is not None else None
    return replace(found, traces=inventory.traces(rootfs, layers, ids, config, runs))
