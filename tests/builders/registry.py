"""A tiny OCI registry on loopback that misbehaves as a test asks, and remembers every request.

Every Authorization header that it gets has to be one that was made for it: `faulty_registry` checks that at its end,
so that each test with credentials also tests that they went nowhere else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import ssl
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from typing import Any, NamedTuple
from urllib.parse import unquote

from tests.builders.archives import Step, image_config, layer_tar
from tests.builders.tocs import Layer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Request(NamedTuple):
    """What a client sent. `path` is without the query; `query` of a POST is its form."""

    path: str
    query: str
    authorization: str | None
    range: str | None
    certified: bool = False
    """Whether the client showed a certificate."""


class Content(NamedTuple):
    media_type: str
    data: bytes


Fault = Callable[["Exchange"], None]
LogIn = Callable[..., str]
"""A fixture: puts an account for a registry into the configuration, returns its Authorization header."""


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer. Faults answer through `reply` or on the socket itself."""

    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def do_POST(self) -> None:
        self.serve(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.serve(path, query)

    def serve(self, path: str, query: str) -> None:
        registry = self.server.registry
        certified = isinstance(self.connection, ssl.SSLSocket) and bool(self.connection.getpeercert())
        request = Request(path, query, self.headers.get("Authorization"), self.headers.get("Range"), certified)
        registry.requests.append(request)
        faults = next((queue for mark, queue in registry.faults.items() if mark in path and queue), None)
        if faults:
            faults.pop(0)(self)
        else:
            self.answer(request)

    def answer(self, request: Request) -> None:
        """What a sound registry answers."""
        registry = self.server.registry
        if request.path == "/token":
            self.reply(200, registry.token)
        elif registry.challenge and request.authorization not in registry.accepted:
            self.reply(401, b"", {"WWW-Authenticate": registry.challenge})
        elif request.path == "/v2/":
            self.reply(200, b"{}")
        elif (content := registry.contents.get(request.path)) is None:
            self.reply(404, b"{}")
        else:
            self.deliver(content, request.range)

    def deliver(self, content: Content, span: str | None) -> None:
        headers = {"Content-Type": content.media_type}
        sent = re.fullmatch(r"bytes=(\d+)-(\d*)", span or "")
        if sent is None:
            self.reply(200, content.data, headers)
        else:
            start, size = int(sent[1]), len(content.data)
            end = min(int(sent[2]) + 1, size) if sent[2] else size
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
            self.reply(206, content.data[start:end], headers)

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        # What was announced and does not come is a connection that breaks.
        self.close_connection |= (headers or {}).get("Content-Length", "") > ""

    @property
    def content(self) -> Content:
        return self.server.registry.contents[self.path.partition("?")[0]]

    def log_message(self, *_: object) -> None:
        """Silence."""


class FaultyServer(ThreadingHTTPServer):
    registry: FaultyRegistry
    tls: ssl.SSLContext | None

    def finish_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """The handshake happens in the connection's own thread: a client may break it off, or never begin."""
        assert isinstance(request, socket.socket)
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(5)
        with self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are part of the tests."""


class FaultyRegistry:
    """Contents by path. `faults` maps a part of a path to what is done to its next requests, one after another.

    `challenge` is the WWW-Authenticate header for requests whose Authorization is not in `accepted`; `/token`
    answers with `token`. `own` are the Authorization headers that may come in at all. `url` is what image names call
    it, `base` its address.
    """

    def __init__(self, url: str, scheme: str = "http") -> None:
        self.url = url
        self.base = f"{scheme}://{url}"
        self.port = 0
        self.own: set[str | None] = {None}
        self.contents: dict[str, Content] = {}
        self.requests: list[Request] = []
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.challenge: str | None = None
        self.accepted: set[str] = set()
        self.token = b"{}"

    def is_foreign(self, request: Request) -> bool:
        """Whether it holds what was meant for somebody else."""
        if request.authorization not in self.own:
            return True
        return "secret-of-" in unquote(request.query) and self.password not in unquote(request.query)

    def add_blob(self, data: bytes, repository: str = "shop") -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.contents[f"/v2/{repository}/blobs/{digest}"] = Content("application/octet-stream", data)
        return digest

    def add_manifest(self, document: object, tag: str = "1", repository: str = "shop", kind: str = MANIFEST) -> str:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        for version in (tag, digest):
            self.contents[f"/v2/{repository}/manifests/{version}"] = Content(kind, data)
        return digest

    def add_image(self, steps: Sequence[Step], tag: str = "1", repository: str = "shop") -> str:
        """Store an image of uncompressed layers; returns its manifest's digest."""
        layers = [layer_tar(files) for _, files in steps]
        config = json.dumps(image_config(steps, layers, {})).encode()
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.descriptor(config, CONFIG, repository),
            "layers": [self.descriptor(layer, LAYER, repository) for layer in layers],
        }
        return self.add_manifest(document, tag, repository)

    def add_layers(self, layers: Sequence[Layer], tag: str = "1", config: Mapping[str, Any] | None = None) -> str:
        """Store an image of layers that have annotations; returns its manifest's digest."""
        steps: list[Step] = [("COPY . /", {}) for _ in layers]
        document = json.dumps(image_config(steps, [layer.tar for layer in layers], config or {})).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.descriptor(document, CONFIG),
            "layers": [self.descriptor(each.blob, LAYER) | {"annotations": each.annotations} for each in layers],
        }
        return self.add_manifest(manifest, tag)

    def descriptor(self, data: bytes, media_type: str, repository: str = "shop") -> dict[str, object]:
        return {"mediaType": media_type, "digest": self.add_blob(data, repository), "size": len(data)}

    @property
    def password(self) -> str:
        """Of the user `anna`, here and nowhere else."""
        return f"secret-of-{self.url}"

    def require_basic(self, password: str | None = None) -> None:
        self.challenge = 'Basic realm="tests"'
        self.accepted = {basic("anna", password or self.password)}
        self.own |= self.accepted

    def require_token(self, realm: str | None = None, token: str = "let-me-in") -> None:
        self.challenge = f'Bearer realm="{realm or f"{self.base}/token"}",service="tests",scope="everything"'
        self.accepted = {f"Bearer {token}"}
        self.own |= self.accepted
        self.token = json.dumps({"token": token}).encode()


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@contextmanager
def faulty_registry(name: str | None = None, tls: ssl.SSLContext | None = None) -> Iterator[FaultyRegistry]:
    """A registry until the end of the block; `name` is what it is called instead of its address and port."""
    server = FaultyServer(("127.0.0.1", 0), Exchange)
    port = server.server_address[1]
    server.tls = tls
    server.registry = FaultyRegistry(name or f"127.0.0.1:{port}", "https" if tls else "http")
    server.registry.port = port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    leaked = [request for request in server.registry.requests if server.registry.is_foreign(request)]
    assert not leaked, f"{server.registry.url} got credentials that are not its own: {leaked}"


