"""Wheels in which one reader finds other files, or other bytes in one, than the next reader."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from driftscan.errors import PackageIndexError
from driftscan.index.releases import Releases
from driftscan.index.transport import Limits, Web
from driftscan.index.wheels import listed_files, opened_files
from driftscan.index.zips import check_places, pieces
from driftscan.model.lock import Hash
from driftscan.model.target import Target
from tests.builders.indexes import PackageIndex, metadata, package_index

NAME = "shop-1.0-py3-none-any.whl"
INFO = "shop-1.0.dist-info"
LARGE = b"large" * 40_000
FILES = {
    "shop.py": b"x = 1\n",
    "large.bin": LARGE,
    f"{INFO}/METADATA": metadata("shop", "1.0"),
    f"{INFO}/RECORD": b"shop.py,,\n",
}


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with package_index() as served:
        yield served


def packed(files: dict[str, bytes] | None = None, method: int = ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w", method) as archive:
        for name, data in (FILES if files is None else files).items():
            archive.writestr(name, data)
    return file.getvalue()


def streamed() -> bytes:
    """As it is written to a pipe: sizes and digests stand behind the files."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object, /) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with ZipFile(pipe, "w", ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    return pipe.data


def header(data: bytes, name: str, signature: bytes, length: int) -> int:
    """Where the header of a file begins, in the directory (46 bytes) or before the file itself (30 bytes)."""
    at = -1
    while (at := data.index(signature, at + 1)) >= 0:
        if data[at + length :].startswith(name.encode()):
            return at
    raise AssertionError


def patched(name: str, *, directory: dict[int, int], local: dict[int, int], data: bytes = b"") -> bytes:
    """The wheel with other words at some offsets of the two headers of a file."""
    changed = bytearray(data or packed())
    for start, words in (
        (header(bytes(changed), name, b"PK\1\2", 46), directory),
        (header(bytes(changed), name, b"PK\3\4", 30), local),
    ):
        for offset, value in words.items():
            struct.pack_into("<I", changed, start + offset, value)
    return bytes(changed)


def lying(size: int) -> bytes:
    """Both headers of the large file say this size, and the digest of so many bytes."""
    digest = zlib.crc32(LARGE[:size])
    return patched("large.bin", directory={16: digest, 24: size}, local={14: digest, 22: size})


def unlisted(name: str, data: bytes = b"") -> bytes:
    """The wheel with a file that the directory at the end does not list."""
    data = data or packed()
    start = header(data, name, b"PK\1\2", 46)
    length = 46 + len(name)
    end = data.index(b"PK\5\6")
    count, size = len(FILES) - 1, end - data.index(b"PK\1\2") - length
    tail = data[end : end + 8] + struct.pack("<HHI", count, count, size) + data[end + 16 :]
    return data[:start] + data[start + length : end] + tail


def twice() -> bytes:
    """Two files of the directory are one in the archive."""
    data = packed({"a.py": b"1", "b.py": b"2", **FILES})
    return patched("b.py", directory={42: 0}, local={}, data=data)


def in_a_tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("setup.py")
        archive.addfile(entry, io.BytesIO(b""))
    return file.getvalue() + packed()


TOGETHER = "its file {} and what follows it do not fit together"
DIFFERENT = "the header of its file {} and its directory say different things"
ODD: dict[str, tuple[Callable[[], bytes], str]] = {
    "larger than it says": (lambda: lying(1000), "its file large.bin has another size than its directory says"),
    "smaller than it says": (
        lambda: patched("large.bin", directory={24: len(LARGE) + 1}, local={22: len(LARGE) + 1}),
        "its file large.bin has another size than its directory says",
    ),
    "another size before the file": (
        lambda: patched("large.bin", directory={}, local={22: 7}),
        DIFFERENT.format("large.bin"),
    ),
    "another digest before the file": (
        lambda: patched("large.bin", directory={}, local={14: 7}),
        DIFFERENT.format("large.bin"),
    ),
    "another name before the file": (
        lambda: packed().replace(b"shop.py", b"evil.py", 1),
        DIFFERENT.format("shop.py"),
    ),
    "another packed size before the file": (
        lambda: patched("large.bin", directory={}, local={18: 7}),
        DIFFERENT.format("large.bin"),
    ),
    "packed in another way": (
        lambda: packed(method=ZIP_BZIP2),
        "its file shop.py is packed as no wheel is (method 12)",
    ),
    "one behind the other": (lambda: packed() + packed(), "something stands before its first file"),
    "a tar as well": (in_a_tar, "something stands before its first file"),
    "a file that is not listed": (lambda: unlisted("large.bin"), TOGETHER.format("shop.py")),
    "the last is not listed": (lambda: unlisted(f"{INFO}/RECORD"), TOGETHER.format(f"{INFO}/METADATA")),
    "two that are one": (twice, TOGETHER.format("a.py")),
}


@pytest.mark.parametrize("name", ODD)
def test_a_wheel_that_can_be_read_in_two_ways(name: str, tmp_path: Path) -> None:
    made, message = ODD[name]
    data = made()
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(PackageIndexError) as caught:
        opened_files(tmp_path / NAME, [Hash("sha256", hashlib.sha256(data).hexdigest())])
    assert str(caught.value) == f"{NAME}: its archive is broken ({message})"


@pytest.mark.parametrize("made", [packed, lambda: packed(method=ZIP_STORED), streamed], ids=["", "stored", "streamed"])
def test_ordinary_wheels(made: Callable[[], bytes], tmp_path: Path) -> None:
    data = made()
    (tmp_path / NAME).write_bytes(data)
    found = opened_files(tmp_path / NAME, [Hash("sha256", hashlib.sha256(data).hexdigest())])
    assert found is not None
    assert found[0].files == {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (packed() + packed(), "something stands before its first file"),
        (in_a_tar(), "something stands before its first file"),
        (
            patched(f"{INFO}/METADATA", directory={}, local={14: 7}),
            DIFFERENT.format(f"{INFO}/METADATA"),
        ),
    ],
    ids=["one behind the other", "a tar as well", "another digest before the file"],
)
def test_metadata_of_a_wheel_that_can_be_read_in_two_ways(index: PackageIndex, data: bytes, message: str) -> None:
    index.add(NAME, data)
    web = Web([index.simple], Limits(pause=0.01))
    offered = Releases(web, [index.simple])
    with pytest.raises(PackageIndexError) as caught:
        offered.metadata(offered.pinned(canonicalize_name("shop"), "1.0"), Target())
    assert caught.value.message == f"its archive is broken ({message})"


def test_a_list_of_files_of_which_one_hides_another(index: PackageIndex) -> None:
    """Of a wheel whose directory alone is read, all but small things between files are seen."""
    index.add(NAME, unlisted("large.bin", packed(method=ZIP_STORED)))
    web = Web([index.simple], Limits(pause=0.01))
    with pytest.raises(PackageIndexError) as caught:
        listed_files(web, f"{index.url}/files/{NAME}", NAME)
    web.close()
    assert caught.value.message == f"its archive is broken ({TOGETHER.format('shop.py')})"


@given(
    st.dictionaries(st.text("abc/é", min_size=1, max_size=5), st.binary(max_size=50), max_size=4),
    st.sampled_from([ZIP_STORED, ZIP_DEFLATED]),
)
def test_what_python_writes_is_read(files: dict[str, bytes], method: int) -> None:
    with ZipFile(io.BytesIO(packed(files, method))) as archive:
        check_places(archive, thoroughly=True)
        assert {each.filename: b"".join(pieces(archive, each)) for each in archive.infolist()} == files
