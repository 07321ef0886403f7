"""Dependency graphs as tree, DOT, Mermaid, JSON and page; and why a package is there."""

from __future__ import annotations

import json
import re
import warnings
from html.parser import HTMLParser

import pydot
import pytest
from packaging.utils import canonicalize_name

from driftscan.graph.chains import shortest
from driftscan.model.dependencies import Dependencies, Kind, Link, Node, Start
from driftscan.model.image import LayerId
from driftscan.model.lock import Scope, ScopeKind
from driftscan.report import graph_dot, graph_html, graph_json, graph_mermaid, graph_tree, why_json, why_text
from driftscan.report.view import View

VIEW = View()
EVIL = "</script><script>alert(1)</script>\x1b]8;;\"'`|{}\u202e"


def node(name: str, version: str | None = "1.0", *, member: bool = False, layer: LayerId | None = None) -> Node:
    return Node(name=canonicalize_name(name), version=version, is_member=member, layer=layer)


def graph(*links: Link, has_links: bool = True, kind: Kind = Kind.LOCKED) -> Dependencies:
    return Dependencies(
        title="uv.lock",
        kind=kind,
        nodes=(node("shop", member=True), node("web"), node("http"), node("h2"), node("idna", "3.10")),
        links=links,
        starts=(Start(target=0),),
        has_links=has_links,
    )


SHOP = graph(
    Link(source=0, target=1, specifier=">=2"),
    Link(source=0, target=4, scope=Scope(ScopeKind.GROUP, "dev")),
    Link(source=1, target=2, extras=("h2",)),
    Link(source=2, target=3, scope=Scope(ScopeKind.EXTRA, "h2")),
    Link(source=3, target=1, marker="os_name == 'nt'"),
    Link(source=2, target=4),
)


def read_dot(text: str) -> pydot.Dot:
    """What another parser of the language sees."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of how pydot uses pyparsing
        found = pydot.graph_from_dot_data(text)
    assert found is not None
    (read,) = found
    return read


def test_a_tree() -> None:
    assert graph_tree.render(SHOP, VIEW) == (
        "uv.lock\n"
        "└── shop 1.0\n"
        "    ├── web 1.0  >=2\n"
        "    │   └── http 1.0  [h2]\n"
        "    │       ├── h2 1.0  extra h2\n"
        "    │       │   └── web 1.0  if os_name == 'nt' (*)\n"
        "    │       └── idna 3.10\n"
        "    └── idna 3.10  group dev\n"
        "\n"
        "(*) what it requires stands above\n"
    )


def test_a_tree_for_a_narrow_mind() -> None:
    assert graph_tree.render(SHOP, View(unicode=False), 1) == (
        "uv.lock\n`-- shop 1.0\n    |-- web 1.0  >=2\n    `-- idna 3.10  group dev\n"
    )


def test_a_tree_of_a_lock_that_records_no_links() -> None:
    bare = Dependencies(
        title="requirements.txt",
        kind=Kind.LOCKED,
        nodes=(node("a"),),
        links=(),
        starts=(Start(target=0),),
        has_links=False,
    )
    assert graph_tree.render(bare, VIEW) == (
        "requirements.txt\n└── a 1.0\n\nThis lock does not record which package requires which.\n"
    )


def test_every_node_is_in_the_tree() -> None:
    tree = graph_tree.render(SHOP, VIEW)
    assert all(each.title in tree for each in SHOP.nodes)


def _bare(name: object) -> str:
    return str(name).strip('"')


def test_dot_is_read_by_another_parser() -> None:
    read = read_dot(graph_dot.render(SHOP, VIEW))
    nodes = {each.get_name().strip('"') for each in read.get_nodes()} - {"node", "edge"}
    assert nodes == {each.title for each in SHOP.nodes}
    edges = {(_bare(each.get_source()), _bare(each.get_destination())): each.get("label") for each in read.get_edges()}
    assert len(edges) == len(SHOP.links)
    assert edges["h2 1.0", "web 1.0"] == "\"if os_name == 'nt'\""


def test_mermaid() -> None:
    assert graph_mermaid.render(SHOP, VIEW) == (
        "flowchart LR\n"
        '  n0(["shop 1.0"])\n'
        '  n1["web 1.0"]\n'
        '  n2["http 1.0"]\n'
        '  n3["h2 1.0"]\n'
        '  n4["idna 3.10"]\n'
        '  n0 -->|"#62;=2"| n1\n'
        '  n0 -.->|"group dev"| n4\n'
        '  n1 -->|"#91;h2#93;"| n2\n'
        '  n2 -.->|"extra h2"| n3\n'
        "  n3 -.->|\"if os_name == 'nt'\"| n1\n"
        "  n2 --> n4\n"
    )


def test_json() -> None:
    document = json.loads(graph_json.render(SHOP, VIEW))
    assert document["schema"] == "driftscan.graph/1"
    assert document["of"] == {"title": "uv.lock", "kind": "locked", "records_links": True}
    assert document["nodes"][0] == {"id": "shop 1.0", "is_member": True, "name": "shop", "version": "1.0"}
    assert document["links"][1] == {"source": "shop 1.0", "target": "idna 3.10", "group": "dev"}
    assert document["links"][2] == {"source": "web 1.0", "target": "http 1.0", "extras": ["h2"]}
    assert document["starts"] == [{"target": "shop 1.0"}]


class _Page(HTMLParser):
    """What a browser would load and run."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]


