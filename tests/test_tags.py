from __future__ import annotations

import platform
import sys
import sysconfig
from importlib.metadata import version

import pytest
from packaging.tags import Tag, sys_tags
from packaging.version import Version

from driftscan import tags
from driftscan.model.target import Libc


def _libc_of_this_machine() -> Libc:
    family, text = platform.libc_ver()
    if family != "glibc":
        pytest.skip("this machine has no glibc")
    major, minor = text.split(".")[:2]
    return Libc("glibc", (int(major), int(minor)))


@pytest.mark.skipif(sys.implementation.name != "cpython" or sys.maxsize < 2**32, reason="made for 64-bit CPython")
def test_equals_what_the_running_interpreter_supports() -> None:
    platforms = tags.platforms(platform.machine(), _libc_of_this_machine())
    built = tags.cpython(
        sys.version_info[:2],
        platforms,
        gil_disabled=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        debug=bool(sysconfig.get_config_var("Py_DEBUG")),
    )
    assert set(built) == set(sys_tags())
    if Version(version("packaging")) >= Version("26.3"):
        assert list(built) == list(sys_tags())


def test_manylinux_goes_down_to_2_17_but_to_2_5_on_x86() -> None:
    arm = tags.platforms("aarch64", Libc("glibc", (2, 19)))
    assert arm == (
        "linux_aarch64",
        "manylinux_2_19_aarch64",
        "manylinux_2_18_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    )
    intel = tags.platforms("x86_64", Libc("glibc", (2, 12)))
    assert intel[1:3] == ("manylinux_2_12_x86_64", "manylinux2010_x86_64")
    assert intel[-2:] == ("manylinux_2_5_x86_64", "manylinux1_x86_64")


def test_musllinux_goes_down_to_minor_0() -> None:
    assert tags.platforms("x86_64", Libc("musl", (1, 2))) == (
        "linux_x86_64",
        "musllinux_1_2_x86_64",
        "musllinux_1_1_x86_64",
        "musllinux_1_0_x86_64",
    )


@pytest.mark.parametrize("libc", [None, Libc("glibc"), Libc("musl")])
def test_without_a_known_c_library_only_the_plain_platform(libc: Libc | None) -> None:
    assert tags.platforms("x86_64", libc) == ("linux_x86_64",)


def test_free_threaded_has_no_abi3() -> None:
    found = tags.cpython((3, 13), ("linux_x86_64",), gil_disabled=True, debug=False)
    assert found[0] == Tag("cp313", "cp313t", "linux_x86_64")
    assert not any(tag.abi == "abi3" for tag in found)


def test_debug_build_loads_ordinary_extensions_too() -> None:
    found = tags.cpython((3, 12), ("linux_x86_64",), gil_disabled=False, debug=True)
    assert found[:2] == (Tag("cp312", "cp312d", "linux_x86_64"), Tag("cp312", "cp312", "linux_x86_64"))


def test_python_3_7_has_the_m_flag() -> None:
    assert tags.cpython((3, 7), ("linux_x86_64",), gil_disabled=False, debug=False)[0].abi == "cp37m"


def test_pypy() -> None:
    found = tags.pypy((3, 10), "pypy310-pp73-x86_64-linux-gnu", ("linux_x86_64",))
    assert found[0] == Tag("pp310", "pypy310_pp73", "linux_x86_64")
    assert Tag("pp3", "none", "any") in found
    assert Tag("py3", "none", "any") in found


@pytest.mark.parametrize(
    ("machine", "bits", "little", "name"),
    [
        (62, 64, True, "x86_64"),
        (183, 64, True, "aarch64"),
        (3, 32, True, "i686"),
        (40, 32, True, "armv7l"),
        (21, 64, True, "ppc64le"),
        (21, 64, False, "ppc64"),
        (22, 64, False, "s390x"),
        (243, 64, True, "riscv64"),
        (62, 32, True, None),
        (9999, 64, True, None),
    ],
)
def test_machine_names(machine: int, bits: int, little: bool, name: str | None) -> None:
    assert tags.machine_name(machine, bits, little) == name
