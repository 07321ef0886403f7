"""Manifests, indexes and configurations (OCI image-spec 1.1, Docker schema 2), and the choice of a platform."""

from __future__ import annotations

import platform as host
import re
from types import MappingProxyType
from typing import NamedTuple

from driftscan.errors import ImageError, NotFoundError
from driftscan.image.limits import Limits
from driftscan.image.strictjson import JsonObject, load_object, member, objects, text, texts
from driftscan.model.image import HistoryEntry, ImageConfig, platform_name

DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]+")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ATTESTATION = "vnd.docker.reference.type"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


class Descriptor(NamedTuple):
    """A reference to a blob: digest (verified in form), size in bytes, media type, platform, annotations."""

    digest: str
    size: int
    media_type: str
    platform: str
    annotations: JsonObject


class Manifest(NamedTuple):
    """One platform's image."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


def check_digest(digest: str, what: str) -> str:
    """The digest itself, once it is sure to be harmless in a path or URL; ImageError otherwise."""
    algorithm, _, hexadecimal = digest.partition(":")
    if not DIGEST.fullmatch(digest) or _DIGEST_LENGTHS.get(algorithm) != len(hexadecimal):
        raise ImageError(f"{what} has the digest {digest[:100]!r}, which is none that can be verified")
    if algorithm != "sha256":
        raise ImageError(f"{what} has a digest by {algorithm}; only sha256 is supported")
    return digest


def read_manifest(
    data: bytes, limits: Limits, media_type: str | None = None, *, what: str = "the manifest"
) -> Manifest | tuple[Descriptor, ...]:
    """A manifest, or the entries of an index; `what` errors call it.

    `media_type` is what the document was served as; where it and the document's own disagree, or the document could
    be read as both kinds, it is an ImageError: different readers would see different images.
    """
    document = load_object(data, what, limits)
    if "manifests" in document and ("layers" in document or "config" in document):
        raise ImageError(f"{what} is an index and an image at once")
    own = text(document, "mediaType", what, "")
    if media_type in INDEX_TYPES + MANIFEST_TYPES and own and own != media_type:
        raise ImageError(f"{what} says it is {own}, and was served as {media_type}")
    is_index = "manifests" in document
    if (own or media_type) in (MANIFEST_TYPES if is_index else INDEX_TYPES):
        raise ImageError(f"{what}'s media type does not fit its content")
    if document.get("schemaVersion") != 2:
        raise ImageError(f"{what} is not of schema version 2", hint="push the image again with a current builder")
    if is_index:
        return tuple(
            read_descriptor(item, "an entry of the index") for item in objects(document, "manifests", "the index")
        )
    layers = objects(document, "layers", "the manifest")
    limits.check("layers", len(layers), f"the number of layers ({len(layers)})")
    return Manifest(
        config=read_descriptor(member(document, "config", "the manifest"), "the manifest's configuration"),
        layers=tuple(read_descriptor(item, "a layer of the manifest") for item in layers),
    )


def read_descriptor(item: JsonObject, what: str) -> Descriptor:
    """One of JSON; `what` errors call it."""
    size = item.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ImageError(f"{what} has no valid size")
    described = member(item, "platform", what)
    return Descriptor(
        digest=check_digest(text(item, "digest", what), what),
        size=size,
        media_type=text(item, "mediaType", what, ""),
        platform=platform_name(*(text(described, key, what, "") for key in ("os", "architecture", "variant"))),
        annotations=member(item, "annotations", what),
    )


def host_platform() -> str:
    """What a container runtime on this machine would run: `linux/` and its architecture."""
    machine = host.machine().lower()
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


def choose_platform(entries: tuple[Descriptor, ...], wanted: str | None, where: str) -> Descriptor:
    """The entry of an index for `wanted` (`os/architecture[/variant]`), or for this machine's where that is None.

    Raises NotFoundError naming the platforms there are.
    """
    images = [entry for entry in entries if _ATTESTATION not in entry.annotations]
    if len(images) == 1 and (wanted is None or not images[0].platform):
        return images[0]
    asked = wanted or host_platform()
    for entry in images:
        if matches_platform(entry.platform, asked):
            return entry
    there = ", ".join(sorted({entry.platform for entry in images if entry.platform})) or "none that it names"
    raise NotFoundError(
        f"there is no image for {asked}; it has {there}", where=where, hint="choose one of them with --platform"
    )


def matches_platform(platform: str, asked: str) -> bool:
    """Whether `platform` is the one asked for; a variant counts only where both name one."""
    there, wanted = platform.split("/"), asked.split("/")
    return there[:2] == wanted[:2] and (len(there) < 3 or len(wanted) < 3 or there[2] == wanted[2])


def check_platform(config: ImageConfig, wanted: str | None, where: str) -> None:
    """Raise NotFoundError where the one image there is was made for another platform than the one asked for."""
    if wanted is not None and not matches_platform(config.platform, wanted):
        raise NotFoundError(f"the image is for {config.platform}, not for {wanted}", where=where)


def check_layers(listed: int, promised: int, where: str) -> None:
    """Raise ImageError where a manifest lists another number of layers than the configuration promises; of layers that
    are known from other images nobody would notice.
    """
    if listed != promised:
        raise ImageError(f"the manifest lists {listed} layers, the configuration {promised}", where=where)


def read_config(data: bytes, limits: Limits) -> ImageConfig:
    """An image configuration (OCI image-spec config.md; Docker's has the same members)."""
    what = "the image configuration"
    document = load_object(data, what, limits)
    settings = member(document, "config", what)
    diff_ids = texts(member(document, "rootfs", what), "diff_ids", what)
    limits.check("layers", len(diff_ids), f"the number of layers ({len(diff_ids)})")
    labels = member(settings, "Labels", what)
    return ImageConfig(
        architecture=text(document, "architecture", what, ""),
        os=text(document, "os", what, "linux"),
        variant=text(document, "variant", what, ""),
        entrypoint=texts(settings, "Entrypoint", what),
        cmd=texts(settings, "Cmd", what),
        env=read_environment(texts(settings, "Env", what)),
        working_dir=text(settings, "WorkingDir", what, "") or "/",
        user=text(settings, "User", what, ""),
        labels=MappingProxyType({key: value for key, value in labels.items() if isinstance(value, str)}),
        history=tuple(_history_entry(item) for item in objects(document, "history", what)),
        diff_ids=tuple(check_digest(diff_id, "a layer of the configuration") for diff_id in diff_ids),
    )


def read_environment(variables: tuple[str, ...]) -> MappingProxyType[str, str]:
    """`NAME=value` entries; the last one of a name counts, as in a container."""
    pairs = (variable.partition("=") for variable in variables)
    return MappingProxyType({name: value for name, _, value in pairs})


def _history_entry(item: JsonObject) -> HistoryEntry:
    what = "the image's history"
    return HistoryEntry(
        created_by=text(item, "created_by", what, ""),
        empty_layer=item.get("empty_layer") is True,
        comment=text(item, "comment", what, ""),
    )
