from __future__ import annotations

import base64
import hashlib
import json
import shutil
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from driftscan.image import registries_conf, trust
from tests.builders.archives import docker_archive, layer_tar
from tests.builders.engine import IDENTITY, STEPS, Engine, json_reply, reply
from tests.builders.registry import FaultyRegistry, LogIn, basic, faulty_registry

_SETTINGS = (
    "CONTAINERS_REGISTRIES_CONF",
    "DOCKER_AUTH_CONFIG",
    "DRIFTSCAN_INSECURE_REGISTRIES",
    "DRIFTSCAN_REGISTRY_TIMEOUT",
    "DRIFTSCAN_TOKEN_HOSTS",
    "REGISTRY_AUTH_FILE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "XDG_CONFIG_HOME",
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and nothing else that could say how registries are used."""
    for variable in (*_SETTINGS, *_PROXIES, *map(str.upper, _PROXIES)):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(trust, "SYSTEM_FOLDERS", (tmp_path / "etc/containers/certs.d", tmp_path / "etc/docker/certs.d"))
    monkeypatch.setattr(registries_conf, "SYSTEM_FILE", tmp_path / "etc/containers/registries.conf")
    monkeypatch.setattr(registries_conf, "SYSTEM_DROP_INS", tmp_path / "etc/containers/registries.conf.d")
    return tmp_path


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr("driftscan.image.patience.wait", lambda seconds, _: waited.append(seconds))
    return waited


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    with faulty_registry() as service:
        yield service


@pytest.fixture
def other() -> Iterator[FaultyRegistry]:
    """Another origin: the same address, another port."""
    with faulty_registry() as service:
        yield service


@pytest.fixture
def log_in(home: Path) -> LogIn:
    """Puts an account for one registry into Docker's configuration; returns its Authorization header."""
    auths: dict[str, object] = {}

    def log_in(registry: FaultyRegistry, key: str | None = None, **entry: str) -> str:
        auth = base64.b64encode(f"anna:{registry.password}".encode()).decode()
        auths[key or registry.url] = entry or {"auth": auth}
        (home / "config.json").write_text(json.dumps({"auths": auths}))
        header = basic("anna", registry.password)
        registry.own.add(header)
        return header

    return log_in


@dataclass
class Internet:
    """Hosts with names and certificates, all of which are this machine; `lookups` are names that were connected to."""

    authority: trustme.CA
    stack: ExitStack
    folder: Path
    ports: dict[tuple[str, int], int] = field(default_factory=dict)
    connections: list[str] = field(default_factory=list)

    @property
    def bundle(self) -> Path:
        """The certificate of the authority that issued those of all hosts."""
        path = self.folder / "authority.pem"
        self.authority.cert_pem.write_to_path(path)
        return path

    def host(self, name: str, *, port: int | None = None, plain: bool = False, client: bool = False) -> FaultyRegistry:
        """A registry of this name; `plain` speaks no TLS, `client` wants to see the client's certificate."""
        tls = None
        if not plain:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.authority.issue_cert(name).configure_cert(tls)
            self.authority.configure_trust(tls)
            tls.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_OPTIONAL
        usual = 80 if plain else 443
        port = port or usual
        service = self.stack.enter_context(faulty_registry(name if port == usual else f"{name}:{port}", tls))
        self.ports[name, port] = service.port
        return service


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def internet(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    from urllib3.util import connection

    connect = connection.create_connection
    lock = threading.Lock()
    with ExitStack() as stack:
        net = Internet(authority, stack, tmp_path)

        def create_connection(address: tuple[str, int], *arguments: object, **options: object) -> object:
            with lock:
                net.connections.append(f"{address[0]}:{address[1]}")
            if address not in net.ports:
                raise ConnectionRefusedError(111, "Connection refused")
            return connect(("127.0.0.1", net.ports[address]), *arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(connection, "create_connection", create_connection)
        yield net


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    # pytest's own folders can be too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="driftscan-"))
    server = Engine(folder / "engine.sock")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("DOCKER_HOST", server.host)
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    shutil.rmtree(folder)


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Engine:
    """An engine that has the image `shop`."""
    diff_ids = [f"sha256:{hashlib.sha256(layer_tar(files)).hexdigest()}" for _, files in STEPS]
    inspected = {
        "Id": IDENTITY,
        "Architecture": "amd64",
        "Os": "linux",
        "Config": {"User": "nobody"},
        "RootFS": {"Type": "layers", "Layers": diff_ids},
    }
    history = [{"CreatedBy": made_by, "Comment": "", "Size": 1} for made_by, _ in reversed(STEPS)]
    saved = docker_archive(tmp_path / "saved.tar", STEPS, User="root").read_bytes()
    engine.replies |= {
        "/images/shop/json": json_reply(inspected),
        f"/images/{IDENTITY}/history": json_reply(history),
        f"/images/{IDENTITY}/get": reply(saved),
    }
    return engine
