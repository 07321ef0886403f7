"""`registry:`: images of an OCI registry (distribution-spec 1.1), without a daemon.

Layers go from the socket into the layer reader, several at once; a connection that breaks is resumed where it broke.
Where registries.conf names mirrors, the first that has the image serves all of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from driftscan.errors import ImageError, NotFoundError, UnreachableError
from driftscan.image.addresses import origin_of
from driftscan.image.content import Origin, open_stored
from driftscan.image.credentials import find_credentials
from driftscan.image.decompress import Stream
from driftscan.image.download import Download, Get, Part
from driftscan.image.limits import Limits
from driftscan.image.manifest import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Manifest, check_digest, read_manifest
from driftscan.image.patience import BusyError, Effort, Patience
from driftscan.image.references import ImageName, parse_image_name
from driftscan.image.registries_conf import Endpoint, find_endpoints
from driftscan.image.registry_auth import Authorizer
from driftscan.image.source import Image, OpenPart
from driftscan.image.transport import Answer, Transport
from driftscan.image.trust import Trust

_ACCEPT = ", ".join(INDEX_TYPES + MANIFEST_TYPES)
_KNOWN_TYPES = INDEX_TYPES + MANIFEST_TYPES
_TLS_EXPECTED = 400
"""What servers answer to plain http on a port for TLS."""
_OF_A_REGISTRY = (200, 401, 403)
"""What registries answer to who asks for their API."""
_ABSENT = "the registry has no such image"
_NO_REGISTRY = "there is no such image, and what answers seems to be no registry"


def open_image(reference: str, platform: str | None, limits: Limits) -> Image:
    """Open an image by its name.

    Raises NotFoundError where the registry does not have it or gives no access, UnreachableError where it does not
    answer, ImageError where what it answers cannot be trusted, UsageError where settings for registries are damaged.
    """
    name = parse_image_name(reference)
    *mirrors, primary = find_endpoints(name)
    patience = Patience.of_environment()
    failures: list[str] = []
    for endpoint in mirrors:
        try:
            registry, document = _connect(endpoint, name, patience, limits)
            break
        except ImageError as error:
            failures.append(str(error))
    else:
        try:
            registry, document = _connect(primary, name, patience, limits)
        except ImageError as error:
            if failures:
                error.message += f"; nor do its mirrors give it ({'; '.join(failures)})"
            raise
    try:
        origin = Origin(reference, "registry", registry.where)
        return open_stored(registry, document, platform, origin, limits, registry.close, registry.abort, registry.parts)
    except BaseException:
        registry.close()
        raise


def current_digest(reference: str, limits: Limits) -> str:
    """The digest (`sha256:...`) of the manifest or index that a name stands for now, in its own registry.

    Raises what `open_image` raises.
    """
    name = parse_image_name(reference)
    *_, primary = find_endpoints(name)
    registry, _ = _connect(primary, name, Patience.of_environment(), limits)
    registry.close()
    return registry.digest


def _connect(
    endpoint: Endpoint, asked: ImageName, patience: Patience, limits: Limits
) -> tuple[_Registry, Manifest | tuple[Descriptor, ...]]:
    """The repository at one endpoint, and what the image's name refers to there."""
    name = endpoint.name
    insecure = {origin_of(f"{scheme}://{name.api_host}").authority for scheme in ("http", "https") if endpoint.insecure}
    transport = Transport(Trust(insecure), patience)
    try:
        base, is_likely = _base_url(name, transport)
        registry = _Registry(name, base, transport, limits)
        registry.is_likely = is_likely
        if name != asked:
            registry.place = f"{name}, "
        return registry, registry.entry_point()
    except BaseException:
        transport.close()
        raise


def _base_url(name: ImageName, transport: Transport) -> tuple[str, bool]:
    """`https://HOST`, or plain http where that is acceptable and the registry speaks it; and whether nothing speaks
    against its being a registry.

    Nothing secret is in the request that finds out. Plain comes first: a server that expects TLS refuses it at once,
    while one that expects a line of text may wait for the end of a TLS handshake for long.
    """
    secure, plain = f"https://{name.api_host}", f"http://{name.api_host}"
    if not transport.trust.may_be_plain(origin_of(secure)):
        return secure, True
    try:
        with transport.get(f"{plain}/v2/", {}, transport.effort()) as answer:
            if answer.status == _TLS_EXPECTED or answer.redirected:
                return secure, True
            return plain, answer.status in _OF_A_REGISTRY
    except BusyError:
        return plain, True
    except UnreachableError:
        return secure, True


