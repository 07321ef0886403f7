"""Pipfile.lock: entries, categories and sources, what is wrong with a damaged one, and when it is stale."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from driftscan.errors import LockError
from driftscan.graph import DependencyGraph
from driftscan.lock.document import Document
from driftscan.lock.pipfile import matches, parse
from driftscan.lock.pipfile_json import keys
from driftscan.model.lock import (
    Artifact,
    Difference,
    Hash,
    Index,
    Lock,
    LockSource,
    NoteKind,
    Origin,
    OriginKind,
    Package,
    Request,
    Scope,
    ScopeKind,
    SelectionMode,
    Unchecked,
)
from tests.builders.locks import LINUX

A, B = "a" * 64, "b" * 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FIRST = {"name": "pypi", "url": "https://index.example/simple", "verify_ssl": True}
PRIVATE = {"name": "private", "url": "https://${USER}:secret@private.example/simple/", "verify_ssl": False}


def document(text: str, pipfile: str | None = None, name: str = "app/Pipfile.lock") -> Document:
    beside = None if pipfile is None else Document("app/Pipfile", pipfile.encode())
    return Document(name, text.encode(), lambda path: beside if path == "Pipfile" else None)


def write(sections: Mapping[str, object], **meta: object) -> str:
    """A lock as pipenv formats it."""
    header = {"hash": {"sha256": A}, "pipfile-spec": 6, "requires": {}, "sources": [FIRST], **meta}
    return json.dumps({"_meta": header, **sections}, indent=4, sort_keys=True) + "\n"


def read(sections: Mapping[str, object], pipfile: str | None = None, **meta: Any) -> Lock:
    return parse(document(write(sections, **meta), pipfile))


def only(entry: object, name: str = "thing") -> Package:
    (package,) = read({"default": {name: entry}}).packages
    return package


def error(text: str) -> tuple[str, str | None]:
    with pytest.raises(LockError) as caught:
        parse(document(text))
    return str(caught.value), caught.value.hint


@pytest.mark.parametrize(
    ("name", "head", "mine"),
    [
        ("Pipfile.lock", b"", True),
        ("app/Pipfile.lock", b"", True),
        ("Pipfile.ci.lock", b'{\n "_meta": {\n  "pipfile-spec": 6', True),
        ("package-lock.json", b'{"lockfileVersion": 3}', False),
        ("Pipfile", b"[packages]", False),
    ],
)
def test_recognised_by_name_or_header(name: str, head: bytes, mine: bool) -> None:
    assert matches(name, head) is mine


def test_sections_are_the_project_and_its_groups() -> None:
    lock = read(
        {
            "default": {"Web.Frame": {"version": "==2.1", "hashes": [f"sha256:{B}", f"sha256:{A.upper()}"]}},
            "develop": {"tester": {"version": "==7.4.0", "markers": "python_version >= '3.8'"}},
            "my_docs": {"doctool": "==1", "other": "2.0"},
        }
    )
    assert (lock.format, lock.mode, lock.path) == ("pipfile", SelectionMode.FLAT, "app/Pipfile.lock")
    assert lock.groups == {"develop", "my_docs"}
    assert not lock.default_groups | lock.extras
    assert [(str(package.id), package.dependencies) for package in lock.packages] == [
        ("web-frame 2.1", None),
        ("tester 7.4.0", None),
        ("doctool 1", None),
        ("other 2.0", None),
    ]
    assert lock.packages[0].artifacts == (Artifact(hashes=(Hash("sha256", B), Hash("sha256", A))),)
    assert [(root.name, root.scope, root.specifier, root.marker) for root in lock.roots] == [
        ("web-frame", Scope(), "==2.1", None),
        ("tester", Scope(ScopeKind.GROUP, "develop"), "==7.4.0", "python_version >= '3.8'"),
        ("doctool", Scope(ScopeKind.GROUP, "my_docs"), "==1", None),
        ("other", Scope(ScopeKind.GROUP, "my_docs"), "==2.0", None),
    ]
    assert lock.unchecked == ()


def test_only_the_default_section_is_installed_unless_a_group_is_asked_for() -> None:
    lock = read({"default": {"a": "==1"}, "develop": {"b": "==1"}})
    graph = DependencyGraph.build([lock])
    assert [key.name for key in graph.select(LINUX).packages] == ["a"]
    assert [key.name for key in graph.select(LINUX, Request(groups=frozenset({"develop"}))).packages] == ["a", "b"]


def test_lines_are_those_of_the_keys() -> None:
    text = write({"default": {"version": {"version": "==1"}, "b": {"hashes": [], "version": "==2"}}, "develop": {}})
    lock = parse(document(text))
    lines = text.splitlines()
    assert [lines[(package.line or 0) - 1].strip() for package in lock.packages] == ['"b": {', '"version": {']
    assert [root.line for root in lock.roots] == [package.line for package in lock.packages]


def test_a_package_of_two_sections_is_one() -> None:
    one, two = (
        {"version": "==1", "hashes": [f"sha256:{A}"]},
        {"version": "==1", "hashes": [f"sha256:{B}"], "extras": ["X_y"]},
    )
    lock = read({"default": {"a": one, "b": "*"}, "develop": {"A": two, "b": ">=2"}})
    first, second = lock.packages
    assert first.artifacts == (Artifact(hashes=(Hash("sha256", A), Hash("sha256", B))),)
    assert (second.pinned, second.specifier) == (False, ">=2")
    assert [(root.name, root.scope.name, root.extras) for root in lock.roots] == [
        ("a", "", frozenset()),
        ("b", "", frozenset()),
        ("a", "develop", {"x-y"}),
        ("b", "develop", frozenset()),
    ]


def test_two_versions_of_a_package_stay_two() -> None:
    lock = read({"default": {"a": "==1"}, "develop": {"a": "==2"}})
    assert [str(package.id) for package in lock.packages] == ["a 1", "a 2"]


@pytest.mark.parametrize(
    ("entry", "version", "specifier"),
    [
        ("*", None, ""),
        ({}, None, ""),
        ({"version": "*"}, None, ""),
        ({"version": ">=1,<2"}, None, "<2,>=1"),
        ({"version": "==1.*"}, None, "==1.*"),
        ({"version": "~=1.4"}, None, "~=1.4"),
        ({"version": "===1.4"}, "1.4", ""),
        ({"version": " ==1.4 "}, "1.4", ""),
        ("1.4", "1.4", ""),
    ],
)
def test_versions(entry: object, version: str | None, specifier: str) -> None:
    package = only(entry)
    assert (package.id.version, package.specifier, package.pinned) == (version, specifier, version is not None)


@pytest.mark.parametrize(
    ("entry", "origin", "version"),
    [
        (
            {"git": "https://me:pw@git.example/lib.git", "ref": COMMIT, "subdirectory": "python", "version": "==1"},
            Origin(OriginKind.VCS, "https://git.example/lib.git", COMMIT, None, "python"),
            None,
        ),
        (
            {"git": "git+ssh://git@git.example/lib.git@v1#egg=lib&subdirectory=sub", "editable": True},
            Origin(OriginKind.VCS, "ssh://git.example/lib.git", None, "v1", "sub"),
            None,
        ),
        ({"hg": "https://hg.example/a", "ref": COMMIT}, Origin(OriginKind.VCS, "https://hg.example/a", COMMIT), None),
        ({"svn": "svn://svn.example/lib", "ref": "42"}, Origin(OriginKind.VCS, "svn://svn.example/lib", "42"), None),
        ({"path": ".", "editable": True, "version": "==1"}, Origin(OriginKind.EDITABLE, "."), None),
        ({"path": "./libs/a"}, Origin(OriginKind.DIRECTORY, "./libs/a"), None),
        ({"file": "file:///srv/a-1.5-py3-none-any.whl"}, Origin(OriginKind.PATH, "/srv/a-1.5-py3-none-any.whl"), "1.5"),
        ({"path": "./dist/thing-1.5.tar.gz"}, Origin(OriginKind.PATH, "./dist/thing-1.5.tar.gz"), "1.5"),
        (
            {"file": "https://me:pw@files.example/thing-1.5.zip#sha256=ab", "version": "==1.5"},
            Origin(OriginKind.URL, "https://files.example/thing-1.5.zip"),
            "1.5",
        ),
        (
            {"file": "https://files.example/thing/main.zip", "version": "==3"},
            Origin(OriginKind.URL, "https://files.example/thing/main.zip"),
            "3",
        ),
    ],
)  # fmt: skip
def test_other_sources(entry: object, origin: Origin, version: str | None) -> None:
    package = only(entry)
    assert (package.id.origin, package.id.version, package.pinned) == (origin, version, True)


def test_what_can_change_under_the_lock_is_noted() -> None:
    lock = read(
        {
            "default": {
                "a": {"git": "https://git.example/a", "ref": "main"},
                "b": {"file": "https://files.example/b-1.zip"},
                "c": {"file": "https://files.example/c-1.zip", "hashes": [f"sha256:{A}"]},
                "d": {"path": "./d", "editable": True},
            }
        }
    )
    assert [[(note.kind, note.text) for note in package.notes] for package in lock.packages] == [
        [(NoteKind.UNPINNED_VCS, "https://git.example/a without a commit")],
        [(NoteKind.URL_WITHOUT_HASH, "https://files.example/b-1.zip")],
        [],
        [(NoteKind.LOCAL_SOURCE, "editable ./d")],
    ]
    assert lock.packages[2].artifacts == (
        Artifact(filename="c-1.zip", url="https://files.example/c-1.zip", hashes=(Hash("sha256", A),)),
    )


def test_a_named_file_with_several_hashes_may_be_any_of_them() -> None:
    url = "https://files.example/c-1.zip"
    package = only({"file": url, "hashes": [f"sha256:{A}", f"sha256:{B}"]})
    assert package.artifacts == (Artifact(url=url, hashes=(Hash("sha256", A), Hash("sha256", B))),)


def test_the_first_versions_wrote_one_hash_and_requirements_for_names() -> None:
    lock = read({"default": {"a": {"version": "==1", "hash": f"sha256:{A}"}, "-e ./libs/My_Lib": "*", "-e .": "*"}})
    assert [(package.id.name, package.id.origin.location) for package in lock.packages] == [
        ("-", "."),
        ("my-lib", "./libs/My_Lib"),
        ("a", ""),
    ]
    assert lock.packages[2].artifacts == (Artifact(hashes=(Hash("sha256", A),)),)


@pytest.mark.parametrize(
    ("entry", "marker"),
    [
        ({"markers": "os_name == 'nt'"}, "os_name == 'nt'"),
        ({"os_name": "== 'nt'"}, "os_name == 'nt'"),
        ({"sys_platform": "== 'win32'", "markers": "sys_platform == 'win32'"}, "sys_platform == 'win32'"),
        (
            {"sys_platform": "== 'win32'", "markers": "os_name == 'nt' or os_name == 'ce'", "python_version": "< '3'"},
            "(python_version < '3') and (sys_platform == 'win32') and (os_name == 'nt' or os_name == 'ce')",
        ),
        ({"markers": "", "sys_platform": ""}, None),
    ],
)
def test_markers(entry: Mapping[str, str], marker: str | None) -> None:
    (root,) = read({"default": {"a": {"version": "==1", **entry}}}).roots
    assert root.marker == marker


def test_a_marker_that_pipenv_does_not_read() -> None:
    lock = read({"default": {"a": {"version": "==1", "marker": "os_name == 'nt'"}}})
    assert lock.roots[0].marker is None
    assert lock.unchecked == (
        Unchecked(
            "what `marker` of a in app/Pipfile.lock means",
            "pipenv reads `markers` and no `marker`, so it installs the package everywhere; lock again",
        ),
    )


def test_packages_come_from_the_first_source_or_from_the_one_they_name() -> None:
    sections = {
        "default": {"a": {"version": "==1", "index": "pypi"}, "b": "==1", "c": {"version": "==1", "index": "private"}}
    }
    lock = read(sections, sources=[FIRST, PRIVATE])
    assert [package.id.origin.location for package in lock.packages] == ["", "", "https://private.example/simple"]
    line = write(sections).splitlines().index('        "sources": [') + 1
    assert lock.indexes == (Index("https://index.example/simple", line),)
    assert lock.unchecked == ()


def test_all_sources_may_supply_everything_where_the_pipfile_says_so() -> None:
    sections = {"default": {"a": {"version": "==1", "index": "private"}, "b": "==1"}}
    lock = read(sections, "[pipenv]\ninstall_search_all_sources = true\n", sources=[FIRST, PRIVATE])
    assert [package.id.origin for package in lock.packages] == [Origin(), Origin()]
    assert [(index.location, index.is_trusted) for index in lock.indexes] == [
        ("https://index.example/simple", False),
        ("https://private.example/simple", True),
    ]


def test_an_index_that_is_not_there() -> None:
    lock = read({"default": {"a": {"version": "==1", "index": "gone"}}})
    assert lock.unchecked == (
        Unchecked(
            "which index a in app/Pipfile.lock comes from",
            "the entry names 'gone', and _meta.sources has none of that name; lock again",
        ),
    )


@pytest.mark.parametrize(
    ("requires", "specifier"),
    [
        ({}, None),
        ({"python_version": "3.9"}, "==3.9.*"),
        ({"python_version": "3"}, "==3.*"),
        ({"python_version": "3.9.*"}, "==3.9.*"),
        ({"python_version": ">=3.8"}, ">=3.8"),
        ({"python_full_version": "3.9.1", "python_version": "3.9"}, "==3.9.1"),
        ({"python_version": "*"}, None),
        ({"python_version": "three"}, None),
    ],
)
def test_requires_python(requires: Mapping[str, str], specifier: str | None) -> None:
    assert read({"default": {}}, requires=requires).requires_python == specifier


def test_a_newer_spec_is_read_with_a_note() -> None:
    lock = parse(document(write({"default": {"a": "==1"}}).replace('"pipfile-spec": 6', '"pipfile-spec": 7')))
    assert len(lock.packages) == 1
    assert lock.unchecked == (
        Unchecked(
            "what is new in pipfile-spec 7 of app/Pipfile.lock",
            "driftscan knows pipfile-spec 6; a newer driftscan may read more",
        ),
    )


AGAIN = "lock again, or restore the file"
EXPECTED = "Expecting property name enclosed in double quotes"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "app/Pipfile.lock: it is empty", "lock again, or check the path"),
        ("[]", "app/Pipfile.lock: it is not a JSON object", None),
        ("{}", "app/Pipfile.lock: there is neither _meta nor default, so this is no Pipfile.lock", None),
        (
            '{\n"default": {\n"a": "==1",\n',
            f"app/Pipfile.lock:3: it is not valid JSON ({EXPECTED}: line 4 column 1 (char 27))",
            "the file seems to be cut off; lock again",
        ),
        (
            '{\n"default": {\n"a": "==1" "b"\n}\n}\n',
            "app/Pipfile.lock:3: it is not valid JSON (Expecting ',' delimiter: line 3 column 12 (char 26))",
            AGAIN,
        ),
        (
            '{\n<<<<<<< HEAD\n"default": {}\n=======\n>>>>>>> main\n}',
            "app/Pipfile.lock:2: a merge conflict was left in it",
            "resolve it, or lock again",
        ),
        (
            '{"default": {\n"a": {"version": "==1"},\n"a": {"version": "==2"}}}',
            "app/Pipfile.lock:3: the key 'a' stands twice in one object",
            "lock again, or remove one of them",
        ),
        ('{"default": {"a": NaN}}', "app/Pipfile.lock: it holds NaN, which is not JSON", None),
        ("[" * 65, "app/Pipfile.lock: it is nested more than 64 levels deep", None),
        ('{"default": []}', 'app/Pipfile.lock: "default" has to be a table', None),
        (
            '{"default": {\n"a": 1}}',
            "app/Pipfile.lock:2: the entry of a has to be an object or a version",
            None,
        ),
        ('{"default": {\n"a b": "==1"}}', "app/Pipfile.lock:2: 'a b' is not the name of a package", None),
        (
            '{"default": {\n"a": "==parser"}}',
            "app/Pipfile.lock:2: 'parser' is not a version (PEP 440)",
            "no pip of today installs it; lock again",
        ),
        ('{"default": {\n"a": ">=x"}}', "app/Pipfile.lock:2: '>=x' is not a version or a specifier", None),
        (
            '{"default": {\n"a": {"hashes": ["sha256:xyz"]}}}',
            "app/Pipfile.lock:2: the hash 'sha256:xyz' is not of the form algorithm:hexadecimal",
            None,
        ),
        ('{"default": {\n"a": {"hashes": "x"}}}', 'app/Pipfile.lock:2: "hashes" has to be an array', None),
        (
            '{"default": {\n"a": {"markers": "os_name =="}}}',
            "app/Pipfile.lock:2: the marker `os_name ==` does not parse: it ends too early",
            "lock again, or correct the marker",
        ),
    ],
)
def test_damage_is_named_with_its_place(text: str, message: str, hint: str | None) -> None:
    assert error(text) == (message, hint)


def test_a_byte_order_mark_is_no_damage() -> None:
    assert parse(document("\ufeff" + write({"default": {"a": "==1"}}))).packages[0].id.version == "1"


PIPFILE = """\
[[source]]
name = "pypi"
url = "https://index.example/simple"
verify_ssl = true

