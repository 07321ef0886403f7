"""What is different between two images or locks, for programs: `driftscan.diff/1`."""

from __future__ import annotations

from driftscan.model.differences import Change, Differences, Side
from driftscan.report.escape import unicode_text
from driftscan.report.json import Value, dumps, layer_object, present, strings
from driftscan.report.view import View

SCHEMA = "driftscan.diff/1"


def render(found: Differences, view: View) -> str:  # noqa: ARG001 (every format is called alike)
    document: dict[str, Value] = {
        "schema": SCHEMA,
        "different": bool(found.changes),
        "before": _side(found.before),
        "after": _side(found.after),
    }
    if found.shared_layers is not None:
        document["shared_layers"] = found.shared_layers
    document["changes"] = [_change(change) for change in found.changes]
    document["unchecked"] = [{"what": unicode_text(what), "why": unicode_text(why)} for what, why in found.unchecked]
    return dumps(document)


def _side(side: Side) -> dict[str, Value]:
    return present(name=side.name, facts=strings(side.facts), layers=side.layers)


def _change(change: Change) -> dict[str, Value]:
    return present(
        part=change.part.value,
        change=_kind(change),
        subject=change.subject,
        before=change.before,
        after=change.after,
        note=change.note,
        layer=layer_object(change.layer),
    )


def _kind(change: Change) -> str:
    if change.before is None:
        return "added"
    return "removed" if change.after is None else "changed"
