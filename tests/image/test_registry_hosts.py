"""Registries with names and certificates: TLS, mirrors, and what leads from one host to another."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from driftscan.errors import DriftscanError, ImageError, NotFoundError, UnreachableError, UsageError
from driftscan.image import Limits, open_image
from driftscan.image.scan import scan
from driftscan.inventory import wants
from tests.builders.registry import Exchange, Fault, FaultyRegistry, LogIn, answer, basic
from tests.image.conftest import Internet

NAME = "registry.example"
STEPS = [("COPY . /app", {"app/a.txt": "a" * 5000})]
SHOP = [["app/a.txt"]]

pytestmark = pytest.mark.usefixtures("home", "waits")


@pytest.fixture(autouse=True)
def trusted(internet: Internet, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority of all hosts is known."""
    monkeypatch.setenv("SSL_CERT_FILE", str(internet.bundle))


def read(reference: str) -> list[list[str]]:
    limits = Limits()
    with open_image(f"registry:{reference}", limits=limits) as image:
        return [sorted(index.entries) for index in scan(image, wants, limits)]


def refused(reference: str) -> DriftscanError:
    with pytest.raises(DriftscanError) as caught:
        read(reference)
    return caught.value


def with_shop(registry: FaultyRegistry, repository: str = "shop", tag: str = "1") -> FaultyRegistry:
    registry.add_image(STEPS, tag, repository)
    return registry


