"""Compiled wheels broken one thing at a time, as it happens in life: each break gives its finding and no other.

Every break is tried in a container as well: what driftscan says from files alone is what Python then says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from driftscan.finding import Report
from driftscan.model.lock import Unchecked
from tests.builders import linked
from tests.real.daemons import Docker
from tests.real.natives import EXTRAS, SITE, compared, serious, truth, wanted

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("shared_layers")]

UNPACK = f"RUN /opt/venv/bin/python -m zipfile -e /tmp/wheels/*.whl {SITE}"


class Said(NamedTuple):
    """A finding: its rule and message, and the beginning of the instruction in the layer that it names."""

    rule: str
    message: str
    instruction: str | None
    severity: str = "error"


class Break(NamedTuple):
    """What the Dockerfile of `{tag}` goes on with, a statement that then fails, how it does, and what is found."""

    steps: str
    statement: str
    failure: str
    found: Sequence[Said]
    extras: tuple[str, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


def unpacked(pin: str, options: str) -> str:
    """A wheel that pip itself would not install here, in the place of the right one."""
    return (
        f"RUN /opt/venv/bin/pip uninstall --yes --quiet {pin.split('==')[0]}\n"
        f"RUN /opt/venv/bin/pip download --quiet --no-deps --only-binary :all: --dest /tmp/wheels {options} {pin}\n"
        f"{UNPACK}\n"
    )


def needs_libstdcxx(package: str, file: str) -> Said:
    message = f"{package} needs libstdc++.so.6, which is not in the image; layer 5 removed it: {SITE}/{file}"
    return Said("NW306", message, "RUN rm /usr/lib")


MODULE = "cpython-311-x86_64-linux-gnu.so"
GFORTRAN = "libgfortran-040039e1-0352e75f.so.5.0.0"
GOMP = "libgomp-a34b3233.so.1.0.0"
PATCH = "RUN sed -i 's/^PY3 = .*/PY3 = False/'"
NUMPY_FAILS = "ImportError: Error importing numpy"
LEARN = f"RUN /opt/venv/bin/pip install --no-cache-dir --no-deps {' '.join(EXTRAS['learn'])}\n"
UNSUPPORTED = "which Python 3.11.2 on x86_64 glibc 2.36 does not support"

BREAKS = {
    "a wheel for another machine": Break(
        unpacked("orjson==3.10.13", "--platform manylinux2014_aarch64"),
        "import orjson",
        "No module named 'orjson.orjson'",
        [
            Said(
                "NW303",
                "orjson 3.10.13 was made as a wheel for cp311-cp311-manylinux2014_aarch64, "
                f"cp311-cp311-manylinux_2_17_aarch64, {UNSUPPORTED}",
                UNPACK,
            ),
            Said(
                "NW304",
                "orjson 3.10.13 holds a binary for aarch64, and the interpreter is for x86_64: "
                f"{SITE}/orjson/orjson.cpython-311-aarch64-linux-gnu.so",
                UNPACK,
            ),
        ],
    ),
    "a wheel for another Python": Break(
        unpacked("lxml==5.3.0", "--python-version 3.10 --platform manylinux_2_28_x86_64"),
        "import lxml.etree",
        "No module named 'lxml.etree'",
        [Said("NW303", f"lxml 5.3.0 was made as a wheel for cp310-cp310-manylinux_2_28_x86_64, {UNSUPPORTED}", UNPACK)],
    ),
    "a wheel for musl": Break(
        unpacked("lxml==5.3.0", "--platform musllinux_1_2_x86_64"),
        "import lxml.etree",
        "No module named 'lxml.etree'",
        [
            Said(
                "NW303", f"lxml 5.3.0 was made as a wheel for cp311-cp311-musllinux_1_2_x86_64, {UNSUPPORTED}", UNPACK
            ),
            Said(
                "NW304",
                "lxml 5.3.0 holds a binary for musl, and the interpreter runs on glibc 2.36: "
                f"{SITE}/lxml/builder.cpython-311-x86_64-linux-musl.so (and 5 more)",
                UNPACK,
            ),
        ],
    ),
    "an extension for NumPy 1": Break(
        "RUN /opt/venv/bin/pip install --no-cache-dir --no-deps pandas==1.5.3\n",
        "import pandas",
        "ValueError: numpy.dtype size changed, may indicate binary incompatibility",
        [
            Said("DR202", "pandas 2.2.3 is locked, 1.5.3 is installed", "RUN /opt/venv/bin/pip install"),
            Said(
                "NW309",
                "pandas 1.5.3 was built for NumPy 1, and numpy 2.2.1 is installed: "
                f"{SITE}/pandas/_libs/algos.{MODULE} (and 35 more)",
                "RUN /opt/venv/bin/pip install",
            ),
        ],
    ),
    "a system library was removed": Break(
        "RUN rm /usr/lib/x86_64-linux-gnu/libstdc++.so.6*\n",
        "import numpy",
        NUMPY_FAILS,
        [
            needs_libstdcxx("numpy 2.2.1", f"numpy/_core/_multiarray_umath.{MODULE} (and 1 more)"),
            needs_libstdcxx("pandas 2.2.3", f"pandas/_libs/window/aggregations.{MODULE}"),
            needs_libstdcxx("scipy 1.15.0", f"scipy/_lib/_uarray/_uarray.{MODULE} (and 24 more)"),
        ],
    ),
    "a library that Python itself needs was removed": Break(
        "RUN rm /usr/lib/x86_64-linux-gnu/libz.so.1*\n",
        "import six",
        "error while loading shared libraries: libz.so.1",
        [
            Said(
                "NW306",
                "CPython 3.11.2 itself needs libz.so.1, which is not in the image; layer 5 removed it: "
                "/usr/bin/python3.11",
                "RUN rm /usr/lib",
            )
        ],
        unchecked=(
            Unchecked(
                "whether the compiled modules of /opt/venv find their libraries",
                "libz.so.1, which its own Python needs, is not in the image",
            ),
        ),
    ),
    "a vendored library was removed": Break(
        f"RUN rm {SITE}/numpy.libs/libgfortran*\n",
        "import numpy",
        NUMPY_FAILS,
        [
            Said("IN402", f"a file of numpy 2.2.1 is gone from the image: {SITE}/numpy.libs/{GFORTRAN}", "RUN rm"),
            Said(
                "NW306",
                f"numpy 2.2.1 needs {GFORTRAN}, which is not in the image; layer 5 removed it: "
                f"{SITE}/numpy/_core/_multiarray_umath.{MODULE} (and 2 more) by way of "
                f"{SITE}/numpy.libs/libscipy_openblas64_-6bb31eeb.so",
                "RUN rm",
            ),
        ],
    ),
    "modules under the name of another Python": Break(
        f"RUN cd {SITE}/lxml && for f in $(find . -name '*-311-*'); do mv $f $(echo $f | sed s/-311-/-312-/); done"
        " && sed -i 's/cpython-311-/cpython-312-/' ../lxml-*/RECORD\n",
        "import lxml.etree",
        "No module named 'lxml.etree'",
        [
            Said(
                "NW308",
                "lxml 5.3.0 has modules that CPython 3.11.2 does not import, since they are for "
                f"cpython-312-x86_64-linux-gnu: {SITE}/lxml/_elementpath.cpython-312-x86_64-linux-gnu.so (and 5 more)",
                f"RUN cd {SITE}/lxml",
            )
        ],
    ),
    "a file was edited": Break(
        f"{PATCH} {SITE}/six.py\n",
        "import six",
        "NameError: name 'basestring' is not defined",
        [Said("IN401", f"a file of six 1.17.0 differs from its RECORD: {SITE}/six.py", PATCH)],
    ),
    "two kinds of OpenMP": Break(
        f"{LEARN}RUN /opt/venv/bin/pip install --no-cache-dir --no-deps {' '.join(EXTRAS['intel'])}\n",
        "import ctypes, threadpoolctl as t, sklearn; ctypes.CDLL('/opt/venv/lib/libiomp5.so'); "
        "found = [each['prefix'] for each in t.threadpool_info() if each['user_api'] == 'openmp']; "
        "assert len(found) == 1, sorted(found)",
        re.escape("['libgomp', 'libiomp']"),
        [
            Said(
                "NW311",
                "2 copies of OpenMP runtimes can be loaded into one process (1 of GNU's libgomp and 1 of LLVM's or "
                f"Intel's libomp): /opt/venv/lib/libiomp5.so, {SITE}/scikit_learn.libs/{GOMP}",
                "RUN /opt/venv/bin/pip install",
                "warning",
            )
        ],
        extras=("learn", "intel"),
    ),
    "a vendored OpenMP was removed": Break(
        f"{LEARN}RUN rm {SITE}/scikit_learn.libs/libgomp*\n",
        "import sklearn",
        f"ImportError: {GOMP}: cannot open shared object file",
        [
            Said(
                "IN402",
                f"a file of scikit-learn 1.6.0 is gone from the image: {SITE}/scikit_learn.libs/{GOMP}",
                "RUN rm",
            ),
            Said(
                "NW306",
                f"scikit-learn 1.6.0 needs {GOMP}, which is not in the image; layer 6 removed it: "
                f"{SITE}/sklearn/_loss/_loss.{MODULE} (and 18 more)",
                "RUN rm",
            ),
        ],
        extras=("learn",),
    ),
}


def told(report: Report) -> list[Said]:
    """What was found, each with the whole instruction of its layer."""
    return [
        Said(each.rule, each.message, each.layer.created_by if each.layer else None, each.severity)
        for each in serious(report)
    ]


def assert_found(report: Report, expected: Sequence[Said], unchecked: tuple[Unchecked, ...] = ()) -> None:
    found = told(report)
    assert [each._replace(instruction=None) for each in found] == [each._replace(instruction=None) for each in expected]
    for each, other in zip(found, expected, strict=True):
        assert (each.instruction or "").startswith(other.instruction or "nothing")
    assert report.unchecked == unchecked


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_is_found_and_python_agrees(docker: Docker, science_image: str, science: Path, name: str) -> None:
    steps, statement, failure, found, extras, unchecked = BREAKS[name]
    tag = docker.build(f"FROM {science_image}\n{steps}")
    assert re.search(failure, truth(docker, tag, statement))
    if not extras:
        assert truth(docker, science_image, statement) == "fine"
    assert_found(compared(docker, tag, science / "uv.lock", request=wanted(*extras)), found, unchecked)


HEX = """\
import sys, sysconfig
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile
place = SchemeDictionaryDestination(sysconfig.get_paths(), sys.executable, "posix")
with WheelFile.open(sys.argv[1]) as wheel:
    install(wheel, place, {"INSTALLER": b"installer"})
