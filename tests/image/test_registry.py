"""A registry that misbehaves, on loopback: what gets through, what is refused, and where credentials go."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftscan.errors import DriftscanError, ImageError, LimitError, NotFoundError, UnreachableError
from driftscan.image import Limits, open_image, scan
from driftscan.image.registry_auth import Challenge, parse_challenges
from driftscan.image.transport import may_be_plain, origin_of, refuse_link_local, retry_after
from driftscan.inventory import wants
from driftscan.model.image import LayerIndex
from tests.builders.registry import (
    INDEX,
    MANIFEST,
    Content,
    Exchange,
    FaultyRegistry,
    answer,
    basic,
    cut_off,
    faulty_registry,
    hang_up,
)

STEPS = [
    ("COPY . /app", {"app/a.txt": "a" * 5000, "etc/os-release": "ID=debian\n"}),
    ("RUN pip install", {"app/b.txt": "b" * 9000}),
]


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    with faulty_registry() as service:
        yield service


@pytest.fixture
def other() -> Iterator[FaultyRegistry]:
    """Another origin: the same address, another port."""
    with faulty_registry() as service:
        yield service


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DRIFTSCAN_TOKEN_HOSTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr("driftscan.image.transport.time.sleep", waited.append)
    return waited


def log_in(home: Path, registry: FaultyRegistry, **entry: str) -> None:
    auth = entry or {"auth": base64.b64encode(b"anna:secret").decode()}
    (home / "config.json").write_text(json.dumps({"auths": {registry.url: auth}}))


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


def test_an_image_that_is_not_there(registry: FaultyRegistry) -> None:
    error = refused(registry)
    assert isinstance(error, NotFoundError)
    assert str(error) == f"{registry.url}/shop:1: the registry has no such image"


class TestAuthentication:
    def test_basic(self, registry: FaultyRegistry, home: Path) -> None:
        registry.add_image(STEPS)
        registry.require_basic("anna", "secret")
        log_in(home, registry)
        assert names(read(registry)) == CONTENT
        assert sent_authorizations(registry) == {None, basic("anna", "secret")}

    def test_token_for_nobody(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        assert names(read(registry)) == CONTENT
        asked = [request for request in registry.requests if request.path == "/token"]
        assert [(request.query, request.authorization) for request in asked] == [
            ("service=tests&scope=repository%3Ashop%3Apull", None)
        ]

    def test_token_for_a_user(self, registry: FaultyRegistry, home: Path) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        log_in(home, registry)
        assert names(read(registry)) == CONTENT
        assert {request.authorization for request in registry.requests if request.path == "/token"} == {
            basic("anna", "secret")
        }

    def test_token_for_an_identity_token(self, registry: FaultyRegistry, home: Path) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        registry.token = b'{"access_token": "let-me-in", "expires_in": 60}'
        log_in(home, registry, identitytoken="refresh")
        assert names(read(registry)) == CONTENT
        (asked,) = [request for request in registry.requests if request.path == "/token"]
        assert asked.authorization is None
        assert asked.query == (
            "service=tests&scope=repository%3Ashop%3Apull&grant_type=refresh_token&client_id=driftscan"
            "&refresh_token=refresh"
        )

    def test_an_expired_token_is_renewed(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        registry.faults["/blobs/"] = [answer(401, WWW_Authenticate=registry.challenge or "")]
        assert names(read(registry)) == CONTENT

    def test_no_credentials(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.require_basic("anna", "secret")
        error = refused(registry)
        assert str(error) == (
            f"{registry.url}/shop:1: the registry does not give access without credentials, or has no such image"
        )
        assert error.hint == f"log in (docker login {registry.url}), and check the image's name"

    def test_wrong_credentials_are_not_shown(self, registry: FaultyRegistry, home: Path) -> None:
        registry.add_image(STEPS)
        registry.require_basic("anna", "changed")
        log_in(home, registry)
        error = refused(registry)
        assert "does not give access with the credentials of this machine" in str(error)
        assert "secret" not in f"{error} {error.hint}"

    def test_why_credentials_could_not_be_read_is_told(self, registry: FaultyRegistry, home: Path) -> None:
        registry.require_basic("anna", "secret")
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
        self, registry: FaultyRegistry, home: Path, realm: str, message: str
    ) -> None:
        registry.add_image(STEPS)
        registry.require_token()
        registry.challenge = f'Bearer realm="{realm}"'
        log_in(home, registry)
        assert refused(registry).message == message
        assert sent_authorizations(registry) == {None}

    def test_another_port_is_another_realm_unless_allowed(
        self, registry: FaultyRegistry, other: FaultyRegistry, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry.add_image(STEPS)
        registry.require_token(f"http://{other.url}/token")
        other.token = registry.token
        log_in(home, registry)
        error = refused(registry)
        assert error.hint == "if that is its token server, set DRIFTSCAN_TOKEN_HOSTS=127.0.0.1"
        assert other.requests == []

        monkeypatch.setenv("DRIFTSCAN_TOKEN_HOSTS", f"auth.example, {other.url}")
        assert names(read(registry)) == CONTENT
        assert sent_authorizations(other) == {basic("anna", "secret")}

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
        self, registry: FaultyRegistry, other: FaultyRegistry, home: Path
    ) -> None:
        registry.add_image(STEPS)
        registry.require_basic("anna", "secret")
        log_in(home, registry)
        other.contents = dict(registry.contents)

        def away(exchange: Exchange) -> None:
            exchange.reply(307, b"", {"Location": f"http://{other.url}{exchange.path}"})

        registry.faults["/blobs/"] = [away] * 3
        assert names(read(registry)) == CONTENT
        assert len(other.requests) == 3
        assert sent_authorizations(other) == {None}

    def test_a_401_after_a_redirect_gets_no_credentials(
        self, registry: FaultyRegistry, other: FaultyRegistry, home: Path
    ) -> None:
        registry.add_image(STEPS)
        registry.require_basic("anna", "secret")
        log_in(home, registry)
        other.require_basic("anna", "secret")
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

    def test_too_many_requests_are_waited_for_within_bounds(self, registry: FaultyRegistry, waits: list[float]) -> None:
        registry.add_image(STEPS)
        registry.faults["/manifests/"] = [answer(429, Retry_After="7"), answer(429, Retry_After="999999")]
        assert names(read(registry)) == CONTENT
        assert waits == [7.0, 60.0]

    def test_always_busy(self, registry: FaultyRegistry) -> None:
        registry.faults["/manifests/"] = [answer(503)] * 9
        error = refused(registry)
        assert isinstance(error, UnreachableError)
        assert error.message == "no usable answer in 5 attempts (it answered 503 Service Unavailable)"
        assert len(registry.faults["/manifests/"]) == 4

    def test_hanging_up(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        registry.faults["/manifests/"] = [hang_up, hang_up]
        registry.faults["/blobs/"] = [hang_up]
        assert names(read(registry)) == CONTENT

    def test_a_broken_download_goes_on_where_it_broke(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        registry.faults[path] = [cut_off(3000), cut_off(4000)]
        assert names(read(registry)) == CONTENT
        assert [request.range for request in registry.requests if request.path == path] == [
            None,
            "bytes=3000-",
            "bytes=7000-",
        ]

    def test_a_registry_without_ranges_sends_it_all_again(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")

        def whole(exchange: Exchange) -> None:
            exchange.deliver(exchange.content, None)

        registry.faults[path] = [cut_off(3000), whole]
        assert names(read(registry)) == CONTENT

    def test_a_download_that_always_breaks(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        registry.faults[path] = [cut_off(100)] * 9
        error = refused(registry)
        assert isinstance(error, UnreachableError)
        assert error.message.startswith("the download broke off 5 times, last after 500 of 20480 bytes (")

    def test_a_stall_is_given_up(self, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("driftscan.image.transport._READ_SECONDS", 0.5)
        registry.add_image(STEPS)
        done: list[float] = []

        def stall(exchange: Exchange) -> None:
            exchange.connection.settimeout(5)
            try:
                exchange.connection.recv(1)
            finally:
                done.append(time.monotonic())

        registry.faults["/manifests/"] = [stall]
        assert names(read(registry)) == CONTENT
        assert len(done) == 1

    @pytest.mark.parametrize("span", ["bytes 0-20479/20480", "bytes 100-20478/20480", "bytes 100-20479/9", "", "x"])
    def test_another_range_than_asked_for(self, registry: FaultyRegistry, span: str) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        registry.faults[path] = [cut_off(100), answer(206, b"x" * 20380, Content_Range=span)]
        assert refused(registry).message == f"asked to go on at byte 100, the registry sent the range {span!r}"

    @pytest.mark.parametrize("data", [b"", b"short", b"x" * 20480, b"x" * 30000])
    def test_other_bytes_than_promised(self, registry: FaultyRegistry, data: bytes) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        registry.contents[path] = Content("application/octet-stream", data)
        assert isinstance(refused(registry), ImageError)

    def test_a_missing_blob(self, registry: FaultyRegistry) -> None:
        registry.add_image(STEPS)
        path = blob_of(registry, b"bbb")
        del registry.contents[path]
        assert refused(registry).message == "the registry has no such blob"

    def test_a_host_that_does_not_exist(self, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
        for variable in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(variable, raising=False)
        with pytest.raises(UnreachableError, match=r"^https://registry\.invalid:443: no connection \("):
            open_image("registry:registry.invalid/shop", limits=Limits())
        assert waits == []


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

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            (None, None),
            ("3", 3.0),
            ("999999999999", 60.0),
            ("-3", None),
            ("soon", None),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
            ("Wed, 21 Oct 2915 07:28:00 GMT", 60.0),
        ],
    )
    def test_retry_after(self, value: str | None, seconds: float | None) -> None:
        assert retry_after(value) == seconds

    def test_plain_http_is_for_loopback_or_when_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert may_be_plain("127.0.0.1")
        assert may_be_plain("::1")
        assert may_be_plain("localhost")
        assert not may_be_plain("registry.example")
        assert not may_be_plain("10.0.0.1")
        monkeypatch.setenv("DRIFTSCAN_INSECURE_REGISTRIES", "registry.example, 10.0.0.1:5000")
        assert may_be_plain("registry.example", 443)
        assert may_be_plain("10.0.0.1", 5000)
        assert not may_be_plain("10.0.0.1", 443)

    @pytest.mark.parametrize("host", ["169.254.0.1", "fe80::1", "::ffff:169.254.169.254"])
    def test_link_local_addresses(self, host: str) -> None:
        with pytest.raises(ImageError, match="link-local"):
            refuse_link_local(host)

    def test_other_addresses(self) -> None:
        refuse_link_local("127.0.0.1")
        refuse_link_local("nowhere.invalid")

    def test_origins(self) -> None:
        assert str(origin_of("https://Registry.example/v2/")) == "https://registry.example:443"
        assert origin_of("http://registry.example") != origin_of("https://registry.example:80")
