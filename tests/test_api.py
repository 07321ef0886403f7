from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

import driftscan
from driftscan.api import scanning
from driftscan.api.request import resolved
from driftscan.api.scanning import default_environment
from driftscan.errors import ImageError, LockError, UsageError
from driftscan.model.image import ImageConfig
from driftscan.model.inventory import Inventory
from driftscan.model.lock import Lock, Package, PackageId, Request, SelectionMode
from driftscan.reading import is_lock, read_document
from tests.builders import reports

LINE = b"requests==2.32.3\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a lock in a subfolder, and a file outside it."""
    (tmp_path / "outside.txt").write_bytes(b"secret")
    root = tmp_path / "project"
    (root / "locks").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "locks" / "requirements.txt").write_bytes(LINE)
    (root / "locks" / "base.txt").write_bytes(b"base")
    (root / "constraints.txt").write_bytes(b"top")
    return root


def test_a_document(project: Path) -> None:
    path = f"{project}/locks/requirements.txt"
    document = read_document(path)
    assert (document.name, document.data) == (path, LINE)


def test_siblings_within_the_project(project: Path) -> None:
    document = read_document(f"{project}/locks/requirements.txt")
    for relative, name, data in (
        ("base.txt", "locks/base.txt", b"base"),
        ("../constraints.txt", "constraints.txt", b"top"),
        ("../locks/./base.txt", "locks/base.txt", b"base"),
    ):
        found = document.sibling(relative)
        assert found is not None
        assert (found.name, found.data) == (f"{project}/{name}", data)


def test_a_sibling_has_siblings_of_its_own(project: Path) -> None:
    above = read_document(f"{project}/locks/requirements.txt").sibling("../constraints.txt")
    assert above is not None
    below = above.sibling("locks/base.txt")
    assert below is not None
    assert below.data == b"base"


@pytest.mark.parametrize("relative", ["absent.txt", "../locks", ".", "a\0b", "base.txt/x"])
def test_no_such_sibling(relative: str, project: Path) -> None:
    assert read_document(f"{project}/locks/requirements.txt").sibling(relative) is None


