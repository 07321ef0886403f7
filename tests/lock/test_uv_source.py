from __future__ import annotations

from collections.abc import Mapping

import pytest
from packaging.specifiers import SpecifierSet

from driftscan.errors import LockError
from driftscan.lock.uv import parse
from driftscan.lock.uv_requirements import never_holds, same_marker, same_versions
from driftscan.model.lock import LockSource
from tests.builders.files import document

Expected = tuple[str, str | None, int | None]
PROJECT = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.9"
dependencies = [
    "numbers>=2",
    "forge",
    "archive @ https://files.example/archive-1.0.tar.gz",
    "inner",
]

[project.optional-dependencies]
pg = ["driver[fast]; os_name == 'nt'"]

[dependency-groups]
dev = ["tester"]

[tool.uv]
constraint-dependencies = ["base<3"]

[tool.uv.sources]
forge = { git = "https://user:word@forge.example/forge.git", tag = "v1" }
inner = { index = "internal" }

[[tool.uv.index]]
name = "internal"
url = "https://index.example/simple/"
"""
PACKAGE = """\
[[package]]
name = "app"
version = "1.0"
source = { editable = "." }

[package.metadata]
requires-dist = [
    { name = "archive", url = "https://files.example/archive-1.0.tar.gz" },
    { name = "driver", extras = ["fast"], marker = "os_name == 'nt' and extra == 'pg'" },
    { name = "forge", git = "https://forge.example/forge.git?tag=v1" },
    { name = "inner", index = "https://index.example/simple" },
    { name = "numbers", specifier = ">=2" },
]
provides-extras = ["pg"]

