"""NW3xx: compiled wheels against the lock and against the interpreter that is to import them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.tags import Tag
from packaging.utils import BuildTag

from driftscan.compare import Comparison, Row
from driftscan.finding import Severity
from driftscan.model.inventory import Distribution, Native
from driftscan.model.lock import OriginKind, Package
from driftscan.rules.rule import Draft, Rule, by_layer, chain, is_foreign, listed, location, versions
from driftscan.rules.wheels import Wheel, has_sdist, wheels, wheels_that_fit

_MACHINES = {
    3: "i686",
    8: "mips",
    20: "ppc",
    21: "ppc64le",
    22: "s390x",
    40: "armv7l",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
"""ELF e_machine to the name that `platform.machine()` has for it."""
_MACHINE_ALIASES = {"i386": "i686", "i586": "i686", "armv8l": "armv7l", "armv6l": "armv7l", "arm": "armv7l"}
_EXTENSION_MODULE = re.compile(r".*\.(?:cpython-[^/]+|abi3|pypy[^/]+)\.so")
_BUILD = re.compile(r"(\d+)(.*)", re.DOTALL)


def _indexed(comparison: Comparison) -> Iterator[tuple[Row, Package, Distribution]]:
    """Projects installed as locked, from an index, by a Python installer."""
    for row in comparison.rows:
        if not row.matches or is_foreign(row.installed[0]):
            continue
        package = row.locked[0]
        if package.id.origin.kind is OriginKind.INDEX:
            yield row, package, row.installed[0]


def _not_in_lock(comparison: Comparison) -> Iterator[Draft]:
    for row, package, found in _indexed(comparison):
        facts = found.wheel
        locked = [wheel for each in row.locked for wheel in wheels(each)]
        if facts is None or not locked or found.built_on_the_spot or found.direct_url is not None:
            continue
        build = _build_tag(facts.build)
        if any(wheel.tags == facts.tags and wheel.build == build for wheel in locked):
            continue
        if _could_be(facts.tags, locked) or (not _is_platform_specific(facts.tags) and _has_sdist(row)):
            continue
        yield Draft(
            message=f"{row.name} {found.version} was installed from a wheel for {_shown(facts.tags)}, "
            f"and the lock has only {listed([wheel.filename for wheel in locked])}",
            package=row.name,
            locked=versions((package,)),
            installed=(found.version,),
            path=found.path,
            layer=found.layer,
            chain=chain(comparison, package.id),
            location=location(comparison, package),
        )


def _has_sdist(row: Row) -> bool:
    """A pure-Python wheel that was built from a locked sdist cannot be told from one that was downloaded."""
    return any(has_sdist(package) for package in row.locked)


def _build_tag(text: str) -> BuildTag:
    match = _BUILD.fullmatch(text)
    return (int(match[1]), match[2]) if match else ()


def _could_be(tags: frozenset[Tag], locked: list[Wheel]) -> bool:
    """Whether the only difference is how the platform is called.

    Some projects rename a wheel for the index after it was built, so that WHEEL inside still says something broader
    or older (torch says `linux_x86_64`); that cannot be told from another file.
    """
    own = {(tag.interpreter, tag.abi, _plain_platform(tag.platform)) for tag in tags}
    for wheel in locked:
        theirs = {(tag.interpreter, tag.abi, _plain_platform(tag.platform)) for tag in wheel.tags}
        if own & theirs:
            return True
    return False


def _plain_platform(platform: str) -> str:
    """`manylinux_2_17_x86_64` and `linux_x86_64` to `linux_x86_64`; musllinux stays apart."""
    if platform.startswith("manylinux"):
        return re.sub(r"manylinux(?:\d+|_\d+_\d+)_", "linux_", platform)
    return platform


def _is_platform_specific(tags: frozenset[Tag]) -> bool:
    return any(tag.platform != "any" for tag in tags)


def _shown(tags: frozenset[Tag]) -> str:
    return listed(sorted(map(str, tags)), most=2)


def _built_from_source(comparison: Comparison) -> Iterator[Draft]:
    for row, package, found in _indexed(comparison):
        reason = found.built_on_the_spot
        if reason is None:
            continue
        fitting = [wheel for each in row.locked for wheel in wheels_that_fit(comparison, each)]
        sure = "uv_build.json" in reason
        if fitting and not sure and found.wheel is not None and _could_be(found.wheel.tags, fitting):
            # A wheel renamed for the index looks the same; only the bytes could tell.
            message = f"{row.name} {found.version} may have been built on the spot: {reason}"
            severity = Severity.INFO
        else:
            message = f"{row.name} {found.version} was built on the spot: {reason}"
            severity = Severity.ERROR if fitting else Severity.WARNING
        instead = f"the lock has {fitting[0].filename}" if fitting else None
        source = f"{by_layer(found.layer)} built it" if found.layer else None
        yield Draft(
            message=message,
            severity=severity,
            package=row.name,
            locked=versions((package,)),
            installed=(found.version,),
            path=found.path,
            layer=found.layer,
            chain=chain(comparison, package.id),
            location=location(comparison, package),
            hint="; ".join(part for part in (source, instead) if part) or None,
        )


def _unsupported_tag(comparison: Comparison) -> Iterator[Draft]:
    if comparison.target.tags is None:
        return
    supported = frozenset(comparison.target.tags)
    for row in comparison.rows:
        for found in row.installed:
            if found.wheel is None or not found.wheel.tags or is_foreign(found):
                continue
            if supported.isdisjoint(found.wheel.tags):
                yield Draft(
                    message=f"{row.name} {found.version} was installed from a wheel for {_shown(found.wheel.tags)}, "
                    f"which {_interpreter(comparison)} does not support",
                    package=row.name,
                    locked=versions(row.locked),
                    installed=(found.version,),
                    path=found.path,
                    layer=found.layer,
                    chain=chain(comparison, row.locked[0].id) if row.locked else (),
                )


def _interpreter(comparison: Comparison) -> str:
    target = comparison.target
    platform = " ".join(str(part) for part in (target.machine, target.libc) if part)
    return f"Python {target.python_version} on {platform}"


def _platform_mismatch(comparison: Comparison) -> Iterator[Draft]:
    environment = comparison.environment
    if environment is None:
        return
    owners = {each.path: each for row in comparison.rows for each in row.installed}
    natives: dict[str, list[Native]] = {}
    for native in environment.natives:
        natives.setdefault(native.distribution, []).append(native)
    for path, files in natives.items():
        found = owners.get(path)
        if found is None or is_foreign(found):
            continue
        differences = [(native, reason) for native in files if (reason := _difference(comparison, native))]
        # Some wheels carry helpers for several machines; only modules to import, or all files together, tell.
        modules = [each for each in differences if _EXTENSION_MODULE.fullmatch(each[0].path)]
        telling = modules or (differences if len(differences) == len(files) else [])
        if telling:
            native, reason = telling[0]
            more = f" (and {len(telling) - 1} more)" if len(telling) > 1 else ""
            yield Draft(
                message=f"{found.name} {found.version} holds a binary {reason}: {native.path}{more}",
                package=found.name,
                installed=(found.version,),
                path=native.path,
                layer=native.layer or found.layer,
            )


def _difference(comparison: Comparison, native: Native) -> str | None:
    target = comparison.target
    machine = _MACHINES.get(native.elf.machine)
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
        remedy="install with the lock's hashes enforced, so that no other file is taken",
        check=_not_in_lock,
    ),
    Rule(
        code="NW302",
        slug="built-from-source",
        severity=Severity.WARNING,
        summary="built on the spot; error when the lock has a wheel that fits the target",
        why="What a compiler makes of a source distribution depends on the machine that builds the image.",
        remedy="install the wheel (`--only-binary`), or build one once and lock it",
        check=_built_from_source,
    ),
    Rule(
        code="NW303",
        slug="unsupported-tag",
        severity=Severity.ERROR,
        summary="the interpreter in the image does not support the installed wheel's tags",
        why="It was installed for another Python or platform, and will not import or will crash.",
        remedy="install with the interpreter that is going to run it, on the same base image",
        check=_unsupported_tag,
    ),
    Rule(
        code="NW304",
        slug="platform-mismatch",
        severity=Severity.ERROR,
        summary="a binary for another machine or C library",
        why="The dynamic loader refuses it, or it crashes where the two C libraries differ.",
        remedy="build and copy environments on the same platform and base image (glibc or musl) as the final stage",
        check=_platform_mismatch,
    ),
)
