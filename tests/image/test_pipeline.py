"""Pieces that go from thread to thread: all of them, in order, and no thread outlives its context."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.image.pipeline import Digest, Room, ahead

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


def test_what_does_not_fit_waits_until_there_is_room() -> None:
    room, entered, leave = Room(100), threading.Semaphore(0), threading.Event()
    order: list[int] = []

    def hold(size: int) -> None:
        with room.holding(size):
            order.append(size)
            entered.release()
            leave.wait(10)

    threads = [threading.Thread(target=hold, args=(size,)) for size in (60, 40)]
    for thread in threads:
        thread.start()
        assert entered.acquire(timeout=10)
    late = threading.Thread(target=hold, args=(1,))
    late.start()
    assert not entered.acquire(timeout=0.05)
    leave.set()
    for thread in (*threads, late):
        thread.join(10)
    assert order == [60, 40, 1]


def test_more_than_there_is_room_for_is_held_alone() -> None:
    room = Room(100)
    with pytest.raises(KeyError), room.holding(1000):
        raise KeyError
    with room.holding(1000):
        pass
