"""uv is the judge: it locks small projects against an index of wheels in a folder, and its export is the selection."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from driftscan.graph import DependencyGraph
from driftscan.lock.uv import parse
from driftscan.model.lock import OriginKind
from driftscan.model.target import Target
from tests.builders.files import document
from tests.builders.locks import names
from tests.builders.uv_projects import ENVIRONMENTS, LINUX, PROJECTS, REQUESTS, exported, locked, uv


@pytest.mark.parametrize("name", PROJECTS)
def test_selects_what_uv_exports(name: str, uv_index: Path, tmp_path: Path) -> None:
    lock = locked(tmp_path, uv_index, PROJECTS[name])
    graph = DependencyGraph.build([lock])
    for request in REQUESTS[name]:
        requirements = exported(tmp_path, uv_index, request)
        for environment in ENVIRONMENTS:
            selection = graph.select(Target(markers=environment), request)
            expected = {
                f"{canonicalize_name(each.name)}{each.specifier}"
                for each in requirements
                if each.marker is None or each.marker.evaluate(dict(environment))
            }
            found = {f"{key.name}=={key.version}" for key in selection.packages if key.origin.kind is OriginKind.INDEX}
            assert found == expected, (request, environment["sys_platform"], environment["python_version"])
            assert selection.unchecked == ()


def test_what_uv_writes_beside_packages(uv_index: Path, tmp_path: Path) -> None:
    one = locked(tmp_path / "one", uv_index, PROJECTS["extras and groups"])
    assert (one.extras, one.groups) == (frozenset({"all", "docs", "empty"}), frozenset({"dev", "lint", "nothing"}))
    two = locked(tmp_path / "two", uv_index, PROJECTS["overrides"])
    assert two.overrides == names("base", "colors")


def test_a_script(uv_index: Path, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        '# /// script\n# requires-python = ">=3.11"\n# dependencies = ["http[speed]"]\n# ///\n'
    )
    uv(tmp_path, uv_index, "lock", "--script", "a.py")
    lock = parse(document("a.py.lock", {"a.py.lock": (tmp_path / "a.py.lock").read_bytes()}))
    selection = DependencyGraph.build([lock]).select(Target(markers=LINUX))
    assert [str(key) for key in selection.packages] == ["colors 1.0", "fast 1.0", "http 1.0"]
