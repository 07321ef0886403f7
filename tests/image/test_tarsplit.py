from __future__ import annotations

import gzip
import json
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.errors import ImageError
from driftscan.image import Limits
from driftscan.image.decompress import CHUNK
from driftscan.image.tarsplit import StoredFiles, reassembled, stored_blobs
from tests.builders.archives import layer_tar
from tests.builders.rootfs import Content, Link, Removed
from tests.builders.stored import split_lines, store_layer

FILES: Mapping[str, Content] = {
    "usr/bin/tool": "#!/bin/sh\n",
    "usr/bin/soft": Link("tool"),
    "usr/lib/empty": "",
    "usr/lib/large": b"x" * (3 * CHUNK + 7),
    "usr/lib/gone": Removed(),
    "top": "a" * 512,
    "usr/bin/last": "z" * 511,
}


def stored(folder: Path, files: Mapping[str, Content] = FILES) -> tuple[bytes, StoredFiles]:
    layer = layer_tar(files)
    found = StoredFiles(folder / "diff", folder / "tar-split.json.gz")
    store_layer(layer, *found)
    return layer, found


def tar_of(found: StoredFiles, size: int = CHUNK) -> bytes:
    with reassembled(found, Limits()) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


def refused(found: StoredFiles) -> ImageError:
    with pytest.raises(ImageError) as caught:
        tar_of(found)
    return caught.value


def test_the_tar_is_as_it_was(tmp_path: Path) -> None:
    layer, found = stored(tmp_path)
    assert tar_of(found) == layer
    assert tar_of(found, 1000) == layer


@settings(max_examples=50)
@given(
    files=st.dictionaries(st.text("abé\udc80", min_size=1, max_size=3), st.binary(max_size=2000), max_size=8),
    folders=st.lists(st.sampled_from(["", "x/", "x/y/", "x/yy/", "z/"]), min_size=8, max_size=8),
)
def test_any_tar_is_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], folders: list[str]
) -> None:
    placed = {folder + name: content for folder, (name, content) in zip(folders, files.items(), strict=False)}
    layer, found = stored(tmp_path_factory.mktemp("layer"), placed)
    assert tar_of(found) == layer


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_files_are_opened_a_few_at_a_time(tmp_path: Path) -> None:
    before = open_files()
    _, found = stored(tmp_path, {f"{n}/{n}/file": b"x" * CHUNK for n in range(50)})
    with reassembled(found, Limits()) as stream:
        while stream.read(CHUNK):
            assert open_files() < before + 8
    assert open_files() == before


def remove(path: Path) -> None:
    path.unlink()


def change_size(path: Path) -> None:
    path.write_bytes(b"other")


def put_a_link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def put_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


NOT_THE_ONE = "the file 'usr/bin/tool' is not the one that the layer came with"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove, "the file 'usr/bin/tool' cannot be read (No such file or directory)"),
        (change_size, NOT_THE_ONE),
        (put_a_link, NOT_THE_ONE),
        (put_a_pipe, "in the place of the file 'usr/bin/tool' is a pipe or a device"),
        (put_a_folder, NOT_THE_ONE),
    ],
)
def test_a_file_that_was_changed(tmp_path: Path, change: Callable[[Path], None], message: str) -> None:
    _, found = stored(tmp_path)
    change(found.folder / "usr/bin/tool")
    assert str(refused(found)) == f"{found.folder}: {message}"


@pytest.mark.parametrize("path", ["usr", "usr/bin"])
def test_a_folder_that_became_a_link(tmp_path: Path, path: str) -> None:
    _, found = stored(tmp_path)
    (found.folder / path).rename(tmp_path / "elsewhere")
    (found.folder / path).symlink_to(tmp_path / "elsewhere")
    assert str(refused(found)) == f"{found.folder}: the file 'usr/bin/tool' cannot be read (Not a directory)"


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    _, found = stored(tmp_path)
    elsewhere = found._replace(folder=tmp_path / "nowhere")
    assert str(refused(elsewhere)) == f"{tmp_path / 'nowhere'}: it cannot be read (No such file or directory)"
    elsewhere = found._replace(split=tmp_path / "nowhere")
    assert str(refused(elsewhere)) == f"{tmp_path / 'nowhere'}: it cannot be read (No such file or directory)"
    assert stored_blobs([found, elsewhere], Limits()) is None
    assert stored_blobs([found, None], Limits()) is None
    assert stored_blobs([found, found], Limits()) is not None


def test_a_description_that_is_no_file(tmp_path: Path) -> None:
    _, found = stored(tmp_path)
    found.split.unlink()
    os.mkfifo(found.split)
    assert str(refused(found)) == f"{found.split}: it is no file"
    found.split.unlink()
    found.split.symlink_to(tmp_path / "elsewhere")
    assert str(refused(found)) == f"{found.split}: it is no file"


def lines(*items: object) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


FILE: dict[str, Any] = {"type": 1, "name": "usr/bin/tool", "size": 10, "payload": "x"}


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (lines({**FILE, "name": "../diff/usr/bin/tool"}), "the path '../diff/usr/bin' leads out of it"),
        (lines({**FILE, "name": "usr/../usr/bin/tool"}), "the path 'usr/../usr/bin' leads out of it"),
        (lines({**FILE, "name": "usr/bin/.."}), "the file 'usr/bin/..' is not the one that the layer came with"),
        (lines({**FILE, "name": "usr/bin/a\0b"}), None),
        (lines({**FILE, "type": 3}), "it has an entry of the unknown type 3"),
        (lines({**FILE, "size": "10"}), None),
        (lines({**FILE, "size": -1}), "the file 'usr/bin/tool' is not the one that the layer came with"),
        (lines({**FILE, "name": None}), None),
        (lines({"type": 2, "payload": "a"}), None),
        (lines({"type": 2}), "it cannot be read ('payload')"),
        (lines([1]), None),
        (b"{", None),
        (b'{"type": 2, "payload": ', None),
        (b"[" * 100_000 + b"\n", None),
        (b"\xff\n", None),
        (b"x" * (17 << 20), "it cannot be read (a line without end)"),
    ],
)
def test_a_description_that_makes_no_sense(tmp_path: Path, split: bytes, message: str | None) -> None:
    _, found = stored(tmp_path)
    found.split.write_bytes(gzip.compress(split))
    error = refused(found)
    assert message is None or error.message == message


def test_a_description_that_is_damaged(tmp_path: Path) -> None:
    _, found = stored(tmp_path)
    found.split.write_bytes(found.split.read_bytes()[:-12])
    assert refused(found).message == "the gzip data is cut off before its end"


def test_names_that_are_not_utf8_and_a_last_line_without_its_break(tmp_path: Path) -> None:
    _, found = stored(tmp_path)
    (found.folder / os.fsdecode(b"caf\xe9")).write_bytes(b"0123456789")
    line = {**FILE, "name": "", "name_raw": b64encode(b"./caf\xe9").decode()}
    found.split.write_bytes(gzip.compress(lines(line).rstrip()))
    assert tar_of(found) == b"0123456789"


def test_what_stands_between_files_is_what_the_description_holds(tmp_path: Path) -> None:
    layer, found = stored(tmp_path)
    segments = [line for line in split_lines(layer) if line["type"] == 2]
    found.split.write_bytes(gzip.compress(lines(*segments)))
    assert len(tar_of(found)) == len(layer) - sum(
        len(content) for content in FILES.values() if isinstance(content, (str, bytes))
    )
