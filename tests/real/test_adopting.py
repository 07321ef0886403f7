"""Images that never had a lock: the one that is made of them brings the same back, with hashes required."""

from __future__ import annotations

from pathlib import Path

import pytest

import driftscan
from driftscan.finding import Severity, Verdict
from tests.real.daemons import Docker

pytestmark = pytest.mark.real

VENV = "RUN python3 -m venv /opt/venv\nENV PATH=/opt/venv/bin:$PATH\n"
IMAGES = {
    "pip, loose": VENV + "RUN pip install requests==2.31.0 'idna<3.8' wrapt\n",
    "uv": VENV + "RUN pip install uv && uv pip install --python /opt/venv jinja2 pyyaml markupsafe\n",
    "upgraded in a later layer": VENV + "RUN pip install idna==3.6 six\nRUN pip install -U idna\n",
    "a folder of packages": "RUN python3 -m venv /tool && /tool/bin/pip install --target /app/lib cffi idna\n"
    'ENV PYTHONPATH=/app/lib\nENTRYPOINT ["python3", "-c", "import cffi"]\n',
    "with installers that something requires": VENV + "RUN pip install -U pip setuptools six pip-tools\n",
}


@pytest.mark.parametrize("name", IMAGES)
def test_it_brings_back_the_same(name: str, docker: Docker, base_image: str, tmp_path: Path) -> None:
    tag = docker.build(f"FROM {base_image}\n{IMAGES[name]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker.host)
        adopted = driftscan.adopt(tag, "requirements")
        assert adopted.left_out == ()
        lock = tmp_path / "requirements.txt"
        lock.write_text(adopted.text)
        assert driftscan.compare([lock], tag).verdict is Verdict.CLEAN
        fresh = docker.build(
            f"FROM {base_image}\n{VENV}COPY requirements.txt /\n"
            "RUN pip install --require-hashes --only-binary :all: -r /requirements.txt\n",
            {"requirements.txt": adopted.text},
        )
        report = driftscan.compare([lock], fresh)
    assert [finding for finding in report.findings if finding.severity is not Severity.INFO] == []
    assert report.verdict is Verdict.CLEAN
    assert report.matching == report.locked == adopted.packages >= 2


def test_for_all_platforms(docker: Docker, base_image: str, tmp_path: Path) -> None:
    """What Windows needs beside it is locked too; here the image comes back as it is."""
    tag = docker.build(f"FROM {base_image}\n{VENV}RUN pip install 'click<8.2' 'uvicorn[standard]' requests==2.31.0\n")
    lock = tmp_path / "requirements.txt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker.host)
        narrow = driftscan.adopt(tag, "requirements")
        wide = driftscan.adopt(tag, "requirements", universal=True)
        lock.write_text(wide.text)
        assert driftscan.compare([lock], tag).verdict is Verdict.CLEAN
        fresh = docker.build(
            f"FROM {base_image}\n{VENV}COPY requirements.txt /\n"
            "RUN pip install --require-hashes --only-binary :all: -r /requirements.txt\n",
            {"requirements.txt": wide.text},
        )
        report = driftscan.compare([lock], fresh)
    assert report.verdict is Verdict.CLEAN
    assert report.matching == narrow.packages < wide.packages
    assert wide.notes[0] == "taken to be asked for, since all of it is there: uvicorn[standard]"
    assert wide.notes[1].startswith("for other platforms: colorama ")
    (loop,) = [package for package in driftscan.read_lock(lock).roots if package.name == "uvloop"]
    assert 'sys_platform != "win32"' in str(loop.marker)
    assert f"#    driftscan adopt {tag} --to requirements --universal\n#\n# image: sha256:" in wide.text
