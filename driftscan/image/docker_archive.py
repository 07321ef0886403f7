"""What `docker save` and `podman save` write: a tar with `manifest.json`, read from a file or straight from a daemon.

Layers lie in it as `<id>/layer.tar`, as `<digest>.tar` (Podman), or as OCI blobs that may be compressed. As a file it
gives random access; as a stream (from a daemon, or a compressed file) the layers are read as they come by.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from driftscan.errors import DriftscanError, ImageError, NotFoundError
from driftscan.image.archive import index_members, open_member, read_member
from driftscan.image.buffer import Buffer, Pieces
from driftscan.image.content import Origin
from driftscan.image.decompress import CHUNK, Stream, inflated, is_compressed
from driftscan.image.limits import Limits
from driftscan.image.manifest import check_layers, check_platform, matches_platform, read_config
from driftscan.image.oci_layout import INDEX, open_members
from driftscan.image.paths import existing, opening, split_reference
from driftscan.image.references import parse_image_name
from driftscan.image.source import Access, Arrival, Image, LayerBlob, RandomAccess, Sequential
from driftscan.image.strictjson import JsonObject, load_object, objects, text, texts
from driftscan.image.tarheader import BLOCK, Headers
from driftscan.model.image import ImageConfig, UsedImage

MANIFEST = "manifest.json"
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_FILE = ord("0")
_DOCUMENTS_TOGETHER = 8
"""How much is kept of the documents in a compressed archive, as a multiple of the largest one allowed."""
_DOCUMENTS = (".json", "VERSION", "repositories", "oci-layout")


def open_archive(rest: str, platform: str | None, limits: Limits) -> Image:
    """`docker-archive:PATH[:NAME]`: a tar file, as it is or compressed as a whole."""
    path, name = split_reference(rest)
    file = existing(path, f"docker-archive:{rest}")
    with opening(file) as stream:
        compressed = is_compressed(stream.read(4))
    archive = _Compressed(file, limits) if compressed else _Plain(file, limits)
    manifest = archive.document(MANIFEST)
    if manifest is None:
        raise NotFoundError("there is no manifest.json, so this is no archive of `docker save`", where=str(file))
    entry = select_image(manifest, name, str(file), limits)
    config, digest = _config(archive, text(entry, "Config", MANIFEST), str(file), limits)
    indexed = partial(archive.indexed, entry, rest) if isinstance(archive, _Plain) and archive.has_index else None
    if indexed is not None and platform is not None and not matches_platform(config.platform, platform):
        # manifest.json is for one platform, of all that were saved.
        return indexed(platform)
    check_platform(config, platform, str(file))
    layers = texts(entry, "Layers", MANIFEST)
    access = archive.access(layers)
    check_layers(len(layers), len(config.diff_ids), str(file))
    return Image(
        reference=rest,
        source="docker-archive",
        config=config,
        access=access,
        digest=digest,
        platform=config.platform or None,
        used=partial(_used, indexed, config.platform, digest) if indexed is not None else tuple,
    )


def _used(indexed: Callable[[str], Image], platform: str, digest: str) -> tuple[UsedImage, ...]:
    """The images that the image with that digest was built from: attestations are beside it in the index."""
    try:
        image = indexed(platform)
    except ImageError:
        # Of an archive whose index does not lead to the image by that name, there is nothing to be told.
        return ()
    return image.used() if image.digest == digest else ()


def _config(archive: _Plain | _Compressed, name: str, where: str, limits: Limits) -> tuple[ImageConfig, str]:
    """The configuration and its digest, which is the one in its name where that holds one."""
    raw = archive.document(_inside(name, where))
    if raw is None:
        raise _missing(name, where)
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    promised = re.search(r"[0-9a-f]{64}", name)
    if promised is not None and f"sha256:{promised[0]}" != digest:
        raise ImageError(f"the image configuration has the digest {digest}, its name says otherwise", where=where)
    return read_config(raw, limits), digest


def _inside(name: str, where: str) -> str:
    if name.startswith("/") or ".." in name.split("/"):
        raise ImageError(f"manifest.json names {name!r}, which is outside of the archive", where=where)
    return name


def _missing(name: str, where: str) -> ImageError:
    return ImageError(f"manifest.json names {name!r}, which is not in the archive", where=where)


class _Plain:
    """An archive whose members can be read one by one."""

    def __init__(self, file: Path, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._members = index_members(file, limits)

    @property
    def has_index(self) -> bool:
        """Whether it is an OCI layout as well."""
        return INDEX in self._members

    def indexed(self, entry: JsonObject, rest: str, platform: str) -> Image:
        """The image of an entry of manifest.json for a platform that may be another, in that layout."""
        tag = next(iter(texts(entry, "RepoTags", MANIFEST)), None)
        name = str(parse_image_name(tag)) if tag is not None else None
        origin = Origin(rest, "docker-archive", str(self._file))
        return open_members(self._file, self._members, name, platform, origin, self._limits)

    def document(self, name: str) -> bytes | None:
        member = self._members.get(name)
        return None if member is None else read_member(self._file, member, self._limits, name)

    def access(self, layers: tuple[str, ...]) -> Access:
        return RandomAccess(blobs=tuple(self._blob(name) for name in layers))

    def _blob(self, name: str) -> LayerBlob:
        member = self._members.get(_inside(name, str(self._file)))
        if member is None:
            raise _missing(name, str(self._file))
        return LayerBlob(open=partial(open_member, self._file, member), digest=_promised_digest(name), size=member.size)


class _Compressed:
    """An archive that was compressed as a whole: it is read from its beginning, once for the documents in it."""

    def __init__(self, file: Path, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        with self._stream() as stream:
            self._documents = _documents(stream, limits)

    def document(self, name: str) -> bytes | None:
        return self._documents.get(name)

    def access(self, layers: tuple[str, ...]) -> Access:
        for name in layers:
            _inside(name, str(self._file))
        return Sequential(arrivals=self._arrivals)

    @contextmanager
    def _stream(self) -> Iterator[Stream]:
        with opening(self._file) as file:
            try:
                yield Pieces(inflated(file, self._limits))
            except DriftscanError as error:
                error.where = error.where or str(self._file)
                raise

    @contextmanager
    def _arrivals(self) -> Iterator[Iterator[Arrival]]:
        with self._stream() as stream:
            yield arrivals(stream, self._limits)


def _documents(stream: Stream, limits: Limits) -> dict[str, bytes]:
    """All small members that are JSON, by name; more of them than an ordinary archive has are passed over."""
    found: dict[str, bytes] = {}
    room = _DOCUMENTS_TOGETHER * limits.document
    buffer = Buffer(iter(lambda: stream.read(CHUNK), b""))
    headers = Headers(buffer, limits)
    while (header := headers.next()) is not None:
        body = _Body(buffer, header.size)
        if header.flag == _FILE and header.size <= min(room, limits.document):
            data = body.read(header.size)
            if data.startswith((b"{", b"[")):
                found[header.name.decode("utf-8", "surrogateescape").removeprefix("./")] = data
                room -= len(data)
        body.skip()
        buffer.skip_padding(header.size)
    buffer.drain()
    return found


def _promised_digest(name: str) -> str | None:
    """The digest of a blob that lies under its digest; older names are not digests of the file."""
    blob = _BLOB.fullmatch(name)
    return f"sha256:{blob[1]}" if blob else None


def select_image(manifest: bytes, name: str | None, where: str, limits: Limits) -> JsonObject:
    """The entry of manifest.json for the image `name`, or for the only one there is.

    The document is a list; it is wrapped to go through the same strict reader as every other.
    """
    entries = objects(load_object(b'{"images":' + manifest + b"}", MANIFEST, limits), "images", MANIFEST)
    if not entries:
        raise NotFoundError("its manifest.json lists no image", where=where)
    chosen = tuple(entry for entry in entries if name is None or _is_called(entry, name))
    if not chosen:
        raise NotFoundError(f"it holds no image {name!r}", where=where, hint=_choices(entries))
    if len({text(entry, "Config", MANIFEST) for entry in chosen}) > 1:
        raise ImageError(f"it holds {len(chosen)} images", where=where, hint=_choices(chosen))
    return chosen[0]


def _choices(entries: tuple[JsonObject, ...]) -> str:
    names = sorted(tag for entry in entries for tag in texts(entry, "RepoTags", MANIFEST))
    return f"name one behind the path: {', '.join(names)}" if names else "it names none of its images"


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
            if not head.startswith(b"{") and (header.size >= BLOCK or is_compressed(head)):
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
