"""Reads over pieces are those over one piece, wherever the pieces end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.errors import ImageError
from driftscan.image.buffer import Buffer

DATA = bytes(range(256)) * 8
STEPS = st.lists(
    st.tuples(st.sampled_from(("take", "at most", "views", "skip", "peek", "padding")), st.integers(0, 700)),
    max_size=12,
)


TOO_FAR: dict[str, Callable[[Buffer, int], object]] = {
    "take": Buffer.take,
    "skip": Buffer.skip,
    "views": lambda buffer, size: list(buffer.views(size)),
}


def cut(ends: list[int]) -> list[bytes]:
    places = sorted({0, *ends, len(DATA)})
    return [DATA[start:end] for start, end in pairwise(places)]


@given(st.lists(st.integers(0, len(DATA)), max_size=12), STEPS)
def test_pieces_do_not_show(ends: list[int], steps: list[tuple[str, int]]) -> None:
    buffer = Buffer(iter(cut(ends)))
    at = 0
    for step, size in steps:
        there = min(size, len(DATA) - at)
        assert buffer.position == at
        if step == "peek":
            assert buffer.peek(min(size, 8)) == DATA[at : at + min(size, 8)]
        elif step == "at most":
            assert buffer.take_at_most(size) == DATA[at : at + size]
            at += there
        elif step == "padding":
            buffer.skip_padding(size)
            at += min(-size % 512, len(DATA) - at)
        elif there < size:
            with pytest.raises(ImageError, match=rf"^the archive is cut off at byte {len(DATA)}$"):
                TOO_FAR[step](buffer, size)
            return
        elif step == "take":
            assert buffer.take(size) == DATA[at : at + size]
            at += size
        elif step == "views":
            assert b"".join(buffer.views(size)) == DATA[at : at + size]
            at += size
        else:
            buffer.skip(size)
            at += size
    buffer.drain()
    assert buffer.position == len(DATA)
    assert buffer.peek(4) == buffer.take_at_most(4) == b""
