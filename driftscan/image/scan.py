"""All layers of an image to their indexes: each read once, in parallel, nothing returned before the digests agree."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from driftscan.errors import DriftscanError, ImageError, LimitError, UnreachableError
from driftscan.image.decompress import Stream, chunks
from driftscan.image.indexfile import StoredLayer
from driftscan.image.layer import read_layer
from driftscan.image.layercache import LayerCache
from driftscan.image.lazylayer import read_layer_lazily
from driftscan.image.limits import Limits
from driftscan.image.manifest import check_layers
from driftscan.image.pipeline import Digest, Room, ahead
from driftscan.image.source import (
    Image,
    Indexed,
    LayerBlob,
    RandomAccess,
    Sequential,
    Stored,
    Taken,
    TrappedError,
    UndividedError,
)
from driftscan.model.image import LayerIndex, Wants

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of layers read so far and of all layers."""

_WORKERS = 4


def scan(
    image: Image,
    wants: Wants,
    limits: Limits,
    progress: Progress | None = None,
    cache: LayerCache | None = None,
    *,
    lazy: bool = False,
) -> tuple[LayerIndex, ...]:
    """Layer indexes in the order of the configuration's diff ids; a single one for a folder, none for what was taken.

    Layers that `cache` holds are neither opened nor read; it has to be one for the same `wants`. With `lazy`, those of
    which the source gives parts are read by their tables of contents where they have any; nothing is known of their
    diff ids then, and they are not cached. Raises ImageError where a blob is damaged or does not have the digest, size
    or diff id that was promised, and LimitError where a limit is passed.
    """
    if isinstance(image.access, Taken):
        return ()
    if isinstance(image.access, Indexed):
        return (image.access.index(wants),)
    diff_ids = image.config.diff_ids
    limits.check("layers", len(diff_ids), f"the number of layers ({len(diff_ids)})", image.reference)
    meter = _Meter(image.reference, len(diff_ids), limits, progress)
    known = _cached(cache, diff_ids, meter)
    found: dict[int, LayerIndex] = {}
    if len(known) < len(set(diff_ids)):
        found = _scan_all(
            image.access, diff_ids, known.keys(), _Reading(wants, meter, cache, Room(limits.toc) if lazy else None)
        )
        if cache is not None:
            cache.trim()
    return tuple(found[at] if at in found else known[diff_id] for at, diff_id in enumerate(diff_ids))


def _scan_all(
    access: RandomAccess | Sequential | Stored, diff_ids: tuple[str, ...], known: AbstractSet[str], reading: _Reading
) -> dict[int, LayerIndex]:
    """The layers that are not `known`, by position: two that are only said to have one diff id may be different."""
    if isinstance(access, RandomAccess):
        return _scan_blobs(access, diff_ids, known, reading)
    if isinstance(access, Sequential):
        return _scan_stream(access, diff_ids, known, reading)
    try:
        return _scan_blobs(access.blobs, diff_ids, known, reading)
    except (LimitError, TrappedError):
        raise
    except ImageError as error:
        # The owner may have changed the store meanwhile, or lay it out in another way.
        why = str(error)
    try:
        return _scan_stream(access.otherwise, diff_ids, known, reading._replace(meter=reading.meter.anew(len(known))))
    except UnreachableError as error:
        error.message += f" (in its storage, {why})"
        error.hint = error.hint or "if its storage was changed or damaged: remove the image, and pull or build it again"
        raise


def _cached(cache: LayerCache | None, diff_ids: tuple[str, ...], meter: _Meter) -> dict[str, LayerIndex]:
    """Layers that need not be read. They are held to the limits all the same."""
    known: dict[str, LayerIndex] = {}
    if cache is None:
        return known
    for diff_id in dict.fromkeys(diff_ids):
        if (layer := cache.get(diff_id)) is not None:
            meter.limits.check("layer_size", layer.inflated, "the layer, inflated,", meter.reference)
            meter.limits.check("layer_entries", layer.index.count, "the number of entries", meter.reference)
            meter.inflate(layer.inflated)
            meter.finish()
            known[diff_id] = layer.index
    return known


class _Meter:
    """What all layers of one image count together."""

    def __init__(self, reference: str, total: int, limits: Limits, progress: Progress | None) -> None:
        self.reference = reference
        self.limits = limits
        self._total = total
        self._progress = progress
        self._lock = threading.Lock()
        self._inflated = 0
        self._done = 0
        self.stopped = threading.Event()

    def anew(self, done: int) -> _Meter:
        """For another attempt at all but the layers that were `done` before the first."""
        meter = _Meter(self.reference, self._total, self.limits, self._progress)
        meter._done = done
        return meter

    def inflate(self, size: int) -> None:
        with self._lock:
            self._inflated += size
        self.limits.check("image_size", self._inflated, "the image, inflated,", self.reference)
        if self.stopped.is_set():
            raise ImageError("another layer could not be read")

    def finish(self) -> None:
        with self._lock:
            self._done += 1
            if self._progress is not None:
                self._progress(self._done, self._total)


