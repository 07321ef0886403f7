"""The report of a comparison for people: the verdict first, then what differs, the worst package first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from driftscan.finding import Finding, Report, Severity, Verdict
from driftscan.model.image import LayerId
from driftscan.model.lock import Unchecked
from driftscan.report import scorecard
from driftscan.report.view import Span, Style, View, columns, joined, wrap
from driftscan.report.words import about, excuse, headline, instruction, lock_facts, place, proof_facts, target_facts

SEVERITY_STYLES = {Severity.ERROR: Style.BAD, Severity.WARNING: Style.DOUBTFUL, Severity.INFO: Style.NOTE}
_VERDICT_STYLES = {Verdict.DRIFT: Style.BAD, Verdict.INCOMPLETE: Style.DOUBTFUL, Verdict.CLEAN: Style.GOOD}

_LIKE_FINDINGS = 4
"""Findings of one rule, package and cause that are shown before the rest is counted."""
_MANY_PACKAGES = 4
"""Packages with the same single kind of finding that are put under one heading."""
_LIKE_PACKAGES = 8
_SAME_LAYER = 2
"""Findings of one package and layer of which the layer is told once, above them."""
_NOTES = 12
_INSTRUCTION = 300
"""Columns of an instruction that are shown."""
_Kind: TypeAlias = tuple[Severity, str, LayerId | None]

_DETAIL = 10
"""Columns of the label of a detail."""

NARROW = 60
"""Columns below which indentation is spared."""


def render(report: Report, view: View) -> str:
    """One screen; with `view.verbose` everything."""
    matters = [finding for finding in report.active if finding.severity is not Severity.INFO]
    notes = [finding for finding in report.active if finding.severity is Severity.INFO]
    blocks = [
        _header(report, view),
        *(_group(group, view) for group in _groups(matters)),
        _notes(notes, view),
        scorecard.lines(report.practices, view),
        _suppressed(report.suppressed, view),
        _unchecked(report.unchecked, view),
        _more_of_rules(matters, view),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _header(report: Report, view: View) -> list[str]:
    verdict = report.verdict
    title = Span(f"{verdict}:", _VERDICT_STYLES[verdict])
    lines = wrap([title, Span(headline(report), Style.STRONG)], view)
    lines += joined(target_facts(report), view)
    lines += joined(lock_facts(report), view)
    lines += joined(proof_facts(report), view)
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Findings under one heading: those of one package, or (`mixed`) the same finding about several packages."""

    title: str
    findings: tuple[Finding, ...]
    mixed: bool = False

    @property
    def rank(self) -> tuple[int, bool, int]:
        """The least for what is worst: the worst severity, then what is about no single package, then the number."""
        worst = min(finding.severity.rank for finding in self.findings)
        is_about_one = any(finding.package is not None for finding in self.findings)
        return worst, is_about_one, -sum(finding.severity.rank == worst for finding in self.findings)

    @property
    def layer(self) -> LayerId | None:
        """The layer that is told once for the group: that of several of its findings, where all of them have one."""
        layers = Counter(finding.layer for finding in self.findings)
        layer, number = layers.most_common(1)[0]
        return None if self.mixed or None in layers or number < _SAME_LAYER else layer


def _groups(findings: Iterable[Finding]) -> list[_Group]:
    """Findings by package, the one with the worst findings, and most of them, first; what is alike in many packages is
    told once.
    """
    packages: dict[str, list[Finding]] = {}
    for finding in findings:
        packages.setdefault(about(finding), []).append(finding)
    alike: dict[_Kind, list[str]] = {}
    for name, found in packages.items():
        if len({_kind(finding) for finding in found}) == 1:
            alike.setdefault(_kind(found[0]), []).append(name)
    shared = {name: names for names in alike.values() if len(names) >= _MANY_PACKAGES for name in names}
    groups: dict[str, _Group] = {}
    for name, found in packages.items():
        if name in shared:
            names = shared[name]
            together = tuple(finding for each in names for finding in packages[each])
            groups.setdefault(names[0], _Group(title=f"{len(names)} packages", findings=together, mixed=True))
        else:
            groups[name] = _Group(title=name, findings=tuple(found))
    return sorted(groups.values(), key=lambda group: group.rank)


def _kind(finding: Finding) -> _Kind:
    """What findings about several packages have in common that are told together."""
    return finding.severity, finding.rule, finding.layer


def _group(group: _Group, view: View) -> list[str]:
    lines = wrap([Span(group.title, Style.STRONG)], view)
    ordered = sorted(group.findings, key=lambda finding: finding.severity.rank)
    blocks = [list(alike) for _, alike in groupby(ordered, key=_kind if group.mixed else _context_and_details)]
    told = group.layer if len(blocks) > 1 else None
    if told is not None:
        lines += _detail(*_layer(told), view)
    for block in blocks:
        lines += _alike(block, view, mixed=group.mixed, told=told)
    return lines


def _context_and_details(finding: Finding) -> tuple[object, ...]:
    return finding.severity, _context(finding), _details(finding)


