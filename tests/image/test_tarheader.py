"""Headers that are read at once mean what the long way makes of them."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from driftscan.errors import ImageError
from driftscan.image import tarheader
from driftscan.image.buffer import Buffer
from driftscan.image.limits import Limits
from driftscan.image.tarheader import BLOCK, Header, Headers

NAMES = st.one_of(st.text("abc/.é ", min_size=1, max_size=30), st.sampled_from(("a" * 100, "a" * 99, "d/" * 40 + "x")))


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    """One header block as Python writes it in each format, with some bytes changed and the checksum made right."""
    info = tarfile.TarInfo(draw(NAMES))
    info.type = draw(st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"6", b"\0", b"7", b"S"]))
    info.size = draw(st.integers(0, 8**11 - 1))
    info.mode = draw(st.integers(0, 0o7777777))
    info.mtime = draw(st.integers(0, 8**11 - 1))
    info.linkname = draw(st.one_of(st.just(""), NAMES))
    info.uname = draw(st.sampled_from(("", "root")))
    is_gnu = draw(st.booleans())
    try:
        block = bytearray(
            info.tobuf(tarfile.GNU_FORMAT if is_gnu else tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")[-BLOCK:]
        )
    except ValueError:
        block = bytearray(tarfile.TarInfo("a").tobuf())
    for place, value in draw(st.lists(st.tuples(st.integers(0, BLOCK - 1), st.integers(0, 255)), max_size=3)):
        block[place] = value
    if draw(st.booleans()):
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def read(block: bytes, *, at_once: bool) -> Header | str | None:
    buffer = Buffer(iter([block]))
    headers = Headers(buffer, Limits())
    try:
        return headers.next() if at_once else headers._any(buffer.take_at_most(BLOCK))
    except ImageError as error:
        return error.message


@given(blocks())
@example(bytes(BLOCK))
@example(b"")
def test_both_ways_agree(block: bytes) -> None:
    assert read(block, at_once=True) == read(block, at_once=False)


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT])
def test_what_programs_write_is_read_at_once(format_: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as archive:
        for kind, name in ((b"0", "etc/a"), (b"5", "etc"), (b"2", "etc/link"), (b"1", "etc/hard")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a" if kind in b"12" else ""
            archive.addfile(info)
    data = out.getvalue()
    for start in range(0, 4 * BLOCK, BLOCK):
        assert tarheader._ordinary(data[start : start + BLOCK]) is not None


def test_a_checksum_that_is_off_by_what_adler_wraps_at() -> None:
    """A sum is only taken from Adler-32 where it cannot have wrapped."""
    info = tarfile.TarInfo("a")
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    block[148:156] = b"%06o\0 " % (int(block[148:154], 8) + 65521)
    assert read(bytes(block), at_once=True) == "the header at byte 0 has a wrong checksum"
