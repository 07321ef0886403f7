"""Wheels of an index and of a folder: what they contain, and what is refused."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from driftscan.errors import PackageIndexError
from driftscan.index.transport import Limits, Web
from driftscan.index.wheelcache import WheelCache
from driftscan.index.wheels import fetched_files, listed_files, opened_files
from driftscan.model.lock import Hash
from driftscan.model.proof import WheelFiles
from tests.builders.indexes import PackageIndex
from tests.builders.wheels import wheel

NAME = "shop-1.0-py3-none-any.whl"


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    return wheel(tmp_path, "shop", "1.0", {"shop.py": b"x = 1\n", "shop.pyi": b""}).read_bytes()


@pytest.fixture
def web(index: PackageIndex) -> Iterator[Web]:
    found = Web([index.simple], Limits(pause=0.01))
    yield found
    found.close()


def sha256(data: bytes) -> Hash:
    return Hash("sha256", hashlib.sha256(data).hexdigest())


def address(index: PackageIndex) -> str:
    return f"{index.url}/files/{NAME}"


def test_parts_and_whole_agree(index: PackageIndex, web: Web, data: bytes) -> None:
    index.add(NAME, data)
    listed = listed_files(web, address(index), NAME)
    hashes = (Hash("sha512", "0" * 128), Hash("sha384", hashlib.sha384(data).hexdigest()))
    fetched, value = fetched_files(web, address(index), NAME, hashes)
    assert (listed.is_whole, fetched.is_whole, value) == (False, True, hashes[1])
    assert listed.files["shop.py"] == hashlib.sha256(b"x = 1\n").hexdigest()
    assert {name: digest for name, digest in listed.files.items() if digest} == {
        name: digest for name, digest in fetched.files.items() if not name.endswith("RECORD")
    }


def test_a_download_that_breaks_off_is_begun_again(index: PackageIndex, web: Web, data: bytes) -> None:
    index.add(NAME, data)
    whole = index.content[f"/files/{NAME}"]
    attempts = []

    def broken(exchange: object) -> None:
        attempts.append(exchange)
        if len(attempts) == 2:
            index.content[f"/files/{NAME}"] = whole
        exchange.send_response(200)  # type: ignore[attr-defined]
        exchange.send_header("Content-Length", str(len(data)))  # type: ignore[attr-defined]
        exchange.end_headers()  # type: ignore[attr-defined]
        exchange.wfile.write(data[:100])  # type: ignore[attr-defined]
        exchange.close_connection = True  # type: ignore[attr-defined]

    index.content[f"/files/{NAME}"] = broken
    found, _ = fetched_files(web, address(index), NAME, [sha256(data)])
    assert (found.filename, len(attempts)) == (NAME, 2)


def test_a_download_has_a_limit(index: PackageIndex, data: bytes) -> None:
    index.add(NAME, data)
    web = Web([index.simple], Limits(wheel=100))
    with pytest.raises(PackageIndexError, match="it answers with more than 100 bytes"):
        fetched_files(web, address(index), NAME, [sha256(data)])
    web.close()


def test_a_wheel_with_another_hash(index: PackageIndex, web: Web, data: bytes, tmp_path: Path) -> None:
    index.add(NAME, data)
    with pytest.raises(PackageIndexError, match="it has none of the lock's hashes"):
        fetched_files(web, address(index), NAME, [sha256(b"")])
    assert opened_files(tmp_path / NAME, [sha256(b"")]) is None


def test_a_file_that_is_not_there(index: PackageIndex, web: Web, tmp_path: Path) -> None:
    for read in (lambda: listed_files(web, address(index), NAME), lambda: fetched_files(web, address(index), NAME, [])):
        with pytest.raises(PackageIndexError, match="there is no such file"):
            read()
    with pytest.raises(PackageIndexError, match="it cannot be read: No such file or directory"):
        opened_files(tmp_path / "gone.whl", [])


def archive(*names: str, record: bytes = b"", flag: int = 0) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), ZipFile(file, "w") as written:
        warnings.simplefilter("ignore")
        for name in names:
            written.writestr(name, record if name.endswith("RECORD") else b"x")
        for entry in written.filelist:
            entry.flag_bits |= flag
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no zip", "its archive is broken (File is not a zip file)"),
        (archive("a.py"), "its archive is broken (it has 0 files called *.dist-info/RECORD)"),
        (archive("a.py", "a.py"), "its archive is broken (it has two files called a.py)"),
        (archive("/a.py"), "its archive is broken (its file /a.py leaves the folder)"),
        (archive("a/../../b"), "its archive is broken (its file a/../../b leaves the folder)"),
        (archive("a.py", flag=1), "its archive is broken (it is encrypted)"),
        (
            archive("a-1.dist-info/RECORD", record=bytes(17 << 20)),
            "its archive is broken (its RECORD is larger than 16 MiB)",
        ),
        (
            archive("a-1.dist-info/RECORD", record=b"\xff,,"),
            "its archive is broken ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte)",
        ),
    ],
)
def test_broken_wheels(index: PackageIndex, data: bytes, message: str) -> None:
    index.add(NAME, data)
    web = Web([index.simple], Limits(pause=0.01, parts=64 << 20))
    with pytest.raises(PackageIndexError) as error:
        listed_files(web, address(index), NAME)
    web.close()
    assert error.value.message == message


def test_damaged_content(tmp_path: Path, data: bytes) -> None:
    damaged = data.replace(b"x = 1\n", b"x = 2\n")
    (tmp_path / NAME).write_bytes(damaged)
    with pytest.raises(PackageIndexError, match=r"its archive is broken \(Bad CRC-32 for file 'shop.py'\)"):
        opened_files(tmp_path / NAME, [sha256(damaged)])


FOUND = WheelFiles(filename=NAME, files={"shop.py": "ab" * 32, "shop-1.0.dist-info/RECORD": None}, is_whole=True)
VALUE = sha256(b"wheel")


def test_the_cache_gives_what_was_put(tmp_path: Path) -> None:
    cache = WheelCache(tmp_path)
    assert cache.get(VALUE) is None
    cache.put(VALUE, FOUND)
    assert cache.get(VALUE) == FOUND
    assert cache.get(sha256(b"other")) is None


def test_the_cache_does_not_give_what_was_damaged(tmp_path: Path) -> None:
    cache = WheelCache(tmp_path)
    cache.put(VALUE, FOUND)
    (stored,) = cache.store.files()
    whole = stored.path.read_bytes()
    for place in range(len(whole)):
        stored.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert cache.get(VALUE) is None, place
    for size in range(len(whole)):
        stored.path.write_bytes(whole[:size])
        assert cache.get(VALUE) is None, size


def test_the_cache_does_not_give_what_others_can_write(tmp_path: Path) -> None:
    cache = WheelCache(tmp_path)
    cache.put(VALUE, FOUND)
    cache.store.folder.chmod(0o777)
    assert cache.get(VALUE) is None


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "wheels").write_text("no folder")
    cache = WheelCache(tmp_path)
    cache.put(VALUE, FOUND)
    assert cache.get(VALUE) is None
