"""packaging, which pip installs a pylock.toml with, is the judge of what is selected."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from packaging.pylock import Pylock
from packaging.tags import Tag

from driftscan.graph import DependencyGraph
from driftscan.lock.document import Document
from driftscan.lock.pylock import parse
from driftscan.model.lock import Request
from driftscan.model.target import Target

if TYPE_CHECKING:
    from packaging.markers import Environment

SAMPLE = Path(__file__).parents[1] / "data" / "pylock" / "pylock.toml"
LINUX = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.4",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.11.4",
    "python_version": "3.11",
    "sys_platform": "linux",
}
WINDOWS = {**LINUX, "os_name": "nt", "platform_system": "Windows", "sys_platform": "win32"}
OLDER = {**LINUX, "python_full_version": "3.9.18", "python_version": "3.9"}


def _listed(names: frozenset[str] | None) -> str:
    return "default" if names is None else "+".join(sorted(names)) or "none"


@pytest.mark.parametrize("environment", [LINUX, WINDOWS, OLDER], ids=["linux", "windows", "older"])
@pytest.mark.parametrize("extras", [frozenset(), frozenset({"postgres"}), frozenset({"all"})], ids=_listed)
@pytest.mark.parametrize("groups", [None, frozenset(), frozenset({"docs"}), frozenset({"dev", "docs"})], ids=_listed)
def test_selects_what_packaging_selects(
    environment: dict[str, str], extras: frozenset[str], groups: frozenset[str] | None
) -> None:
    data = tomllib.loads(SAMPLE.read_text())
    judged = Pylock.from_dict(data).select(
        environment=cast("Environment", environment),
        tags=[Tag("py3", "none", "any")],
        extras=extras,
        dependency_groups=groups,
    )
    expected = {(package.name, str(package.version or "") or None) for package, _ in judged}
    lock = parse(Document("pylock.toml", SAMPLE.read_bytes(), lambda _: None))
    request = Request(extras=extras, groups=groups or frozenset(), default_groups=groups is None)
    selection = DependencyGraph.build([lock]).select(Target(markers=environment), request)
    # packaging keeps an absent version absent, also where the file's name tells it
    assert {(each.name, None if each.name == "doctool" else each.version) for each in selection.packages} == expected
