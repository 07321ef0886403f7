"""`driftscan cache`, and that the second look at an image reads no layer."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from driftscan import inventoryfile
from driftscan.cli import run
from driftscan.image.indexfile import SCHEMA
from driftscan.index.wheelcache import WheelCache
from driftscan.model.lock import Hash
from driftscan.model.proof import WheelFiles
from tests.builders.archives import docker_archive
from tests.builders.installed import distribution, glibc, interpreter, venv


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    steps = [
        ("ADD rootfs /", {**glibc(), **interpreter(), **venv()}),
        ("RUN pip install six", distribution("six", "1")),
    ]
    return docker_archive(tmp_path / "shop.tar", steps, Entrypoint=["/opt/venv/bin/python3"])


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(arguments) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


def files(folder: Path) -> list[Path]:
    return sorted((folder / "layers" / str(SCHEMA)).iterdir())


def inventories(folder: Path) -> list[Path]:
    return sorted((folder / "inventories" / str(inventoryfile.SCHEMA)).iterdir())


def age(paths: Iterable[Path]) -> None:
    for path in paths:
        os.utime(path, (0, 0))


def test_the_second_look_is_the_same(image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = said(capsys, "inspect", "shop.tar")
    assert (len(files(own_cache)), len(inventories(own_cache))) == (2, 1)
    age([*files(own_cache), *inventories(own_cache)])
    assert said(capsys, "inspect", "shop.tar") == first
    # What the image contains is known, so that no layer is looked at.
    assert all(file.stat().st_mtime > 0 for file in inventories(own_cache))
    assert all(file.stat().st_mtime == 0 for file in files(own_cache))

    inventories(own_cache)[0].unlink()
    assert said(capsys, "inspect", "shop.tar") == first
    assert all(file.stat().st_mtime > 0 for file in files(own_cache))


def test_another_question_of_the_same_image(image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "inspect", "shop.tar")
    asked = said(capsys, "inspect", "shop.tar", "--environment", "/opt/venv")
    assert "/opt/venv default: /opt/venv was asked for" in asked
    assert said(capsys, "inspect", "shop.tar", "--environment", "/opt/venv") == asked
    assert len(inventories(own_cache)) == 2


@pytest.mark.parametrize("position", [0, 30, 60, -1])
def test_a_kept_inventory_that_is_damaged(
    position: int, image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = said(capsys, "inspect", "shop.tar")
    (kept,) = inventories(own_cache)
    whole = kept.read_bytes()
    damaged = bytearray(whole)
    damaged[position] ^= 1
    kept.write_bytes(damaged)
    assert said(capsys, "inspect", "shop.tar") == first
    assert kept.read_bytes() == whole


def test_without_the_cache(image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "inspect", "shop.tar", "--no-cache")
    assert not own_cache.exists()


def test_show_prune_and_clear(image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = "what images contain: 0 files, 0 bytes\n"
    others = "pages and requirements of package indexes: 0 files, 0 bytes\nlists of files in wheels: {}\n"
    nothing = others.format("0 files, 0 bytes")
    assert said(capsys, "cache") == (
        f"{own_cache}\nlayers of images that were read: 0 files, 0 bytes\n{empty}{nothing}"
    )
    said(capsys, "inspect", "shop.tar")
    inventories(own_cache)[0].unlink()
    WheelCache(own_cache).put(Hash("sha256", "0" * 64), WheelFiles(filename="a.whl", files={}, is_whole=True))
    total = sum(file.stat().st_size for file in files(own_cache))
    wheel = next(WheelCache(own_cache).store.files()).size
    shown = f"2 files, {total / 1024:.1f} KiB"
    assert said(capsys, "cache") == (
        f"{own_cache}\nlayers of images that were read: {shown}\n{empty}{others.format(f'1 file, {wheel} bytes')}"
    )
    assert (
        said(capsys, "cache", "prune", "--unused", "1d")
        == f"removed 0 files, 0 bytes; 3 files, {(total + wheel) / 1024:.1f} KiB left\n"
    )
    os.utime(files(own_cache)[0], (0, 0))
    assert said(capsys, "cache", "prune", "--unused", "1d").startswith("removed 1 file, ")
    assert said(capsys, "cache", "prune", "--keep", "1G").startswith("removed 0 files, 0 bytes; 2 files, ")
    assert said(capsys, "cache", "clear").startswith("removed 2 files, ")
    assert files(own_cache) == []


def test_what_cannot_be_removed_is_said(
    image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said(capsys, "inspect", "shop.tar")
    first = files(own_cache)[0]
    age([first])

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    text = said(capsys, "cache", "clear", code=2)
    start = (
        f"removed 0 files, 0 bytes\ndriftscan: error: {first}: it cannot be removed: Permission denied, and 2 files, "
    )
    assert text.startswith(start)
    assert text.endswith(" more\n")
    assert text.count("\n") == 2
    inventories(own_cache)[0].rename(own_cache / "kept")
    files(own_cache)[1].rename(own_cache / "other")
    (left,) = files(own_cache)
    text = said(capsys, "cache", "prune", "--keep", "0", code=2)
    assert text.startswith("removed 0 files, 0 bytes; 1 file, ")
    assert text.endswith(f" left\ndriftscan: error: {left}: it cannot be removed: Permission denied\n")


def test_a_folder_in_the_place_of_a_file_is_cleared(
    image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "inspect", "shop.tar")
    place = files(own_cache)[0]
    place.unlink()
    place.mkdir()
    said(capsys, "cache", "clear")
    assert not place.exists()


def refused(own_cache: Path, how: str) -> str:
    """Make the cache one that cannot be used; what is said of it."""
    if how == "file":
        own_cache.parent.mkdir(parents=True, exist_ok=True)
        own_cache.write_text("")
        return f"nothing is kept in {own_cache}: it is no folder"
    folder = own_cache / "inventories" / str(inventoryfile.SCHEMA)
    folder.mkdir(parents=True)
    if how == "link":
        folder.rename(own_cache / "elsewhere")
        folder.symlink_to(own_cache / "elsewhere")
        return f"nothing is kept in {folder}: it is no folder"
    folder.chmod(0o777)
    return f"nothing is kept in {folder}: others may write to it"


@pytest.mark.parametrize("how", ["file", "open", "link"])
def test_a_cache_that_cannot_be_used(
    how: str, image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = refused(own_cache, how)
    assert said(capsys, "cache").endswith(f"lists of files in wheels: 0 files, 0 bytes\n{sentence}\n")
    Path("requirements.txt").write_text("six==1\n")
    for arguments in (
        ["inspect", "shop.tar"],
        ["compare", "requirements.txt", "shop.tar"],
        ["diff", "shop.tar", "shop.tar"],
        ["lint", "shop.tar"],
    ):
        run(arguments)
        assert capsys.readouterr().err == f"driftscan: warning: {sentence}\n"
        for option in ("--no-cache", "--quiet"):
            run([*arguments, option])
            assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_a_cache_that_cannot_be_made(
    image: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can make a folder in /proc, also where its permissions allow it."""
    monkeypatch.setenv("DRIFTSCAN_CACHE_DIR", "/proc/nope")
    run(["inspect", "shop.tar"])
    assert capsys.readouterr().err.startswith("driftscan: warning: nothing is kept in /proc: ")


