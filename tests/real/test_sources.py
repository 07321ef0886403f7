"""The contract of every image source: one image, read through each of them, is the same image."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import zstandard

from driftscan.errors import ImageError, NotFoundError, UnreachableError
from driftscan.image import Limits, open_image
from driftscan.image.history import layer_ids
from driftscan.image.references import parse_image_name
from driftscan.image.registries_conf import find_endpoints
from driftscan.image.scan import scan
from driftscan.image.source import Access, Sequential, Stored
from driftscan.inventory import wants
from driftscan.model.image import EntryKind, LayerId, LayerIndex
from driftscan.rootfs import Node, RootFS
from tests.real.daemons import Docker, Podman, Registry, run, tool
from tests.real.daemons import registry as registry_service

pytestmark = pytest.mark.real

CONTRACT = "driftscan-contract:1.4"
INDEX = "application/vnd.oci.image.index.v1+json"
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


def as_it_is(access: Access) -> Access:
    return access


def by_storage(access: Access) -> Access:
    """Layers of a daemon as it stores them; nothing is there that it could send."""
    assert isinstance(access, Stored)
    return access.blobs


def as_sent(access: Access) -> Access:
    """Layers of a daemon as it sends them, whether its store can be read or not."""
    assert isinstance(access, Stored)
    return access.otherwise


def read(
    reference: str,
    *,
    platform: str | None = None,
    access: Callable[[Access], Access] = as_it_is,
    lazy: bool = False,
) -> Reading:
    limits = Limits()
    with open_image(reference, platform=platform, limits=limits) as image:
        indexes = scan(replace(image, access=access(image.access)), wants, limits, lazy=lazy)
        merged = tuple(RootFS.merge(indexes).walk(""))
        return Reading(image.source, image.digest, image.config, layer_ids(image.config), indexes, merged)


@pytest.fixture(scope="module")
def built(docker: Docker, base_image: str) -> str:
    return docker.build(DOCKERFILE.format(base=base_image), CONTEXT, tag=CONTRACT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def archive(docker: Docker, built: str, folder: Path) -> Path:
    return docker.save(built, folder / "saved.tar")


@pytest.fixture(scope="module")
def other(docker: Docker, built: str, folder: Path) -> Path:
    """Another image of the same layers."""
    return docker.save(docker.build(f"FROM {built}\nENV OTHER=1\n"), folder / "other.tar")


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
    by_name = read(f"docker:{built}", access=by_storage)
    by_id = read(f"docker:{docker.image_id(built)}", access=as_sent)

    same(by_name, "docker")
    same(by_id, "docker")
    assert by_name.digest == by_id.digest == expected.digest
    assert by_name.config == by_id.config == expected.config


def test_a_docker_daemon_whose_store_is_out_of_reach(
    docker: Docker, built: str, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    monkeypatch.setattr("driftscan.image.docker.storage_root", lambda _: None)
    with open_image(f"docker:{built}", limits=Limits()) as image:
        assert isinstance(image.access, Sequential)
    same(read(f"docker:{built}"), "docker")


def test_podman(
    podman: Podman, built: str, archive: Path, expected: Reading, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    podman.load(archive)
    monkeypatch.setenv("CONTAINER_HOST", podman.host)
    for access in (by_storage, as_sent):
        found = read(f"podman:{built}", access=access)
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
        with monkeypatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(certificate))
            same(read(f"registry:{reference}"), "registry")
        monkeypatch.setenv("HOME", str(tmp_path))
        certs = tmp_path / ".config/containers/certs.d" / service.url
        certs.mkdir(parents=True)
        shutil.copy(certificate, certs / "ca.crt")
        # Skopeo finds it there as well.
        run([tool("skopeo"), "inspect", f"docker://{reference}"])
        same(read(f"registry:{reference}"), "registry")

    assert str(caught.value).startswith(f"https://{service.url}: TLS failed (")
    assert "the certificate is not valid: self-signed certificate" in str(caught.value)
    assert (
        caught.value.hint == "name the bundle that has its authority in SSL_CERT_FILE, or put it into a certs.d folder"
    )


COMPRESSIONS = {
    "gzip": (["--dest-compress", "--dest-compress-format", "gzip"], b"\x1f\x8b"),
    "zstd": (["--dest-compress", "--dest-compress-format", "zstd"], b"\x28\xb5\x2f\xfd"),
    "none": (["--dest-oci-accept-uncompressed-layers"], b""),
}
"""How skopeo is asked for them, and what the blobs of layers begin with."""


def blobs_of(layout: Path) -> tuple[list[Path], list[Mapping[str, object]]]:
    """The blobs of the layers, and their descriptors, of the only image of a layout."""
    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(blob_of(layout, index["manifests"][0]["digest"]).read_bytes())
    return [blob_of(layout, layer["digest"]) for layer in manifest["layers"]], manifest["layers"]


def blob_of(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


@pytest.fixture(scope="module", params=list(COMPRESSIONS))
def compressed(request: pytest.FixtureRequest, archive: Path, folder: Path) -> tuple[str, Path]:
    """A layout with layers of one compression."""
    options, magic = COMPRESSIONS[request.param]
    path = folder / f"layout-{request.param}"
    run([tool("skopeo"), "--insecure-policy", "copy", *options, f"docker-archive:{archive}", f"oci:{path}:shop"])
    blobs, _ = blobs_of(path)
    assert all(blob.read_bytes()[: len(magic)] == magic for blob in blobs)
    assert request.param != "none" or all(tarfile.is_tarfile(blob) for blob in blobs)
    return request.param, path


def test_layers_of_every_compression(
    compressed: tuple[str, Path],
    docker: Docker,
    podman: Podman,
    registry: Registry,
    expected: Reading,
    same: Same,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, layout = compressed
    copy = [tool("skopeo"), "--insecure-policy", "copy", "--preserve-digests", f"oci:{layout}:shop"]
    run([*copy, f"oci-archive:{tmp_path / 'oci.tar'}:shop"])
    name = registry.copy_from(f"oci:{layout}:shop", f"compressed-{kind}:1", "--preserve-digests")

    same(read(f"oci:{layout}"), "oci")
    same(read(f"oci-archive:{tmp_path / 'oci.tar'}"), "oci-archive")
    same(read(f"registry:{name}"), "registry")

    podman("pull", "--tls-verify=false", name)
    monkeypatch.setenv("CONTAINER_HOST", podman.host)
    for access in (by_storage, as_sent):
        same(read(f"podman:{name}", access=access), "podman")
    if pulls(docker, kind):
        docker("pull", name)
        monkeypatch.setenv("DOCKER_HOST", docker.host)
        for access in (by_storage, as_sent):
            same(read(f"docker:{name}", access=access), "docker")


def pulls(docker: Docker, kind: str) -> bool:
    """Whether Docker pulls layers of a compression: zstd since version 23, and none that are not compressed."""
    version = docker("version", "--format", "{{.Server.Version}}")
    return kind == "gzip" or (kind == "zstd" and int(version.partition(".")[0]) >= 23)


@pytest.fixture(scope="module")
def compressed_index(compressed: tuple[str, Path], archive: Path, other: Path, folder: Path) -> tuple[str, Path]:
    """A layout with an index of two images that have layers of one compression: this machine's, and one for s390x."""
    kind, first = compressed
    second, several = folder / f"other-{kind}", folder / f"several-{kind}"
    options, _ = COMPRESSIONS[kind]
    run([tool("skopeo"), "--insecure-policy", "copy", *options, f"docker-archive:{other}", f"oci:{second}:shop"])
    shutil.copytree(first, several)
    shutil.copytree(second / "blobs", several / "blobs", dirs_exist_ok=True)
    entries = []
    for layout, machine in ((first, architecture(archive)), (second, "s390x")):
        (listed,) = json.loads((layout / "index.json").read_bytes())["manifests"]
        manifest = json.loads(blob_of(layout, listed["digest"]).read_bytes())
        config = json.loads(blob_of(layout, manifest["config"]["digest"]).read_bytes())
        manifest["config"] |= add_blob(several, {**config, "architecture": machine})
        made = {"mediaType": listed["mediaType"], **add_blob(several, manifest)}
        entries.append({**made, "platform": {"os": "linux", "architecture": machine}})
    index: dict[str, object] = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    named = {"annotations": {"org.opencontainers.image.ref.name": "shop"}, "mediaType": INDEX}
    root = {"schemaVersion": 2, "manifests": [{**named, **add_blob(several, index)}]}
    (several / "index.json").write_text(json.dumps(root))
    return kind, several


