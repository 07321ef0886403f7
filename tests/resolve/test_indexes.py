"""Which index is asked, with which credentials, and what of it gets into a lock."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.indexes import PackageIndex, package_index
from tests.resolve.conftest import Lock

PLACE = ("--python", "3.12.4", "--python-platform", "x86_64-manylinux_2_28")
ENGINES = pytest.mark.parametrize("engine", ["uv", "pip-tools"])


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


@ENGINES
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


@ENGINES
def test_credentials_of_a_netrc_file(index: PackageIndex, project: Path, lock: Lock, engine: str) -> None:
    index.release("six", "1.16")
    (project.parent / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (project / "requirements.in").write_text("six\n")
    assert lock("requirements.in", *PLACE, "--engine", engine)[0] == 0
    assert {asked.authorization for asked in index.asked if asked.path == "/simple/six/"} >= {"Basic bWU6c2VjcmV0"}


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
    served = index.content["/simple/six/"]
    index.content["/simple/six/"] = served._replace(headers=(("Cache-Control", "public, max-age=600"),))  # type: ignore[union-attr]
    (project / "requirements.in").write_text("six\n")
    engine = ("--engine", "pip-tools")
    lock("requirements.in", *PLACE, *engine)
    ours = [asked for asked in index.asked if asked.accept is not None and asked.accept.endswith("text/html;q=0.01")]
    index.asked.clear()
    lock("requirements.in", *PLACE, "-U")
    again = [asked.path for asked in index.asked]
    assert ours
    assert again.count("/simple/six/") <= 1  # uv's
    lock("requirements.in", *PLACE, "--check")
    assert len(index.asked) == len(again)
