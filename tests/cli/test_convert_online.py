"""`driftscan convert --online`: addresses of files by their hashes, from an index on loopback."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from driftscan.cli import run
from tests.builders.indexes import PackageIndex, package_index


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    with package_index() as running:
        for name in ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", running.simple)
        yield running


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def files(project: Path, index: PackageIndex) -> dict[str, list[tuple[str, str]]]:
    """Address and digest of each file of the pylock.toml, by project."""
    found = tomllib.loads((project / "pylock.toml").read_text())
    Pylock.from_dict(found).validate()
    return {
        package["name"]: [
            (file["url"].replace(index.url, "INDEX"), file["hashes"]["sha256"]) for file in package["wheels"]
        ]
        for package in found["packages"]
    }


def test_a_requirements_file_has_hashes_only(index: PackageIndex, project: Path) -> None:
    pure = index.release("six", "1.16.0")
    linux = index.release("shop", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    index.release("shop", "1.0", tag="cp312-cp312-win_amd64")
    (project / "requirements.txt").write_text(
        f"six==1.16.0 --hash=sha256:{pure}\nshop==1.0 ; python_version >= '3.12' --hash=sha256:{linux}\n"
    )
    assert run(["convert", "requirements.txt", "-o", "pylock.toml", "--online"]) == 0
    assert files(project, index) == {
        "shop": [("INDEX/files/shop-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", linux)],
        "six": [("INDEX/files/six-1.16.0-py3-none-any.whl", pure)],
    }


def test_long_addresses_are_whole(index: PackageIndex, project: Path) -> None:
    tag = "cp312-cp312-" + ".".join(f"manylinux_2_{minor}_x86_64" for minor in range(5, 18))
    digest = index.release("shop", "1.0", tag=tag)
    (project / "requirements.txt").write_text(f"shop==1.0 --hash=sha256:{digest}\n")
    assert run(["convert", "requirements.txt", "-o", "pylock.toml", "--online"]) == 0
    assert files(project, index) == {"shop": [(f"INDEX/files/shop-1.0-{tag}.whl", digest)]}


def test_a_poetry_lock_has_names_and_hashes(index: PackageIndex, project: Path) -> None:
    digest = index.release("six", "1.16.0")
    (project / "poetry.lock").write_text(
        '[[package]]\nname = "six"\nversion = "1.16.0"\noptional = false\npython-versions = "*"\ngroups = ["main"]\n'
        f'files = [{{file = "six-1.16.0-py3-none-any.whl", hash = "sha256:{digest}"}}]\n'
        '[metadata]\nlock-version = "2.1"\npython-versions = ">=3.11"\ncontent-hash = "00"\n'
    )
    assert run(["convert", "poetry.lock", "-o", "pylock.toml"]) == 2
    assert run(["convert", "poetry.lock", "-o", "pylock.toml", "--online", "--index-url", index.simple]) == 0
    assert files(project, index) == {"six": [("INDEX/files/six-1.16.0-py3-none-any.whl", digest)]}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("gone==1.0", "INDEX/gone/: there is no project gone"),
        ("six==1.17.0", "INDEX/six/: there is no release 1.17.0 of six"),
        ("six==1.16.0", "INDEX/six/: no file of six 1.16.0 has a hash of the lock"),
    ],
)
def test_what_no_index_has(
    index: PackageIndex, project: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    index.release("six", "1.16.0")
    (project / "requirements.txt").write_text(f"{line} --hash=sha256:{'ab' * 32}\n")
    assert run(["convert", "requirements.txt", "-o", "pylock.toml", "--online"]) == 2
    assert capsys.readouterr().err.replace(index.simple, "INDEX").splitlines()[0] == f"driftscan: error: {message}"
    assert not (project / "pylock.toml").exists()


def test_a_hash_that_the_index_does_not_know(
    index: PackageIndex, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = index.release("six", "1.16.0")
    (project / "requirements.txt").write_text(f"six==1.16.0 --hash=sha256:{digest} --hash=sha256:{'ab' * 32}\n")
    assert run(["convert", "requirements.txt", "-o", "pylock.toml", "--online"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == (
        "driftscan: error: requirements.txt:1: six 1.16.0 has hashes, but no addresses of files, and pylock.toml has an"
        " address and a hash of every file"
    )