def architecture(archive: Path) -> str:
    with open_image(f"docker-archive:{archive}", limits=Limits()) as image:
        return image.config.architecture


def add_blob(layout: Path, document: Mapping[str, object]) -> dict[str, object]:
    """Digest and size of a document that is put into a layout."""
    data = json.dumps(document).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    blob_of(layout, digest).write_bytes(data)
    return {"digest": digest, "size": len(data)}


def test_indexes_with_layers_of_every_compression(
    compressed_index: tuple[str, Path],
    docker: Docker,
    podman: Podman,
    registry: Registry,
    same: Same,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, layout = compressed_index
    copy = [tool("skopeo"), "--insecure-policy", "copy", "--all", "--preserve-digests", f"oci:{layout}:shop"]
    run([*copy, f"oci-archive:{tmp_path / 'oci.tar'}:shop"])
    name = registry.copy_from(f"oci:{layout}:shop", f"several-{kind}:1", "--all", "--preserve-digests")

    for platform in (None, "linux/s390x"):
        same(read(f"oci:{layout}", platform=platform), "oci")
        same(read(f"oci-archive:{tmp_path / 'oci.tar'}", platform=platform), "oci-archive")
        same(read(f"registry:{name}", platform=platform), "registry")

    podman("pull", "--tls-verify=false", name)
    monkeypatch.setenv("CONTAINER_HOST", podman.host)
    for access in (by_storage, as_sent):
        same(read(f"podman:{name}", access=access), "podman")
    if pulls(docker, kind):
        docker("pull", name)
        monkeypatch.setenv("DOCKER_HOST", docker.host)
        for access in (by_storage, as_sent):
            same(read(f"docker:{name}", access=access), "docker")


def test_layers_with_a_table_of_contents(docker: Docker, tmp_path: Path) -> None:
    """zstd:chunked, with what is in no tar in skippable frames.

    The layers are none of debootstrap's: skopeo 1.9 loses what pads a tar beyond two blocks of zeros.
    """
    files: dict[str, str | bytes] = {"a/large.bin": bytes(range(256)) * 5000, "b/one.txt": "one", "b/two.txt": "two"}
    tag = docker.build("FROM scratch\nCOPY a /a\nCOPY b /b\n", files)
    saved, layout = docker.save(tag, tmp_path / "saved.tar"), tmp_path / "layout"
    options = ["--dest-compress", "--dest-compress-format", "zstd:chunked"]
    run([tool("skopeo"), "--insecure-policy", "copy", *options, f"docker-archive:{saved}", f"oci:{layout}:shop"])
    blobs, descriptors = blobs_of(layout)
    assert all("io.containers.zstd-chunked.manifest-position" in str(layer) for layer in descriptors)
    assert all(b"\x50\x2a\x4d\x18" in blob.read_bytes() for blob in blobs)

    plain, chunked = read(f"docker-archive:{saved}"), read(f"oci:{layout}")
    assert (plain.indexes, plain.layers, plain.merged) == (chunked.indexes, chunked.layers, chunked.merged)


def test_layers_that_are_read_by_it(archive: Path, expected: Reading, tmp_path: Path) -> None:
    """Those of a whole system, pushed as zstd:chunked. ELF facts are taken of what is called or may be run like it.

    The registry is a new one: skopeo does not compress layers again that it knows one to have in another way.
    """
    with registry_service(tmp_path) as service:
        name = service.copy_from(f"docker-archive:{archive}", "chunked:1", "--dest-compress-format", "zstd:chunked")
        found = read(f"registry:{name}", lazy=True)
    assert all(index.by_table for index in found.indexes)
    for lazily, plain in zip(found.indexes, expected.indexes, strict=True):
        assert lazily.whiteouts == plain.whiteouts
        assert lazily.entries.keys() == plain.entries.keys()
        for path, entry in plain.entries.items():
            may_be_run = entry.mode & 0o111 or ".so" in path.rpartition("/")[2]
            assert lazily.entries[path] == (entry if may_be_run else entry._replace(elf=None))


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_an_archive_with_compressed_layers(
    archive: Path,
    docker: Docker,
    expected: Reading,
    same: Same,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    compress: Callable[[bytes], bytes],
) -> None:
    """`docker save` does not compress, other tools that write such archives do."""
    path = tmp_path / "compressed.tar"
    with tarfile.open(archive) as old, tarfile.open(path, "w") as new:
        for member in old:
            file = old.extractfile(member)
            data = file.read() if file is not None else b""
            if member.name.endswith("/layer.tar"):
                data = compress(data)
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))

    same(read(f"docker-archive:{path}"), "docker-archive")
    if pulls(docker, "gzip" if compress is gzip.compress else "zstd"):
        assert f"Loaded image: {CONTRACT}" in docker("load", "--input", path)
        assert docker.image_id(CONTRACT) == expected.digest
        monkeypatch.setenv("DOCKER_HOST", docker.host)
        same(read(f"docker:{CONTRACT}"), "docker")


