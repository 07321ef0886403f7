"""What an image runs is followed through its files to what is missing."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from driftscan.inventory.execution import follow
from driftscan.model.image import EntryKind, ImageConfig, LayerIndex
from driftscan.model.traces import Execution
from driftscan.rootfs import RootFS
from tests.builders.comparisons import SITE, environment
from tests.builders.rootfs import Content, Link, layer

STDLIB = "/usr/local/lib/python3.11"
FILES: dict[str, Content] = {
    "usr/bin/sh": "a shell",
    "bin": Link("usr/bin"),
    "usr/bin/env": "env",
    "usr/bin/tini": "tini",
    "opt/venv/bin/python": Link("../../../usr/local/bin/python3.11"),
    "usr/local/bin/python3.11": "python",
    "opt/venv/bin/gunicorn": "#!/opt/venv/bin/python\n",
    "opt/venv/bin/gone": "#!/opt/old/bin/python\n",
    "app/main.py": "print(1)",
    "app/shop/__init__.py": "",
    "app/shop/__main__.py": "",
    "app/bare/__init__.py": "",
    f"{SITE[1:]}/flask/__main__.py": "",
    f"{SITE[1:]}/fast.cpython-311-x86_64-linux-gnu.so": "",
    f"{STDLIB[1:]}/http/server.py": "",
    "start.sh": '#!/bin/sh\nset -e\nexec "$@"\n',
    "guard.sh": '#!/usr/bin/env sh\nnvidia-smi > /dev/null || exit 1\nexec "$@"\n',
    "env.sh": "#!/usr/bin/env -S FOO=1 bash\n",
    "dos.sh": "#!/bin/sh\r\n",
    "empty.sh": "#!\n",
    "loop/a": Link("b"),
    "loop/b": Link("a"),
}


def run(*words: str, plain: tuple[str, ...] = (), path: str = "/opt/venv/bin:/bin", **env: str) -> Execution:
    """Files are executable but for `plain` ones."""
    index = layer(FILES)
    entries = {
        key: entry._replace(mode=0o644 if key in plain else 0o755) if entry.kind is EntryKind.FILE else entry
        for key, entry in index.entries.items()
    }
    place = environment()
    place = replace(place, interpreter=replace(place.interpreter, stdlib=STDLIB))
    config = ImageConfig(entrypoint=words, working_dir="/app", env=MappingProxyType({"PATH": path, **env}))
    return follow(RootFS.merge([LayerIndex(entries=entries)]), config, place)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("python", "main.py"), ("/opt/venv/bin/python", "/app/main.py")),
        (("/opt/venv/bin/python", "-u", "-W", "error", "/app/main.py"), ("/app/main.py",)),
        (("python", "-m", "shop", "--port", "80"), ("python -m shop",)),
        (("python", "-m", "flask", "run"), ("python -m flask",)),
        (("python", "-m", "fast"), ("python -m fast",)),
        (("python", "-m", "http.server"), ("python -m http.server",)),
        (("python", "-c", "import x"), ()),
        (("python",), ()),
        (("gunicorn", "shop:app"), ("/opt/venv/bin/gunicorn",)),
        (("tini", "--", "python", "-m", "shop"), ("/usr/bin/tini", "python -m shop")),
        (("env", "A=1", "python", "main.py"), ("/usr/bin/env", "/app/main.py")),
        (("/start.sh", "python", "main.py"), ("/start.sh", "/app/main.py")),
        (("sh", "/start.sh", "python", "-m", "shop"), ("/start.sh", "python -m shop")),
        (("/bin/sh", "-c", "cd /app && exec python -m shop"), ("python -m shop",)),
        (("/bin/sh", "-c", "exec gunicorn shop:app --port $PORT"), ("/opt/venv/bin/gunicorn",)),
    ],
)
def test_what_is_there(words: tuple[str, ...], found: tuple[str, ...]) -> None:
    result = run(*words)
    assert (result.missing, result.unclear) == (None, None)
    assert {each.replace("/usr/local/bin/python3.11", "/opt/venv/bin/python") for each in result.found} >= set(found)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("python", "other.py"), "there is no /app/other.py, which Python is given"),
        (("python", "-m", "nothing"), "there is no module nothing where /opt/venv imports from"),
        (("python", "-m", "bare"), "/app/bare has no __main__.py, so that `python -m bare` cannot run it"),
        (("node", "x"), "node is in no folder of PATH (/opt/venv/bin:/bin)"),
        (("/srv/run",), "there is no /srv/run"),
        (("./run",), "there is no /app/run"),
        (("/app",), "/app is a folder"),
        (("/loop/a",), "there is no /loop/a"),
        (("gone",), "the interpreter of /opt/venv/bin/gone is missing: there is no /opt/old/bin/python"),
        (("/env.sh",), "the interpreter of /env.sh is missing: bash is in no folder of PATH (/opt/venv/bin:/bin)"),
        (("/dos.sh",), "/dos.sh has Windows line ends, so that its interpreter is not found"),
        (("/start.sh", "node"), "node is in no folder of PATH (/opt/venv/bin:/bin)"),
        (("sh", "/other.sh"), "there is no /other.sh"),
        (("tini", "--", "/srv/run"), "there is no /srv/run"),
        (("sh", "-c", "python other.py"), "there is no /app/other.py, which Python is given"),
        (("sh", "-c", "node x || true"), "node is in no folder of PATH (/opt/venv/bin:/bin)"),
    ],
)
def test_what_is_missing(words: tuple[str, ...], missing: str) -> None:
    assert run(*words).missing == missing


def test_what_may_not_be_executed() -> None:
    assert run("/start.sh", plain=("start.sh",)).missing == "/start.sh is not executable (mode 0644)"
    # A script that is given to an interpreter need not be.
    assert run("sh", "/start.sh", plain=("start.sh",)).missing is None
    assert run("python", "main.py", plain=("app/main.py",)).missing is None


@pytest.mark.parametrize(
    ("words", "unclear"),
    [
        (("uv", "run", "--frozen", "shop", "x"), "uv run decides where it looks for --frozen shop x"),
        (("sh", "-c", "$APP run"), "`$APP run` is known only when it runs"),
        (("sh", "-c", "echo 'a"), "a single quote is not closed"),
        (("env", *("env",) * 20), "it leads through more than 12 programs"),
    ],
)
def test_what_cannot_be_followed(words: tuple[str, ...], unclear: str) -> None:
    FILES.setdefault("usr/bin/uv", "uv")
    assert run(*words).unclear == unclear


def test_modules_on_the_python_path() -> None:
    assert run("python", "-m", "main", PYTHONPATH="/srv:/app").missing is None
    assert run("python", "-m", "b", PYTHONPATH="/srv").missing == "there is no module b where /opt/venv imports from"


def test_a_script_that_looks_for_a_gpu() -> None:
    assert run("/guard.sh", "python", "main.py").guard == "/guard.sh"
    assert run("/start.sh", "python", "main.py").guard is None


def test_the_shell_that_is_given_a_text() -> None:
    assert run("/bin/sh", "-c", "true").shell == "/usr/bin/sh"
    assert run("sh", "/start.sh").shell is None


def test_an_image_that_runs_nothing() -> None:
    assert run() == Execution()
