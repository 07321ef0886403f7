"""What `docker save` and `podman save` write: a tar with `manifest.json`, read from a file or straight from a daemon.

Layers lie in it as `<id>/layer.tar`, as `<digest>.tar` (Podman), or as OCI blobs that may be compressed. As a file it
gives random access; as a stream (from a daemon, or a compressed file) the layers are read as they come by.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from driftscan.errors import ImageError, NotFoundError
from driftscan.image.archive import Member, index_members, open_member, read_member
from driftscan.image.buffer import Buffer
from driftscan.image.content import Origin
from driftscan.image.decompress import CHUNK, Stream
from driftscan.image.limits import Limits
from driftscan.image.manifest import check_platform, read_config
from driftscan.image.paths import existing, split_reference
from driftscan.image.source import Arrival, Image, LayerBlob, RandomAccess
from driftscan.image.strictjson import JsonObject, load_object, objects, text, texts
from driftscan.image.tarheader import BLOCK, Headers

MANIFEST = "manifest.json"
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_FILE = ord("0")
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_DOCUMENTS = (".json", "VERSION", "repositories", "oci-layout")


def open_archive(rest: str, platform: str | None, limits: Limits) -> Image:
    """`docker-archive:PATH[:NAME]`: an uncompressed tar file."""
    path, name = split_reference(rest)
    file = existing(path, f"docker-archive:{rest}")
    members = index_members(file, limits)
    if MANIFEST not in members:
        raise NotFoundError("there is no manifest.json, so this is no archive of `docker save`", where=str(file))
    entry = select_image(read_member(file, members[MANIFEST], limits, MANIFEST), name, str(file), limits)
    return _image(file, members, entry, platform, Origin(rest, "docker-archive", str(file)), limits)


def _image(
    file: Path,
    members: Mapping[str, Member],
    entry: JsonObject,
    platform: str | None,
    origin: Origin,
    limits: Limits,
) -> Image:
    config_name = text(entry, "Config", MANIFEST)
    raw = read_member(file, _member(members, config_name, file), limits, "the image configuration")
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    promised = re.search(r"[0-9a-f]{64}", config_name)
    if promised is not None and f"sha256:{promised[0]}" != digest:
        raise ImageError(f"the image configuration has the digest {digest}, its name says otherwise", where=str(file))
    config = read_config(raw, limits)
    check_platform(config, platform, origin.where)
    return Image(
        reference=origin.reference,
        source=origin.source,
        config=config,
        access=RandomAccess(blobs=tuple(_blobs(file, members, entry))),
        digest=digest,
        platform=config.platform or None,
    )


def _blobs(file: Path, members: Mapping[str, Member], entry: JsonObject) -> Iterator[LayerBlob]:
    names = texts(entry, "Layers", MANIFEST)
    for name in names:
        member = _member(members, name, file)
        yield LayerBlob(open=partial(open_member, file, member), digest=_promised_digest(name), size=member.size)


def _promised_digest(name: str) -> str | None:
    """The digest of a blob that lies under its digest; older names are not digests of the file."""
    blob = _BLOB.fullmatch(name)
    return f"sha256:{blob[1]}" if blob else None


def _member(members: Mapping[str, Member], name: str, file: Path) -> Member:
    if name.startswith("/") or ".." in name.split("/"):
        raise ImageError(f"manifest.json names {name!r}, which is outside of the archive", where=str(file))
    if name not in members:
        raise ImageError(f"manifest.json names {name!r}, which is not in the archive", where=str(file))
    return members[name]


def select_image(manifest: bytes, name: str | None, where: str, limits: Limits) -> JsonObject:
    """The entry of manifest.json for the image `name`, or for the only one there is.

    The document is a list; it is wrapped to go through the same strict reader as every other.
    """
    entries = objects(load_object(b'{"images":' + manifest + b"}", MANIFEST, limits), "images", MANIFEST)
    if not entries:
        raise NotFoundError("its manifest.json lists no image", where=where)
    if name is not None:
        entries = tuple(entry for entry in entries if _is_called(entry, name))
        if not entries:
            raise NotFoundError(f"it holds no image {name!r}", where=where)
    if len({text(entry, "Config", MANIFEST) for entry in entries}) > 1:
        names = sorted(tag for entry in entries for tag in texts(entry, "RepoTags", MANIFEST))
        raise ImageError(
            f"it holds {len(entries)} images", where=where, hint=f"name one behind the path: {', '.join(names)}"
        )
    return entries[0]


def _is_called(entry: JsonObject, name: str) -> bool:
    tags = texts(entry, "RepoTags", MANIFEST)
    return name in tags or f"{name}:latest" in tags or any(tag.endswith(f"/{name}") for tag in tags)


def arrivals(stream: Stream, limits: Limits) -> Iterator[Arrival]:
    """The layers of a `docker save` stream as they come by; JSON members among them are passed over.

    Each arrival must be read to its end, or given up, before the next one is asked for.
    """
    buffer = Buffer(iter(lambda: stream.read(CHUNK), b""))
    headers = Headers(buffer, limits)
    while (header := headers.next()) is not None:
        body = _Body(buffer, header.size)
        name = header.name.decode("utf-8", "surrogateescape")
        if header.flag == _FILE and not name.endswith(_DOCUMENTS):
            head = body.read(4)
            # A layer takes at least a block uncompressed, and may take less than that compressed.
            if not head.startswith(b"{") and (header.size >= BLOCK or head.startswith(_COMPRESSED)):
                yield Arrival(_Prefixed(head, body), _promised_digest(name))
        body.skip()
        buffer.skip_padding(header.size)
    buffer.drain()


class _Body:
    """One member of the stream."""

    def __init__(self, buffer: Buffer, size: int) -> None:
        self._buffer = buffer
        self._left = size

    def read(self, size: int, /) -> bytes:
        data = self._buffer.take(min(size, self._left))
        self._left -= len(data)
        return data

    def skip(self) -> None:
        self._buffer.skip(self._left)
        self._left = 0


class _Prefixed:
    """A stream whose beginning was already taken."""

    def __init__(self, head: bytes, body: _Body) -> None:
        self._head = head
        self._body = body

    def read(self, size: int, /) -> bytes:
        head, self._head = self._head, b""
        return head or self._body.read(size)
