"""An image reference to its inventory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from driftscan.api.inventories import Fresh, InventoryCache, name_of
from driftscan.errors import ImageError
from driftscan.finding import TargetInput
from driftscan.image import open_image
from driftscan.image.limits import Limits
from driftscan.image.references import masked
from driftscan.image.source import Image, Indexed, Taken
from driftscan.model.inventory import Environment, Inventory
from driftscan.store import default_folder

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of layers read so far and of all layers."""

LIMITS = Limits()
_CANDIDATES = 6
"""Environments that an error names."""


def open_target(reference: str, *, platform: str | None = None, offline: bool = False) -> Image:
    """The image that `reference` names, found and opened; a context manager.

    Raises ImageError where it cannot be found, reached or understood.
    """
    with _named(reference):
        return open_image(reference, platform=platform, limits=LIMITS, offline=offline)


def take_inventory(
    image: Image,
    *,
    environment: str | None = None,
    progress: Progress | None = None,
    cache: bool = True,
    lazy: bool = False,
    with_contents: bool = False,
    with_traces: bool = False,
) -> Inventory:
    """Read all layers of `image` once and take the inventory of what they make together.

    `environment` is the path of the one to look at; without it, the one an `env:` reference names or the image's
    entrypoint runs. With `cache`, layers that were read before are taken from the layer cache, and others put there; of
    an image that was looked at before, the whole inventory. With `lazy`, layers in a registry are read by their tables
    of contents where they have any, which is told in what is unchecked and not kept.
    `with_contents` keeps the digests of all files that distributions list, `with_traces` adds how the layers were made.
    """
    with _named(image.reference):
        if isinstance(image.access, Taken):
            return _chosen(image.access.inventory, environment)
        prefer = environment or image.focus
        folder = default_folder() if cache else None

        def anew() -> Fresh:
            # Imported for images that were not looked at before: it takes as long as all else for one that was.
            from driftscan.api.taking import Taking, take

            asked = Taking(prefer=prefer, with_contents=with_contents, with_traces=with_traces, lazy=lazy)
            return take(image, asked, LIMITS, folder, progress)

        if folder is None or with_contents or not _is_stored(image):
            return anew().inventory
        name = name_of(image.config, prefer, with_traces=with_traces, limits=LIMITS)
        return InventoryCache(folder).kept(name, anew)


def _is_stored(image: Image) -> bool:
    """Whether its layers are what their digests say, and not files of this machine, which may change."""
    return not isinstance(image.access, Indexed)


def _chosen(found: Inventory, environment: str | None) -> Inventory:
    """What was taken elsewhere, with that environment for the default."""
    if environment is None:
        return found
    wanted = environment.rstrip("/") or "/"
    for position, each in enumerate(found.environments):
        if each.path == wanted:
            asked = replace(each, chosen_because=f"{wanted} was asked for")
            environments = (*found.environments[:position], asked, *found.environments[position + 1 :])
            return replace(found, environments=environments, default=position)
    known = ", ".join(each.path for each in found.environments)
    hint = f"it holds {known}" if known else "it holds no Python environment at all"
    raise ImageError(f"there is no Python environment at {wanted}", hint=hint)


@contextmanager
def _named(reference: str) -> Iterator[None]:
    """Errors inside name `reference` where they name nothing, or a server alone; those of the operating system are
    ImageErrors.
    """
    reference = masked(reference)
    try:
        yield
    except ImageError as error:
        if error.where is None or error.where.startswith(("https://", "http://")):
            error.place_in(reference)
        raise
    except OSError as error:
        raise ImageError(f"it cannot be read: {error.strerror or error}", where=reference) from error


def described(image: Image) -> TargetInput:
    return TargetInput(reference=image.reference, source=image.source, digest=image.digest, platform=image.platform)


def default_environment(found: Inventory, reference: str) -> Environment:
    """The environment to compare.

    Raises ImageError where the image called `reference` has none, or several and none is the obvious one.
    """
    if found.default is not None:
        return found.environments[found.default]
    if not found.environments:
        raise ImageError(
            "no Python environment was found in it",
            where=reference,
            hint=f"`driftscan inspect {reference}` shows what it contains",
        )
    # The fullest first: what somebody wants to compare is rarely a bare interpreter.
    fullest = sorted(found.environments, key=lambda environment: -len(environment.distributions))
    paths = ", ".join(environment.path for environment in fullest[:_CANDIDATES])
    rest = len(fullest) - _CANDIDATES
    raise ImageError(
        f"it has {len(fullest)} Python environments, and nothing in it says which one it runs",
        where=reference,
        hint=f"choose one with --environment: {paths}" + (f", and {rest} more" if rest > 0 else ""),
    )
