"""NW305-308: whether the dynamic loader and the interpreter in the image can load what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from driftscan.compare import Comparison
from driftscan.finding import Severity
from driftscan.model.image import LayerId
from driftscan.model.inventory import Distribution, Library, Linkage, MissingVersion, Native
from driftscan.model.target import Libc
from driftscan.rules.modules import Modules, compiled, provided_beside
from driftscan.rules.rule import Draft, Rule

_GLIBC = re.compile(r"GLIBC_(\d{1,3})\.(\d{1,3})(?:\.\d{1,3})?")
_NUMBERED = re.compile(r"([A-Z]+)_(\d+(?:\.\d+)*)")
_AT_RUN_TIME = re.compile(
    r"lib(?:cuda|nvidia-[a-z-]+|nvcuvid|nvoptix|amdhip64|hsa-runtime64|ze_loader|tpu)\.so(?:\..*)?"
)
"""Libraries of device drivers: the container runtime puts them in when the container starts."""
_VENDORED = re.compile(r".*-[0-9a-f]{8}\.so.*")
"""auditwheel renames what it puts into a wheel, so that nothing else is found under the name."""
_TAGGED = re.compile(r"[^.]+\.((?:cpython|pypy)\d*-[^/]+)\.so")
_STABLE = ".abi3.so"
_OTHER_PYTHON = "use the Python of the base image, or the base image that this Python was made for"
_DEBIAN: Mapping[str, str] = {
    "libGL.so.1": "libgl1",
    "libgomp.so.1": "libgomp1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libSM.so.6": "libsm6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
    "libpq.so.5": "libpq5",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
    "libz.so.1": "zlib1g",
    "libgfortran.so.5": "libgfortran5",
    "libmariadb.so.3": "libmariadb3",
    "libmysqlclient.so.21": "default-libmysqlclient-dev",
    "libxml2.so.2": "libxml2",
    "libxslt.so.1": "libxslt1.1",
    "libgdal.so.32": "libgdal32",
    "libexpat.so.1": "libexpat1",
    "libodbc.so.2": "libodbc2",
    "libffi.so.8": "libffi8",
    "libsndfile.so.1": "libsndfile1",
    "libportaudio.so.2": "libportaudio2",
    "libmagic.so.1": "libmagic1",
}
"""Debian packages of libraries that wheels expect of the system; other distributions' names are alike."""


def _glibc_too_old(comparison: Comparison) -> Iterator[Draft]:
    libc = comparison.target.libc
    if own := [version for item in _own(comparison).missing_versions if (version := _glibc(item)) is not None]:
        needed = ".".join(map(str, max(own)))
        yield _about_python(comparison, f"needs glibc {needed}, and the image has {_of(libc)}")
    for each in compiled(comparison):
        missing = [
            (version, native)
            for native in each.modules
            for item in _missing_versions(native)
            if (version := _glibc(item)) is not None
        ]
        if missing:
            version, native = max(missing, key=lambda item: (item[0], item[1].path))
            needed = ".".join(map(str, version))
            files = _shown([native for _, native in missing], native)
            yield _draft(
                each.distribution,
                native,
                f"needs glibc {needed}, and the image has {_of(libc)}: {files}",
                f"use a base image with glibc {needed} or newer, or lock a build for an older one "
                f"(manylinux_2_{libc.version[1] if libc and libc.version else 17} or below)",
            )


def _of(libc: Libc | None) -> str:
    return ".".join(map(str, libc.version)) if libc is not None and libc.version is not None else "an older one"


def _own(comparison: Comparison) -> Linkage:
    """What the interpreter itself needs, as far as it is known."""
    linkage = comparison.environment.interpreter.linkage if comparison.environment is not None else None
    return linkage if linkage is not None else Linkage()


def _about_python(
    comparison: Comparison, message: str, hint: str = _OTHER_PYTHON, needed_by: str = "", layer: LayerId | None = None
) -> Draft:
    executable = comparison.environment.interpreter.executable if comparison.environment is not None else ""
    way = f" by way of {needed_by}" if needed_by and needed_by != executable else ""
    return Draft(
        message=f"{_python(comparison)} itself {message}: {executable}{way}", path=executable, layer=layer, hint=hint
    )


def _missing_library(comparison: Comparison) -> Iterator[Draft]:
    for library in _own(comparison).libraries:
        if library.path is None:
            message = f"needs {library.name}, which is not in the image{_removed(library)}"
            yield _about_python(comparison, message, _way_out(library), library.needed_by, library.removed_by)
    found = compiled(comparison)
    for each in found:
        absent: dict[str, list[tuple[Native, Library]]] = {}
        for native in each.modules:
            for library in native.linkage.libraries if native.linkage is not None else ():
                if library.path is None and not _AT_RUN_TIME.fullmatch(library.name):
                    absent.setdefault(library.name, []).append((native, library))
        beside = provided_beside(comparison, found, each.distribution) if absent else frozenset()
        for name, needing in sorted(absent.items()):
            if name not in beside:
                yield _absent(each, name, needing)


