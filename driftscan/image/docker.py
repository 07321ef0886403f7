"""`docker:`: images of a Docker daemon, found by `DOCKER_HOST`, the current context, or at the default socket."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from driftscan.errors import ImageError, UnreachableError
from driftscan.image import provenance
from driftscan.image.containerd_storage import content_stores, open_content
from driftscan.image.daemon import (
    Client,
    Endpoint,
    Engine,
    RefusedError,
    Tls,
    asking,
    image_path,
    incomplete,
    saved_config,
    saved_image,
)
from driftscan.image.docker_storage import storage_root, stored_config, stored_layers
from driftscan.image.limits import Limits
from driftscan.image.manifest import (
    INDEX_TYPES,
    Descriptor,
    check_digest,
    choose_platform,
    matches_platform,
    read_config,
    read_descriptor,
)
from driftscan.image.paths import home
from driftscan.image.references import parse_image_name
from driftscan.image.source import Image, RandomAccess
from driftscan.image.strictjson import JsonObject, load_object, member, objects, text, texts
from driftscan.model.image import ImageConfig, UsedImage, platform_name

_ENGINE = Engine("the Docker daemon", "docker", "`systemctl start docker`", "docker pull")
_DEFAULT = "unix:///var/run/docker.sock"
_ANSWER = "Docker's answer"
_PLATFORMS_SINCE = "1.49"
"""The version of the API that describes an image for a platform that is asked for."""
_ATTESTATIONS_SINCE = "1.55"
"""The version of the API that hands out what builders attested."""
_METADATA_ONLY = re.compile(
    r"(?:/bin/sh -c #\(nop\)\s+)?"
    r"(?:ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME)\b"
)
"""Instructions that change the configuration and no file."""


def open_image(reference: str, platform: str | None, limits: Limits) -> Image:
    """Open an image by name or id.

    Raises UnreachableError where no daemon answers, NotFoundError where it does not have the image.
    """
    path = image_path(reference, _ENGINE)
    client = Client(_ENGINE, endpoint(limits), limits)
    with asking(client, reference):
        images = f"/v{client.version}/images"
        found = client.object(f"{images}/{path}/json", _ANSWER)
        identity = text(found, "Id", _ANSWER)
        own = f"{images}/{check_digest(identity, 'the image')}"
        one = _one_platform(client, found, own, platform, reference)
        kept = _kept(client, found, one, reference, limits) if client.is_here else None
        config = kept.config if kept is not None else _config(client, one.described, own, one.query, limits)
        layers = kept.layers if kept is not None else None
        saves = (f"{own}/get{one.query}",)
        image = saved_image(client, reference, identity, config, saves, platform, limits, layers)
        used = kept.used if kept is not None else None
        return replace(image, used=used or partial(_used, client, own, one.query, limits))


class _Kept(NamedTuple):
    """What the daemon's storage has of an image. `used` reads what its builder attested, None where it keeps no such
    thing.
    """

    config: ImageConfig
    layers: RandomAccess | None
    used: Callable[[], tuple[UsedImage, ...]] | None = None


def _kept(client: Client, found: JsonObject, one: _One, reference: str, limits: Limits) -> _Kept | None:
    """None where the storage cannot be read, or does not have the image's configuration."""
    if (root := storage_root(found)) is not None:
        raw = stored_config(root, text(found, "Id", _ANSWER), limits)
        if raw is None:
            return None
        config = read_config(raw, limits)
        return _Kept(config, stored_layers(root, config.diff_ids, limits))
    if target := member(found, "Descriptor", _ANSWER):
        descriptor = read_descriptor(target, "the image")
        for store in content_stores(_info(client)):
            image = open_content(store, descriptor, one.platform, reference, limits)
            if image is not None and isinstance(image.access, RandomAccess):
                return _Kept(image.config, image.access, image.used)
    return None


