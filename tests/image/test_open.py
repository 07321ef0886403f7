"""What a reference is taken for, and what is said where nothing can open it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from driftscan.errors import DriftscanError, NotFoundError, UnreachableError, UsageError
from driftscan.image import SOURCES, Image, Limits, docker, open_image, podman
from driftscan.image.docker import Made, which_made_layers
from driftscan.image.references import SCHEMES
from driftscan.model.image import ImageConfig
from tests.builders.archives import docker_archive, oci_layout

STEPS = [("RUN something", {"etc/os-release": "ID=debian\n"})]


@pytest.fixture(autouse=True)
def nothing_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/podman.sock")
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)


def opened(reference: str, *, offline: bool = False) -> str:
    with open_image(reference, limits=Limits(), offline=offline) as image:
        return image.source


def refused(reference: str, *, offline: bool = False) -> DriftscanError:
    with pytest.raises(DriftscanError) as caught:
        opened(reference, offline=offline)
    return caught.value


def test_every_scheme_has_its_source() -> None:
    assert tuple(SOURCES) == SCHEMES


def test_paths_are_told_by_their_content(tmp_path: Path) -> None:
    archive = docker_archive(tmp_path / "saved.tar", STEPS)
    layout = oci_layout(tmp_path / "layout", STEPS)
    root = tmp_path / "root"
    for folder in ("etc", "usr/bin"):
        (root / folder).mkdir(parents=True)

    assert opened(str(archive)) == "docker-archive"
    assert opened(str(layout)) == "oci"
    assert opened(str(root)) == "dir"


def test_a_virtual_environment_is_told_by_its_pyvenv_cfg(tmp_path: Path) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").write_bytes(b"")
    (tmp_path / "venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
    assert opened(str(tmp_path / "venv")) == "env"


def test_documents_are_told_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "bill").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": "driftscan"}')
    assert opened(str(tmp_path / "bill")) == "sbom"
    (tmp_path / "inventory").write_text('{"schema": "driftscan.inventory/1"}')
    assert opened(str(tmp_path / "inventory")) == "inventory"


def test_other_files_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no archive at all")
    (tmp_path / "shop").mkdir()
    file, folder = refused(str(tmp_path / "notes.txt")), refused(str(tmp_path / "shop"))

    assert isinstance(file, UsageError)
    assert str(file) == f"{tmp_path}/notes.txt: it is text, and no image"
    assert file.hint == "locks stand before the image: driftscan compare LOCK... IMAGE"
    assert folder.message == "the folder is no OCI layout, no Python environment and no root filesystem"
    assert (
        folder.hint
        == f"name the scheme: dir:{tmp_path}/shop if it is one, docker:shop if an image of this name is meant"
    )


def test_an_empty_file_and_one_that_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "empty.tar").write_bytes(b"")
    (tmp_path / "cut.tar").write_bytes(b"\0\1\2")
    assert str(refused(str(tmp_path / "empty.tar"))) == f"{tmp_path}/empty.tar: it is empty"
    assert str(refused(str(tmp_path / "cut.tar"))) == (
        f"{tmp_path}/cut.tar: the file is no image archive that can be read (the archive is cut off at byte 3)"
    )


def test_a_path_that_is_not_there_is_no_image_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(refused("./nowhere")) == "./nowhere: there is no such file or folder"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.tar").write_bytes(b"")
    for name, hint in (("shpo.tar", "did you mean shop.tar?"), ("a/shop.tar", None), ("other.json", None)):
        error = refused(name)
        assert (str(error), error.hint) == (f"{name}: there is no such file or folder", hint)


def test_each_source_that_was_asked_is_listed(tmp_path: Path) -> None:
    error = refused("127.0.0.1:1/shop:1.4")

    assert isinstance(error, NotFoundError)
    assert str(error) == (
        "127.0.0.1:1/shop:1.4: no source has this image "
        f"(docker: the Docker daemon does not answer at unix://{tmp_path}/docker.sock (No such file or directory); "
        f"podman: Podman does not answer at unix://{tmp_path}/podman.sock (No such file or directory); "
        "registry: no connection (Connection refused))"
    )
    assert error.hint == (
        "name the one that should have it (docker:127.0.0.1:1/shop:1.4, podman:127.0.0.1:1/shop:1.4, "
        "registry:127.0.0.1:1/shop:1.4), or give a path"
    )


@pytest.mark.parametrize("name", ["127.0.0.1:1/shop:1.4", "127.0.0.1:1/shop.tar"])
def test_credentials_in_a_name_without_a_scheme_are_not_shown(name: str) -> None:
    error = refused(f"bob:s3cr3t@{name}")
    assert isinstance(error, UsageError)
    assert str(error) == f"***@{name}: credentials do not belong into an image's name"
    assert error.hint is not None
    assert f"name it {name};" in error.hint
    assert "s3cr3t" not in error.hint


def test_a_path_may_look_like_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b@c").mkdir()
    docker_archive(tmp_path / "a:b@c" / "saved.tar", STEPS)
    assert opened("a:b@c/saved.tar") == "docker-archive"


@pytest.mark.parametrize("platform", ["arm64", "", "linux/", "/arm64", "linux/arm/v7/x", "linux arm64"])
def test_a_platform_has_a_system_and_an_architecture(platform: str, tmp_path: Path) -> None:
    archive = docker_archive(tmp_path / "saved.tar", STEPS)
    with pytest.raises(UsageError) as caught:
        open_image(str(archive), platform=platform, limits=Limits())
    assert str(caught.value) == f"{platform!r} is no platform"
    assert caught.value.hint == "write OS/ARCHITECTURE[/VARIANT], such as linux/arm64"


def test_offline_asks_no_registry() -> None:
    assert "registry: skipped, --offline" in refused("127.0.0.1:1/shop", offline=True).message
    assert str(refused("registry:127.0.0.1:1/shop", offline=True)) == (
        "registry:127.0.0.1:1/shop: registry: needs the network, and --offline forbids it"
    )


def test_the_first_that_has_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def source(scheme: str, error: DriftscanError | None) -> object:
        def open_it(reference: str, platform: str | None, limits: Limits) -> Image:
            asked.append(scheme)
            if error:
                raise error
            return Image(reference=reference, source=scheme, config=ImageConfig(), access=None)  # type: ignore[arg-type]

        return open_it

    answers = {"docker": UnreachableError("off"), "podman": None, "registry": None}
    monkeypatch.setattr("driftscan.image.SOURCES", {scheme: source(scheme, error) for scheme, error in answers.items()})

    assert opened("shop") == "podman"
    assert asked == ["docker", "podman"]


def test_a_daemon_that_is_not_running_says_how_to_start_it(tmp_path: Path) -> None:
    error = refused("docker:shop")
    assert isinstance(error, UnreachableError)
    assert str(error) == (
        f"DOCKER_HOST: the Docker daemon does not answer at unix://{tmp_path}/docker.sock (No such file or directory)"
    )
    assert error.hint == "start it (`systemctl start docker`), or read the image with registry: or docker-archive:"


def test_a_daemon_over_ssh_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://user@127.0.0.1:1")
    monkeypatch.setattr("importlib.util.find_spec", dict[str, object]().get)
    error = refused("docker:shop")
    assert isinstance(error, UnreachableError)
    assert str(error) == "DOCKER_HOST: the Docker daemon is asked over SSH with paramiko, which is not installed"
    assert error.hint == (
        "install docker[ssh] beside driftscan, or read the image with registry: or, from `docker save`, docker-archive:"
    )


@pytest.mark.parametrize(
    "address", ["garbage", "/var/run/docker.sock", "tcp://", "tcp://host.example:99999", "foo://a"]
)
def test_what_is_no_address_of_a_daemon_is_told_as_such(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    error = refused("docker:shop")
    assert isinstance(error, UnreachableError)
    assert str(error) == f"DOCKER_HOST: {address!r} is no address of a daemon"
    assert error.hint == "it is like unix:///var/run/docker.sock, tcp://HOST:PORT or ssh://USER@HOST"


def test_a_password_in_the_address_of_a_daemon_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://bob:s3cr3t@host.example:1")
    assert str(refused("docker:shop")) == "DOCKER_HOST: '***@host.example:1' is no address of a daemon"


@pytest.mark.parametrize("name", ["../etc", "a?b", "a b", "a#b", "/a", "a//b", "a%2e"])
def test_what_would_change_the_path_of_a_request_is_refused(name: str) -> None:
    assert str(refused(f"docker:{name}")) == f"docker:{name}: this is neither the name nor the id of an image"


def test_a_docker_context_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meta = tmp_path / "contexts/meta" / hashlib.sha256(b"remote").hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(
        '{"Name": "remote", "Endpoints": {"docker": {"Host": "tcp://docker.example:2376"}}}'
    )
    (tmp_path / "config.json").write_text('{"currentContext": "remote"}')
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    assert docker.endpoint(Limits()).url == "tcp://docker.example:2376"
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert docker.endpoint(Limits()).url == "unix:///var/run/docker.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(UnreachableError, match="there is no Docker context 'gone'"):
        docker.endpoint(Limits())
    monkeypatch.setenv("DOCKER_HOST", "tcp://other.example:1")
    assert docker.endpoint(Limits()).url == "tcp://other.example:1"


def test_podman_over_ssh_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_HOST", "ssh://host.example/run/podman/podman.sock")
    with pytest.raises(UnreachableError, match="a Podman service over SSH cannot be asked"):
        podman.open_image("shop", None, Limits())


@pytest.mark.parametrize(
    ("entries", "layers", "made"),
    [
        ([("", 9), ("/bin/sh -c #(nop)  ENV A=1", 0), ("/bin/sh -c pip install x", 5)], 2, [True, False, True]),
        ([("", 9), ("ENV A=1", 0), ("RUN /bin/sh -c rm -rf /x # buildkit", 0)], 2, [True, False, True]),
        ([("", 9), ("/bin/sh -c #(nop) WORKDIR /a", 0), ("/bin/sh -c rm /x", 0)], 2, None),
        ([("", 9), ("/bin/sh -c true", 0)], 1, [True, False]),
        ([("", 9)], 3, None),
    ],
)
def test_which_history_entries_made_layers(
    entries: list[tuple[str, int]], layers: int, made: list[bool] | None
) -> None:
    assert which_made_layers([Made(text, "", size) for text, size in entries], layers) == made
