"""Image sources: one file each, and what they share: layer reading, digests, limits, credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from driftscan.errors import NotFoundError, UnreachableError, UsageError
from driftscan.image import (
    directory,
    docker,
    docker_archive,
    environment,
    inventory,
    oci_layout,
    podman,
    registry,
    sbom,
)
from driftscan.image.history import layer_ids
from driftscan.image.limits import Limits
from driftscan.image.recognise import recognise
from driftscan.image.references import parse_image_name, parse_target
from driftscan.image.scan import scan
from driftscan.image.source import Image

__all__ = ["SOURCES", "Image", "Limits", "Opener", "layer_ids", "open_image", "scan"]

Opener: TypeAlias = Callable[[str, str | None, Limits], Image]
"""Opens what stands behind a scheme, for a platform (`os/architecture[/variant]`) or None."""

SOURCES: Mapping[str, Opener] = MappingProxyType(
    {
        "docker": docker.open_image,
        "podman": podman.open_image,
        "registry": registry.open_image,
        "docker-archive": docker_archive.open_archive,
        "oci-archive": oci_layout.open_archive,
        "oci": oci_layout.open_layout,
        "dir": directory.open_directory,
        "env": environment.open_environment,
        "sbom": sbom.open_bill,
        "inventory": inventory.open_inventory,
    }
)
_ON_LINE = frozenset({"registry"})


def open_image(reference: str, *, platform: str | None = None, limits: Limits, offline: bool = False) -> Image:
    """Open a target: `SCHEME:REST`, an existing path, or the name of an image.

    A name is looked for in Docker, then Podman, then the registry; `Image.source` says which answered. Raises
    UsageError for a target that makes no sense, ImageError where no source can open it.
    """
    scheme, rest = parse_target(reference)
    if scheme is not None:
        return _open(scheme, rest, platform, limits, offline=offline)
    if Path(rest).exists():
        return _open(recognise(Path(rest), limits), rest, platform, limits, offline=offline)
    if rest.startswith(("/", "./", "../", "~")):
        raise NotFoundError("there is no such file or folder", where=rest)
    parse_image_name(rest)
    return _search(rest, platform, limits, offline=offline)


def _open(scheme: str, rest: str, platform: str | None, limits: Limits, *, offline: bool) -> Image:
    if offline and scheme in _ON_LINE:
        raise UsageError(f"{scheme}: needs the network, and --offline forbids it", where=f"{scheme}:{rest}")
    return SOURCES[scheme](rest, platform, limits)


def _search(name: str, platform: str | None, limits: Limits, *, offline: bool) -> Image:
    attempts: list[str] = []
    for scheme in ("docker", "podman", "registry"):
        if offline and scheme in _ON_LINE:
            attempts.append(f"{scheme}: skipped, --offline")
            continue
        try:
            return SOURCES[scheme](name, platform, limits)
        except (NotFoundError, UnreachableError) as error:
            attempts.append(f"{scheme}: {error.message}")
    raise NotFoundError(
        f"no source has this image ({'; '.join(attempts)})",
        where=name,
        hint=f"name the one that should have it (docker:{name}, podman:{name}, registry:{name}), or give a path",
    )
