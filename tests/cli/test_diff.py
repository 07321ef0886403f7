"""`driftscan diff`: images made of values, locks written by hand, and both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from driftscan.cli import run
from tests.builders.archives import Step, docker_archive
from tests.builders.installed import distribution, glibc, interpreter, venv
from tests.builders.rootfs import Content, Removed

STATUS = "var/lib/dpkg/status"
VENV = "/opt/venv"


def os_packages(**versions: str) -> dict[str, Content]:
    """dpkg's database, with the list of files of each package that is named."""
    stanzas = [f"Package: {name}\nStatus: install ok installed\nVersion: {each}\n" for name, each in versions.items()]
    lists = {f"var/lib/dpkg/info/{name}.list": "/usr\n" for name in versions}
    return {STATUS: "\n".join(stanzas), **lists}


BASE: Step = ("ADD rootfs /", {**glibc(), **interpreter(), **venv(), **os_packages(openssl="3.0.15", tar="1.34")})
INSTALL = "RUN pip install -r requirements.txt"
OLD: list[Step] = [
    BASE,
    (INSTALL, {**distribution("six", "1.16"), **distribution("toolz", "1.0"), **distribution("idna", "3.6")}),
]
NEW: list[Step] = [
    BASE,
    (
        "RUN apt-get install openssl",
        {
            **os_packages(openssl="3.0.16", curl="8"),
            STATUS: os_packages(openssl="3.0.16", curl="8", tar="1.34")[STATUS],
        },
    ),
    (INSTALL, {**distribution("six", "1.17"), **distribution("idna", "3.6", files={"idna.py": b"x = 1\n"})}),
    ("RUN pip install wrapt", distribution("wrapt", "2.0")),
]


