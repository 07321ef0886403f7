"""The contract of every image source: one image, read through each of them, is the same image."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from driftscan.errors import NotFoundError, UnreachableError
from driftscan.image import Limits, layer_ids, open_image, scan
from driftscan.inventory import wants
from driftscan.model.image import LayerId, LayerIndex
from driftscan.rootfs import Node, RootFS
from tests.real.daemons import Docker, Podman, Registry, run, tool
from tests.real.daemons import registry as registry_service

pytestmark = pytest.mark.real

DOCKERFILE = """\
FROM {base}
ENV LEVEL=1
WORKDIR /shop
WORKDIR /shop
RUN true
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install six==1.16.0
COPY data /shop/data
RUN ln /shop/data/kept.txt /shop/hard.txt && ln -s kept.txt /shop/data/soft.txt
RUN cd data && rm gone.txt && rm -rf replaced && mkdir replaced && touch replaced/new.txt
ARG WHO=world
RUN echo "hello $WHO" > /shop/greeting.txt
USER nobody
ENTRYPOINT ["/opt/venv/bin/python", "-m", "six"]
"""
CONTEXT = {"data/kept.txt": "kept", "data/gone.txt": "gone", "data/replaced/old.txt": "old"}


@dataclass(frozen=True)
class Reading:
    """All that later steps see of an image."""

    source: str
    digest: str | None
    config: object
    layers: tuple[LayerId, ...]
    indexes: tuple[LayerIndex, ...]
    merged: tuple[Node, ...]


def read(reference: str, *, platform: str | None = None) -> Reading:
    limits = Limits()
    with open_image(reference, platform=platform, limits=limits) as image:
        indexes = scan(image, wants, limits)
        merged = tuple(RootFS.merge(indexes).walk(""))
        return Reading(image.source, image.digest, image.config, layer_ids(image.config), indexes, merged)


@pytest.fixture(scope="module")
def built(docker: Docker, base_image: str) -> str:
    return docker.build(DOCKERFILE.format(base=base_image), CONTEXT, tag="driftscan-contract:1.4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def archive(docker: Docker, built: str, folder: Path) -> Path:
    return docker.save(built, folder / "saved.tar")


@pytest.fixture(scope="module")
def layout(archive: Path, folder: Path) -> Path:
    """An OCI layout with gzip layers, as skopeo writes it."""
    copy = [tool("skopeo"), "--insecure-policy", "copy", "--dest-compress"]
    run([*copy, f"docker-archive:{archive}", f"oci:{folder / 'layout'}:shop"])
    return folder / "layout"


@pytest.fixture(scope="module")
def expected(archive: Path) -> Reading:
    """The plainest source there is: uncompressed layers of a file, each at its place."""
    return read(f"docker-archive:{archive}")


@pytest.fixture
def same(expected: Reading) -> Callable[[Reading, str], None]:
    def check(found: Reading, source: str) -> None:
        assert found.source == source
        assert found.layers == expected.layers
        assert found.indexes == expected.indexes
        assert found.merged == expected.merged

    return check


Same = Callable[[Reading, str], None]


def test_the_archive_tells_what_was_built(expected: Reading, docker: Docker, built: str) -> None:
    made = [layer.created_by for layer in expected.layers]
    paths = {node.path for node in expected.merged}

    assert tuple(layer.diff_id for layer in expected.layers) == docker.diff_ids(built)
    assert expected.digest == docker.image_id(built)
    assert made[1:] == [
        "WORKDIR /shop",
        "RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install six==1.16.0",
        made[3],
        "RUN ln /shop/data/kept.txt /shop/hard.txt && ln -s kept.txt /shop/data/soft.txt",
        "RUN cd data && rm gone.txt && rm -rf replaced && mkdir replaced && touch replaced/new.txt",
        'RUN echo "hello $WHO" > /shop/greeting.txt',
    ]
    assert made[3] is not None
    assert made[3].startswith("COPY ")
    assert {path for path in paths if path.startswith("shop/")} == {
        "shop/data",
        "shop/data/kept.txt",
        "shop/data/replaced",
        "shop/data/replaced/new.txt",
        "shop/data/soft.txt",
        "shop/greeting.txt",
        "shop/hard.txt",
    }
    assert any(path.endswith("site-packages/six.py") for path in paths)


def test_docker(docker: Docker, built: str, expected: Reading, same: Same, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    by_name, by_id = read(f"docker:{built}"), read(f"docker:{docker.image_id(built)}")

    same(by_name, "docker")
    same(by_id, "docker")
    assert by_name.digest == by_id.digest == expected.digest


def test_podman(
    podman: Podman, built: str, archive: Path, expected: Reading, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    podman.load(archive)
    monkeypatch.setenv("CONTAINER_HOST", podman.host)
    found = read(f"podman:{built}")

    same(found, "podman")
    assert found.digest == expected.digest


def test_registry_by_tag_and_digest(docker: Docker, built: str, registry: Registry, same: Same) -> None:
    name = f"{registry.url}/contract"
    digest = docker.push(built, f"{name}:1.4")

    same(read(f"registry:{name}:1.4"), "registry")
    same(read(f"registry:{name}@{digest}"), "registry")


def test_private_registry(
    archive: Path,
    private_registry: Registry,
    same: Same,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference = private_registry.copy_from(f"docker-archive:{archive}", "team/contract:1.4")
    login: list[str | Path] = ["login", "--authfile", tmp_path / "auth.json", "--tls-verify=false"]
    account = ["-u", private_registry.username or "", "-p", private_registry.password or "", private_registry.url]
    run([tool("skopeo"), *login, *account])
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))

    same(read(f"registry:{reference}"), "registry")


def test_a_registry_with_a_certificate_of_its_own(
    archive: Path, same: Same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request: list[str | Path] = [tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tests"]
    run([*request, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate])
    with registry_service(tmp_path, certificate=certificate, key=key) as service:
        reference = service.copy_from(f"docker-archive:{archive}", "contract:1.4")
        with pytest.raises(UnreachableError) as caught:
            read(f"registry:{reference}")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        same(read(f"registry:{reference}"), "registry")

    assert str(caught.value).startswith(f"https://{service.url}: TLS failed (")
    assert "certificate verify failed" in str(caught.value)
    assert caught.value.hint == "name the bundle that has its authority in SSL_CERT_FILE"


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_layers_in_a_registry(archive: Path, registry: Registry, same: Same, compression: str) -> None:
    options = ["--format", "oci", "--dest-compress-format", compression, "--dest-compress"]
    name = f"compressed:{compression}"
    same(read("registry:" + registry.copy_from(f"docker-archive:{archive}", name, *options)), "registry")


def test_an_index_of_several_platforms(
    docker: Docker, built: str, archive: Path, registry: Registry, same: Same, tmp_path: Path
) -> None:
    with open_image(f"docker-archive:{archive}", limits=Limits()) as image:
        platform = image.platform
    other = docker.save(docker.build(f"FROM {built}\nENV OTHER=1\n"), tmp_path / "other.tar")
    buildah: list[str | Path] = [tool("buildah"), "--root", docker.folder / "buildah"]
    buildah += ["--runroot", docker.folder / "buildah-run"]
    run([*buildah, "manifest", "create", "several"])
    run([*buildah, "manifest", "add", "--os", "linux", "--arch", "s390x", "several", f"docker-archive:{other}"])
    run([*buildah, "manifest", "add", "several", f"docker-archive:{archive}"])
    name = f"{registry.url}/several:1"
    run([*buildah, "manifest", "push", "--all", "--tls-verify=false", "several", f"docker://{name}"])

    same(read(f"registry:{name}", platform=platform), "registry")
    same(read(f"registry:{name}"), "registry")
    with pytest.raises(NotFoundError) as caught:
        read(f"registry:{name}", platform="linux/riscv64")
    assert str(caught.value) == f"{name}: there is no image for linux/riscv64; it has {platform}, linux/s390x"


def test_oci_layout_and_archive_by_skopeo(layout: Path, archive: Path, folder: Path, same: Same) -> None:
    copy = [tool("skopeo"), "--insecure-policy", "copy", f"oci:{layout}:shop"]
    run([*copy, f"oci-archive:{folder / 'oci.tar'}:shop"])

    same(read(f"oci:{layout}"), "oci")
    same(read(f"oci:{layout}:shop"), "oci")
    same(read(f"oci-archive:{folder / 'oci.tar'}"), "oci-archive")


def test_oci_layout_with_a_tag_by_umoci(layout: Path, same: Same, tmp_path: Path) -> None:
    copied = shutil.copytree(layout, tmp_path / "layout")
    run([tool("umoci"), "tag", "--image", f"{copied}:shop", "again"])

    same(read(f"oci:{copied}:again"), "oci")


def test_paths_are_recognised(archive: Path, layout: Path, same: Same) -> None:
    same(read(str(archive)), "docker-archive")
    same(read(f"{layout}"), "oci")


def test_a_bare_name_is_asked_of_docker_then_podman_then_the_registry(
    docker: Docker,
    podman: Podman,
    registry: Registry,
    built: str,
    archive: Path,
    same: Same,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"{registry.url}/bare:1"
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    monkeypatch.setenv("CONTAINER_HOST", podman.host)
    registry.copy_from(f"docker-archive:{archive}", "bare:1")
    same(read(name), "registry")

    podman("pull", "--tls-verify=false", name)
    same(read(name), "podman")

    docker("tag", built, name)
    same(read(name), "docker")
