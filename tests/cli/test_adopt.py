"""`driftscan adopt`: an environment that real installers made, back to a lock, from an index on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.pylock import Pylock
from uv import find_uv_bin

from driftscan.cli import run
from driftscan.resolve import places
from driftscan.resolve.places import this_machine
from tests.builders.indexes import PackageIndex, Served, package_index
from tests.builders.keyrings import keyring
from tests.builders.wheels import wheel

pytestmark = pytest.mark.real  # installers of their own, and environments that are read whole

SHOP, TOOL = "shop-1.0-py3-none-any.whl", "tool-2.0-py3-none-any.whl"
ANY_PYTHON = ["--python", sys.executable]


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PackageIndex]:
    """An index with two wheels, one of which requires the other, and with an sdist beside one of them."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "shop", "1.0", {"shop.py": b"x = 1\n"}, requires=["tool>=2"])
    wheel(wheels, "tool", "2.0", {"tool.py": b"y = 2\n"})
    with package_index() as running:
        for name in ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", running.simple)
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in (SHOP, TOOL):
            running.add(name, (wheels / name).read_bytes())
        running.add("shop-1.0.tar.gz", b"sdist")
        yield running


@pytest.fixture
def environment(index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    uv(tmp_path, "venv", "venv", *ANY_PYTHON)
    uv(tmp_path, "pip", "install", "--python", "venv", "--default-index", index.simple, "shop==1.0")
    return tmp_path / "venv"


def uv(folder: Path, *arguments: str | Path) -> None:
    subprocess.run([find_uv_bin(), *arguments, "--no-cache", "--quiet"], cwd=folder, check=True, timeout=120)


def site(environment: Path) -> Path:
    (found,) = environment.glob("lib/python3*/site-packages")
    return found


def digest(index: PackageIndex, name: str) -> str:
    served = index.content[f"/files/{name}"]
    assert isinstance(served, Served)
    return hashlib.sha256(served.data).hexdigest()


def test_requirements(environment: Path, index: PackageIndex, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adopt", "env:venv", "-o", "requirements.txt"]) == 0
    assert capsys.readouterr() == ("", "2 entries written to requirements.txt\n")
    head, blank, *lines = Path("requirements.txt").read_text().partition("\n\n")
    assert (head.splitlines(), blank) == (
        [
            "# Made by driftscan adopt. Change what it is made from, and run this again:",
            "#",
            "#    driftscan adopt env:venv -o requirements.txt",
            "#",
            f"# for: {this_machine().words}",
        ],
        "\n\n",
    )
    hashes = sorted((digest(index, SHOP), digest(index, "shop-1.0.tar.gz")))
    assert "".join(lines) == (
        f"shop==1.0 \\\n    --hash=sha256:{hashes[0]} \\\n    --hash=sha256:{hashes[1]}\n"
        f"tool==2.0 \\\n    --hash=sha256:{digest(index, TOOL)}\n    # via shop\n"
    )
    assert run(["compare", "requirements.txt", "env:venv"]) == 0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("-o", "requirements.txt"), "requirements.txt"),
        (("-o", "pylock.toml", "--hashes", "exact"), "pylock.toml"),
        (("-o", "a lock", "--to", "requirements"), "a lock"),
    ],
)
def test_the_command_in_the_lock_makes_it_again(environment: Path, arguments: tuple[str, ...], name: str) -> None:
    words = ["adopt", "env:venv", *arguments]
    assert run(words) == 0
    text = Path(name).read_text()
    assert shlex.join(["driftscan", *words]) in text
    Path(name).unlink()
    assert run(words) == 0
    assert Path(name).read_text() == text