class _Reading(NamedTuple):
    """What reading any layer needs."""

    wants: Wants
    meter: _Meter
    cache: LayerCache | None
    tables: Room | None
    """For tables of contents, where these are believed."""

    def finish(self, layer: _Layer) -> None:
        """Count a layer whose content has the diff id that it should have, and keep it for other images."""
        if self.cache is not None:
            self.cache.put(layer.diff_id, StoredLayer(layer.index, layer.inflated))
        self.meter.finish()


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer that was read to its end: the diff id and the size in bytes that its content turned out to have."""

    diff_id: str
    index: LayerIndex
    inflated: int


def _scan_blobs(
    access: RandomAccess, diff_ids: tuple[str, ...], known: AbstractSet[str], reading: _Reading
) -> dict[int, LayerIndex]:
    """The layers that are not known, by position."""
    meter, blobs = reading.meter, access.blobs
    check_layers(len(blobs), len(diff_ids), meter.reference)

    def read(position: int) -> LayerIndex:
        blob = blobs[position]
        where = f"{meter.reference}, layer {position + 1}"
        if (index := _read_lazily(blob, reading, where)) is not None:
            meter.finish()
            return index
        with blob.open() as stream:
            layer = _read(stream, blob.digest, blob.size, reading, where)
        if layer.diff_id != diff_ids[position]:
            raise ImageError(
                f"its content has the diff id {layer.diff_id}, the configuration says {diff_ids[position]}", where=where
            )
        reading.finish(layer)
        return layer.index

    # The largest layers first: the last one to start should be short.
    order = [position for position, diff_id in enumerate(diff_ids) if diff_id not in known]
    order.sort(key=lambda position: -(blobs[position].size or 0))
    with ThreadPoolExecutor(max_workers=min(_WORKERS, os.cpu_count() or 1)) as pool:
        futures = {position: pool.submit(read, position) for position in order}
        try:
            for finished in as_completed(futures.values()):
                finished.result()
            return {position: future.result() for position, future in futures.items()}
        except BaseException:
            # What other threads have begun ends at its next piece, and they wait for none.
            meter.stopped.set()
            access.abort()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _read_lazily(blob: LayerBlob, reading: _Reading, where: str) -> LayerIndex | None:
    """A layer by its table of contents; None where that is not asked for or not there, or its source gives no parts."""
    if reading.tables is None or blob.parts is None:
        return None
    meter = reading.meter
    try:
        return read_layer_lazily(blob.parts, reading.wants, meter.limits, meter.inflate, reading.tables)
    except UndividedError:
        return None
    except DriftscanError as error:
        if error.where != meter.reference:
            error.place_in(where)
        if not isinstance(error, UnreachableError):
            error.hint = error.hint or "without --lazy the layer is read whole"
        raise


def _scan_stream(
    access: Sequential, diff_ids: tuple[str, ...], known: AbstractSet[str], reading: _Reading
) -> dict[int, LayerIndex]:
    found: dict[str, LayerIndex] = {}
    failures: list[ImageError] = []
    meter = reading.meter
    with access.arrivals() as arrivals:
        for number, arrival in enumerate(arrivals, 1):
            where = f"{meter.reference}, layer {number} of the stream"
            try:
                layer = _read(arrival.stream, arrival.digest, None, reading, where)
            except (LimitError, UnreachableError):
                raise
            except ImageError as error:
                # It may be no layer of this image, or no layer at all; it counts where one turns out to be missing.
                failures.append(error)
                continue
            if layer.diff_id in diff_ids and layer.diff_id not in found and layer.diff_id not in known:
                found[layer.diff_id] = layer.index
                reading.finish(layer)
    for position, diff_id in enumerate(diff_ids, 1):
        if diff_id not in found and diff_id not in known:
            missing = ImageError(f"layer {position} ({diff_id}) is not in what was sent", where=meter.reference)
            raise failures[0] if failures else missing
    return {position: found[diff_id] for position, diff_id in enumerate(diff_ids) if diff_id in found}


def _read(stream: Stream, digest: str | None, size: int | None, reading: _Reading, where: str) -> _Layer:
    """One blob, whose own digest and size have been verified."""
    meter = reading.meter
    with Digest() as plain, Digest() as packed:
        seen = _Seen(packed if digest is not None else None)
        inflated = _Inflated(meter, plain)
        try:
            with ahead(inflated.counted(chunks(stream, seen, meter.limits))) as pieces:
                index = read_layer(pieces, reading.wants, meter.limits)
        except DriftscanError as error:
            if error.where != meter.reference:
                error.place_in(where)
            raise
        layer = _Layer(plain.value(), index, inflated.size)
    # What is not compressed is the blob itself.
    seen_size, seen_digest = (seen.size, seen.digest) if seen.size else (layer.inflated, layer.diff_id)
    if size is not None and seen_size != size:
        raise ImageError(f"the blob has {seen_size} bytes, the manifest says {size}", where=where)
    if digest is not None and seen_digest != digest:
        raise ImageError(f"the blob has the digest {seen_digest}, the manifest says {digest}", where=where)
    return layer


class _Seen:
    """Size of a compressed blob as it came in, and its digest if one was promised."""

    def __init__(self, digest: Digest | None) -> None:
        self.size = 0
        self._digest = digest

    def update(self, data: bytes) -> None:
        self.size += len(data)
        if self._digest is not None:
            self._digest.update(data)

    @property
    def digest(self) -> str | None:
        return self._digest.value() if self._digest is not None else None


class _Inflated:
    """Size and digest of the uncompressed layer, held to the limits as it goes by."""

    def __init__(self, meter: _Meter, digest: Digest) -> None:
        self.size = 0
        self._digest = digest
        self._meter = meter

    def counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if not piece:
                continue
            self.size += len(piece)
            self._meter.limits.check("layer_size", self.size, "the layer, inflated,")
            self._meter.inflate(len(piece))
            self._digest.update(piece)
            yield piece