"""


def test_digests_in_hexadecimal_are_understood(docker: Docker, science_image: str, science: Path) -> None:
    """As the first releases of `installer` wrote them."""
    tag = docker.build(
        f"FROM {science_image}\nCOPY install.py /tmp/install.py\n"
        "RUN /opt/venv/bin/pip uninstall --yes --quiet six && /opt/venv/bin/pip install --quiet installer==0.2.3"
        " && /opt/venv/bin/pip download --quiet --no-deps --dest /tmp/wheels six==1.17.0"
        " && /opt/venv/bin/python /tmp/install.py /tmp/wheels/six*.whl"
        " && /opt/venv/bin/pip uninstall --yes --quiet installer\n",
        {"install.py": HEX},
    )
    record = "from importlib import metadata; text = metadata.distribution('six').read_text('RECORD')"
    assert (
        truth(docker, tag, f"import re; {record}; assert not re.search('six.py,sha256=[0-9a-f]{{64}},', text), 'hex'")
        == "AssertionError: hex"
    )
    assert_found(compared(docker, tag, science / "uv.lock", request=wanted()), [])


BUILDER = """\
FROM {base}
RUN apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends g++ python3-dev
RUN python3 -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir setuptools==75.8.0 wheel==0.45.1
COPY src /src
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-binary wrapt --wheel-dir /wheels \\
    wrapt==1.17.0 /src/clock /src/numbers
