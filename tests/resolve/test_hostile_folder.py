"""Nothing of the working folder is run or obeyed: whatever is run there leaves a mark."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.builders.indexes import PackageIndex, Served, metadata, sdist
from tests.resolve.conftest import ENGINES, UV_AT_FIRST, Lock

PLACE = ("--python", "3.12.4", "--python-platform", "x86_64-manylinux_2_28")
MARK = "it-was-run"


def hostile(project: Path, other: PackageIndex) -> None:
    """A folder full of code and settings that some tool takes from the folder it runs in."""
    mark = f"open({str(project / MARK)!r}, 'a').write(__file__ + chr(10))\n"
    for name in (
        *("setup.py", "sitecustomize.py", "usercustomize.py", "backend.py", "pip.py", "piptools.py", "uv.py"),
        *("packaging.py", "json.py", "click.py", "conftest.py"),
    ):
        (project / name).write_text(mark)
    (project / "evil.pth").write_text(f"import os; os.system('touch {project / MARK}')\n")
    (project / "pyproject.toml").write_text(
        f"""[project]
name = "shop"
version = "1"
dependencies = ["six", "flask"]
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[tool.uv]
index-url = "{other.simple}"
no-build = false
[tool.uv.pip]
index-url = "{other.simple}"
[tool.pip-tools]
index-url = "{other.simple}"
[tool.driftscan]
index-url = "{other.simple}"
"""
    )
    (project / "uv.toml").write_text(f'index-url = "{other.simple}"\n')
    (project / "pip.conf").write_text(f"[global]\nindex-url = {other.simple}\n")
    (project / ".env").write_text(f"UV_DEFAULT_INDEX={other.simple}\n")
    (project / ".pip-tools.toml").write_text(f'[tool.pip-tools]\nindex-url = "{other.simple}"\n')
    for path in (".venv/bin", "venv/bin", "bin"):
        (project / path).mkdir(parents=True)
        for program in ("python", "python3", "python3.12", "uv", "git", "keyring"):
            script = project / path / program
            script.write_text(f"#!/bin/sh\necho {script} >> {project / MARK}\nexit 1\n")
            script.chmod(0o755)
    (project / ".venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.4\n")
    (project / ".python-version").write_text("3.7\n")


@pytest.fixture
def offered(index: PackageIndex) -> PackageIndex:
    index.release("six", "1.16")
    index.release("flask", "3.0", "click")
    index.release("click", "8.1")
    index.add("click-9.0.tar.gz", sdist("click", "9.0", metadata("click", "9.0", form="2.1")))
    return index


@pytest.fixture
def other() -> PackageIndex:
    """An index that nobody may ask: its port is closed."""
    return PackageIndex("http://127.0.0.1:9")


@ENGINES
@pytest.mark.parametrize("name", ["requirements.in", pytest.param("pyproject.toml", marks=pytest.mark.real)])
def test_a_hostile_folder(
    offered: PackageIndex,
    other: PackageIndex,
    project: Path,
    lock: Lock,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    name: str,
) -> None:
    hostile(project, other)
    (project / "requirements.in").write_text("six\nflask\n")
    monkeypatch.setenv("PYTHONPATH", str(project))
    monkeypatch.setenv("PYTHONSTARTUP", str(project / "sitecustomize.py"))
    monkeypatch.setenv("VIRTUAL_ENV", str(project / ".venv"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(project))
    monkeypatch.setenv("UV_PROJECT", str(project))
    monkeypatch.setenv("UV_CONFIG_FILE", str(project / "uv.toml"))
    monkeypatch.setenv("PIP_TOOLS_CONFIG", str(project / ".pip-tools.toml"))
    code, _, err = lock(name, *PLACE, "-o", "locked.txt", "--engine", engine)
    assert (code, err.splitlines()[:3]) == (0, ["+ click 8.1", "+ flask 3.0", "+ six 1.16"])
    assert not (project / MARK).exists()


def test_the_marks_work(other: PackageIndex, project: Path) -> None:
    """The folder does run code when it is not guarded against: else the test above would prove nothing."""
    hostile(project, other)
    subprocess.run([sys.executable, "-c", "import click"], cwd=project, check=False, capture_output=True)
    assert (project / MARK).exists()


@UV_AT_FIRST
def test_a_source_distribution_is_not_run(index: PackageIndex, project: Path, lock: Lock, engine: str) -> None:
    """Its setup.py raises SystemExit; that the engine takes the older wheel shows that nobody tried."""
    index.release("click", "8.1")
    index.add("click-9.0.tar.gz", sdist("click", "9.0", metadata("click", "9.0", form="2.1")))
    (project / "requirements.in").write_text("click\n")
    assert lock("requirements.in", *PLACE, "--engine", engine)[2].splitlines()[0] == "+ click 8.1"


def test_variables_of_this_machine_are_not_put_in(
    index: PackageIndex, project: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    (project / "requirements.in").write_text("tool @ https://files.example/${TOKEN}/tool-1.0-py3-none-any.whl\n")
    code, _, err = lock("requirements.in", *PLACE)
    assert code == 2
    assert "secret" not in err


@pytest.mark.parametrize("moment", range(4))
def test_killed_at_any_moment(index: PackageIndex, project: Path, tmp_path: Path, moment: int) -> None:
    """The old lock is there as it was, or the new one is, whole."""
    old = "six==1.0 --hash=sha256:" + "0" * 64 + "\n"
    (project / "requirements.in").write_text("six\n")
    (project / "requirements.txt").write_text(old)
    index.release("six", "1.0")
    index.release("six", "1.16")
    waiting = ("/simple/six/", "/files/six-1.16-py3-none-any.whl.metadata", "requirements.txt", None)[moment]
    environment = dict(os.environ, PIP_INDEX_URL=index.simple, DRIFTSCAN_CACHE_DIR=str(tmp_path / "cache"))
    command = [sys.executable, "-c", STOPPING, str(waiting), "lock", "requirements.in", "-U", *PLACE]
    if waiting is not None and waiting.startswith("/"):
        index.content[waiting] = lambda _: time.sleep(5)
    process = subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    wait_for(lambda: process.poll() is not None or waiting in index.paths())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    text = (project / "requirements.txt").read_text()
    assert text == old if moment < 3 else text.startswith("# Made by driftscan lock.")


STOPPING = """
import os, signal, sys
from pathlib import Path
stop, *arguments = sys.argv[1:]
if stop == "requirements.txt":
    replace = Path.replace
    def killed(self, target):
        if Path(target).name == stop:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)
    Path.replace = killed