class TestTls:
    def test_an_authority_of_ones_own(self, internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
        with_shop(internet.host(NAME))
        assert read(f"{NAME}/shop:1") == SHOP
        assert set(internet.connections) == {f"{NAME}:443"}

        monkeypatch.delenv("SSL_CERT_FILE")
        error = refused(f"{NAME}/shop:1")
        assert isinstance(error, UnreachableError)
        assert error.message == (
            "TLS failed (the certificate is not valid: self-signed certificate in certificate chain)"
        )
        assert error.hint == "name the bundle that has its authority in SSL_CERT_FILE, or put it into a certs.d folder"

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(internet.bundle))
        assert read(f"{NAME}/shop:1") == SHOP

    @pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
    @pytest.mark.parametrize(
        ("content", "reason"), [(None, "No such file or directory"), ("no certificate", "[X509: NO_CERTIFICATE_OR_CRL")]
    )
    def test_a_bundle_that_cannot_be_used(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None, reason: str
    ) -> None:
        bundle = home / "bundle.pem"
        if content:
            bundle.write_text(content)
        monkeypatch.delenv("SSL_CERT_FILE")
        monkeypatch.setenv(variable, str(bundle))
        error = refused(f"{NAME}/shop:1")
        assert isinstance(error, UsageError)
        assert str(error).startswith(f"{bundle}: the certificates that {variable} names cannot be used ({reason}")

    def test_another_host_than_the_certificate_is_for(self, internet: Internet) -> None:
        with_shop(internet.host(NAME))
        internet.ports["other.example", 443] = internet.ports[NAME, 443]
        error = refused("other.example/shop:1")
        assert error.message.startswith("TLS failed (the certificate is not valid: Hostname mismatch")

    @pytest.mark.parametrize(
        "folder",
        [
            f".config/containers/certs.d/{NAME}",
            f".config/docker/certs.d/{NAME}",
            f".docker/certs.d/{NAME}",
            f"etc/containers/certs.d/{NAME}",
            f"etc/docker/certs.d/{NAME}:443",
        ],
    )
    def test_a_folder_for_one_registry(
        self, internet: Internet, home: Path, monkeypatch: pytest.MonkeyPatch, folder: str
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        with_shop(internet.host(NAME))
        certs = home / folder
        certs.mkdir(parents=True)
        internet.authority.cert_pem.write_to_path(certs / "ca.crt")
        assert read(f"{NAME}/shop:1") == SHOP

    def test_the_folder_of_another_port_is_another(
        self, internet: Internet, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        with_shop(internet.host(NAME, port=5000))
        certs = home / ".config/containers/certs.d" / NAME
        certs.mkdir(parents=True)
        internet.authority.cert_pem.write_to_path(certs / "ca.crt")
        assert "TLS failed (the certificate is not valid: " in refused(f"{NAME}:5000/shop:1").message
        certs.rename(certs.with_name(f"{NAME}:5000"))
        assert read(f"{NAME}:5000/shop:1") == SHOP

    def test_a_client_certificate_is_shown_to_its_registry_alone(self, internet: Internet, home: Path) -> None:
        registry, files = internet.host(NAME, client=True), internet.host("files.example")
        with_shop(registry)
        files.contents = dict(registry.contents)
        registry.faults["/blobs/"] = [move_to(files)] * 3
        # In TLS 1.3 the refusal may come after the request, which then breaks off.
        assert isinstance(refused(f"{NAME}/shop:1"), UnreachableError)

        certs = home / ".config/containers/certs.d" / NAME
        certs.mkdir(parents=True)
        client = internet.authority.issue_cert("client@example.org")
        client.private_key_pem.write_to_path(certs / "client.key")
        client.cert_chain_pems[0].write_to_path(certs / "client.cert")
        assert read(f"{NAME}/shop:1") == SHOP
        assert {request.certified for request in registry.requests} == {True}
        assert [request.certified for request in files.requests] == [False] * 2

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            ({"a.cert": ""}, "a.cert: a client certificate needs a.key beside it"),
            ({"a.key": ""}, "a.key: a client certificate needs a.cert beside it"),
            ({"a.cert": "x", "a.key": "y"}, "a.cert: the registry's certificate cannot be used ([SSL] PEM lib"),
            ({"ca.crt": "x"}, "ca.crt: the registry's certificate cannot be used ([X509: NO_CERTIFICATE_OR_CRL"),
        ],
    )
    def test_a_folder_that_cannot_be_used(self, home: Path, files: dict[str, str], message: str) -> None:
        certs = home / ".config/containers/certs.d" / NAME
        certs.mkdir(parents=True)
        for name, content in files.items():
            (certs / name).write_text(content)
        error = refused(f"{NAME}/shop:1")
        assert isinstance(error, UsageError)
        assert str(error).startswith(f"{certs}/{message}")

    def test_a_key_with_a_password_asks_nobody(self, internet: Internet, home: Path) -> None:
        certs = home / ".config/containers/certs.d" / NAME
        certs.mkdir(parents=True)
        client = internet.authority.issue_cert("client@example.org")
        client.cert_chain_pems[0].write_to_path(certs / "client.cert")
        (certs / "client.key").write_text(ENCRYPTED_KEY)
        assert isinstance(refused(f"{NAME}/shop:1"), UsageError)

    def test_a_self_signed_certificate_is_its_own_authority(
        self, internet: Internet, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An intermediate that is trusted ends the chain, as in Go: the root need not be known."""
        middle = internet.authority.create_child_ca()
        issued = Internet(middle, internet.stack, home, internet.ports)
        with_shop(issued.host(NAME))
        bundle = home / "middle.pem"
        bundle.write_bytes(middle.cert_pem.bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        assert read(f"{NAME}/shop:1") == SHOP

    def test_a_registry_without_tls(self, internet: Internet) -> None:
        with_shop(internet.host(NAME, port=443, plain=True))
        error = refused(f"{NAME}/shop:1")
        assert error.message.startswith("TLS failed (")
        assert error.hint == "if it speaks plain http, name it in DRIFTSCAN_INSECURE_REGISTRIES"
        assert set(internet.connections) == {f"{NAME}:443"}


class TestInsecure:
    @pytest.mark.parametrize("listed", [NAME, f"other.example, {NAME}:5000"])
    def test_plain_http_when_asked(self, internet: Internet, monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
        with_shop(internet.host(NAME, port=5000, plain=True))
        assert isinstance(refused(f"{NAME}:5000/shop:1"), UnreachableError)
        monkeypatch.setenv("DRIFTSCAN_INSECURE_REGISTRIES", listed)
        assert read(f"{NAME}:5000/shop:1") == SHOP

    def test_another_port_was_not_asked_for(self, internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
        with_shop(internet.host(NAME, port=5001, plain=True))
        monkeypatch.setenv("DRIFTSCAN_INSECURE_REGISTRIES", f"{NAME}:5000")
        assert isinstance(refused(f"{NAME}:5001/shop:1"), UnreachableError)

    def test_a_certificate_of_an_unknown_authority_when_asked(
        self, internet: Internet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        registry, files = internet.host(NAME), internet.host("files.example")
        with_shop(registry)
        monkeypatch.setenv("DRIFTSCAN_INSECURE_REGISTRIES", NAME)
        assert read(f"{NAME}/shop:1") == SHOP
        # That holds for the host alone, and not for those that it names.
        registry.faults["/blobs/"] = [move_to(files)]
        assert "TLS failed (the certificate is not valid: " in refused(f"{NAME}/shop:1").message

    def test_registries_conf_can_ask_for_it(self, internet: Internet, home: Path) -> None:
        with_shop(internet.host(NAME, plain=True))
        configure(home, f'[[registry]]\nlocation = "{NAME}"\ninsecure = true\n')
        assert read(f"{NAME}/shop:1") == SHOP

    def test_registries_conf_asks_for_it_at_one_port(
        self, internet: Internet, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        registry, files = with_shop(internet.host(NAME)), internet.host(NAME, port=5000)
        configure(home, f'[[registry]]\nlocation = "{NAME}"\ninsecure = true\n')
        registry.faults["/blobs/"] = [move_to(files)]
        assert "TLS failed (the certificate is not valid: " in refused(f"{NAME}/shop:1").message


def move_to(target: FaultyRegistry) -> Fault:
    def fault(exchange: Exchange) -> None:
        exchange.reply(307, b"", {"Location": f"{target.base}{exchange.path}"})

    return fault


def configure(home: Path, text: str) -> None:
    path = home / ".config/containers/registries.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class TestElsewhere:
    def test_files_on_another_host(self, internet: Internet, log_in: LogIn) -> None:
        registry, files = with_shop(internet.host(NAME)), internet.host("files.example")
        registry.require_basic()
        log_in(registry)
        files.contents = dict(registry.contents)
        registry.faults["/blobs/"] = [answer(401, WWW_Authenticate=registry.challenge or ""), *[move_to(files)] * 2]
        assert read(f"{NAME}/shop:1") == SHOP
        assert [request.authorization for request in files.requests] == [None, None]

    @pytest.mark.parametrize(
        ("target", "message"),
        [
            ("http://files.example/x", "the registry redirects to http://files.example:80, which is not encrypted"),
            (f"http://{NAME}/x", f"the registry redirects to http://{NAME}:80, which is not encrypted"),
            ("https://127.0.0.1/x", "the registry names 127.0.0.1, which is this machine (127.0.0.1)"),
            (
                "https://[::ffff:127.0.0.1]/x",
                "the registry names ::ffff:127.0.0.1, which is this machine (::ffff:127.0.0.1)",
            ),
            ("https://0.0.0.0/x", "the registry names 0.0.0.0, which is this machine (0.0.0.0)"),
            ("https://2130706433/x", "the registry names 2130706433, which is this machine (127.0.0.1)"),
            ("https://inner.example/x", "the registry names inner.example, which is this machine (127.0.0.2)"),
            (
                "https://meta.example/x",
                "the registry names meta.example, which is a link-local address (169.254.169.254)",
            ),
            ("https://169.254.1.1/", "the registry names 169.254.1.1, which is a link-local address (169.254.1.1)"),
            ("https://[fe80::1]/", "the registry names fe80::1, which is a link-local address (fe80::1)"),
            (
                "https://[fd00:ec2::254]/",
                "the registry names fd00:ec2::254, which is a metadata service (fd00:ec2::254)",
            ),
            (
                "https://100.100.100.200/",
                "the registry names 100.100.100.200, which is a metadata service (100.100.100.200)",
            ),
            ("file:///etc/passwd", "the registry names an address that cannot be used: 'file:///etc/passwd'"),
            ("gopher://files.example/", "the registry names an address that cannot be used: 'gopher://files.example/'"),
            (
                "https://a:b@files.example/",
                "the registry names an address that cannot be used: 'https://a:b@files.example/'",
            ),
            (
                "https://files.example:99999/",
                "the registry names an address that cannot be used: 'https://files.example:99999/'",
            ),
        ],
    )
    def test_nobody_is_led_astray(
        self, internet: Internet, log_in: LogIn, monkeypatch: pytest.MonkeyPatch, target: str, message: str
    ) -> None:
        lookup = socket.getaddrinfo
        known = {"inner.example": "127.0.0.2", "meta.example": "169.254.169.254"}
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *rest, **more: lookup(known.get(host, host), *rest, **more)
        )
        registry = with_shop(internet.host(NAME))
        registry.require_basic()
        log_in(registry)
        registry.faults["/blobs/"] = [answer(307, Location=target)]
        assert refused(f"{NAME}/shop:1").message == message
        assert set(internet.connections) == {f"{NAME}:443"}

        # The same as a token server.
        registry.require_token(target)
        assert isinstance(refused(f"{NAME}/shop:1"), ImageError)
        assert set(internet.connections) == {f"{NAME}:443"}

    def test_an_insecure_registry_does_not_lead_to_this_machine(
        self, internet: Internet, registry: FaultyRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outer = with_shop(internet.host(NAME, plain=True))
        monkeypatch.setenv("DRIFTSCAN_INSECURE_REGISTRIES", NAME)
        outer.faults["/blobs/"] = [move_to(registry)]
        message = "the registry names 127.0.0.1, which is this machine (127.0.0.1)"
        assert refused(f"{NAME}/shop:1").message == message
        outer.require_token(f"{registry.base}/token")
        assert refused(f"{NAME}/shop:1").message == message
        assert registry.requests == []

    @pytest.mark.parametrize(
        ("name", "api", "tokens"),
        [
            ("docker.io/anna/shop", "registry-1.docker.io", "auth.docker.io"),
            ("registry.gitlab.com/anna/shop", "registry.gitlab.com", "gitlab.com"),
        ],
    )
    def test_token_servers_that_are_known(
        self, internet: Internet, log_in: LogIn, name: str, api: str, tokens: str
    ) -> None:
        registry, server = with_shop(internet.host(api), "anna/shop"), internet.host(tokens)
        registry.require_token(f"{server.base}/token")
        server.token = registry.token
        log_in(registry, key="https://index.docker.io/v1/" if name.startswith("docker.io") else None)
        server.own.add(basic("anna", registry.password))
        assert read(f"{name}:1") == SHOP
        assert {request.authorization for request in server.requests} == {basic("anna", registry.password)}

    def test_a_token_server_of_another_host(
        self, internet: Internet, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry, server = with_shop(internet.host(NAME)), internet.host("auth.example")
        registry.require_token(f"{server.base}/token")
        server.token = registry.token
        # Nobody's token can come from anywhere.
        assert read(f"{NAME}/shop:1") == SHOP
        server.requests.clear()
        log_in(registry)
        error = refused(f"{NAME}/shop:1")
        assert error.message == "the registry wants its credentials sent to another host, auth.example:443"
        assert error.hint == "if that is its token server, set DRIFTSCAN_TOKEN_HOSTS=auth.example"
        assert server.requests == []

        monkeypatch.setenv("DRIFTSCAN_TOKEN_HOSTS", "auth.example")
        server.own.add(basic("anna", registry.password))
        assert read(f"{NAME}/shop:1") == SHOP

    @pytest.mark.parametrize("form", [False, True])
    def test_a_token_server_that_redirects(self, internet: Internet, log_in: LogIn, form: bool) -> None:
        """Neither a header nor a form goes to where it points."""
        registry, away = with_shop(internet.host(NAME)), internet.host("away.example")
        registry.require_token()
        away.token = registry.token
        log_in(registry, **({"identitytoken": registry.password} if form else {}))
        registry.faults["/token"] = [answer(307, Location=f"{away.base}/token")]
        assert refused(f"{NAME}/shop:1").message == "the registry's token server answered 307"
        assert away.requests == []


class TestMirrors:
    MIRRORED = f"""
    [[registry]]
    location = "{NAME}"
    [[registry.mirror]]
    location = "near.example:5000/copies"
    [[registry.mirror]]
    location = "far.example"
    """

    def test_the_first_that_has_it_serves_it(self, internet: Internet, home: Path) -> None:
        near, far = internet.host("near.example", port=5000), with_shop(internet.host("far.example"))
        registry = with_shop(internet.host(NAME))
        configure(home, self.MIRRORED)
        assert read(f"{NAME}/shop:1") == SHOP
        assert [request.path for request in near.requests] == ["/v2/copies/shop/manifests/1"]
        assert [request.path.partition("sha256")[0] for request in far.requests] == [
            "/v2/shop/manifests/1",
            "/v2/shop/blobs/",
            "/v2/shop/blobs/",
        ]
        assert registry.requests == []

        with_shop(near, "copies/shop")
        far.requests.clear()
        assert read(f"{NAME}/shop:1") == SHOP
        assert far.requests == []

    def test_the_registry_itself_is_the_last(self, internet: Internet, home: Path) -> None:
        far = internet.host("far.example")
        registry = with_shop(internet.host(NAME))
        configure(home, self.MIRRORED)
        assert read(f"{NAME}/shop:1") == SHOP
        assert len(far.requests) == 1
        assert len(registry.requests) == 3

    def test_none_has_it(self, internet: Internet, home: Path) -> None:
        internet.host("far.example")
        internet.host(NAME)
        configure(home, self.MIRRORED)
        error = refused(f"{NAME}/shop:1")
        assert isinstance(error, NotFoundError)
        assert str(error) == (
            f"{NAME}/shop:1: the registry has no such image; nor do its mirrors give it "
            "(https://near.example:5000: no connection (Connection refused); "
            "far.example/shop:1: the registry has no such image)"
        )

    def test_each_has_its_own_credentials(self, internet: Internet, home: Path, log_in: LogIn) -> None:
        registry, far = with_shop(internet.host(NAME)), with_shop(internet.host("far.example"))
        far.require_basic()
        registry.require_basic()
        configure(home, self.MIRRORED)
        log_in(registry)
        assert read(f"{NAME}/shop:1") == SHOP
        assert {request.authorization for request in far.requests} == {None}
        log_in(far)
        registry.requests.clear()
        assert read(f"{NAME}/shop:1") == SHOP
        assert registry.requests == []

    def test_a_blob_that_the_mirror_has_not(self, internet: Internet, home: Path) -> None:
        """The image is that of the mirror; nothing is mixed."""
        far, registry = with_shop(internet.host("far.example")), with_shop(internet.host(NAME))
        digest = next(path for path, content in far.contents.items() if b"aaaa" in content.data).rpartition("/")[2]
        del far.contents[f"/v2/shop/blobs/{digest}"]
        configure(home, self.MIRRORED)
        assert str(refused(f"{NAME}/shop:1")) == (
            f"{NAME}/shop:1, layer 1, far.example/shop:1, blob {digest}: the registry has no such blob"
        )
        assert registry.requests == []

    def test_a_mirror_that_lies(self, internet: Internet, home: Path) -> None:
        """A digest is the same everywhere."""
        far, registry = with_shop(internet.host("far.example")), internet.host(NAME)
        digest = registry.add_image([("COPY", {"app/b.txt": "b"})])
        far.contents[f"/v2/shop/manifests/{digest}"] = far.contents["/v2/shop/manifests/1"]
        configure(home, self.MIRRORED)
        assert read(f"{NAME}/shop@{digest}") == [["app/b.txt"]]


ENCRYPTED_KEY = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw
-----END ENCRYPTED PRIVATE KEY-----
"""
