"""The report of differences, when every text in it takes itself for more."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.model.differences import Change, Differences, Part, Side
from driftscan.model.image import LayerId
from driftscan.model.lock import Unchecked
from driftscan.report import diff_json, diff_text
from driftscan.report.view import View
from tests.builders import reports


def _said_everywhere(text: str) -> Differences:
    changes = tuple(
        Change(part=part, subject=text, before=before, after=text, note=text, layer=LayerId(2, text, text))
        for part in Part
        for before in (None, text)
    )
    side = Side(name=text, facts=(text, text), layers=3)
    return Differences(before=side, after=side, changes=changes, shared_layers=1, unchecked=(Unchecked(text, text),))


def _check(untrusted: str) -> None:
    found = _said_everywhere(untrusted)
    reports.assert_harmless(diff_text.render(found, View(verbose=True)))
    document = diff_json.render(found, View(verbose=True))
    document.encode()
    assert json.loads(document)


@pytest.mark.parametrize("untrusted", reports.HOSTILE)
def test_hostile_text(untrusted: str) -> None:
    _check(untrusted)


@settings(max_examples=50)
@given(st.text(alphabet=st.characters(codec=None), min_size=1))
def test_any_text(untrusted: str) -> None:
    _check(untrusted)
