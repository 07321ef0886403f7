"""`driftscan explain` and `driftscan rules`, as they are typed and as they look."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftscan.api.explaining import explain
from driftscan.cli import run
from driftscan.report.explanations import EXPLAIN_FORMATS, RULES_FORMATS
from driftscan.report.view import View
from driftscan.rules import RULES

START = """\
DR202 version-mismatch

Error: locked and installed versions differ.

What goes wrong

What was tested with the lock is not what runs.
"""
END = """\
requirements.txt:

    idna==3.6 \\
        --hash=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

image.tar, by what each instruction puts into it:

    RUN pip install --require-hashes -r requirements.txt:
    - idna 3.6

    $ driftscan compare requirements.txt image.tar --select DR
"""

Said = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", ["DR202", "dr202", "version-mismatch", "Version-Mismatch"])
def test_a_rule_is_called_by_code_or_name(name: str, capsys: Said) -> None:
    assert run(["explain", name]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(START)
    assert out.endswith(END)
    assert err == ""
    assert "\x1b" not in out
    assert [line for line in out.splitlines() if line != line.rstrip()] == []


def test_several_rules_each_once_or_by_how_their_codes_begin(capsys: Said) -> None:
    assert run(["explain", "missing-hash", "DR209", "LK103", "-f", "json"]) == 0
    assert [rule["code"] for rule in json.loads(capsys.readouterr().out)["rules"]] == ["LK103", "DR209"]
    assert run(["explain", "lk11", "-f", "json"]) == 0
    assert [rule["code"] for rule in json.loads(capsys.readouterr().out)["rules"]] == ["LK110", "LK111", "LK112"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "driftscan: error: a rule is needed\nhint: `driftscan rules` lists them\n"),
        (
            ["version-missmatch"],
            "driftscan: error: there is no rule 'version-missmatch'\nhint: did you mean version-mismatch?\n",
        ),
        (["DR202", "LK1O3"], "driftscan: error: there is no rule 'LK1O3'\nhint: did you mean LK103?\n"),
    ],
)
def test_what_is_no_rule(arguments: list[str], error: str, capsys: Said) -> None:
    assert run(["explain", *arguments]) == 2
    assert capsys.readouterr() == ("", error)


def test_markdown_is_what_the_documentation_has(tmp_path: Path, capsys: Said) -> None:
    path = tmp_path / "DR202.md"
    assert run(["explain", "DR202", "-f", "markdown", "-o", f"markdown={path}"]) == 0
    out = capsys.readouterr().out
    assert out == path.read_text()
    assert out.startswith(
        "# DR202 version-mismatch\n\nError: locked and installed versions differ.\n\n## What goes wrong\n"
    )
    assert "\n`requirements.txt`:\n\n```text\nidna==3.6 \\\n" in out


def test_json_has_texts_and_examples(capsys: Said) -> None:
    assert run(["explain", "DR202", "-f", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "driftscan.rules/1"
    (rule,) = document["rules"]
    assert list(rule) == [
        *("code", "slug", "severity", "family", "summary", "why", "evidence", "limits", "severities", "remedy"),
        *("bad", "good"),
    ]
    assert rule["why"].startswith("What was tested with the lock is not what runs.\n\nThe tests ran with one version")
    assert list(rule["bad"]["files"]) == ["requirements.txt", "image.tar"]
    assert rule["bad"]["command"] == "driftscan compare requirements.txt image.tar --select DR"
    assert rule["bad"]["findings"] == ["error DR202 idna 3.6 is locked, 3.10 is installed"]
    assert rule["good"]["findings"] == []


@pytest.mark.parametrize("width", [30, 60, 100])
def test_prose_fits_the_terminal(width: int) -> None:
    """Code is folded where a line is too long; a word of prose that is longer than a line is all that may stand out."""
    for line in EXPLAIN_FORMATS["text"](explain(["DR", "NW"]), View(width=width)).splitlines():
        assert len(line) <= width


def test_colour_only_where_it_is_wanted() -> None:
    plain = EXPLAIN_FORMATS["text"](explain(["DR202"]), View())
    painted = EXPLAIN_FORMATS["text"](explain(["DR202"]), View(color=True))
    assert painted.startswith("\x1b[1mDR202 version-mismatch\x1b[0m\n")
    assert "\x1b[36mAttributeError\x1b[0m" in painted
    assert "\x1b" not in plain


def test_the_list_is_grouped_by_family(capsys: Said) -> None:
    assert run(["rules"]) == 0
    blocks = [block.splitlines() for block in capsys.readouterr().out.split("\n\n")]
    assert [block[0] for block in blocks][:4] == [
        "the lock itself",
        "drift between lock and image",
        "compiled wheels and native code",
        "installed bytes",
    ]
    listed = [line.split()[0] for block in blocks for line in block[1:] if not line.startswith("   ")]
    assert listed == [rule.code for rule in RULES]


def test_the_list_in_a_narrow_terminal_and_in_colour() -> None:
    lines = RULES_FORMATS["text"](RULES[:1], View(width=40, color=True, unicode=False)).splitlines()
    assert lines == [
        "\x1b[1mthe lock itself\x1b[0m",
        "  LK101 unpinned | \x1b[1;31merror\x1b[0m",
        "    an entry of the lock is not pinned",
        "    to one exact version",
    ]


def test_the_list_has_columns() -> None:
    lines = RULES_FORMATS["text"](RULES[2:5], View(width=80, color=True)).splitlines()
    assert lines == [
        "\x1b[1mthe lock itself\x1b[0m",
        "  LK103  missing-hash    \x1b[1;31merror\x1b[0m    a pinned artifact carries no hash",
        "  LK104  weak-hash       \x1b[1;33mwarning\x1b[0m  only md5 or sha1",
        "  LK105  mutable-source  \x1b[1;31merror\x1b[0m    a VCS reference without a commit, a URL",
        "                                  without a hash, an editable or local path",
    ]


def test_the_list_for_programs_and_for_the_documentation(capsys: Said) -> None:
    assert run(["rules", "-f", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "driftscan.rules/1"
    assert document["rules"][0] == {
        "code": "LK101",
        "slug": "unpinned",
        "severity": "error",
        "family": "the lock itself",
        "summary": "an entry of the lock is not pinned to one exact version",
    }
    assert len(document["rules"]) == len(RULES)
    assert run(["rules", "-f", "markdown"]) == 0
    text = capsys.readouterr().out
    assert (
        "## The lock itself\n\n| rule | name | severity | holds when |\n|---|---|---|---|\n| [LK101](LK101.md) |"
        in text
    )