def test_an_unpacked_root_filesystem(layout: Path, expected: Reading, tmp_path: Path) -> None:
    run([tool("umoci"), "unpack", "--keep-dirlinks", "--image", f"{layout}:shop", tmp_path / "bundle"])
    found = read(f"dir:{tmp_path / 'bundle/rootfs'}")

    assert found.source == "dir"
    assert len(found.indexes) == 1
    # What the kernel fills in a running container is left out of folders.
    kernel = {node.path for node in expected.merged if node.path.partition("/")[0] in ("dev", "proc", "sys")}
    assert [shape(node) for node in found.merged] == [
        shape(node) for node in expected.merged if node.path not in kernel
    ]


def shape(node: Node) -> tuple[object, ...]:
    """All of a node but which layer it is from, and what folders and links have no size or mode of their own for."""
    entry = node.entry
    mode = 0 if entry.kind is EntryKind.SYMLINK else entry.mode
    return node.path, entry.kind, mode, entry.size, entry.target, entry.sha256, entry.content, entry.elf


@pytest.fixture(scope="module")
def several(docker: Docker, archive: Path, other: Path, registry: Registry) -> str:
    """The name of an index in the registry: the image, and another one for a machine that is not this."""
    buildah: list[str | Path] = [tool("buildah"), "--root", docker.folder / "buildah"]
    buildah += ["--runroot", docker.folder / "buildah-run"]
    run([*buildah, "manifest", "create", "several"])
    run([*buildah, "manifest", "add", "--os", "linux", "--arch", "s390x", "several", f"docker-archive:{other}"])
    run([*buildah, "manifest", "add", "several", f"docker-archive:{archive}"])
    name = f"{registry.url}/several:1"
    run([*buildah, "manifest", "push", "--all", "--tls-verify=false", "several", f"docker://{name}"])
    return name