[packages]
"Web.Frame" = {version = ">=2", extras = ["fast"]}
lib = {git = "https://git.example/lib.git"}
only-windows = {version = "*", sys_platform = "== 'win32'"}

[dev-packages]
tester = "==7.4.0"
any = "*"

[docs.doctool]
version = "~=1.0"

[requires]
python_version = "3.11"

[scripts]
serve = "web serve"

[pipenv]
allow_prereleases = true
"""
NEW_HASH = "6066f9b1c03a66b786a5dd314d778b6ae8faa7b5f7ec9c60e5af171edb1ac460"
"""What pipenv 2026.10.3 computes of it."""
OLD_HASH = "5da2abcf49f44047508371b5b12f68b5dd6858a180edcfcdd2d3c93b4fb34d2f"
"""What pipenv computed before it normalised names."""
EMPTY_HASH = "ebffa69a1fa192d1cef7cb42ad79231ca976565c5ce371a70160b3048d3cbc06"
"""What pipenv computes of a Pipfile with an empty `[packages]` only."""
LOCKED = {
    "default": {"web-frame": "==2.1", "lib": {"git": "https://git.example/lib.git", "ref": COMMIT}},
    "develop": {"tester": "==7.4.0", "any": "==3"},
    "docs": {"doctool": "==1.4"},
}


@pytest.mark.parametrize("recorded", [NEW_HASH, OLD_HASH])
def test_a_lock_with_the_hash_of_its_pipfile_is_up_to_date(recorded: str) -> None:
    assert read(LOCKED, PIPFILE, hash={"sha256": recorded}).sources == (LockSource("app/Pipfile", "its content hash"),)


def test_comments_scripts_and_settings_do_not_make_a_lock_stale() -> None:
    pipfile = (
        PIPFILE.replace("web serve", "web").replace("true\n", "false\n# later\n", 1).replace("false\n#", "true\n#")
    )
    assert read(LOCKED, pipfile, hash={"sha256": NEW_HASH}).sources[0].differences == ()


def test_without_a_source_the_default_one_is_hashed() -> None:
    lock = read({"default": {}}, "[packages]\n", hash={"sha256": EMPTY_HASH})
    assert lock.sources[0].differences == ()


def test_a_stale_lock_tells_which_requirements_it_does_not_satisfy() -> None:
    locked = {
        "default": {"web-frame": "==1.9", "lib": "==1"},
        "develop": {"tester": "==7.3"},
        "docs": {"doctool": {"git": "https://git.example/doc", "ref": COMMIT}},
    }
    (source,) = read(locked, PIPFILE, hash={"sha256": A}).sources
    assert source == LockSource(
        "app/Pipfile",
        "its content hash",
        (
            Difference("[packages] requires web-frame>=2, and the lock has 1.9", canonicalize_name("web-frame"), 7),
            Difference("[dev-packages] requires tester==7.4.0, and the lock has 7.3", canonicalize_name("tester"), 12),
            Difference("[dev-packages] requires any, which the lock does not have", canonicalize_name("any"), 13),
        ),
    )


def test_a_table_of_its_own_has_a_line_too() -> None:
    (source,) = read({**LOCKED, "docs": {"doctool": "==2"}}, PIPFILE, hash={"sha256": A}).sources
    assert source.differences == (
        Difference("[docs] requires doctool~=1.0, and the lock has 2", canonicalize_name("doctool"), 15),
    )


def test_a_stale_lock_whose_requirements_are_all_satisfied() -> None:
    (source,) = read(LOCKED, PIPFILE, hash={"sha256": A}).sources
    assert source.differences == (
        Difference(
            "it was changed after the lock was written: its hash is 6066f9b1c03a…, and the lock records aaaaaaaaaaaa…"
        ),
    )


def test_without_a_hash_the_requirements_are_compared() -> None:
    assert read(LOCKED, PIPFILE, hash={}).sources == (LockSource("app/Pipfile", "its requirements"),)
    (source,) = read({**LOCKED, "develop": {"tester": "==7.4.0"}}, PIPFILE, hash={}).sources
    assert [difference.package for difference in source.differences] == ["any"]


def test_without_a_pipfile_nothing_is_said_of_it() -> None:
    assert read(LOCKED).sources == ()


def test_the_pipfile_is_the_one_of_the_lock() -> None:
    text = write(LOCKED, hash={"sha256": NEW_HASH})
    files = {"Pipfile.ci": Document("app/Pipfile.ci", PIPFILE.encode())}
    lock = parse(Document("app/Pipfile.ci.lock", text.encode(), files.get))
    assert lock.sources == (LockSource("app/Pipfile.ci", "its content hash"),)
    assert parse(Document("app/lock.json", text.encode(), files.get)).sources == ()


def test_a_broken_pipfile_is_named() -> None:
    with pytest.raises(LockError) as caught:
        read(LOCKED, "[packages\n")
    assert str(caught.value).startswith("app/Pipfile:1: it is not valid TOML")


@given(
    st.recursive(
        st.text(max_size=5) | st.integers() | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=15,
    ),
    st.sampled_from((None, 0, 4)),
)
def test_every_key_is_found_on_its_line(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    found = list(keys(text))
    assert [key.path for key in found] == list(paths(value))
    assert not any(key.repeated for key in found)
    lines = text.split("\n")
    assert all(json.dumps(key.path[-1]) in lines[key.line - 1] for key in found)


def paths(value: object, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, item in value.items() if isinstance(value, dict) else ():
        yield (*at, key)
        yield from paths(item, (*at, key))
    for item in value if isinstance(value, list) else ():
        yield from paths(item, (*at, ""))
