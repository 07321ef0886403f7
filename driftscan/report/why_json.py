"""Why a package is there, for programs: `driftscan.why/1`."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.utils import canonicalize_name

from driftscan.graph.chains import Chain, Chains
from driftscan.model.dependencies import Dependencies
from driftscan.report.graph_json import link_object, node_object, start_object
from driftscan.report.graph_words import keys
from driftscan.report.json import Value, dumps, strings
from driftscan.report.view import View

SCHEMA = "driftscan.why/1"


def render(name: str, answers: Sequence[tuple[Dependencies, Sequence[Chains]]], view: View) -> str:  # noqa: ARG001
    return dumps(
        {"schema": SCHEMA, "package": name, "answers": [_answer(name, graph, found) for graph, found in answers]}
    )


def _answer(name: str, graph: Dependencies, found: Sequence[Chains]) -> Value:
    names = keys(graph)
    answer: dict[str, Value] = {
        "of": {"title": graph.title, "kind": graph.kind.value, "records_links": graph.has_links},
        "found": [
            {
                "node": node_object(names[chains.target], graph.nodes[chains.target]),
                "total": chains.total,
                "chains": [_chain(chain, names) for chain in chains.chains],
            }
            for chains in found
        ],
    }
    if places := graph.elsewhere(canonicalize_name(name)):
        answer["elsewhere"] = strings(places)
    return answer


def _chain(chain: Chain, names: tuple[str, ...]) -> Value:
    return {"start": start_object(chain.start, names), "links": [link_object(link, names) for link in chain.links]}
