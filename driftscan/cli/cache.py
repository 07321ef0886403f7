"""`driftscan cache`: what was read before."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click

from driftscan.api.inventories import InventoryCache
from driftscan.cli import output
from driftscan.errors import UsageError
from driftscan.image.layercache import LayerCache
from driftscan.index.pagecache import PageCache
from driftscan.index.wheelcache import WheelCache
from driftscan.store import Pruned, Store, StoredFile, default_folder, trouble

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


_KINDS = {
    "layers": "layers of images that were read",
    "inventories": "what images contain",
    "index": "pages and requirements of package indexes",
    "wheels": "lists of files in wheels",
}


@dataclass(frozen=True)
class _Total:
    """How many files there are, and their size in bytes together."""

    count: int
    size: int

    @classmethod
    def of(cls, files: Iterable[StoredFile]) -> _Total:
        sizes = [file.size for file in files]
        return cls(len(sizes), sum(sizes))

    def __str__(self) -> str:
        return f"{self.count} file{'' if self.count == 1 else 's'}, {_shown(self.size)}"


@click.group(invoke_without_command=True, short_help="Show, prune or clear the cache.")
@click.pass_context
def cache(context: click.Context) -> None:
    """Show where what was read before is kept, and how much there is.

    A layer is kept by the digest of its content, so an image that shares layers with one that was scanned is read only
    where it differs; the list of files in a wheel by the wheel's hash. DRIFTSCAN_CACHE_DIR moves the cache; --no-cache
    does without.
    """
    if context.invoked_subcommand is None:
        stores = _stores()
        lines = [str(stores[0].folder.parent.parent)]
        lines += [f"{_KINDS[store.kind]}: {_Total.of(store.files())}" for store in stores]
        lines += dict.fromkeys(str(found) for store in stores if (found := trouble(store.folder)) is not None)
        output.show("\n".join(lines) + "\n")


@cache.command()
@click.option("--keep", type=_Size(), help="Until this much is left of each kind, such as 500M.")
@click.option("--unused", type=_Age(), help="What was not used for so long, such as 30d.")
def prune(keep: int | None, unused: int | None) -> None:
    """Remove what was not used for longest."""
    if keep is None and unused is None:
        raise UsageError("what to prune is not said", hint="driftscan cache prune --unused 30d, or --keep 500M")
    older_than = time.time() - unused if unused is not None else None
    stores = _stores()
    pruned = [store.prune(keep=_everything(store) if keep is None else keep, older_than=older_than) for store in stores]
    left = _Total.of(file for store in stores for file in store.files())
    output.show(f"removed {_removed(pruned)}; {left} left\n")
    _refuse_stuck(pruned)


@cache.command()
def clear() -> None:
    """Remove everything."""
    pruned = [store.prune() for store in _stores()]
    output.show(f"removed {_removed(pruned)}\n")
    _refuse_stuck(pruned)


def _removed(pruned: Sequence[Pruned]) -> _Total:
    return _Total.of(file for each in pruned for file in each.removed)


def _refuse_stuck(pruned: Sequence[Pruned]) -> None:
    """Raise UsageError where something was to be removed and is still there."""
    stuck = [item for each in pruned for item in each.stuck]
    if stuck:
        (first, why), *rest = stuck
        others = f", and {_Total.of(file for file, _ in rest)} more" if rest else ""
        raise UsageError(f"it cannot be removed: {why}{others}", where=str(first.path))


def _everything(store: Store) -> int:
    return _Total.of(store.files()).size


def _stores() -> list[Store]:
    folder = default_folder()
    if folder is None:
        raise UsageError("there is no folder for a cache", hint="name one in DRIFTSCAN_CACHE_DIR")
    return [LayerCache(folder).store, InventoryCache(folder).store, PageCache(folder).store, WheelCache(folder).store]


def _shown(size: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
