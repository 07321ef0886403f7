"""`driftscan check --online` against the index that pip uses here, beside what uv resolves there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from driftscan.cli import run
from driftscan.errors import PackageIndexError
from driftscan.index.releases import Releases
from driftscan.index.settings import configured_indexes
from driftscan.index.transport import Web

pytestmark = pytest.mark.real
UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
PINS = ("flask==3.0.3", "requests[socks]==2.32.3", "jinja2==3.1.4", "rich>=13,<14", "uvicorn[standard]==0.30.0")


@pytest.fixture(autouse=True)
def index_is_there() -> None:
    indexes = configured_indexes()
    try:
        Releases(Web(indexes), indexes).project(canonicalize_name("flask"))
    except PackageIndexError as error:
        pytest.skip(f"the package index cannot be asked: {error}")


@pytest.mark.skipif(UV is None, reason="uv is not here")
@pytest.mark.parametrize(("python", "platform"), [("3.12", "linux"), ("3.8", "windows")])
def test_the_same_projects_float_in_as_uv_would_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], python: str, platform: str
) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("\n".join(PINS))
    place = ["--python", python, "--python-platform", platform, "--select", "LK102", "--format", "json"]
    assert run(["check", str(path), "--online", *place]) == 1
    found = {finding["package"] for finding in json.loads(capsys.readouterr().out)["findings"]}
    main, *extra = configured_indexes()
    command = [str(UV), "pip", "compile", "--no-config", "--no-header", "--no-annotate", "--no-build", "--quiet"]
    options = ["--python", sys.executable, "--python-version", python, "--python-platform", platform]
    indexes = ["--default-index", main, *(f"--index={url}" for url in extra)]
    result = subprocess.run([*command, *options, *indexes, str(path)], capture_output=True, text=True, check=True)
    names = {canonicalize_name(Requirement(line).name) for line in result.stdout.splitlines()}
    assert found == names - {canonicalize_name(Requirement(pin).name) for pin in PINS}
    assert found
