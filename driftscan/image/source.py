"""What an image source hands out: identity, configuration, and the layers' bytes.

A source knows how to get bytes; it does not know what a whiteout or a wheel is. It supplies either of

- `RandomAccess`: each layer's blob can be opened by itself, several at once (files, registries); or
- `Sequential`: the blobs come by in one stream, in an order of their own, and which is which may be known only at the
  end (what a daemon's `save` sends); or
- `Stored`: the blobs lie in the store of a daemon, whose stream is there where they cannot be had; or
- `Indexed`: there are no blobs, the files are read from a folder directly; or
- `Taken`: there are no files either, only what somebody has written down about them.

`driftscan.image.scan` turns any of them into layer indexes, and does what they share: decompression, digests, limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias

from driftscan.errors import ImageError
from driftscan.image.decompress import Stream
from driftscan.model.image import ImageConfig, LayerIndex, UsedImage, Wants
from driftscan.model.inventory import Inventory

OpenPart: TypeAlias = Callable[[int, int], AbstractContextManager[Stream]]
"""Opens the bytes of a blob from one position up to another.

Raises UndividedError, maybe only while they are read, where the source has the blob as a whole only.
"""


class UndividedError(ImageError):
    """A source was asked for a part of a blob and gives only all of it."""


class Parts(NamedTuple):
    """How to get parts of a layer's blob, and the annotations of its descriptor, which may say where its table of
    contents is. `size` is that of the blob."""

    open: OpenPart
    annotations: Mapping[str, object]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBlob:
    """A layer's blob. `digest` and `size` (bytes) are what the manifest promises, None where there is no promise.

    `parts` is there where fetching some of it may be less work than fetching all.
    """

    open: Callable[[], AbstractContextManager[Stream]]
    digest: str | None = None
    size: int | None = None
    parts: Parts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomAccess:
    """One blob for each diff id of the configuration, in its order.

    After `abort` reading any of them fails at once, also where another thread waits for more of it to come in.
    """

    blobs: tuple[LayerBlob, ...]
    abort: Callable[[], None] = lambda: None


class Arrival(NamedTuple):
    """One blob that comes by in a stream; `digest` is what its name promises (`sha256:...`), if it does."""

    stream: Stream
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequential:
    """Blobs in one stream. Each must be read to its end, or given up, before the next one is asked for.

    Which layer a blob is follows from its content alone; the stream may hold other blobs beside the image's.
    """

    arrivals: Callable[[], AbstractContextManager[Iterator[Arrival]]]


class TrappedError(ImageError):
    """What is stored would make its owner wait forever, who must not be asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Blobs in a store whose owner may change or remove them at any time, and what he sends when asked.

    Where `blobs` cannot be read, or are not what the configuration promises, `otherwise` counts.
    """

    blobs: RandomAccess
    otherwise: Sequential


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """Files of this machine, indexed where they are; there is one layer, and nobody promised a digest."""

    index: Callable[[Wants], LayerIndex]


@dataclass(frozen=True, slots=True, kw_only=False)
class Taken:
    """What somebody else has found in an image already; there is nothing to read."""

    inventory: Inventory


Access: TypeAlias = RandomAccess | Sequential | Stored | Indexed | Taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that was found and opened; use it as a context manager.

    `reference` is what the user asked for, `source` the scheme that answered, `digest` that of the configuration
    (the image id), None for folders; Docker's containerd image store calls an image by that of its manifest or index
    and tells no other. `focus` is the prefix that an `env:` reference is about. `used` reads which images
    it was built from, as far as its builder attests that.
    """

    reference: str
    source: str
    config: ImageConfig
    access: Access
    digest: str | None = None
    platform: str | None = None
    focus: str | None = None
    close: Callable[[], None] = field(default=lambda: None)
    used: Callable[[], tuple[UsedImage, ...]] = field(default=tuple)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