def known_digest(reference: str, limits: Limits) -> str | None:
    """The digest (`sha256:...`) under which the daemon's image of that name was pulled or pushed; None where it was
    neither, or that is not known: the containerd image store has digests for all names, also of what was built here.
    Raises what `open_image` raises.
    """
    path = image_path(reference, _ENGINE)
    client = Client(_ENGINE, endpoint(limits), limits)
    with asking(client, reference):
        found = client.object(f"/v{client.version}/images/{path}/json", _ANSWER)
    if member(found, "Descriptor", _ANSWER):
        return None
    wanted = parse_image_name(reference)
    for known in texts(found, "RepoDigests", _ANSWER):
        name = parse_image_name(known)
        if (name.registry, name.repository) == (wanted.registry, wanted.repository):
            return name.digest
    return None


def _info(client: Client) -> JsonObject:
    """What the daemon says of itself; nothing where something between does not let that through."""
    try:
        return client.object(f"/v{client.version}/info", _ANSWER)
    except ImageError:
        return {}


class _One(NamedTuple):
    """An image for one platform (`os/architecture[/variant]`) as the daemon describes it, and the query that means it,
    empty where the daemon keeps but one.
    """

    described: JsonObject
    platform: str
    query: str


def _one_platform(client: Client, found: JsonObject, path: str, wanted: str | None, reference: str) -> _One:
    """The image for the platform that is meant.

    The containerd image store keeps indexes. Unless it is told a platform, the daemon describes the image for its own,
    as one that is empty where it does not have that, and saves all of them, or none where one is missing.
    """
    target = member(found, "Descriptor", _ANSWER)
    is_index = text(target, "mediaType", _ANSWER, "") in INDEX_TYPES and client.knows(_PLATFORMS_SINCE)
    chosen = _platform(found)
    if is_index and (not chosen or (wanted is not None and not matches_platform(chosen, wanted))):
        chosen = _available(client, path, wanted, reference)
        found = client.object(f"{path}/json{_query(chosen)}", _ANSWER)
    if target and not _platform(found):
        raise incomplete(_ENGINE, reference)
    return _One(found, chosen, _query(chosen) if is_index else "")


def _platform(found: JsonObject) -> str:
    return platform_name(*(text(found, key, _ANSWER, "") for key in ("Os", "Architecture", "Variant")))


def _query(platform: str) -> str:
    parts = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    return f"?platform={quote(json.dumps(parts, separators=(',', ':'), sort_keys=True))}"


def _available(client: Client, path: str, wanted: str | None, reference: str) -> str:
    """The platform that is meant, of those whose manifest, configuration and layers the daemon has."""
    manifests = objects(client.object(f"{path}/json?manifests=1", _ANSWER), "Manifests", _ANSWER)
    there = [each for each in manifests if each.get("Kind") == "image" and each.get("Available") is True]
    if not there:
        raise incomplete(_ENGINE, reference)
    return choose_platform(tuple(_descriptor(each) for each in there), wanted, f"docker:{reference}").platform


def _descriptor(manifest: JsonObject) -> Descriptor:
    """With the platform of its configuration where the index names none."""
    platform = member(member(manifest, "ImageData", _ANSWER), "Platform", _ANSWER)
    return read_descriptor({"platform": platform, **member(manifest, "Descriptor", _ANSWER)}, "a manifest of the image")


def _config(client: Client, found: JsonObject, path: str, query: str, limits: Limits) -> ImageConfig:
    """The image's configuration, without a transfer of its layers where the daemon's history allows it.

    The API gives an instruction and a size for each history entry, but not whether it made a layer. Where that does
    not follow (an instruction that changed nothing beside one that only removed or created directories), the
    configuration is taken from the save stream.
    """
    layers = texts(member(found, "RootFS", _ANSWER), "Layers", _ANSWER)
    try:
        entries = [_made(item) for item in reversed(client.list(f"{path}/history{query}", _ANSWER))]
        makers = which_made_layers(entries, len(layers))
    except RefusedError:
        # Some daemons have no answer where it names more layers than there are.
        entries, makers = [], None
    if makers is None:
        with client.stream(f"{path}/get{query}") as stream:
            return saved_config(stream, layers, limits)
    history = [
        {"created_by": entry.created_by, "comment": entry.comment, "empty_layer": not made}
        for entry, made in zip(entries, makers, strict=True)
    ]
    document = {
        "architecture": found.get("Architecture"),
        "os": found.get("Os"),
        "variant": found.get("Variant"),
        "config": found.get("Config"),
        "rootfs": {"diff_ids": layers},
        "history": history,
    }
    return read_config(json.dumps(document).encode(), limits)


