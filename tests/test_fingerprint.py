from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.finding import Finding, Location, Severity, Suppression
from driftscan.fingerprint import fingerprints, stable_path
from driftscan.model.image import LayerId
from tests.builders import reports

SITE = "/opt/venv/lib/python3.11/site-packages"
MODIFIED = Finding(
    rule="IN401",
    slug="modified-file",
    severity=Severity.ERROR,
    message="a file of wrapt 2.5.2 differs from its RECORD",
    package="wrapt",
    installed=("2.5.2",),
    path=f"{SITE}/wrapt/a.py",
)
UNHASHED = Finding(
    rule="LK103",
    slug="missing-hash",
    severity=Severity.ERROR,
    message="numpy 2.1.3 has no hash",
    package="numpy",
    locked=("2.1.3",),
    location=Location(path="requirements.txt", line=4),
)


def _same(finding: Finding, **changes: Any) -> bool:
    return fingerprints([finding]) == fingerprints([replace(finding, **changes)])


@pytest.mark.parametrize("finding", [reports.MISMATCH, MODIFIED, UNHASHED], ids=lambda finding: finding.rule)
def test_it_survives_a_rebuild_a_reordered_lock_and_another_wording(finding: Finding) -> None:
    assert _same(
        finding,
        layer=LayerId(9, "sha256:other", "RUN something else"),
        message="other words",
        hint="another hint",
        severity=Severity.WARNING,
        location=Location(path="elsewhere/uv.lock", line=999),
        chain=("another", "chain"),
        suppression=Suppression("pyproject.toml"),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "DR201"},
        {"package": "x"},
        {"locked": ("2",)},
        {"installed": ("3",)},
        {"path": "/x"},
        {"subject": ("y",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_it_tells_drift_apart(change: dict[str, Any]) -> None:
    assert not _same(reports.MISMATCH, **change)


def test_another_version_is_another_finding_only_where_versions_are_what_it_is_about() -> None:
    assert not _same(reports.MISMATCH, installed=("2.2.1",))
    assert _same(MODIFIED, installed=("2.6.0",))
    assert _same(UNHASHED, locked=("2.1.4",))
    pins = replace(UNHASHED, rule="LK106", locked=("1", "2"))
    assert not _same(pins, locked=("1", "3"))
    assert _same(pins, locked=("2", "1"))


def test_a_path_counts_but_not_for_rules_about_the_lock_alone() -> None:
    assert not _same(MODIFIED, path=f"{SITE}/wrapt/b.py")
    assert _same(replace(UNHASHED, rule="LK102"), path=f"{SITE}/numpy-2.1.3.dist-info")


def test_a_subject_stands_for_the_path() -> None:
    group = replace(MODIFIED, subject=(f"{SITE}/wrapt/a.py", f"{SITE}/wrapt/b.py"))
    assert _same(group, path=f"{SITE}/wrapt/b.py", subject=group.subject[::-1])
    assert not _same(group, subject=(*group.subject, f"{SITE}/wrapt/c.py"))


def test_without_package_subject_and_path_the_message_tells_findings_apart() -> None:
    stale = replace(UNHASHED, rule="LK107", package=None, message="flask is required and not locked")
    assert not _same(stale, message="django is required and not locked")


def test_numbers_of_lines_and_layers_do_not_count() -> None:
    copied = replace(UNHASHED, rule="IM531", package=None, message=". is copied before pip installs (line 4, layer 12)")
    assert _same(copied, message=". is copied before pip installs (line 9, layer 3)")
    assert not _same(copied, message="src is copied before pip installs (line 4, layer 12)")
    assert _same(replace(copied, subject=("pip (line 4)",)), subject=("pip (line 5)",))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{SITE}/numpy-2.1.3.dist-info", f"{SITE}/numpy-2.2.0rc1.dist-info"),
        (f"{SITE}/numpy-2.1.3.dist-info/METADATA", f"{SITE}/numpy-2.2.0.dist-info/METADATA"),
        (f"{SITE}/old-1.0-py3.11.egg-info", f"{SITE}/old-1.1-py3.11.egg-info"),
        (f"{SITE}/wrapt/a.py", "/opt/venv/lib/python3.13/site-packages/wrapt/a.py"),
        (f"{SITE}/wrapt/a.py", "/opt/venv/lib/python3.13t/site-packages/wrapt/a.py"),
        ("/opt/pypy/lib/pypy3.10/site-packages/a.py", "/opt/pypy/lib/pypy3.11/site-packages/a.py"),
        (f"{SITE}/numpy.libs/libgfortran-040039e1.so.5.0.0", f"{SITE}/numpy.libs/libgfortran-8f1e9814.so.5.0.0"),
        ("/opt/conda/conda-meta/py-lief-1.2-h1_0.json", "/opt/conda/conda-meta/py-lief-1.3-h77_1.json"),
    ],
)
def test_paths_of_two_builds(one: str, other: str) -> None:
    assert stable_path(one) == stable_path(other)
    assert stable_path(stable_path(one)) == stable_path(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{SITE}/numpy-2.1.3.dist-info", f"{SITE}/numpy_financial-2.1.3.dist-info"),
        (f"{SITE}/old-1.0.egg-info", f"{SITE}/old-1.0.dist-info"),
        ("/opt/conda/conda-meta/py-lief-1.2-h1_0.json", "/opt/conda/conda-meta/lief-1.2-h1_0.json"),
        ("/srv/data-2024.json", "/srv/data-2025.json"),
        (f"{SITE}/a-1/b.py", f"{SITE}/a-2/b.py"),
        ("/usr/lib/python3/dist-packages/a.py", "/usr/local/lib/python3.11/dist-packages/a.py"),
    ],
)
def test_paths_of_different_things(one: str, other: str) -> None:
    assert stable_path(one) != stable_path(other)


def test_it_does_not_depend_on_the_order() -> None:
    findings = list(reports.many().findings)
    forwards = dict(zip(findings, fingerprints(findings), strict=True))
    findings.reverse()
    assert dict(zip(findings, fingerprints(findings), strict=True)) == forwards


def test_findings_that_differ_in_words_only_are_numbered() -> None:
    twins = [replace(reports.MISMATCH, message=message) for message in "ab"]
    one, two = fingerprints(twins)
    assert one != two
    assert fingerprints(twins[::-1]) == (two, one)


@given(st.lists(st.tuples(st.sampled_from(["DR202", "IN401", "LK107"]), st.text(alphabet=st.characters(codec=None)))))
def test_whatever_findings_say_no_two_have_the_same(texts: list[tuple[str, str]]) -> None:
    findings = [replace(MODIFIED, rule=rule, package=text or None, path=text, message=text) for rule, text in texts]
    found = fingerprints(findings)
    assert len(set(found)) == len(findings)
    assert all(len(each) == 32 and set(each) <= set("0123456789abcdef") for each in found)
