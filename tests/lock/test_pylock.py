from __future__ import annotations

from pathlib import Path

import pytest

from driftscan.errors import LockError
from driftscan.lock.document import Document
from driftscan.lock.pylock import matches, parse
from driftscan.model.lock import (
    Artifact,
    Hash,
    Lock,
    Origin,
    OriginKind,
    Package,
    SelectionMode,
    Unchecked,
)

DATA = Path(__file__).parents[1] / "data" / "pylock"
COMMIT = "4c1f0f1d8a3b5f0e9d7c6b5a49382716f5e4d3c2"
HEADER = 'lock-version = "1.0"\ncreated-by = "hand"\n'


def document(text: str, pyproject: str | None = None) -> Document:
    beside = None if pyproject is None else Document("app/pyproject.toml", pyproject.encode(), lambda _: None)
    return Document("app/pylock.toml", text.encode(), lambda path: beside if path == "pyproject.toml" else None)


def sample(name: str = "pylock.toml") -> Lock:
    return parse(document((DATA / name).read_text()))


def package(lock: Lock, name: str, version: str | None = None) -> Package:
    (found,) = [each for each in lock.packages if each.id.name == name and version in {None, each.id.version}]
    return found


@pytest.mark.parametrize(
    ("name", "mine"),
    [
        ("pylock.toml", True),
        ("some/where/pylock.dev.toml", True),
        ("pylock.a.b.toml", False),
        ("pylock..toml", False),
        ("my-pylock.toml", False),
        ("pyproject.toml", False),
    ],
)
def test_recognised_by_the_names_of_the_standard(name: str, mine: bool) -> None:
    assert matches(name, b"") is mine


def test_header() -> None:
    lock = sample()
    assert (lock.format, lock.mode, lock.path) == ("pylock", SelectionMode.FLAT, "app/pylock.toml")
    assert lock.requires_python == ">=3.9"
    assert lock.environments == ('sys_platform == "linux"', 'sys_platform == "win32"')
    assert lock.extras == {"postgres", "all"}
    assert lock.groups == {"dev", "docs"}
    assert lock.default_groups == {"dev"}
    assert lock.unchecked == ()


def test_identity_of_every_kind_of_source() -> None:
    index = Origin()
    assert [(each.id.name, each.id.version, each.id.origin) for each in sample().packages] == [
        ("web-frame", "2.1.0", Origin(OriginKind.INDEX, "https://index.example/simple")),
        ("template-lib", "3.1.2", index),
        ("colors", "0.4.6", index),
        ("numlib", "1.24.4", index),
        ("numlib", "1.26.4", index),
        ("pgdriver", "2.9.9", index),
        ("tester", "7.4.0", index),
        ("doctool", "7.2.0", index),
        ("gitlib", None, Origin(OriginKind.VCS, "https://git.example/lib/gitlib.git", COMMIT, "v1.0", "python")),
        ("linked", None, Origin(OriginKind.EDITABLE, "libs/linked")),
        ("tree", None, Origin(OriginKind.DIRECTORY, "../tree", subdirectory="sub")),
        ("remote", "1.5", Origin(OriginKind.URL, "https://files.example/remote-1.5.zip")),
        ("nearby", None, Origin(OriginKind.PATH, "dist/nearby-2.0-py3-none-any.whl")),
    ]


def test_files() -> None:
    lock = sample()
    assert [(file.filename, file.url, file.size) for file in package(lock, "web-frame").artifacts] == [
        ("web_frame-2.1.0-py3-none-any.whl", "https://files.example/web_frame-2.1.0-py3-none-any.whl", 3200),
        ("web_frame-2.1.0.tar.gz", "https://files.example/web_frame-2.1.0.tar.gz", 2200),
    ]
    (sdist,) = package(lock, "pgdriver").artifacts
    assert (sdist.filename, sdist.url) == ("pgdriver-2.9.9.tar.gz", "vendor/pgdriver-2.9.9.tar.gz")
    assert [each.algorithm for each in sdist.hashes] == ["md5", "sha256"]
    assert sdist.hashes[0].digest == "ab" * 16
    assert package(lock, "remote").artifacts == (
        Artifact(
            filename="remote-1.5.zip",
            url="https://files.example/remote-1.5.zip",
            hashes=(Hash("sha512", "ab" * 64),),
            size=12,
        ),
    )
    assert package(lock, "nearby").artifacts[0].filename == "nearby-2.0-py3-none-any.whl"
    assert package(lock, "linked").artifacts == ()


