"""`driftscan cache`, and that the second look at an image reads no layer."""

from __future__ import annotations

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
