"""Processes that are killed, disks that are full, folders that cannot be written, files that change: the next scan
gives the right answer all the same.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from driftscan import inventoryfile
from driftscan.api.inventories import InventoryCache
from driftscan.image import Limits, open_image
from driftscan.image.indexfile import decode
from driftscan.image.layercache import LayerCache
from driftscan.image.scan import scan
from driftscan.inventory import wants
from driftscan.model.image import LayerIndex
from tests.builders.images import Built, build, layout, write_files

KILLS = 300
SERVER = Path(__file__).parent / "scanserver.py"
STEPS = [
    (f"RUN step {number}", {f"opt/{number}/file-{name}": b"x" * 9000 for name in range(40)}) for number in range(6)
]


@pytest.fixture(scope="module")
def image() -> Built:
    return build(STEPS)


@pytest.fixture
def reference(image: Built, tmp_path: Path) -> str:
    return f"oci:{write_files(tmp_path / 'layout', layout(image))}"


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is such a thing: hundreds of flushes to a disk take their time."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(prefix="driftscan-", dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def scanned(reference: str, cache: LayerCache | None = None) -> tuple[LayerIndex, ...]:
    with open_image(reference, limits=Limits()) as image:
        return scan(image, wants, Limits(), cache=cache)


def inspected(reference: str, cache: Path, limit: Callable[[], None] | None = None) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "driftscan", "inspect", reference]
    environment = {**os.environ, "DRIFTSCAN_CACHE_DIR": str(cache)}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, preexec_fn=limit)
    return run.returncode, run.stdout, run.stderr


def is_whole(path: Path) -> bool:
    if path.parent.parent.name == "inventories":
        return inventoryfile.decode(path.read_bytes(), path.name) is not None
    return decode(path.read_bytes(), f"sha256:{path.name}") is not None


KEPT = len(STEPS) + 1
"""Files that looking at the image leaves in an empty cache: its layers, and what it contains."""


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.real
def test_scans_that_are_killed_at_any_moment(reference: str, memory: Path) -> None:
    """Each starts with some of the layers cached; what it leaves are whole indexes, and files that pruning removes."""
    folder = memory / "cache"
    chance = random.Random(1)
    expected = scanned(reference)
    started = time.monotonic()
    scanned(reference)
    most = 2e6 * (time.monotonic() - started)
    statuses = []
    command = [sys.executable, str(SERVER), reference, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for _ in range(KILLS):
            server.stdin.write(f"{int(chance.uniform(0, most))}\n")
            server.stdin.flush()
            statuses.append(int(server.stdout.readline()))
            for path in files(folder):
                assert path.name.startswith(".part-") or is_whole(path)
            assert scanned(reference, LayerCache(folder)) == expected
            for path in files(folder):
                if path.name.startswith(".part-"):
                    os.utime(path, (0, 0))
                elif chance.random() < 0.7:
                    path.unlink()
    assert set(statuses) <= {0, 9}
    assert statuses.count(9) > KILLS // 10
    LayerCache(folder).store.prune()
    assert files(folder) == []


def test_remains_of_killed_scans_go_when_they_are_a_day_old(reference: str, tmp_path: Path) -> None:
    cache = LayerCache(tmp_path / "cache")
    scanned(reference, cache)
    remains = next(cache.store.files()).path.with_name(".part-abc")
    remains.write_bytes(b"half")
    cache.store.prune()
    assert files(cache.store.folder) == [remains]
    os.utime(remains, (0, 0))
    cache.store.prune()
    assert files(cache.store.folder) == []


def test_a_file_of_the_cache_that_was_damaged_is_made_again(reference: str, tmp_path: Path) -> None:
    cache = LayerCache(tmp_path / "cache")
    expected = scanned(reference, cache)
    first, second, third, fourth = (layer.path for layer in list(cache.store.files())[:4])
    first.write_bytes(first.read_bytes()[:-1])
    second.write_bytes(b"")
    third.unlink()
    third.symlink_to(fourth)
    shutil.copyfile(fourth, tmp_path / "whole")

    assert scanned(reference, cache) == expected
    assert all(is_whole(path) and not path.is_symlink() for path in (first, second, third))
    assert fourth.read_bytes() == (tmp_path / "whole").read_bytes()


def test_an_index_under_the_name_of_another(reference: str, tmp_path: Path) -> None:
    """A file says which layer it is of: being whole is not enough."""
    cache = LayerCache(tmp_path / "cache")
    expected = scanned(reference, cache)
    first, second = (layer.path for layer in list(cache.store.files())[:2])
    shutil.copyfile(first, second)
    assert scanned(reference, cache) == expected


def test_no_room_for_the_cache(reference: str, tmp_path: Path) -> None:
    """A file size limit fails writes as a full disk does."""
    folder = tmp_path / "cache"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

    assert inspected(reference, folder, limit) == inspected(reference, tmp_path / "other")
    assert files(folder) == []
    assert len(files(tmp_path / "other")) == KEPT


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A small file system in memory at `folder`; the test is skipped where this user may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "driftscan-test", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount file systems")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.real
def test_a_disk_that_is_full_and_then_is_not(reference: str, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with mounted(folder, "size=16k,mode=700"):
        (folder / "ballast").write_bytes(bytes(8 << 10))
        full = inspected(reference, folder)
        assert [path.name for path in files(folder) if path.name.startswith(".part-")] == []
        assert len(files(folder)) - 1 < KEPT
        (folder / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=1m", str(folder)], check=True)
        assert inspected(reference, folder) == full
        assert len(files(folder)) == KEPT
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        warning = _warning(InventoryCache(folder).store.folder)
        assert inspected(reference, folder) == (*full[:2], warning)
    assert inspected(reference, tmp_path / "other") == full


def _warning(folder: Path) -> str:
    return f"driftscan: warning: nothing is kept in {folder}: it cannot be written to\n"


@pytest.mark.real
def test_a_cache_that_cannot_be_written(reference: str, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with mounted(folder, "ro,size=16k,mode=700"):
        found = inspected(reference, folder)
    assert found == (*inspected(reference, tmp_path / "other")[:2], _warning(folder))
    assert found[0] == 0


@pytest.mark.real
def test_processes_that_read_one_image_at_once(reference: str, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    command = [sys.executable, "-m", "driftscan", "inspect", reference]
    environment = {**os.environ, "DRIFTSCAN_CACHE_DIR": str(folder)}
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(4)]
    outputs = {run.communicate()[0] for run in runs}
    assert outputs == {inspected(reference, tmp_path / "other")[1]}
    assert len(files(folder)) == KEPT
    assert all(is_whole(path) for path in files(folder))


def test_clocks_that_jump(reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = LayerCache(tmp_path / "cache")
    expected = scanned(reference, cache)
    for moment in (0.0, 1e11):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        for layer in cache.store.files():
            os.utime(layer.path, (moment, moment))
        assert scanned(reference, cache) == expected
        cache.trim()
        assert len(list(cache.store.files())) == len(STEPS)
