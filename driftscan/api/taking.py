"""Layers to an inventory, of images that nothing is known of yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from driftscan import inventory
from driftscan.api.inventories import Fresh
from driftscan.image.history import layer_ids
from driftscan.image.layercache import LayerCache
from driftscan.image.limits import Limits
from driftscan.image.scan import scan
from driftscan.image.source import Image
from driftscan.model.image import ImageConfig, LayerIndex
from driftscan.model.inventory import Inventory
from driftscan.model.lock import Unchecked
from driftscan.rootfs import RootFS


class Taking(NamedTuple):
    """What is wanted: the path of the environment to look at, if one was named; digests of all files that distributions
    list; how the layers were made. With `lazy`, tables of contents are believed where layers have any."""

    prefer: str | None = None
    with_contents: bool = False
    with_traces: bool = False
    lazy: bool = False


def take(
    image: Image, wanted: Taking, limits: Limits, folder: Path | None, progress: Callable[[int, int], None] | None
) -> Fresh:
    """Read all layers of `image` that the cache in `folder` does not have, and take the inventory of all together.

    Layers that were read by their tables of contents are among what is unchecked.
    """
    cache = LayerCache(folder) if folder is not None else None
    layers = scan(image, inventory.wants, limits, progress, cache, lazy=wanted.lazy)
    found = _taken(image.config, layers, wanted)
    believed = [position for position, layer in enumerate(layers, 1) if layer.by_table]
    if not believed:
        return Fresh(found, is_proven=True)
    return Fresh(replace(found, unchecked=(*found.unchecked, _believed(believed))), is_proven=False)


def _believed(numbers: Sequence[int]) -> Unchecked:
    """What is not known of layers, counted from 1, that were read by their tables of contents."""
    *others, last = map(str, numbers)
    if not others:
        return Unchecked(
            f"layer {last}",
            "it was read by its table of contents; whether its tar stream, which other runtimes unpack, holds the same "
            "was not checked; run without --lazy to check it",
        )
    return Unchecked(
        f"layers {', '.join(others)} and {last}",
        "they were read by their tables of contents; whether their tar streams, which other runtimes unpack, hold the "
        "same was not checked; run without --lazy to check them",
    )


def _taken(config: ImageConfig, layers: Sequence[LayerIndex], wanted: Taking) -> Inventory:
    rootfs = RootFS.merge(layers)
    ids = layer_ids(config)
    found = inventory.take(rootfs, config, ids, prefer=wanted.prefer, with_contents=wanted.with_contents)
    if not wanted.with_traces:
        return found
    runs = found.environments[found.default] if found.default is not None else None
    return replace(found, traces=inventory.traces(rootfs, layers, ids, config, runs))
