"""Targets by name: `driftscan.platforms`, against the tags that pip itself makes for the same platform."""

from __future__ import annotations

import pytest
from packaging.tags import Tag, compatible_tags, cpython_tags

from driftscan import markers
from driftscan.errors import UsageError
from driftscan.model.target import Libc
from driftscan.platforms import target


@pytest.mark.parametrize(
    ("name", "machine", "libc", "sys_platform"),
    [
        ("linux", "x86_64", Libc("glibc", (2, 28)), "linux"),
        ("LINUX/ARM64", "aarch64", Libc("glibc", (2, 28)), "linux"),
        ("linux-64", "x86_64", Libc("glibc", (2, 28)), "linux"),
        ("x86_64-manylinux2014", "x86_64", Libc("glibc", (2, 17)), "linux"),
        ("manylinux2014_aarch64", "aarch64", Libc("glibc", (2, 17)), "linux"),
        ("aarch64-manylinux_2_31", "aarch64", Libc("glibc", (2, 31)), "linux"),
        ("manylinux_2_36_x86_64", "x86_64", Libc("glibc", (2, 36)), "linux"),
        ("musllinux_1_1_x86_64", "x86_64", Libc("musl", (1, 1)), "linux"),
        ("aarch64-unknown-linux-musl", "aarch64", Libc("musl", (1, 2)), "linux"),
        ("macos", "arm64", None, "darwin"),
        ("osx-64", "x86_64", None, "darwin"),
        ("windows", "AMD64", None, "win32"),
    ],
)
def test_names(name: str, machine: str, libc: Libc | None, sys_platform: str) -> None:
    found = target("3.12.4", name)
    assert (found.machine, found.libc) == (machine, libc)
    assert found.markers["sys_platform"] == sys_platform
    assert found.markers["platform_machine"] == machine
    assert found.python_version == "3.12.4"


@pytest.mark.parametrize(
    ("name", "platforms"),
    [
        ("windows", ["win_amd64"]),
        ("win-arm64", ["win_arm64"]),
        ("win32", ["win32"]),
        (
            "x86_64-manylinux2014",
            [
                "linux_x86_64",
                "manylinux_2_17_x86_64",
                "manylinux2014_x86_64",
                *(f"manylinux_2_{minor}_x86_64" for minor in (16, 15, 14, 13, 12)),
                "manylinux2010_x86_64",
                *(f"manylinux_2_{minor}_x86_64" for minor in (11, 10, 9, 8, 7, 6, 5)),
                "manylinux1_x86_64",
            ],
        ),
    ],
)
def test_tags(name: str, platforms: list[str]) -> None:
    expected = [
        *cpython_tags((3, 12), ["cp312"], platforms),
        *compatible_tags((3, 12), "cp312", platforms),
    ]
    assert list(target("3.12", name).tags or ()) == expected


def test_a_free_threaded_python() -> None:
    found = target("3.13t", "macosx_14_0_arm64").tags or ()
    assert found[0] == Tag("cp313", "cp313t", "macosx_14_0_arm64")
    assert Tag("cp313", "cp313", "macosx_14_0_arm64") not in found


def test_what_is_not_named_stays_unknown() -> None:
    nothing = target(None, None)
    assert (nothing.tags, nothing.machine, nothing.libc, nothing.python_version) == (None, None, None, None)
    assert dict(nothing.markers) == {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    assert target("3.12", None).tags is None
    assert target(None, "linux").tags is None


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("python_full_version < '3.12'", False),
        ("python_full_version >= '3.12'", True),
        ("python_full_version < '3.12.4'", None),
        ("'3.12.4' <= python_full_version", None),
        ("'3.11' < python_full_version", True),
        ("python_full_version ~= '3.12'", True),
        ("python_full_version == '3.12.*'", True),
        ("python_full_version == '3.12.4'", None),
        ("python_full_version == '3.1.4'", False),
        ("python_full_version != '3.11.1'", True),
        ("python_full_version in '3.12.1 3.12.2'", None),
        ("python_version == '3.12'", True),
        ("implementation_version >= '3.12'", None),
    ],
)
def test_a_python_without_its_patch_release(marker: str, expected: bool | None) -> None:
    assert markers.evaluate(marker, target("3.12", "linux").markers) is expected


@pytest.mark.parametrize(
    ("python", "platform", "message"),
    [
        ("python3", "linux", "'python3' is no version of Python 3"),
        ("2.7", "linux", "'2.7' is no version of Python 3"),
        ("3.12.1.2", "linux", "'3.12.1.2' is no version of Python 3"),
        ("3.12", "plan9", "'plan9' is no platform that driftscan knows"),
        ("3.12", "manylinux_2_28", "'manylinux_2_28' is no platform that driftscan knows"),
    ],
)
def test_names_that_mean_nothing(python: str, platform: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        target(python, platform)
    assert caught.value.message == message