def test_a_relative_name_stays_relative(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    found = read_document("locks/requirements.txt").sibling("base.txt")
    assert found is not None
    assert found.name == "locks/base.txt"


@pytest.mark.parametrize("relative", ["../../outside.txt", "/etc/passwd", "link.txt", "../../absent.txt"])
def test_out_of_the_project(relative: str, project: Path) -> None:
    (project / "locks" / "link.txt").symlink_to("../../outside.txt")
    path = f"{project}/locks/requirements.txt"
    with pytest.raises(LockError) as caught:
        read_document(path).sibling(relative)
    assert str(caught.value) == f"{path}: `{relative}` leads out of the project, and only the project is read"
    assert caught.value.hint == f"the project is {project.resolve()}"


def test_without_git_the_project_is_the_folder(project: Path) -> None:
    (project / ".git").rmdir()
    document = read_document(f"{project}/locks/requirements.txt")
    assert document.sibling("base.txt") is not None
    with pytest.raises(LockError, match="leads out of the project"):
        document.sibling("../constraints.txt")


def test_pipes_devices_and_loops_are_no_siblings(project: Path) -> None:
    os.mkfifo(project / "locks" / "pipe")
    (project / "locks" / "loop").symlink_to("loop")
    document = read_document(f"{project}/locks/requirements.txt")
    assert document.sibling("pipe") is None
    assert document.sibling("loop") is None


def test_too_large(project: Path) -> None:
    with (project / "locks" / "uv.lock").open("wb") as file:
        file.truncate(33 << 20)
    with pytest.raises(LockError, match="larger than 32 MiB"):
        read_document(f"{project}/locks/uv.lock")


def test_what_is_a_lock(project: Path) -> None:
    (project / "image.tar").write_bytes(bytes(1024))
    assert is_lock(f"{project}/locks/requirements.txt")
    assert not is_lock(f"{project}/image.tar")
    assert not is_lock(f"{project}/locks")
    assert not is_lock(f"{project}/absent.txt")
    assert not is_lock("shop:1.4")
    assert not is_lock("a\0b")


def _lock(
    path: str, *, extras: tuple[str, ...] = (), groups: tuple[str, ...] = (), members: tuple[str, ...] = ()
) -> Lock:
    packages = tuple(Package(id=PackageId(canonicalize_name(name), None), is_member=True) for name in members)
    return Lock(
        path=path,
        format="uv",
        sha256="",
        mode=SelectionMode.WALK,
        packages=packages,
        roots=(),
        extras=frozenset(extras),
        groups=frozenset(groups),
    )


LOCKS = (
    _lock("a/uv.lock", extras=("Web_UI", "docs"), members=("shop-core", "shop-web")),
    _lock("b/uv.lock", extras=("web-ui",), groups=("dev",)),
)


def test_a_request_in_the_spelling_of_the_locks() -> None:
    asked = Request(
        extras=frozenset({"web.ui"}), groups=frozenset({"DEV"}), packages=frozenset({canonicalize_name("Shop_Core")})
    )
    assert resolved(asked, LOCKS) == Request(
        extras=frozenset({"Web_UI", "web-ui"}),
        groups=frozenset({"dev"}),
        packages=frozenset({canonicalize_name("shop-core")}),
    )


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        (Request(extras=frozenset({"doc"})), "there is no extra 'doc'", "did you mean docs?"),
        (Request(extras=frozenset({"zzz"})), "there is no extra 'zzz'", "it has docs, web-ui"),
        (Request(groups=frozenset({"zzz"})), "there is no dependency group 'zzz'", "it has dev"),
        (
            Request(packages=frozenset({canonicalize_name("shop-wbe")})),
            "there is no workspace member 'shop-wbe'",
            "did you mean shop-web?",
        ),
    ],
)
def test_a_request_that_no_lock_can_answer(asked: Request, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(asked, LOCKS)
    assert (str(caught.value), caught.value.hint) == (f"a/uv.lock, b/uv.lock: {message}", hint)


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (ImageError("it is broken"), "shop.tar: it is broken"),
        (ImageError("it is broken", where="layer 3"), "layer 3: it is broken"),
        (OSError(5, "Input/output error"), "shop.tar: it cannot be read: Input/output error"),
        (TimeoutError("timed out"), "shop.tar: it cannot be read: timed out"),
    ],
)
def test_an_error_names_the_image(raised: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_image(*arguments: object, **options: object) -> object:
        raise raised

    monkeypatch.setattr(scanning, "open_image", open_image)
    with pytest.raises(ImageError) as caught:
        scanning.open_target("shop.tar")
    assert str(caught.value) == said


def test_the_default_environment() -> None:
    inventory = replace(reports.inventory(), default=1)
    assert default_environment(inventory, "shop:1.4") is inventory.environments[1]


def test_no_environment() -> None:
    with pytest.raises(ImageError) as caught:
        default_environment(Inventory(config=ImageConfig()), "shop:1.4")
    assert str(caught.value) == "shop:1.4: no Python environment was found in it"


def test_several_environments_and_none_is_the_obvious_one() -> None:
    inventory = replace(reports.inventory(), default=None)
    with pytest.raises(ImageError) as caught:
        default_environment(inventory, "shop:1.4")
    assert str(caught.value) == ("shop:1.4: it has 2 Python environments, and nothing in it says which one it runs")
    assert caught.value.hint == "choose one with --environment: /opt/venv, /opt/conda"


def test_of_many_environments_the_fullest_are_named() -> None:
    bare = tuple(replace(reports.CONDA, path=f"/opt/{number}") for number in range(9))
    inventory = replace(reports.inventory(), environments=(*bare, reports.ENVIRONMENT), default=None)
    with pytest.raises(ImageError) as caught:
        default_environment(inventory, "shop:1.4")
    assert caught.value.hint == (
        "choose one with --environment: /opt/venv, /opt/0, /opt/1, /opt/2, /opt/3, /opt/4, and 4 more"
    )


def test_a_package_whose_files_differ_does_not_match() -> None:
    """It has the locked version, but it is not what is locked."""
    folder = Path(__file__).parent.parent / "samples/data-science"
    report = driftscan.compare([folder / "requirements.txt"], folder / "image.tar")
    assert (report.locked, report.matching) == (5, 2)
    ignoring = driftscan.compare([folder / "requirements.txt"], folder / "image.tar", ignore=["IN"])
    assert ignoring.matching == 4
