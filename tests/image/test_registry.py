"""A registry that misbehaves, on loopback: what gets through, what is refused, and where credentials go."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from driftscan.cli import run
from driftscan.errors import DriftscanError, ImageError, LimitError, NotFoundError, UnreachableError, UsageError
from driftscan.image import Limits, open_image, patience
from driftscan.image.layercache import LayerCache
from driftscan.image.registry import current_digest
from driftscan.image.registry_auth import Challenge, parse_challenges
from driftscan.image.scan import scan
from driftscan.inventory import wants
from driftscan.model.image import LayerIndex
from tests.builders.archives import layer_tar
from tests.builders.registry import (
    INDEX,
    LAYER,
    MANIFEST,
    Content,
    Exchange,
    Fault,
    FaultyRegistry,
    LogIn,
    answer,
    basic,
    chunked,
    cut_off,
    dripping,
    dripping_headers,
    hang_up,
    reset,
    stall,
    stall_after,
    whole,
)

STEPS = [
    ("COPY . /app", {"app/a.txt": "a" * 5000, "etc/os-release": "ID=debian\n"}),
    ("RUN pip install", {"app/b.txt": "b" * 9000}),
]
WAIT = patience.wait
REST = "bytes 3000-20479/20480"

pytestmark = pytest.mark.usefixtures("home", "waits")


def read(registry: FaultyRegistry, version: str = ":1", limits: Limits | None = None) -> tuple[LayerIndex, ...]:
    limits = limits or Limits()
    with open_image(f"registry:{registry.url}/shop{version}", limits=limits) as image:
        return scan(image, wants, limits)


def refused(registry: FaultyRegistry, version: str = ":1", limits: Limits | None = None) -> DriftscanError:
    with pytest.raises(DriftscanError) as caught:
        read(registry, version, limits)
    return caught.value


def names(indexes: tuple[LayerIndex, ...]) -> list[list[str]]:
    return [sorted(index.entries) for index in indexes]


CONTENT = [["app/a.txt", "etc/os-release"], ["app/b.txt"]]


def blob_of(registry: FaultyRegistry, holding: bytes) -> str:
    """The path of the layer that holds some bytes."""
    return next(path for path, content in registry.contents.items() if "/blobs/" in path and holding in content.data)


def sent_authorizations(registry: FaultyRegistry) -> set[str | None]:
    return {request.authorization for request in registry.requests}


def test_an_image_is_read_by_tag_and_by_digest(registry: FaultyRegistry) -> None:
    digest = registry.add_image(STEPS)
    assert names(read(registry)) == CONTENT
    assert names(read(registry, f"@{digest}")) == CONTENT
    assert sent_authorizations(registry) == {None}


def test_the_digest_that_a_tag_has_now(registry: FaultyRegistry) -> None:
    digest = registry.add_image(STEPS)
    assert current_digest(f"{registry.url}/shop:1", Limits()) == digest
    with pytest.raises(NotFoundError):
        current_digest(f"{registry.url}/shop:2", Limits())


def test_an_image_that_is_not_there(registry: FaultyRegistry) -> None:
    error = refused(registry)
    assert isinstance(error, NotFoundError)
    assert str(error) == f"{registry.url}/shop:1: the registry has no such image"


def test_a_server_that_is_no_registry(registry: FaultyRegistry) -> None:
    registry.faults["/v2/"] = [answer(404)]
    error = refused(registry)
    assert isinstance(error, NotFoundError)
    assert str(error) == f"{registry.url}/shop:1: there is no such image, and what answers seems to be no registry"


class TestAuthentication:
    def test_basic(self, registry: FaultyRegistry, log_in: LogIn) -> None:
        registry.add_image(STEPS)
        registry.require_basic()
        log_in(registry)
        assert names(read(registry)) == CONTENT
        assert sent_authorizations(registry) == {None, basic("anna", registry.password)}

    def test_token_for_nobody(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        assert names(read(registry)) == CONTENT
        asked = [request for request in registry.requests if request.path == "/token"]
        assert [(request.query, request.authorization) for request in asked] == [
            ("service=tests&scope=repository%3Ashop%3Apull", None)
        ]

    def test_token_for_a_user(self, registry: FaultyRegistry, log_in: LogIn) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        log_in(registry)
        assert names(read(registry)) == CONTENT
        assert {request.authorization for request in registry.requests if request.path == "/token"} == {
            basic("anna", registry.password)
        }

    def test_token_for_an_identity_token(self, registry: FaultyRegistry, log_in: LogIn) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        registry.token = b'{"access_token": "let-me-in", "expires_in": 60}'
        log_in(registry, identitytoken=registry.password)
        assert names(read(registry)) == CONTENT
        (asked,) = [request for request in registry.requests if request.path == "/token"]
        assert asked.authorization is None
        assert unquote(asked.query) == (
            "service=tests&scope=repository:shop:pull&grant_type=refresh_token&client_id=driftscan"
            f"&refresh_token={registry.password}"
        )

    def test_an_expired_token_is_renewed(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        registry.faults["/blobs/"] = [answer(401, WWW_Authenticate=registry.challenge or "")]
        assert names(read(registry)) == CONTENT

    def test_no_credentials(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.require_basic()
        error = refused(registry)
        assert str(error) == (
            f"{registry.url}/shop:1: the registry does not give access without credentials, or has no such image"
        )
        assert error.hint == f"log in (docker login {registry.url}), and check the image's name"

    def test_wrong_credentials_are_not_shown(self, registry: FaultyRegistry, log_in: LogIn) -> None:
        registry.add_image(STEPS)
        registry.require_basic("changed")
        log_in(registry)
        error = refused(registry)
        assert "does not give access with the credentials of this machine" in str(error)
        assert "secret" not in f"{error} {error.hint}"

    def test_why_credentials_could_not_be_read_is_told(self, registry: FaultyRegistry, home: Path) -> None:
        registry.require_basic()
        (home / "config.json").write_text("{")
        hint = refused(registry).hint
        assert hint is not None
        assert hint.startswith(f"credentials could not be read: {home}/config.json: it cannot be read")

    @pytest.mark.parametrize(
        ("realm", "message"),
        [
            ("http://auth.example/token", "the registry's token server http://auth.example:80 is not encrypted"),
            (
                "https://auth.example/token",
                "the registry wants its credentials sent to another host, auth.example:443",
            ),
            (
                "https://169.254.169.254/token",
                "the registry names 169.254.169.254, which is a link-local address (169.254.169.254)",
            ),
            ("https://[fe80::1]/token", "the registry names fe80::1, which is a link-local address (fe80::1)"),
            ("https://u:p@127.0.0.1/", "the registry names an address that cannot be used: 'https://u:p@127.0.0.1/'"),
            ("file:///etc/passwd", "the registry names an address that cannot be used: 'file:///etc/passwd'"),
            ("", "the registry names an address that cannot be used: ''"),
        ],
    )
    def test_credentials_go_to_no_odd_realm(
        self, registry: FaultyRegistry, log_in: LogIn, realm: str, message: str
    ) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        registry.challenge = f'Bearer realm="{realm}"'
        log_in(registry)
        assert refused(registry).message == message
        assert sent_authorizations(registry) == {None}

    def test_another_port_is_another_realm_unless_allowed(
        self, registry: FaultyRegistry, other: FaultyRegistry, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry.add_image(STEPS)
        registry.require_token(f"http://{other.url}/token")
        other.token = registry.token
        log_in(registry)
        error = refused(registry)
        assert error.hint == "if that is its token server, set DRIFTSCAN_TOKEN_HOSTS=127.0.0.1"
        assert other.requests == []

        monkeypatch.setenv("DRIFTSCAN_TOKEN_HOSTS", f"auth.example, {other.url}")
        other.own.add(basic("anna", registry.password))
        assert names(read(registry)) == CONTENT
        assert sent_authorizations(other) == {basic("anna", registry.password)}

    @pytest.mark.parametrize(
        "token", ['{"token": "a\\r\\nX: y"}', '{"token": ""}', "{}", '{"token": 7}', "[]", "<html>"]
    )
    def test_a_token_that_is_none(self, registry: FaultyRegistry, token: str) -> None:
        registry.require_token()
        registry.token = token.encode()
        assert isinstance(refused(registry), ImageError)

    def test_an_endless_token_is_cut_off(self, registry: FaultyRegistry) -> None:
        registry.require_token()
        registry.token = b'{"token": "' + b"a" * (1 << 16) + b'"}'
        assert isinstance(refused(registry, limits=Limits(document=1 << 15)), LimitError)


class TestRedirects:
    def redirect(self, registry: FaultyRegistry, target: str) -> None:
        registry.faults["/blobs/"] = [answer(307, Location=target)] * 20

    def test_a_redirect_carries_no_credentials(
        self, registry: FaultyRegistry, other: FaultyRegistry, log_in: LogIn
    ) -> None:
        registry.add_image(STEPS)
        registry.require_basic()
        log_in(registry)
        other.contents = dict(registry.contents)

        def away(exchange: Exchange) -> None:
            exchange.reply(307, b"", {"Location": f"http://{other.url}{exchange.path}"})

        registry.faults["/blobs/"] = [away] * 3
        assert names(read(registry)) == CONTENT
        assert len(other.requests) == 3
        assert sent_authorizations(other) == {None}

    def test_a_401_after_a_redirect_gets_no_credentials(
        self, registry: FaultyRegistry, other: FaultyRegistry, log_in: LogIn
    ) -> None:
        registry.add_image(STEPS)
        registry.require_basic()
        log_in(registry)
        other.require_basic()
        self.redirect(registry, f"http://{other.url}/blob")
        assert refused(registry).message == (
            f"the registry redirects to http://{other.url}, which refuses access; credentials are not sent there"
        )
        assert sent_authorizations(other) == {None}

    def test_a_loop_ends(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        self.redirect(registry, "/v2/shop/blobs/again")
        assert refused(registry).message == "the registry redirects more than 5 times"

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ("http://files.example/x", "the registry redirects to http://files.example:80, which is not encrypted"),
            (
                "https://169.254.169.254/latest",
                "the registry names 169.254.169.254, which is a link-local address (169.254.169.254)",
            ),
            ("file:///etc/passwd", "the registry names an address that cannot be used: 'file:///etc/passwd'"),
        ],
    )
    def test_odd_targets_are_refused(self, registry: FaultyRegistry, target: str, message: str) -> None:
        registry.add_image(STEPS)
        self.redirect(registry, target)
        assert refused(registry).message == message


class TestFaults:
    def test_busy_twice_then_fine(self, registry: FaultyRegistry, waits: list[float]) -> None:
        registry.add_image(STEPS)
        registry.faults["/manifests/"] = [answer(500), answer(503)]
        assert names(read(registry)) == CONTENT
        assert waits == [0.5, 1.0]

    def test_too_many_requests_are_waited_for(self, registry: FaultyRegistry, waits: list[float]) -> None:
        registry.add_image(STEPS)
        registry.faults["/manifests/"] = [answer(429, Retry_After="7"), answer(429, Retry_After="20")]
        assert names(read(registry)) == CONTENT
        assert waits == [7.0, 20.0]

    def test_a_server_cannot_make_one_wait_for_long(self, registry: FaultyRegistry, waits: list[float]) -> None:
        registry.faults["/manifests/"] = [answer(429, Retry_After="50"), *[answer(429, Retry_After="999999")] * 4]
        error = refused(registry)
        assert isinstance(error, UnreachableError)
        assert error.message == "no usable answer after 3 attempts (it answered 429 Too Many Requests)"
        assert waits == [50.0, 10.0]

    def test_always_busy(self, registry: FaultyRegistry, waits: list[float]) -> None:
        registry.faults["/manifests/"] = [answer(503)] * 9
        error = refused(registry)
        assert isinstance(error, UnreachableError)
        assert error.message == "no usable answer after 5 attempts (it answered 503 Service Unavailable)"
        assert len(registry.faults["/manifests/"]) == 4
        assert waits == [0.5, 1.0, 2.0, 4.0]

    def test_busy_at_the_first_request_of_all(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.faults["/v2/"] = [answer(503)]
        assert names(read(registry)) == CONTENT

    def test_hanging_up(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.faults["/manifests/"] = [hang_up, hang_up]
        registry.faults["/blobs/"] = [hang_up]
        assert names(read(registry)) == CONTENT

    def test_a_manifest_and_a_token_that_break_off_are_asked_for_again(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        registry.faults["/token"] = [answer(200, registry.token[:5], Content_Length="99"), hang_up, answer(500)]
        whole = registry.contents["/v2/shop/manifests/1"].data
        unauthorized = answer(401, WWW_Authenticate=registry.challenge or "")
        registry.faults["/manifests/"] = [unauthorized, answer(200, whole[:50], Content_Length=str(len(whole)))]
        assert names(read(registry)) == CONTENT

    def test_a_manifest_that_always_breaks_off(self, registry: FaultyRegistry) -> None:
        registry.faults["/manifests/"] = [answer(200, b"{", Content_Length="500")] * 9
        error = refused(registry)
        assert isinstance(error, UnreachableError)
        assert error.message.startswith("no usable answer after 5 attempts (the connection broke (")
        assert len(registry.faults["/manifests/"]) == 4

    def test_a_broken_download_goes_on_where_it_broke(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        registry.faults[path] = [cut_off(3000), cut_off(4000), reset(2000)]
        assert names(read(registry)) == CONTENT
        first, second, third, *_ = [request.range for request in registry.requests if request.path == path]
        assert (first, second, third) == (None, "bytes=3000-", "bytes=7000-")

    def test_a_registry_without_ranges_sends_it_all_again(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        registry.faults[path] = [cut_off(3000), whole]
        assert names(read(registry)) == CONTENT

    def test_a_registry_that_refuses_ranges_is_asked_for_all_of_it(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        registry.faults[path] = [cut_off(3000), answer(416), whole]
        assert names(read(registry)) == CONTENT
        asked = [request.range for request in registry.requests if request.path == path]
        assert asked == [None, "bytes=3000-", None]

    def test_a_download_that_always_breaks(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        registry.faults[path] = [cut_off(100)] * 9
        error = refused(registry)
        assert isinstance(error, UnreachableError)
        assert error.message.startswith("the download ended at 500 of 20,480 bytes after 5 attempts (the connection")
        assert error.where == f"{registry.url}/shop:1, layer 2, blob {path.rpartition('/')[2]}"

    def test_a_download_that_breaks_often_but_gets_on(self, registry: FaultyRegistry) -> None:
        """As on a bad line: what counts is that a mebibyte comes in between."""
        registry.add_image([("COPY . /", {"app/large.bin": "x" * (9 << 20)})])
        path = blob_of(registry, b"xxx")
        registry.faults[path] = [cut_off(1 << 20)] * 8
        assert names(read(registry)) == [["app/large.bin"]]
        assert registry.faults[path] == []

    def test_a_registry_that_goes_away_during_a_download_and_comes_back(
        self, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from urllib3.util import connection

        registry.add_image(STEPS[1:])
        path = blob_of(registry, b"bbb")
        connect = connection.create_connection
        away: list[None] = []

        def refuse(*arguments: Any, **options: Any) -> object:
            if away:
                away.pop()
                raise ConnectionRefusedError(111, "Connection refused")
            return connect(*arguments, **options)

        def leave(exchange: Exchange) -> None:
            cut_off(3000)(exchange)
            away.extend([None, None])

        monkeypatch.setattr(connection, "create_connection", refuse)
        registry.faults[path] = [leave]
        assert names(read(registry)) == CONTENT[1:]
        assert away == []

    @pytest.mark.parametrize("mark", ["/manifests/", "/blobs/"])
    def test_a_stall_is_waited_out_and_asked_again(
        self, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch, mark: str
    ) -> None:
        monkeypatch.setenv("DRIFTSCAN_REGISTRY_TIMEOUT", "0.6")
        registry.add_image(STEPS)
        registry.faults[mark] = [stall]
        assert names(read(registry)) == CONTENT

    @pytest.mark.parametrize("mark", ["/manifests/", "/blobs/"])
    def test_a_registry_that_only_stalls(
        self, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch, mark: str
    ) -> None:
        monkeypatch.setenv("DRIFTSCAN_REGISTRY_TIMEOUT", "0.2")
        registry.add_image(STEPS)
        registry.faults[mark] = [stall] * 20
        error = refused(registry)
        assert isinstance(error, UnreachableError)
        assert error.message.endswith(" after 2 attempts (timed out)")

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("/manifests/", "no usable answer after one attempt (it sends next to nothing)"),
            ("/blobs/", " bytes after one attempt (it sends next to nothing)"),
        ],
    )
    def test_a_registry_that_sends_a_byte_now_and_then(
        self, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch, path: str, message: str
    ) -> None:
        """Each read succeeds in time; together they would take for ever."""
        monkeypatch.setenv("DRIFTSCAN_REGISTRY_TIMEOUT", "0.3")
        registry.add_image(STEPS)
        registry.faults[path] = [dripping(1, 0.04)] * 20
        error = refused(registry)
        assert isinstance(error, UnreachableError)
        assert error.message.endswith(message)

    def test_headers_without_end(self, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DRIFTSCAN_REGISTRY_TIMEOUT", "0.3")
        registry.faults["/manifests/"] = [dripping_headers] * 9
        error = refused(registry)
        assert isinstance(error, UnreachableError)
        assert error.message == "no usable answer after 2 attempts (timed out)"

    def test_more_headers_than_anybody_reads(self, registry: FaultyRegistry) -> None:
        registry.faults["/manifests/"] = [answer(200, b"{}", **{f"X_{number}": "x" for number in range(200)})] * 9
        assert refused(registry).message == "no usable answer after 5 attempts (got more than 100 headers)"

    @pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "86401"])
    def test_a_timeout_that_is_none(self, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        monkeypatch.setenv("DRIFTSCAN_REGISTRY_TIMEOUT", text)
        error = refused(registry)
        assert isinstance(error, UsageError)
        assert error.message == f"DRIFTSCAN_REGISTRY_TIMEOUT is {text!r}, which is no number of seconds up to a day"

    @pytest.mark.parametrize("span", ["bytes 0-20479/20480", "bytes 100-20478/20480", "bytes 100-20479/9", "", "x"])
    def test_another_range_than_asked_for(self, registry: FaultyRegistry, span: str) -> None:
        """It is not used; the blob is asked for without a range instead, and given up where that fails too."""
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        other = answer(206, b"x" * 20380, Content_Range=span)
        registry.faults[path] = [cut_off(100), other, whole]
        assert names(read(registry)) == CONTENT

        registry.faults[path] = [cut_off(100), other, hang_up, hang_up, hang_up]
        assert isinstance(refused(registry), UnreachableError)

    def test_a_range_that_nobody_asked_for(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        registry.faults[path] = [answer(206, b"x" * 20480, Content_Range="bytes 0-20479/20480")]
        assert refused(registry).message == "the registry answered 206"

    @pytest.mark.parametrize("data", [b"", b"short", b"x" * 30000])
    def test_another_length_than_promised(self, registry: FaultyRegistry, data: bytes) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        registry.contents[path] = Content("application/octet-stream", data)
        assert refused(registry).message == f"the registry announces {len(data)} bytes, the manifest says 20480"

    def test_other_bytes_than_promised(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        data = registry.contents[path].data
        registry.contents[path] = Content("application/octet-stream", data.replace(b"bbb", b"ccc"))
        message = refused(registry).message
        assert message.startswith("the blob has the digest sha256:")
        assert message.endswith(f", the manifest says {path.rpartition('/')[2]}")

    def test_a_resumed_download_of_two_different_blobs(self, registry: FaultyRegistry) -> None:
        """The digest is that of what was put together."""
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        changed = answer(206, b"x" * 17480, Content_Range="bytes 3000-20479/20480")
        registry.faults[path] = [cut_off(3000), changed]
        assert isinstance(refused(registry), ImageError)

    def test_a_length_that_is_a_lie(self, registry: FaultyRegistry) -> None:
        """More than was promised is announced and sent: nobody reads it. Less: it is no such blob."""
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        data = registry.contents[path].data
        registry.faults[path] = [answer(200, data[:100], Content_Length="100")]
        assert refused(registry).message == "the registry announces 100 bytes, the manifest says 20480"
        registry.faults[path] = [answer(200, data, Content_Length="20481")]
        assert refused(registry).message == "the registry announces 20481 bytes, the manifest says 20480"

    def test_chunks_without_a_length(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.faults[blob_of(registry, b"bbb")] = [chunked()]
        assert names(read(registry)) == CONTENT

    def test_chunks_without_end(self, registry: FaultyRegistry) -> None:
        """What comes after the promised size is not waited for."""
        registry.add_image(STEPS)
        registry.faults[blob_of(registry, b"bbb")] = [chunked(b"x" * 70000)]
        assert names(read(registry)) == CONTENT

    def test_compression_that_was_declined(self, registry: FaultyRegistry) -> None:
        """Some servers name the compression of the layer itself as that of the transport; others do compress again."""
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        data = registry.contents[path].data
        registry.faults[path] = [answer(200, data, Content_Encoding="gzip")]
        assert names(read(registry)) == CONTENT

        registry.faults[path] = [answer(200, gzip.compress(data), Content_Encoding="gzip")]
        assert refused(registry).message == "the registry sends it with the encoding 'gzip', which was declined"
        registry.faults[path] = [chunked(body=gzip.compress(data), Content_Encoding="gzip")]
        assert isinstance(refused(registry), DriftscanError)
        registry.faults["/manifests/"] = [answer(200, gzip.compress(b"{}"), Content_Encoding="gzip")]
        assert refused(registry).message.startswith("the manifest is not valid JSON (")

    def test_a_missing_blob(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        del registry.contents[path]
        assert refused(registry).message == "the registry has no such blob"

    def test_a_missing_configuration(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"rootfs")
        del registry.contents[path]
        assert str(refused(registry)) == (
            f"{registry.url}/shop:1, blob {path.rpartition('/')[2]}: the registry has no such blob"
        )

    @pytest.mark.usefixtures("internet")
    def test_a_host_that_cannot_be_reached(self, waits: list[float]) -> None:
        with pytest.raises(UnreachableError) as caught:
            open_image("registry:registry.example/shop", limits=Limits())
        assert str(caught.value) == "https://registry.example:443: no connection (Connection refused)"
        assert waits == []


class TestWhatNeverGetsBetter:
    """A layer that cannot be had: one line, exit code 2, nothing cached; and all is well once it can be had."""

    LENGTH = 20_480
    WRONG = answer(206, b"x" * (LENGTH - 100), Content_Range=f"bytes 0-{LENGTH - 101}/{LENGTH}")
    FAULTS: Mapping[str, tuple[list[Fault], str]] = {
        "reset": ([reset(100)], "the download ended at "),
        "hang up": (
            [hang_up],
            "the download ended at 0 of 20,480 bytes after 5 attempts (Remote end closed connection",
        ),
        "cut off": ([cut_off(100)], "the download ended at 500 of 20,480 bytes after 5 attempts (the connection "),
        "stall": ([stall], "the download ended at 0 of 20,480 bytes after 2 attempts (timed out)"),
        "stall in the body": ([stall_after(3000)], "the download ended at "),
        "too many requests": (
            [answer(429, Retry_After="999999")],
            "the download ended at 0 of 20,480 bytes after 2 attempts (it answered 429 Too Many Requests)",
        ),
        "out of order": (
            [answer(500)],
            "the download ended at 0 of 20,480 bytes after 5 attempts (it answered 500 Internal Server Error)",
        ),
        "another range": ([cut_off(100), WRONG, *[hang_up] * 9], "the download ended at "),
        "a range that nobody asked for": ([WRONG], "the registry answered 206"),
        "a length that is a lie": (
            [answer(200, b"x" * 100, Content_Length="100")],
            "the registry announces 100 bytes, the manifest says 20480",
        ),
        "gone": ([answer(404)], "the registry has no such blob"),
    }

    @pytest.mark.parametrize("name", FAULTS)
    def test_a_layer(
        self,
        registry: FaultyRegistry,
        own_cache: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        name: str,
    ) -> None:
        monkeypatch.setenv("DRIFTSCAN_REGISTRY_TIMEOUT", "1" if name.startswith("stall") else "60")
        faults, message = self.FAULTS[name]
        registry.add_image(STEPS[1:])
        path = blob_of(registry, b"bbb")
        registry.faults[path] = faults * 20
        assert run(["inspect", f"registry:{registry.url}/shop:1"]) == 2
        shown = capsys.readouterr()
        where = f"{registry.url}/shop:1, layer 1, blob {path.rpartition('/')[2]}"
        assert shown.out == ""
        assert shown.err.startswith(f"driftscan: error: {where}: {message}")
        assert all(line.startswith("hint: ") for line in shown.err.splitlines()[1:])
        assert list(LayerCache(own_cache).store.files()) == []

        registry.faults[path] = []
        assert run(["inspect", f"registry:{registry.url}/shop:1"]) == 0
        assert len(list(LayerCache(own_cache).store.files())) == 1


class TestManifests:
    def test_a_digest_that_is_not_that_of_the_manifest(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        digest = registry.add_image(STEPS[:1], "2")
        registry.contents[f"/v2/shop/manifests/{digest}"] = registry.contents["/v2/shop/manifests/1"]
        assert f"not {digest}" in refused(registry, f"@{digest}").message

    def test_a_promised_digest_that_does_not_hold(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        data = registry.contents["/v2/shop/manifests/1"].data
        promised = "sha256:" + "0" * 64
        registry.faults["/manifests/"] = [
            answer(200, data, Content_Type=MANIFEST, Docker_Content_Digest=promised),
        ]
        assert refused(registry).message.endswith(f"not {promised}")

    def test_a_media_type_that_is_not_the_served_one(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.contents["/v2/shop/manifests/1"] = registry.contents["/v2/shop/manifests/1"]._replace(media_type=INDEX)
        assert refused(registry).message == f"the manifest says it is {MANIFEST}, and was served as {INDEX}"

    def test_an_entry_of_the_index_that_is_something_else(self, registry: FaultyRegistry) -> None:
        digest = registry.add_image(STEPS)
        size = len(registry.contents["/v2/shop/manifests/1"].data)
        entry = {"mediaType": MANIFEST, "digest": digest, "size": size}
        registry.add_manifest({"schemaVersion": 2, "manifests": [entry]}, "several", kind=INDEX)
        path = f"/v2/shop/manifests/{digest}"
        registry.contents[path] = registry.contents[path]._replace(media_type=INDEX)
        assert refused(registry, ":several").message == (
            f"the index says {digest} is {MANIFEST}, it was served as {INDEX}"
        )

    def test_an_index_in_an_index_in_an_index(self, registry: FaultyRegistry) -> None:
        digest, size = registry.add_image(STEPS), len(registry.contents["/v2/shop/manifests/1"].data)
        kind = MANIFEST
        for level in range(6):
            document = {"schemaVersion": 2, "manifests": [{"mediaType": kind, "digest": digest, "size": size}]}
            digest, size = registry.add_manifest(document, f"level{level}", kind=INDEX), len(json.dumps(document))
            kind = INDEX
        assert names(read(registry, ":level0")) == CONTENT
        assert refused(registry, ":level5").message == "its indexes are nested more than 4 deep"

    def test_a_manifest_without_end(self, registry: FaultyRegistry) -> None:
        registry.add_manifest(b'{"x": "' + b"a" * (1 << 16) + b'"}')
        error = refused(registry, limits=Limits(document=1 << 15))
        assert isinstance(error, LimitError)
        assert "`document`" in error.message

    @pytest.mark.parametrize("data", [b"", b"<html>", b"\x1f\x8b\x08", b"[]", b'{"schemaVersion": 1}', b"{" * 5000])
    def test_what_is_no_manifest(self, registry: FaultyRegistry, data: bytes) -> None:
        registry.add_manifest(data)
        assert isinstance(refused(registry), ImageError)

    def test_a_foreign_layer_is_not_fetched_from_elsewhere(
        self, registry: FaultyRegistry, other: FaultyRegistry
    ) -> None:
        registry.add_image(STEPS)
        document = json.loads(registry.contents["/v2/shop/manifests/1"].data)
        layer = document["layers"][1]
        layer["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar"
        layer["urls"] = [f"http://{other.url}/layer"]
        registry.add_manifest(document)
        del registry.contents[f"/v2/shop/blobs/{layer['digest']}"]
        assert refused(registry).message == (
            "the layer is kept outside of the registry, and addresses that an image names are not followed"
        )
        assert other.requests == []


class TestLayers:
    def test_a_table_of_contents_is_not_believed(self, registry: FaultyRegistry) -> None:
        """eStargz: the table says that there is one file, other than that which runtimes unpack; its digest holds."""
        table = json.dumps({"version": 1, "entries": [{"name": "app/good.txt", "type": "reg", "digest": "sha256:0"}]})
        tar = layer_tar({"app/bad.txt": "bad", "stargz.index.json": table})
        footer = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x1a\0SG\x16\0%016xSTARGZ\x01\0\0\xff\xff" % 512 + b"\0" * 8
        blob = gzip.compress(tar[:512]) + gzip.compress(tar[512:]) + footer
        registry.add_image([("COPY . /app", {"app/bad.txt": "bad", "stargz.index.json": table})])
        document = json.loads(registry.contents["/v2/shop/manifests/1"].data)
        annotation = {
            "containerd.io/snapshotter/stargz/toc.digest": f"sha256:{hashlib.sha256(table.encode()).hexdigest()}"
        }
        document["layers"] = [registry.descriptor(blob, f"{LAYER}+gzip") | {"annotations": annotation}]
        registry.add_manifest(document)
        assert names(read(registry)) == [["app/bad.txt", "stargz.index.json"]]
        assert {request.range for request in registry.requests} == {None}

    def test_ten_thousand_layers(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        document = json.loads(registry.contents["/v2/shop/manifests/1"].data)
        document["layers"] *= 5000
        registry.add_manifest(document)
        error = refused(registry)
        assert isinstance(error, LimitError)
        assert error.message == "the number of layers (10000) passes the limit `layers` of 256"

    def test_fewer_layers_than_the_configuration_has(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        document = json.loads(registry.contents["/v2/shop/manifests/1"].data)
        del document["layers"][1]
        registry.add_manifest(document)
        assert refused(registry).message == "the manifest lists 1 layers, the configuration 2"

    def test_a_layer_that_is_not_the_configurations(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        document = json.loads(registry.contents["/v2/shop/manifests/1"].data)
        document["layers"].reverse()
        registry.add_manifest(document)
        assert refused(registry).message.startswith("its content has the diff id sha256:")

    @pytest.mark.parametrize(
        "digest", ["../../x", "sha256:../../x", "md5:" + "0" * 32, "sha256:" + "A" * 64, "sha256:"]
    )
    def test_a_digest_that_is_none_is_not_asked_for(self, registry: FaultyRegistry, digest: str) -> None:
        registry.add_image(STEPS)
        document = json.loads(registry.contents["/v2/shop/manifests/1"].data)
        document["layers"][0]["digest"] = digest
        registry.add_manifest(document)
        error = refused(registry)
        assert isinstance(error, ImageError)
        assert error.message.startswith("a layer of the manifest has the digest ")
        assert {request.path for request in registry.requests} == {"/v2/", "/v2/shop/manifests/1"}

    @pytest.mark.parametrize(
        "faults", [[cut_off(3000), answer(404)], [cut_off(3000), answer(206, b"x" * 17480, Content_Range=REST)]]
    )
    def test_nothing_is_kept_of_what_was_refused(
        self, registry: FaultyRegistry, home: Path, faults: list[Fault]
    ) -> None:
        registry.add_image(STEPS[1:])
        cache, limits = LayerCache(home / "cache"), Limits()
        registry.faults[blob_of(registry, b"bbb")] = list(faults)
        with open_image(f"registry:{registry.url}/shop:1", limits=limits) as image:
            with pytest.raises(ImageError):
                scan(image, wants, limits, cache=cache)
            assert cache.get(image.config.diff_ids[0]) is None
        with open_image(f"registry:{registry.url}/shop:1", limits=limits) as image:
            scan(image, wants, limits, cache=cache)
            assert cache.get(image.config.diff_ids[0]) is not None

    def test_what_is_cached_is_not_asked_for_again(self, registry: FaultyRegistry, home: Path) -> None:
        registry.add_image(STEPS)
        cache, limits = LayerCache(home / "cache"), Limits()
        found = []
        for _ in range(2):
            registry.requests.clear()
            with open_image(f"registry:{registry.url}/shop:1", limits=limits) as image:
                found.append(scan(image, wants, limits, cache=cache))
        assert found[0] == found[1]
        assert blob_of(registry, b"rootfs") in {request.path for request in registry.requests}
        layers = {blob_of(registry, text) for text in (b"aaa", b"bbb")}
        assert not layers & {request.path for request in registry.requests}

    @pytest.mark.parametrize("held", [stall, stall_after(3000), answer(429, Retry_After="50")])
    def test_one_layer_that_is_refused_ends_the_wait_for_others(
        self, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch, held: Fault
    ) -> None:
        monkeypatch.setattr(patience, "wait", WAIT)
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
        registry.add_image(STEPS)
        both = threading.Barrier(2, timeout=10)

        def hold(exchange: Exchange) -> None:
            both.wait()
            held(exchange)

        def fail(exchange: Exchange) -> None:
            both.wait()
            exchange.reply(404, b"")

        registry.faults[blob_of(registry, b"bbb")] = [hold] * 5
        registry.faults[blob_of(registry, b"aaa")] = [fail]
        assert refused(registry).message == "the registry has no such blob"
        # Not even one further attempt.
        assert len(registry.faults[blob_of(registry, b"bbb")]) == 4

    def test_layers_are_fetched_at_once(self, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each waits for the other one to be asked for."""
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
        registry.add_image(STEPS)
        both = threading.Barrier(2, timeout=10)
        met: list[int] = []

        def meet(exchange: Exchange) -> None:
            met.append(both.wait())
            whole(exchange)

        for text in (b"aaa", b"bbb"):
            registry.faults[blob_of(registry, text)] = [meet]
        assert names(read(registry)) == CONTENT
        assert sorted(met) == [0, 1]


class TestParts:
    @pytest.mark.parametrize(
        ("header", "challenges"),
        [
            ('Basic realm="a"', (Challenge("basic", {"realm": "a"}),)),
            (
                'Bearer realm="https://a.example/t?x=1,2",service=s, scope="a \\"b\\""',
                (Challenge("bearer", {"realm": "https://a.example/t?x=1,2", "service": "s", "scope": 'a "b"'}),),
            ),
            (
                'Negotiate, Basic realm="a", BEARER Realm = "b"',
                (Challenge("negotiate", {}), Challenge("basic", {"realm": "a"}), Challenge("bearer", {"realm": "b"})),
            ),
            ('Bearer realm="a', (Challenge("bearer", {}),)),
            ("", ()),
            ("===", ()),
        ],
    )
    def test_challenges(self, header: str, challenges: tuple[Challenge, ...]) -> None:
        assert parse_challenges(header) == challenges

    def test_a_hostile_challenge_takes_no_time(self) -> None:
        assert len(parse_challenges("a " * 100_000)) <= 4096
