"""The layer cache: what is kept is what was read, or it is not used."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from driftscan.errors import ImageError, LimitError
from driftscan.image.decompress import Stream
from driftscan.image.indexfile import SCHEMA, StoredLayer
from driftscan.image.layercache import LayerCache
from driftscan.image.limits import Limits
from driftscan.image.scan import scan
from driftscan.image.source import RandomAccess
from driftscan.model.image import Entry, EntryKind, Keep, LayerIndex
from driftscan.store import Pruned, default_folder
from tests.builders.images import build, saved_files
from tests.image.test_scan import random_access, sequential

DIFF_ID = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32


def layer(name: str = "a", size: int = 1) -> StoredLayer:
    return StoredLayer(LayerIndex(entries={name: Entry(EntryKind.FILE, 0o644, size)}), inflated=1024)


def wants(path: str, size: int) -> Keep | None:
    return Keep(100)


@pytest.fixture
def cache(tmp_path: Path) -> LayerCache:
    return LayerCache(tmp_path / "cache")


def stored(cache: LayerCache) -> Path:
    (found,) = cache.store.files()
    return found.path


def test_an_empty_cache(cache: LayerCache) -> None:
    assert cache.get(DIFF_ID) is None
    assert list(cache.store.files()) == []
    assert not cache.store.folder.exists()


def test_what_is_put_is_found(cache: LayerCache) -> None:
    cache.put(DIFF_ID, layer())
    assert cache.get(DIFF_ID) == layer()
    assert cache.get(OTHER) is None
    assert stored(cache).stat().st_mode & 0o777 == 0o600
    assert stored(cache).parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("diff_id", ["", "sha256:../../x", "sha256:AB", "sha512:" + "ab" * 64, f"{DIFF_ID}/x"])
def test_only_digests_become_paths(cache: LayerCache, diff_id: str) -> None:
    cache.put(diff_id, layer())
    assert cache.get(diff_id) is None
    assert list(cache.store.files()) == []


def test_a_damaged_file_is_as_good_as_none(cache: LayerCache) -> None:
    cache.put(DIFF_ID, layer())
    data = bytearray(stored(cache).read_bytes())
    data[-1] ^= 1
    stored(cache).write_bytes(data)
    assert cache.get(DIFF_ID) is None


def test_a_symlink_is_not_followed(cache: LayerCache, tmp_path: Path) -> None:
    cache.put(DIFF_ID, layer())
    moved = stored(cache).rename(tmp_path / "elsewhere")
    (cache.store.folder).mkdir(exist_ok=True)
    (moved.parent / f"cache/layers/{SCHEMA}" / DIFF_ID.removeprefix("sha256:")).symlink_to(moved)
    assert cache.get(DIFF_ID) is None


def test_a_pipe_is_not_waited_for(cache: LayerCache) -> None:
    cache.put(OTHER, layer())
    os.mkfifo(stored(cache).with_name("ab" * 32))
    assert cache.get(DIFF_ID) is None


def test_a_folder_that_others_can_write_to_is_not_believed(cache: LayerCache) -> None:
    cache.put(DIFF_ID, layer())
    stored(cache).parent.chmod(0o777)
    assert cache.get(DIFF_ID) is None


def test_a_full_disk_leaves_nothing_behind(cache: LayerCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    cache.put(DIFF_ID, layer())
    assert cache.get(DIFF_ID) is None
    assert list((cache.store.folder).iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = LayerCache(tmp_path / "file")
    cache.put(DIFF_ID, layer())
    assert cache.get(DIFF_ID) is None
    assert cache.store.prune() == Pruned()


def test_pruning_takes_what_was_not_used_for_longest(cache: LayerCache) -> None:
    cache.put(DIFF_ID, layer())
    cache.put(OTHER, layer())
    now = time.time()
    for age, diff_id in ((100, DIFF_ID), (200, OTHER)):
        os.utime(cache.store.folder / diff_id.removeprefix("sha256:"), (now - age, now - age))
    size = stored_size = next(iter(cache.store.files())).size
    ((removed,), _) = cache.store.prune(keep=size + 10)
    assert (removed.path.name, removed.size) == (OTHER.removeprefix("sha256:"), stored_size)
    assert cache.get(DIFF_ID) == layer()
    assert cache.store.prune(keep=1 << 30, older_than=now + 1000).removed != ()
    assert list(cache.store.files()) == []


def test_to_use_a_layer_is_to_keep_it(cache: LayerCache) -> None:
    cache.put(DIFF_ID, layer())
    os.utime(stored(cache), (0, 0))
    cache.get(DIFF_ID)
    assert cache.store.prune(keep=1 << 30, older_than=time.time() - 60) == Pruned()


def test_the_cache_stays_within_its_limit(tmp_path: Path) -> None:
    cache = LayerCache(tmp_path, limit=400)
    for number in range(8):
        cache.put(f"sha256:{number:064x}", layer())
        os.utime(tmp_path / "layers" / str(SCHEMA) / f"{number:064x}", (number, number))
        cache.trim()
    assert sum(found.size for found in cache.store.files()) <= 400
    assert cache.get(f"sha256:{7:064x}") == layer()


def test_what_is_in_the_place_of_a_file_is_swept(cache: LayerCache) -> None:
    cache.put(OTHER, layer())
    folder = stored(cache).with_name("ab" * 32)
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("")
    os.mkfifo(folder.with_name("ef" * 32))
    (cache.store.folder / "foreign").mkdir()
    cache.put(DIFF_ID, layer())
    assert cache.get(DIFF_ID) is None
    cache.trim()
    assert sorted(path.name for path in cache.store.folder.iterdir()) == ["cd" * 32, "foreign"]
    cache.put(DIFF_ID, layer())
    assert cache.get(DIFF_ID) == layer()


def test_remains_are_swept(cache: LayerCache) -> None:
    cache.put(DIFF_ID, layer())
    folder = stored(cache).parent
    old, new = folder / ".part-old", folder / ".part-new"
    for part in (old, new):
        part.write_bytes(b"x")
    os.utime(old, (0, 0))
    (folder.parent / "0").mkdir()
    (folder.parent / "0" / "x").write_bytes(b"")
    cache.trim()
    assert (old.exists(), new.exists(), (folder.parent / "0").exists()) == (False, True, False)


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRIFTSCAN_CACHE_DIR")
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_folder() == Path("/home/somebody/.cache/driftscan")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert default_folder() == Path("/var/cache/driftscan")
    monkeypatch.setenv("DRIFTSCAN_CACHE_DIR", "here")
    assert default_folder() == Path("here")


def test_a_layer_that_is_cached_is_not_opened(cache: LayerCache) -> None:
    image = build()
    expected = scan(random_access(image), wants, Limits(), cache=cache)

    def refuse() -> AbstractContextManager[Stream]:
        raise AssertionError("it was opened")

    made = random_access(image)
    assert isinstance(made.access, RandomAccess)
    closed = replace(made, access=RandomAccess(blobs=tuple(replace(blob, open=refuse) for blob in made.access.blobs)))
    told: list[tuple[int, int]] = []
    assert scan(closed, wants, Limits(), lambda done, total: told.append((done, total)), cache) == expected
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert scan(sequential(image, {}), wants, Limits(), cache=cache) == expected


def test_only_what_is_missing_is_read(cache: LayerCache) -> None:
    image = build()
    expected = scan(random_access(image), wants, Limits(), cache=cache)
    next(iter(cache.store.files())).path.unlink()
    assert scan(random_access(image), wants, Limits(), cache=cache) == expected
    next(iter(cache.store.files())).path.unlink()
    assert scan(sequential(image, saved_files(image)), wants, Limits(), cache=cache) == expected
    assert len(list(cache.store.files())) == 3


def test_nothing_is_kept_of_a_layer_that_is_not_what_was_promised(cache: LayerCache) -> None:
    image = random_access(build())
    config = replace(image.config, diff_ids=(image.config.diff_ids[0], OTHER))
    with pytest.raises(ImageError):
        scan(replace(image, config=config), wants, Limits(), cache=cache)
    assert cache.get(OTHER) is None
    assert image.config.diff_ids[1].removeprefix("sha256:") not in [found.path.name for found in cache.store.files()]


def test_a_cached_layer_is_held_to_the_limits(cache: LayerCache) -> None:
    image = random_access(build())
    scan(image, wants, Limits(), cache=cache)
    with pytest.raises(LimitError, match="layer_size"):
        scan(image, wants, Limits(layer_size=100), cache=cache)
    with pytest.raises(LimitError, match="image_size"):
        scan(image, wants, Limits(image_size=100), cache=cache)


WRITER = """
import sys
from pathlib import Path
from driftscan.image.decompress import Stream
from driftscan.image.indexfile import StoredLayer
from driftscan.image.layercache import LayerCache
from driftscan.model.image import Entry, EntryKind, LayerIndex
cache = LayerCache(Path(sys.argv[1]))
entries = {f"{number}": Entry(EntryKind.FILE, 0o644, number) for number in range(2000)}
print("ready", flush=True)
while True:
    for number in range(50):
        cache.put(f"sha256:{number:064x}", StoredLayer(LayerIndex(entries=entries), number))
    cache.store.prune()
"""


@pytest.mark.real
def test_killed_writers_leave_whole_layers_or_none(tmp_path: Path) -> None:
    """Two processes write and remove the same layers, and are killed at moments of chance."""
    entries = {f"{number}": Entry(EntryKind.FILE, 0o644, number) for number in range(2000)}
    reader = LayerCache(tmp_path)
    for _ in range(15):
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) for _ in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        deadline = time.monotonic() + os.urandom(1)[0] / 2000
        while time.monotonic() < deadline:
            for number in range(50):
                found = reader.get(f"sha256:{number:064x}")
                assert found in (None, StoredLayer(LayerIndex(entries=entries), number))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        for number in range(50):
            found = reader.get(f"sha256:{number:064x}")
            assert found in (None, StoredLayer(LayerIndex(entries=entries), number))
