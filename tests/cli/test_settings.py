"""Settings, several targets, suppressions and baselines, from the command line to the last byte of output."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from driftscan.cli import accepted, run
from tests.builders.archives import Step, docker_archive
from tests.builders.installed import distribution, glibc, interpreter, venv
from tests.builders.rootfs import Removed

SITE = "opt/venv/lib/python3.11/site-packages"
HASH = "--hash=sha256:" + "ab" * 32
LOCK = f"idna==3.10 {HASH}\nsix==1.16.0 {HASH}\n"
BASE: Step = ("/bin/sh -c #(nop) ADD file:0 in / ", {**glibc(), **interpreter(), **venv()})
INSTALL: Step = (
    "RUN /bin/sh -c pip install --require-hashes -r requirements.txt # buildkit",
    {**distribution("idna", "3.10"), **distribution("six", "1.16.0")},
)
UPGRADE: Step = (
    "RUN /bin/sh -c pip install -U six # buildkit",
    {f"{SITE}/six-1.16.0.dist-info": Removed(), **distribution("six", "1.17.0")},
)
ENTRYPOINT = {"Entrypoint": ["/opt/venv/bin/python3", "-m", "six"]}
TARGETS = """
[[target]]
name = "shop"
locks = ["requirements.txt"]
target = "shop.tar"

[[target]]
name = "lab"
locks = ["requirements.txt"]
target = "docker-archive:lab.tar"
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The top of a repository with a lock, an image that is what it says, and one that is not; a day that stays."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(accepted, "today", lambda: date(2027, 1, 31))
    (tmp_path / ".git").mkdir()
    (tmp_path / "requirements.txt").write_text(LOCK)
    docker_archive(tmp_path / "shop.tar", [BASE, INSTALL], **ENTRYPOINT)
    docker_archive(tmp_path / "lab.tar", [BASE, INSTALL, UPGRADE], **ENTRYPOINT)
    return tmp_path


def configure(text: str) -> None:
    Path("driftscan.toml").write_text(text)


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code, out, err = ran(capsys, *arguments, "--format", "json")
    assert err == ""
    return code, json.loads(out)


def test_every_pair_of_the_configuration_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    configure(TARGETS)
    code, document = told(capsys, "compare")
    assert (code, document["schema"], document["verdict"]) == (1, "driftscan.reports/1", "drift")
    assert [(each["name"], each["report"]["schema"], each["report"]["verdict"]) for each in document["reports"]] == [
        ("shop", "driftscan.report/1", "clean"),
        ("lab", "driftscan.report/1", "drift"),
    ]
    code, out, _ = ran(capsys, "compare")
    assert code == 1
    assert out.startswith("== shop\nclean: 2 of 2 packages match\n")
    assert "\n== lab\ndrift: 1 of 2 packages match; 1 error\n" in out


def test_one_pair_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure(TARGETS)
    assert told(capsys, "compare", "--target", "shop")[1]["schema"] == "driftscan.report/1"
    code, _, err = ran(capsys, "compare", "--target", "shopp")
    assert (code, err) == (2, "driftscan: error: there is no target 'shopp'\nhint: did you mean shop?\n")
    code, _, err = ran(capsys, "compare", "--target", "shop", "requirements.txt", "shop.tar")
    assert (code, err) == (
        2,
        "driftscan: error: --target names a target of the configuration, and LOCK and TARGET are given as well\n",
    )


def test_a_pair_that_cannot_be_read_keeps_no_other_from_being_compared(capsys: pytest.CaptureFixture[str]) -> None:
    configure(TARGETS)
    Path("shop.tar").unlink()
    code, out, err = ran(capsys, "compare", "--format", "json")
    assert (code, [each["name"] for each in json.loads(out)["reports"]]) == (2, ["lab"])
    assert err.startswith("driftscan: error: shop.tar")