def _alike(findings: Sequence[Finding], view: View, *, mixed: bool, told: LayerId | None) -> list[str]:
    """Findings that differ in their message (and place, where `mixed`), and once what they have in common, except for
    the layer that was `told` before.
    """
    hang = _hang(view)
    most = _LIKE_PACKAGES if mixed else _LIKE_FINDINGS
    shown = findings if view.verbose or len(findings) <= most + 1 else findings[:most]
    lines: list[str] = []
    for finding in shown:
        label = "  " + finding.severity.value + " " * max(len(hang) - 2 - len(finding.severity.value), 1)
        place = [Span(f"{view.separator} {place}", Style.FAINT) for place in _places(finding) if mixed]
        lines += _labelled(label, SEVERITY_STYLES[finding.severity], [Span(finding.message), *place], hang, view)
    if len(shown) < len(findings):
        rest = f"and {len(findings) - len(shown)} more like these (-v shows all)"
        lines += wrap([Span(rest)], view, first=hang, rest=hang)
    context = f" {view.separator} ".join(_context(findings[0])[: 1 if mixed else None])
    lines += wrap([Span(context, Style.FAINT)], view, first=hang, rest=hang)
    for label, text in _details(findings[0]):
        if told is not None and (label, text) == _layer(told):
            continue
        shared = all((label, text) in _details(finding) for finding in findings)
        lines += _detail(label, text if shared else f"e.g. {text}", view)
    return lines


def _detail(label: str, text: str, view: View) -> list[str]:
    most = -(-_INSTRUCTION // view.width) if label.startswith("layer") and not view.verbose else None
    padded = _hang(view) + label + " " * max(_DETAIL - columns(label), 1)
    rest = " " * columns(padded) if view.width >= NARROW else _hang(view) + "  "
    return _labelled(padded, Style.FAINT, [Span(text)], rest, view, most=most)


def _hang(view: View) -> str:
    return " " * (11 if view.width >= NARROW else 4)


def _labelled(
    label: str, style: Style, spans: Iterable[Span], rest: str, view: View, *, most: int | None = None
) -> list[str]:
    """`spans` after a label in its own style, further lines indented by `rest`."""
    first, *others = wrap(spans, view, first=label, rest=rest, most=most)
    bare = label.strip()
    return [first.replace(bare, view.paint(bare, style), 1), *others]


def _context(finding: Finding) -> tuple[str, ...]:
    """Rule, place in the lock, dependency chain."""
    found = [f"{finding.rule} {finding.slug}", *_places(finding)]
    if len(finding.chain) > 1:
        found.append(f"via {' > '.join(finding.chain)}")
    return tuple(found)


def _places(finding: Finding) -> tuple[str, ...]:
    return tuple(filter(None, [place(finding)]))


def _details(finding: Finding) -> tuple[tuple[str, str], ...]:
    """Label and text: the layer with its instruction, the way out."""
    found: list[tuple[str, str]] = []
    if finding.layer:
        found.append(_layer(finding.layer))
    if finding.hint:
        found.append(("fix", finding.hint))
    return tuple(found)


def _layer(layer: LayerId) -> tuple[str, str]:
    return f"layer {layer.index}", instruction(layer)


def _notes(findings: Sequence[Finding], view: View) -> list[str]:
    """Findings of severity info, a line each."""
    if not findings:
        return []
    lines = [view.paint("info", SEVERITY_STYLES[Severity.INFO])]
    shown = findings if view.verbose or len(findings) <= _NOTES else findings[: _NOTES - 1]
    for finding in shown:
        facts = [f"{finding.rule} {finding.slug}", *([f"layer {finding.layer.index}"] if finding.layer else [])]
        context = "".join(f"{view.separator} {fact} " for fact in facts)
        lines += wrap([Span(finding.message), Span(context, Style.FAINT)], view, first="  ", rest="    ")
    return lines + _more(len(findings) - len(shown), view)


def _suppressed(findings: Sequence[Finding], view: View) -> list[str]:
    """What is there and does not count, and who said so."""
    if not findings:
        return []
    lines = [view.paint("suppressed", Style.FAINT)]
    shown = findings if view.verbose or len(findings) <= _NOTES else findings[: _NOTES - 1]
    for finding in shown:
        facts = [f"{finding.rule} {finding.slug}", *excuse(finding.suppression)]
        context = "".join(f"{view.separator} {fact} " for fact in facts)
        lines += wrap([Span(finding.message), Span(context, Style.FAINT)], view, first="  ", rest="    ")
    return lines + _more(len(findings) - len(shown), view)


def _unchecked(unchecked: Sequence[Unchecked], view: View) -> list[str]:
    """What could not be determined, under the reason it shares with others."""
    if not unchecked:
        return []
    lines = [view.paint("not checked", Style.DOUBTFUL)]
    shown = unchecked if view.verbose or len(unchecked) <= _NOTES else unchecked[: _NOTES - 1]
    for what, why in shown:
        lines += wrap([Span(f"{what}:"), Span(why, Style.FAINT)], view, first="  ", rest="    ")
    return lines + _more(len(unchecked) - len(shown), view)


def _more(number: int, view: View) -> list[str]:
    return [view.paint(f"  and {number} more (-v shows all)", Style.FAINT)] if number else []


def _more_of_rules(findings: Sequence[Finding], view: View) -> list[str]:
    """Where the rule of the worst finding is explained."""
    if not findings:
        return []
    worst = min(findings, key=lambda finding: finding.severity.rank)
    return wrap([Span(f"`driftscan explain {worst.rule}` tells more about a rule", Style.FAINT)], view)
