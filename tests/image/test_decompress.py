"""Layer blobs to plain bytes: formats told by content, read to the very end, damage never passed over."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.errors import ImageError
from driftscan.image import decompress
from driftscan.image.limits import MIB, Limits

PLAIN = random.Random(1).randbytes(700_000) + bytes(2_000_000)
EMPTY_FRAME = zstandard.compress(b"")


@pytest.fixture(autouse=True, params=["igzip", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds with the fast library, and with zlib where that cannot be had."""
    if request.param == "zlib":
        monkeypatch.setattr(decompress, "new_inflater", decompress.ZlibInflater)


def skippable(size: int, kind: int = 0) -> bytes:
    return struct.pack("<II", 0x184D2A50 + kind, size) + b"s" * size


class Trickle(io.BytesIO):
    """Gives at most `most` bytes at a time, as sockets do."""

    most = 1 << 20

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size if size is not None and size >= 0 else self.most, self.most))


def inflated(data: bytes, most: int = 1 << 20, limits: Limits | None = None) -> bytes:
    stream, seen = Trickle(data), hashlib.sha256()
    stream.most = most
    plain = b"".join(decompress.chunks(stream, seen, limits or Limits()))
    assert seen.digest() == hashlib.sha256(data if decompress.is_compressed(data) else b"").digest()
    return plain


def named_gzip(data: bytes) -> bytes:
    """A member with every optional field of RFC 1952."""
    flags = 0x02 | 0x04 | 0x08 | 0x10
    head = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + struct.pack("<H", 3) + b"xyz" + b"layer.tar\0" + b"comment\0"
    head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    raw = zlib.compressobj(6, zlib.DEFLATED, -15)
    return head + raw.compress(data) + raw.flush() + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "uncompressed": lambda data: data,
    "gzip": gzip.compress,
    "gzip with names": named_gzip,
    "gzip stored": lambda data: gzip.compress(data, 0),
    "gzip of many members": lambda data: b"".join(
        gzip.compress(data[start : start + 90_001]) for start in range(0, len(data), 90_001)
    ),
    "gzip with empty members": lambda data: gzip.compress(b"") + gzip.compress(data) + gzip.compress(b"") * 3,
    "zstd": zstandard.compress,
    "zstd with a checksum": zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress,
    "zstd of many frames": lambda data: b"".join(
        zstandard.compress(data[start : start + 90_001]) for start in range(0, len(data), 90_001)
    ),
    "zstd with empty and skippable frames": lambda data: (
        skippable(0) + EMPTY_FRAME + skippable(70_000, 15) + zstandard.compress(data) + skippable(5) + EMPTY_FRAME
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("most", [1 << 20, 4099])
def test_every_form_is_read_to_its_end(form: str, most: int) -> None:
    assert inflated(FORMS[form](PLAIN), most) == PLAIN


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("plain", [b"", b"x"])
def test_tiny_content_a_byte_at_a_time(form: str, plain: bytes) -> None:
    assert inflated(FORMS[form](plain), 1) == plain


def test_nothing_at_all() -> None:
    assert inflated(b"") == b""


GZIP, ZSTD = gzip.compress(PLAIN), zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN)


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 100, len(GZIP) - 20, len(GZIP) - 5])
def test_cut_off_gzip(cut: int) -> None:
    with pytest.raises(ImageError, match=r"^the gzip data is cut off before its end$"):
        inflated(GZIP[:-cut])


@pytest.mark.parametrize("cut", [1, 4, 5, 100, len(ZSTD) - 8, len(ZSTD) - 5])
def test_cut_off_zstd(cut: int) -> None:
    with pytest.raises(ImageError, match=r"^the zstd data is cut off before its end$"):
        inflated(ZSTD[:-cut])


@pytest.mark.parametrize("cut", [1, 9, 14])
def test_cut_off_skippable_frame(cut: int) -> None:
    with pytest.raises(ImageError, match=r"^the zstd data is cut off before its end$"):
        inflated(ZSTD + skippable(8)[:-cut])


@pytest.mark.parametrize("place", [-1, -4, -5, -8])
def test_damaged_gzip_trailer(place: int) -> None:
    data = bytearray(GZIP)
    data[place] ^= 1
    with pytest.raises(ImageError, match=r"^the gzip data is damaged \("):
        inflated(bytes(data))


def test_damaged_zstd_checksum() -> None:
    with pytest.raises(ImageError, match=r"^the zstd data is damaged \("):
        inflated(ZSTD[:-1] + bytes([ZSTD[-1] ^ 1]))


@pytest.mark.parametrize("junk", [b"\0", b"x", b"\x1f", b"PK\3\4" * 200])
def test_junk_behind_the_data(junk: bytes) -> None:
    with pytest.raises(ImageError, match=r"^something that is not gzip follows the gzip data$"):
        inflated(GZIP + junk)
    with pytest.raises(ImageError, match=r"zstd data is"):
        inflated(ZSTD + junk)


def test_a_second_member_that_is_damaged() -> None:
    second = bytearray(gzip.compress(b"second"))
    second[12] ^= 0xFF
    with pytest.raises(ImageError, match="gzip data is"):
        inflated(GZIP + bytes(second))


def test_the_window_of_zstd_is_bounded() -> None:
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x01\x00\x00"
    with pytest.raises(ImageError, match=r"^the zstd data is damaged \(.*memory"):
        inflated(frame)
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, enable_ldm=True)
    large = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = large.compress(PLAIN) + large.flush()
    assert inflated(data) == PLAIN
    with pytest.raises(ImageError, match="memory"):
        inflated(data, limits=Limits(zstd_window=MIB))


def bomb(blocks: int) -> bytes:
    """A zstd frame of blocks that say `128 KiB of zeros` in four bytes each."""
    block = struct.pack("<I", (131_072 << 3) | 2)[:3] + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x60" + block * blocks + struct.pack("<I", 1)[:3]


@pytest.mark.parametrize("data", [gzip.compress(bytes(64 * MIB)), bomb(8_000)], ids=["gzip", "zstd"])
def test_bombs_come_in_pieces(data: bytes) -> None:
    pieces: Iterator[bytes] = decompress.chunks(io.BytesIO(data), hashlib.sha256(), Limits())
    assert all(len(next(pieces)) <= MIB for _ in range(100))


CHECKED = sorted(form for form in FORMS if form.startswith("gzip") or form == "zstd with a checksum")


@settings(max_examples=150, deadline=None)
@given(form=st.sampled_from(CHECKED), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_damage_is_never_other_content(form: str, place: float, bit: int, cut: bool) -> None:
    plain = PLAIN[:3000]
    data = bytearray(FORMS[form](plain))
    position = int(place * len(data))
    if cut:
        del data[position:]
    else:
        data[position] ^= 1 << bit
    try:
        found = inflated(bytes(data), 1000)
    except ImageError:
        return
    # Without its magic it counts as uncompressed; cut between two members it is whole, as far as it goes.
    assert found in (plain, bytes(data)) or (cut and plain.startswith(found))
