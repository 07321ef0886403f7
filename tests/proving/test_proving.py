"""`driftscan compare` with the locked wheels at hand: what is installed, byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driftscan.cli import run
from tests.builders.indexes import PackageIndex, package_index
from tests.builders.installed import record_line
from tests.builders.wheels import wheel
from tests.proving.conftest import ENTRY_POINTS, FILES, by_pip, by_uv

pytestmark = pytest.mark.real  # installers of their own, and environments that are read whole

WHEEL = "shop-1.0-py3-none-any.whl"
CHANGED = ("VENV/bin/shop-report", "VENV/SITE/shop/__init__.py", "VENV/share/shop/logo.svg")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, wheels: Path) -> Iterator[PackageIndex]:
    with package_index() as running:
        for name in ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", running.simple)
        running.add(WHEEL, (wheels / WHEEL).read_bytes())
        yield running


@pytest.fixture
def lock(tmp_path: Path, digest: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "requirements.txt"
    path.write_text(f"shop==1.0 --hash=sha256:{digest} --hash=sha256:{'0' * 64}\n")
    return path


class Result:
    """What a comparison printed as JSON, and its exit code."""

    def __init__(self, environment: Path, code: int, printed: str) -> None:
        self._environment = str(environment)
        self.code = code
        self.document: dict[str, Any] = json.loads(printed)

    @property
    def grades(self) -> list[tuple[str, str, str | None]]:
        return [(each["package"], each["grade"], each.get("why")) for each in self.document["proofs"]]

    @property
    def messages(self) -> list[str]:
        return [f"{each['rule']} {self._short(each['message'])}" for each in self.document["findings"]]

    @property
    def unchecked(self) -> list[tuple[str, str]]:
        return [(each["what"], each["why"]) for each in self.document["unchecked"]]

    def _short(self, text: str) -> str:
        return re.sub(r"lib/python3\.\d+/site-packages", "SITE", text.replace(self._environment, "VENV"))


@pytest.fixture
def compare(environment: Path, lock: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def compare(*options: str) -> Result:
        code = run(["compare", "-f", "json", *options, str(lock), f"env:{environment}"])
        return Result(environment, code, capsys.readouterr().out)

    return compare


def site(environment: Path) -> Path:
    (found,) = environment.glob("lib/python3*/site-packages")
    return found


def recorded(environment: Path, path: str, content: bytes | None) -> None:
    """Change, add or (None) remove a file and let RECORD say the same, as somebody who hides it would."""
    record = site(environment) / "shop-1.0.dist-info/RECORD"
    lines = [line for line in record.read_text().splitlines(keepends=True) if not line.startswith(f"{path},")]
    file = site(environment) / path
    if content is None:
        file.unlink()
    else:
        file.unlink(missing_ok=True)
        file.write_bytes(content)
        lines.append(record_line(path, content))
    record.write_text("".join(lines))


@pytest.mark.parametrize("install", [by_uv, by_pip], indirect=True)
def test_installed_from_the_locked_wheel(compare: Any, wheels: Path) -> None:
    result = compare("--wheels", str(wheels))
    assert (result.code, result.messages, result.unchecked) == (0, [], [])
    assert result.grades == [("shop", "proved", None)]
    assert result.document["proofs"][0]["file"] == WHEEL


def test_without_being_asked_nothing_is_proved(compare: Any) -> None:
    assert "proofs" not in compare().document


def test_records_that_were_changed_too(compare: Any, environment: Path, wheels: Path) -> None:
    recorded(environment, "shop/__init__.py", b"import os\n")
    recorded(environment, "shop/hook.py", b"import os\n")
    recorded(environment, "shop/prices.json", None)
    recorded(environment, "../../../bin/shop-report", b"#!/bin/sh\nrm\n")
    recorded(environment, "../../../bin/other", b"#!/bin/sh\n")
    recorded(environment, "../../../share/shop/logo.svg", b"<svg>")
    assert compare().messages == []
    result = compare("--wheels", str(wheels))
    assert result.code == 1
    assert result.messages == [
        f"IN404 2 files of shop 1.0 are not in {WHEEL}: VENV/bin/other, VENV/SITE/shop/hook.py",
        f"IN404 3 files of shop 1.0 are not those in {WHEEL}: {', '.join(CHANGED)}",
        f"IN404 a file of shop 1.0 is missing that {WHEEL} contains: VENV/SITE/shop/prices.json",
    ]
    assert result.grades == [("shop", "different", None)]


def test_a_file_that_differs_from_its_record_is_told_once(compare: Any, environment: Path, wheels: Path) -> None:
    file = site(environment) / "shop/__init__.py"
    file.unlink()
    file.write_bytes(b"import os\n")
    result = compare("--wheels", str(wheels))
    assert result.messages == ["IN401 a file of shop 1.0 differs from its RECORD: VENV/SITE/shop/__init__.py"]
    assert result.grades == [("shop", "different", None)]


def test_a_rebuilt_wheel_is_none_of_the_locked(compare: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    wheel(other, "shop", "1.0", {**FILES, "shop/__init__.py": b"def main(): return 1\n"}, entry_points=ENTRY_POINTS)
    result = compare("--wheels", str(other))
    why = f"{other} has no wheel of it with a hash of the lock"
    assert (result.code, result.messages) == (3, [])
    assert result.unchecked == [("whether shop 1.0 has the locked bytes", why)]
    assert result.grades == [("shop", "claimed", why)]


def test_evidence_of_an_index_becomes_proof(compare: Any, index: PackageIndex) -> None:
    result = compare("--prove")
    assert (result.code, result.messages) == (0, [])
    assert result.grades == [("shop", "evidence", None)]
    assert all(asked.range for asked in index.asked if asked.path.startswith("/files/"))
    assert compare("--download").grades == [("shop", "proved", None)]
    asked = len(index.asked)
    assert compare("--prove").grades == [("shop", "proved", None)]
    assert len(index.asked) == asked, "what was proved once is remembered"


def test_nothing_is_remembered_without_a_cache(compare: Any, index: PackageIndex) -> None:
    assert compare("--download", "--no-cache").grades == [("shop", "proved", None)]
    asked = len(index.asked)
    assert compare("--download", "--no-cache").grades == [("shop", "proved", None)]
    assert len(index.asked) == 2 * asked


def test_an_index_whose_file_has_another_hash(compare: Any, index: PackageIndex, tmp_path: Path) -> None:
    served = index.content[f"/files/{WHEEL}"]
    index.content[f"/files/{WHEEL}"] = served._replace(data=served.data + b"x")  # type: ignore[union-attr]
    result = compare("--download")
    why = f"{index.url}/files/{WHEEL}: it has none of the lock's hashes"
    assert (result.code, result.messages, result.grades) == (3, [], [("shop", "claimed", why)])


def test_an_index_that_does_not_have_it(compare: Any, index: PackageIndex) -> None:
    del index.content[f"/files/{WHEEL}"]
    result = compare("--prove")
    assert result.code == 3
    assert result.unchecked == [
        ("whether shop 1.0 has the locked bytes", f"{index.url}/files/{WHEEL}: there is no such file")
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prove", "--offline"], "a package index cannot be asked offline"),
        (["--download", "--offline"], "a package index cannot be asked offline"),
        (["--index-url", "https://index.example/simple"], "an index is only asked with --prove or --download"),
    ],
)
def test_options_that_contradict_each_other(
    lock: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run(["compare", *options, str(lock), "env:."]) == 2
    assert capsys.readouterr().err.startswith(f"driftscan: error: {message}\n")
