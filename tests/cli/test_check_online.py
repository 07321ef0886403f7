"""`driftscan check --online` against an index on loopback, to the last byte of output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftscan.cli import run
from tests.builders.indexes import PackageIndex, Served, package_index, sdist

FLOATING = """\
drift: 2 packages locked; 2 errors
requirements.txt

click
  error    flask 3.0.0 requires click>=8.1, and the lock does not pin it; today it could be 8.2.0
           LK102 unpinned-transitive · requirements.txt:1 · via flask > click
           fix       lock all requirements with their dependencies

colorama
  error    click 8.2.0 requires colorama, and the lock does not pin it; today it could be 0.4.6
           LK102 unpinned-transitive · requirements.txt:1 · via flask > click > colorama
           fix       lock all requirements with their dependencies

`driftscan explain LK102` tells more about a rule
"""


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    with package_index() as running:
        for name in ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", running.simple)
        yield running


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def write(project: Path, *lines: str) -> None:
    (project / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))


def hashed(name: str, digest: str) -> str:
    return f"{name} --hash=sha256:{digest}"


def unchecked(capsys: pytest.CaptureFixture[str], index: PackageIndex) -> list[str]:
    """What a report in JSON says was not checked."""
    report = json.loads(capsys.readouterr().out)
    return [f"{item['what']}: {item['why']}".replace(index.simple, "INDEX") for item in report["unchecked"]]


def test_a_lock_that_holds_all_that_it_needs(
    index: PackageIndex, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flask = index.release("flask", "3.0.0", "click>=8.1", "colorama; sys_platform == 'win32'")
    click = index.release("click", "8.1.0")
    write(project, hashed("flask==3.0.0", flask), hashed("click==8.1.0", click))
    assert run(["check", "requirements.txt", "--online"]) == 0
    assert capsys.readouterr() == ("clean: 2 packages locked\nrequirements.txt\n", "")


def test_what_would_float_in(index: PackageIndex, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flask = index.release("flask", "3.0.0", "click>=8.1", "six")
    six = index.release("six", "1.16.0")
    index.release("click", "8.1.0")
    index.release("click", "8.2.0", "colorama", "flask")
    index.release("click", "9.0.0", entry={"requires-python": ">=3.99"})
    index.release("click", "9.1.0", entry={"yanked": "broken"})
    index.release("click", "9.2.0rc1")
    index.release("colorama", "0.4.6")
    write(project, hashed("flask==3.0.0", flask), hashed("six==1.16.0", six))
    assert run(["check", "requirements.txt", "--online"]) == 1
    assert capsys.readouterr().out == FLOATING
    run(["check", "requirements.txt", "--online", "--format", "json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [finding["chain"] for finding in findings] == [["flask", "click"], ["flask", "click", "colorama"]]


def test_nothing_is_asked_unless_wanted(index: PackageIndex, project: Path) -> None:
    write(project, hashed("flask==3.0.0", index.release("flask", "3.0.0", "click")))
    assert run(["check", "requirements.txt"]) == 0
    assert index.asked == []


def test_what_the_index_does_not_tell(index: PackageIndex, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digest = index.add("old-1.0.tar.gz", sdist("old", "1.0", b"Metadata-Version: 1.2\nName: old\nVersion: 1.0\n"))
    index.content["/simple/bad/"] = Served(b"{", "application/zip")
    write(project, hashed("old==1.0", digest), hashed("bad==1.0", digest), hashed("gone==1.0", digest))
    assert run(["check", "requirements.txt", "--online", "--format", "json"]) == 3
    assert unchecked(capsys, index) == [
        "what old 1.0 requires: old-1.0.tar.gz: only a build of this source distribution tells its requirements",
        "what bad 1.0 requires: INDEX/bad/: the page is 'application/zip', neither HTML nor JSON of the simple API",
        "what gone 1.0 requires: INDEX/gone/: there is no project gone",
    ]


def test_an_index_that_does_not_answer(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with package_index() as index:
        pass
    write(project, *(hashed(f"{name}==1.0", "ab" * 32) for name in ("flask", "six", "click")))
    assert run(["check", "requirements.txt", "--online", "--index-url", index.simple, "--format", "json"]) == 3
    assert unchecked(capsys, index) == [
        f"what flask 1.0 and 2 others require: {index.url}: it gives no answer: Connection refused"
    ]


def test_hashes_that_no_file_has(index: PackageIndex, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of some of a pin, of all, and of all where a lock has several: whatever else is found, it is not clean."""
    shop, flask = index.release("shop", "1.0"), index.release("flask", "3.0.0")
    index.release("six", "1.16.0")
    index.release("tool", "2.0")
    write(
        project,
        f"{hashed('shop==1.0', shop)} --hash=sha256:{'ab' * 32}",
        f"{hashed('flask==3.0.0', flask)} --hash=sha512:{'ab' * 64}",
        hashed("six==1.16.0", "ab" * 32),
        f"{hashed('tool==2.0', 'ab' * 32)} --hash=sha256:{'cd' * 32}",
    )
    assert run(["check", "requirements.txt", "--online", "--format", "json"]) == 3
    assert unchecked(capsys, index) == [
        "what six 1.16.0 requires: INDEX/six/: no file of six 1.16.0 has a hash of the lock",
        "what tool 2.0 requires: INDEX/tool/: no file of tool 2.0 has a hash of the lock",
        "1 of 2 hashes of shop 1.0: INDEX/shop/ has no file of that release with it",
        (
            "the hash of six 1.16.0: INDEX/six/ has no file of that release with it, so nothing that it has can be"
            " installed"
        ),
        (
            "all 2 hashes of tool 2.0: INDEX/tool/ has no file of that release with them, so nothing that it has can be"
            " installed"
        ),
    ]


