"""Which indexes this machine is set up to use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from driftscan.errors import UsageError
from driftscan.index import settings
from driftscan.index.settings import configured_indexes, indexes_in


@pytest.fixture(autouse=True)
def nothing_is_set(nobodys_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INDEX_URL", "EXTRA_INDEX_URL", "DEFAULT_INDEX", "INDEX", "CONFIG_FILE"):
        for tool in ("PIP", "UV"):
            monkeypatch.delenv(f"{tool}_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(nobodys_home / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(nobodys_home / "nothing"))
    monkeypatch.setenv("VIRTUAL_ENV", str(nobodys_home / "venv"))


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[global]\n" + "".join(f"{line}\n" for line in lines))


def test_the_one_that_pip_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    (url,) = configured_indexes()
    assert url.startswith("https://")
    assert url.endswith("/simple")
    monkeypatch.setitem(sys.modules, "pip._internal.models.index", None)
    with pytest.raises(UsageError, match="no package index is configured") as caught:
        configured_indexes()
    assert caught.value.hint == "name one with --index-url"


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX_URL", "https://third.example/simple")
    assert configured_indexes() == ("https://third.example/simple",)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "main=https://second.example/simple")
    assert configured_indexes() == ("https://second.example/simple",)
    monkeypatch.setenv("PIP_INDEX_URL", " https://me:secret@first.example/simple?a=b ")
    assert configured_indexes() == ("https://me:secret@first.example/simple?a=b",)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://a.example\nhttps://b.example")
    monkeypatch.setenv("UV_INDEX", "own=https://c.example https://d.example/?x=https://e.example")
    assert configured_indexes() == (
        "https://c.example",
        "https://d.example/?x=https://e.example",
        "https://me:secret@first.example/simple?a=b",
        "https://a.example",
        "https://b.example",
    )


def test_files_of_pip(nobodys_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        nobodys_home / ".pip" / "pip.conf",
        "index-url = https://a.example/%20",
        "extra_index_url =",
        "  https://x.example",
    )
    assert configured_indexes() == ("https://a.example/%20", "https://x.example")
    write(nobodys_home / "config" / "pip" / "pip.conf", "index_url: https://b.example")
    assert configured_indexes()[0] == "https://b.example"
    write(nobodys_home / "venv" / "pip.conf", "index-url = https://c.example")
    assert configured_indexes()[0] == "https://c.example"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(nobodys_home / "own.conf"))
    assert configured_indexes()[0] == "https://c.example"
    write(nobodys_home / "own.conf", "index-url = https://d.example")
    assert configured_indexes()[0] == "https://d.example"


@pytest.mark.parametrize("content", [b"\xff", b"no section", b"[global]\na=1\na=2", b"[install]\na=1"])
def test_files_that_say_nothing(nobodys_home: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(settings, "_known_to_pip", lambda: "https://index.example/simple")
    path = nobodys_home / "own.conf"
    path.write_bytes(content)
    monkeypatch.setattr(settings, "_pip_places", lambda _: [path])
    assert configured_indexes() == ("https://index.example/simple",)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        (
            "pip.conf",
            "[global]\nindex_url = https://a.example/simple\nextra-index-url =\n  https://b.example\n  https://c.example\n",
            ("https://b.example", "https://c.example", "https://a.example/simple"),
        ),
        (
            "uv.toml",
            'index-url = "https://a.example"\nextra-index-url = ["https://b.example"]\n',
            ("https://b.example", "https://a.example"),
        ),
        (
            "pyproject.toml",
            (
                '[project]\nname = "shop"\n[[tool.uv.index]]\nurl = "https://a.example"\ndefault = true\n'
                '[[tool.uv.index]]\nname = "b"\nurl = "https://b.example"\n'
                '[[tool.uv.index]]\nurl = "https://c.example"\nexplicit = true\n'
            ),
            ("https://b.example", "https://a.example"),
        ),
        ("uv.toml", '[pip]\nindex-url = "https://a.example"\n', ("https://a.example",)),
    ],
)
def test_indexes_of_a_file_that_was_named(tmp_path: Path, name: str, text: str, found: tuple[str, ...]) -> None:
    (tmp_path / name).write_text(text)
    assert indexes_in(str(tmp_path / name)) == found


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("uv.toml", "[pip]\n", "it names no package index"),
        (
            "uv.toml",
            "[pip\n",
            "it cannot be read: Expected ']' at the end of a table declaration (at line 1, column 5)",
        ),
        ("pip.conf", "index-url = x\n", "it cannot be read: File contains no section headers."),
        ("gone.toml", None, "it cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_names_no_index(tmp_path: Path, name: str, text: str | None, reason: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        indexes_in(str(tmp_path / name))
    assert str(caught.value) == f"{tmp_path / name}: {reason}"
