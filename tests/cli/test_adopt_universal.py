"""`driftscan adopt --universal`: what an environment holds, and what other platforms need beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from driftscan.api.universal import _roots
from driftscan.cli import run
from tests.builders.indexes import PackageIndex, package_index
from tests.builders.wheels import wheel

pytestmark = pytest.mark.real  # installers of their own, and environments that are read whole

WINDOWS = "only-windows; sys_platform == 'win32'"
LOCK = "requirements.txt"


def serve(
    index: PackageIndex, name: str, version: str, *requires: str, extras: Sequence[str] = (), **entry: object
) -> str:
    """A wheel that can be installed; its digest."""
    folder = Path("files")
    folder.mkdir(exist_ok=True)
    content = {f"{name.replace('-', '_')}.py": version.encode()}
    path = wheel(folder, name, version, content, requires=requires, extras=extras)
    return index.add(path.name, path.read_bytes(), entry=entry)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PackageIndex]:
    with package_index() as running:
        for name in ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", running.simple)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.chdir(tmp_path)
        yield running


def uv(*arguments: str) -> None:
    subprocess.run([find_uv_bin(), *arguments, "--no-cache", "--quiet"], check=True, timeout=120)


def install(index: PackageIndex, *arguments: str, name: str = "venv") -> None:
    uv("venv", name, "--python", sys.executable)
    uv("pip", "install", "--python", name, "--default-index", index.simple, *arguments)


def test_what_other_platforms_need(index: PackageIndex, capsys: pytest.CaptureFixture[str]) -> None:
    shop = serve(index, "shop", "1.0", "tool>=2", WINDOWS)
    tool = serve(index, "tool", "2.0", "deep; sys_platform == 'linux'")
    deep = serve(index, "deep", "3.0")
    other = serve(index, "only_windows", "1.5")
    install(index, "shop")
    serve(index, "tool", "2.1")
    assert run(["adopt", "env:venv", "-o", LOCK, "--universal"]) == 0
    assert capsys.readouterr() == ("", f"for other platforms: only-windows 1.5\n4 entries written to {LOCK}\n")
    head, _, lines = Path(LOCK).read_text().partition("\n\n")
    python = ".".join(map(str, sys.version_info[:3]))
    assert head.splitlines()[:5] == [
        "# Made by driftscan adopt. Change what it is made from, and run this again:",
        "#",
        f"#    driftscan adopt env:venv -o {LOCK} --universal",
        "#",
        f"# for: all platforms, Python {python} and newer",
    ]
    assert lines == (
        f'deep==3.0 ; sys_platform == "linux" \\\n    --hash=sha256:{deep}\n    # via tool\n'
        f'only-windows==1.5 ; sys_platform == "win32" \\\n    --hash=sha256:{other}\n    # via shop\n'
        f"shop==1.0 \\\n    --hash=sha256:{shop}\n"
        f"tool==2.0 \\\n    --hash=sha256:{tool}\n    # via shop\n"
    )


@pytest.mark.parametrize("name", [LOCK, "pylock.toml"])
def test_it_brings_back_the_same(index: PackageIndex, name: str) -> None:
    serve(index, "shop", "1.0", "tool>=2", WINDOWS)
    serve(index, "tool", "2.0")
    serve(index, "only_windows", "1.5")
    install(index, "shop")
    assert run(["adopt", "env:venv", "-o", name, "--universal"]) == 0
    install(index, "--require-hashes", "-r", name, name="fresh")
    assert run(["compare", name, "env:fresh"]) == 0


def test_an_extra_of_which_all_is_there(index: PackageIndex, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing records extras that a user asked for; without them, `loop` would be asked for on every platform."""
    serve(
        index,
        "shop",
        "1.0",
        "loop; sys_platform != 'win32' and extra == 'web'",
        "absent; extra == 'x'",
        extras=["web", "x"],
    )
    serve(index, "loop", "1.0")
    install(index, "shop[web]")
    assert run(["adopt", "env:venv", "-o", LOCK, "--universal"]) == 0
    assert capsys.readouterr().err.splitlines()[0] == ("taken to be asked for, since all of it is there: shop[web]")
    assert 'loop==1.0 ; sys_platform != "win32" \\\n' in Path(LOCK).read_text()


