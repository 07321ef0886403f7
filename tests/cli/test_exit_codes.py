"""What ends a run how, whatever the use case behind it does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from driftscan import api
from driftscan.cli import run
from driftscan.errors import ImageError
from driftscan.finding import Report
from driftscan.model.lock import Unchecked
from tests.builders import reports

UNCHECKED = (Unchecked("files of pyyaml", "its RECORD is damaged"),)

Answer = Callable[[object], None]
"""answer(x): the use case returns the report x, or raises the exception x."""


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    def set_answer(result: object) -> None:
        def compare(*arguments: object, **options: object) -> object:
            if isinstance(result, BaseException):
                raise result
            assert isinstance(result, Report)
            return result

        monkeypatch.setattr(api, "compare", compare)

    return set_answer


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (reports.report(), 0),
        (reports.report(reports.UNEXPECTED), 0),
        (reports.report(reports.MISMATCH), 1),
        (reports.report(reports.MISMATCH, unchecked=UNCHECKED), 1),
        (reports.report(reports.UNEXPECTED, unchecked=UNCHECKED), 3),
    ],
)
def test_verdicts(report: Report, code: int, answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answer(report)
    assert run(["compare", "uv.lock", "shop:1.4"]) == code
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{report.verdict}: ")
    assert captured.err == ""


def test_an_error_is_one_sentence_and_a_hint(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answer(ImageError("it is\u202enot there\n  docker: no", where="shop:1.4\x1b[31m", hint="build\nit"))
    assert run(["compare", "uv.lock", "shop:1.4"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert (
        captured.err == "driftscan: error: shop:1.4\\x1b[31m: it is\\u202enot there\\n  docker: no\nhint: build\\nit\n"
    )


def test_a_bug_is_no_result_and_no_traceback(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answer(KeyError("numpy"))
    assert run(["compare", "uv.lock", "shop:1.4"]) == 2
    assert capsys.readouterr().err == (
        "driftscan: error: this is a bug in driftscan: KeyError: 'numpy'\n"
        "hint: please report it, with the traceback that -v shows; nothing was concluded about the image\n"
    )


@pytest.mark.parametrize("option", ["-v", "-qv", "--verbose"])
def test_the_traceback_of_a_bug(option: str, answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    answer(KeyError("numpy"))
    assert run(["compare", option, "uv.lock", "shop:1.4"]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "driftscan: error: interrupted\n"),
        (MemoryError(), 2, "driftscan: error: there is not enough memory\n"),
        (RecursionError("too deep"), 2, "driftscan: error: this is a bug in driftscan: RecursionError: too deep\n"),
        (SystemExit(0), 0, ""),
    ],
)
def test_other_ends(
    error: BaseException, code: int, said: str, answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(error)
    assert run(["compare", "uv.lock", "shop:1.4"]) == code
    assert capsys.readouterr().err.startswith(said)


def test_who_reads_stdout_may_go() -> None:
    code = (
        "import sys; from driftscan import api; from driftscan.cli import main; from tests.builders import reports\n"
        "api.compare = lambda *a, **k: reports.many()\n"
        "main(['compare', 'uv.lock', 'shop:1.4'])"
    )
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (result.returncode, result.stderr) == (141, b"")


@pytest.mark.parametrize(("streams", "code"), [(">&-", 1), (">&- 2>&-", 1), ("2>&-", 1)])
def test_streams_that_the_caller_closed(streams: str, code: int) -> None:
    program = (
        "from driftscan import api; from driftscan.cli import main; from tests.builders import reports\n"
        "api.compare = lambda *a, **k: reports.many()\n"
        "main(['compare', 'uv.lock', 'shop:1.4'])"
    )
    command = ["sh", "-c", f'"$0" -c "$1" {streams}', sys.executable, program]
    result = subprocess.run(command, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (code, b"")


def test_an_error_with_no_stderr() -> None:
    command = ["sh", "-c", '"$0" -m driftscan compare nowhere.lock shop:1.4 2>&-', sys.executable]
    result = subprocess.run(command, capture_output=True, check=False)
    assert (result.returncode, result.stdout) == (2, b"")


def test_a_full_disk(answer: Answer, capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    answer(reports.report())
    assert run(["compare", "-o", "json=/dev/full", "uv.lock", "shop:1.4"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "driftscan: error: /dev/full: the result cannot be written: No space left on device\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["rules"], ["explain", "DR201"], ["cache"], ["--no-config", "config"]])
def test_a_full_disk_behind_stdout(arguments: list[str], unbuffered: str) -> None:
    assert _on_full_disk(arguments, PYTHONUNBUFFERED=unbuffered) == (
        2,
        b"driftscan: error: the result cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["compare", "--help"]])
def test_a_full_disk_behind_stdout_and_help(arguments: list[str]) -> None:
    assert _on_full_disk(arguments) == (
        2,
        b"driftscan: error: the result cannot be written: No space left on device\n",
    )


def _on_full_disk(arguments: list[str], **variables: str) -> tuple[int, bytes]:
    """The exit code, and what is said on stderr."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    command = [sys.executable, "-m", "driftscan", *arguments]
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env={**os.environ, **variables}, check=False
        )
    return result.returncode, result.stderr


def test_a_full_disk_behind_stderr() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    command = [sys.executable, "-m", "driftscan", "compare", "nowhere.lock", "shop:1.4"]
    with Path("/dev/full").open("wb") as full:
        assert subprocess.run(command, stdout=full, stderr=full, check=False).returncode == 2


def test_files_beside_stdout(answer: Answer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(reports.report(reports.MISMATCH))
    there = tmp_path / "a.json"
    text = tmp_path / "a.txt"
    assert run(["compare", "uv.lock", "shop:1.4", "-o", f"json={there}", "-o", f"text={text}", "-f", "json"]) == 1
    assert there.read_text() == capsys.readouterr().out
    assert text.read_text().startswith("drift: 44 of 45")


def test_colour(answer: Answer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answer(reports.report())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    run(["compare", "uv.lock", "shop:1.4"])
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    run(["compare", "uv.lock", "shop:1.4"])
    assert "\x1b[" not in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_stdout_that_cannot_show_everything(encoding: str) -> None:
    code = (
        "from driftscan import api; from driftscan.cli import main; from tests.builders import reports\n"
        "from dataclasses import replace\n"
        "api.compare = lambda *a, **k: reports.report(replace(reports.MISMATCH, message='数 is locked'))\n"
        "main(['compare', 'uv.lock', 'shop:1.4'])"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert (result.returncode, result.stderr) == (1, b"")
    assert ("数" if encoding == "utf-8" else "\\u6570") in result.stdout.decode(encoding)


def test_a_registry_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """Of several images it is said which one could not be had."""
    assert run(["inspect", "registry:127.0.0.1:9/shop:1"]) == 2
    assert capsys.readouterr().err == (
        "driftscan: error: registry:127.0.0.1:9/shop:1, https://127.0.0.1:9: no connection (Connection refused)\n"
    )
