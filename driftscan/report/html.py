"""The report of a comparison as one page to look at: findings to filter, layers, the dependency graph.

The findings are in the page as they are, readable where no script may run; the script filters them and draws the graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from driftscan.finding import Finding, Outcome, Report, Severity
from driftscan.fingerprint import fingerprints
from driftscan.model.image import LayerId
from driftscan.report.drift_graph import DriftGraph, DriftLink, DriftNode, merged
from driftscan.report.escape import plain
from driftscan.report.graph_words import asked, link_condition
from driftscan.report.page import page
from driftscan.report.report_page import SCRIPT, STYLE
from driftscan.report.ruledocs import of_code
from driftscan.report.view import View
from driftscan.report.words import about, excuse, headline, instruction, lock_facts, place, proof_facts, target_facts

_SUPPRESSED = "suppressed"
_OUTCOMES = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.UNKNOWN: "?"}


def render(report: Report, view: View) -> str:  # noqa: ARG001 (every format is called alike)
    graph = merged(report)
    views = {name: markup for name, markup in _views(report, graph) if markup}
    body = "\n".join((_header(report), _tabs(views), "<main>", *_panels(views), "</main>"))
    subject = report.target.reference if report.target else " ".join(lock.path for lock in report.locks)
    return page(title=f"{report.verdict}: {subject}", style=STYLE, body=body, data=_data(report, graph), script=SCRIPT)


def _views(report: Report, graph: DriftGraph) -> Iterator[tuple[str, str]]:
    yield "Findings", _findings(report)
    yield "Practices", _practices(report)
    yield "Layers", _layers(report)
    yield "Graph", _GRAPH if graph.nodes else ""
    yield "Not checked", _unchecked(report)


def _tabs(views: Iterable[str]) -> str:
    buttons = (
        f'<button type="button" role="tab" id="tab-{number}" aria-controls="view-{number}">{name}</button>'
        for number, name in enumerate(views)
    )
    return f'<div role="tablist" aria-label="Parts of the report">{"".join(buttons)}</div>'


def _panels(views: dict[str, str]) -> Iterator[str]:
    for number, (name, markup) in enumerate(views.items()):
        kind = name.lower().replace(" ", "-")
        identity = f'role="tabpanel" id="view-{number}" data-view="{kind}" aria-labelledby="tab-{number}" tabindex="-1"'
        yield f"<section {identity}><h2>{name}</h2>{markup}</section>"


def _header(report: Report) -> str:
    facts = "".join(
        f"<p>{' · '.join(_text(fact) for fact in line)}</p>"
        for line in (list(target_facts(report)), list(lock_facts(report)), list(proof_facts(report)))
        if line
    )
    verdict = report.verdict.value
    return f'<header class="{verdict}"><h1><b>{verdict}</b> {_text(headline(report))}</h1>{facts}</header>'


def _findings(report: Report) -> str:
    if not report.findings:
        return "<p>Nothing was found.</p>"
    marks = fingerprints(report.findings)
    items = "".join(_finding(finding, mark) for finding, mark in zip(report.findings, marks, strict=True))
    return f'{_filters(report.findings)}<div id="findings">{items}</div>'


def _filters(findings: Sequence[Finding]) -> str:
    kinds = Counter(map(_kind, findings))
    boxes = "".join(
        f'<label class="{kind}"><input type="checkbox" name="kind" value="{kind}" checked> {kind} {kinds[kind]}</label>'
        for kind in (*(severity.value for severity in Severity), _SUPPRESSED)
        if kinds[kind]
    )
    rules = Counter(f"{finding.rule} {finding.slug}" for finding in findings)
    layers = {finding.layer.index: finding.layer for finding in findings if finding.layer}
    return (
        '<form role="search" aria-label="Filter findings">'
        '<input type="search" placeholder="Search findings  /" aria-label="Search findings">'
        f"<fieldset><legend>Severity</legend>{boxes}</fieldset>"
        f"{_choice('rule', 'All rules', [(_text(rule), f'{rule} ({rules[rule]})') for rule in sorted(rules)])}"
        f"{_choice('layer', 'All layers', [(str(each), _layer_title(layers[each])) for each in sorted(layers)])}"
        '<button type="reset">Clear</button><output aria-live="polite"></output></form>'
    )


def _choice(name: str, everything: str, options: Iterable[tuple[str, str]]) -> str:
    shown = "".join(f'<option value="{value}">{_text(text)}</option>' for value, text in options)
    hidden = "" if shown else " hidden"
    first = f'<option value="">{everything}</option>'
    return f'<select name="{name}" aria-label="{everything}"{hidden}>{first}{shown}</select>'


def _layer_title(layer: LayerId) -> str:
    made = instruction(layer)
    return f"layer {layer.index}: {made if len(made) <= 60 else f'{made[:59]}…'}"


def _kind(finding: Finding) -> str:
    return _SUPPRESSED if finding.suppression is not None else finding.severity.value


def _finding(finding: Finding, mark: str) -> str:
    kind = _kind(finding)
    layer = str(finding.layer.index) if finding.layer else ""
    rule = _text(f"{finding.rule} {finding.slug}")
    facts = "".join(f"<dt>{name}</dt><dd>{_text(text)}</dd>" for name, text in _facts(finding, mark))
    return (
        f'<details class="{kind}" id="f-{mark}" data-kind="{kind}" data-rule="{rule}" data-layer="{layer}">'
        f"<summary><b>{kind}</b> <strong>{_text(about(finding))}</strong> "
        f"<span>{_text(finding.message)}</span> <code>{_text(finding.rule)}</code></summary><dl>{facts}</dl></details>"
    )


def _facts(finding: Finding, mark: str) -> Iterator[tuple[str, str]]:
    yield "rule", f"{finding.rule} {finding.slug}"
    if finding.suppression is not None:
        yield "suppressed", " · ".join(excuse(finding.suppression))
    if stands := place(finding):
        yield "stands at", stands
    if finding.path:
        yield "in the image", finding.path
    if finding.layer:
        yield f"layer {finding.layer.index}", instruction(finding.layer)
    if len(finding.chain) > 1:
        yield "required by way of", " > ".join(finding.chain)
    if finding.hint:
        yield "fix", finding.hint
    yield "fingerprint", mark


def _practices(report: Report) -> str:
    rows = "".join(
        f'<li class="{practice.outcome.value}"><h3><b>{_OUTCOMES[practice.outcome]} {practice.outcome.value}</b> '
        f"{practice.number}. {_text(practice.title)}</h3><ul>"
        + "".join(
            f'<li class="{each.outcome.value}"><b>{_OUTCOMES[each.outcome]}</b> {_text(each.text)} '
            f"<code>{_text(each.rule)}</code> <small>{_text(each.grade)}</small></li>"
            for each in practice.evidence
        )
        + "</ul></li>"
        for practice in report.practices
    )
    return f'<ol class="practices">{rows}</ol>' if rows else ""


def _layers(report: Report) -> str:
    """All layers of the image from the first, with what was installed in each and what was found about it."""
    layers = report.inventory.layers if report.inventory is not None else ()
    installed = Counter(
        found.layer.index
        for found in (report.environment.distributions if report.environment is not None else ())
        if found.layer is not None
    )
    found = Counter((finding.layer.index, _kind(finding)) for finding in report.findings if finding.layer)
    rows = "".join(_layer(layer, installed[layer.index], found) for layer in layers)
    return f'<ol class="layers">{rows}</ol>' if rows else ""


def _layer(layer: LayerId, installed: int, found: Counter[tuple[int, str]]) -> str:
    kinds = [kind for kind in (*(severity.value for severity in Severity), _SUPPRESSED) if found[layer.index, kind]]
    counts = "".join(f'<b class="{kind}">{found[layer.index, kind]} {kind}</b> ' for kind in kinds)
    shown = f'<button type="button" data-layer="{layer.index}">{counts}</button>' if kinds else ""
    packages = f"<small>{installed} package{'' if installed == 1 else 's'}</small>" if installed else ""
    digest = f"<small><code>{_text(layer.diff_id)}</code></small>" if layer.diff_id else ""
    worst = kinds[0] if kinds else ""
    return (
        f'<li class="{worst}"><span>{layer.index}</span><div><code>{_text(instruction(layer))}</code>'
        f"<p>{shown}{packages}{digest}</p></div></li>"
    )


_GRAPH = """<div class="graph"><div class="canvas">
<p class="legend"><b class="error">error</b> <b class="warning">warning</b> <b class="info">info</b>
<b class="suppressed">suppressed</b> <b class="fine">as locked</b> <b class="gone">dashed: not installed</b></p>
<svg role="application" tabindex="0" aria-label="Dependency graph; arrow keys go along the links"><g></g></svg>
<div class="zoom"><button type="button" data-does="out" aria-label="Zoom out">-</button>
<button type="button" data-does="in" aria-label="Zoom in">+</button>
<button type="button" data-does="fit">Fit</button>
<button type="button" data-does="next">Next finding</button></div></div>
<aside aria-live="polite"></aside></div>"""


def _unchecked(report: Report) -> str:
    rows = "".join(f"<dt>{_text(what)}</dt><dd>{_text(why)}</dd>" for what, why in report.unchecked)
    return f"<dl>{rows}</dl>" if rows else ""


def _data(report: Report, graph: DriftGraph) -> object:
    codes = sorted({finding.rule for finding in report.findings})
    rules = {code: rule for code in codes if (rule := of_code(code)) is not None}
    return {
        "rules": {code: [plain(rule.summary), plain(rule.why)] for code, rule in rules.items()},
        "nodes": [_node(report, node) for node in graph.nodes],
        "links": [_link(link, compared=report.environment is not None) for link in graph.links],
        "starts": [{"target": start} for start in graph.starts],
    }


def _node(report: Report, node: DriftNode) -> object:
    kinds = [_kind(report.findings[position]) for position in node.findings]
    ranks = [*(severity.value for severity in Severity), _SUPPRESSED]
    worst = min(kinds, key=ranks.index) if kinds else ""
    gone = " gone" if node.is_compared and not node.is_installed else ""
    facts = [f"locked: {', '.join(node.locked) or '(no version)'}"] if node.is_locked else ["not locked"]
    if node.is_compared:
        facts.append(f"installed: {', '.join(node.installed)}" if node.is_installed else "not installed")
    if node.layer is not None:
        facts.append(f"layer {node.layer.index}: {instruction(node.layer)}")
    return {
        "id": plain(node.title),
        "kind": f"{'member ' if node.is_member else ''}{worst}{gone}".strip(),
        "facts": list(map(plain, facts)),
        "findings": list(node.findings),
    }


def _link(link: DriftLink, *, compared: bool) -> object:
    is_told = not compared or link.in_lock == link.in_image
    where = "" if is_told else "in the lock only" if link.in_lock else "in the image only"
    return {
        "source": link.source,
        "target": link.target,
        "asked": plain(asked("", link.link.extras, link.link.specifier).strip()),
        "when": plain(", ".join(filter(None, (link_condition(link.link), where)))),
    }


def _text(untrusted: str) -> str:
    return escape(plain(untrusted))