def _absent(each: Modules, name: str, needing: Sequence[tuple[Native, Library]]) -> Draft:
    native, library = needing[0]
    way = "" if library.needed_by == native.path else f" by way of {library.needed_by}"
    comes_with_it = _VENDORED.fullmatch(name) is not None and library.removed_by is None
    draft = _draft(
        each.distribution,
        native,
        f"needs {name}, which is not in the image{_removed(library)}: "
        f"{_shown([one for one, _ in needing], native)}{way}",
        f"install {each.distribution.name} again: this library comes with it" if comes_with_it else _way_out(library),
    )
    if library.removed_by is not None:
        return replace(draft, layer=library.removed_by)
    return replace(draft, severity=Severity.WARNING) if _may_be_optional(each, name, needing) else draft


def _removed(library: Library) -> str:
    return f"; layer {library.removed_by.index} removed it" if library.removed_by is not None else ""


def _way_out(library: Library) -> str:
    if library.removed_by is not None:
        return "take out the step that removes it"
    if library.name in _DEBIAN:
        return f"install the OS package that holds it ({_DEBIAN[library.name]} in Debian)"
    return f"install the OS package that holds {library.name}"


def _may_be_optional(each: Modules, name: str, needing: Sequence[tuple[Native, Library]]) -> bool:
    """Whether the package may do without: some have modules for several systems (threading layers, media), and try.

    A library that came with the package, under a name of its own, it cannot do without.
    """
    return len(needing) * 2 < len(each.modules) and _VENDORED.fullmatch(name) is None


def _missing_version(comparison: Comparison) -> Iterator[Draft]:
    for library, path, version, needed_by in _own(comparison).missing_versions:
        if not version.startswith("GLIBC_"):
            message = f"needs {version} of {library}, which {path} does not have"
            yield _about_python(comparison, message, needed_by=needed_by)
    for each in compiled(comparison):
        missing: dict[tuple[str, str], list[tuple[Native, MissingVersion]]] = {}
        for native in each.modules:
            for item in _missing_versions(native):
                if _glibc(item) is None:
                    missing.setdefault((item.library, item.path), []).append((native, item))
        for (library, path), items in sorted(missing.items()):
            native, item = max(items, key=lambda pair: (_number(pair[1].version), pair[0].path))
            way = "" if item.needed_by == native.path else f" by way of {item.needed_by}"
            yield _draft(
                each.distribution,
                native,
                f"needs {item.version} of {library}, which {path} does not have: "
                f"{_shown([one for one, _ in items], native)}{way}",
                f"use a base image whose {library} is newer, or take the library out that stands in front of it",
            )


def _number(version: str) -> tuple[str, tuple[int, ...]]:
    match = _NUMBERED.fullmatch(version)
    return (match[1], tuple(map(int, match[2].split(".")))) if match else (version, ())


def _missing_versions(native: Native) -> Sequence[MissingVersion]:
    return native.linkage.missing_versions if native.linkage is not None else ()


def _glibc(item: MissingVersion) -> tuple[int, int] | None:
    match = _GLIBC.fullmatch(item.version)
    return (int(match[1]), int(match[2])) if match else None


def _python_abi(comparison: Comparison) -> Iterator[Draft]:
    for each in compiled(comparison):
        yield from _invisible(comparison, each)
        yield from _unthreaded(comparison, each)
        yield from _missing_symbols(comparison, each)


def _invisible(comparison: Comparison, each: Modules) -> Iterator[Draft]:
    """Modules for other Pythons only: the name before the first dot has no file that the import system accepts."""
    if comparison.environment is None or comparison.environment.interpreter.soabi is None:
        return
    python = _python(comparison)
    importable = {_module(native) for native in each.modules}
    others = [
        native for native in each.natives if _TAGGED.fullmatch(_name(native)) and _module(native) not in importable
    ]
    others = [native for native in others if native.elf.symbols is not None and native.elf.symbols.modules]
    if others:
        tag = _TAGGED.fullmatch(_name(others[0]))
        yield _draft(
            each.distribution,
            others[0],
            f"has modules that {python} does not import, since they are for {tag[1] if tag else 'another one'}: "
            f"{_shown(others, others[0])}",
            "install it with the interpreter that is going to run it",
        )


