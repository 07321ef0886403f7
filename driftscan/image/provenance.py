"""What a build attestation says of the images that a build used.

BuildKit puts a manifest beside the image's own into the index (Docker, "Image attestation storage"), whose layers are
in-toto statements; those with a SLSA provenance predicate (0.2 or 1) list the materials of the build. They say what was
used and not what was asked for, and nobody has checked a signature.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from driftscan.errors import ImageError
from driftscan.image.limits import Limits
from driftscan.image.manifest import Descriptor
from driftscan.image.strictjson import JsonObject, load_object, member, objects, text
from driftscan.model.image import UsedImage

_WHAT = "the provenance attestation"
_KIND = "vnd.docker.reference.type"
_SUBJECT = "vnd.docker.reference.digest"
_PREDICATE = "in-toto.io/predicate-type"
_SLSA = "https://slsa.dev/provenance/"
PREDICATES = (f"{_SLSA}v0.2", f"{_SLSA}v1")
"""The types of statements that are read."""
_PURL = "pkg:docker/"
_HEXADECIMAL = frozenset("0123456789abcdef")


def attestation_of(entries: tuple[Descriptor, ...], image: Descriptor) -> Descriptor | None:
    """The entry of an index that holds what is attested of the manifest `image`."""
    for entry in entries:
        kind, subject = entry.annotations.get(_KIND), entry.annotations.get(_SUBJECT)
        if kind == "attestation-manifest" and subject == image.digest:
            return entry
    return None


def is_provenance(layer: Descriptor) -> bool:
    predicate = layer.annotations.get(_PREDICATE)
    return isinstance(predicate, str) and predicate.startswith(_SLSA)


def used_images(data: bytes, image: str, limits: Limits) -> tuple[UsedImage, ...]:
    """The images among the materials of an in-toto statement about the manifest whose digest is `image`.

    Raises ImageError where it cannot be read, or is about something else.
    """
    statement = load_object(data, _WHAT, limits)
    subjects = [member(item, "digest", _WHAT) for item in objects(statement, "subject", _WHAT)]
    if not any(f"sha256:{digests.get('sha256')}" == image for digests in subjects):
        raise ImageError(f"{_WHAT} is about another image")
    predicate = member(statement, "predicate", _WHAT)
    build = member(predicate, "buildDefinition", _WHAT)
    materials = (*objects(predicate, "materials", _WHAT), *objects(build, "resolvedDependencies", _WHAT))
    return tuple(dict.fromkeys(_images(materials)))


def _images(materials: tuple[JsonObject, ...]) -> Iterator[UsedImage]:
    """By their package URL (purl-spec, type docker): `pkg:docker/NAMESPACE/NAME@VERSION?platform=…`."""
    for material in materials:
        uri = text(material, "uri", _WHAT, "")
        digest = text(member(material, "digest", _WHAT), "sha256", _WHAT, "")
        if not uri.startswith(_PURL) or len(digest) != 64 or not _HEXADECIMAL.issuperset(digest):
            continue
        name, _, version = uri.removeprefix(_PURL).partition("?")[0].partition("@")
        tag = unquote(version)
        named = unquote(name) if not tag or ":" in tag else f"{unquote(name)}:{tag}"
        yield UsedImage(named, f"sha256:{digest}")
