"""NW309-312: whether what is installed fits each other, and the machines that it will run on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from packaging.version import InvalidVersion, Version

from driftscan.compare import Comparison
from driftscan.finding import Severity
from driftscan.listing import listed
from driftscan.model.image import LayerId
from driftscan.model.inventory import Distribution, Native
from driftscan.rules.modules import Modules, compiled
from driftscan.rules.rule import Draft, Rule

_OLD_NUMPY = frozenset(("numpy.core._multiarray_umath", "numpy.core.multiarray"))
_NEW_NUMPY = "numpy._core."
_NUMPY_API = re.compile(r"NumPy C-API version 0x%x \(NumPy (\d+\.\d+)")
_OPTION = re.compile(r"-m(?:arch|cpu)=(.+)")
_GENERIC = frozenset(("x86-64", "x86_64", "i386", "i486", "i586", "i686", "armv8-a", "generic", "k8"))
"""What compilers assume of any processor of the family."""
_KINDS = {"libgomp": "OpenMP", "libomp": "OpenMP", "openblas": "BLAS", "mkl": "BLAS", "blis": "BLAS"}
_TITLES = {
    "libgomp": "GNU's libgomp",
    "libomp": "LLVM's or Intel's libomp",
    "openblas": "OpenBLAS",
    "mkl": "MKL",
    "blis": "BLIS",
}


def _installed(found: Sequence[Modules], name: str) -> Distribution | None:
    return next((each.distribution for each in found if each.distribution.name == name), None)


def _version(distribution: Distribution) -> Version | None:
    try:
        return Version(distribution.version)
    except InvalidVersion:
        return None


def _numpy_abi(comparison: Comparison) -> Iterator[Draft]:
    found = compiled(comparison)
    numpy = _installed(found, "numpy")
    version = _version(numpy) if numpy is not None else None
    if numpy is None or version is None:
        return
    for each in found:
        if each.distribution is numpy:
            continue
        too_old = [native for native in each.modules if version.major >= 2 and _is_for_numpy_1(native)]
        if too_old:
            yield _draft(
                each.distribution,
                too_old,
                f"was built for NumPy 1, and numpy {numpy.version} is installed",
                f"lock a release of {each.distribution.name} that was built for NumPy 2, or numpy below 2",
            )
            continue
        floors = {native.path: floor for native in each.modules if (floor := _floor(native)) and floor > version}
        if floors:
            wanted = max(floors.values())
            yield _draft(
                each.distribution,
                [native for native in each.modules if floors.get(native.path) == wanted],
                f"was built for NumPy {wanted} or newer, and numpy {numpy.version} is installed",
                f"lock numpy {wanted} or newer",
            )


def _is_for_numpy_1(native: Native) -> bool:
    """Whether a module asks for NumPy under the name that it has before 2.0, and under no other."""
    strings = native.elf.strings
    return not _OLD_NUMPY.isdisjoint(strings) and not any(text.startswith(_NEW_NUMPY) for text in strings)


def _floor(native: Native) -> Version | None:
    """The oldest NumPy whose C API the module was compiled for: NumPy's headers put it into their error message."""
    found = [match[1] for text in native.elf.strings if (match := _NUMPY_API.fullmatch(text)) is not None]
    return Version(found[0]) if found else None


def _torch_abi(comparison: Comparison) -> Iterator[Draft]:
    found = compiled(comparison)
    torch = next((each for each in found if each.distribution.name == "torch"), None)
    exports = _torch_exports(torch) if torch is not None else frozenset()
    if torch is None or not exports:
        return
    from driftscan.elf.symbols import digest

    for each in found:
        missing = {
            name: native
            for native in each.natives
            for name in (native.elf.symbols.torch_needs if native.elf.symbols is not None else ())
            if digest(name) not in exports
        }
        if missing and each is not torch:
            name = min(missing)
            yield _draft(
                each.distribution,
                [missing[name], *missing.values()],
                f"needs {len(missing)} C++ {'symbol' if len(missing) == 1 else 'symbols'} that torch "
                f"{torch.distribution.version} does not have, such as {name}",
                f"lock the release of {each.distribution.name} that belongs to torch {torch.distribution.version}",
            )


def _torch_exports(torch: Modules) -> frozenset[bytes]:
    """Empty where a library of torch could not be read: then nothing is known to be missing."""
    libraries = [native for native in torch.natives if (native.elf.soname or "").startswith(("libc10", "libtorch"))]
    if any(native.elf.symbols is None for native in libraries):
        return frozenset()
    from driftscan.elf.symbols import digests  # only images with torch need it

    packed = b"".join(native.elf.symbols.torch_exports for native in libraries if native.elf.symbols is not None)
    return digests(packed)


