"""From the entry point of content-addressed storage to one platform's image: shared by layouts and registries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from driftscan.errors import ImageError, NotFoundError
from driftscan.image import provenance
from driftscan.image.decompress import Stream, read_up_to
from driftscan.image.limits import Limits
from driftscan.image.manifest import (
    Descriptor,
    Manifest,
    check_layers,
    check_platform,
    choose_platform,
    read_config,
    read_manifest,
)
from driftscan.image.source import Image, LayerBlob, OpenPart, Parts, RandomAccess
from driftscan.model.image import UsedImage

_INDEX_DEPTH = 4
_REF_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"


class BlobStore(Protocol):
    """Where blobs are read from by digest. What comes out has not been verified."""

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        """A manifest or index."""

    def open(self, descriptor: Descriptor) -> AbstractContextManager[Stream]:
        """Any other blob."""


class Origin(NamedTuple):
    """What an image is called: the user's reference, the scheme that answered, and the place for errors."""

    reference: str
    source: str
    where: str


def open_stored(
    store: BlobStore,
    document: Manifest | tuple[Descriptor, ...],
    platform: str | None,
    origin: Origin,
    limits: Limits,
    close: Callable[[], None] = lambda: None,
    abort: Callable[[], None] = lambda: None,
    parts: Callable[[Descriptor], OpenPart] | None = None,
) -> Image:
    """The image of one platform, from a manifest or the entries of an index; configuration verified and read.

    `parts` opens parts of a blob, where that may be less work than to open all of it.
    """
    chosen = _one_platform(store, document, platform, origin.where, limits)
    manifest = chosen.manifest
    raw = read_blob(store, manifest.config, "the image configuration", origin.where, limits)
    config = read_config(raw, limits)
    check_platform(config, platform, origin.where)
    check_layers(len(manifest.layers), len(config.diff_ids), origin.where)

    def blob(layer: Descriptor) -> LayerBlob:
        return LayerBlob(
            open=lambda: store.open(layer),
            digest=layer.digest,
            size=layer.size,
            parts=Parts(parts(layer), layer.annotations, layer.size) if parts is not None else None,
        )

    return Image(
        reference=origin.reference,
        source=origin.source,
        config=config,
        access=RandomAccess(blobs=tuple(blob(layer) for layer in manifest.layers), abort=abort),
        digest=manifest.config.digest,
        platform=config.platform or None,
        close=close,
        used=lambda: _used(store, chosen, origin.where, limits),
    )


class _Chosen(NamedTuple):
    """A manifest, and what the index that names it says is attested of it."""

    manifest: Manifest
    digest: str = ""
    attestation: Descriptor | None = None


def _used(store: BlobStore, chosen: _Chosen, where: str, limits: Limits) -> tuple[UsedImage, ...]:
    """The images that provenance attestations of the manifest name."""
    if chosen.attestation is None:
        return ()
    raw = store.read_manifest(chosen.attestation)
    verify(raw, chosen.attestation, "the attestation manifest", where)
    held = read_manifest(raw, limits, chosen.attestation.media_type or None)
    found: dict[UsedImage, None] = {}
    for layer in held.layers if isinstance(held, Manifest) else ():
        if provenance.is_provenance(layer):
            data = read_blob(store, layer, "the provenance attestation", where, limits)
            found |= dict.fromkeys(provenance.used_images(data, chosen.digest, limits))
    return tuple(found)


def _one_platform(
    store: BlobStore,
    document: Manifest | tuple[Descriptor, ...],
    platform: str | None,
    where: str,
    limits: Limits,
) -> _Chosen:
    digest, attestation = "", None
    for _ in range(_INDEX_DEPTH):
        if isinstance(document, Manifest):
            return _Chosen(document, digest, attestation)
        if not document:
            raise NotFoundError("its index lists no image", where=where)
        chosen = choose_platform(document, platform, where)
        digest, attestation = chosen.digest, provenance.attestation_of(document, chosen)
        raw = store.read_manifest(chosen)
        verify(raw, chosen, "the manifest", where)
        document = read_manifest(raw, limits, chosen.media_type or None)
    raise ImageError(f"its indexes are nested more than {_INDEX_DEPTH} deep", where=where)


def read_blob(store: BlobStore, descriptor: Descriptor, what: str, where: str, limits: Limits) -> bytes:
    """A small blob, whole and verified."""
    limits.check("document", descriptor.size, what, where)
    try:
        with store.open(descriptor) as stream:
            data = read_up_to(stream, descriptor.size + 1)
    except ImageError as error:
        error.place_in(where)
        raise
    verify(data, descriptor, what, where)
    return data


def verify(data: bytes, descriptor: Descriptor, what: str, where: str) -> None:
    if len(data) > descriptor.size:
        # No more of it was read.
        raise ImageError(f"{what} is longer than the {descriptor.size} bytes of its descriptor", where=where)
    if len(data) != descriptor.size:
        raise ImageError(f"{what} has {len(data)} bytes, its descriptor says {descriptor.size}", where=where)
    actual = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if actual != descriptor.digest:
        raise ImageError(f"{what} has the digest {actual}, its descriptor says {descriptor.digest}", where=where)


def select_named(entries: tuple[Descriptor, ...], name: str | None, where: str) -> tuple[Descriptor, ...]:
    """The entries of a layout's index that `name` means; without a name, all of them if they are one image."""
    names = {_names(entry) for entry in entries} - {()}
    if name is not None:
        chosen = tuple(entry for entry in entries if name in _names(entry) or entry.digest == name)
        if not chosen:
            raise NotFoundError(f"it holds no image {name!r}", where=where, hint=_choices(names))
        return chosen
    # One image may have several names.
    if len(names) > 1 and len({entry.digest for entry in entries}) > 1:
        raise ImageError(f"it holds {len(names)} images", where=where, hint=_choices(names))
    return tuple({entry.digest: entry for entry in entries}.values())


def _names(entry: Descriptor) -> tuple[str, ...]:
    found = (entry.annotations.get(key) for key in (_REF_NAME, _CONTAINERD_NAME))
    return tuple(name for name in found if isinstance(name, str))


def _choices(names: set[tuple[str, ...]]) -> str:
    there = sorted(name for aliases in names for name in aliases[:1])
    return f"name one of them behind the path: {', '.join(there)}" if there else "it names none of its images"