from driftscan.cli import run
sys.exit(run(arguments))
"""


def wait_for(done: object) -> None:
    assert callable(done)
    for _ in range(3000):
        if done():
            return
        time.sleep(0.01)
    raise AssertionError("it takes too long")


def test_a_full_disk_leaves_the_old_lock(
    index: PackageIndex, project: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.release("six", "1.16")
    (project / "requirements.in").write_text("six\n")
    (project / "requirements.txt").write_text("six==1.0 --hash=sha256:" + "0" * 64 + "\n")
    before = (project / "requirements.txt").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("driftscan.cli.output.os.fsync", full)
    assert lock("requirements.in", "-U", *PLACE) == (
        2,
        "",
        "driftscan: error: requirements.txt: the result cannot be written: No space left on device\n",
    )
    assert (project / "requirements.txt").read_bytes() == before
    assert sorted(path.name for path in project.iterdir()) == ["requirements.in", "requirements.txt"]


def test_an_index_page_that_lies_about_a_file(index: PackageIndex, project: Path, lock: Lock) -> None:
    """The engine reads metadata of one release, the index says another: what was picked does not fit together."""
    index.release("six", "1.16")
    (project / "requirements.in").write_text("six\n")
    index.content["/files/six-1.16-py3-none-any.whl.metadata"] = Served(metadata("six", "1.17"))
    code, _, err = lock("requirements.in", *PLACE)
    assert code in (2, 3)
    assert "six" in err


_EXECUTED = re.compile(r'execve\("([^"]*)".* = 0$', re.MULTILINE)
_OPENED = re.compile(r"open(?:at)?\(.* = \d+<([^>]*)>$", re.MULTILINE)


@pytest.mark.real
@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
@ENGINES
def test_what_the_kernel_saw(
    offered: PackageIndex, other: PackageIndex, project: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """Of the folder only what was named is opened, and nothing is executed; of the machine only what has to be."""
    hostile(project, other)
    (project / "requirements.in").write_text("six\nflask\n")
    monkeypatch.setenv("PATH", os.pathsep.join([str(project / "bin"), os.environ["PATH"]]))
    log = project.parent / "calls"
    driftscan = [sys.executable, "-P", "-m", "driftscan", "lock", "requirements.in", *PLACE, "--engine", engine, "-q"]
    traced = ["strace", "-f", "-qq", "-y", "-e", "trace=execve,open,openat", "-s", "4096", "-o", str(log), *driftscan]
    done = subprocess.run(traced, cwd=project, check=False, capture_output=True, text=True)
    if "ptrace" in done.stderr:
        pytest.skip("nothing can be traced here")
    assert (done.returncode, done.stderr) == (0, "")
    calls = log.read_text()
    executed = {Path(path).resolve() for path in _EXECUTED.findall(calls)}
    assert executed <= {Path(sys.executable).resolve(), Path(find_uv_bin()).resolve()}
    opened = {Path(path) for path in _OPENED.findall(calls) if Path(path).is_relative_to(project)}
    assert {path.name for path in opened if not path.name.startswith(".requirements.txt.")} == {"requirements.in"}