@pytest.mark.parametrize("arguments", [[], ["--universal"]])
def test_an_adopted_lock_is_up_to_date_though_it_records_no_extras(
    index: PackageIndex, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """It says who requires `tool`, and nothing of `loop`."""
    serve(index, "shop", "1.0", "tool", "loop; extra == 'web'", extras=["web"])
    serve(index, "loop", "1.0")
    serve(index, "tool", "1.0")
    install(index, "shop[web]")
    assert run(["adopt", "env:venv", "-o", LOCK, *arguments]) == 0
    Path("requirements.in").write_text("shop[web]\n")
    capsys.readouterr()
    assert run(["lock", "requirements.in", "--check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{LOCK} is up to date",
        "inputs   satisfied: 1 requirement of requirements.in; the lock does not say from which it was made",
        "resolve  the same pins",
        "audit    3 pins: none was yanked, and no hash is gone",
    ]


def test_an_extra_of_which_something_is_missing(index: PackageIndex, capsys: pytest.CaptureFixture[str]) -> None:
    """`all` asks for `web`, which brings in what is not there; `docs` brings in the same everywhere."""
    extras = ["all", "docs", "test", "web"]
    lines = [
        "loop; extra == 'all'",
        "shop[web]; os_name == 'posix' and extra == 'all'",
        "loop; extra == 'docs'",
        "loop; os_name == 'posix' and extra == 'test'",
        "deep; extra == 'web'",
    ]
    serve(index, "shop", "1.0", *lines, extras=extras)
    serve(index, "deep", "1.0")
    serve(index, "loop", "1.0")
    install(index, "shop", "loop")
    assert run(["adopt", "env:venv", "-o", LOCK, "--universal"]) == 0
    assert capsys.readouterr().err.splitlines()[0] == "taken to be asked for, since all of it is there: shop[test]"


def test_what_was_yanked_since_is_kept(index: PackageIndex, capsys: pytest.CaptureFixture[str]) -> None:
    serve(index, "shop", "1.0", yanked="it is slow")
    install(index, "shop==1.0")
    assert run(["adopt", "env:venv", "-o", LOCK, "--universal"]) == 0
    assert capsys.readouterr().err.splitlines()[0] == "shop 1.0 is yanked: it is slow"


def test_what_is_missing_cannot_be_left_out_elsewhere(index: PackageIndex, capsys: pytest.CaptureFixture[str]) -> None:
    serve(index, "shop", "1.0", "tool>=2")
    serve(index, "tool", "2.0")
    install(index, "shop", "--no-deps")
    Path(LOCK).write_text("old")
    assert run(["adopt", "env:venv", "-o", LOCK, "--universal"]) == 2
    assert capsys.readouterr().err == (
        "driftscan: error: venv: a lock for all platforms would not install there what it holds:"
        " tool 2.0 would come in, and nobody installed it\n"
        "hint: leave --universal out, and the lock is for the image's own platform\n"
    )
    assert Path(LOCK).read_text() == "old"


def test_what_was_left_out_comes_in(index: PackageIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve(index, "shop", "1.0", "tool>=2")
    serve(index, "tool", "2.0")
    install(index, "shop")
    direct_url(tmp_path, {"url": "file:///src/tool", "dir_info": {}})
    assert run(["adopt", "env:venv", "-o", LOCK, "--universal"]) == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[0]
        .endswith("tool 2.0 would come in, and it was installed from the folder file:///src/tool")
    )


def direct_url(tmp_path: Path, document: object) -> None:
    (place,) = tmp_path.glob("venv/lib/python3*/site-packages/tool-2.0.dist-info")
    (place / "direct_url.json").write_text(json.dumps(document))


def test_pins_that_contradict_each_other(index: PackageIndex, capsys: pytest.CaptureFixture[str]) -> None:
    serve(index, "shop", "1.0", "tool>=3")
    serve(index, "tool", "2.0")
    install(index, "shop", "tool==2.0", "--no-deps")
    assert run(["adopt", "env:venv", "-o", LOCK, "--universal"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == (
        "driftscan: error: venv: shop 1.0 requires tool>=3, and tool==2.0 is asked for (venv)"
    )


def test_what_only_a_build_tells(index: PackageIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve(index, "tool", "2.0")
    install(index, "tool")
    direct_url(tmp_path, {"url": "https://git.example/tool", "vcs_info": {"vcs": "git", "commit_id": "ab" * 20}})
    assert run(["adopt", "env:venv", "-o", LOCK, "--universal"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == (
        "driftscan: error: venv: only a build of tool from https://git.example/tool tells what it requires elsewhere"
    )


def test_the_installed_files_alone_are_of_one_platform(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    uv("venv", str(tmp_path / "venv"), "--python", sys.executable)
    assert run(["adopt", f"env:{tmp_path / 'venv'}", "-o", LOCK, "--universal", "--hashes", "exact"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == (
        "driftscan: error: --hashes exact is for one platform, and a universal lock for all"
    )


@pytest.mark.parametrize(
    ("edges", "roots"),
    [
        ({"a": "b", "b": "", "c": ""}, "ac"),
        ({"a": "b", "b": "a"}, "a"),
        ({"a": "b", "b": "cd", "c": "b", "d": ""}, "a"),
        ({"b": "c", "c": "bd", "d": "", "e": "f", "f": "e"}, "be"),
    ],
)
def test_what_is_asked_for(edges: dict[str, str], roots: str) -> None:
    """What nothing else requires, and one of each circle."""
    names = {each: frozenset(map(canonicalize_name, edges[each])) for each in edges}
    found = _roots(
        {canonicalize_name(name): required & {*map(canonicalize_name, edges)} for name, required in names.items()}
    )
    assert found == set(map(canonicalize_name, roots))