def test_a_file_of_all_or_one_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    configure(TARGETS)
    names = ("json", "markdown", "sarif", "junit", "gitlab", "github", "text")
    outputs = [part for name in names for part in ("-o", f"{name}=all.{name}")]
    code, _, err = ran(capsys, "compare", *outputs, "-o", "html=drift-{target}.html")
    assert (code, err) == (1, "")
    sarif = json.loads(Path("all.sarif").read_text())
    assert [run["automationDetails"]["id"] for run in sarif["runs"]] == ["driftscan/shop/", "driftscan/lab/"]
    suites = ElementTree.parse("all.junit").getroot()
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [("shop", "0"), ("lab", "1")]
    assert suites.get("failures") == "1"
    gitlab = json.loads(Path("all.gitlab").read_text())
    assert [issue["description"].partition(" (")[0] for issue in gitlab] == [
        "lab: six 1.16.0 is locked, 1.17.0 is installed"
    ]
    assert Path("all.markdown").read_text().startswith("## shop\n\n### ✅ clean: 2 of 2 packages match\n")
    assert Path("all.github").read_text().count("\n::error file=requirements.txt,line=2,title=DR202") == 1
    assert Path("drift-shop.html").exists()
    assert Path("drift-lab.html").exists()


def test_names_that_make_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    configure(TARGETS.replace('"shop"', '"a/b"').replace('"lab"', '"a b"'))
    code, out, err = ran(capsys, "compare", "-o", "json={target}.json")
    assert (code, out, err) == (
        2,
        "",
        "driftscan: error: two targets would be written to a-b.json\nhint: give them names that differ\n",
    )
    assert ran(capsys, "compare", "--target", "a/b", "-o", "json=x-{target}.json")[0] == 0
    assert Path("x-a-b.json").exists()


def test_a_format_of_one_image(capsys: pytest.CaptureFixture[str]) -> None:
    configure(TARGETS)
    code, out, err = ran(capsys, "compare", "--format", "html")
    assert (code, out) == (2, "")
    assert err == (
        "driftscan: error: html is of one image, and there are 2\n"
        "hint: choose one with --target, or write a file each: -o html=drift-{target}.html\n"
    )


def test_the_command_line_wins_over_variables_and_these_over_the_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure('fail-on = "never"\n')
    assert ran(capsys, "compare", "requirements.txt", "lab.tar")[0] == 0
    monkeypatch.setenv("DRIFTSCAN_FAIL_ON", "warning")
    assert ran(capsys, "compare", "requirements.txt", "lab.tar")[0] == 1
    assert ran(capsys, "compare", "requirements.txt", "lab.tar", "--fail-on", "never")[0] == 0
    assert ran(capsys, "--no-config", "compare", "requirements.txt", "lab.tar")[0] == 1