def test_hashes_that_an_index_may_have_which_does_not_answer(
    index: PackageIndex, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with package_index() as other:
        pass
    digest = index.release("shop", "1.0")
    write(project, f"{hashed('shop==1.0', digest)} --hash=sha256:{'ab' * 32}")
    urls = ["--index-url", index.simple, "--index-url", other.simple]
    assert run(["check", "requirements.txt", "--online", *urls, "--format", "json"]) == 3
    assert unchecked(capsys, index) == [
        f"whether files have all hashes of shop 1.0: {other.url}: it gives no answer: Connection refused"
    ]


def test_files_are_named_by_their_hashes(
    index: PackageIndex, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--python", "3.12", "--python-platform", "linux", "--online"]
    linux = index.release("shop", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    windows = index.release("shop", "1.0", tag="cp312-cp312-win_amd64")
    write(project, f"{hashed('shop==1.0', linux)} --hash=sha256:{windows}")
    assert run(["check", "requirements.txt", *place]) == 0
    write(project, hashed("shop==1.0", windows))
    assert run(["check", "requirements.txt", *place]) == 1
    assert "the lock has only shop-1.0-cp312-cp312-win_amd64.whl" in " ".join(capsys.readouterr().out.split())
    write(project, f"{hashed('shop==1.0', windows)} --hash=sha256:{'ab' * 32}")
    assert run(["check", "requirements.txt", *place]) == 3


def test_usage(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(project, "flask==1")
    assert run(["check", "requirements.txt", "--online", "--offline"]) == 2
    assert run(["check", "requirements.txt", "--index-url", "https://index.example/simple"]) == 2
    assert run(["check", "requirements.txt", "--online", "--index-url", "ftp://me:secret@index.example/"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "driftscan: error: a package index cannot be asked offline",
        "hint: leave --online or --offline out",
        "driftscan: error: an index is only asked with --online",
        "hint: add --online",
        "driftscan: error: ftp://index.example/ is no address that can be asked",
    ]


def test_an_index_that_is_not_secured(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "uv.lock").write_text('version = 1\nrequires-python = ">=3.11"\n')
    assert run(["check", "uv.lock", "--online", "--index-url", "http://me:secret@index.example/simple"]) == 0
    assert capsys.readouterr().err == (
        "driftscan: warning: http://index.example/simple is not secured by TLS: whoever stands in between can change "
        "what it says\n"
    )