def hang_up(exchange: Exchange) -> None:
    """Close the connection without an answer."""
    exchange.close_connection = True


def cut_off(after: int) -> Fault:
    """Promise the whole body and close the connection in its middle; a range is served from its start."""

    def fault(exchange: Exchange) -> None:
        start = int((exchange.headers.get("Range") or "bytes=0-")[6:-1])
        data = exchange.content.data[start:]
        exchange.send_response(206 if start else 200)
        exchange.send_header("Content-Length", str(len(data)))
        if start:
            size = len(exchange.content.data)
            exchange.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        exchange.end_headers()
        exchange.wfile.write(data[:after])
        exchange.close_connection = True

    return fault


def reset(after: int) -> Fault:
    """As `cut_off`, and what was sent may be lost: the connection is reset."""

    def fault(exchange: Exchange) -> None:
        cut_off(after)(exchange)
        exchange.wfile.flush()
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return fault


def whole(exchange: Exchange) -> None:
    """All of it, as from a server that knows no ranges."""
    exchange.deliver(exchange.content, None)


def chunked(then: bytes = b"", body: bytes | None = None, **headers: str) -> Fault:
    """The body in chunks, without a length; `then` is sent behind it, and no end."""

    def fault(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Transfer-Encoding", "chunked")
        for name, value in headers.items():
            exchange.send_header(name.replace("_", "-"), value)
        exchange.end_headers()
        data = exchange.content.data if body is None else body
        for piece in (data[:1000], data[1000:], then):
            if piece:
                exchange.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if then:
            stall(exchange)
        else:
            exchange.wfile.write(b"0\r\n\r\n")

    return fault


def answer(status: int, body: bytes = b"", **headers: str) -> Fault:
    """A fixed answer; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.reply(status, body, named)


def stall(exchange: Exchange) -> None:
    """Send nothing until the client has had enough."""
    exchange.connection.settimeout(5)
    exchange.connection.recv(1)
    exchange.close_connection = True


def stall_after(size: int) -> Fault:
    """As `stall`, in the middle of a body."""

    def fault(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", str(len(exchange.content.data)))
        exchange.end_headers()
        exchange.wfile.write(exchange.content.data[:size])
        stall(exchange)

    return fault


def dripping_headers(exchange: Exchange) -> None:
    """Headers without end, a byte at a time."""
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(500):
        sleep(0.02)
        exchange.wfile.write(b"x")


def dripping(size: int, pause: float) -> Fault:
    """The whole body in pieces of `size` bytes, with `pause` seconds before each."""

    def fault(exchange: Exchange) -> None:
        start = int((exchange.headers.get("Range") or "bytes=0-")[6:-1])
        content = exchange.content.data
        exchange.send_response(206 if start else 200)
        exchange.send_header("Content-Length", str(len(content) - start))
        if start:
            exchange.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        exchange.end_headers()
        for position in range(start, len(content), size):
            sleep(pause)
            exchange.wfile.write(content[position : position + size])

    return fault
