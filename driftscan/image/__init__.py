"""Image sources: one file each, and what they share: layer reading, digests, limits, credentials."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from driftscan.errors import NotFoundError, UnreachableError, UsageError
from driftscan.image.limits import Limits
from driftscan.image.references import PATH_STARTS, parse_image_name, parse_target, refuse_credentials
from driftscan.image.source import Image
from driftscan.imported import Imported

__all__ = ["SOURCES", "Image", "Limits", "Opener", "open_image"]

Opener: TypeAlias = Callable[[str, str | None, Limits], Image]
"""Opens what stands behind a scheme, for a platform (`os/architecture[/variant]`) or None."""


SOURCES: Mapping[str, Opener] = Imported[Opener](
    __name__,
    {
        "docker": "docker.open_image",
        "podman": "podman.open_image",
        "registry": "registry.open_image",
        "docker-archive": "docker_archive.open_archive",
        "oci-archive": "oci_layout.open_archive",
        "oci": "oci_layout.open_layout",
        "dir": "directory.open_directory",
        "env": "environment.open_environment",
        "sbom": "sbom.open_bill",
        "inventory": "inventory.open_inventory",
    },
)
_FILE = re.compile(r"\.(?:tar(?:\.\w+)?|tgz|zip|json|txt|in|toml|lock|ya?ml)$")
"""What somebody means a file by, though an image could be called so too: then it needs its scheme."""
_PLATFORM = re.compile(r"[\w.-]+(?:/[\w.-]+){1,2}")
_ON_LINE = frozenset({"registry"})


def open_image(reference: str, *, platform: str | None = None, limits: Limits, offline: bool = False) -> Image:
    """Open a target: `SCHEME:REST`, an existing path, or the name of an image.

    A name is looked for in Docker, then Podman, then the registry; `Image.source` says which answered. Raises
    UsageError for a target or a platform that makes no sense, ImageError where no source can open it.
    """
    if platform is not None and not _PLATFORM.fullmatch(platform):
        raise UsageError(f"{platform!r} is no platform", hint="write OS/ARCHITECTURE[/VARIANT], such as linux/arm64")
    scheme, rest = parse_target(reference)
    if scheme is not None:
        return _open(scheme, rest, platform, limits, offline=offline)
    if Path(rest).exists():
        from driftscan.image.recognise import recognise

        return _open(recognise(Path(rest), limits), rest, platform, limits, offline=offline)
    refuse_credentials(rest)
    if rest.startswith(PATH_STARTS) or _FILE.search(rest):
        raise NotFoundError("there is no such file or folder", where=rest, hint=_alike(Path(rest)))
    parse_image_name(rest)
    return _search(rest, platform, limits, offline=offline)


def _alike(path: Path) -> str | None:
    """A hint at what is in the folder and nearly called like it."""
    from difflib import get_close_matches

    try:
        found = get_close_matches(path.name, sorted(each.name for each in path.parent.iterdir()), n=1)
    except OSError:
        return None
    return f"did you mean {path.parent / found[0]}?" if found else None


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
