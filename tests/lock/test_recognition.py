"""Which format a file is in, by its name and its first bytes."""

from __future__ import annotations

import codecs

import pytest

from driftscan.errors import LockError
from driftscan.lock import FORMATS, parse, recognise
from driftscan.lock.document import Document

UV = b'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n'
NAMES = "uv, poetry, pylock, pdm, pipfile, conda-explicit, requirements"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("uv.lock", b"", "uv"),
        ("deep/er/uv.lock", UV, "uv"),
        ("script.py.lock", UV, "uv"),
        ("poetry.lock", b"", "poetry"),
        ("pylock.toml", b"", "pylock"),
        ("pylock.dev.toml", b"", "pylock"),
        ("linux-64.lock", b"# platform: linux-64\n@EXPLICIT\nhttps://files.example/c/a-1-0.conda\n", "conda-explicit"),
        ("spec.txt", b"@EXPLICIT\n", "conda-explicit"),
        (
            "list.txt",
            b"# This file may be used to create an environment using:\n# platform: linux-64\n",
            "conda-explicit",
        ),
        ("requirements.txt", b"", "requirements"),
        ("requirements.txt", b"flask\n", "requirements"),
        ("requirements.txt", b"flask\r\n", "requirements"),
        ("requirements.txt", b"flask[async] ~=3.0\n", "requirements"),
        ("requirements.txt", b"a @ https://files.example/a.whl\n", "requirements"),
        ("requirements.txt", b"-r base.txt\n", "requirements"),
        ("requirements.txt", b"--index-url https://index.example/simple\n", "requirements"),
        ("requirements.txt", b"./wheels/a-1.0-py3-none-any.whl\n", "requirements"),
        ("requirements.txt", b"git+https://files.example/a.git@main#egg=a\n", "requirements"),
        ("requirements.txt", b"https://files.example/a-1.0.tar.gz\n", "requirements"),
        ("requirements.txt", codecs.BOM_UTF8 + b"flask==1.0\n", "requirements"),
        ("requirements.txt", codecs.BOM_UTF16_LE + "flask==1.0\n".encode("utf-16-le"), "requirements"),
        ("requirements.txt", codecs.BOM_UTF16_BE + "# a\nflask==1.0\n".encode("utf-16-be"), "requirements"),
        ("requirements.txt", b"# a licence\n" * 1000 + b"flask==1.0\n", "requirements"),
        ("requirements.txt", b"# nothing is needed\n", "requirements"),
        ("requirements-dev.txt", b"flask\n", "requirements"),
        ("dev-requirements.lock", b"flask\n", "requirements"),
        ("constraints.txt", b"flask<3\n", "requirements"),
        ("ci/py311.txt", b"flask==1.0 \\\n    --hash=sha256:00\n", "requirements"),
        ("base.in", b"flask\n", "requirements"),
    ],
)
def test_recognised(name: str, data: bytes, expected: str) -> None:
    assert recognise(Document(name, data)).name == expected


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("Dockerfile", b"FROM scratch\n"),
        ("notes.txt", b"!! what a day\n"),
        ("package.json", b"{}"),
        ("yarn.lock", b"# yarn lockfile v1\n"),
        ("Cargo.lock", b"version = 3\n\n[[package]]\n"),
        ("requirements.txt", b"\x7fELF\x02\x01"),
    ],
)
def test_not_recognised(name: str, data: bytes) -> None:
    with pytest.raises(LockError) as caught:
        recognise(Document(name, data))
    error = caught.value
    assert (error.message, error.where) == ("it is in no lock format that driftscan knows", name)
    assert error.hint == f"the formats are: {NAMES}; say which it is with --lock-format"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("conda-lock.yml", "conda-lock render --kind explicit"),
        ("pixi.lock", "pixi workspace export conda-explicit-spec ."),
    ],
)
def test_formats_that_can_be_exported_to_a_known_one(name: str, command: str) -> None:
    with pytest.raises(LockError) as caught:
        recognise(Document(name, b"x"))
    error = caught.value
    assert (str(error), error.hint) == (f"{name}: this lock format is not supported", f"export it: `{command}`")


def test_the_format_can_be_said() -> None:
    assert recognise(Document("strange", b""), "poetry").name == "poetry"
    assert parse(Document("strange", b"flask==1.0\n"), "requirements").format == "requirements"


def test_a_format_that_does_not_exist() -> None:
    with pytest.raises(LockError) as caught:
        parse(Document("uv.lock", UV), "pip")
    assert (str(caught.value), caught.value.hint) == ("there is no lock format 'pip'", f"the formats are: {NAMES}")


def test_formats_have_different_names() -> None:
    assert ", ".join(form.name for form in FORMATS) == NAMES


def test_recognised_and_read() -> None:
    assert parse(Document("uv.lock", UV)).requires_python == ">=3.11"
