from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from driftscan.report.view import Span, Style, View, columns, table, wrap

WORDS = st.lists(st.text(alphabet="abc数é-/", min_size=1, max_size=12), max_size=30)


def test_columns() -> None:
    assert [columns(text) for text in ("abc", "数", "e\u0301", "é")] == [3, 2, 1, 1]


@given(WORDS, st.integers(10, 60))
def test_wrapping_loses_no_word_and_keeps_to_the_width(words: list[str], width: int) -> None:
    lines = wrap([Span(" ".join(words))], View(width=width), first="- ", rest="  ")
    assert " ".join(line[2:] for line in lines).split() == words
    assert all(columns(line) <= width or len(line.split()) <= 2 for line in lines)


def test_the_rest_is_left_out() -> None:
    lines = wrap([Span("aa bb cc dd")], View(width=2), most=2)
    assert lines == ["aa", "bb …"]


def test_neighbours_of_one_style_are_painted_together() -> None:
    spans = [Span("a b", Style.STRONG), Span("c", Style.STRONG), Span("d")]
    assert wrap(spans, View(color=True)) == ["\x1b[1ma b c\x1b[0m d"]


def test_a_table() -> None:
    rows = [("numpy", "2.1.3", "here"), ("数", "1", "a place far away")]
    assert table(("name", "version", "from"), rows, View(width=30)) == [
        "  name   version  from",
        "  numpy  2.1.3    here",
        "  数     1        a place far",
        "               away",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert table(("name", "from"), [], View()) == ["  name  from"]
