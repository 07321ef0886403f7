"""`registry:`: images of an OCI registry (distribution-spec 1.1), without a daemon.

Layers go from the socket into the layer reader, several at once; a connection that breaks is resumed where it broke.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from driftscan.errors import ImageError, NotFoundError, UnreachableError
from driftscan.image.content import Origin, open_stored
from driftscan.image.credentials import find_credentials
from driftscan.image.decompress import Stream
from driftscan.image.limits import Limits
from driftscan.image.manifest import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Manifest, check_digest, read_manifest
from driftscan.image.references import ImageName, parse_image_name
from driftscan.image.registry_auth import Authorizer
from driftscan.image.source import Image
from driftscan.image.transport import (
    ATTEMPTS,
    Answer,
    BrokenOffError,
    Transport,
    may_be_plain,
    origin_of,
    pause,
)

_ACCEPT = ", ".join(INDEX_TYPES + MANIFEST_TYPES)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_TLS_EXPECTED = 400
"""What servers answer to plain http on a port for TLS."""
_FOREIGN = ("nondistributable", "foreign")


def open_image(reference: str, platform: str | None, limits: Limits) -> Image:
    """Open an image by its name.

    Raises NotFoundError where the registry does not have it or gives no access, UnreachableError where it does not
    answer, ImageError where what it answers cannot be trusted.
    """
    name = parse_image_name(reference)
    transport = Transport()
    try:
        registry = _Registry(name, _base_url(name, transport), transport, limits)
        document = registry.entry_point()
        origin = Origin(reference, "registry", str(name))
        return open_stored(registry, document, platform, origin, limits, transport.close)
    except BaseException:
        transport.close()
        raise


def _base_url(name: ImageName, transport: Transport) -> str:
    """`https://HOST`, or plain http where that is acceptable and the registry speaks it.

    Nothing secret is in the request that finds out. Plain comes first: a server that expects TLS refuses it at once,
    while one that expects a line of text may wait for the end of a TLS handshake for long.
    """
    secure = f"https://{name.api_host}"
    origin = origin_of(secure)
    if not may_be_plain(origin.host, origin.port):
        return secure
    plain = f"http://{name.api_host}"
    try:
        with transport.get(f"{plain}/v2/", {}, attempts=1) as answer:
            return plain if answer.status != _TLS_EXPECTED and not answer.redirected else secure
    except UnreachableError:
        return secure


class _Registry:
    """Blobs and manifests of one repository."""

    def __init__(self, name: ImageName, base: str, transport: Transport, limits: Limits) -> None:
        self._name = name
        self._url = f"{base}/v2/{name.repository}"
        self._transport = transport
        self._limits = limits
        self._authorizer = Authorizer(
            name, origin_of(base), transport, lambda: find_credentials(name.registry, name.repository), limits
        )

    def entry_point(self) -> Manifest | tuple[Descriptor, ...]:
        """What the name refers to: a manifest, or the entries of an index."""
        data, media_type, promised = self._manifest(self._name.version)
        actual = f"sha256:{hashlib.sha256(data).hexdigest()}"
        wanted = self._name.digest or (promised if promised and promised.startswith("sha256:") else None)
        if wanted is not None and actual != wanted:
            raise ImageError(f"the manifest has the digest {actual}, not {wanted}", where=str(self._name))
        return read_manifest(data, self._limits, media_type)

    def read_manifest(self, descriptor: Descriptor) -> bytes:
        data, media_type, _ = self._manifest(descriptor.digest)
        known = INDEX_TYPES + MANIFEST_TYPES
        if media_type in known and descriptor.media_type in known and media_type != descriptor.media_type:
            raise ImageError(
                f"the index says {descriptor.digest} is {descriptor.media_type}, it was served as {media_type}",
                where=str(self._name),
            )
        return data

    def _manifest(self, version: str) -> tuple[bytes, str, str | None]:
        with self.get(f"manifests/{version}", {"Accept": _ACCEPT}) as answer:
            if answer.status == 404:
                raise NotFoundError("the registry has no such image", where=str(self._name))
            self._expect(answer, 200)
            data = answer.read(self._limits.document + 1)
        self._limits.check("document", len(data), "the manifest", str(self._name))
        media_type = (answer.header("Content-Type") or "").partition(";")[0].strip().lower()
        return data, media_type, answer.header("Docker-Content-Digest")

    @contextmanager
    def open(self, descriptor: Descriptor) -> Iterator[Stream]:
        """A blob. Foreign layers are asked for here only; the URLs that they name are not followed."""
        check_digest(descriptor.digest, "the blob")
        with _Download(self, descriptor, str(self._name)) as stream:
            yield stream

    @contextmanager
    def get(self, path: str, headers: dict[str, str]) -> Iterator[Answer]:
        """An answer from below the repository; where the registry asks for credentials, with them."""
        used = self._authorizer.header
        url = f"{self._url}/{path}"
        with ExitStack() as stack:
            answer = stack.enter_context(self._transport.get(url, headers, used))
            if answer.status == 401 and not answer.redirected:
                header = self._authorizer.renew(answer, used)
                stack.close()
                if header is None:
                    raise self._authorizer.refusal
                answer = stack.enter_context(self._transport.get(url, headers, header))
            if answer.status in (401, 403):
                raise self._refused(answer)
            yield answer

    def _refused(self, answer: Answer) -> ImageError:
        if not answer.redirected:
            return self._authorizer.refusal
        return ImageError(
            f"the registry redirects to {origin_of(answer.url)}, which refuses access; credentials are not sent there",
            where=str(self._name),
        )

    def _expect(self, answer: Answer, *statuses: int) -> None:
        if answer.status not in statuses:
            raise ImageError(f"the registry answered {answer.status}", where=str(self._name))


class _Download:
    """A blob as a stream of exactly its promised size; a broken connection is resumed within bounds."""

    def __init__(self, registry: _Registry, descriptor: Descriptor, where: str) -> None:
        self._registry = registry
        self._descriptor = descriptor
        self._where = f"{where}, blob {descriptor.digest}"
        self._offset = 0
        self._failures = 0
        self._connection = ExitStack()
        self._answer: Answer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; empty at the end. Raises UnreachableError where the connection breaks too often."""
        while self._offset < self._descriptor.size:
            try:
                if self._answer is None:
                    self._answer = self._connect()
                data = self._answer.read_some(min(size, self._descriptor.size - self._offset))
                if data:
                    self._offset += len(data)
                    return data
                raise BrokenOffError("the registry sent less than the blob's size")
            except BrokenOffError as error:
                self._resume_after(error)
        return b""

    def _resume_after(self, error: BrokenOffError) -> None:
        self._connection.close()
        self._answer = None
        self._failures += 1
        if self._failures >= ATTEMPTS:
            raise UnreachableError(
                f"the download broke off {self._failures} times, last after {self._offset} of "
                f"{self._descriptor.size} bytes ({error.message})",
                where=self._where,
            ) from error
        pause(self._failures - 1)

    def _connect(self) -> Answer:
        headers = {"Range": f"bytes={self._offset}-"} if self._offset else {}
        answer = self._connection.enter_context(self._registry.get(f"blobs/{self._descriptor.digest}", headers))
        if answer.status == 404:
            raise self._missing()
        if answer.status == 206 and self._offset:
            self._check_range(answer)
        elif answer.status == 200:
            # It may not know ranges; what was read already is passed over.
            self._skip(answer)
        else:
            raise ImageError(f"the registry answered {answer.status}", where=self._where)
        return answer

    def _skip(self, answer: Answer) -> None:
        left = self._offset
        while left > 0:
            data = answer.read(min(left, 1 << 20))
            if not data:
                raise BrokenOffError("the registry sent less than before")
            left -= len(data)

    def _check_range(self, answer: Answer) -> None:
        sent = _CONTENT_RANGE.fullmatch(answer.header("Content-Range") or "")
        end = self._descriptor.size - 1
        expected = sent and int(sent[1]) == self._offset and int(sent[2]) == end and sent[3] in ("*", str(end + 1))
        if not expected:
            raise ImageError(
                f"asked to go on at byte {self._offset}, the registry sent the range "
                f"{(answer.header('Content-Range') or '')[:100]!r}",
                where=self._where,
            )

    def _missing(self) -> ImageError:
        if any(mark in self._descriptor.media_type for mark in _FOREIGN):
            return ImageError(
                "the layer is kept outside of the registry, and addresses that an image names are not followed",
                where=self._where,
            )
        return NotFoundError("the registry has no such blob", where=self._where)
