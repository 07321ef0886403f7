"""The text report, when every text in it takes itself for more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.report import text
from driftscan.report.view import View
from tests.builders import reports


def _check(untrusted: str) -> None:
    reports.assert_harmless(text.render(reports.said_everywhere(untrusted), View(verbose=True)))


@pytest.mark.parametrize("untrusted", reports.HOSTILE)
def test_hostile_text(untrusted: str) -> None:
    _check(untrusted)


@settings(max_examples=50)
@given(st.text(alphabet=st.characters(codec=None), min_size=1))
def test_any_text(untrusted: str) -> None:
    _check(untrusted)