def _unthreaded(comparison: Comparison, each: Modules) -> Iterator[Draft]:
    stable = [native for native in each.modules if native.path.endswith(_STABLE)]
    if stable and comparison.environment is not None and comparison.environment.interpreter.gil_disabled:
        yield _draft(
            each.distribution,
            stable[0],
            f"has modules for the stable ABI, which crash in a free-threaded Python: {_shown(stable, stable[0])}",
            "lock a build for the free-threaded Python (its tag ends with t), or use the ordinary one",
        )


def _missing_symbols(comparison: Comparison, each: Modules) -> Iterator[Draft]:
    api = comparison.environment.interpreter.api if comparison.environment is not None else None
    if api is None:
        return
    exports = _exports(each)
    lacking = [(native, missing) for native in each.modules if (missing := _not_in(native, api, exports))]
    if lacking:
        native, missing = lacking[0]
        names = missing[0] if len(missing) == 1 else f"{missing[0]} and {len(missing) - 1} more"
        yield _draft(
            each.distribution,
            native,
            f"needs {names} of Python's C API, which {_python(comparison)} does not have: "
            f"{_shown([one for one, _ in lacking], native)}",
            "lock a release that supports this Python, or run the Python that it was built for",
        )


def _exports(each: Modules) -> Mapping[str, Sequence[str]]:
    """What the libraries of a distribution provide under names like those of Python's C API, by path."""
    symbols = ((native.path, native.elf.symbols) for native in each.natives if not native.is_module)
    return {path: found.python_exports for path, found in symbols if found is not None and found.python_exports}


def _not_in(native: Native, api: frozenset[str], exports: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Names that neither the interpreter nor a library that the module leads to has."""
    symbols = native.elf.symbols
    missing = [name for name in symbols.python_needs if name not in api] if symbols is not None else []
    if not missing or native.linkage is None:
        return missing
    linked = {name for library in native.linkage.libraries for name in exports.get(library.path or "", ())}
    return [name for name in missing if name not in linked]


def _python(comparison: Comparison) -> str:
    interpreter = comparison.environment.interpreter if comparison.environment is not None else None
    name = "PyPy" if interpreter is not None and interpreter.implementation == "pypy" else "CPython"
    return f"{name} {interpreter.version}" if interpreter is not None and interpreter.version else name


def _name(native: Native) -> str:
    return native.path.rpartition("/")[2]


def _module(native: Native) -> tuple[str, str]:
    folder, _, name = native.path.rpartition("/")
    return folder, name.partition(".")[0]


def _shown(natives: Sequence[Native], first: Native) -> str:
    """The file that the finding is about, and how many others it holds for."""
    others = len({native.path for native in natives} - {first.path})
    return f"{first.path} (and {others} more)" if others else first.path


def _draft(distribution: Distribution, native: Native, message: str, hint: str) -> Draft:
    return Draft(
        message=f"{distribution.name} {distribution.version} {message}",
        package=distribution.name,
        installed=(distribution.version,),
        path=native.path,
        layer=native.layer or distribution.layer,
        hint=hint,
    )


RULES = (
    Rule(
        code="NW305",
        slug="glibc-too-old",
        severity=Severity.ERROR,
        summary="a binary needs a newer C library than the image has",
        why="The dynamic loader refuses it (`version GLIBC_2.38 not found`), so importing the package fails.",
        evidence="symbol versions that the installed files ask of libc, and those that the image's libc defines",
        remedy="use a base image with a newer glibc, or lock a build for an older one",
        check=_glibc_too_old,
    ),
    Rule(
        code="NW306",
        slug="missing-library",
        severity=Severity.ERROR,
        summary="a shared library that an extension needs is not in the image",
        why="Importing the package fails: `cannot open shared object file`.",
        evidence="the libraries that the files name, looked for in the image as its dynamic loader would",
        remedy="install the OS package that holds it",
        check=_missing_library,
    ),
    Rule(
        code="NW307",
        slug="missing-symbol-version",
        severity=Severity.ERROR,
        summary="the library is there, the symbol version is not",
        why="Importing the package fails: `version GLIBCXX_3.4.30 not found`.",
        evidence="symbol versions that the files ask for, and those that the library defines which is found first",
        remedy="use a base image whose library is newer",
        check=_missing_version,
    ),
    Rule(
        code="NW308",
        slug="python-abi",
        severity=Severity.ERROR,
        summary="the interpreter cannot import the extension, or lacks a symbol it needs",
        why="The import fails with an undefined symbol or finds no module at all, or the process crashes.",
        evidence="names of the extension modules, their undefined symbols, and what the interpreter exports",
        remedy="install with the interpreter that is going to run it",
        check=_python_abi,
    ),
)