[package.metadata.requires-dev]
dev = [{ name = "tester" }]
"""
HEAD = 'version = 1\nrevision = 3\nrequires-python = ">=3.9"\n'
MANIFEST = '\n[manifest]\nconstraints = [{ name = "base", specifier = "<3" }]\n\n'
LOCK = HEAD + MANIFEST + PACKAGE


def sources(files: Mapping[str, str], lock: str = LOCK, name: str = "uv.lock") -> tuple[LockSource, ...]:
    return parse(document(name, {**files, name: lock})).sources


def differences(project: str, lock: str = LOCK) -> list[Expected]:
    (source,) = sources({"pyproject.toml": project}, lock)
    assert source.path == "pyproject.toml"
    return [(each.text, each.package, each.line) for each in source.differences]


def test_a_lock_with_the_requirements_of_its_project_is_up_to_date() -> None:
    assert sources({"pyproject.toml": PROJECT}) == (
        LockSource("pyproject.toml", "the requirements that the lock records"),
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "numbers>=2",
            "numbers>=3",
            ("the project requires numbers>=3, and the lock was made for numbers>=2", "numbers", 6),
        ),
        ('"forge",', '"forge", "extra",', ("the project requires extra, and the lock was made without it", "extra", 7)),
        (
            '    "forge",\n',
            "",
            (
                (
                    "the project requires forge from https://forge.example/forge at v1 no more, "
                    "and the lock was made for it"
                ),
                "forge",
                None,
            ),
        ),
        (
            '"forge",',
            '"forge", "driver",',
            ("the project requires driver, and the lock was made without that", "driver", 7),
        ),
        (
            'tag = "v1"',
            'tag = "v2"',
            (
                (
                    "the project requires forge from https://forge.example/forge at v2, "
                    "and the lock was made for forge from https://forge.example/forge at v1"
                ),
                "forge",
                7,
            ),
        ),
        (
            "archive-1.0",
            "archive-1.1",
            (
                (
                    "the project requires archive from https://files.example/archive-1.1.tar.gz, "
                    "and the lock was made for archive from https://files.example/archive-1.0.tar.gz"
                ),
                "archive",
                8,
            ),
        ),
        (
            "simple/",
            "other",
            (
                (
                    "the project requires inner from https://index.example/other, "
                    "and the lock was made for inner from https://index.example/simple"
                ),
                "inner",
                9,
            ),
        ),
        (
            "[fast]",
            "",
            (
                (
                    "the project requires driver ; (os_name == \"nt\") and extra == 'pg', "
                    "and the lock was made for driver[fast] ; os_name == 'nt' and extra == 'pg'"
                ),
                "driver",
                13,
            ),
        ),
        (
            '["tester"]',
            '["tester<9"]',
            ("the group dev requires tester<9, and the lock was made for tester", "tester", 16),
        ),
        ("base<3", "base<4", ("constraint-dependencies has base<4, and the lock was made for base<3", "base", 19)),
        ("pg = [", "Sql = []\npg = [", ("the project has the extra sql, and the lock was made without it", None, 13)),
        ('">=3.9"', '">=3.11"', ("Python >=3.11 is required, and the lock was made for >=3.9", None, 4)),
        ('"1.0"', '"1.1"', ("the version of the project is 1.1, and the lock was made for 1.0", "app", 3)),
        ('"app"', '"ppa"', ("the project is called ppa, and the lock was made for app", "app", 2)),
    ],
    ids=[
        "version",
        "new",
        "removed",
        "without its extra",
        "git",
        "URL",
        "index",
        "extras",
        "group",
        "constraint",
        "extra",
        "Python",
        "project version",
        "project name",
    ],
)
def test_says_what_is_not_as_it_was(old: str, new: str, expected: Expected) -> None:
    assert old in PROJECT
    assert differences(PROJECT.replace(old, new, 1)) == [expected]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('tag = "v1"', 'tag = "v2", marker = "os_name == \'nt\'"'),
        ('{ index = "internal" }', '{ index = "elsewhere" }'),
        ('{ index = "internal" }', '[{ index = "elsewhere" }]'),
        ('{ index = "internal" }', '{ path = "/absolute" }'),
        ("numbers>=2", "numbers>=2.*"),
        ("numbers>=2", "numbers >= 2.0"),
        ("os_name == 'nt'", "python_version >= 'nonsense'"),
        ("archive @ https://files.example/archive-1.0.tar.gz", "archive @ file:///absolute"),
    ],
)
def test_what_cannot_be_compared_is_no_difference(old: str, new: str) -> None:
    assert old in PROJECT
    assert differences(PROJECT.replace(old, new)) == []


def test_a_project_that_requires_itself_may_have_had_that_resolved() -> None:
    project = PROJECT.replace("pg = [", 'all = ["app[pg]"]\npg = [').replace(
        '"forge",', '"forge",\n    "driver[fast]",'
    )
    resolved = LOCK.replace("requires-dist = [", "requires-dist = [\n{ name = 'driver', extras = ['fast'] },")
    assert differences(project, resolved.replace('["pg"]', '["pg", "all"]')) == []


def test_groups_include_each_other() -> None:
    included = PROJECT.replace(
        'dev = ["tester"]', 'dev = [{ include-group = "Test.S" }]\ntest_s = ["tester", { include-group = "dev" }]'
    )
    recorded = LOCK + 'test-s = [{ name = "tester" }]\n'
    assert differences(included, recorded) == []
    assert differences(included) == [
        ("the group test-s requires tester, and the lock was made without it", "tester", 17)
    ]


def test_the_lock_of_another_project_is_none_of_this_one() -> None:
    assert differences('[project]\nname = "app"\nversion = "1.0"\n', HEAD) == [
        ("the lock was made without the project app", "app", 2)
    ]


def test_the_lock_of_a_script_has_no_project() -> None:
    assert sources({"pyproject.toml": PROJECT}, HEAD, "tool.py.lock") == ()


def test_nothing_is_judged_without_a_project() -> None:
    assert sources({}) == ()


@pytest.mark.parametrize(
    ("project", "lock"),
    [
        (PROJECT.replace('name = "app"', 'name = "app"\ndynamic = ["dependencies"]'), LOCK),
        (
            PROJECT,
            HEAD + MANIFEST + '[[package]]\nname = "app"\nversion = "1.0"\nsource = { editable = "." }\n'
            'dependencies = [{ name = "app" }]\n',
        ),
    ],
    ids=["dynamic", "not recorded"],
)
def test_requirements_that_are_written_nowhere_are_not_judged(project: str, lock: str) -> None:
    assert sources({"pyproject.toml": project}, lock) == ()
    changed = project.replace('version = "1.0"', 'version = "2.0"')
    (source,) = sources({"pyproject.toml": changed}, lock)
    assert [each.text for each in source.differences] == [
        "the version of the project is 2.0, and the lock was made for 1.0"
    ]


MEMBERS = """
[manifest]
members = ["app", "one"]