"""
CLOCK = """\
#include <Python.h>
#include <pthread.h>
static void *tick(void *unused) { return unused; }
static PyObject *start(PyObject *self, PyObject *unused) {
    pthread_t thread;
    return PyLong_FromLong(pthread_create(&thread, NULL, tick, NULL));
}
static PyMethodDef methods[] = {{"start", start, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "shop_clock", NULL, -1, methods};
PyMODINIT_FUNC PyInit_shop_clock(void) { return PyModule_Create(&module); }
"""
NUMBERS = """\
#include <Python.h>
#include <charconv>
static PyObject *parsed(PyObject *, PyObject *text) {
    Py_ssize_t size = 0;
    const char *start = PyUnicode_AsUTF8AndSize(text, &size);
    double number = 0;
    std::from_chars(start, start + size, number);
    return PyFloat_FromDouble(number);
}
static PyMethodDef methods[] = {{"parsed", parsed, METH_O, nullptr}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "shop_numbers", nullptr, -1, methods};
PyMODINIT_FUNC PyInit_shop_numbers() { return PyModule_Create(&module); }
"""
SOURCES = {
    "src/clock/setup.py": (
        "from setuptools import Extension, setup\n"
        'limited = {"py_limited_api": True, "define_macros": [("Py_LIMITED_API", "0x03080000")]}\n'
        'setup(name="shop-clock", version="1", options={"bdist_wheel": {"py_limited_api": "cp38"}},\n'
        '      ext_modules=[Extension("shop_clock", ["shop_clock.c"], **limited)])\n'
    ),
    "src/clock/shop_clock.c": CLOCK,
    "src/numbers/setup.py": (
        "from setuptools import Extension, setup\n"
        'module = Extension("shop_numbers", ["shop_numbers.cpp"], extra_compile_args=["-std=c++17"])\n'
        'setup(name="shop-numbers", version="1", ext_modules=[module])\n'
    ),
    "src/numbers/shop_numbers.cpp": NUMBERS,
}
VENV = "FROM {base}\nRUN python3 -m venv /opt/venv\n"
FROM_BUILDER = (
    "COPY --from={builder} /wheels /wheels\nRUN /opt/venv/bin/pip install --no-index --find-links /wheels {name}\n"
)
ENTRYPOINT = 'ENTRYPOINT ["/opt/venv/bin/python"]\n'
INSTALL = "RUN /opt/venv/bin/pip install --no-index"


@pytest.fixture(scope="module")
def builder(docker: Docker, base_image: str) -> str:
    """Tag of an image with wheels in /wheels that its own compiler made: wrapt, and two of the shop's own."""
    return docker.build(BUILDER.format(base=base_image), SOURCES)


def lock_of(folder: Path, *pins: str) -> Path:
    path = folder / "requirements.txt"
    path.write_text("".join(f"{pin} --hash=sha256:{'ab' * 32}\n" for pin in pins))
    return path


def built(docker: Docker, base: str, builder: str, name: str, more: str = "") -> str:
    return docker.build(VENV.format(base=base) + FROM_BUILDER.format(builder=builder, name=name) + more + ENTRYPOINT)


def test_an_older_base_has_too_old_a_glibc(
    docker: Docker, base_image: str, older_image: str, builder: str, tmp_path: Path
) -> None:
    """A wheel with a general tag installs anywhere, and was linked where it was built."""
    lock = lock_of(tmp_path, "shop-clock==1")
    same = built(docker, base_image, builder, "shop-clock")
    assert truth(docker, same, "import shop_clock") == "fine"
    built_here = (
        "shop-clock 1 was built on the spot: its WHEEL carries the tag linux_x86_64, which package indexes do not"
    )
    on_the_spot = Said("NW302", f"{built_here} accept, and the compiler was that of Debian", INSTALL, "warning")
    assert_found(compared(docker, same, lock), [on_the_spot])
    tag = built(docker, older_image, builder, "shop-clock")
    assert "version `GLIBC_2.34' not found" in truth(docker, tag, "import shop_clock")
    place = "/opt/venv/lib/python3.9/site-packages/shop_clock.abi3.so"
    too_old = Said("NW305", f"shop-clock 1 needs glibc 2.34, and the image has 2.31: {place}", INSTALL)
    assert_found(compared(docker, tag, lock), [too_old, on_the_spot])


def test_an_older_library_stands_in_front(
    docker: Docker, base_image: str, older_image: str, builder: str, tmp_path: Path
) -> None:
    lock = lock_of(tmp_path, "shop-numbers==1")
    assert truth(docker, built(docker, base_image, builder, "shop-numbers"), "import shop_numbers") == "fine"
    more = f"COPY --from={older_image} /usr/lib/x86_64-linux-gnu/libstdc++.so.6 /opt/vendor/lib/\n"
    tag = built(docker, base_image, builder, "shop-numbers", f"{more}ENV LD_LIBRARY_PATH=/opt/vendor/lib\n")
    assert "version `GLIBCXX_3.4.29' not found" in truth(docker, tag, "import shop_numbers")
    found = told(compared(docker, tag, lock, select=["NW307"]))
    place, module = "/opt/vendor/lib/libstdc++.so.6", f"{SITE}/shop_numbers.{MODULE}"
    assert [each.message for each in found] == [
        f"shop-numbers 1 needs GLIBCXX_3.4.29 of libstdc++.so.6, which {place} does not have: {module}"
    ]


def test_the_python_of_a_newer_base(docker: Docker, base_image: str, older_image: str, tmp_path: Path) -> None:
    copies = (f"COPY --from={base_image} {path} {path}\n" for path in ("/usr/bin/python3.11", "/usr/lib/python3.11"))
    start = f"FROM {base_image} AS made\nRUN python3.11 -m venv --without-pip /opt/venv\nFROM {older_image}\n"
    tag = docker.build(
        f"{start}{''.join(copies)}COPY --from=made /opt/venv /opt/venv\n"
        f"RUN ln -sf python3.11 /usr/bin/python3\n{ENTRYPOINT}"
    )
    assert "version `GLIBC_2.35' not found (required by /opt/venv/bin/python)" in truth(docker, tag, "pass")
    (found,) = told(compared(docker, tag, lock_of(tmp_path), select=["NW"]))
    assert found[:2] == ("NW305", "CPython 3.11.2 itself needs glibc 2.35, and the image has 2.31: /usr/bin/python3.11")


def test_a_wheel_that_was_rebuilt_from_source(docker: Docker, science_image: str, science: Path, builder: str) -> None:
    tag = docker.build(f"FROM {science_image}\n" + FROM_BUILDER.format(builder=builder, name="wrapt"))
    assert truth(docker, tag, "import wrapt._wrappers") == "fine"
    report = compared(docker, tag, science / "uv.lock", request=wanted("wrapt"))
    message = "wrapt 1.17.0 was built on the spot: its WHEEL carries the tag linux_x86_64, which package indexes do not"
    assert_found(report, [Said("NW302", f"{message} accept, and the compiler was that of Debian", INSTALL)])


def test_a_rebuilt_wheel_that_was_renamed(docker: Docker, science_image: str, science: Path, builder: str) -> None:
    """As auditwheel leaves it, in an index of one's own."""
    rename = "RUN /opt/build/bin/wheel tags --remove --platform-tag manylinux_2_34_x86_64 /wheels/wrapt-*.whl\n"
    install = FROM_BUILDER.format(builder="renamed", name="wrapt")
    tag = docker.build(f"FROM {builder} AS renamed\n{rename}FROM {science_image}\n{install}")
    assert truth(docker, tag, "import wrapt._wrappers") == "fine"
    (found,) = told(compared(docker, tag, science / "uv.lock", request=wanted("wrapt")))
    assert found.rule == "NW301"
    assert found.message == (
        "wrapt 1.17.0 was made as a wheel for cp311-cp311-manylinux_2_34_x86_64, the lock only has "
        "wrapt-1.17.0-cp311-cp311-manylinux_2_5_x86_64.manylinux1_x86_64.manylinux_2_17_x86_64.manylinux2014_x86_64"
        ".whl, wrapt-1.17.0-py3-none-any.whl and 35 more"
    )
    assert found.instruction is not None
    assert found.instruction.startswith(INSTALL)


def test_packages_of_another_python(docker: Docker, science_image: str, older_image: str, tmp_path: Path) -> None:
    """A folder of packages from a build stage with another Python than the final stage has."""
    deps = "RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --target /deps wrapt==1.17.0 six==1.17.0\n"
    copy = "COPY --from=deps /deps /opt/venv/lib/python3.9/site-packages\n"
    tag = docker.build(f"FROM {science_image} AS deps\n{deps}{VENV.format(base=older_image)}{copy}{ENTRYPOINT}")
    assert "No module named 'wrapt._wrappers'" in truth(docker, tag, "import wrapt._wrappers")
    message = (
        "wrapt 1.17.0 was made as a wheel for cp311-cp311-manylinux1_x86_64, cp311-cp311-manylinux2014_x86_64 and 2 "
        "more, which Python 3.9.2 on x86_64 glibc 2.31 does not support"
    )
    lock = lock_of(tmp_path, "wrapt==1.17.0", "six==1.17.0")
    assert_found(compared(docker, tag, lock), [Said("NW303", message, "COPY dir:")])


def test_a_second_dist_info_that_was_left_behind(docker: Docker, base_image: str, tmp_path: Path) -> None:
    """Two environments that were copied over each other."""
    venv = VENV.format(base=base_image)
    old, new = (f"RUN /opt/venv/bin/pip install --no-cache-dir six=={version}\n" for version in ("1.16.0", "1.17.0"))
    stage = venv.replace("\n", " AS old\n", 1) + old
    tag = docker.build(f"{stage}{venv}{new}COPY --from=old {SITE} {SITE}\n{ENTRYPOINT}")
    versions = (
        "from importlib.metadata import distributions as d; print(sorted(each.version for each in d(name='six')))"
    )
    assert truth(docker, tag, versions) == "['1.16.0', '1.17.0']\nfine"
    message = f"six is installed 2 times: 1.16.0 in {SITE}, 1.17.0 in {SITE}"
    assert_found(compared(docker, tag, lock_of(tmp_path, "six==1.17.0")), [Said("DR206", message, "COPY dir:")])


def test_a_wheel_for_glibc_under_musl(docker: Docker, base_image: str, tmp_path: Path) -> None:
    """The loader and the C library are musl's; the interpreter is only the shape of one that they would start."""
    musl = "/lib/ld-musl-x86_64.so.1"
    install = "RUN apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends musl\n"
    wheels = "RUN /opt/venv/bin/pip install --no-cache-dir cffi==1.17.1 pycparser==2.22\n"
    python = linked.python(loader=musl, exports=linked.API).replace(b"3.11.9\0", b"3.11.2\0")
    tag = docker.build(
        f"{VENV.format(base=base_image)}{install}{wheels}COPY python /usr/bin/python3.11\n{ENTRYPOINT}",
        {"python": python},
    )
    module = f"{SITE}/_cffi_backend.{MODULE}"
    listed = docker("run", "--rm", "--entrypoint", "sh", tag, "-c", f"{musl} --list {module} 2>&1 || true")
    assert (
        f"Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by {module})" in listed
    )
    (unsupported, other) = told(compared(docker, tag, lock_of(tmp_path, "cffi==1.17.1", "pycparser==2.22")))
    assert (unsupported.rule, other.rule) == ("NW303", "NW304")
    assert unsupported.message.endswith("which Python 3.11.2 on x86_64 musl 1.2 does not support")
    assert other.message == f"cffi 1.17.1 holds a binary for glibc, and the interpreter runs on musl 1.2: {module}"
