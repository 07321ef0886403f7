from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.finding import Location, Report, Severity
from driftscan.model.image import LayerId
from driftscan.model.lock import Unchecked
from driftscan.report import text
from driftscan.report.view import View, columns
from driftscan.rules import run
from tests.builders import reports
from tests.builders.broken import broken
from tests.builders.comparisons import compared, lock, locked

Golden = Callable[[str, str], None]


def native() -> Report:
    """More than twenty findings about compiled files, from the rules themselves."""
    place = broken()
    comparison = compared(lock(*(locked(each.name, each.version) for each in place.distributions)), place)
    found = run(comparison, select=["NW"])
    assert len(found) >= 20
    return replace(reports.report(*found, matching=comparison.matching), environment=place, locked=comparison.locked)


REPORTS = {
    "clean": reports.report(matching=45),
    "one": reports.report(reports.MISMATCH, reports.UNEXPECTED),
    "many": reports.many(),
    "alike": reports.alike(),
    "native": native(),
    "incomplete": reports.report(matching=45, unchecked=(Unchecked("files of pyyaml", "its RECORD is damaged"),)),
}
SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [40, 100])
@pytest.mark.parametrize("name", REPORTS)
def test_golden(name: str, width: int, golden: Golden) -> None:
    golden(f"{name}-{width}.txt", text.render(REPORTS[name], View(width=width)))


def test_colour(golden: Golden) -> None:
    golden("many-colour.txt", text.render(REPORTS["many"], View(color=True)))


def test_everything_when_verbose(golden: Golden) -> None:
    golden("many-verbose.txt", text.render(REPORTS["many"], View(verbose=True)))


@pytest.mark.parametrize("name", REPORTS)
def test_colour_changes_nothing_but_colour(name: str) -> None:
    plain = text.render(REPORTS[name], View())
    assert SGR.sub("", text.render(REPORTS[name], View(color=True))) == plain


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_only_a_single_word_is_wider_than_the_view(width: int) -> None:
    for line in text.render(reports.many(), View(width=width)).splitlines():
        assert columns(line) <= width or len(line.split()) <= 2


def test_only_ascii_where_asked() -> None:
    assert text.render(reports.many(), View(unicode=False)).isascii()


def test_paths_stay_whole_at_any_width() -> None:
    shown = text.render(reports.many(), View(width=20))
    assert f"{reports.SITE}/requests/module_0.py" in shown


def test_long_instructions_are_cut_but_not_when_verbose() -> None:
    words = [f"word{number}" for number in range(200)]
    finding = replace(reports.MISMATCH, layer=reports.layer(2, f"RUN {' '.join(words)}"))
    short = text.render(reports.report(finding), View())
    assert "word199" not in short
    assert "…" in short
    assert "word199" in text.render(reports.report(finding), View(verbose=True))


def test_the_worst_package_comes_first() -> None:
    warning = replace(reports.MISMATCH, package="aaa", severity=Severity.WARNING, message="a warning")
    shown = text.render(reports.report(warning, reports.MISMATCH), View())
    assert shown.index("\nnumpy\n") < shown.index("\naaa\n")


def test_of_packages_that_are_as_bad_the_one_with_the_most_findings_comes_first() -> None:
    other = replace(reports.MISMATCH, package="aaa", message="another")
    more = replace(reports.MISMATCH, rule="NW305", message="more")
    everything = replace(reports.MISMATCH, package=None, message="of no package")
    shown = text.render(reports.report(other, reports.MISMATCH, more, everything), View())
    titles = [line for line in shown.splitlines()[4:] if line and not line.startswith(" ")]
    assert titles == ["uv.lock", "numpy", "aaa", "`driftscan explain DR202` tells more about a rule"]


def test_the_rule_of_the_worst_finding_is_where_to_read_on() -> None:
    warning = replace(reports.MISMATCH, rule="IN403", severity=Severity.WARNING)
    shown = text.render(reports.report(warning, reports.MISMATCH), View(color=True))
    assert shown.endswith("\n\n\x1b[2m`driftscan explain DR202` tells more about a rule\x1b[0m\n")
    for nothing in ((), (reports.UNEXPECTED,)):
        assert "explain" not in text.render(reports.report(*nothing), View())


def test_a_layer_that_findings_of_a_package_share_is_told_once() -> None:
    more = replace(reports.MISMATCH, rule="NW305", message="more", hint="another")
    shown = text.render(reports.report(reports.MISMATCH, more), View())
    assert shown.count("RUN pip install -U numpy") == 1
    assert shown.index("layer 6") < shown.index("  error")
    elsewhere = replace(more, rule="NW306", message="elsewhere", layer=reports.layer(9, "RUN rm"))
    shown = text.render(reports.report(reports.MISMATCH, more, elsewhere), View())
    assert shown.count("RUN pip install -U numpy") == shown.count("RUN rm") == 1
    nowhere = replace(elsewhere, layer=None)
    assert text.render(reports.report(reports.MISMATCH, more, nowhere), View()).count("RUN pip install") == 2


@pytest.mark.parametrize(
    ("locked", "matching", "line"),
    [(1, 1, "clean: 1 of 1 package matches"), (0, 0, "clean: 0 of 0 packages match")],
)
def test_counts(locked: int, matching: int, line: str) -> None:
    report = replace(reports.report(), locked=locked, matching=matching)
    assert text.render(report, View()).splitlines()[0] == line


def test_without_an_environment() -> None:
    report = replace(reports.report(), environment=None)
    assert text.render(report, View()).splitlines()[1:] == ["shop:1.4 (docker) · linux/amd64", "uv.lock"]


def test_markup_is_text() -> None:
    finding = replace(reports.MISMATCH, message="[red]numpy[/red] [/]")
    assert "[red]numpy[/red] [/]" in text.render(reports.report(finding), View(color=True))


def test_no_workflow_command_starts_a_line() -> None:
    finding = replace(
        reports.MISMATCH, layer=reports.layer(2, "RUN x\n ::add-mask::secret ##vso[task.setvariable]y ##[error]z")
    )
    shown = text.render(reports.report(finding), View(width=20, verbose=True))
    assert "::add-mask" not in shown
    assert "##" not in shown


@given(untrusted=st.text(alphabet=st.characters(codec=None), max_size=30), width=st.integers(20, 120))
def test_untrusted_text_stays_on_its_line(untrusted: str, width: int) -> None:
    """With any text in place of a harmless word there are no control characters, and no lines but wrapped ones."""
    shown = text.render(_with(untrusted), View(width=width, verbose=True))
    assert all(character == "\n" or character.isprintable() for character in shown)
    assert shown.encode("utf-8")
    wide = View(width=10_000, verbose=True)
    assert text.render(_with(untrusted), wide).count("\n") == text.render(_with("word"), wide).count("\n")


def _with(word: str) -> Report:
    finding = replace(
        reports.MISMATCH,
        package=f"p{word}",
        message=f"m{word}",
        layer=LayerId(2, None, f"RUN {word}"),
        chain=("a", word),
        location=Location(path=f"x{word}", line=1),
        hint=f"h{word}",
    )
    note = replace(finding, severity=Severity.INFO)
    unchecked = Unchecked(f"w{word}", f"y{word}")
    target = replace(reports.IMAGE, reference=f"r{word}")
    return replace(reports.report(finding, note, unchecked=(unchecked,)), target=target)
