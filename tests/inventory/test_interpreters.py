from __future__ import annotations

from collections.abc import Mapping

import pytest

from driftscan.inventory import take
from driftscan.inventory.interpreters import target
from driftscan.model.image import ImageConfig
from driftscan.model.inventory import Environment, Interpreter
from driftscan.model.lock import Unchecked
from driftscan.model.target import Libc
from tests.builders.installed import (
    GLIBC_LOADER,
    MUSL_LOADER,
    distribution,
    elf_binary,
    glibc,
    interpreter,
    musl,
    python_binary,
    venv,
)
from tests.builders.rootfs import Content, Link, layer_ids, rootfs


def only(files: Mapping[str, Content], **env: str) -> Environment:
    inventory = take(rootfs(files), ImageConfig(env=env), layer_ids(1))
    assert len(inventory.environments) == 1
    assert inventory.default == 0
    return inventory.environments[0]


def test_everything_about_a_docker_style_python() -> None:
    found = only({**glibc(), **interpreter()})
    python = found.interpreter
    assert (python.executable, python.version) == ("/usr/local/bin/python3.11", "3.11.9")
    assert python.implementation == "cpython"
    assert (python.machine, python.bits, python.libc) == ("x86_64", 64, Libc("glibc", (2, 36)))
    assert (python.soabi, python.gil_disabled, python.debug) == ("cpython-311-x86_64-linux-gnu", False, False)
    assert python.evidence == (
        "version string in /usr/local/bin/python3.11",
        "/usr/local/include/python3.11/patchlevel.h",
    )
    assert dict(found.target.markers) == {
        "implementation_name": "cpython",
        "implementation_version": "3.11.9",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": "3.11.9",
        "python_version": "3.11",
        "sys_platform": "linux",
    }
    assert found.target.tags is not None
    assert str(found.target.tags[1]) == "cp311-cp311-manylinux_2_36_x86_64"
    assert found.unchecked == ()


def test_alpine() -> None:
    found = only({**musl(), **interpreter("usr", "3.12.4", MUSL_LOADER)})
    assert found.interpreter.libc == Libc("musl", (1, 2))
    assert found.target.tags is not None
    assert "cp312-cp312-musllinux_1_2_x86_64" in map(str, found.target.tags)
    assert not any("manylinux" in tag.platform for tag in found.target.tags)


def test_pypy() -> None:
    speaking = b"\x003.10.14 (39dc8d3c85a7, Aug 30 2024, 08:27:45)\n[PyPy 7.3.17 with GCC 10.2.1]\x00"
    files: dict[str, Content] = {
        **glibc(),
        "opt/pypy/bin/pypy3.10": elf_binary(GLIBC_LOADER),
        "opt/pypy/bin/pypy3": Link("pypy3.10"),
        "opt/pypy/bin/python": Link("pypy3.10"),
        "opt/pypy/bin/libpypy3.10-c.so": elf_binary("", speaking),
        "opt/pypy/lib/pypy3.10/os.py": "",
        "opt/pypy/lib/pypy3.10/_lzma_cffi.pypy310-pp73-x86_64-linux-gnu.so": elf_binary(),
        "opt/pypy/lib/pypy3.10/cffi-1.18.dist-info/METADATA": "Name: cffi\nVersion: 1.18\n",
        **distribution("six", "1.0", "opt/pypy/lib/pypy3.10/site-packages"),
    }
    found = only(files)
    assert (found.path, found.interpreter.implementation) == ("/opt/pypy", "pypy")
    assert found.target.markers["python_full_version"] == "3.10.14"
    assert found.target.markers["implementation_version"] == "7.3.17"
    assert found.target.markers["platform_python_implementation"] == "PyPy"
    assert found.target.tags is not None
    assert str(found.target.tags[0]) == "pp310-pypy310_pp73-linux_x86_64"
    assert [item.name for item in found.distributions] == ["six"]
    assert found.unchecked == ()


def test_a_musl_without_a_version_string_is_the_one_that_apk_installed() -> None:
    silent: dict[str, Content] = {
        "lib/ld-musl-x86_64.so.1": elf_binary(),
        "lib/apk/db/installed": "P:musl\nV:1.2.3-r5\n",
    }
    found = only({**musl(), **interpreter("usr", "3.12.4", MUSL_LOADER), **silent})
    assert found.interpreter.libc == Libc("musl", (1, 2))


def test_two_files_that_disagree_leave_the_version_unknown() -> None:
    header = {"usr/local/include/python3.11/patchlevel.h": '#define PY_VERSION "3.11.4"\n'}
    found = only({**glibc(), **interpreter(), **header})
    assert found.interpreter.version is None
    assert "python_full_version" not in found.target.markers
    assert found.target.markers["python_version"] == "3.11"
    assert found.target.tags
    assert found.unchecked == (
        Unchecked(
            "the version of /usr/local/bin/python3.11",
            "its files disagree: 3.11.9 (version string in /usr/local/bin/python3.11), "
            "3.11.4 (/usr/local/include/python3.11/patchlevel.h)",
        ),
    )