def test_locking_again_is_for_the_place_of_the_image(
    environment: Path, index: PackageIndex, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for the Python that driftscan runs on, which is another on the next machine."""
    words = this_machine().words
    Path("requirements.in").write_text("shop\n")
    monkeypatch.setattr(places, "this_machine", lambda: places.named("3.12.4", "linux"))
    for name in ("requirements.txt", "pylock.toml"):
        run(["adopt", "env:venv", "-o", name])
        capsys.readouterr()
        assert run(["lock", "requirements.in", "-o", name]) == 0
        assert capsys.readouterr().err == f"2 packages locked in {name} for {words}\n"
        assert words in Path(name).read_text()


def test_files_that_were_changed_or_removed(environment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lock holds their packages, and brings back other files than those of the image."""
    changed, removed = site(environment) / "shop.py", site(environment) / "tool.py"
    changed.write_text("x = 2\n")
    removed.unlink()
    assert run(["adopt", "env:venv", "-o", "requirements.txt", "-q"]) == 3
    assert capsys.readouterr().err == (
        f"not brought back: a file of shop 1.0 differs from its RECORD: {changed}\n"
        f"not brought back: a file of tool 2.0 is gone from the image: {removed}\n"
    )
    text = Path("requirements.txt").read_text()
    assert ("shop==1.0" in text, "tool==2.0" in text) == (True, True)
    assert run(["compare", "requirements.txt", "env:venv"]) == 1


def test_it_brings_back_the_same(environment: Path, index: PackageIndex, tmp_path: Path) -> None:
    assert run(["adopt", "env:venv", "-o", "requirements.txt", "--index-url", index.simple]) == 0
    uv(tmp_path, "venv", "fresh", *ANY_PYTHON)
    uv(tmp_path, "pip", "install", "--python", "fresh", "--require-hashes", "-r", "requirements.txt")
    assert run(["compare", "requirements.txt", "env:fresh"]) == 0
    assert Path("requirements.txt").read_text().count(f"--index-url {index.simple}\n") == 1


def test_pylock_of_the_installed_files_alone(
    environment: Path, index: PackageIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["adopt", "env:venv", "-o", "pylock.toml", "--hashes", "exact"]) == 0
    document = tomllib.loads(Path("pylock.toml").read_text())
    Pylock.from_dict(document).validate()
    assert [(each["name"], each["index"], "sdist" in each) for each in document["packages"]] == [
        ("shop", index.simple, False),
        ("tool", index.simple, False),
    ]
    assert run(["compare", "pylock.toml", "env:venv"]) == 0


def test_a_wheel_that_is_not_what_is_installed(
    environment: Path, index: PackageIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Same name, version and tags, other content: nobody may take its hash for that of what is installed."""
    other = tmp_path / "other"
    other.mkdir()
    wheel(other, "tool", "2.0", {"tool.py": b"y = 3\n"})
    served = index.content[f"/files/{TOOL}"]
    assert isinstance(served, Served)
    index.content[f"/files/{TOOL}"] = served._replace(data=(other / TOOL).read_bytes())
    assert run(["adopt", "env:venv", "-o", "requirements.txt", "--no-cache"]) == 3
    path = site(environment) / "tool.py"
    assert capsys.readouterr().err == (
        f"left out: tool 2.0: {path} is not as in {TOOL}\n1 entry written to requirements.txt\n"
    )
    assert "tool==" not in Path("requirements.txt").read_text()


def test_an_index_that_sends_no_parts(environment: Path, index: PackageIndex) -> None:
    for path, served in index.content.items():
        if isinstance(served, Served):
            index.content[path] = served._replace(parts=False)
    assert run(["adopt", "env:venv", "-o", "requirements.txt", "--no-cache"]) == 0


def test_what_the_index_does_not_have(
    environment: Path, index: PackageIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    del index.content["/simple/tool/"]
    assert run(["adopt", "env:venv", "-o", "requirements.txt"]) == 3
    assert capsys.readouterr().err.startswith("left out: tool 2.0: there is no project tool\n")


@pytest.mark.parametrize(
    ("direct_url", "line", "why"),
    [
        (
            {"url": "https://git.example/tool", "vcs_info": {"vcs": "git", "commit_id": "ab" * 20}},
            f"tool @ git+https://git.example/tool@{'ab' * 20}",
            None,
        ),
        (
            {"url": f"https://files.example/{TOOL}", "archive_info": {"hashes": {"sha256": "cd" * 32}}},
            f"tool @ https://files.example/{TOOL} \\\n    --hash=sha256:{'cd' * 32}",
            None,
        ),
        (
            {"url": f"https://files.example/{TOOL}", "archive_info": {}},
            None,
            f"it was installed from https://files.example/{TOOL}, and nobody wrote down the hash of that",
        ),
        ({"url": "file:///src/tool", "dir_info": {}}, None, "it was installed from the folder file:///src/tool"),
    ],
)
def test_what_was_not_installed_from_an_index(
    environment: Path,
    capsys: pytest.CaptureFixture[str],
    direct_url: dict[str, object],
    line: str | None,
    why: str | None,
) -> None:
    (site(environment) / "tool-2.0.dist-info/direct_url.json").write_text(json.dumps(direct_url))
    assert run(["adopt", "env:venv", "-o", "requirements.txt"]) == (0 if why is None else 3)
    text, said = Path("requirements.txt").read_text(), capsys.readouterr().err
    assert line is None or line in text
    assert why is None or said.startswith(f"left out: tool 2.0: {why}\n")


def test_nothing_to_adopt(environment: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    uv(tmp_path, "venv", "empty", *ANY_PYTHON)
    assert run(["adopt", "env:empty", "-o", "requirements.txt"]) == 2
    place = tmp_path / "empty"
    assert capsys.readouterr().err == f"driftscan: error: empty: there is nothing in {place} that a lock can hold\n"
    assert not Path("requirements.txt").exists()


def test_offline(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adopt", "--offline", "shop:1"]) == 2
    assert "the hashes are on the package index, which cannot be asked offline" in capsys.readouterr().err


def test_a_folder_that_is_not_there(environment: Path, index: PackageIndex, capsys: pytest.CaptureFixture[str]) -> None:
    index.asked.clear()
    assert run(["adopt", "env:venv", "-o", "gone/requirements.txt"]) == 2
    assert capsys.readouterr().err == "driftscan: error: there is no folder gone\n"
    assert index.asked == []


def test_an_index_that_does_not_answer(
    environment: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("requirements.txt").write_text("old")
    assert run(["adopt", "env:venv", "-o", "requirements.txt", "--index-url", "http://127.0.0.1:9/simple"]) == 2
    assert Path("requirements.txt").read_text() == "old"


def test_what_is_no_file_is_written_to_and_not_replaced(environment: Path, tmp_path: Path) -> None:
    """As root, `-o /dev/null` would put a file in place of the device."""
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_text)
        assert run(["adopt", "env:venv", "-o", "pipe", "--to", "requirements"]) == 0
        assert "shop==1.0 \\\n" in read.result(timeout=60)
    assert (tmp_path / "pipe").is_fifo()


def test_a_password_of_the_keyring(
    environment: Path, index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring(tmp_path, index.url.removeprefix("http://"), monkeypatch)
    monkeypatch.setenv("PIP_INDEX_URL", index.simple.replace("://", "://me@"))
    index.asked.clear()
    assert run(["adopt", "env:venv", "-o", "pylock.toml"]) == 0
    assert {asked.authorization for asked in index.asked} == {"Basic bWU6c2VjcmV0"}
    assert "me@" not in Path("pylock.toml").read_text()
