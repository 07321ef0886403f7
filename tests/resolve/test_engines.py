"""What engines are given: a folder, files and an environment of their own, and versions that fit together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from driftscan.errors import ResolveError
from driftscan.lock.document import Document
from driftscan.resolve import piptools_child, process
from driftscan.resolve.inputs import read_inputs
from driftscan.resolve.piptools import PipTools
from driftscan.resolve.places import named
from driftscan.resolve.process import Finished, Work, clean, environment
from driftscan.resolve.question import Impossible, Pin, Question, files

LINUX = named("3.12.4", "linux")


def question(text: str) -> Question:
    inputs = read_inputs([Document("requirements.in", text.encode())])
    return Question(
        requirements=inputs.requirements,
        constraints=inputs.constraints,
        place=LINUX,
        python=LINUX.python,
        pins=(Pin(inputs.requirements[0].name, "1.0"), Pin(inputs.requirements[0].name, "2.0", "os_name == 'nt'")),
    )


def test_an_engine_reads_what_was_understood_and_nothing_else() -> None:
    text = "# why\n--index-url https://index.example/simple\nFlask [Async] >= 2 ; os_name == 'posix'  # web\n"
    assert files(question(text)) == {
        "requirements.in": 'flask[async]>=2 ; os_name == "posix"\n',
        "constraints.txt": "",
        "requirements.txt": "flask==1.0\nflask==2.0 ; os_name == 'nt'\n",
    }


def test_an_environment_holds_what_was_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "LD_PRELOAD", "UV_INDEX_URL", "PIP_EXTRA_INDEX_URL", "TOKEN", "PIP_REQUIRE_VIRTUALENV"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    found = environment(UV_DEFAULT_INDEX="https://index.example")
    assert found.keys() <= {*process._ALLOWED, "UV_DEFAULT_INDEX"}
    assert (found["HTTPS_PROXY"], found["UV_DEFAULT_INDEX"]) == ("http://proxy.example", "https://index.example")


def _explained(finished: Finished) -> str | None:
    return finished.words if "no way" in finished.words else None


def work(code: str) -> Work:
    return Work("the engine", [sys.executable, "-c", code], {"a": "1"}, explain=_explained)


def test_a_folder_of_its_own_that_is_gone_afterwards() -> None:
    running = work("open('requirements.txt', 'w').write('a==' + open('a').read())")
    lock = running.result()
    folder = running._folder
    assert not isinstance(lock, Impossible)
    assert [str(package.id) for package in lock.packages] == ["a 1"]
    assert folder.parent != Path.cwd()
    running.close()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit('it is broken')", "the engine failed: it is broken"),
        (
            "raise ValueError('https://me:secret@index.example/x')",
            "the engine failed: ValueError: https://index.example/x",
        ),
        ("raise SystemExit(1)", "the engine failed: it said nothing"),
        ("pass", "what the engine wrote cannot be read: [Errno 2] No such file or directory"),
        (
            "open('requirements.txt', 'w').write('a b')",
            (
                "what the engine wrote cannot be read: requirements.txt:1: `a b` is no requirement: "
                "Expected semicolon (after name with no version specifier) or end"
            ),
        ),
    ],
)
def test_an_engine_that_breaks(code: str, reason: str) -> None:
    running = work(code)
    with pytest.raises(ResolveError) as caught:
        running.result()
    running.close()
    assert str(caught.value).partition(": '/")[0] == reason


def test_an_engine_that_finds_nothing_and_one_that_does_not_end() -> None:
    running = work("raise SystemExit('there is\\n   no way')")
    assert running.result() == Impossible(reason="there is no way")
    running.close()
    endless = work(
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "time.sleep(60)"
    )
    endless.close()
    assert endless._process.returncode == -9


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(ResolveError, match="the engine cannot be started: No such file or directory"):
        Work("the engine", ["/nowhere/engine"], {}, explain=lambda _: None)


def test_credentials_are_taken_out_of_words() -> None:
    assert clean("at https://me:pass@index.example/a\n  and http://token@b.example") == (
        "at https://index.example/a and http://b.example"
    )


@pytest.mark.parametrize(("name", "version"), [("pip", "25.0"), ("pip-tools", "8.0"), ("pip", "27.1")])
def test_versions_that_are_not_known_to_work_together(monkeypatch: pytest.MonkeyPatch, name: str, version: str) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda each: version if each == name else real(each))
    with pytest.raises(ResolveError) as caught:
        _ = PipTools().version
    assert str(caught.value) == f"{name} {version} is not known to work here"
    assert caught.value.hint == "pip install 'pip<27,>=26.2' 'pip-tools<8,>=7.6.2'"


def test_a_pip_with_other_insides_is_told(tmp_path: Path) -> None:
    """The child says so before anything is resolved, instead of resolving for the wrong interpreter."""
    target = tmp_path / "target.json"
    target.write_text(json.dumps({"markers": {}, "tags": [], "python": [3, 12], "is_built": False, "indexes": []}))
    code = (
        "import sys, runpy, pip._internal.models.target_python as insides; del insides.get_supported;"
        f"sys.argv = ['child', {str(target)!r}]; runpy.run_path({piptools_child.__file__!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, env={**os.environ, "HOME": "/"}
    )
    assert done.returncode == piptools_child.MISFIT
    assert done.stdout.splitlines()[-1].startswith("driftscan: pip and pip-tools do not fit together: ")


@pytest.mark.parametrize(
    ("name", "is_built", "is_usable"),
    [
        ("six-1.0-py2.py3-none-any.whl", False, True),
        ("six-1.0-1-py3-none-any.whl", False, True),
        ("Six-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", False, True),
        ("six-1.0-cp312-cp312-win_amd64.whl", True, False),
        ("six-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", False, False),
        ("six-1.0.tar.gz", False, False),
        ("six-1.0.tar.gz", True, True),
        ("odd.whl", False, True),
    ],
)
def test_files_that_pip_need_not_look_at(name: str, is_built: bool, is_usable: bool) -> None:
    tags = [(tag.interpreter, tag.abi, tag.platform) for tag in LINUX.target.tags or ()]
    supported = piptools_child.Supported(tags, is_built=is_built)
    assert [supported.is_usable(name.lower()) for _ in range(2)] == [is_usable, is_usable]