def _duplicate_runtimes(comparison: Comparison) -> Iterator[Draft]:
    files: dict[str, dict[str, dict[str, LayerId | None]]] = {}
    for each in compiled(comparison):
        for native in each.natives:
            for runtime in native.elf.symbols.runtimes if native.elf.symbols is not None else ():
                files.setdefault(_KINDS[runtime], {}).setdefault(runtime, {})[native.path] = native.layer
    for kind, found in sorted(files.items()):
        copies = sum(map(len, found.values()))
        if copies > 1:
            yield _copies(kind, found, copies)


def _copies(kind: str, found: Mapping[str, Mapping[str, LayerId | None]], copies: int) -> Draft:
    """The layer is the one that brought the last of them."""
    is_mixed = kind == "OpenMP" and len(found) > 1
    what = " and ".join(f"{len(paths)} of {_TITLES.get(name, name)}" for name, paths in sorted(found.items()))
    paths = sorted(path for each in found.values() for path in each)
    layers = [layer for each in found.values() for layer in each.values() if layer is not None]
    return Draft(
        message=f"{copies} copies of {kind} runtimes can be loaded into one process ({what}): {listed(paths, most=4)}",
        severity=Severity.WARNING if is_mixed else None,
        path=paths[0],
        layer=max(layers, key=lambda layer: layer.index, default=None),
        subject=(kind,),
        hint="set the thread variables (OMP_NUM_THREADS) so that their pools do not multiply; with two kinds of OpenMP,"
        " take packages from one vendor"
        if is_mixed
        else "set the thread variables (OMP_NUM_THREADS, OPENBLAS_NUM_THREADS) so that their pools do not multiply",
    )


def _cpu_baseline(comparison: Comparison) -> Iterator[Draft]:
    for each in compiled(comparison):
        options = {
            text: native
            for native in each.natives
            for text in native.elf.strings
            if (match := _OPTION.fullmatch(text)) is not None and match[1] not in _GENERIC
        }
        if not options:
            continue
        text = min(options, key=lambda option: (not option.endswith("native"), option))
        built_here = each.distribution.built_on_the_spot is not None
        yield _draft(
            each.distribution,
            [options[text]],
            f"was compiled with {text}, for the processor of the machine that built it"
            if text.endswith("native")
            else f"was compiled with {text}, and needs such a processor",
            "build it for the least processor that it is to run on (-march=x86-64-v2), or install a wheel",
            Severity.WARNING if built_here else None,
        )


def _draft(
    distribution: Distribution, natives: Sequence[Native], message: str, hint: str, severity: Severity | None = None
) -> Draft:
    native = natives[0]
    others = len({each.path for each in natives} - {native.path})
    more = f" (and {others} more)" if others else ""
    return Draft(
        message=f"{distribution.name} {distribution.version} {message}: {native.path}{more}",
        severity=severity,
        package=distribution.name,
        installed=(distribution.version,),
        path=native.path,
        layer=native.layer or distribution.layer,
        hint=hint,
    )


RULES = (
    Rule(
        code="NW309",
        slug="numpy-abi",
        severity=Severity.ERROR,
        summary="an extension built for another NumPy ABI",
        why="Importing it fails: `module compiled against ABI version`, or `numpy.core.multiarray failed to import`.",
        evidence="strings that NumPy's and pybind11's headers leave in the module, and the installed NumPy",
        remedy="lock releases that were built for the same NumPy",
        check=_numpy_abi,
    ),
    Rule(
        code="NW310",
        slug="torch-abi",
        severity=Severity.ERROR,
        summary="an extension built for another torch",
        why="Importing it fails with an undefined symbol: torch's C++ interface changes with each release.",
        evidence="C++ symbols of torch that the files need, and those that the installed torch exports",
        remedy="lock the release that belongs to the installed torch",
        check=_torch_abi,
    ),
    Rule(
        code="NW311",
        slug="duplicate-runtimes",
        severity=Severity.INFO,
        summary="more than one OpenMP or BLAS runtime in one process's reach; warning when they are of different kinds",
        why="Each copy starts its own threads; two kinds of OpenMP in one process can hang or crash it.",
        evidence="functions that the installed libraries export",
        remedy="set the thread variables, and take packages with one kind of OpenMP",
        check=_duplicate_runtimes,
    ),
    Rule(
        code="NW312",
        slug="cpu-baseline",
        severity=Severity.INFO,
        summary="code built for a particular CPU; warning when built on the spot",
        why="On an older processor the process dies with an illegal instruction.",
        evidence="compiler options in the debug information of the installed files",
        remedy="build for the least processor that it is to run on, or install a wheel",
        check=_cpu_baseline,
    ),
)