class _Registry:
    """Blobs and manifests of one repository.

    In errors `where` names the image there, and `place` begins the names of blobs where that is not the one asked for.
    """

    def __init__(self, name: ImageName, base: str, transport: Transport, limits: Limits) -> None:
        self.where = str(name)
        self.place = ""
        self.is_likely = True
        """Whether nothing speaks against its being a registry."""
        self.digest = ""
        """Of what the name stands for, once that was read."""
        self._name = name
        self._url = f"{base}/v2/{name.repository}"
        self._transport = transport
        self._limits = limits
        self._authorizer = Authorizer(
            name, origin_of(base), transport, lambda: find_credentials(name.registry, name.repository), limits
        )

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def entry_point(self) -> Manifest | tuple[Descriptor, ...]:
        """What the name refers to: a manifest, or the entries of an index."""
        data, media_type, promised = self._manifest(self._name.version)
        actual = f"sha256:{hashlib.sha256(data).hexdigest()}"
        wanted = self._name.digest or (promised if promised and promised.startswith("sha256:") else None)
        if wanted is not None and actual != wanted:
            raise ImageError(f"the manifest has the digest {actual}, not {wanted}", where=self.where)
        self.digest = actual
        return read_manifest(data, self._limits, media_type)

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        data, media_type, _ = self._manifest(descriptor.digest)
        if {media_type, descriptor.media_type} <= set(_KNOWN_TYPES) and media_type != descriptor.media_type:
            raise ImageError(
                f"the index says {descriptor.digest} is {descriptor.media_type}, it was served as {media_type}",
                where=self.where,
            )
        return data

    def _manifest(self, version: str) -> tuple[bytes, str, str | None]:
        def ask(effort: Effort) -> tuple[bytes, str, str | None]:
            with self._get(f"manifests/{version}", {"Accept": _ACCEPT}, effort) as answer:
                if answer.status == 404:
                    raise NotFoundError(_ABSENT if self.is_likely else _NO_REGISTRY, where=self.where)
                if answer.status != 200:
                    raise ImageError(f"the registry answered {answer.status}", where=self.where)
                data = answer.read(self._limits.document + 1)
                return data, answer.header("Content-Type") or "", answer.header("Docker-Content-Digest")

        data, served_as, promised = self._transport.repeat(ask)
        self._limits.check("document", len(data), "the manifest", self.where)
        return data, served_as.partition(";")[0].strip().lower(), promised

    def open(self, descriptor: Descriptor) -> AbstractContextManager[Stream]:
        """A blob. Foreign layers are asked for here only; the URLs that they name are not followed."""
        get, effort, where = self._blob(descriptor)
        return Download(get, descriptor, effort, where)

    def parts(self, descriptor: Descriptor) -> OpenPart:
        """What opens parts of a blob, all of which together are one piece of work."""
        get, effort, where = self._blob(descriptor)
        return lambda start, end: Part(get, descriptor, effort, where, start, end)

    def _blob(self, descriptor: Descriptor) -> tuple[Get, Effort, str]:
        """How a blob is asked for, and its name in errors."""
        path = f"blobs/{check_digest(descriptor.digest, 'the blob')}"
        where = f"{self.place}blob {descriptor.digest}"
        return lambda headers, cost: self._get(path, headers, cost), self._transport.effort(), where

    @contextmanager
    def _get(self, path: str, headers: dict[str, str], effort: Effort) -> Iterator[Answer]:
        """An answer from below the repository; where the registry asks for credentials, with them."""
        used = self._authorizer.header
        url = f"{self._url}/{path}"
        with ExitStack() as stack:
            answer = stack.enter_context(self._transport.get(url, headers, effort, used))
            if answer.status == 401 and not answer.redirected:
                header = self._authorizer.renew(answer, used)
                stack.close()
                if header is None:
                    raise self._authorizer.refusal
                answer = stack.enter_context(self._transport.get(url, headers, effort, header))
            if answer.status in (401, 403):
                raise self._refused(answer)
            yield answer

    def _refused(self, answer: Answer) -> ImageError:
        if not answer.redirected:
            return self._authorizer.refusal
        return ImageError(
            f"the registry redirects to {origin_of(answer.url)}, which refuses access; credentials are not sent there",
            where=self.where,
        )