def test_to_show_the_cache_makes_nothing(own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_cache.parent.mkdir(parents=True, exist_ok=True)
    before = sorted(own_cache.parent.iterdir())
    said(capsys, "cache")
    assert sorted(own_cache.parent.iterdir()) == before


def test_folders_above_may_be_those_of_a_group(
    image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is made with a umask of 002: nobody else can write to the innermost folder."""
    before = os.umask(0o002)
    try:
        first = said(capsys, "inspect", "shop.tar")
        assert (own_cache / "layers").stat().st_mode & 0o777 == 0o775
        assert said(capsys, "inspect", "shop.tar") == first
        assert "nothing is kept" not in first + said(capsys, "cache")
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "requirements.txt", "--for", "shop.tar"],
        ["compare", "requirements.txt", "shop.tar"],
        ["diff", "requirements.txt", "shop.tar"],
        ["graph", "shop.tar"],
        ["inspect", "shop.tar"],
        ["why", "six", "requirements.txt", "shop.tar"],
    ],
)
def test_every_command_says_that_nothing_is_kept(
    image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    (image.parent / "requirements.txt").write_text("six==1 --hash=sha256:" + "0" * 64 + "\n")
    warning = refused(own_cache, "file")
    run(arguments)
    assert capsys.readouterr().err.count(warning) == 1
    run([*arguments, "--no-cache"])
    assert warning not in capsys.readouterr().err


def test_nothing_is_kept_of_locks(image: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (image.parent / "requirements.txt").write_text("six==1\n")
    refused(own_cache, "file")
    assert run(["graph", "requirements.txt"]) == 0
    assert run(["why", "six", "requirements.txt", "--lock-format", "requirements"]) == 0
    assert capsys.readouterr().err == ""


def test_a_cache_that_cannot_be_used_does_not_matter_to_folders(
    own_cache: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    refused(own_cache, "file")
    run(["inspect", f"dir:{tmp_path}"])
    assert "nothing is kept" not in capsys.readouterr().err


def test_a_cache_that_cannot_be_written(
    own_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own_cache.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != own_cache)
    assert said(capsys, "cache").endswith(f"\nnothing is kept in {own_cache}: it cannot be written to\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prune"], "what to prune is not said\nhint: driftscan cache prune --unused 30d, or --keep 500M\n"),
        (["prune", "--keep", "much"], "'much' is no size, such as 500M or 2G"),
        (["prune", "--unused", "1y"], "'1y' is no age, such as 12h, 30d or 4w"),
        (["frob"], "No such command 'frob'"),
    ],
)
def test_mistakes(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in said(capsys, "cache", *arguments, code=2)


def test_a_home_that_cannot_be_written_to_is_no_news(
    image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DRIFTSCAN_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    said(capsys, "inspect", "shop.tar")
    assert said(capsys, "inspect", "shop.tar", "--quiet") == said(capsys, "inspect", "shop.tar")
