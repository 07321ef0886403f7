"""Which index is asked, with which credentials, and what of it gets into a lock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.indexes import HTML, Exchange, PackageIndex, Served, package_index
from tests.builders.keyrings import keyring
from tests.resolve.conftest import ENGINES, UV_AT_FIRST, Lock

PLACE = ("--python", "3.12.4", "--python-platform", "x86_64-manylinux_2_28")


@pytest.fixture
def private() -> Iterator[PackageIndex]:
    with package_index() as running:
        yield running


def pins(project: Path) -> list[str]:
    return re.findall(r"^[a-z][\w-]*==[^\s;]+", (project / "requirements.txt").read_text(), re.MULTILINE)


@ENGINES
def test_the_first_index_that_has_a_project_decides_and_it_is_told(
    index: PackageIndex, private: PackageIndex, project: Path, lock: Lock, engine: str
) -> None:
    private.release("shop", "1.0", "six")
    index.release("shop", "9.0")
    index.release("six", "1.16")
    (project / "requirements.in").write_text("# ours\nshop\n")
    code, _, err = lock("requirements.in", *PLACE, "--engine", engine, "--extra-index-url", private.simple)
    assert (code, pins(project)) == (0, ["shop==1.0", "six==1.16"])
    assert err.replace(private.simple, "PRIVATE").splitlines()[0] == (
        "requirements.in:2: shop is on INDEX too; it is taken from PRIVATE, which comes first"
    )
    assert private.url not in (project / "requirements.txt").read_text()


@UV_AT_FIRST
def test_indexes_of_the_input_are_asked_and_kept_without_credentials(
    index: PackageIndex, private: PackageIndex, project: Path, lock: Lock, engine: str
) -> None:
    private.release("shop", "1.0")
    index.release("six", "1.16")
    named = private.simple.replace("://", "://me:secret@")
    (project / "requirements.in").write_text(f"--extra-index-url {named}\nshop\nsix\n")
    assert lock("requirements.in", *PLACE, "--engine", engine)[0] == 0
    text = (project / "requirements.txt").read_text()
    assert f"\n--extra-index-url {private.simple}\n" in text
    assert "secret" not in text
    assert {asked.authorization for asked in private.asked} >= {"Basic bWU6c2VjcmV0"}
    assert {asked.authorization for asked in index.asked} == {None}


@UV_AT_FIRST
def test_credentials_of_a_netrc_file(index: PackageIndex, project: Path, lock: Lock, engine: str) -> None:
    index.release("six", "1.16")
    (project.parent / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (project / "requirements.in").write_text("six\n")
    assert lock("requirements.in", *PLACE, "--engine", engine)[0] == 0
    assert {asked.authorization for asked in index.asked if asked.path == "/simple/six/"} >= {"Basic bWU6c2VjcmV0"}


def test_a_password_of_the_keyring(
    index: PackageIndex, project: Path, lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for the address, then for the host, as pip and uv do; the engine gets it with the address."""
    host = index.url.removeprefix("http://")
    log = keyring(tmp_path, host, monkeypatch)
    monkeypatch.setenv("PIP_INDEX_URL", index.simple.replace("://", "://me@"))
    index.release("six", "1.16")
    (project / "requirements.in").write_text("six\n")
    assert lock("requirements.in", *PLACE)[0] == 0
    assert log.read_text() == f"get {index.simple} me\nget {host} me\n"
    assert {asked.authorization for asked in index.asked if asked.path == "/simple/six/"} == {"Basic bWU6c2VjcmV0"}
    assert "secret" not in (project / "requirements.txt").read_text()


def test_an_index_of_the_command_line_is_asked_alone(
    index: PackageIndex, private: PackageIndex, project: Path, lock: Lock
) -> None:
    private.release("six", "1.0")
    index.release("six", "1.16")
    (project / "requirements.in").write_text("six\n")
    assert lock("requirements.in", *PLACE, "--index-url", private.simple)[0] == 0
    assert (pins(project), index.asked) == (["six==1.0"], [])


def test_what_was_read_of_an_index_is_remembered(index: PackageIndex, project: Path, lock: Lock) -> None:
    """Requirements of a file never change, and a page counts as long as its server says."""
    index.release("six", "1.16")
    keep(index, "six")
    (project / "requirements.in").write_text("six\n")
    lock("requirements.in", *PLACE)
    both = {"/simple/six/": 2, "/files/six-1.16-py3-none-any.whl.metadata": 2}
    assert {path: index.paths().count(path) for path in both} == both  # the engine's and ours
    index.asked.clear()
    assert lock("requirements.in", *PLACE)[0] == 0
    assert [asked.path for asked in index.asked if asked.accept != "*/*"] == []  # which is uv's for metadata
    index.asked.clear()
    lock("requirements.in", *PLACE, "--check")
    assert index.paths() == ["/simple/six/"]  # an audit asks


