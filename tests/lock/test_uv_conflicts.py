from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name

from driftscan.api import checking
from driftscan.errors import LockError
from driftscan.graph import DependencyGraph
from driftscan.lock.uv import parse
from driftscan.model.lock import Choice, Lock, Request, Scope, ScopeKind
from driftscan.model.target import Target
from tests.builders.files import document

DIGEST = "a" * 64
CONFLICTS = """\
conflicts = [[
    { package = "App", extra = "Old" },
    { package = "app", extra = "new" },
], [
    { package = "app", group = "dev" },
    { package = "app", extra = "old" },
], [
    { package = "app" },
    { package = "tool" },
]]
"""
PACKAGES = f"""\
[[package]]
name = "app"
version = "1"
source = {{ editable = "." }}

[package.optional-dependencies]
old = [
    {{ name = "lib", version = "1.0", source = {{ registry = "https://index.example/simple" }} }},
]
new = [
    {{ name = "lib", version = "2.0", source = {{ registry = "https://index.example/simple" }} }},
]

[package.dev-dependencies]
dev = [
    {{ name = "lib", version = "2.0", source = {{ registry = "https://index.example/simple" }} }},
]

[[package]]
name = "lib"
version = "1.0"
source = {{ registry = "https://index.example/simple" }}
sdist = {{ url = "https://files.example/lib-1.0.tar.gz", hash = "sha256:{DIGEST}", size = 1 }}

[[package]]
name = "lib"
version = "2.0"
source = {{ registry = "https://index.example/simple" }}
sdist = {{ url = "https://files.example/lib-2.0.tar.gz", hash = "sha256:{DIGEST}", size = 1 }}
"""


def read(conflicts: str = CONFLICTS) -> Lock:
    return parse(document("uv.lock", {"uv.lock": f'version = 1\nrequires-python = ">=3.9"\n{conflicts}\n{PACKAGES}'}))


def choice(name: str, kind: ScopeKind = ScopeKind.PRODUCTION, scope: str = "") -> Choice:
    return Choice(canonicalize_name(name), Scope(kind, scope))


def test_reads_extras_groups_and_projects_that_conflict() -> None:
    assert read().conflicts == (
        frozenset({choice("app", ScopeKind.EXTRA, "old"), choice("app", ScopeKind.EXTRA, "new")}),
        frozenset({choice("app", ScopeKind.GROUP, "dev"), choice("app", ScopeKind.EXTRA, "old")}),
        frozenset({choice("app"), choice("tool")}),
    )
    assert read("").conflicts == ()


def test_what_conflicts_cannot_be_asked_for_together() -> None:
    graph = DependencyGraph.build([read()])
    for request in (
        Request(extras=frozenset({"old", "new"}), default_groups=False),
        Request(extras=frozenset({"old"})),
    ):
        with pytest.raises(LockError, match="conflict, so they cannot be asked for together"):
            graph.select(Target(), request)
    selection = graph.select(Target(), Request(extras=frozenset({"old"}), default_groups=False))
    assert {str(key) for key in selection.packages} == {"app 1", "lib 1.0"}


def test_pins_that_conflicts_keep_apart_do_not_contradict_each_other() -> None:
    def contradictions(lock: Lock) -> list[str]:
        return [finding.message for finding in checking.check([lock], select=["LK106"]).findings]

    assert contradictions(read()) == []
    assert contradictions(read("")) != []


@pytest.mark.parametrize(
    ("conflicts", "message"),
    [
        ("conflicts = 1", '"conflicts" has to be an array'),
        ("conflicts = [1]", '"conflicts" has to be an array of arrays'),
        ('conflicts = [[{ extra = "a" }]]', '"package" is missing'),
    ],
)
def test_damaged_conflicts_are_an_error(conflicts: str, message: str) -> None:
    with pytest.raises(LockError, match=message):
        read(conflicts)
