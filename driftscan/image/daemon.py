"""What the Docker and Podman sources share: talking to an engine's API, and reading an image that it saves.

The layers come as the engine's `save` stream and go straight into the layer reader; nothing is written to disk.
The Docker SDK supplies the transport (unix sockets, TLS, SSH); it is imported when a daemon is there to be asked.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from driftscan.errors import ImageError, NotFoundError, UnreachableError
from driftscan.image.buffer import Buffer
from driftscan.image.decompress import CHUNK, Stream
from driftscan.image.docker_archive import arrivals
from driftscan.image.limits import Limits
from driftscan.image.manifest import check_platform, read_config
from driftscan.image.source import Arrival, Image, RandomAccess, Sequential, Stored
from driftscan.image.strictjson import JsonObject, load_object, objects, text
from driftscan.image.tarheader import BLOCK, Headers
from driftscan.image.transport import cause
from driftscan.model.image import ImageConfig

if TYPE_CHECKING:
    from docker import APIClient
    from docker.tls import TLSConfig
    from requests import Response

_ANSWER_SECONDS = 60
_SAVE_SECONDS = 900
"""How long a daemon may collect an image before its first byte, and pause between two."""


class Tls(NamedTuple):
    """Files of a TLS client. `verify` is whether the daemon's certificate is checked against `authority`."""

    authority: str | None
    certificate: str | None
    key: str | None
    verify: bool = True


class Endpoint(NamedTuple):
    """Where an engine listens (`unix://…`, `tcp://…`, `ssh://…`), and how it was found, for errors."""

    url: str
    origin: str
    tls: Tls | None = None


class Engine(NamedTuple):
    """What errors say about an engine: its title, its scheme, and the command that fetches an image into it."""

    title: str
    scheme: str
    start: str
    pull: str


class _AbsentError(NotFoundError):
    """The engine knows no image by the name it was asked for."""


class RefusedError(UnreachableError):
    """The engine answered, but not with what it was asked for."""


class Client:
    """Requests to one engine. Every method raises UnreachableError where the engine does not answer."""

    def __init__(self, engine: Engine, endpoint: Endpoint, limits: Limits) -> None:
        self.engine = engine
        self.endpoint = endpoint
        self._limits = limits
        self._api = _connect(engine, endpoint)

    @property
    def where(self) -> str:
        return f"{self.engine.title} at {self.endpoint.url}"

    @property
    def is_here(self) -> bool:
        """Whether the engine seems to run on this machine."""
        return self.endpoint.url.startswith("unix://")

    @property
    def version(self) -> str:
        """Version of the Docker API that both sides know."""
        return self._api.api_version

    def knows(self, version: str) -> bool:
        """Whether that is `version` of the Docker API or a later one."""
        from docker.utils import version_gte

        return version_gte(self.version, version)

    def close(self) -> None:
        self._api.close()

    def object(self, path: str, what: str) -> JsonObject:
        """A JSON object."""
        return load_object(self._read(path), what, self._limits)

    def list(self, path: str, what: str) -> tuple[JsonObject, ...]:
        """A JSON list of objects; it is wrapped to go through the same strict reader."""
        document = load_object(b'{"items":' + self._read(path) + b"}", what, self._limits)
        return objects(document, "items", what)

    def header(self, path: str, name: str) -> str:
        """A header of the answer, empty where it is not there."""
        with self._get(path, _ANSWER_SECONDS) as response:
            return response.headers.get(name, "")

    @contextmanager
    def stream(self, path: str) -> Iterator[Stream]:
        """The body of an answer as it comes."""
        with self._get(path, _SAVE_SECONDS) as response:
            yield _Body(response, self)

    def _read(self, path: str) -> bytes:
        with self._get(path, _ANSWER_SECONDS) as response:
            body = _Body(response, self)
            parts: list[bytes] = []
            size = 0
            while data := body.read(1 << 16):
                parts.append(data)
                size += len(data)
                self._limits.check("document", size, "the answer", self.where)
        return b"".join(parts)

    @contextmanager
    def _get(self, path: str, seconds: int) -> Iterator[Response]:
        from requests import RequestException

        try:
            response = self._api.get(
                f"{self._api.base_url}{path}", stream=True, timeout=(10, seconds), allow_redirects=False
            )
        except (RequestException, OSError) as error:
            raise self.failed(error) from error
        try:
            if response.status_code != 200:
                raise self._refusal(response)
            yield response
        finally:
            response.close()

    def failed(self, error: Exception) -> UnreachableError:
        return UnreachableError(f"the connection failed ({cause(error)})", where=self.where)

    def _refusal(self, response: Response) -> ImageError:
        message = ""
        try:
            document = load_object(response.raw.read(1 << 16, decode_content=True), "the error", self._limits)
            message = text(document, "message", "the error", "") or text(document, "cause", "the error", "")
        except (ImageError, OSError):
            message = ""
        if response.status_code == 404:
            return _AbsentError(message or "there is no such image", where=self.where)
        return RefusedError(f"it answered {response.status_code} {message or response.reason}", where=self.where)


