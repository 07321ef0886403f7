"""`driftscan cache`: the layers that were read before."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import click

from driftscan.api.scanning import layer_cache
from driftscan.cli import output
from driftscan.errors import UsageError
from driftscan.image.layercache import LayerCache

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE = re.compile(r"(\d{1,9})\s*([KMG]?)(?:i?B)?", re.IGNORECASE | re.ASCII)
_AGES = {"h": 3600, "d": 86400, "w": 7 * 86400}
_AGE = re.compile(r"(\d{1,6})\s*([hdw])", re.IGNORECASE | re.ASCII)


class _Size(click.ParamType[int]):
    name = "SIZE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no size, such as 500M or 2G", param, ctx)
        return int(match[1]) * _UNITS[match[2].upper()]


class _Age(click.ParamType[int]):
    name = "AGE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _AGE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is no age, such as 12h, 30d or 4w", param, ctx)
        return int(match[1]) * _AGES[match[2].lower()]


@dataclass(frozen=True)
class _Total:
    """How many layers there are, and their size in bytes together."""

    count: int
    size: int

    def __str__(self) -> str:
        return f"{self.count} layer{'' if self.count == 1 else 's'}, {_shown(self.size)}"


@click.group(invoke_without_command=True, short_help="Show, prune or clear the layer cache.")
@click.pass_context
def cache(context: click.Context) -> None:
    """Show where the layers that were read before are kept, and how much there is.

    A layer is kept by the digest of its content, so an image that shares layers with one that was scanned is read only
    where it differs. DRIFTSCAN_CACHE_DIR moves the cache; --no-cache does without.
    """
    if context.invoked_subcommand is None:
        layers = _cache()
        output.show(f"{layers.folder}\n{_total(layers)}\n")


@cache.command()
@click.option("--keep", type=_Size(), help="Until this much is left, such as 500M.")
@click.option("--unused", type=_Age(), help="What was not used for so long, such as 30d.")
def prune(keep: int | None, unused: int | None) -> None:
    """Remove layers, those that were not used for longest first."""
    if keep is None and unused is None:
        raise UsageError("what to prune is not said", hint="driftscan cache prune --unused 30d, or --keep 500M")
    layers = _cache()
    before = _total(layers)
    older_than = time.time() - unused if unused is not None else None
    removed = layers.prune(keep=before.size if keep is None else keep, older_than=older_than)
    output.show(f"removed {_Total(len(removed), sum(layer.size for layer in removed))}; {_total(layers)} left\n")


@cache.command()
def clear() -> None:
    """Remove all layers."""
    removed = _cache().prune()
    output.show(f"removed {_Total(len(removed), sum(layer.size for layer in removed))}\n")


def _cache() -> LayerCache:
    found = layer_cache()
    if found is None:
        raise UsageError("there is no folder for a cache", hint="name one in DRIFTSCAN_CACHE_DIR")
    return found


def _total(layers: LayerCache) -> _Total:
    sizes = [layer.size for layer in layers.layers()]
    return _Total(len(sizes), sum(sizes))


def _shown(size: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
