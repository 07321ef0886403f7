"""What the tests of compiled wheels share: a project of real ones, images of it, and programs run in containers to
hold what driftscan says from files alone against what happens.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

import driftscan
from driftscan.finding import Finding, Report, Severity
from driftscan.model.inventory import Environment
from driftscan.model.lock import Request
from tests.real.daemons import Docker

WHEELS = (
    *("numpy==2.2.1", "scipy==1.15.0", "pandas==2.2.3", "cryptography==44.0.0", "orjson==3.10.13", "lxml==5.3.0"),
    *("pydantic-core==2.27.2", "pillow==11.1.0", "psycopg2-binary==2.9.10", "typing-extensions==4.12.2"),
    *("python-dateutil==2.9.0.post0", "pytz==2024.2", "tzdata==2024.2", "six==1.17.0", "cffi==1.17.1"),
    "pycparser==2.22",
)
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "learn": ("scikit-learn==1.6.0", "joblib==1.4.2", "threadpoolctl==3.5.0"),
    "intel": ("intel-openmp==2024.2.1", "intel-cmplr-lib-ur==2024.2.1"),
    "wrapt": ("wrapt==1.17.0",),
    "argon2": ("argon2-cffi-bindings==21.2.0",),
}
FAMILIES = ("LK", "DR", "NW", "IN")
"""Rules about what is locked and installed; how the image is built and run is another matter."""
SITE = "/opt/venv/lib/python3.11/site-packages"

_PROBE = """\
try:
    {code}
except BaseException as error:
    print(f"{{type(error).__name__}}: {{error}}")
else:
    print("fine")
"""


def wanted(*extras: str) -> Request:
    """The project without its development group and with some of its extras."""
    return Request(extras=frozenset(extras), default_groups=False)


def compared(docker: Docker, tag: str, *locks: Path, **options: object) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker.host)
        return driftscan.compare(locks, tag, **{"select": FAMILIES, **options})  # type: ignore[arg-type]


def serious(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity is not Severity.INFO]


def environment(docker: Docker, tag: str, path: str = "/opt/venv") -> Environment:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker.host)
        inventory = driftscan.inspect(tag)
    return next(each for each in inventory.environments if each.path == path)


def said(docker: Docker, tag: str, code: str) -> str:
    """What a Python program prints in a container of the image, to stdout or stderr."""
    python = ["docker", "-H", docker.host, "run", "--rm", "--network", "none", "--entrypoint", "/opt/venv/bin/python"]
    done = subprocess.run([*python, tag, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout


def truth(docker: Docker, tag: str, statement: str) -> str:
    """`fine` where a statement runs in a container of the image, else how it fails."""
    return said(docker, tag, _PROBE.format(code=statement)).strip()