def _used(client: Client, path: str, query: str, limits: Limits) -> tuple[UsedImage, ...]:
    """The images that provenance attestations name. They lie beside an image in its index, so one without has none."""
    if not query or not client.knows(_ATTESTATIONS_SINCE):
        return ()
    manifest = text(client.object(f"{path}/json{query}", _ANSWER), "Id", _ANSWER)
    kinds = "".join(f"&type={quote(kind)}" for kind in provenance.PREDICATES)
    found: dict[UsedImage, None] = {}
    for attestation in client.list(f"{path}/attestations{query}&statement=1{kinds}", _ANSWER):
        statement = json.dumps(member(attestation, "Statement", _ANSWER)).encode()
        found |= dict.fromkeys(provenance.used_images(statement, manifest, limits))
    return tuple(found)


class Made(NamedTuple):
    """An entry of the daemon's history; `size` in bytes is that of the files it added."""

    created_by: str
    comment: str
    size: int


def _made(item: JsonObject) -> Made:
    size = item.get("Size")
    return Made(
        text(item, "CreatedBy", _ANSWER, ""), text(item, "Comment", _ANSWER, ""), size if isinstance(size, int) else 0
    )


def which_made_layers(entries: list[Made], layers: int) -> list[bool] | None:
    """For each entry whether it made one of the `layers`; None where that cannot be told for sure.

    What has a size made a layer. What has none may have made one that only removes files or creates directories.
    """
    certain = [entry.size > 0 for entry in entries]
    possible = [entry.size > 0 or not _METADATA_ONLY.match(entry.created_by) for entry in entries]
    if sum(certain) == layers:
        return certain
    return possible if sum(possible) == layers else None


def endpoint(limits: Limits) -> Endpoint:
    """Where the daemon listens: `DOCKER_HOST` before the context that `docker` would use before the default socket."""
    if url := os.environ.get("DOCKER_HOST"):
        return Endpoint(url, "DOCKER_HOST", _environment_tls())
    folder = Path(os.environ.get("DOCKER_CONFIG") or home() / ".docker")
    name = os.environ.get("DOCKER_CONTEXT") or _current_context(folder, limits)
    if name in ("", "default"):
        return Endpoint(_DEFAULT, "docker")
    return _context(folder, name, limits)


def _environment_tls() -> Tls | None:
    verify = os.environ.get("DOCKER_TLS_VERIFY", "")
    folder = os.environ.get("DOCKER_CERT_PATH")
    if not verify and not folder:
        return None
    return _tls(Path(folder or home() / ".docker"), verify=bool(verify))


def _tls(folder: Path, *, verify: bool) -> Tls:
    files = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority, certificate, key = (str(file) if file.is_file() else None for file in files)
    return Tls(authority, certificate, key, verify)


def _current_context(folder: Path, limits: Limits) -> str:
    file = folder / "config.json"
    try:
        return text(load_object(file.read_bytes(), "Docker's configuration", limits), "currentContext", str(file), "")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UnreachableError(f"Docker's configuration cannot be read ({error.strerror})", where=str(file)) from error


def _context(folder: Path, name: str, limits: Limits) -> Endpoint:
    """A Docker context, as `docker context create` stores it: under the sha256 of its name."""
    identity = hashlib.sha256(name.encode()).hexdigest()
    file = folder / "contexts" / "meta" / identity / "meta.json"
    origin = f"the Docker context {name!r}"
    try:
        document = load_object(file.read_bytes(), origin, limits)
    except OSError as error:
        hint = "see `docker context ls`, or set DOCKER_HOST"
        raise UnreachableError(f"there is no Docker context {name!r}", where=str(file), hint=hint) from error
    described = member(member(document, "Endpoints", origin), "docker", origin)
    url = text(described, "Host", origin, "")
    if not url:
        raise ImageError(f"{origin} names no host", where=str(file))
    certificates = folder / "contexts" / "tls" / identity / "docker"
    tls = _tls(certificates, verify=described.get("SkipTLSVerify") is not True) if certificates.is_dir() else None
    return Endpoint(url, origin, tls)
