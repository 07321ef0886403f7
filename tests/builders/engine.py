"""A container engine that answers as a test says, on a unix socket of the test's own, and its image `shop`."""

from __future__ import annotations

import json
import re
import socketserver
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

import pytest

from driftscan.errors import DriftscanError
from driftscan.image import Limits, open_image
from driftscan.image.history import layer_ids
from driftscan.image.scan import scan
from driftscan.inventory import wants

STEPS = [("RUN touch /a", {"a": "1"}), ("RUN touch /b", {"b": "2"})]
IDENTITY = "sha256:" + "5" * 64
Reply = Callable[[BaseHTTPRequestHandler], None]


class Engine(socketserver.ThreadingUnixStreamServer):
    """Answers by path without Docker's API version; with the query where there is a reply to that."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Exchange)
        self.host = f"unix://{path}"
        self.replies: dict[str, Reply] = {"/version": json_reply({"ApiVersion": "1.41"})}


class Exchange(BaseHTTPRequestHandler):
    server: Engine

    def do_GET(self) -> None:
        asked = re.sub(r"^/v1\.\d+", "", unquote(self.path))
        path = asked.partition("?")[0]
        unknown = json_reply({"message": f"No such image: {path}"}, 404)
        self.server.replies.get(asked, self.server.replies.get(path, unknown))(self)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Silence."""


def reply(body: bytes, status: int = 200, *, length: int | None = None) -> Reply:
    def send(exchange: BaseHTTPRequestHandler) -> None:
        exchange.send_response(status)
        exchange.send_header("Content-Length", str(len(body) if length is None else length))
        exchange.end_headers()
        exchange.wfile.write(body)

    return send


def json_reply(document: object, status: int = 200) -> Reply:
    return reply(json.dumps(document).encode(), status)


def read(limits: Limits | None = None, platform: str | None = None) -> tuple[str, list[str | None]]:
    """The image's user, and what made each layer."""
    limits = limits or Limits()
    with open_image("docker:shop", limits=limits, platform=platform) as image:
        assert [list(index.entries) for index in scan(image, wants, limits)] == [["a"], ["b"]]
        return image.config.user, [layer.created_by for layer in layer_ids(image.config)]


def refused(limits: Limits | None = None, platform: str | None = None) -> DriftscanError:
    with pytest.raises(DriftscanError) as caught:
        read(limits, platform)
    return caught.value
