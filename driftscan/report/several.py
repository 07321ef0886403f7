"""Reports of several targets in one document, in the formats that can hold them.

JSON is `driftscan.reports/1`: the worst verdict, and an array of objects with the `name` of a target and its `report`,
a `driftscan.report/1`. SARIF has a run, JUnit a test suite, and text and Markdown a heading a target. A page and a
bill of materials are of one image each.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias
from xml.etree.ElementTree import Element, fromstring, indent, tostring

from driftscan.finding import Verdict
from driftscan.report import FORMATS
from driftscan.report.escape import plain, unicode_text
from driftscan.report.github import MOST
from driftscan.report.markdown import LIMIT
from driftscan.report.markdown import text as markdown_text
from driftscan.report.named import Named
from driftscan.report.view import Style, View

SCHEMA = "driftscan.reports/1"

_WORST = (Verdict.DRIFT, Verdict.INCOMPLETE, Verdict.CLEAN)
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


Join: TypeAlias = Callable[[Sequence[Named], View], str]


def worst(reports: Sequence[Named]) -> Verdict:
    return min((each.report.verdict for each in reports), key=_WORST.index)


def _rendered(format_name: str, reports: Sequence[Named], view: View) -> list[str]:
    return [FORMATS[format_name](each.report, view) for each in reports]


def _text(reports: Sequence[Named], view: View) -> str:
    pairs = zip(reports, _rendered("text", reports, view), strict=True)
    return "\n".join(f"{view.paint(f'== {plain(each.name)}', Style.STRONG)}\n{shown}" for each, shown in pairs)


def _json(reports: Sequence[Named], view: View) -> str:
    shown = [
        {"name": unicode_text(each.name), "report": json.loads(text)}
        for each, text in zip(reports, _rendered("json", reports, view), strict=True)
    ]
    return json.dumps({"schema": SCHEMA, "verdict": worst(reports).value, "reports": shown}, indent=2) + "\n"


def _markdown(reports: Sequence[Named], view: View) -> str:
    """Whole reports as long as there is room; of the others the verdict."""
    parts: list[str] = []
    left = LIMIT - sum(_size(_verdict(each)) for each in reports)
    for each, shown in zip(reports, _rendered("markdown", reports, view), strict=True):
        part = f"## {markdown_text(each.name)}\n\n{shown}\n"
        if _size(part) > left:
            part = _verdict(each)
        else:
            left -= _size(part)
        parts.append(part)
    return "".join(parts)


def _verdict(each: Named) -> str:
    return f"## {markdown_text(each.name)}\n\n{each.report.verdict}; there is no room for its findings here\n\n"


def _size(text: str) -> int:
    return len(text.encode())


def _github(reports: Sequence[Named], view: View) -> str:
    """No more annotations of a kind than GitHub keeps of a step."""
    counts: Counter[str] = Counter()
    lines: list[str] = []
    for each, shown in zip(reports, _rendered("github", reports, view), strict=True):
        lines.append(plain(f"== {each.name}"))
        for line in shown.splitlines():
            kind = line.split(" ")[0] if line.startswith("::") else ""
            counts[kind] += 1
            if not kind or counts[kind] <= MOST:
                lines.append(line)
    left = sum(max(0, count - MOST) for kind, count in counts.items() if kind)
    if left:
        lines.append(f"GitHub shows {MOST} annotations of a kind; {left} more are left out")
    return "\n".join(lines) + "\n"


def _gitlab(reports: Sequence[Named], view: View) -> str:
    found: list[dict[str, Any]] = []
    for each, text in zip(reports, _rendered("gitlab", reports, view), strict=True):
        for issue in json.loads(text):
            # The same drift in two images is two issues.
            mark = hashlib.sha256(f"{unicode_text(each.name)} {issue['fingerprint']}".encode()).hexdigest()[:32]
            found.append({**issue, "fingerprint": mark, "description": f"{plain(each.name)}: {issue['description']}"})
    return json.dumps(found, indent=2) + "\n"


def _sarif(reports: Sequence[Named], view: View) -> str:
    documents = [json.loads(text) for text in _rendered("sarif", reports, view)]
    runs = [
        {"automationDetails": {"id": f"driftscan/{unicode_text(each.name)}/"}, **run}
        for each, document in zip(reports, documents, strict=True)
        for run in document["runs"]
    ]
    return json.dumps({**documents[0], "runs": runs}, indent=1) + "\n"


def _junit(reports: Sequence[Named], view: View) -> str:
    totals: Counter[str] = Counter()
    suites = Element("testsuites", name="driftscan")
    for each, text in zip(reports, _rendered("junit", reports, view), strict=True):
        # Written a moment ago by the format's own writer, so there is nothing in it to be afraid of.
        for suite in fromstring(text.removeprefix(_DECLARATION)):  # noqa: S314
            suite.set("name", plain(each.name))
            totals.update({key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")})
            suites.append(suite)
    suites.attrib.update({key: str(count) for key, count in totals.items()})
    indent(suites)
    return _DECLARATION + tostring(suites, encoding="unicode") + "\n"


JOINS: Mapping[str, Join] = MappingProxyType(
    {
        "text": _text,
        "json": _json,
        "markdown": _markdown,
        "sarif": _sarif,
        "junit": _junit,
        "github": _github,
        "gitlab": _gitlab,
    }
)
"""How reports of several targets become one document, by format."""
