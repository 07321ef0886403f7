from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.strictjson import JsonError, depth, load

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def levels(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(levels, value.values()), default=0)
    return 1 + max(map(levels, value), default=0) if isinstance(value, list) else 0


@given(VALUES)
def test_reads_what_was_written(value: object) -> None:
    assert load(json.dumps(value)) == value


@given(VALUES)
def test_depth_counts_brackets_outside_of_strings(value: object) -> None:
    assert depth(json.dumps(value).encode(), 100) == levels(value)


@pytest.mark.parametrize(
    ("text", "message", "line", "key"),
    [
        ('{"a": 1,\n "a": 2}', "has a key twice", None, "a"),
        ('[{"b": {"a": NaN}}]', "holds NaN, which is not JSON", None, None),
        ("[-Infinity]", "holds -Infinity, which is not JSON", None, None),
        ("[1,\n 2", "is not valid JSON (Expecting ',' delimiter: line 2 column 3 (char 6))", 2, None),
        ("", "is not valid JSON (Expecting value: line 1 column 1 (char 0))", 1, None),
    ],
)
def test_refuses_what_readers_could_understand_differently(
    text: str, message: str, line: int | None, key: str | None
) -> None:
    with pytest.raises(JsonError) as caught:
        load(text)
    assert (str(caught.value), caught.value.line, caught.value.key) == (message, line, key)


def test_numbers_of_thousands_of_digits_are_refused() -> None:
    with pytest.raises(JsonError, match="is not valid JSON"):
        load("9" * 5000)


def test_depth_stops_one_past_the_bound() -> None:
    assert depth(b"[" * 100_000, 64) == 65
