"""What is different between two images or locks, for people: by part, with the layer that did it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from driftscan.model.differences import Change, Differences, Part, Side
from driftscan.model.lock import Unchecked
from driftscan.report.view import Span, Style, View, joined, wrap
from driftscan.report.words import counted, instruction

_TITLES = {
    Part.BASE: "base",
    Part.CONFIGURATION: "configuration",
    Part.INTERPRETER: "Python",
    Part.PACKAGES: "Python packages",
    Part.CONDA: "conda packages",
    Part.OS_PACKAGES: "OS packages",
    Part.LAYERS: "layers",
}
_NOUNS = {
    Part.PACKAGES: "Python package",
    Part.CONDA: "conda package",
    Part.OS_PACKAGES: "OS package",
    Part.LAYERS: "layer",
}
_MOST = 20
"""Changes of one part that are shown, without `view.verbose`."""


def render(found: Differences, view: View) -> str:
    """What it is about, then a block for each part; with `view.verbose` every change."""
    blocks = [_header(found, view)]
    for part, changes in groupby(found.changes, key=lambda change: change.part):
        blocks.append(_block(part, list(changes), view))
    blocks.append(_unchecked(found.unchecked, view))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _header(found: Differences, view: View) -> list[str]:
    word, style = ("different:", Style.BAD) if found.changes else ("the same:", Style.GOOD)
    said = ", ".join(_counts(found)) if found.changes else "nothing differs that was looked at"
    lines = wrap([Span(word, style), Span(said, Style.STRONG)], view)
    lines += _side("before", found.before, view) + _side("after", found.after, view)
    if found.shared_layers is not None:
        lines += wrap([Span(_shared(found, found.shared_layers))], view)
    return lines


def _shared(found: Differences, number: int) -> str:
    if number == found.before.layers == found.after.layers:
        return "all layers are the same"
    if number == 0:
        return "they share no layer"
    lowest = "the lowest layer is" if number == 1 else f"the lowest {number} layers are"
    return f"{lowest} the same, of {found.before.layers} and {found.after.layers}"


def _counts(found: Differences) -> Iterator[str]:
    for part, changes in groupby(found.changes, key=lambda change: change.part):
        number = sum(1 for _ in changes)
        yield counted(number, _NOUNS[part]) if part in _NOUNS else _TITLES[part]


def _side(label: str, side: Side, view: View) -> list[str]:
    lines = joined(side.facts, view)
    return [f"  {label if index == 0 else '':8}{line}" for index, line in enumerate(lines)]


def _block(part: Part, changes: Sequence[Change], view: View) -> list[str]:
    """Changes of one layer stand together, so that its instruction is told once."""
    shown = changes if view.verbose else changes[:_MOST]
    lines = [view.paint(_TITLES[part], Style.STRONG)]
    if part is Part.LAYERS:
        for change in shown:
            lines += _line(change, view)
    else:
        by_layer = sorted(shown, key=lambda change: change.layer.index if change.layer is not None else 0)
        for layer, together in groupby(by_layer, key=lambda change: change.layer):
            for change in together:
                lines += _line(change, view)
            if layer is not None:
                lead = f"      layer {layer.index}   "
                words = [Span(instruction(layer), Style.FAINT)]
                lines += wrap(words, view, first=lead, rest=" " * len(lead), most=2)
    if len(changes) > len(shown):
        lines.append(f"  and {len(changes) - len(shown)} more; -v shows all")
    return lines


def _line(change: Change, view: View) -> list[str]:
    if change.before is None:
        spans = [Span("+", Style.GOOD), Span(change.subject, Style.STRONG), Span(change.after or "")]
    elif change.after is None:
        spans = [Span("-", Style.BAD), Span(change.subject, Style.STRONG), Span(change.before)]
    else:
        moved = change.before if change.before == change.after else f"{change.before} {_arrow(view)} {change.after}"
        spans = [Span("~", Style.DOUBTFUL), Span(change.subject, Style.STRONG), Span(moved)]
    if change.note:
        spans.append(Span(f"({change.note})", Style.FAINT))
    return wrap(spans, view, first="  ", rest="      ", most=None if view.verbose else 4)


def _arrow(view: View) -> str:
    return "→" if view.unicode else "->"


def _unchecked(items: Iterable[Unchecked], view: View) -> list[str]:
    lines = [line for what, why in items for line in wrap([Span(f"{what}: {why}")], view, first="  ", rest="    ")]
    return [view.paint("not compared", Style.STRONG), *lines] if lines else []
