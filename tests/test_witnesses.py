"""`driftscan.witnesses`: one target for each way in which a lock's markers can turn out."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from driftscan import markers
from driftscan.model.lock import Dependency, Lock, SelectionMode
from driftscan.platforms import target
from driftscan.witnesses import in_words, witnesses


def lock_with(*texts: str, requires_python: str | None = None, environments: tuple[str, ...] = ()) -> Lock:
    return Lock(
        path="uv.lock",
        format="uv",
        sha256="00",
        mode=SelectionMode.FLAT,
        packages=(),
        roots=tuple(Dependency(name=canonicalize_name("a"), marker=text) for text in texts),
        requires_python=requires_python,
        environments=environments,
    )


def words(*texts: str, requires_python: str | None = None, environments: tuple[str, ...] = ()) -> list[str]:
    return [
        in_words(found)
        for found in witnesses([lock_with(*texts, requires_python=requires_python, environments=environments)])
    ]


def test_no_markers_need_one_target() -> None:
    assert words() == ["CPython 3.13.5 on linux x86_64"]


def test_the_python_is_one_that_the_lock_is_for() -> None:
    assert words(requires_python=">=3.9,<3.11") == ["CPython 3.10.16 on linux x86_64"]
    assert words(requires_python="==3.12.4") == ["CPython 3.12.4 on linux x86_64"]
    assert words(requires_python=">=2.7") == ["CPython 3.13.5 on linux x86_64"]


def test_both_sides_of_a_version() -> None:
    assert words("python_version < '3.12'") == ["CPython 3.13.5 on linux x86_64", "CPython 3.11.1 on linux x86_64"]
    assert words("python_version < '3.12'", requires_python=">=3.12") == ["CPython 3.13.5 on linux x86_64"]


def test_each_side_of_a_patch_release() -> None:
    found = words("python_full_version == '3.12.4'", "python_full_version > '3.12.4'")
    assert found == [
        "CPython 3.13.5 on linux x86_64",
        "CPython 3.12.4 on linux x86_64",
        "CPython 3.12.3 on linux x86_64",
    ]


def test_platforms_and_implementations() -> None:
    found = words("sys_platform == 'win32'", "platform_machine == 'aarch64'", "implementation_name == 'pypy'")
    assert found == [
        "CPython 3.13.5 on linux x86_64",
        "CPython 3.13.5 on win32 AMD64",
        "CPython 3.13.5 on linux aarch64",
        "PyPy 3.13.5 on linux x86_64",
        "PyPy 3.13.5 on win32 AMD64",
        "PyPy 3.13.5 on linux aarch64",
    ]


def test_only_environments_that_the_lock_supports() -> None:
    found = words("sys_platform == 'win32'", environments=("sys_platform == 'win32'",))
    assert found == ["CPython 3.13.5 on win32 AMD64"]


def test_a_marker_that_does_not_parse_is_passed_over() -> None:
    lock = lock_with("sys_platform == 'win32'")
    assert len(witnesses([lock])) == 2


ATOMS = st.sampled_from(
    [
        *(f"python_version {operator} '3.{minor}'" for operator in ("<", ">=", "==", "!=") for minor in (9, 11, 12)),
        *(
            f"python_full_version {operator} '3.{minor}.{patch}'"
            for operator in ("<", "<=", ">")
            for minor, patch in product((9, 12), (0, 4))
        ),
        *(f"sys_platform {operator} '{name}'" for operator in ("==", "!=") for name in ("linux", "darwin", "win32")),
        "platform_machine == 'aarch64'",
        "platform_machine == 'arm64'",
        "os_name == 'nt'",
        "platform_system == 'Darwin'",
    ]
)


@given(st.lists(ATOMS, min_size=1, max_size=4))
def test_no_combination_of_answers_is_missed(texts: list[str]) -> None:
    """Whatever some CPython on a common platform answers, a witness answers too."""
    known = {tuple(markers.evaluate(text, found.markers) for text in texts) for found in witnesses([lock_with(*texts)])}
    # A machine that no marker names is like the usual one of its system.
    systems = ["linux", "macos", "windows", *(["linux/arm64"] if "platform_machine == 'aarch64'" in texts else [])]
    for minor, patch, system in product((8, 9, 10, 11, 12, 13), (0, 1, 3, 4, 5, 9), systems):
        place = target(f"3.{minor}.{patch}", system).markers
        assert tuple(markers.evaluate(text, place) for text in texts) in known
