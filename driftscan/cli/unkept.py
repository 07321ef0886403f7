"""That nothing is kept for the next run, so that nobody has to find out why each of them is slow."""

from __future__ import annotations

import os
from collections.abc import Iterable

import click

from driftscan.api.inventories import InventoryCache
from driftscan.cli.errors import warn
from driftscan.reading import is_lock
from driftscan.store import default_folder, trouble

_NEVER_KEPT = ("dir:", "env:", "sbom:", "inventory:")
_SAID = "driftscan.cli.unkept"


def warn_of_cache(image: str, *, no_cache: bool, quiet: bool) -> None:
    """Say once in a run, on stderr, why what is read of `image` cannot be kept.

    Nobody expects that of a user without a home to write to, as in many containers.
    """
    folder = default_folder()
    if no_cache or quiet or folder is None or image.startswith(_NEVER_KEPT):
        return
    if not os.environ.get("DRIFTSCAN_CACHE_DIR") and not os.path.lexists(folder):
        return
    # That of layers lies beside it and is made alike; what knows its name takes long to import.
    found = trouble(InventoryCache(folder).store.folder)
    said = click.get_current_context().meta
    if found is not None and _SAID not in said:
        said[_SAID] = True
        warn(str(found))


def warn_of_caches(arguments: Iterable[str], *, no_cache: bool, quiet: bool, lock_format: str | None = None) -> None:
    """The same of `arguments` that may be locks as well as images; with `lock_format` all of them are locks."""
    for image in arguments if lock_format is None else ():
        if not is_lock(image):
            warn_of_cache(image, no_cache=no_cache, quiet=quiet)
