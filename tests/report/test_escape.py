from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.report.escape import plain, unicode_text

ANYTHING = st.text(alphabet=st.characters(codec=None))


@pytest.mark.parametrize(
    ("untrusted", "shown"),
    [
        ("numpy 2.1.3", "numpy 2.1.3"),
        ("größe 数 e\u0301", "größe 数 e\u0301"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]8;;https://evil.example\x07x", "\\x1b]8;;https://evil.example\\x07x"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u2028b", "a\\u2028b"),
        ("a\u200bb", "a\\u200bb"),
        ("\U000e0001", "\\U000e0001"),
        (b"\xff\xfe".decode("utf-8", "surrogateescape"), "\\xff\\xfe"),
        ("\ud800", "\\ud800"),
        ("::add-mask::x", "\\x3a:add-mask::x"),
        ("x ::error file=a::b", "x \\x3a:error file=a::b"),
        ("std::vector ::1", "std::vector ::1"),
        ("##vso[task]", "\\x23#vso[task]"),
        ("a##[error]", "a\\x23#[error]"),
        ("## heading", "## heading"),
    ],
)
def test_plain(untrusted: str, shown: str) -> None:
    assert plain(untrusted) == shown


@given(ANYTHING)
def test_plain_text_is_one_printable_line_and_stays_as_it_is(untrusted: str) -> None:
    shown = plain(untrusted)
    assert shown.isprintable()
    assert plain(shown) == shown


@given(ANYTHING)
def test_unicode_text_encodes(untrusted: str) -> None:
    assert unicode_text(unicode_text(untrusted)).encode("utf-8") == unicode_text(untrusted).encode("utf-8")


@given(st.text())
def test_unicode_text_leaves_unicode_alone(text: str) -> None:
    assert unicode_text(text) == text