def test_a_page_that_has_not_changed_is_not_sent_again(index: PackageIndex, project: Path, lock: Lock) -> None:
    index.release("six", "1.16")
    page = index.content["/simple/six/"]
    assert isinstance(page, Served)
    known = page._replace(headers=(("ETag", '"1"'),))
    sent: list[int] = []

    def answer(exchange: Exchange) -> None:
        is_known = exchange.headers["If-None-Match"] == '"1"'
        sent.append(304 if is_known else 200)
        exchange.reply(Served(b"", status=304) if is_known else known)

    index.content["/simple/six/"] = answer
    (project / "requirements.in").write_text("six\n")
    lock("requirements.in", *PLACE)
    sent.clear()
    assert lock("requirements.in", *PLACE, "--check")[0] == 0
    assert sent == [304]


def keep(index: PackageIndex, name: str) -> None:
    """Serve a page that counts for ten minutes."""
    page = index.content[f"/simple/{name}/"]
    assert isinstance(page, Served)
    index.content[f"/simple/{name}/"] = page._replace(headers=(("Cache-Control", "public, max-age=600"),))


def test_a_release_that_is_newer_than_what_is_remembered(
    index: PackageIndex, project: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine has a cache of its own, and may know better."""
    index.release("six", "1.16")
    keep(index, "six")
    (project / "requirements.in").write_text("six\n")
    lock("requirements.in", *PLACE)
    index.release("six", "1.17")
    keep(index, "six")
    monkeypatch.setenv("UV_CACHE_DIR", str(project.parent / "uv"))
    assert lock("requirements.in", *PLACE, "--upgrade")[2].splitlines()[0] == "~ six 1.16 -> 1.17"


def test_a_damaged_entry_of_the_cache_is_none(index: PackageIndex, project: Path, lock: Lock, own_cache: Path) -> None:
    index.release("six", "1.16")
    (project / "requirements.in").write_text("six\n")
    lock("requirements.in", *PLACE)
    entries = sorted(own_cache.glob("index/*/*"))
    assert len(entries) == 2
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:-1] + b"!")
    before = (project / "requirements.txt").read_bytes()
    assert lock("requirements.in", *PLACE)[0] == 0
    assert (project / "requirements.txt").read_bytes() == before


def test_the_settings_of_a_folder_count_when_they_are_asked_for(
    index: PackageIndex, private: PackageIndex, project: Path, lock: Lock
) -> None:
    private.release("six", "1.0")
    index.release("six", "1.16")
    (project / "requirements.in").write_text("six\n")
    (project / "uv.toml").write_text(f'index-url = "{private.simple}"\n')
    assert (lock("requirements.in", *PLACE)[0], pins(project)) == (0, ["six==1.16"])
    assert lock("requirements.in", *PLACE, "-U", "--index-config", "uv.toml")[0] == 0
    assert pins(project) == ["six==1.0"]


def test_no_index_at_all(index: PackageIndex, project: Path, lock: Lock) -> None:
    (project / "requirements.in").write_text("--no-index\nsix\n")
    assert lock("requirements.in", *PLACE)[2].splitlines()[0] == (
        "driftscan: error: requirements.in:2: there is no project six, and no index is asked"
    )
    assert index.asked == []


@ENGINES
def test_an_index_that_has_html_alone(index: PackageIndex, project: Path, lock: Lock, engine: str) -> None:
    digests = {name: index.release(name, "1.0", *requires) for name, *requires in (("shop", "six"), ("six",))}
    for name, digest in digests.items():
        file = f"{name}-1.0-py3-none-any.whl"
        page = f'<!DOCTYPE html><a href="../../files/{file}#sha256={digest}" data-core-metadata="true">{file}</a>'
        index.content[f"/simple/{name}/"] = Served(page.encode(), HTML)
    (project / "requirements.in").write_text("shop\n")
    assert lock("requirements.in", *PLACE, "--engine", engine)[0] == 0
    assert pins(project) == ["shop==1.0", "six==1.0"]
    assert all(f"--hash=sha256:{digest}" in (project / "requirements.txt").read_text() for digest in digests.values())


def test_metadata_that_were_promised_and_are_not_there(index: PackageIndex, project: Path, lock: Lock) -> None:
    """uv gives up, and so does pip by itself; with pip-tools they are read in the wheel."""
    index.release("shop", "1.0", "six")
    index.release("six", "1.0")
    del index.content["/files/shop-1.0-py3-none-any.whl.metadata"]
    (project / "requirements.in").write_text("shop\n")
    code, _, err = lock("requirements.in", *PLACE)
    file = "INDEX/files/shop-1.0-py3-none-any.whl.metadata"
    assert (code, err.replace(index.url, "INDEX")) == (
        2,
        (
            f"driftscan: error: requirements.in: uv failed: error: Failed to fetch: {file}"
            f" cause: HTTP status client error (404 Not Found) for url ({file})\n"
            "hint: try the other engine: --engine pip-tools\n"
        ),
    )
    assert lock("requirements.in", *PLACE, "--engine", "pip-tools")[0] == 0
    assert pins(project) == ["shop==1.0", "six==1.0"]
