"""The report of a comparison as JUnit XML, which every CI server shows.

One test case a finding: failed at or above `--fail-on`, passed with its text in `system-out` below that, skipped where
it is suppressed. What could not be checked is an error. Each locked package that nothing was found about is a test
case that passed, so that a clean report is not an empty one.
"""

from __future__ import annotations

from collections import Counter
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from driftscan.finding import Finding, Report
from driftscan.report.escape import plain
from driftscan.report.view import View
from driftscan.report.words import about, excuse, headline, instruction, place

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def render(report: Report, view: View) -> str:  # noqa: ARG001 (every format is called alike)
    suite = Element("testsuite", name="driftscan")
    properties = SubElement(suite, "properties")
    SubElement(properties, "property", name="verdict", value=report.verdict.value)
    SubElement(properties, "property", name="headline", value=plain(headline(report)))
    for finding in report.findings:
        _finding(suite, report, finding)
    for what, why in report.unchecked:
        case = SubElement(suite, "testcase", classname="driftscan.unchecked", name=plain(what))
        SubElement(case, "error", type="unchecked", message=plain(why))
    _passed(suite, report)
    counts = Counter(element.tag for case in suite.iter("testcase") for element in case)
    totals = {
        "tests": str(sum(1 for _ in suite.iter("testcase"))),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
    }
    suite.attrib.update(totals)
    suites = Element("testsuites", {"name": "driftscan", **totals})
    suites.append(suite)
    indent(suites)
    return _DECLARATION + tostring(suites, encoding="unicode") + "\n"


def _finding(suite: Element, report: Report, finding: Finding) -> None:
    case = SubElement(
        suite, "testcase", classname=f"driftscan.{finding.rule}", name=plain(f"{about(finding)}: {finding.message}")
    )
    if finding.location is not None:
        case.set("file", plain(finding.location.path))
        if finding.location.line is not None:
            case.set("line", str(finding.location.line))
    if finding.suppression is not None:
        SubElement(case, "skipped", message=plain(f"suppressed: {', '.join(excuse(finding.suppression))}"))
    elif report.fail_on is not None and finding.severity.rank <= report.fail_on.rank:
        kind = f"{finding.rule} {finding.slug}"
        SubElement(case, "failure", type=kind, message=plain(finding.message)).text = _text(finding)
    else:
        SubElement(case, "system-out").text = f"{finding.severity}: {_text(finding)}"


def _text(finding: Finding) -> str:
    lines = [finding.message, *filter(None, [place(finding)])]
    if finding.layer is not None:
        lines.append(f"layer {finding.layer.index}: {instruction(finding.layer)}")
    if finding.hint:
        lines.append(f"fix: {finding.hint}")
    return "\n".join(map(plain, lines))


def _passed(suite: Element, report: Report) -> None:
    concerned = {finding.package for finding in report.findings}
    names = [str(package.id) for package in report.packages if package.id.name not in concerned]
    if not names and not report.findings and not report.unchecked:
        names = [headline(report)]
    for name in names:
        SubElement(suite, "testcase", classname="driftscan.locked", name=plain(name))
