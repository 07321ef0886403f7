"""Layers as Docker and Podman store them: files in a folder, and beside it what made them a tar (tar-split).

Neither keeps the tar that a layer came as. They keep its files, and in a gzip file of JSON lines all that stood between
their contents, as `tar/storage` of tar-split defines it. Both together give the tar again, byte for byte, which is what
the engines do themselves when they save an image, and what the diff id proves.
"""

from __future__ import annotations

import json
import os
import stat
from binascii import a2b_base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

from driftscan.errors import ImageError
from driftscan.image.buffer import Pieces
from driftscan.image.decompress import CHUNK, Stream, inflated
from driftscan.image.limits import Limits
from driftscan.image.paths import opening_stored
from driftscan.image.source import LayerBlob, RandomAccess, TrappedError
from driftscan.image.strictjson import JsonObject

_FILE, _SEGMENT = 1, 2
_JOINED = CHUNK // 2
"""Bytes of small files and what is between them that are handed on together."""
_LINE = 16 << 20
"""Bytes of one line, which holds the headers before one file."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

_Item: TypeAlias = dict[str, Any]
"""One line: bytes of the tar (`payload`), or a file whose content comes next (`name`, `size`)."""


class StoredFiles(NamedTuple):
    """Where a layer is stored: the folder with its files, and the file with the rest of its tar."""

    folder: Path
    split: Path


def driver_data(inspected: JsonObject) -> JsonObject:
    """What an engine says of an image's layers in its storage; empty where its driver says nothing."""
    driver = inspected.get("GraphDriver")
    data = driver.get("Data") if isinstance(driver, dict) else None
    return data if isinstance(data, dict) else {}


def stored_blobs(layers: Sequence[StoredFiles | None], limits: Limits) -> RandomAccess | None:
    """The layers as blobs; None where one is not stored in this way."""
    blobs = [
        LayerBlob(open=partial(reassembled, layer, limits))
        for layer in layers
        if layer is not None and os.access(layer.split, os.R_OK)
    ]
    return RandomAccess(blobs=tuple(blobs)) if len(blobs) == len(layers) else None


@contextmanager
def reassembled(stored: StoredFiles, limits: Limits) -> Iterator[Stream]:
    """The tar of a layer, which may be another one than it was: its diff id tells.

    Reading raises ImageError where a file is missing, has another size, or lies behind a link.
    """
    with opening_stored(stored.split) as split, _Tree(stored.folder) as tree:
        yield Pieces(_joined(_parts(_items(split, limits), tree, str(stored.split))))


def _parts(items: Iterator[_Item], tree: _Tree, where: str) -> Iterator[bytes]:
    try:
        for item in items:
            if item["type"] == _SEGMENT:
                yield a2b_base64(item["payload"])
            elif item["type"] != _FILE:
                raise ImageError(f"it has an entry of the unknown type {item['type']!r}", where=where)
            elif size := item.get("size", 0):
                yield from tree.read(_name(item), size)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise ImageError(f"it cannot be read ({error})", where=where) from error


def _name(item: _Item) -> str:
    """The path of a file; names that are not UTF-8 stand there in base64."""
    raw = item.get("name_raw")
    return a2b_base64(raw).decode("utf-8", "surrogateescape") if raw else item["name"]


def _items(split: Stream, limits: Limits) -> Iterator[_Item]:
    """All lines, many at a time: line breaks stand nowhere else in JSON than between values."""
    rest = b""
    for piece in inflated(split, limits):
        lines, _, rest = (rest + piece).rpartition(b"\n")
        if len(rest) > _LINE:
            raise ValueError("a line without end")
        if lines:
            yield from json.loads(b"[%b]" % lines.replace(b"\n", b","))
    if rest:
        yield json.loads(rest)


def _joined(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Fewer and larger pieces: each costs a handover between threads."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _JOINED:
            yield b"".join(held) if len(held) > 1 else part
            held.clear()
            size = 0
    if held:
        yield b"".join(held)


class _Tree:
    """The files of one layer, opened step by step below its folder, so that no link leads out of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parent = ""
        self._open: list[tuple[str, int]] = []

    def __enter__(self) -> Self:
        try:
            self._open.append(("", os.open(self._folder, _FOLDER_FLAGS)))
        except OSError as error:
            raise ImageError(f"it cannot be read ({error.strerror})", where=str(self._folder)) from error
        return self

    def __exit__(self, *exception: object) -> None:
        while self._open:
            os.close(self._open.pop()[1])

    def read(self, name: str, size: int) -> Iterator[bytes]:
        """The content of a file, which has to have `size` bytes."""
        parent, _, last = name.rpartition("/")
        try:
            if parent != self._parent:
                self._enter(parent)
            found = os.stat(last, dir_fd=self._open[-1][1], follow_symlinks=False)
            # Devices must not even be opened.
            if not stat.S_ISREG(found.st_mode) or found.st_size != size:
                raise self._another(name, found.st_mode)
            file = os.open(last, _FILE_FLAGS, dir_fd=self._open[-1][1])
            try:
                while size and (part := os.read(file, min(size, CHUNK))):
                    size -= len(part)
                    yield part
            finally:
                os.close(file)
        except OSError as error:
            raise ImageError(f"the file {name!r} cannot be read ({error.strerror})", where=str(self._folder)) from error
        if size:
            raise ImageError(f"the file {name!r} was cut short", where=str(self._folder))

    def _another(self, name: str, mode: int) -> ImageError:
        where = str(self._folder)
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            hint = "the storage was changed by hand: remove the image, and pull or build it again"
            return TrappedError(f"in the place of the file {name!r} is a pipe or a device", where=where, hint=hint)
        return ImageError(f"the file {name!r} is not the one that the layer came with", where=where)

    def _enter(self, folder: str) -> None:
        """Have the folder open, and those above it."""
        parts = [part for part in folder.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise ImageError(f"the path {folder!r} leads out of it", where=str(self._folder))
        same = 0
        for part, (name, _) in zip(parts, self._open[1:], strict=False):
            if part != name:
                break
            same += 1
        self._parent = "/"  # none, until all are open
        while len(self._open) > same + 1:
            os.close(self._open.pop()[1])
        for part in parts[same:]:
            self._open.append((part, os.open(part, _FOLDER_FLAGS, dir_fd=self._open[-1][1])))
        self._parent = folder
