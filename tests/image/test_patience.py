"""How long registries are waited for."""

from __future__ import annotations

import threading

import pytest

from driftscan.errors import UnreachableError
from driftscan.image.patience import BrokenOffError, BusyError, Effort, Patience, retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 3 ", 3.0),
        ("999999999999", 999999999.0),
        ("-3", None),
        ("3.5", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_retry_after_a_date_to_come() -> None:
    seconds = retry_after("Wed, 21 Oct 2915 07:28:00 GMT")
    assert seconds is not None
    assert seconds > 60


def test_pauses_are_bounded_together(waits: list[float]) -> None:
    effort = Effort(Patience(seconds=10, attempts=9), threading.Event())
    for wait in (None, 4.0, None, 999.0):
        effort.fail(BusyError("busy", where="a", wait=wait), "nothing")
    assert waits == [0.5, 4.0, 2.0, 3.5]
    with pytest.raises(UnreachableError, match=r"^a: nothing after 5 attempts \(busy\)$"):
        effort.fail(BusyError("busy", where="a", wait=0.0), "nothing")


def test_enough_that_came_in_makes_up_for_failures(waits: list[float]) -> None:
    effort = Effort(Patience(attempts=2), threading.Event())
    for _ in range(9):
        effort.fail(BrokenOffError("broke"), "nothing")
        effort.get(1 << 20)
    effort.fail(BrokenOffError("broke"), "nothing")
    effort.get((1 << 20) - 1)
    with pytest.raises(UnreachableError, match=r"^nothing after 2 attempts \(broke\)$"):
        effort.fail(BrokenOffError("broke"), "nothing")
    assert waits == [0.5] * 10


def test_nothing_is_waited_for_once_it_is_not_wanted() -> None:
    aborted = threading.Event()
    effort = Effort(Patience(), aborted)
    aborted.set()
    with pytest.raises(UnreachableError, match=r"^a: it is not wanted any more$"):
        effort.fail(BusyError("busy", where="a", wait=50), "nothing")
