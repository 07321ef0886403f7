"""NW3xx: compiled wheels against the lock and against the interpreter that is to import them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from packaging.tags import Tag
from packaging.utils import BuildTag

from driftscan import tags as interpreter_tags
from driftscan.compare import Comparison, Row
from driftscan.finding import Severity
from driftscan.listing import listed
from driftscan.model.inventory import Distribution, Native
from driftscan.model.lock import OriginKind, Package
from driftscan.rules.rule import Draft, Rule, chain, location, take_out, versions
from driftscan.rules.wheels import Wheel, all_files_are_named, has_sdist, wheels, wheels_that_fit

_MACHINE_ALIASES = {"i386": "i686", "i586": "i686", "armv8l": "armv7l", "armv6l": "armv7l", "arm": "armv7l"}
"""Names that kernels have for what ELF does not tell apart."""
_EXTENSION_MODULE = re.compile(r".*\.(?:cpython-[^/]+|abi3|pypy[^/]+)\.so")
_RENAMED = "; it may be one of these under another name"
_MANYLINUX = re.compile(r"^manylinux(?:\d+|_\d+_\d+)_")
_COMPILER = re.compile(r"GCC: \((.+)")
_BUILD = re.compile(r"(\d+)(.*)", re.DOTALL)


def _indexed(comparison: Comparison) -> Iterator[tuple[Row, Package, Distribution]]:
    """Projects installed as locked, from an index, by a Python installer."""
    for row in comparison.rows:
        if not row.matches or row.installed[0].is_foreign:
            continue
        package = row.locked[0]
        if package.id.origin.kind is OriginKind.INDEX:
            yield row, package, row.installed[0]


def _not_in_lock(comparison: Comparison) -> Iterator[Draft]:
    for row, package, found in _indexed(comparison):
        if not _can_be_told(comparison, row, found):
            continue
        severity, doubt = _judged(comparison, row, found)
        only = "" if doubt else " only"
        fitting = [wheel for each in row.locked for wheel in wheels_that_fit(comparison, each)]
        others = [wheel for each in row.locked for wheel in wheels(each) if wheel not in fitting]
        names = listed([wheel.filename for wheel in (*fitting, *others)], most=max(min(len(fitting), 3), 1))
        yield Draft(
            message=f"{row.name} {found.version} was made as a wheel for {_shown(found)}, "
            f"the lock{only} has {names}{doubt}",
            severity=severity,
            package=row.name,
            locked=versions((package,)),
            installed=(found.version,),
            path=found.path,
            layer=found.layer,
            chain=chain(comparison, package.id),
            location=location(comparison, package),
            hint=take_out(found, "lock the file that it was installed from"),
        )


def _can_be_told(comparison: Comparison, row: Row, found: Distribution) -> bool:
    """Whether WHEEL and the names of the locked files say different things, and no other rule says so already."""
    tags = _tags(found)
    if not tags or not all(map(all_files_are_named, row.locked)) or not any(map(wheels, row.locked)):
        return False
    if found.built_on_the_spot is not None or found.direct_url is not None or _is_locked(row, found):
        return False
    if comparison.target.tags is not None and tags.isdisjoint(comparison.target.tags):
        return False
    fits = any(wheels_that_fit(comparison, package) for package in row.locked)
    # Of a pure-Python build from a locked sdist nothing tells whether it was made here. Installers make one only
    # where no wheel fits.
    return fits or not (_is_pure(tags) and any(map(has_sdist, row.locked)))


def _judged(comparison: Comparison, row: Row, found: Distribution) -> tuple[Severity, str]:
    """How sure it is that the build is another one, and what is to be said about it.

    Some projects rename a wheel for the index after it was built, so that WHEEL inside still says something broader
    than the name. Then the two cannot be told apart without the file.
    """
    tags = _tags(found)
    locked = [wheel for package in row.locked for wheel in wheels(package)]
    if sharing := [wheel for wheel in locked if tags & wheel.tags]:
        build = _build(found)
        is_other = all(build and wheel.build and build != wheel.build for wheel in sharing)
        return (Severity.ERROR, "") if is_other else (Severity.INFO, _RENAMED)
    if _is_general(tags) and any(_generalised(tags) & _generalised(wheel.tags) for wheel in locked):
        return Severity.INFO, _RENAMED
    if _is_pure(tags):
        is_compiled = any(native.distribution == found.path for native in _natives(comparison))
        return Severity.INFO if is_compiled else Severity.WARNING, _RENAMED
    return Severity.ERROR, ""


def _tags(found: Distribution) -> frozenset[Tag]:
    return found.wheel.tags if found.wheel is not None else frozenset()


def _build(found: Distribution) -> BuildTag:
    match = _BUILD.fullmatch(found.wheel.build) if found.wheel is not None else None
    return (int(match[1]), match[2]) if match else ()


def _is_locked(row: Row, found: Distribution) -> bool:
    return any(
        wheel.tags == _tags(found) and wheel.build == _build(found)
        for package in row.locked
        for wheel in wheels(package)
    )


def _is_pure(tags: frozenset[Tag]) -> bool:
    return all(tag.platform == "any" for tag in tags)


def _is_general(tags: frozenset[Tag]) -> bool:
    return all(tag.platform.startswith("linux_") for tag in tags)


def _generalised(tags: frozenset[Tag]) -> frozenset[tuple[str, str, str]]:
    """`manylinux_2_17_x86_64` becomes `linux_x86_64`; musllinux stays apart."""
    return frozenset((tag.interpreter, tag.abi, _MANYLINUX.sub("linux_", tag.platform)) for tag in tags)


def _natives(comparison: Comparison) -> tuple[Native, ...]:
    return comparison.environment.natives if comparison.environment is not None else ()


def _shown(found: Distribution) -> str:
    build = f", build {found.wheel.build}" if found.wheel is not None and found.wheel.build else ""
    return listed(sorted(map(str, _tags(found))), most=2) + build


def _built_from_source(comparison: Comparison) -> Iterator[Draft]:
    for row, package, found in _indexed(comparison):
        if found.built_on_the_spot is None:
            continue
        fitting = [wheel for each in row.locked for wheel in wheels_that_fit(comparison, each)]
        compiler = _compiler(comparison, found)
        severity, verb = _how_built(row, found, fitting, is_sure=compiler is not None or _is_sure(found))
        instead = f"install {fitting[0].filename}, which the lock has" if fitting else "lock a wheel of it"
        yield Draft(
            message=f"{row.name} {found.version} {verb} built on the spot: {found.built_on_the_spot}"
            + (f", and the compiler was that of {compiler}" if compiler is not None else ""),
            severity=severity,
            package=row.name,
            locked=versions((package,)),
            installed=(found.version,),
            path=found.path,
            layer=found.layer,
            chain=chain(comparison, package.id),
            location=location(comparison, package),
            hint=instead,
        )


def _how_built(row: Row, found: Distribution, fitting: Sequence[Wheel], *, is_sure: bool) -> tuple[Severity, str]:
    """A tag that indexes refuse tells of a local build, or of a wheel that was renamed for the index.

    The second is ruled out where no locked wheel can be that one, or by what else tells of a local build.
    """
    is_renamed = any(_generalised(_tags(found)) & _generalised(wheel.tags) for wheel in fitting)
    unnamed = not all(map(all_files_are_named, row.locked))
    if _is_general(_tags(found)) and (is_renamed or unnamed) and not is_sure:
        return Severity.INFO, "may have been"
    return Severity.ERROR if fitting else Severity.WARNING, "was"


def _compiler(comparison: Comparison, found: Distribution) -> str | None:
    """The distribution whose own compiler made all modules that name one: wheels for indexes are compiled with another
    (manylinux has Red Hat's, which says no more than that it is GNU's).
    """
    natives = (native for native in _natives(comparison) if native.distribution == found.path)
    comments = (text for native in natives for text in native.elf.strings)
    names = {match[1] for text in comments if (match := _COMPILER.fullmatch(text)) is not None}
    return names.pop() if len(names) == 1 else None


def _is_sure(found: Distribution) -> bool:
    return found.built_on_the_spot is not None and "uv_build.json" in found.built_on_the_spot


def does_not_fit(comparison: Comparison, found: Distribution, natives: Sequence[Native]) -> bool:
    """Whether the whole of it is for another Python, machine or C library (NW303, NW304)."""
    supported = comparison.target.tags
    is_unsupported = supported is not None and bool(_tags(found)) and _tags(found).isdisjoint(supported)
    return (is_unsupported and not found.is_foreign) or bool(_telling(comparison, natives))


def _unsupported_tag(comparison: Comparison) -> Iterator[Draft]:
    if comparison.target.tags is None:
        return
    supported = frozenset(comparison.target.tags)
    for row in comparison.rows:
        for found in row.installed:
            if not _tags(found) or found.is_foreign or not supported.isdisjoint(_tags(found)):
                continue
            message = (
                f"{row.name} {found.version} was made as a wheel for {_shown(found)}, "
                f"which {_interpreter(comparison)} does not support"
            )
            doubtful = _may_work(comparison, row, found)
            yield Draft(
                message=f"{message}; nothing in it is bound to that" if doubtful else message,
                severity=Severity.INFO if doubtful else None,
                package=row.name,
                locked=versions(row.locked),
                installed=(found.version,),
                path=found.path,
                layer=found.layer,
                chain=chain(comparison, row.locked[0].id) if row.locked else (),
            )


def _may_work(comparison: Comparison, row: Row, found: Distribution) -> bool:
    """Whether only the name of the Python differs, and no file is an extension module for one.

    Such a wheel may be mislabelled: installers go by its file name, so it must have had another one.
    """
    platforms = {tag.platform for tag in comparison.target.tags or ()}
    modules = (each for each in _natives(comparison) if each.distribution == found.path)
    return (
        not _is_locked(row, found)
        and any(tag.platform in platforms for tag in _tags(found))
        and not any(_EXTENSION_MODULE.fullmatch(module.path) for module in modules)
    )


def _interpreter(comparison: Comparison) -> str:
    target = comparison.target
    platform = " ".join(str(part) for part in (target.machine, target.libc) if part)
    return f"Python {target.python_version} on {platform}"


def _platform_mismatch(comparison: Comparison) -> Iterator[Draft]:
    owners = {each.path: each for row in comparison.rows for each in row.installed if not each.is_foreign}
    natives: dict[str, list[Native]] = {}
    for native in _natives(comparison):
        natives.setdefault(native.distribution, []).append(native)
    for path, files in natives.items():
        telling = _telling(comparison, files) if path in owners else []
        if not telling:
            continue
        found, (native, reason) = owners[path], telling[0]
        more = f" (and {len(telling) - 1} more)" if len(telling) > 1 else ""
        yield Draft(
            message=f"{found.name} {found.version} holds a binary {reason}: {native.path}{more}",
            package=found.name,
            installed=(found.version,),
            path=native.path,
            layer=native.layer or found.layer,
        )


def _telling(comparison: Comparison, files: Sequence[Native]) -> list[tuple[Native, str]]:
    """Files that do not fit, with the reason.

    Some wheels carry helpers for several machines, so only modules to import tell, or all files together.
    """
    differences = [(native, reason) for native in files if (reason := _difference(comparison, native)) is not None]
    modules = [each for each in differences if _EXTENSION_MODULE.fullmatch(each[0].path)]
    return modules or (differences if len(differences) == len(files) else [])


def _difference(comparison: Comparison, native: Native) -> str | None:
    target, elf = comparison.target, native.elf
    machine = interpreter_tags.machine_name(elf.machine, elf.bits, elf.little_endian)
    wanted = _MACHINE_ALIASES.get(target.machine or "", target.machine)
    if machine is not None and wanted is not None and machine != wanted:
        return f"for {machine}, and the interpreter is for {target.machine}"
    family = _libc_family(native)
    if family is not None and target.libc is not None and family != target.libc.family:
        return f"for {family}, and the interpreter runs on {target.libc}"
    return None


def _libc_family(native: Native) -> str | None:
    """The C library that a file is linked with, from what it needs."""
    for library in native.elf.needed:
        if library.startswith(("libc.musl-", "ld-musl-")):
            return "musl"
        if library == "libc.so.6" or library.startswith("ld-linux"):
            return "glibc"
    return None


RULES = (
    Rule(
        code="NW301",
        slug="wheel-not-in-lock",
        severity=Severity.ERROR,
        summary="the installed build is none of the locked files",
        why="The version is right and the file is not: other compilers, options or bundled libraries.",
        evidence="the tags in WHEEL, and the names of the locked files",
        remedy="install with the lock's hashes enforced, so that no other file is taken",
        check=_not_in_lock,
    ),
    Rule(
        code="NW302",
        slug="built-from-source",
        severity=Severity.WARNING,
        summary="built on the spot; error when the lock has a wheel that fits the target",
        why="What a compiler makes of a source distribution depends on the machine that builds the image.",
        evidence="uv_build.json, a tag in WHEEL that package indexes do not accept, the compiler's name in the files",
        remedy="install the wheel (`--only-binary`), or build one once and lock it",
        check=_built_from_source,
    ),
    Rule(
        code="NW303",
        slug="unsupported-tag",
        severity=Severity.ERROR,
        summary="the interpreter in the image does not support the installed wheel's tags",
        why="It was installed for another Python or platform, and will not import or will crash.",
        evidence="the tags in WHEEL, and those that the image's interpreter supports",
        remedy="install with the interpreter that is going to run it, on the same base image",
        check=_unsupported_tag,
    ),
    Rule(
        code="NW304",
        slug="platform-mismatch",
        severity=Severity.ERROR,
        summary="a binary for another machine or C library",
        why="The dynamic loader refuses it, or it crashes where the two C libraries differ.",
        evidence="ELF headers of the installed files and of the interpreter",
        remedy="build and copy environments on the same platform and base image (glibc or musl) as the final stage",
        check=_platform_mismatch,
    ),
)
