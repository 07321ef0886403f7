"""What is said where the command line makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftscan.cli import run

LOCK = "requests==2.32.3 --hash=sha256:" + "ab" * 32 + "\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a lock, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "requirements.txt").write_text(LOCK)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "uv.lock").write_text("version = 1\n")
    (tmp_path / "notes").write_bytes(b"\0\1\2\3")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            "compare",
            "a lock and an image are needed\nhint: driftscan compare uv.lock shop:1.4",
        ),
        (
            "compare requirements.txt",
            "requirements.txt is a lock; the image is missing\nhint: driftscan compare requirements.txt shop:1.4",
        ),
        (
            "compare shop:1.4",
            "the lock to compare shop:1.4 with is missing\nhint: driftscan compare uv.lock shop:1.4",
        ),
        (
            "compare bob:s3cr3t@host.example/shop:1.4",
            (
                "the lock to compare ***@host.example/shop:1.4 with is missing\n"
                "hint: driftscan compare uv.lock ***@host.example/shop:1.4"
            ),
        ),
        (
            "compare shop:1.4 requirements.txt",
            (
                "the last argument is the image, and requirements.txt is a lock\n"
                "hint: the locks come first: driftscan compare requirements.txt shop:1.4"
            ),
        ),
        (
            "compare requirements.txt folder/uv.lock",
            (
                "the last argument is the image, and folder/uv.lock is a lock\n"
                "hint: driftscan compare requirements.txt folder/uv.lock shop:1.4"
            ),
        ),
        (
            "compare requirement.txt shop:1.4",
            "requirement.txt: there is no such file\nhint: did you mean requirements.txt?",
        ),
        ("check docker:bob:s3cr3t@host.example/shop", "docker:***@host.example/shop: there is no such file"),
        ("compare folder shop:1.4", "folder: it is a folder, not a lock\nhint: it holds uv.lock"),
        (
            "compare --extra docs requirements.txt shop:1.4",
            "requirements.txt: there is no extra 'docs'\nhint: it has no extra at all",
        ),
        (
            "compare requirements.txt shop:1.4 -f xml",
            (
                "Invalid value for '-f' / '--format': 'xml' is not one of 'text', 'json', 'markdown', "
                "'html', 'sarif', 'junit', 'github', 'gitlab', 'cyclonedx'.\n"
                "hint: `driftscan compare --help` shows how it is used"
            ),
        ),
        (
            "compare requirements.txt shop:1.4 -o xml=a",
            (
                "Invalid value for '-o' / '--output': there is no format 'xml'; there are text, json, "
                "markdown, html, sarif, junit, github, gitlab, cyclonedx\n"
                "hint: `driftscan compare --help` shows how it is used"
            ),
        ),
        (
            "compare requirements.txt shop:1.4 -o json",
            (
                "Invalid value for '-o' / '--output': 'json' is not FORMAT=FILE, such as cyclonedx=report\n"
                "hint: `driftscan compare --help` shows how it is used"
            ),
        ),
        (
            "compare requirements.txt shop:1.4 -o json=no/where",
            (
                "Invalid value for '-o' / '--output': there is no folder no\n"
                "hint: `driftscan compare --help` shows how it is used"
            ),
        ),
        (
            "compare requirements.txt shop:1.4 -o json=folder",
            (
                "Invalid value for '-o' / '--output': folder is a folder\n"
                "hint: `driftscan compare --help` shows how it is used"
            ),
        ),
    ],
)
def test_messages(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"driftscan: error: {said}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("compare notes shop:1.4", "notes: it is in no lock format that driftscan knows"),
        ("compare requirements.txt shop:1.4 --lock-format nope", "there is no lock format 'nope'"),
        ("compare requirements.txt shop:1.4 --select DR2O2", "no rule 'DR2O2'\nhint: did you mean DR202?"),
        ("compare requirements.txt shop:1.4 --ignore DR,version-mismtch", "hint: did you mean version-mismatch?"),
        ("compare requirements.txt shop:1.4 --ignore 999", "no rule '999'\nhint: the families are LK, DR, NW, IN"),
        ("compare requirements.txt shop:1.4 --nonsense", "No such option"),
        ("compare requirements.txt ./missing.tar", "missing.tar"),
        ("compare requirements.txt docker-archive:missing.tar", "missing.tar"),
        ("compare requirements.txt floppy:shop", "floppy"),
        ("inspect ./missing.tar", "missing.tar"),
        ("inspect", "Missing argument 'TARGET'"),
        ("frobnicate", "there is no command 'frobnicate'\nhint: the commands are compare, check, "),
        ("comapre uv.lock shop:1", "no command 'comapre'\nhint: did you mean `driftscan compare uv.lock shop:1 "),
        ("uv.lock shop:1.4", "hint: did you mean `driftscan compare uv.lock shop:1.4 "),
        ("check", "a lock is needed\nhint: driftscan check uv.lock"),
        ("check requirements.txt --python 2", "'2' is no version of Python 3\nhint: name it as 3.12, "),
        ("check requirements.txt --python-platform vax", "'vax' is no platform that driftscan knows\nhint: such as "),
        (
            "check requirements.txt --for shop.tar --python 3.12",
            "an image says itself which Python and platform it has",
        ),
    ],
)
def test_what_is_named(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*arguments.split(), *(["--offline"] if len(arguments.split()) > 1 else [])]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("driftscan: error: ")
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("driftscan, version ")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("lock", "As the index was: 2026-11-24, an instant, or 7d for a week ago."),
        ("lock", "Ask no registry and no package index."),
        ("adopt", "The lock. [default: stdout, with --to]"),
        ("convert", "Where to write it. [default: stdout, with --to]"),
    ],
)
def test_help_says_what_works(command: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([command, "--help"])
    assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["check", "--help"], ["inspect", "-h"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: driftscan")
    assert max(map(len, shown.splitlines())) <= 100
