"""Downloads over connections that break wherever they like, in memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from driftscan.errors import UnreachableError
from driftscan.image.download import Download
from driftscan.image.manifest import Descriptor
from driftscan.image.patience import BrokenOffError, Effort, Patience
from driftscan.image.transport import Answer

ATTEMPTS = 4


@dataclass
class Response:
    """As much of an answer as a download looks at: `pieces` come in one by one, then the connection breaks or ends."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]
    breaks: bool
    rest: bytes = field(default=b"", init=False)

    def read1(self, size: int, *, decode_content: bool) -> bytes:
        assert not decode_content
        self.rest = self.rest or next(self.pieces, b"")
        if not self.rest and self.breaks:
            raise ConnectionResetError(104, "Connection reset by peer")
        data, self.rest = self.rest[:size], self.rest[size:]
        return data


@dataclass(frozen=True)
class Behaviour:
    """What a server does with one request: how much it sends, in pieces of what size, and what it makes of ranges."""

    sends: int
    piece: int = 7
    breaks: bool = True
    ranges: str = "served"
    refuses: bool = False


BEHAVIOURS = st.builds(
    Behaviour,
    sends=st.integers(0, 64),
    piece=st.integers(1, 64),
    breaks=st.booleans(),
    ranges=st.sampled_from(["served", "ignored", "refused", "shifted"]),
    refuses=st.booleans(),
)
SOUND = Behaviour(sends=1 << 20)


def serving(blob: bytes, behaviours: list[Behaviour]) -> Callable[[dict[str, str], Effort], Any]:
    @contextmanager
    def get(headers: dict[str, str], effort: Effort) -> Iterator[Answer]:
        behaviour = behaviours.pop(0) if behaviours else SOUND
        if behaviour.refuses:
            raise BrokenOffError("refused")
        yield Answer(answer(blob, headers.get("Range"), behaviour), "https://a.example/", False, effort)  # type: ignore[arg-type]

    return get


def answer(blob: bytes, span: str | None, behaviour: Behaviour) -> Response:
    start = int((span or "bytes=0-")[6:-1])
    if span and behaviour.ranges == "refused":
        return Response(416, {}, iter(()), behaviour.breaks)
    if span is None or behaviour.ranges == "ignored":
        status, headers, data = 200, {"Content-Length": str(len(blob))}, blob
    else:
        start -= 1 if behaviour.ranges == "shifted" else 0
        status, data = 206, blob[start:]
        headers = {"Content-Range": f"bytes {start}-{len(blob) - 1}/{len(blob)}"}
    sent = data[: behaviour.sends]
    pieces = (sent[at : at + behaviour.piece] for at in range(0, len(sent), behaviour.piece))
    return Response(status, headers, pieces, behaviour.breaks)


def download(blob: bytes, behaviours: list[Behaviour], size: int) -> bytes:
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    descriptor = Descriptor(digest, len(blob), "", "", {})
    effort = Effort(Patience(attempts=ATTEMPTS, pause=0), threading.Event())
    read = b""
    with Download(serving(blob, behaviours), descriptor, effort, "a.example/shop") as stream:
        while data := stream.read(size):
            assert len(data) <= size
            read += data
    return read


@given(st.binary(min_size=1, max_size=200), st.lists(BEHAVIOURS, max_size=ATTEMPTS - 1), st.integers(1, 300))
@example(b"x" * 100, [Behaviour(sends=30), Behaviour(sends=10, ranges="ignored"), Behaviour(0, ranges="shifted")], 64)
def test_what_breaks_less_often_than_it_may_is_whole(blob: bytes, behaviours: list[Behaviour], size: int) -> None:
    assert download(blob, behaviours, size) == blob


@given(st.binary(min_size=1, max_size=200), st.lists(BEHAVIOURS, max_size=12), st.integers(1, 300))
def test_what_is_read_is_the_blob_or_an_error(blob: bytes, behaviours: list[Behaviour], size: int) -> None:
    read, failure = blob, None
    try:
        read = download(blob, behaviours, size)
    except UnreachableError as error:
        failure = error.message
    assert read == blob
    assert failure is None or f" bytes after {ATTEMPTS} attempts (" in failure
