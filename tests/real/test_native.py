"""Native checks on real wheels in real images: silence where all fits, and the one finding for each break.

What driftscan says from files alone is held against the dynamic loader (`ldd`) and the interpreter (`import`), which
the tests run in the containers.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import driftscan
from driftscan.finding import Finding, Report, Severity
from driftscan.model.inventory import Environment
from tests.real.daemons import Docker
from tests.real.installs import program

pytestmark = pytest.mark.real

WHEELS = (
    *("numpy==2.2.1", "scipy==1.15.0", "pandas==2.2.3", "cryptography==44.0.0", "orjson==3.10.13", "lxml==5.3.0"),
    *("pydantic-core==2.27.2", "pillow==11.1.0", "psycopg2-binary==2.9.10", "typing-extensions==4.12.2"),
    *("python-dateutil==2.9.0.post0", "pytz==2024.2", "tzdata==2024.2", "six==1.17.0", "cffi==1.17.1"),
    "pycparser==2.22",
)
BUILD = """\
FROM {base}
RUN python3 -m venv /opt/venv
COPY requirements.txt /app/requirements.txt
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --only-binary :all: -r /app/requirements.txt
ENTRYPOINT ["/opt/venv/bin/python"]
"""
UNPACK = """\
FROM {tag}
RUN /opt/venv/bin/pip uninstall --yes {name} \\
 && /opt/venv/bin/pip download --quiet --no-deps --only-binary :all: --dest /tmp/wheels {options} {pin} \\
 && /opt/venv/bin/python -m zipfile -e /tmp/wheels/*.whl /opt/venv/lib/python3.11/site-packages \\
 && rm -r /tmp/wheels
"""
SITE = "/opt/venv/lib/python3.11/site-packages"


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("native") / "requirements.txt"
    path.write_text("\n".join(WHEELS) + "\n")
    return path


@pytest.fixture(scope="module")
def whole(docker: Docker, base_image: str, lock: Path) -> str:
    return docker.build(BUILD.format(base=base_image), {"requirements.txt": lock.read_text()})


@pytest.fixture(autouse=True)
def shared_layers(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """All images here stand on one, whose layers need be read only once."""
    monkeypatch.setenv("DRIFTSCAN_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "native-layers"))


def compared(docker: Docker, tag: str, lock: Path) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker.host)
        return driftscan.compare([lock], tag, select=["NW"])


def serious(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity is not Severity.INFO]


def unpacked(pin: str, options: str) -> str:
    return UNPACK.replace("{name}", pin.split("==")[0]).replace("{pin}", pin).replace("{options}", options)


def inside(docker: Docker, tag: str, code: str) -> str:
    """What a Python program prints in a container of the image."""
    command = ["docker", "-H", docker.host, "run", "--rm", "--network", "none", "--entrypoint", "/opt/venv/bin/python"]
    done = subprocess.run([*command, tag, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout


def environment(docker: Docker, tag: str) -> Environment:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker.host)
        inventory = driftscan.inspect(tag)
    return next(each for each in inventory.environments if each.path == "/opt/venv")


def test_real_wheels_are_silent(docker: Docker, whole: str, lock: Path) -> None:
    report = compared(docker, whole, lock)
    assert serious(report) == []
    assert report.unchecked == ()
    assert report.matching == report.locked == len(WHEELS)


LDD = """\
import json, re, subprocess
found = {}
for path in json.loads('''PATHS'''):
    text = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    found[path] = {m[1]: m[2] for m in re.finditer(r"^\\s*(\\S+) => (not found|/\\S+)", text, re.M)}
print(json.dumps(found))
"""


def test_libraries_are_those_that_the_dynamic_loader_finds(docker: Docker, whole: str) -> None:
    found = environment(docker, whole)
    modules = {each.path: each.linkage for each in found.natives if each.is_module}
    assert len(modules) > 150
    listed: Mapping[str, Mapping[str, str]] = json.loads(
        inside(docker, whole, LDD.replace("PATHS", json.dumps([*modules])))
    )
    real = json.loads(inside(docker, whole, REAL.replace("PATHS", json.dumps(sorted(_paths(listed))))))
    for path, linkage in modules.items():
        assert linkage is not None
        ours = {each.name: each.path for each in linkage.libraries}
        theirs = {name: real[place] for name, place in listed[path].items() if name in ours}
        assert ours == theirs, path
        assert set(listed[path]) >= set(ours)


REAL = "import json, os; print(json.dumps({path: os.path.realpath(path) for path in json.loads('''PATHS''')}))"


def _paths(listed: Mapping[str, Mapping[str, str]]) -> set[str]:
    return {place for each in listed.values() for place in each.values()}


IMPORT = """\
import importlib, json
failed = []
for name in json.loads('''NAMES'''):
    try:
        importlib.import_module(name)
    except Exception:  # an extension for an older NumPy ends in a ValueError
        failed.append(name)
print(json.dumps(failed))
"""


def fails(docker: Docker, tag: str, *names: str) -> Sequence[str]:
    failed: Sequence[str] = json.loads(inside(docker, tag, IMPORT.replace("NAMES", json.dumps(names))))
    return failed


EXPORTED = """\
import ctypes, json
print(json.dumps([name for name in json.loads('''NAMES''') if hasattr(ctypes.pythonapi, name)]))
"""


def test_the_api_of_python_is_what_its_binary_exports(docker: Docker, whole: str) -> None:
    api = environment(docker, whole).interpreter.api
    assert api is not None
    names = [*sorted(api), "PyUnicode_AsUnicodeAndSizeX", "_PyNever_Was"]
    assert json.loads(inside(docker, whole, EXPORTED.replace("NAMES", json.dumps(names)))) == sorted(api)


@pytest.mark.parametrize(
    ("steps", "rules", "module"),
    [
        pytest.param(
            unpacked("orjson==3.10.13", "--platform manylinux2014_aarch64"),
            [("NW303", "orjson"), ("NW304", "orjson")],
            "orjson",
            id="a wheel for another machine",
        ),
        pytest.param(
            unpacked("lxml==5.3.0", "--python-version 3.10 --platform manylinux_2_28_x86_64"),
            [("NW303", "lxml")],
            "lxml.etree",
            id="a wheel for another Python",
        ),
        pytest.param(
            unpacked("lxml==5.3.0", "--platform musllinux_1_2_x86_64"),
            [("NW303", "lxml"), ("NW304", "lxml")],
            "lxml.etree",
            id="a wheel for musl",
        ),
        pytest.param(
            "FROM {tag}\nRUN /opt/venv/bin/pip install --no-cache-dir --no-deps pandas==1.5.3\n",
            [("NW309", "pandas")],
            "pandas",
            id="an extension for NumPy 1",
        ),
        pytest.param(
            "FROM {tag}\nRUN rm /usr/lib/x86_64-linux-gnu/libstdc++.so.6*\n",
            [("NW306", "numpy"), ("NW306", "pandas"), ("NW306", "scipy")],
            "numpy",
            id="a system library was removed",
        ),
        pytest.param(
            f"FROM {{tag}}\nRUN rm {SITE}/numpy.libs/libgfortran*\n",
            [("NW306", "numpy")],
            "numpy",
            id="a vendored library was removed",
        ),
        pytest.param(
            f"FROM {{tag}}\nRUN cd {SITE}/lxml && for f in *-311-*; do mv $f $(echo $f | sed s/-311-/-312-/); done"
            " && sed -i 's/cpython-311-/cpython-312-/' ../lxml-*/RECORD\n",
            [("NW308", "lxml")],
            "lxml.etree",
            id="modules under the name of another Python",
        ),
    ],
)
def test_each_break_is_found_and_python_agrees(
    docker: Docker, whole: str, lock: Path, steps: str, rules: list[tuple[str, str]], module: str
) -> None:
    tag = docker.build(steps.format(tag=whole), {})
    assert fails(docker, whole, module) == []
    assert fails(docker, tag, module) == [module]
    assert sorted({(each.rule, each.package) for each in serious(compared(docker, tag, lock))}) == rules


def test_uv_gives_the_same_answers(docker: Docker, base_image: str, lock: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    subprocess.run([program("uv"), "venv", "--quiet", "--python", "3.11", place], check=True)
    command = [
        program("uv"),
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--python",
        str(place),
    ]
    subprocess.run([*command, "-r", str(lock)], check=True)
    assert serious(driftscan.compare([lock], f"env:{place}", select=["NW"])) == []
