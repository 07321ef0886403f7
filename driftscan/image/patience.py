"""How long a registry is waited for: attempts, pauses between them, and time in which nothing is got.

Settings come in by `Patience`; `DRIFTSCAN_REGISTRY_TIMEOUT` is the one that users have.
"""

from __future__ import annotations

import email.utils
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from driftscan.errors import UnreachableError, UsageError

_VARIABLE = "DRIFTSCAN_REGISTRY_TIMEOUT"
_SLOWEST = 1 << 20
"""Bytes of a blob that have to come in while patience lasts; with less the registry counts as stalled."""


class BrokenOffError(UnreachableError):
    """No answer, or not the whole of it; another attempt may help."""


class BusyError(BrokenOffError):
    """The server answered that it has no answer now. `wait` is what it asks for, in seconds."""

    def __init__(self, message: str, *, where: str, wait: float | None) -> None:
        super().__init__(message, where=where)
        self.wait = wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds, and a count of attempts."""

    seconds: float = 60
    """How long nothing, or next to nothing, may be got; and how long pauses may be together."""
    attempts: int = 5
    pause: float = 0.5
    """Before the second attempt; doubled for each further one. A server may ask for another time."""

    @property
    def connect(self) -> float:
        """For a connection to stand."""
        return min(10.0, self.seconds)

    @property
    def silence(self) -> float:
        """Between two pieces of an answer: short enough for a second attempt."""
        return self.seconds / 2

    @classmethod
    def of_environment(cls) -> Self:
        """The user's setting; UsageError where it is no number of seconds."""
        text = os.environ.get(_VARIABLE)
        if not text:
            return cls()
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds <= 86400:
            raise UsageError(f"{_VARIABLE} is {text[:40]!r}, which is no number of seconds up to a day")
        return cls(seconds=seconds)


class Effort:
    """What one piece of work has cost since it last got anywhere, held against the patience there is.

    Once `aborted` is set there are neither pauses nor further attempts.
    """

    def __init__(self, patience: Patience, aborted: threading.Event) -> None:
        self._patience = patience
        self._aborted = aborted
        self._failures = 0
        self._spent = 0.0
        self._paused = 0.0
        self._got = 0

    @property
    def timeouts(self) -> tuple[float, float]:
        """Seconds for a connection to stand, and for the next piece of an answer."""
        left = max(self._patience.seconds - self._spent, 0.05)
        return min(self._patience.connect, left), min(self._patience.silence, left)

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time of the block."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._spent += time.monotonic() - start

    def check(self) -> None:
        """Raise BrokenOffError where too much time went by for what was got."""
        if self._spent >= self._patience.seconds:
            raise BrokenOffError("it sends next to nothing")

    def get(self, size: int) -> None:
        """Note bytes of a blob: enough of them, and patience is as at the start."""
        self._got += size
        if self._got >= _SLOWEST:
            self._failures, self._spent, self._paused, self._got = 0, 0.0, 0.0, 0

    def fail(self, error: UnreachableError, what: str) -> None:
        """Wait for the next attempt, as long as the server asked or else longer each time.

        Where no further attempt is due it is an UnreachableError, whose message begins with `what`.
        """
        self._failures += 1
        left = self._patience.seconds - self._paused
        if self._failures >= self._patience.attempts or self._spent >= self._patience.seconds or left <= 0:
            raise UnreachableError(f"{what} after {self._count()} ({error.message})", where=error.where) from error
        asked = error.wait if isinstance(error, BusyError) else None
        pause = min(self._patience.pause * 2 ** (self._failures - 1) if asked is None else asked, left)
        self._paused += pause
        wait(pause, self._aborted)
        if self._aborted.is_set():
            raise UnreachableError("it is not wanted any more", where=error.where) from error

    def _count(self) -> str:
        return "one attempt" if self._failures == 1 else f"{self._failures} attempts"


def wait(seconds: float, aborted: threading.Event) -> None:
    """Until the time is over or the event is set."""
    aborted.wait(seconds)


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110 10.2.3: seconds or a date); None where it says nothing."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value.strip()[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None
