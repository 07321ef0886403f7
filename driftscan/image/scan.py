"""All layers of an image to their indexes: each read once, in parallel, nothing returned before the digests agree."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from typing import TypeAlias

from driftscan.errors import DriftscanError, ImageError, LimitError, UnreachableError
from driftscan.image.decompress import Stream, chunks
from driftscan.image.layer import read_layer
from driftscan.image.limits import Limits
from driftscan.image.source import Arrival, Image, Indexed, LayerBlob, RandomAccess, Sequential
from driftscan.model.image import LayerIndex, Wants

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of layers read so far and of all layers."""

_PIECES_AHEAD = 16
"""Inflated pieces (of up to half a MiB) that wait for the reader of one layer."""
_WORKERS = 4


def scan(image: Image, wants: Wants, limits: Limits, progress: Progress | None = None) -> tuple[LayerIndex, ...]:
    """Layer indexes in the order of the configuration's diff ids; a single one for a folder.

    Raises ImageError where a blob is damaged or does not have the digest, size or diff id that was promised, and
    LimitError where a limit is passed.
    """
    if isinstance(image.access, Indexed):
        return (image.access.index(wants),)
    diff_ids = image.config.diff_ids
    limits.check("layers", len(diff_ids), f"the number of layers ({len(diff_ids)})", image.reference)
    meter = _Meter(image.reference, len(diff_ids), limits, progress)
    if isinstance(image.access, RandomAccess):
        return _scan_blobs(image.access.blobs, diff_ids, wants, meter)
    return _scan_stream(image.access, diff_ids, wants, meter)


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


def _scan_blobs(
    blobs: tuple[LayerBlob, ...], diff_ids: tuple[str, ...], wants: Wants, meter: _Meter
) -> tuple[LayerIndex, ...]:
    if len(blobs) != len(diff_ids):
        raise ImageError(
            f"the manifest lists {len(blobs)} layers, the configuration {len(diff_ids)}", where=meter.reference
        )

    def read(position: int) -> LayerIndex:
        blob = blobs[position]
        where = f"{meter.reference}, layer {position + 1}"
        with blob.open() as stream:
            diff_id, index = _read(stream, blob.digest, blob.size, wants, meter, where)
        if diff_id != diff_ids[position]:
            raise ImageError(
                f"its content has the diff id {diff_id}, the configuration says {diff_ids[position]}", where=where
            )
        meter.finish()
        return index

    # The largest layers first: the last one to start should be short.
    order = sorted(range(len(blobs)), key=lambda position: -(blobs[position].size or 0))
    with ThreadPoolExecutor(max_workers=min(_WORKERS, os.cpu_count() or 1)) as pool:
        futures = {position: pool.submit(read, position) for position in order}
        try:
            for finished in as_completed(futures.values()):
                finished.result()
            return tuple(futures[position].result() for position in range(len(blobs)))
        except BaseException:
            # What other threads have begun ends at its next piece.
            meter.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _scan_stream(access: Sequential, diff_ids: tuple[str, ...], wants: Wants, meter: _Meter) -> tuple[LayerIndex, ...]:
    found: dict[str, LayerIndex] = {}
    failures: list[ImageError] = []
    with access.arrivals() as arrivals:
        for number, arrival in enumerate(arrivals, 1):
            try:
                diff_id, index = _read_arrival(arrival, number, wants, meter)
            except (LimitError, UnreachableError):
                raise
            except ImageError as error:
                # It may be no layer of this image, or no layer at all; it counts where one turns out to be missing.
                failures.append(error)
                continue
            if diff_id in diff_ids and diff_id not in found:
                found[diff_id] = index
                meter.finish()
    for position, diff_id in enumerate(diff_ids, 1):
        if diff_id not in found:
            missing = ImageError(f"layer {position} ({diff_id}) is not in what was sent", where=meter.reference)
            raise failures[0] if failures else missing
    return tuple(found[diff_id] for diff_id in diff_ids)


def _read_arrival(arrival: Arrival, number: int, wants: Wants, meter: _Meter) -> tuple[str, LayerIndex]:
    return _read(arrival.stream, arrival.digest, None, wants, meter, f"{meter.reference}, layer {number} of the stream")


def _read(
    stream: Stream, digest: str | None, size: int | None, wants: Wants, meter: _Meter, where: str
) -> tuple[str, LayerIndex]:
    """Diff id and index of one blob, whose own digest and size have been verified."""
    seen = _Seen()
    inflated = hashlib.sha256()
    try:
        with _ahead(chunks(stream, seen, meter.limits)) as pieces:
            index = read_layer(_counted(pieces, inflated, meter), wants, meter.limits)
    except DriftscanError as error:
        error.where = f"{where}, {error.where}" if error.where else where
        raise
    if size is not None and seen.size != size:
        raise ImageError(f"the blob has {seen.size} bytes, the manifest says {size}", where=where)
    if digest is not None and seen.digest != digest:
        raise ImageError(f"the blob has the digest {seen.digest}, the manifest says {digest}", where=where)
    return f"sha256:{inflated.hexdigest()}", index


class _Seen:
    """Size and digest of the blob as it came in."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _counted(pieces: Iterator[bytes], inflated: hashlib._Hash, meter: _Meter) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        meter.limits.check("layer_size", size, "the layer, inflated,")
        meter.inflate(len(piece))
        inflated.update(piece)
        yield piece


@contextmanager
def _ahead(pieces: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """Produce `pieces` in a thread of its own, so that inflating and reading one layer overlap.

    An error in the producer is raised where the pieces are consumed. The thread ends with the context.
    """
    ready: queue.Queue[bytes | BaseException] = queue.Queue(_PIECES_AHEAD)
    stopped = threading.Event()

    def produce() -> None:
        try:
            for piece in pieces:
                if stopped.is_set():
                    return
                if piece:
                    ready.put(piece)
            ready.put(b"")
        except BaseException as error:  # noqa: BLE001  # handed to the consumer, which raises it
            ready.put(error)

    def consume() -> Iterator[bytes]:
        while piece := ready.get():
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    producer = threading.Thread(target=produce, name="inflate", daemon=True)
    producer.start()
    try:
        yield consume()
    finally:
        stopped.set()
        while producer.is_alive():
            # It may stand at a full queue.
            with suppress(queue.Empty):
                while True:
                    ready.get_nowait()
            producer.join(0.01)