def test_a_version_that_only_the_environment_claims_is_not_believed() -> None:
    files = {**glibc(), **interpreter(), "usr/local/bin/python3.11": elf_binary("/lib64/ld-linux-x86-64.so.2")}
    del files["usr/local/include/python3.11/patchlevel.h"]
    found = only(files, PYTHON_VERSION="3.11.9")
    assert found.interpreter.version is None
    assert [unchecked.why for unchecked in found.unchecked] == [
        "no file of the interpreter states it, only PYTHON_VERSION says 3.11.9"
    ]


def test_other_versions_in_the_binary_do_not_count() -> None:
    """A standalone build carries SQLite, whose version looks like one of Python."""
    binary = python_binary("3.11.9") + b"\x003.50.4\x00"
    files = {**glibc(), **interpreter(), "usr/local/bin/python3.11": binary}
    assert only(files).interpreter.version == "3.11.9"


def test_libpython_speaks_for_a_small_binary() -> None:
    files = {
        **glibc(),
        **interpreter(),
        "usr/local/bin/python3.11": elf_binary("/lib64/ld-linux-x86-64.so.2"),
        "usr/local/lib/libpython3.11.so.1.0": python_binary("3.11.9", ""),
        "usr/local/lib/libpython3.11.so": Link("libpython3.11.so.1.0"),
    }
    assert only(files).interpreter.evidence[0] == "version string in /usr/local/lib/libpython3.11.so.1.0"


def test_build_details_of_a_free_threaded_python() -> None:
    details = (
        '{"implementation": {"name": "cpython", "version": {"major": 3, "minor": 14, "micro": 0,'
        ' "releaselevel": "candidate", "serial": 2}},'
        ' "abi": {"flags": ["t", "d"], "extension_suffix": ".cpython-314td-x86_64-linux-gnu.so"}}'
    )
    files: dict[str, Content] = {
        **glibc(),
        "opt/py/bin/python3.14t": python_binary("3.14.0rc2"),
        "opt/py/lib/python3.14t/os.py": "",
        "opt/py/lib/python3.14t/build-details.json": details,
        "opt/py/lib/python3.14t/site-packages": None,
    }
    found = only(files)
    assert found.path == "/opt/py"
    assert found.interpreter.version == "3.14.0rc2"
    assert (found.interpreter.gil_disabled, found.interpreter.debug) == (True, True)
    assert found.interpreter.soabi == "cpython-314td-x86_64-linux-gnu"
    assert found.target.tags is not None
    assert found.target.tags[0].abi == "cp314td"


def test_a_venv_without_its_home_is_told() -> None:
    found = only({**glibc(), **venv()})
    assert found.target.tags is None
    assert dict(found.target.markers) == {}
    assert found.unchecked == (
        Unchecked(
            "the interpreter /opt/venv/bin/python",
            "its pyvenv.cfg names /usr/local/bin as home, and no interpreter is there",
        ),
    )


def test_no_c_library_means_no_tags() -> None:
    found = only(interpreter())
    assert found.interpreter.libc == Libc("glibc", None)
    assert found.target.tags is None
    assert found.unchecked == (
        Unchecked(
            "the tags that /usr/local/bin/python3.11 supports",
            "the version of its C library (glibc) was not found",
        ),
    )


def test_a_32_bit_interpreter_has_tags_but_no_platform_machine() -> None:
    libc = Libc("glibc", (2, 36))
    python = Interpreter(executable="/usr/bin/python3", version="3.11.9", machine="i686", bits=32, libc=libc)
    made = target(python, (3, 11))
    assert "platform_machine" not in made.markers
    assert made.tags is not None
    assert str(made.tags[0]) == "cp311-cp311-linux_i686"


def test_scripts_called_python_are_no_interpreters() -> None:
    found = only({**glibc(), **interpreter(), "root/.pyenv/shims/bin/python3": "#!/bin/sh\nexec pyenv\n"})
    assert found.path == "/usr/local"


@pytest.mark.parametrize("source", ["x = [", "(" * 5000, "build_time_vars = {'SOABI': f()}", "\x00"])
def test_a_hostile_sysconfigdata_is_parsed_and_never_run(source: str) -> None:
    path = "usr/local/lib/python3.11/_sysconfigdata__linux_x86_64-linux-gnu.py"
    assert only({**glibc(), **interpreter(), path: source}).interpreter.soabi is None


def test_debian_package_versions_count_as_evidence() -> None:
    status = (
        "Package: python3.11-minimal\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.11.2-6+deb12u6\n\n"
    )
    files = {
        **glibc(),
        **interpreter("usr", "3.11.2"),
        "var/lib/dpkg/status": status,
        "var/lib/dpkg/info/python3.11-minimal.list": "/.\n/usr\n/usr/bin/python3.11\n",
    }
    assert only(files).interpreter.evidence[-1] == "OS package python3.11-minimal 3.11.2-6+deb12u6"