def hostile() -> Dependencies:
    evil = Node(name=canonicalize_name("evil"), version=EVIL, origin=EVIL, path=EVIL, layer=LayerId(1, None, EVIL))
    return Dependencies(
        title=EVIL,
        kind=Kind.INSTALLED,
        nodes=(evil, node("b")),
        links=(Link(source=0, target=1, specifier=EVIL, marker=EVIL, extras=(EVIL,)),),
        starts=(Start(target=0, marker=EVIL),),
    )


@pytest.mark.parametrize("made", [SHOP, hostile()], ids=["ordinary", "hostile"])
def test_a_page_that_loads_nothing_and_runs_nothing_else(made: Dependencies) -> None:
    page = _Page()
    text = graph_html.render(made, VIEW)
    page.feed(text)
    assert (page.scripts, page.links) == (2, [])
    assert "default-src 'none'" in text
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert len(json.loads(data)["nodes"]) == len(made.nodes)
    assert "\x1b" not in text


@pytest.mark.parametrize("render", [graph_tree.render, graph_dot.render, graph_mermaid.render, graph_json.render])
def test_hostile_names_stay_text(render: object) -> None:
    assert callable(render)
    text = render(hostile(), VIEW)
    assert "\x1b" not in text
    assert "\u202e" not in text
    if render is graph_dot.render:
        assert len(read_dot(text).get_edges()) == 1
    if render is graph_mermaid.render:
        assert "</script>" not in text
        assert len(text.splitlines()) == 4


def test_nodes_of_one_title_are_told_apart() -> None:
    twice = Dependencies(
        title="t", kind=Kind.LOCKED, nodes=(node("a"), node("a")), links=(), starts=(Start(target=0), Start(target=1))
    )
    assert [each["id"] for each in json.loads(graph_json.render(twice, VIEW))["nodes"]] == ["a 1.0", "a 1.0 (2)"]


def why(made: Dependencies, name: str, view: View = VIEW) -> str:
    found = tuple(shortest(made, position) for position in made.find(canonicalize_name(name)))
    return why_text.render(name, [(made, found)], view)


def test_why() -> None:
    assert why(SHOP, "h2") == "uv.lock\n  h2 1.0\n    shop > web>=2 > http[h2] > h2 (extra h2)\n"
    assert why(SHOP, "idna") == "uv.lock\n  idna 3.10\n    shop > idna (group dev)\n"
    assert why(SHOP, "shop") == "uv.lock\n  shop 1.0\n    it is what the lock was made for\n"
    assert why(SHOP, "nothere") == "uv.lock\n  nothere is not locked\n"


def test_why_something_is_installed() -> None:
    layer = LayerId(6, None, "RUN pip install -U numpy")
    image = Dependencies(
        title="shop:1.4",
        kind=Kind.INSTALLED,
        nodes=(node("numpy", "2.2.0", layer=layer), node("pandas")),
        links=(Link(source=1, target=0, specifier=">=1.26"),),
        starts=(Start(target=1),),
    )
    assert why(image, "numpy") == (
        "shop:1.4\n  numpy 2.2.0 · layer 6: RUN pip install -U numpy\n    pandas > numpy>=1.26\n"
    )
    assert why(image, "pandas") == "shop:1.4\n  pandas 1.0\n    nothing that is installed requires it\n"


def test_many_ways_are_counted() -> None:
    nodes = (node("shop", member=True), node("goal"), *(node(f"m{number}") for number in range(30)))
    links = [
        *(Link(source=0, target=number) for number in range(2, 32)),
        *(Link(source=number, target=1) for number in range(2, 32)),
    ]
    made = Dependencies(title="t", kind=Kind.LOCKED, nodes=nodes, links=tuple(links), starts=(Start(target=0),))
    assert why(made, "goal").splitlines()[-1] == "    and 25 more (-v shows more)"
    assert why(made, "goal", View(verbose=True)).splitlines()[-1] == "    and 5 more"


def test_why_for_programs() -> None:
    found = tuple(shortest(SHOP, position) for position in SHOP.find(canonicalize_name("idna")))
    document = json.loads(why_json.render("idna", [(SHOP, found)], VIEW))
    assert (document["schema"], document["package"]) == ("driftscan.why/1", "idna")
    (answer,) = document["answers"]
    (version,) = answer["found"]
    assert version["node"]["version"] == "3.10"
    assert version["total"] == 1
    assert version["chains"] == [
        {
            "start": {"target": "shop 1.0"},
            "links": [{"source": "shop 1.0", "target": "idna 3.10", "group": "dev"}],
        }
    ]
