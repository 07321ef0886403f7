"""Markers that are nested past what any parser reads, wherever requirements are written: never more than one of them
is lost.
"""

from __future__ import annotations

import pytest

from driftscan.lock.pdm_requirements import read_requirement
from driftscan.lock.pylock_edges import _requirement as locked
from driftscan.lock.standard import read_standard
from driftscan.requiresdist import read as required

DEPTH = 3000
DEEP = f"six ; {'(' * DEPTH}os_name == 'nt'{')' * DEPTH}"


@pytest.mark.parametrize("read", [locked, read_requirement, read_standard, required])
def test_what_is_nested_too_deeply_is_no_requirement(read: object) -> None:
    assert callable(read)
    assert read("six ; os_name == 'nt'") is not None
    assert read(DEEP) is None