class _Body:
    """The bytes of an answer; what breaks on the way becomes an error of ours."""

    def __init__(self, response: Response, client: Client) -> None:
        self._raw = response.raw
        self._client = client

    def read(self, size: int, /) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            data: bytes = self._raw.read(size, decode_content=True)
        except (HTTPError, OSError) as error:
            raise self._client.failed(error) from error
        return data


def _connect(engine: Engine, endpoint: Endpoint) -> APIClient:
    if endpoint.url.startswith("unix://"):
        _probe(engine, endpoint)
    from importlib.util import find_spec

    from docker import APIClient
    from docker.errors import DockerException
    from docker.utils import parse_host

    is_ssh = endpoint.url.startswith("ssh://")
    try:
        parse_host(endpoint.url)
    except (DockerException, ValueError) as error:
        _, at, host = endpoint.url.rpartition("@")
        shown = f"***@{host}" if at else endpoint.url
        raise UnreachableError(
            f"{shown!r} is no address of a daemon",
            where=endpoint.origin,
            hint="it is like unix:///var/run/docker.sock, tcp://HOST:PORT or ssh://USER@HOST",
        ) from error
    if is_ssh and find_spec("paramiko") is None:
        raise UnreachableError(
            f"{engine.title} is asked over SSH with paramiko, which is not installed",
            where=endpoint.origin,
            hint=f"install docker[ssh] beside driftscan, or read the image with registry: or, "
            f"from `{engine.scheme} save`, docker-archive:",
        )
    try:
        tls = _tls_config(endpoint.tls) if endpoint.tls else False
        return APIClient(
            base_url=endpoint.url,
            version="auto",
            tls=tls,
            timeout=_ANSWER_SECONDS,
            use_ssh_client=is_ssh,
        )
    except (DockerException, OSError, ValueError) as error:
        raise _unreachable(engine, endpoint, cause(error)) from error


def _tls_config(tls: Tls) -> TLSConfig:
    from docker.tls import TLSConfig

    pair = (tls.certificate, tls.key) if tls.certificate and tls.key else None
    return TLSConfig(client_cert=pair, ca_cert=tls.authority, verify=tls.verify)


def _probe(engine: Engine, endpoint: Endpoint) -> None:
    """Tell apart why a socket does not answer, before the SDK wraps it all into one error."""
    path = endpoint.url.removeprefix("unix://")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_ANSWER_SECONDS)
        try:
            probe.connect(path)
        except PermissionError as error:
            raise UnreachableError(
                f"permission denied on the socket {path}",
                where=endpoint.origin,
                hint=f"run as a user that may use {engine.title}, or read the image with registry: or docker-archive:",
            ) from error
        except OSError as error:
            raise _unreachable(engine, endpoint, error.strerror or str(error)) from error


def _unreachable(engine: Engine, endpoint: Endpoint, cause: str) -> UnreachableError:
    return UnreachableError(
        f"{engine.title} does not answer at {endpoint.url} ({cause})",
        where=endpoint.origin,
        hint=f"start it ({engine.start}), or read the image with registry: or docker-archive:",
    )


