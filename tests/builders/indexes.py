"""A package index on loopback: releases made of values, pages in both forms, and faults as a test asks for them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import NamedTuple
from zipfile import ZipFile

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"


class Asked(NamedTuple):
    """What a client sent."""

    path: str
    authorization: str | None
    accept: str | None
    range: str | None


class Served(NamedTuple):
    """What is answered. With `parts`, ranges are served as RFC 9110 has them."""

    data: bytes
    content_type: str = "application/octet-stream"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    parts: bool = True


Fault = Callable[["Exchange"], None]
Entry = Mapping[str, object]
"""What the page says of a file beside its name, address and digest."""
_NOTHING: Entry = MappingProxyType({})


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer; a fault answers in its own way."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.server.index.asked.append(
            Asked(self.path, self.headers["Authorization"], self.headers["Accept"], self.headers["Range"])
        )
        found = self.server.index.content.get(self.path, Served(b"", status=404))
        if isinstance(found, Served):
            self.reply(found)
        else:
            found(self)

    def do_HEAD(self) -> None:
        """As a server without ranges has it: uv asks so before it reads a wheel."""
        found = self.server.index.content.get(self.path, Served(b"", status=404))
        size = len(found.data) if isinstance(found, Served) else 0
        self.send_response(found.status if isinstance(found, Served) else 500)
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def reply(self, served: Served) -> None:
        data, status, extra = served.data, served.status, served.headers
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers["Range"] or "")
        if asked and served.parts and status == 200:
            size = len(data)
            first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
            last = min(int(asked[2]), size - 1) if asked[1] else size - 1
            data, status = data[first : last + 1], 206
            extra = (*extra, ("Content-Range", f"bytes {first}-{last}/{size}"))
        self.send_response(status)
        self.send_header("Content-Type", served.content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in extra:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class's name)
        """Nothing: tests look at what was asked."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    index: PackageIndex

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: clients that are tested break connections off."""


class PackageIndex:
    """`content` maps paths to what is served there; `add` puts a project with its files into it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.simple = f"{url}/simple"
        self.content: dict[str, Served | Fault] = {}
        self.asked: list[Asked] = []
        self._files: dict[str, list[dict[str, object]]] = {}

    def add(self, filename: str, data: bytes, *, metadata: bytes | None = None, entry: Entry = _NOTHING) -> str:
        """Serve a file and name it on its project's page; the sha256 of its bytes."""
        digest = hashlib.sha256(data).hexdigest()
        path = f"/files/{filename}"
        self.content[path] = Served(data)
        if metadata is not None:
            self.content[f"{path}.metadata"] = Served(metadata)
            entry = {"core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()}, **entry}
        name = re.sub(r"[-_.]+", "-", re.split(r"-\d", filename)[0]).lower()
        entry = {"filename": filename, "url": f"../../files/{filename}", "hashes": {"sha256": digest}, **entry}
        self._files.setdefault(name, []).append(entry)
        self.page(name, {"meta": {"api-version": "1.1"}, "name": name, "files": self._files[name]})
        return digest

    def page(self, name: str, document: object) -> None:
        self.content[f"/simple/{name}/"] = Served(json.dumps(document).encode(), JSON)

    def release(
        self, name: str, version: str, *requires: str, tag: str = "py3-none-any", entry: Entry = _NOTHING
    ) -> str:
        """A wheel whose metadata stand beside it; the sha256 of the wheel."""
        text = metadata(name, version, *requires)
        data = wheel(name, version, text, {f"{name}/tag.py": tag.encode()})
        return self.add(f"{name}-{version}-{tag}.whl", data, metadata=text, entry=entry)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


def metadata(name: str, version: str, *requires: str, fields: str = "", form: str = "2.1") -> bytes:
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    return f"Metadata-Version: {form}\nName: {name}\nVersion: {version}\n{lines}{fields}\nText\n".encode()


def wheel(name: str, version: str, text: bytes, extra: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for path, data in {**extra, f"{name}-{version}.dist-info/METADATA": text}.items():
            archive.writestr(path, data)
    return file.getvalue()


def sdist(name: str, version: str, text: bytes | None) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path, data in (("setup.py", b"raise SystemExit"), ("PKG-INFO", text)):
            if data is not None:
                entry = tarfile.TarInfo(f"{name}-{version}/{path}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(file.getvalue(), mtime=0)


@contextmanager
def package_index(host: str = "127.0.0.1") -> Iterator[PackageIndex]:
    with _Server(("127.0.0.1", 0), Exchange) as server:
        server.index = PackageIndex(f"http://{host}:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.index
        finally:
            server.shutdown()
            thread.join()
