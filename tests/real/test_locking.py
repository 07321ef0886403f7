"""Locks made for a real image: installed there with hashes required, compared, and found stale when they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

import driftscan
from driftscan.cli import run
from driftscan.errors import PackageIndexError
from driftscan.finding import Report, Severity, Verdict
from driftscan.index.releases import Releases
from driftscan.index.settings import configured_indexes
from driftscan.index.transport import Web
from tests.real.daemons import Docker

pytestmark = pytest.mark.real

DOCKERFILE = """\
FROM {base}
RUN python3 -m venv /opt/venv
COPY requirements.txt /app/requirements.txt
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r /app/requirements.txt
ENV PATH=/opt/venv/bin:$PATH
ENTRYPOINT ["python", "-m", "flask"]
"""


@pytest.fixture(autouse=True)
def index_is_there() -> None:
    indexes = configured_indexes()
    try:
        Releases(Web(indexes), indexes).project(canonicalize_name("flask"))
    except PackageIndexError as error:
        pytest.skip(f"the package index cannot be asked: {error}")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def serious(report: Report) -> list[tuple[str, str | None]]:
    return [(each.rule, each.package) for each in report.findings if each.severity is not Severity.INFO]


@pytest.mark.parametrize("engine", ["uv", "pip-tools"])
def test_the_whole_loop(
    docker: Docker,
    base_image: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    engine: str,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    loose = project / "requirements.in"
    loose.write_text("flask>=3\nmarkupsafe\npyyaml\n")
    options = ["--for", f"docker:{base_image}", "--engine", engine]
    assert run(["lock", "requirements.in", *options]) == 0
    assert run(["lock", "requirements.in", "--check"]) == 0

    image = docker.build(
        DOCKERFILE.format(base=base_image), {"requirements.txt": (project / "requirements.txt").read_text()}
    )
    report = driftscan.compare(["requirements.txt"], f"docker:{image}")
    assert serious(report) == []
    assert report.unchecked == ()
    assert report.verdict is Verdict.CLEAN
    assert report.matching == report.locked > 5

    loose.write_text("flask>=3\nmarkupsafe\npyyaml\ntabulate\n")
    capsys.readouterr()
    before = (project / "requirements.txt").read_bytes()
    assert run(["lock", "requirements.in", "--check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "requirements.txt is stale",
        "inputs   requirements.in:4 asks for tabulate, which the lock does not have",
    ]
    assert lines[2].startswith("resolve  + tabulate ")
    assert (project / "requirements.txt").read_bytes() == before
    assert ("LK107", "tabulate") in serious(driftscan.compare(["requirements.txt"], f"docker:{image}"))

    assert run(["lock", "requirements.in", *options]) == 0
    report = driftscan.compare(["requirements.txt"], f"docker:{image}")
    # The lock that was copied into the image is the old one.
    assert sorted(serious(report), key=str) == [("DR201", "tabulate"), ("IM543", None)]


INPUTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "a web service": ("flask\nrequests[socks]\n", ()),
    "data science": ("pandas\nscikit-learn\nmatplotlib\n", ()),
    "an old Python": ("django<5\ncelery\n", ("--python", "3.9.18", "--python-platform", "linux")),
    "Windows": ("jupyter-client\nipykernel\n", ("--python", "3.12.4", "--python-platform", "windows")),
    "macOS": ("numpy\npsutil\nuvicorn[standard]\n", ("--python", "3.13.1", "--python-platform", "macos")),
    "an old glibc": ("numpy\ncryptography\n", ("--python", "3.11.9", "--python-platform", "x86_64-manylinux_2_17")),
    "ARM": ("pydantic\norjson\nlxml\n", ("--python", "3.12.4", "--python-platform", "linux/arm64")),
    "musl": ("pyyaml\nhttpx[http2]\n", ("--python", "3.12.4", "--python-platform", "musllinux_1_2_x86_64")),
    "the past": ("requests\nboto3\n", ("--exclude-newer", "2024-06-01", "--python", "3.11.9")),
    "limits and markers": (
        "rich\npytest<8 ; python_version < '3.12'\ncolorama ; sys_platform == 'win32'\nclick!=8.1.0,<8.2\n",
        ("--python", "3.11.9", "--python-platform", "linux"),
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_both_engines_give_the_same_pins_and_hashes(name: str, project: Path) -> None:
    text, options = INPUTS[name]
    (project / "requirements.in").write_text(text)
    locks = []
    for engine in ("uv", "pip-tools"):
        path = f"{engine}.txt"
        assert run(["lock", "requirements.in", "-o", path, "--engine", engine, "-q", *options]) == 0
        locks.append((project / path).read_text().partition("\n\n")[2])
    assert locks[0] == locks[1]
    assert locks[0].count("==") > 1
