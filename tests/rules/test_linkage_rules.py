"""NW305-312 on small images: each break gives its finding, and what fits gives none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driftscan.elf.symbols import digest
from driftscan.finding import Finding, Severity
from driftscan.model.inventory import Environment
from driftscan.rules import run
from tests.builders.comparisons import compared, lock
from tests.builders.elves import Elf
from tests.builders.installed import GLIBC_LOADER
from tests.builders.linked import API, LIBRARY, SITE, SUFFIX, library, module, package, python, taken
from tests.builders.rootfs import Content, Removed

OWN: dict[str, Content] = {
    "usr/local/bin/python3.11": python("libc.so.6", "libm.so.6", exports=(*API, "PyList_New")),
    f"{LIBRARY}/libc.so.6": Elf(
        soname="libc.so.6", definitions=("GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.36"), data=b"\0release version 2.36."
    ).build(),
    f"{LIBRARY}/libm.so.6": library(definitions=("GLIBC_2.29",)),
    f"{LIBRARY}/libstdc++.so.6": library(
        "libc.so.6", definitions=("GLIBCXX_3.4", "GLIBCXX_3.4.9", "GLIBCXX_3.4.30", "CXXABI_1.3")
    ),
}
X = f"{SITE}/x.{SUFFIX}"
Z: dict[str, Content] = {"usr/lib/libz.so.1": library()}


def found(environment: Environment, *codes: str) -> list[Finding]:
    """Findings of the native rules, or only of those named."""
    return list(run(compared(lock(), environment), select=codes or ("NW",)))


def said(environment: Environment, *codes: str) -> list[str]:
    return [f"{each.rule} {each.message}" for each in found(environment, *codes)]


def glibc_needs(*versions: str, library: str = "libc.so.6") -> tuple[tuple[str, tuple[tuple[str, bool], ...]], ...]:
    return ((library, tuple((version, False) for version in versions)),)


def test_what_fits_gives_no_finding() -> None:
    fits = module(
        *("libc.so.6", "libstdc++.so.6", "libcuda.so.1", "libnvidia-ml.so.1"),
        versions=(
            *glibc_needs("GLIBC_2.2.5", "GLIBC_2.17"),
            *glibc_needs("GLIBCXX_3.4.9", "CXXABI_1.3", library="libstdc++.so.6"),
        ),
        needs=("PyList_New", "malloc"),
        weak_needs=("PyNew_InLater",),
    )
    assert said(taken(OWN, package({f"x.{SUFFIX}": fits, "y.abi3.so": fits, "data.so": b"no ELF file"}))) == []


def test_a_newer_glibc_is_needed() -> None:
    one = module("libc.so.6", versions=glibc_needs("GLIBC_2.38", "GLIBC_2.4"))
    two = module("libm.so.6", versions=glibc_needs("GLIBC_2.35", library="libm.so.6"))
    (finding,) = found(taken(OWN, package({f"x.{SUFFIX}": one, f"y.{SUFFIX}": two})))
    assert finding.rule == "NW305"
    assert finding.severity is Severity.ERROR
    assert finding.message == f"shop 1 needs glibc 2.38, and the image has 2.36: {X} (and 1 more)"
    assert finding.hint == (
        "use a base image with glibc 2.38 or newer, or lock a build for an older one (manylinux_2_36 or below)"
    )
    assert finding.path == X
    assert finding.layer is not None
    assert finding.layer.index == 3


def test_a_library_is_missing() -> None:
    files = {f"x.{SUFFIX}": module("libGL.so.1"), f"y.{SUFFIX}": module("libGL.so.1", "libodd.so")}
    one, two = found(taken(OWN, package(files)))
    assert (one.rule, one.message) == (
        "NW306",
        f"shop 1 needs libGL.so.1, which is not in the image: {X} (and 1 more)",
    )
    assert one.hint == "install the OS package that holds it (libgl1 in Debian)"
    assert two.message == f"shop 1 needs libodd.so, which is not in the image: {SITE}/y.{SUFFIX}"
    assert two.hint == "install the OS package that holds libodd.so"


def test_what_a_package_may_do_without_is_a_warning() -> None:
    """numba has modules for three threading layers and takes the one that loads."""
    fine = {f"{name}.{SUFFIX}": module() for name in "abc"}
    (finding,) = found(taken(OWN, package({**fine, f"x.{SUFFIX}": module("libtbb.so.12")})))
    assert (finding.rule, finding.severity) == ("NW306", Severity.WARNING)
    (finding,) = found(taken(OWN, package({**fine, f"x.{SUFFIX}": module("libgomp-e985bcbb.so.1.0.0")})))
    assert (finding.rule, finding.severity) == ("NW306", Severity.ERROR)


def test_a_library_is_missing_further_down() -> None:
    files = {f"x.{SUFFIX}": module("libq.so", rpath="$ORIGIN/shop.libs"), "shop.libs/libq.so": library("libgomp.so.1")}
    assert said(taken(OWN, package(files))) == [
        f"NW306 shop 1 needs libgomp.so.1, which is not in the image: {X} by way of {SITE}/shop.libs/libq.so"
    ]


def test_a_library_was_removed() -> None:
    layers: list[dict[str, Content]] = [
        {"usr/lib/libz.so.1": library()},
        package({f"x.{SUFFIX}": module("libz.so.1")}),
        {"usr/lib/libz.so.1": Removed()},
    ]
    (finding,) = found(taken(OWN, *layers))
    assert finding.message == f"shop 1 needs libz.so.1, which is not in the image; layer 5 removed it: {X}"
    assert finding.hint == "take out the step that removes it"
    assert finding.layer is not None
    assert finding.layer.index == 5


def test_libraries_that_required_distributions_load_first() -> None:
    torch = package({"torch/lib/libtorch.so": library(soname="libtorch.so.2"), "torch/libc10.so": library()}, "torch")
    vision = {f"vision/x.{SUFFIX}": module("libc10.so", "libtorch.so.2", "libother.so")}
    required = package(vision, "vision", metadata="Requires-Dist: middle\n")
    middle = package({}, "middle", metadata="Requires-Dist: torch (>=1) ; extra == 'never'\n")
    assert said(taken(OWN, torch, middle, required), "NW306") == [
        f"NW306 vision 1 needs libother.so, which is not in the image: {SITE}/vision/x.{SUFFIX}"
    ]
    assert len(found(taken(OWN, torch, package(vision, "vision")), "NW306")) == 3


def test_what_came_with_a_package_is_not_in_the_image() -> None:
    (finding,) = found(taken(OWN, package({f"x.{SUFFIX}": module("libgomp-e985bcbb.so.1.0.0")})))
    assert finding.hint == "install shop again: this library comes with it"


def test_python_itself_lacks_a_library() -> None:
    own: dict[str, Content] = {**OWN, "usr/local/bin/python3.11": python("libc.so.6", "libz.so.1"), **Z}
    assert found(taken(own)) == []
    (finding,) = found(taken(own, package({f"x.{SUFFIX}": module("libodd.so")}), dict.fromkeys(Z, Removed())))
    assert (finding.rule, finding.severity, finding.package) == ("NW306", Severity.ERROR, None)
    assert finding.message == (
        "CPython 3.11.9 itself needs libz.so.1, which is not in the image; layer 4 removed it: "
        "/usr/local/bin/python3.11"
    )
    assert finding.hint == "take out the step that removes it"
    assert finding.path == "/usr/local/bin/python3.11"
    assert finding.layer is not None
    assert finding.layer.index == 4


def test_python_itself_lacks_a_library_that_never_was_there() -> None:
    own: dict[str, Content] = {"usr/local/bin/python3.11": python("libc.so.6", "libq.so", "libz.so.1")}
    own["usr/lib/libq.so"] = library("libexpat.so.1")
    one, two = found(taken({**OWN, **own}))
    assert one.message == (
        "CPython 3.11.9 itself needs libexpat.so.1, which is not in the image: "
        "/usr/local/bin/python3.11 by way of /usr/lib/libq.so"
    )
    assert one.hint == "install the OS package that holds it (libexpat1 in Debian)"
    assert two.hint == "install the OS package that holds it (zlib1g in Debian)"


def test_python_itself_is_for_a_newer_system() -> None:
    needs = (*glibc_needs("GLIBC_2.38", "GLIBC_2.39"), *glibc_needs("OPENSSL_3.2", library="libcrypto.so.3"))
    own: dict[str, Content] = {
        "usr/local/bin/python3.11": python("libc.so.6", "libcrypto.so.3", versions=needs),
        "usr/lib/libcrypto.so.3": library(definitions=("OPENSSL_3.0.0",)),
    }
    one, two = found(taken({**OWN, **own}))
    assert (one.rule, one.message) == (
        "NW305",
        "CPython 3.11.9 itself needs glibc 2.39, and the image has 2.36: /usr/local/bin/python3.11",
    )
    assert one.hint == "use the Python of the base image, or the base image that this Python was made for"
    assert (two.rule, two.message) == (
        "NW307",
        (
            "CPython 3.11.9 itself needs OPENSSL_3.2 of libcrypto.so.3, which /usr/lib/libcrypto.so.3 does not have: "
            "/usr/local/bin/python3.11"
        ),
    )
    assert two.hint == one.hint


def test_a_symbol_version_is_missing() -> None:
    needs = glibc_needs("GLIBCXX_3.4.32", "GLIBCXX_3.4.9", library="libstdc++.so.6")
    (finding,) = found(taken(OWN, package({f"x.{SUFFIX}": module("libstdc++.so.6", versions=needs)})))
    assert finding.rule == "NW307"
    assert finding.message == (
        f"shop 1 needs GLIBCXX_3.4.32 of libstdc++.so.6, which /{LIBRARY}/libstdc++.so.6 does not have: {X}"
    )
    assert finding.hint == (
        "use a base image whose libstdc++.so.6 is newer, or take the library out that stands in front of it"
    )


def test_a_symbol_of_python_is_missing() -> None:
    broken = module(needs=("PyList_New", "_PyUnicode_Ready", "PyZ_Gone"))
    (finding,) = found(taken(OWN, package({f"x.{SUFFIX}": broken, f"y.{SUFFIX}": module(needs=("PyZ_Gone",))})))
    assert finding.rule == "NW308"
    assert finding.message == (
        f"shop 1 needs PyZ_Gone and 1 more of Python's C API, which CPython 3.11.9 does not have: {X} (and 1 more)"
    )


def test_a_library_of_the_distribution_provides_what_is_called_like_the_api() -> None:
    """VTK exports `PyVTKClass_Add` from a library that its modules need."""
    core = library(exports=("PyShop_New",))
    shop = module("libshop.so", needs=("PyList_New", "PyShop_New"), runpath="$ORIGIN")
    assert said(taken(OWN, package({f"x.{SUFFIX}": shop, "libshop.so": core}))) == []
    (finding,) = found(taken(OWN, package({f"x.{SUFFIX}": shop, "libshop.so": library()})))
    assert finding.rule == "NW308"


def test_modules_for_another_python_only() -> None:
    other = "cpython-310-x86_64-linux-gnu.so"
    files = {f"x.{other}": module(), f"y.{other}": module(), f"y.{SUFFIX}": module(), f"z.{other}": library()}
    (finding,) = found(taken(OWN, package(files)))
    assert finding.rule == "NW308"
    assert finding.message == (
        "shop 1 has modules that CPython 3.11.9 does not import, since they are for cpython-310-x86_64-linux-gnu: "
        f"{SITE}/x.{other}"
    )


def test_a_wheel_for_another_python_is_one_finding() -> None:
    files = {f"x.{SUFFIX.replace('311', '310')}": module("libgone.so", needs=("PyZ_Gone",))}
    environment = taken(OWN, package(files, wheel="Tag: cp310-cp310-manylinux_2_17_x86_64\n"))
    assert [each.rule for each in found(environment)] == ["NW303"]


def test_a_binary_for_another_machine_is_one_finding() -> None:
    environment = taken(OWN, package({f"x.{SUFFIX}": module("libgone.so", machine=183)}))
    assert [each.rule for each in found(environment)] == ["NW304"]


def test_the_stable_abi_in_a_free_threaded_python() -> None:
    environment = taken(OWN, package({"x.abi3.so": module()}))
    threaded = replace(environment, interpreter=replace(environment.interpreter, gil_disabled=True, version="3.13.1"))
    assert said(threaded) == [
        f"NW308 shop 1 has modules for the stable ABI, which crash in a free-threaded Python: {SITE}/x.abi3.so"
    ]


OLD = b"\0numpy.core._multiarray_umath\0."
NEW = OLD + b"\0numpy._core._multiarray_umath\0."
API_123 = b"\0module was compiled against NumPy C-API version 0x%x (NumPy 1.23) but."


@pytest.mark.parametrize(
    ("data", "numpy", "message"),
    [
        (OLD, "2.1.0", "was built for NumPy 1, and numpy 2.1.0 is installed"),
        (b"\0numpy.core.multiarray\0.", "2.1.0", "was built for NumPy 1, and numpy 2.1.0 is installed"),
        (OLD, "1.26.4", None),
        (NEW, "2.1.0", None),
        (NEW, "1.26.4", None),
        (NEW + API_123, "1.22.0", "was built for NumPy 1.23 or newer, and numpy 1.22.0 is installed"),
        (NEW + API_123, "1.23.0", None),
        (NEW + API_123, "odd!", None),
        (b"", "2.1.0", None),
    ],
)
def test_numpy(data: bytes, numpy: str, message: str | None) -> None:
    installed = package({f"numpy/core.{SUFFIX}": module(data=OLD)}, "numpy", numpy)
    environment = taken(OWN, installed, package({f"x.{SUFFIX}": module(data=data), f"y.{SUFFIX}": module()}))
    assert said(environment) == ([f"NW309 shop 1 {message}: {X}"] if message else [])
    assert said(taken(OWN, package({f"x.{SUFFIX}": module(data=data)}))) == []


def test_torch() -> None:
    names = ("_ZN3c105ErrorC1Ev", "_ZN5torch3jit4loadEv")
    torch = package(
        {
            "torch/lib/libc10.so": library(soname="libc10.so", exports=names[:1]),
            "torch/lib/libtorch_cpu.so": library(soname="libtorch_cpu.so", exports=names[1:]),
        },
        "torch",
        "2.6.0",
    )
    fits = module("libc10.so", needs=names)
    breaks = module("libtorch_cpu.so", needs=(*names, "_ZN2at4goneEv", "_ZN3c104goneEv"))
    required = "Requires-Dist: torch\n"
    assert said(taken(OWN, torch, package({f"x.{SUFFIX}": fits}, metadata=required))) == []
    assert said(taken(OWN, torch, package({f"x.{SUFFIX}": breaks}, metadata=required))) == [
        f"NW310 shop 1 needs 2 C++ symbols that torch 2.6.0 does not have, such as _ZN2at4goneEv: {X}"
    ]
    assert len(digest("_ZN2at4goneEv")) == 8


def test_copies_of_runtimes() -> None:
    one = package({"one.libs/libgomp-1.so": library(exports=("GOMP_parallel",))}, "one")
    two = package({"two.libs/libgomp-2.so": library(exports=("GOMP_parallel",))}, "two")
    intel = package({"intel/libiomp5.so": library(exports=("__kmpc_fork_call", "GOMP_parallel"))}, "intel")
    blas = package({"b.libs/libopenblas.so": library(exports=("openblas_get_config64_",))}, "b")
    assert said(taken(OWN, one, blas)) == []
    (finding,) = found(taken(OWN, one, two, blas))
    assert finding.severity is Severity.INFO
    assert finding.layer is not None
    assert finding.layer.index == 4
    assert finding.message == (
        "2 copies of OpenMP runtimes can be loaded into one process (2 of GNU's libgomp): "
        f"{SITE}/one.libs/libgomp-1.so, {SITE}/two.libs/libgomp-2.so"
    )
    (finding,) = found(taken(OWN, one, intel))
    assert finding.severity is Severity.WARNING
    assert finding.message == (
        "2 copies of OpenMP runtimes can be loaded into one process (1 of GNU's libgomp and 1 of LLVM's or Intel's "
        f"libomp): {SITE}/intel/libiomp5.so, {SITE}/one.libs/libgomp-1.so"
    )


@pytest.mark.parametrize(
    ("option", "wheel", "message", "severity"),
    [
        (
            "-march=native",
            "Tag: cp311-cp311-linux_x86_64\n",
            "-march=native, for the processor of the machine that built it",
            Severity.WARNING,
        ),
        ("-march=native", None, "-march=native, for the processor of the machine that built it", Severity.INFO),
        ("-march=x86-64-v3", None, "-march=x86-64-v3, and needs such a processor", Severity.INFO),
        ("-march=x86-64", None, None, None),
    ],
)
def test_processors(option: str, wheel: str | None, message: str | None, severity: Severity | None) -> None:
    made = Elf(exports=("PyInit_x",), debug=f"GNU C17 {option} -O2\0".encode()).build()
    environment = taken(OWN, package({f"x.{SUFFIX}": made}, **({"wheel": wheel} if wheel else {})))
    findings = found(environment, "NW312")
    assert [(each.message, each.severity) for each in findings] == (
        [(f"shop 1 was compiled with {message}: {X}", severity)] if message else []
    )


def test_the_loader_of_the_base_is_known() -> None:
    """The images above are whole: nothing about them is left unchecked."""
    environment = taken(OWN, package({f"x.{SUFFIX}": module()}))
    assert environment.unchecked == ()
    assert environment.interpreter.libc is not None
    assert GLIBC_LOADER.startswith("/lib64")