def test_an_index_of_several_platforms(several: str, archive: Path, same: Same) -> None:
    with open_image(f"docker-archive:{archive}", limits=Limits()) as image:
        platform = image.platform
    same(read(f"registry:{several}", platform=platform), "registry")
    same(read(f"registry:{several}"), "registry")
    with pytest.raises(NotFoundError) as caught:
        read(f"registry:{several}", platform="linux/riscv64")
    assert str(caught.value) == f"{several}: there is no image for linux/riscv64; it has {platform}, linux/s390x"


def test_an_index_of_several_platforms_in_files_and_daemons(
    several: str, docker: Docker, podman: Podman, same: Same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy: list[str | Path] = [tool("skopeo"), "--insecure-policy", "copy", "--all", "--src-tls-verify=false"]
    run([*copy, f"docker://{several}", f"oci:{tmp_path / 'layout'}:shop"])
    run([*copy, f"docker://{several}", f"oci-archive:{tmp_path / 'oci.tar'}:shop"])
    same(read(f"oci:{tmp_path / 'layout'}"), "oci")
    same(read(f"oci-archive:{tmp_path / 'oci.tar'}"), "oci-archive")
    with pytest.raises(NotFoundError):
        read(f"oci:{tmp_path / 'layout'}", platform="linux/riscv64")

    docker("pull", several)
    podman("pull", "--tls-verify=false", several)
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    monkeypatch.setenv("CONTAINER_HOST", podman.host)
    same(read(f"docker:{several}"), "docker")
    same(read(f"podman:{several}"), "podman")


def test_a_mirror_of_podmans_configuration(
    docker: Docker, built: str, registry: Registry, same: Same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker.push(built, f"{registry.url}/copies/team/mirrored:1")
    configuration = f"""
    [[registry]]
    prefix = "registry.invalid/team"
    location = "registry.invalid/team"
    [[registry.mirror]]
    location = "{registry.url}/copies/team"
    insecure = true
    """
    (tmp_path / "registries.conf").write_text(configuration)
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))

    same(read("registry:registry.invalid/team/mirrored:1"), "registry")


