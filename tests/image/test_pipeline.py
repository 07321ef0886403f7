"""Pieces that go from thread to thread: all of them, in order, and no thread outlives its context."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.image.pipeline import Digest, ahead

PIECES = [bytes([number % 256]) * (number + 1) for number in range(500)]


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name in ("inflate", "digest")]


@given(st.lists(st.binary(min_size=1, max_size=100), max_size=60))
def test_all_pieces_arrive_in_their_order(pieces: list[bytes]) -> None:
    with ahead(iter(pieces)) as arriving:
        assert list(arriving) == pieces
    with Digest() as digest:
        for piece in pieces:
            digest.update(piece)
        assert digest.value() == f"sha256:{hashlib.sha256(b''.join(pieces)).hexdigest()}"
    assert names() == []


def test_an_error_is_raised_where_the_pieces_are_consumed() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("the second one is damaged")

    with ahead(pieces()) as arriving:
        assert next(arriving) == b"a"
        with pytest.raises(ValueError, match="the second one is damaged"):
            next(arriving)
    assert names() == []


@pytest.mark.parametrize("taken", [0, 1, 20, 499])
def test_a_consumer_that_gives_up_ends_the_producer(taken: int) -> None:
    made: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number, piece in enumerate(PIECES):
            made.append(number)
            yield piece

    with ahead(pieces()) as arriving:
        for _ in range(taken):
            next(arriving)
    assert names() == []
    assert len(made) <= taken + 20, "it runs ahead by a bounded number of pieces"


def test_a_digest_that_nobody_asks_for_ends_too() -> None:
    def interrupted() -> None:
        with Digest() as digest:
            for piece in PIECES:
                digest.update(piece)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names() == []