def image(path: Path, steps: list[Step], **config: object) -> str:
    options: dict[str, Any] = {"Entrypoint": [f"{VENV}/bin/python3"], "Env": ["PATH=/usr/bin"], **config}
    docker_archive(path, steps, **options)
    return str(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    assert run(["diff", *arguments]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_two_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(folder / "old.tar", OLD)
    image(folder / "new.tar", NEW, Env=["PATH=/usr/bin", "DEBUG=1"])
    assert (
        said(capsys, "old.tar", "new.tar", code=1)
        == """\
different: configuration, 4 Python packages, 2 OS packages, 3 layers
  before  old.tar (docker-archive) · Debian GNU/Linux 12 (bookworm) · linux/amd64
  after   new.tar (docker-archive) · Debian GNU/Linux 12 (bookworm) · linux/amd64
the lowest layer is the same, of 2 and 4

configuration
  + ENV DEBUG 1

Python packages
  - toolz 1.0
  ~ idna 3.6 (1 file is gone: idna/__init__.py; 1 file is new: idna.py)
  ~ six 1.16 → 1.17
      layer 3   RUN pip install -r requirements.txt
  + wrapt 2.0
      layer 4   RUN pip install wrapt

OS packages
  + curl 8
  ~ openssl 3.0.15 → 3.0.16
      layer 2   RUN apt-get install openssl

layers
  + layer 2 RUN apt-get install openssl
  ~ layer 3 RUN pip install -r requirements.txt (made again by the same instruction)
  + layer 4 RUN pip install wrapt
"""
    )


def test_nothing_differs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(folder / "old.tar", OLD)
    assert (
        said(capsys, "old.tar", "old.tar", code=0)
        == """\
the same: nothing differs that was looked at
  before  old.tar (docker-archive) · Debian GNU/Linux 12 (bookworm) · linux/amd64
  after   old.tar (docker-archive) · Debian GNU/Linux 12 (bookworm) · linux/amd64
all layers are the same
"""
    )


def test_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(folder / "old.tar", OLD)
    steps = [*OLD, ("RUN rm", {"opt/venv/lib/python3.11/site-packages/six-1.16.dist-info": Removed()})]
    image(folder / "new.tar", steps)
    document = json.loads(said(capsys, "-f", "json", "old.tar", "new.tar", code=1))
    assert (document["schema"], document["different"], document["shared_layers"]) == ("driftscan.diff/1", True, 2)
    assert [{key: each[key] for key in each if key != "layer"} for each in document["changes"]] == [
        {"part": "packages", "change": "removed", "subject": "six", "before": "1.16"},
        {"part": "layers", "change": "added", "subject": "layer 3", "after": "RUN rm"},
    ]
    assert document["changes"][1]["layer"]["created_by"] == "RUN rm"


ONE, TWO = "0" * 64, "1" * 64


SITE = "opt/venv/lib/python3.11/site-packages"


def test_the_layer_that_changed_or_removed_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(folder / "old.tar", OLD)
    steps: list[Step] = [
        *OLD,
        ("RUN echo >> six", {f"{SITE}/six/__init__.py": b"y = 1\n"}),
        ("RUN rm idna", {f"{SITE}/idna/__init__.py": Removed()}),
        ("RUN pip uninstall -y toolz", {f"{SITE}/toolz-1.0.dist-info": Removed(), f"{SITE}/toolz": Removed()}),
    ]
    image(folder / "new.tar", steps)
    text = said(capsys, "old.tar", "new.tar", code=1)
    assert (
        text[text.index("Python packages\n") : text.index("\nlayers")]
        == """\
Python packages
  ~ six 1.16 (1 file is other: six/__init__.py)
      layer 3   RUN echo >> six
  ~ idna 3.6 (1 file is gone: idna/__init__.py)
      layer 4   RUN rm idna
  - toolz 1.0
      layer 5   RUN pip uninstall -y toolz
"""
    )
    document = json.loads(said(capsys, "-f", "json", "old.tar", "new.tar", code=1))
    layers = {each["subject"]: each["layer"]["index"] for each in document["changes"] if each["part"] == "packages"}
    assert layers == {"idna": 4, "six": 3, "toolz": 5}


def test_several_layers_that_changed_files_of_one_package(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = distribution("six", "1.16", files={"six/a.py": b"1", "six/b.py": b"1"})
    image(folder / "old.tar", [BASE, (INSTALL, two)])
    steps: list[Step] = [
        BASE,
        (INSTALL, two),
        ("RUN echo", {f"{SITE}/six/a.py": b"2"}),
        ("RUN rm", {f"{SITE}/six/b.py": Removed()}),
    ]
    image(folder / "new.tar", steps)
    text = said(capsys, "old.tar", "new.tar", code=1)
    assert (
        "  ~ six 1.16 (1 file is other: six/a.py; 1 file is gone: six/b.py; by layers 3, 4)\n      layer 4   RUN rm\n"
    ) in text


def test_two_locks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("old.txt").write_text(f"six==1.16 --hash=sha256:{ONE}\ntoolz==1.0\nidna==3.6 --hash=sha256:{ONE}\n")
    Path("new.txt").write_text(f"six==1.17 --hash=sha256:{TWO}\nwrapt==2.0\nidna==3.6 --hash=sha256:{TWO}\n")
    assert (
        said(capsys, "old.txt", "new.txt", code=1)
        == """\
different: 4 Python packages
  before  old.txt · requirements
  after   new.txt · requirements

Python packages
  ~ idna 3.6 (hashes: 1 added, 1 gone)
  ~ six 1.16 → 1.17
  - toolz 1.0
  + wrapt 2.0
"""
    )


def test_locks_for_one_target(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("old.txt").write_text("six==1.16\nidna==3.6 ; sys_platform == 'win32'\n")
    Path("new.txt").write_text("six==1.16\nidna==3.7 ; sys_platform == 'win32'\n")
    arguments = ("old.txt", "new.txt", "--python", "3.12", "--python-platform")
    assert "~ idna 3.6 → 3.7\n" in said(capsys, *arguments, "windows", code=1)
    assert said(capsys, *arguments, "linux", code=0).startswith("the same: ")


def test_a_lock_and_an_image(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("requirements.txt").write_text("six==1.17\nidna==3.6\nwrapt==2.0\n")
    image(folder / "shop.tar", OLD)
    text = said(capsys, "requirements.txt", "shop.tar", code=1)
    assert "Python packages\n  - wrapt 2.0\n  ~ six 1.17 → 1.16\n  + toolz 1.0\n      layer 2   RUN" in text
    other = said(capsys, "shop.tar", "requirements.txt", code=1)
    assert "  ~ six 1.16 → 1.17\n" in other
    assert "  + wrapt 2.0\n" in other


def test_what_an_image_uninstalled_that_a_lock_has(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("requirements.txt").write_text("six==1.16\nidna==3.6\ntoolz==1.0\n")
    steps: list[Step] = [*OLD, ("RUN pip uninstall -y toolz", {f"{SITE}/toolz-1.0.dist-info": Removed()})]
    image(folder / "shop.tar", steps)
    text = said(capsys, "requirements.txt", "shop.tar", code=1)
    assert "Python packages\n  - toolz 1.0\n      layer 3   RUN pip uninstall -y toolz\n" in text


def test_what_could_not_be_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = [
        *OLD,
        (
            "RUN python3 -m venv /srv/venv",
            {**venv("srv/venv"), **distribution("idna", "1", "srv/venv/lib/python3.11/site-packages")},
        ),
    ]
    image(folder / "shop.tar", two, Entrypoint=["/bin/true"])
    text = said(capsys, "shop.tar", "shop.tar", code=3)
    why = "shop.tar: Python packages: nothing says which of its environments is meant; "
    assert why in " ".join(text.split())


def test_something_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("uv.lock").write_text("version = 1\n")
    assert run(["diff", "uv.lock", "missing.tar"]) == 2
    assert "missing.tar" in capsys.readouterr().err