PULLS = (
    ('prefix = "{a}"\nlocation = "{b}/all"', "{a}/x:1"),
    ('prefix = "{a}"\nlocation = "{b}/all"', "{a}/x/y@{digest}"),
    ('prefix = "{a}/x"\nlocation = "{b}"', "{a}/xy/z:1"),
    ('prefix = "{a}/x"\nlocation = "{b}"', "{a}/x/z"),
    ('location = "{a}"\n[[registry.mirror]]\nlocation = "{b}/m"\n[[registry.mirror]]\nlocation = "{c}"', "{a}/x:1"),
    ('location = "{a}"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "{b}"', "{a}/x:1"),
    ('location = "{a}"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "{b}"', "{a}/x@{digest}"),
    ('prefix = "{a}"\nlocation = "{b}"\n[[registry]]\nprefix = "{a}/x"\nlocation = "{c}/y"', "{a}/x/z:1"),
    ('prefix = "{a}/x/y"\nlocation = "{b}"\n[[registry]]\nlocation = "{a}/x"\nblocked = true', "{a}/x/z:1"),
)


@pytest.mark.parametrize(("table", "name"), PULLS)
def test_registries_conf_is_read_as_skopeo_reads_it(
    table: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"a": "127.0.0.1:1", "b": "127.0.0.1:2", "c": "127.0.0.1:3", "digest": f"sha256:{'0' * 64}"}
    path = tmp_path / ".config/containers/registries.conf"
    path.parent.mkdir(parents=True)
    path.write_text("[[registry]]\n" + table.format(**words))
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = [tool("skopeo"), "--debug", "inspect", "--retry-times=0", f"docker://{name.format(**words)}"]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60).stderr
    tried = re.findall(r'Trying to access \\"([^"\\]+)', told)

    if "is blocked in" in told:
        with pytest.raises(ImageError, match=f"{path} blocks images of"):
            find_endpoints(parse_image_name(name.format(**words)))
    else:
        assert tried
        assert [str(found.name) for found in find_endpoints(parse_image_name(name.format(**words)))] == tried


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