def test_roots_carry_the_markers_and_lines_the_headers() -> None:
    lock = sample()
    assert [root.candidates for root in lock.roots] == [(each.id,) for each in lock.packages]
    assert {root.name: root.marker for root in lock.roots if root.name in {"pgdriver", "doctool", "remote"}} == {
        "pgdriver": '"postgres" in extras or "all" in extras',
        "doctool": '"docs" in dependency_groups and "all" not in extras',
        "remote": None,
    }
    lines = (DATA / "pylock.toml").read_text().splitlines()
    assert [lines[(each.line or 0)] for each in lock.packages] == [f'name = "{each.id.name}"' for each in lock.packages]


def test_lines_are_left_out_where_there_are_no_headers() -> None:
    lock = parse(document(HEADER + 'packages = [{name = "a", directory = {path = "a"}}]'))
    assert [lock.packages[0].line, lock.roots[0].line] == [None, None]


def test_edges_of_the_standard_name_other_entries() -> None:
    lock = sample()
    edges = [
        (edge.name, [str(each) for each in edge.candidates]) for edge in package(lock, "web-frame").dependencies or ()
    ]
    assert edges == [
        ("template-lib", ["template-lib 3.1.2"]),
        ("numlib", ["numlib 1.26.4"]),
        ("colors", ["colors 0.4.6"]),
        ("gone", []),
    ]
    assert package(lock, "colors").dependencies == ()


def test_edges_of_pdm_are_requirements() -> None:
    lock = sample("pylock.pdm.toml")
    first, second = package(lock, "toolkit").dependencies or ()
    assert (first.name, first.specifier, first.marker) == ("accel", ">=1", 'python_version >= "3.9"')
    assert first.extras == {"simd"}
    assert [str(each) for each in first.candidates] == ["accel 1.5"]
    assert (second.specifier, second.candidates) == (">=2", ())
    assert lock.groups == lock.default_groups == {"default"}
    assert lock.unchecked == (
        Unchecked(
            "what the dependency 'not a requirement' in app/pylock.toml means", "it is not a requirement (PEP 508)"
        ),
    )


def test_no_edges_are_unknown_edges() -> None:
    text = HEADER + '[[packages]]\nname = "a"\ndirectory = {path = "a"}\n'
    (only,) = parse(document(text)).packages
    assert only.dependencies is None


def test_project_name_is_that_of_the_pyproject_beside_it() -> None:
    text = HEADER + "packages = []\n"
    assert parse(document(text, '[project]\nname = "My.App"\n')).project_name == "my-app"
    assert parse(document(text, "[tool]\n")).project_name is None
    assert parse(document(text)).project_name is None


def test_a_newer_minor_version_is_read_with_a_note() -> None:
    assert parse(document('lock-version = "1.3"\ncreated-by = "x"\npackages = []\n')).unchecked == (
        Unchecked(
            "what is new in lock-version 1.3 of app/pylock.toml",
            "driftscan knows lock version 1.0; a newer driftscan may read more",
        ),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("packages = []", "app/pylock.toml: there is no lock-version, so this is no pylock.toml"),
        ('lock-version = "2.0"', "app/pylock.toml: lock-version '2.0' of pylock.toml is not supported; 1.0 is"),
        ('lock-version = "x"', "app/pylock.toml: lock-version 'x' of pylock.toml is not supported; 1.0 is"),
        ("lock-version = 1.0", "app/pylock.toml: lock-version '1.0' of pylock.toml is not supported; 1.0 is"),
        (
            HEADER,
            "app/pylock.toml: this is no valid pylock.toml: Missing required value in 'packages'",
        ),
        (
            HEADER + '[[packages]]\nname = "a"\ndirectory = {path = "a"}\n[[packages]]\nname = "B"\n',
            "app/pylock.toml:6: this is no valid pylock.toml: Name 'B' is not normalized in 'packages[1].name'",
        ),
        (
            HEADER + '[[packages]]\nname = "a"\nmarker = "' + "(" * 5000 + '"\n',
            "app/pylock.toml:3: this is no valid pylock.toml: ",
        ),
        (
            HEADER + '[[packages]]\nname = "a"\nversion = "' + "9" * 5000 + '"\n',
            "app/pylock.toml:3: this is no valid pylock.toml: ",
        ),
        (HEADER + "packages = [1]", "app/pylock.toml: this is no valid pylock.toml: Unexpected type int (expected "),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(LockError) as caught:
        parse(document(text))
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 600


def test_broken_toml_has_a_line() -> None:
    with pytest.raises(LockError) as caught:
        parse(document(HEADER + "[[packages\n"))
    assert str(caught.value).startswith("app/pylock.toml:3: ")
