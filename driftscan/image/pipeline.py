"""Pieces of one stream handed from thread to thread, so that inflating, hashing and reading it overlap.

Decompressors and hashes work without the interpreter's lock; what is left for Python is to pass pieces on, which the
queues of C do in a microsecond.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

T = TypeVar("T")
_PIECES_AHEAD = 16
"""Pieces (of up to half a MiB) that wait in front of one thread."""


class Digest:
    """The SHA-256 of pieces, computed in a thread of its own from `__enter__` to `value` or `__exit__`."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._pieces = _Handover[bytes]()
        self._thread = threading.Thread(target=self._run, name="digest", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._finish()

    def update(self, piece: bytes) -> None:
        """Take the next bytes, none of which means the end; waits where the thread has too many before it."""
        self._pieces.put(piece)

    def value(self) -> str:
        """`sha256:` and the digest of all that was taken; nothing can be taken after it."""
        self._finish()
        return f"sha256:{self._hash.hexdigest()}"

    def _finish(self) -> None:
        if self._thread.is_alive():
            self._pieces.put(b"")
            self._thread.join()

    def _run(self) -> None:
        while piece := self._pieces.get():
            self._hash.update(piece)


@contextmanager
def ahead(pieces: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """Produce `pieces` in a thread of its own; none of them may be empty.

    An error in the producer is raised where the pieces are consumed. The thread ends with the context.
    """
    ready = _Handover[bytes | BaseException]()
    stopped = threading.Event()

    def produce() -> None:
        try:
            for piece in pieces:
                if stopped.is_set():
                    return
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
        # It may stand at a full queue; what it puts there now, nobody takes.
        ready.open()
        producer.join()


class Room:
    """What several threads may hold together: whoever wants more than is free waits, and may have more than all alone.

    Sizes are in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._changed = threading.Condition()

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Have room for `size` bytes."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + size <= self._size)
            self._held += size
        try:
            yield
        finally:
            with self._changed:
                self._held -= size
                self._changed.notify_all()


class _Handover(Generic[T]):
    """A queue of a bounded number of items from one thread to another."""

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(_PIECES_AHEAD):
            self._free.put(None)

    def put(self, item: T) -> None:
        self._free.get()
        self._items.put(item)

    def get(self) -> T:
        item = self._items.get()
        self._free.put(None)
        return item

    def open(self) -> None:
        """Let one more item in, and whatever comes after that end of it."""
        for _ in range(2):
            self._free.put(None)
