"""OCI image layouts: folders (`oci:`) and tar archives of them (`oci-archive:`); OCI image-spec image-layout.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from driftscan.errors import ImageError, NotFoundError
from driftscan.image.archive import Member, index_members, open_member, read_member
from driftscan.image.content import Origin, open_stored, select_named
from driftscan.image.decompress import Stream
from driftscan.image.limits import Limits
from driftscan.image.manifest import Descriptor, Manifest, read_manifest
from driftscan.image.paths import existing, opening, split_reference
from driftscan.image.source import Image

INDEX = "index.json"


def open_layout(rest: str, platform: str | None, limits: Limits) -> Image:
    """`oci:PATH[:NAME]`: a layout folder."""
    path, name = split_reference(rest)
    folder = existing(path, f"oci:{rest}")
    index = folder / INDEX
    if not index.is_file():
        raise NotFoundError("there is no index.json, so this is no OCI layout", where=str(folder))
    with opening(index) as file:
        document = file.read(limits.document + 1)
    return _open(BlobFolder(folder, limits), document, name, platform, Origin(rest, "oci", str(folder)), limits)


def open_archive(rest: str, platform: str | None, limits: Limits) -> Image:
    """`oci-archive:PATH[:NAME]`: a tar file of a layout, uncompressed outside."""
    path, name = split_reference(rest)
    file = existing(path, f"oci-archive:{rest}")
    members = index_members(file, limits)
    if INDEX not in members:
        raise NotFoundError("there is no index.json, so this is no OCI archive", where=str(file))
    return open_members(file, members, name, platform, Origin(rest, "oci-archive", str(file)), limits)


def open_members(
    file: Path, members: Mapping[str, Member], name: str | None, platform: str | None, origin: Origin, limits: Limits
) -> Image:
    """The image `name` of a layout among the members of a tar file, which are known to have index.json."""
    index = read_member(file, members[INDEX], limits, INDEX)
    return _open(_Archive(file, members, limits), index, name, platform, origin, limits)


def _open(
    store: BlobFolder | _Archive, index: bytes, name: str | None, platform: str | None, origin: Origin, limits: Limits
) -> Image:
    entries = read_manifest(index, limits, what=INDEX)
    if isinstance(entries, Manifest):
        raise ImageError("its index.json is an image manifest, not an index", where=origin.where)
    return open_stored(store, select_named(entries, name, origin.where), platform, origin, limits)


class BlobFolder:
    """Blobs in the folder `blobs` of another, by digest, as a layout has them."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        self._limits.check("document", descriptor.size, "a manifest", str(self._folder))
        with self.open(descriptor) as stream:
            return stream.read(descriptor.size + 1)

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[Stream]:
        """A blob; one that is a symlink could be any file of this machine, and is refused."""
        algorithm, _, digest = descriptor.digest.partition(":")
        path = self._folder / "blobs" / algorithm / digest
        if path.is_symlink() or path.parent.is_symlink() or path.parent.parent.is_symlink():
            raise ImageError(f"the blob {descriptor.digest} is a symlink", where=str(self._folder))
        if not path.is_file():
            raise ImageError(f"the blob {descriptor.digest} is missing", where=str(self._folder))
        with opening(path) as file:
            yield file


class _Archive:
    def __init__(self, path: Path, members: Mapping[str, Member], limits: Limits) -> None:
        self._path = path
        self._members = members
        self._limits = limits

    def _member(self, descriptor: Descriptor) -> Member:
        member = self._members.get("blobs/" + descriptor.digest.replace(":", "/"))
        if member is None:
            raise ImageError(f"the blob {descriptor.digest} is missing", where=str(self._path))
        return member

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        return read_member(self._path, self._member(descriptor), self._limits, "a manifest")

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[Stream]:
        with open_member(self._path, self._member(descriptor)) as stream:
            yield stream
