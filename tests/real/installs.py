"""Projects locked at test time with the machine's own index, and the Dockerfiles that install them exactly."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.real.daemons import run, unavailable

DEPENDENCIES = ("requests[socks]==2.31.0", "jinja2==3.1.3", "idna==3.6", "pyyaml==6.0.2")
"""An extra, compiled wheels, pure wheels, markers for other platforms."""

PYPROJECT = """\
[project]
name = "shop"
version = "1.4"
requires-python = ">=3.11,<4"
dependencies = [{dependencies}]

[dependency-groups]
dev = ["iniconfig==2.0.0"]
"""
UV_PROJECT = PYPROJECT + "\n[tool.uv]\npackage = false\n"
POETRY_PROJECT = (
    PYPROJECT
    + """
[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "index"
url = "{index}"
priority = "primary"
"""
)

PIP = """\
FROM {base}
RUN python3 -m venv /opt/venv
COPY requirements.txt /app/requirements.txt
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /app/requirements.txt
ENV PATH=/opt/venv/bin:$PATH
ENTRYPOINT ["python", "-m", "requests"]
"""
UV = """\
FROM {base}
RUN python3 -m venv /opt/tool && /opt/tool/bin/pip install --no-cache-dir uv
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN /opt/tool/bin/uv sync --frozen --no-dev --no-cache --python /usr/bin/python3
ENV PATH=/app/.venv/bin:$PATH
CMD python -m requests
"""
POETRY = """\
FROM {base}
RUN python3 -m venv /opt/tool && /opt/tool/bin/pip install --no-cache-dir poetry
WORKDIR /app
COPY pyproject.toml poetry.lock ./
RUN POETRY_VIRTUALENVS_IN_PROJECT=true /opt/tool/bin/poetry install --only main --no-interaction --no-cache
ENTRYPOINT ["/app/.venv/bin/python"]
"""


def program(name: str) -> str:
    """A program that was installed beside this interpreter."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        unavailable(f"{name} is not installed")
    return found


def _listed(dependencies: Sequence[str]) -> str:
    return ", ".join(f'"{each}"' for each in dependencies)


def uv_project(
    folder: Path, dependencies: Sequence[str] = DEPENDENCIES, extras: Mapping[str, Sequence[str]] | None = None
) -> Mapping[str, str]:
    """pyproject.toml, uv.lock, and the hashed requirements.txt that uv exports from it, without the extras."""
    project = UV_PROJECT.format(dependencies=_listed(dependencies))
    lines = [f"{name} = [{_listed(each)}]\n" for name, each in (extras or {}).items()]
    table = ["\n[project.optional-dependencies]\n", *lines] if extras else []
    (folder / "pyproject.toml").write_text(project + "".join(table))
    uv = program("uv")
    run([uv, "lock", "--quiet", "--project", folder, "--python", "3.11"])
    exported = folder / "requirements.txt"
    run([uv, "export", "--quiet", "--frozen", "--no-dev", "--project", folder, "--output-file", exported])
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def poetry_project(folder: Path, index: str, dependencies: Sequence[str] = DEPENDENCIES) -> Mapping[str, str]:
    """pyproject.toml and poetry.lock, resolved by Poetry itself."""
    (folder / "pyproject.toml").write_text(POETRY_PROJECT.format(dependencies=_listed(dependencies), index=index))
    subprocess.run(
        [program("poetry"), "lock", "--no-interaction", "--no-cache"], cwd=folder, check=True, capture_output=True
    )
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