[[package]]
name = "app"
version = "1.0"
source = { virtual = "." }

[[package]]
name = "one"
version = "1.0"
source = { editable = "packages/one" }

[package.metadata]
requires-dist = [{ name = "lib", directory = "lib" }]

[[package]]
name = "far"
version = "1.0"
source = { directory = "../far" }
"""
ONE = '[project]\nname = "one"\nversion = "1.0"\nrequires-python = ">=3.9"\ndependencies = ["lib"]\n'
ROOT = (
    '[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.9"\n\n[tool.uv.sources]\nlib = { path = "lib" }\n'
)


def test_each_member_is_a_source_of_its_own() -> None:
    files = {"pyproject.toml": ROOT, "packages/one/pyproject.toml": ONE}
    evidence = "the requirements that the lock records"
    assert sources(files, HEAD + MEMBERS) == (
        LockSource("pyproject.toml", evidence),
        LockSource("packages/one/pyproject.toml", evidence),
    )
    changed = {**files, "packages/one/pyproject.toml": ONE.replace('"lib"', '"lib", "two"')}
    root, one = sources(changed, HEAD + MEMBERS)
    assert root.differences == ()
    assert [tuple(each) for each in one.differences] == [
        ("the project requires two, and the lock was made without it", "two", 5)
    ]


def test_the_python_is_not_judged_where_a_member_is_missing() -> None:
    files = {"pyproject.toml": ROOT.replace(">=3.9", ">=3.11")}
    assert [source.differences for source in sources(files, HEAD + MEMBERS)] == [()]


def test_a_value_of_the_wrong_type_is_an_error() -> None:
    with pytest.raises(LockError, match=r'^pyproject.toml: "dependencies" has to be an array'):
        sources({"pyproject.toml": '[project]\nname = "app"\ndependencies = "numbers"\n'})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (None, "python_version >= '3.9'", True),
        (None, "python_version >= '3.10'", False),
        ("python_version < '3.12'", "python_full_version < '3.12'", True),
        ("python_version <= '3.11'", "python_full_version < '3.12'", True),
        ("sys_platform == 'win32'", "os_name == 'nt'", True),
        ("sys_platform == 'win32'", "sys_platform != 'linux'", False),
        ("extra == 'a_b' and os_name == 'nt'", "os_name == 'nt' and extra == 'a-b'", True),
        ("extra == 'a'", "extra == 'b'", False),
        ("extra == 'a' and os_name == 'nt'", "extra == 'a' and os_name == 'posix'", False),
        ("platform_release >= '5'", "platform_release >= '6'", True),
        ("not a marker", "os_name == 'nt'", True),
    ],
)
def test_markers_are_the_same_where_they_hold_on_the_same_targets(
    one: str | None, other: str | None, expected: bool
) -> None:
    assert same_marker(one, other, ">=3.9") is expected
    assert same_marker(other, one, ">=3.9") is expected


def test_a_marker_may_hold_nowhere() -> None:
    assert never_holds("python_version < '3.9' and extra == 'a'", ">=3.9")
    assert not never_holds("extra == 'a' and os_name == 'nt'", ">=3.9")
    assert not never_holds(None, ">=3.9")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (">=1", ">=1.0", True),
        ("~=1.4.2", ">=1.4.2,==1.4.*", True),
        ("~=1.4", "~=1.4.0", False),
        ("==1.2.3.4", "==1.2.3.5", False),
        (">1", ">=1", False),
        ("<2", "<2rc1", False),
        ("!=1", "", False),
        ("===1.0", "==1.0", True),
        ("===local", "===other", True),
    ],
)
def test_versions_are_the_same_where_they_admit_the_same_releases(one: str, other: str, expected: bool) -> None:
    assert same_versions(SpecifierSet(one), SpecifierSet(other)) is expected