def image_path(reference: str, engine: Engine) -> str:
    """`reference` for use in a URL's path; ImageError where it can be neither name nor id of an image."""
    harmless = reference.isascii() and reference.isprintable() and not reference.startswith(("/", "."))
    if not harmless or any(part in ("", ".", "..") for part in reference.split("/")) or set(reference) & set("?#%\\ "):
        raise ImageError("this is neither the name nor the id of an image", where=f"{engine.scheme}:{reference}")
    return quote(reference, safe="/:@")


@contextmanager
def naming(client: Client, reference: str) -> Iterator[None]:
    """Have errors of the engine say which image they are about."""
    try:
        yield
    except UnreachableError as error:
        if error.where == client.where:
            error.place_in(f"{client.engine.scheme}:{reference}")
        raise


@contextmanager
def asking(client: Client, reference: str) -> Iterator[None]:
    """Close the client where opening fails, and say what to do where the engine does not have the image."""
    try:
        with naming(client, reference):
            yield
    except _AbsentError as error:
        client.close()
        raise NotFoundError(
            f"{client.engine.title} has no image {reference!r}",
            where=client.endpoint.url,
            hint=f"fetch it with `{client.engine.pull} {reference}`, or read it with registry:{reference}",
        ) from error
    except BaseException:
        client.close()
        raise


def saved_image(
    client: Client,
    reference: str,
    identity: str,
    config: ImageConfig,
    saves: Sequence[str],
    platform: str | None,
    limits: Limits,
    stored: RandomAccess | None = None,
) -> Image:
    """The image with the id `identity`, whose layers are read from a stream that the engine saves it as.

    `saves` are paths of such streams; an engine may refuse all but the last. `stored` are its layers in the engine's
    store, where they can be read there.
    """
    check_platform(config, platform, f"{client.engine.scheme}:{reference}")

    @contextmanager
    def layers() -> Iterator[Iterator[Arrival]]:
        missing = incomplete(client.engine, reference)
        with ExitStack() as stack, naming(client, reference):
            try:
                stream = _first(client, saves, stack)
            except _AbsentError as error:
                raise missing from error
            yield _some(arrivals(stream, limits), missing)

    stream = Sequential(arrivals=layers)
    return Image(
        reference=reference,
        source=client.engine.scheme,
        config=config,
        access=stream if stored is None else Stored(blobs=stored, otherwise=stream),
        digest=identity,
        platform=config.platform or None,
        close=client.close,
    )


def incomplete(engine: Engine, reference: str) -> NotFoundError:
    """The error where an engine knows an image, and does not have the layers as they were fetched."""
    hint = f"read it with registry:{reference}, or remove all images that share layers with it and fetch it again"
    where = f"{engine.scheme}:{reference}"
    return NotFoundError(f"{engine.title} does not have all of its content", where=where, hint=hint)


def _some(arrived: Iterator[Arrival], missing: NotFoundError) -> Iterator[Arrival]:
    """What arrived; nothing is `missing`."""
    first = next(arrived, None)
    if first is None:
        raise missing
    yield first
    yield from arrived


def _first(client: Client, saves: Sequence[str], stack: ExitStack) -> Stream:
    *others, last = saves
    for save in others:
        with suppress(RefusedError):
            return stack.enter_context(client.stream(save))
    return stack.enter_context(client.stream(last))


def saved_config(stream: Stream, diff_ids: tuple[str, ...], limits: Limits) -> ImageConfig:
    """The configuration that lists `diff_ids` in a save stream; what comes after it is not read.

    Raises ImageError where the stream holds none.
    """
    buffer = Buffer(iter(lambda: stream.read(CHUNK), b""))
    headers = Headers(buffer, limits)
    while (header := headers.next()) is not None:
        if 0 < header.size <= limits.document:
            config = _matching_config(buffer.take(header.size), diff_ids, limits)
            if config is not None:
                return config
        else:
            buffer.skip(header.size)
        buffer.skip(-header.size % BLOCK)
    raise ImageError("what the daemon saved holds no configuration of the image")


def _matching_config(data: bytes, diff_ids: tuple[str, ...], limits: Limits) -> ImageConfig | None:
    if not data.startswith(b"{"):
        return None
    try:
        config = read_config(data, limits)
    except ImageError:
        # One of the other documents of the stream.
        return None
    return config if config.diff_ids == diff_ids else None
