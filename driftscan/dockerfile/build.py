"""What is known of how an image was built, beside its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from driftscan.dockerfile.model import Dockerfile
from driftscan.model.image import LayerId, UsedImage


class LockFacts(NamedTuple):
    """A lock in the build context, or one in the image: whether it pins all that it lists, whether every file in it has
    a hash, its digest (sha256, hexadecimal), and the projects it lists.
    """

    path: str
    is_pinned: bool
    is_hashed: bool
    sha256: str = ""
    projects: frozenset[str] = frozenset()


class Resolved(NamedTuple):
    """What an image name stands for now: its digest (`sha256:...`) and who said so; None and why where nobody did."""

    digest: str | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherLock:
    """A lock that the image holds under the name of the one it is compared with, and that is another one.

    `differences` says in words which packages they lock differently; `follows` counts those of them that are installed
    as this lock has them. None: it could not be read, for the reason in `unread`. `layer` is the one that wrote it.
    """

    path: str
    compared: str
    layer: LayerId | None = None
    differences: tuple[str, ...] | None = None
    follows: int = 0
    unread: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """`context` has the locks of the build context, or of the image, by the name that instructions use for them (`./`
    left out); None where it was not read. `images` tells what names of images stand for, as far as anybody was asked.
    `base_name` is the image that is said to be the base, `base_layers` are its diff ids; None where nobody said.
    `other_locks` are locks in the image that are not the ones compared, `same_locks` the paths of those that are.
    """

    dockerfile: Dockerfile | None = None
    context: Mapping[str, LockFacts] | None = None
    base_name: str | None = None
    images: Mapping[str, Resolved] = field(default_factory=lambda: MappingProxyType({}))
    base_layers: tuple[str, ...] | None = None
    base_runs: tuple[str, ...] = ()
    """Entrypoint and command of the base image."""
    used: tuple[UsedImage, ...] = ()
    """Images that the image was built from, as its builder attests."""
    unread: str | None = None
    """Why what the builder attests cannot be read."""
    other_locks: tuple[OtherLock, ...] = ()
    same_locks: tuple[str, ...] = ()