def test_what_a_target_sets_of_its_own(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    configure(TARGETS.replace('"shop.tar"', '"shop.tar"\nenvironment = "/nowhere"'))
    assert ran(capsys, "compare", "--target", "shop")[0] == 2
    assert ran(capsys, "compare", "--target", "shop", "--environment", "/opt/venv")[0] == 0
    monkeypatch.setenv("DRIFTSCAN_ENVIRONMENT", "/opt/venv")
    assert ran(capsys, "compare", "--target", "shop")[0] == 0


def test_formats_of_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    configure('format = "json"\noutput = ["cyclonedx=bom.json", "json=drift.json"]\n')
    assert json.loads(ran(capsys, "compare", "requirements.txt", "shop.tar")[1])["verdict"] == "clean"
    assert Path("bom.json").exists()
    Path("bom.json").unlink()
    assert json.loads(ran(capsys, "check", "requirements.txt")[1])["schema"] == "driftscan.report/1"
    assert Path("drift.json").exists()
    assert not Path("bom.json").exists()
    assert ran(capsys, "inspect", "shop.tar")[1].startswith("shop.tar")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fail_on = 'error'\n", "driftscan.toml:1: there is no setting 'fail_on'\nhint: did you mean fail-on?\n"),
        ("\nformat = 'jsn'\n", "driftscan.toml:2: there is no format 'jsn'\nhint: did you mean json?\n"),
        ("offline = 1\n", 'driftscan.toml:1: "offline" has to be true or false\n'),
        ("\nignore = ['XX']\n", "driftscan.toml:2: there is no rule 'XX'\n"),
        ("\n[[targets]]\n", "driftscan.toml:2: there is no setting 'targets'\nhint: did you mean target?\n"),
    ],
)
def test_what_is_wrong_in_the_configuration_ends_every_command(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(text)
    code, out, err = ran(capsys, "check", "requirements.txt")
    assert (code, out) == (2, "")
    assert err.startswith(f"driftscan: error: {said.rstrip()}")
    assert ran(capsys, "check", "--help")[0] == 0


def test_the_settings_in_force(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    configure(
        'fail-on = "warning"\nbaseline = "b.toml"\n'
        + TARGETS
        + '[[target.suppress]]\npackage = "six"\nreason = "known"\nexpires = 2027-02-01\n'
        + '[[suppress]]\nrule = "DR203"\n'
    )
    monkeypatch.setenv("DRIFTSCAN_OFFLINE", "1")
    code, out, _ = ran(capsys, "config")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "configuration: driftscan.toml"
    assert [line for line in lines if not line.endswith("# default")] == [
        "configuration: driftscan.toml",
        "",
        'fail-on        = "warning"  # driftscan.toml:1',
        'baseline       = "b.toml"   # driftscan.toml:2',
        "offline        = true       # DRIFTSCAN_OFFLINE",
        "",
        "target shop",
        'locks    = ["requirements.txt"]  # driftscan.toml:4',
        'target   = "shop.tar"            # driftscan.toml:4',
        'baseline = "b.toml"              # driftscan.toml:2',
        "",
        "target lab",
        'locks    = ["requirements.txt"]      # driftscan.toml:9',
        'target   = "docker-archive:lab.tar"  # driftscan.toml:9',
        'baseline = "b.toml"                  # driftscan.toml:2',
        "suppressed",
        "all rules for six: known, until 2027-02-01  # driftscan.toml:13",
        "",
        "suppressed",
        "DR203  # driftscan.toml:17",
    ]
    document = told(capsys, "config")[1]
    assert (document["schema"], document["file"]) == ("driftscan.config/1", "driftscan.toml")
    assert document["settings"]["fail-on"] == {"value": "warning", "from": "driftscan.toml:1"}
    assert document["settings"]["offline"] == {"value": True, "from": "DRIFTSCAN_OFFLINE"}
    assert document["settings"]["cache"] == {"value": True, "from": "default"}
    assert document["targets"][1]["suppressions"] == [
        {"where": "driftscan.toml:13", "package": "six", "reason": "known", "expires": "2027-02-01"}
    ]
    assert document["suppressions"] == [{"where": "driftscan.toml:17", "rule": "DR203"}]


def test_without_a_file_there_are_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    out = ran(capsys, "config")[1]
    assert out.startswith("there is no configuration file\n\n")
    assert {line.rpartition("# ")[2] for line in out.splitlines()[2:]} == {"default"}


def test_a_suppression_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure('\n[[suppress]]\nrule = "DR202"\npackage = "six"\nreason = "known"\n')
    code, document = told(capsys, "compare", "requirements.txt", "lab.tar")
    assert (code, document["verdict"], document["summary"]["suppressed"]) == (0, "clean", 1)
    assert document["findings"][0]["suppression"] == {
        "source": "driftscan.toml:2",
        "reason": "known",
        "is_baseline": False,
    }


def test_a_suppression_whose_day_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    configure('[[suppress]]\nrule = "DR202"\npackage = "six"\nreason = "known"\nexpires = 2027-01-30\n')
    code, document = told(capsys, "compare", "requirements.txt", "lab.tar")
    assert (code, [each["rule"] for each in document["findings"]]) == (1, ["DR202", "SU901"])
    assert document["findings"][1]["location"] == {"path": "driftscan.toml", "line": 1}
    assert document["findings"][1]["message"] == (
        "the suppression of DR202 for six expired on 2027-01-30, and 1 finding counts again (known)"
    )
    out = ran(capsys, "compare", "requirements.txt", "lab.tar", "-f", "github")[1]
    assert "\n::error file=driftscan.toml,line=1,title=SU901 suppression-expired::the suppression of DR202" in out


def test_a_suppression_of_another_target_is_not_called_unused(capsys: pytest.CaptureFixture[str]) -> None:
    configure(TARGETS + '[[suppress]]\nrule = "DR202"\npackage = "six"\nreason = "known"\n')
    assert told(capsys, "compare", "--target", "shop")[1]["findings"] == []
    assert told(capsys, "compare", "requirements.txt", "shop.tar")[1]["findings"] == []
    assert told(capsys, "check", "requirements.txt")[1]["findings"] == []
    code, document = told(capsys, "compare")
    assert (code, [len(each["report"]["findings"]) for each in document["reports"]]) == (0, [0, 1])
    configure(TARGETS + '[[suppress]]\nrule = "DR203"\npackage = "six"\nreason = "known"\n')
    findings = told(capsys, "compare")[1]["reports"][0]["report"]["findings"]
    assert [(each["rule"], each["location"]["line"]) for each in findings] == [("SU902", 11)]


def test_a_suppression_of_one_target(capsys: pytest.CaptureFixture[str]) -> None:
    entry = '[[target.suppress]]\nrule = "DR202"\npackage = "six"\nreason = "known"\n'
    configure(TARGETS + entry)
    assert ran(capsys, "compare")[0] == 0
    configure(TARGETS.replace('[[target]]\nname = "lab"', f'{entry}[[target]]\nname = "lab"'))
    code, document = told(capsys, "compare")
    assert code == 1
    assert [each["rule"] for each in document["reports"][0]["report"]["findings"]] == ["SU902"]
    assert [each["rule"] for each in document["reports"][1]["report"]["findings"]] == ["DR202"]


def test_a_baseline_makes_it_green_until_its_day_is_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("requirements.txt", "lab.tar")
    code, out, err = ran(
        capsys, "baseline", *arguments, "--reason", "next release", "--owner", "web", "--expires", "7d"
    )
    assert (code, out) == (0, "")
    assert err == (
        "driftscan-baseline.toml accepts 1 finding (1 new, accepted through 2027-02-07)\n"
        'hint: it is used with --baseline driftscan-baseline.toml, or with baseline = "driftscan-baseline.toml" in the '
        "configuration\n"
    )
    assert ran(capsys, "compare", *arguments)[0] == 1
    configure('baseline = "driftscan-baseline.toml"\n')
    code, document = told(capsys, "compare", *arguments)
    assert (code, document["findings"][0]["suppression"]) == (
        0,
        {
            "source": "driftscan-baseline.toml:7",
            "reason": "next release",
            "owner": "web",
            "expires": "2027-02-07",
            "is_baseline": True,
        },
    )
    monkeypatch.setattr(accepted, "today", lambda: date(2027, 2, 8))
    code, out, _ = ran(capsys, "compare", *arguments)
    assert code == 1
    assert "the suppression of DR202 for six expired on 2027-02-07, and 1 finding counts again (next\n" in out
    code, _, err = ran(capsys, "baseline", *arguments, "--reason", "it took longer")
    assert (code, err) == (
        0,
        "driftscan-baseline.toml accepts 1 finding (1 new, accepted through 2027-05-09; 1 no longer needed)\n",
    )
    assert ran(capsys, "compare", *arguments)[0] == 0


def test_a_baseline_of_all_targets_leaves_out_what_the_configuration_accepts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure('baseline = "b.toml"\n' + TARGETS + '[[target.suppress]]\nrule = "DR202"\nreason = "x"\n')
    code, _, err = ran(capsys, "baseline", "--reason", "now", "--expires", "never")
    assert (code, err) == (0, "b.toml accepts 0 findings\n")
    configure('baseline = "b.toml"\n' + TARGETS)
    code, _, err = ran(capsys, "baseline", "--reason", "now", "--expires", "never")
    assert (code, err) == (0, "b.toml accepts 1 finding (1 new, accepted for good)\n")
    assert ran(capsys, "compare")[0] == 0


def test_targets_with_baselines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    configure(TARGETS.replace('"shop.tar"', '"shop.tar"\nbaseline = "shop.toml"') + 'baseline = "lab.toml"\n')
    code, _, err = ran(capsys, "baseline", "--reason", "now")
    assert (code, err) == (
        0,
        "shop.toml accepts 0 findings\nlab.toml accepts 1 finding (1 new, accepted through 2027-05-01)\n",
    )
    assert ran(capsys, "compare")[0] == 0


def test_a_baseline_that_is_not_there_yet(capsys: pytest.CaptureFixture[str]) -> None:
    configure('baseline = "b.toml"\n' + TARGETS)
    code, _, err = ran(capsys, "compare")
    assert (code, err) == (
        1,
        "driftscan: warning: there is no baseline b.toml yet, so nothing is accepted by it\n",
    )
    code, _, err = ran(capsys, "compare", "--baseline", "c.toml", "requirements.txt", "lab.tar")
    assert (code, err) == (
        2,
        "driftscan: error: c.toml: there is no such baseline\nhint: `driftscan baseline` writes one\n",
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Missing option '--reason'."),
        (("--reason", " "), "a reason is needed"),
        (("--reason", "x", "--expires", "soon"), "'soon' is no date"),
        (("--reason", "x", "--expires", "2027-01-30"), "2027-01-30 is over"),
    ],
)
def test_what_a_baseline_needs(options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = ran(capsys, "baseline", "requirements.txt", "lab.tar", *options)
    assert (code, err.splitlines()[0]) == (2, f"driftscan: error: {said}")
    assert not Path("driftscan-baseline.toml").exists()


def test_lint_and_check_take_a_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    Path("requirements.txt").write_text("idna==3.10\n")
    Path("Dockerfile").write_text('FROM python:3.12\nCMD ["python"]\n')
    configure('[[suppress]]\nrule = "LK103"\nreason = "x"\n[[suppress]]\nrule = "IM"\nreason = "x"\n')
    code, document = told(capsys, "check", "requirements.txt")
    assert (code, document["summary"]["suppressed"]) == (0, 1)
    code, document = told(capsys, "lint", "Dockerfile")
    assert {each["rule"] for each in document["findings"] if "suppression" in each} >= {"IM511"}
    assert not {each["rule"] for each in document["findings"] if "suppression" not in each} & {"IM511", "SU902"}


def test_locks_each_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.txt").write_text(f"six==1.17.0 {HASH}\n")
    code, document = told(capsys, "check", "requirements.txt", "other.txt")
    assert (code, [each["rule"] for each in document["findings"]]) == (1, ["LK106"])
    code, document = told(capsys, "check", "--each", "requirements.txt", "other.txt")
    assert (code, document["schema"], [each["name"] for each in document["reports"]]) == (
        0,
        "driftscan.reports/1",
        ["requirements.txt", "other.txt"],
    )
    assert told(capsys, "check", "--each", "requirements.txt")[1]["schema"] == "driftscan.report/1"
    code, out, err = ran(capsys, "check", "--each", "none.txt", "other.txt", "-o", "json={target}.json")
    assert (code, err) == (2, "driftscan: error: none.txt: there is no such file\nhint: did you mean other.txt?\n")
    assert out.startswith("== other.txt\nclean: 1 package locked\n")
    assert Path("other.txt.json").exists()


@pytest.mark.parametrize(
    ("words", "position", "completed"),
    [
        ("driftscan comp", 1, ["plain,compare"]),
        ("driftscan compare --fail-on w", 3, ["plain,warning"]),
        ("driftscan nonsense --f", 2, []),
    ],
)
def test_a_shell_is_told_what_could_follow(
    words: str,
    position: int,
    completed: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As click's scripts ask; what is wrong in the configuration is no matter then."""
    configure("nonsense")
    monkeypatch.setenv("_DRIFTSCAN_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(position))
    with pytest.raises(SystemExit) as caught:
        run([])
    assert (caught.value.code, capsys.readouterr().out.split()) == (0, completed)
