"""What a command installs of Python's packages, and from where."""

from __future__ import annotations

import pytest

from driftscan.dockerfile.shell import read_script
from driftscan.practices.installs import Install, Source, install_of


def found(text: str) -> Install | None:
    (command,) = read_script(text).commands
    return install_of(command, {"PIP_X": "1"})


@pytest.mark.parametrize(
    ("text", "locks", "hashes"),
    [
        ("pip install -r requirements.txt", ("requirements.txt",), None),
        ("pip install --require-hashes -r a.txt -r b.txt", ("a.txt", "b.txt"), True),
        ("pip install -ra.txt --requirement=b.txt", ("a.txt", "b.txt"), None),
        ("PIP_REQUIRE_HASHES=1 pip install -r a.txt", ("a.txt",), True),
        ("python3.12 -m pip install --no-cache-dir -r a.txt", ("a.txt",), None),
        ("/opt/venv/bin/pip3 --python /opt/venv install -r a.txt", ("a.txt",), None),
        ("env X=1 sudo pip install -r a.txt", ("a.txt",), None),
        ("pip install -r pylock.toml", ("pylock.toml",), True),
        ("pip wheel -w /wheels -r a.txt", ("a.txt",), None),
        ("pip install -c c.txt -r a.txt", ("a.txt",), None),
        ("pip install -r a.txt pip setuptools", ("a.txt",), None),
        ("uv pip install --system -r a.txt", ("a.txt",), None),
        ("uv pip sync a.txt", ("a.txt",), None),
        ("UV_REQUIRE_HASHES=true uv pip install -r a.txt", ("a.txt",), True),
        ("pip-sync", ("requirements.txt",), None),
        ("uv sync --locked --no-dev", ("uv.lock",), True),
        ("uv --project /app sync --frozen", ("uv.lock",), True),
        ("UV_LOCKED=1 uv sync", ("uv.lock",), True),
        ("uv run --frozen python x.py", ("uv.lock",), True),
        ("poetry install --only main", ("poetry.lock",), True),
        ("poetry sync", ("poetry.lock",), True),
        ("pdm sync --prod", ("pdm.lock",), True),
        ("pdm install --frozen-lockfile", ("pdm.lock",), True),
        ("pipenv sync --system", ("Pipfile.lock",), True),
        ("pipenv install --deploy --system", ("Pipfile.lock",), True),
        ("pixi install --locked", ("pixi.lock",), True),
        ("conda create -n app --file conda-linux-64.lock", ("conda-linux-64.lock",), None),
        ("micromamba install -y -n base -f /tmp/conda-lock.yml", ("/tmp/conda-lock.yml",), None),
        ("conda-lock install -n app", ("conda-lock.yml",), True),
        ("poetry run pip install -r a.txt", ("a.txt",), None),
        ("conda run -n app pip install -r a.txt", ("a.txt",), None),
    ],
)
def test_from_a_lock(text: str, locks: tuple[str, ...], hashes: bool | None) -> None:
    install = found(text)
    assert install is not None
    assert (install.source, install.locks, install.hashes) == (Source.LOCK, locks, hashes)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("pip install flask", "it names flask instead of a lock"),
        ("pip install flask==3.0 'django>=5' a b c", "it names flask==3.0, django>=5, a, b ... instead of a lock"),
        ("pip install -r a.txt flask", "it names flask instead of a lock"),
        ("pip install -U numpy", "it names numpy instead of a lock"),
        ("pip install .", "it installs . with whatever its requirements resolve to"),
        ("pip install -e '.[dev]'", "it installs .[dev] with whatever its requirements resolve to"),
        (
            "pip install git+https://host/a.git",
            "it installs git+https://host/a.git with whatever its requirements resolve to",
        ),
        ("python setup.py install", "it installs whatever its requirements resolve to"),
        ("uv sync", "it may write another uv.lock first"),
        ("uv add flask", "it resolves anew"),
        ("poetry add flask", "it resolves anew"),
        ("pdm install", "it may write another pdm.lock first"),
        ("pipenv install", "it may lock again first"),
        ("pixi install", "it may solve again first"),
        ("conda install -y numpy", "it names numpy instead of a lock"),
        ("conda env create -f environment.yml", "environment.yml is solved in the build"),
        ("mamba create -n app -c conda-forge numpy scipy", "it names numpy, scipy instead of a lock"),
    ],
)
def test_from_what_is_there_that_day(text: str, because: str) -> None:
    install = found(text)
    assert install is not None
    assert (install.source, install.because) == (Source.LOOSE, because)


@pytest.mark.parametrize(
    "text", ["pip install $PACKAGES", "pip install -r $FILE", "pip install *.whl", "conda install $X"]
)
def test_what_only_a_build_knows(text: str) -> None:
    install = found(text)
    assert install is not None
    assert install.source is Source.UNKNOWN
    assert install.because.endswith("only a build knows")


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("pip install -U pip setuptools wheel uv==0.9", Source.TOOL),
        ("pip install --no-deps .", Source.PROJECT),
        ("pip install --no-index --find-links=/wheels shop", Source.PROJECT),
        ("pip install --no-deps ./dist/shop-1.0-py3-none-any.whl", Source.PROJECT),
        ("conda install -y conda=24.1 python=3.12", Source.TOOL),
    ],
)
def test_what_is_no_dependency(text: str, source: Source) -> None:
    install = found(text)
    assert install is not None
    assert install.source is source


@pytest.mark.parametrize(
    "text",
    [
        "pip list",
        "pip --version",
        "uv venv",
        "uv run --no-sync x",
        "uv lock --check",
        "poetry config a b",
        "conda clean -a",
        "python app.py",
        "python -m venv /x",
        "apt-get install pip",
        "pip cache purge",
        "poetry",
        "python",
    ],
)
def test_what_installs_nothing(text: str) -> None:
    assert found(text) is None
