"""Archives that are broken, or made to do harm."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from driftscan.errors import PackageIndexError
from driftscan.index.archives import _from_tar, _from_zip
from driftscan.index.releases import Releases
from driftscan.index.transport import MIB, Limits, Web
from driftscan.model.target import Target
from tests.builders.indexes import PackageIndex, Served, metadata, wheel

GOOD = metadata("shop", "1.0", "six")
WHEEL = "shop-1.0-py3-none-any.whl"
SDIST = "shop-1.0.tar.gz"
ENTRY = "shop-1.0.dist-info/METADATA"
LIMITS = Limits(metadata=1000, sdist=MIB, parts=MIB, pause=0.01)


def refusal(index: PackageIndex, filename: str, data: bytes, *, parts: bool = True) -> str:
    index.add(filename, data)
    index.content[f"/files/{filename}"] = Served(data, parts=parts)
    offered = Releases(Web([index.simple], LIMITS), [index.simple])
    with pytest.raises(PackageIndexError) as caught:
        offered.metadata(offered.pinned(canonicalize_name("shop"), "1.0"), Target())
    return str(caught.value).replace(index.url, "INDEX")


def tar(*entries: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def words(value: str | bytes) -> str:
    """Archives hold the time at which they were made, and the names of tests should not."""
    return value if isinstance(value, str) else "data"


def broken_crc() -> bytes:
    data = wheel("shop", "1.0", GOOD)
    return data.replace(struct.pack("<L", zlib.crc32(GOOD)), bytes(4))


def encrypted() -> bytes:
    data = bytearray(wheel("shop", "1.0", GOOD))
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "INDEX/files/{}: it sends another part of the file than was asked for"),
        (b"no zip", "{}: its archive is broken (File is not a zip file)"),
        (wheel("shop", "1.0", GOOD)[:-30], "{}: its archive is broken (File is not a zip file)"),
        (broken_crc(), "{}: its archive is broken (Bad CRC-32 for file '" + ENTRY + "')"),
        (encrypted(), "{}: its metadata are encrypted"),
        (wheel("shop", "1.0", GOOD + bytes(1000)), "{}: its metadata are larger than 0 MiB"),
        (wheel("other", "1.0", GOOD, {ENTRY: GOOD}), "{}: its archive has 2 files called *.dist-info/METADATA"),
        (wheel("a/shop", "1.0", GOOD), "{}: its archive has 0 files called *.dist-info/METADATA"),
    ],
    ids=words,
)
def test_wheels(index: PackageIndex, data: bytes, message: str) -> None:
    assert refusal(index, WHEEL, data) == message.format(WHEEL)


def test_a_directory_that_is_too_large(index: PackageIndex) -> None:
    names = {f"{'x' * 200}{number}": b"" for number in range(5000)}
    message = f"INDEX/files/{WHEEL}: too much of it would have to be read"
    assert refusal(index, WHEEL, wheel("shop", "1.0", GOOD, names)) == message


def test_a_server_that_sends_no_parts(index: PackageIndex) -> None:
    data = wheel("shop", "1.0", GOOD)
    assert refusal(index, WHEEL, data, parts=False) == f"INDEX/files/{WHEEL}: it sends no parts of files"


@pytest.mark.parametrize(
    "placed", ["", "bytes 0-9", "bytes 0-99/100", "bytes 90-99/99", f"bytes 90-99/{'9' * 19}", "bytes 0-9/*"]
)
def test_a_server_that_sends_other_parts(index: PackageIndex, placed: str) -> None:
    data = Served(bytes(10), status=206, headers=(("Content-Range", placed),))
    index.add(WHEEL, b"")
    index.content[f"/files/{WHEEL}"] = lambda exchange: exchange.reply(data)
    offered = Releases(Web([index.simple], LIMITS), [index.simple])
    with pytest.raises(PackageIndexError, match="it sends another part of the file than was asked for"):
        offered.metadata(offered.pinned(canonicalize_name("shop"), "1.0"), Target())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no tar", "its archive is neither a zip nor a tar.gz"),
        (b"\x1f\x8bno gzip", "its archive is broken (Error -3 while decompressing data: unknown compression method)"),
        (gzip.compress(b"no tar"), "its archive is broken (truncated header)"),
        (gzip.compress(bytes(3 * MIB)), "its archive has more than 2 MiB"),
        (gzip.compress(tar(("shop-1.0/setup.py", b""))), "its archive has no PKG-INFO"),
        (gzip.compress(tar(("shop-1.0/egg/PKG-INFO", GOOD))), "its archive has no PKG-INFO"),
        (gzip.compress(tar(("shop-1.0/PKG-INFO", bytes(1001)))), "its metadata are larger than 0 MiB"),
    ],
    ids=words,
)
def test_source_distributions(index: PackageIndex, data: bytes, message: str) -> None:
    assert refusal(index, SDIST, data) == f"{SDIST}: {message}"


def test_a_source_distribution_that_is_too_large(index: PackageIndex) -> None:
    assert refusal(index, SDIST, bytes(MIB + 1)) == f"INDEX/files/{SDIST}: it answers with more than 1,048,576 bytes"


def test_a_file_that_is_gone(index: PackageIndex) -> None:
    index.add(SDIST, b"")
    index.add("shop-2.0-py3-none-any.whl", b"")
    index.content = {path: served for path, served in index.content.items() if not path.startswith("/files/")}
    offered = Releases(Web([index.simple], LIMITS), [index.simple])
    for version in ("1.0", "2.0"):
        with pytest.raises(PackageIndexError, match="there is no such file"):
            offered.metadata(offered.pinned(canonicalize_name("shop"), version), Target())


_GOOD_WHEEL = wheel("shop", "1.0", GOOD)
_GOOD_TAR = tar(("shop-1.0/setup.py", b""), ("shop-1.0/PKG-INFO", GOOD))


@given(st.sampled_from([True, False]), st.data())
def test_damage_is_found_or_does_not_matter(is_wheel: bool, data: st.DataObject) -> None:
    """Whatever byte changes, the answer is the file, another text of that size, or one clear error."""
    damaged = bytearray(_GOOD_WHEEL if is_wheel else _GOOD_TAR)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(PackageIndexError):
        found = (
            _from_zip(io.BytesIO(damaged), ".dist-info/METADATA", LIMITS)
            if is_wheel
            else _from_tar(gzip.compress(damaged), LIMITS)
        )
        assert len(found) <= LIMITS.metadata
