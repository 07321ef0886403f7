"""Results that are asked for by every rule, computed once for one and the same object."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

_Subject = TypeVar("_Subject")
_Result = TypeVar("_Result")


class _Same(Generic[_Subject]):
    """An object that equals itself alone. It keeps the object alive, so that no other one gets its place in memory."""

    __slots__ = ("subject",)

    def __init__(self, subject: _Subject) -> None:
        self.subject = subject

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.subject is self.subject

    def __hash__(self) -> int:
        return id(self.subject)


def once(kept: int) -> Callable[[Callable[[_Subject], _Result]], Callable[[_Subject], _Result]]:
    """Remember the results for the last `kept` arguments, told apart by identity: they are immutable."""

    def decorate(function: Callable[[_Subject], _Result]) -> Callable[[_Subject], _Result]:
        remembered = lru_cache(maxsize=kept)(lambda same: function(same.subject))
        return lambda subject: remembered(_Same(subject))

    return decorate
