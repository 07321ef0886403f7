"""NW301 to NW304: wheels and binaries against the lock and the interpreter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driftscan import tags
from driftscan.finding import Severity
from driftscan.model.image import ElfFacts
from driftscan.model.inventory import DirectUrl, Distribution, Native, WheelFacts
from driftscan.model.lock import Origin, OriginKind
from driftscan.model.target import Libc, Target
from tests.builders.comparisons import (
    INSTALL,
    SITE,
    TARGET,
    UPGRADE,
    compared,
    elf,
    environment,
    files,
    findings,
    installed,
    lock,
    locked,
    messages,
    native,
    wheel_facts,
)

MANYLINUX = "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"
NEWER = "cp311-cp311-manylinux_2_28_x86_64"
LOCAL = "cp311-cp311-linux_x86_64"
PURE = "py3-none-any"
OLD_PYTHON = "cp36-cp36m-manylinux_2_17_x86_64"
LOCAL_TAG = "its WHEEL carries the tag linux_x86_64, which package indexes do not accept"
UV_BUILD = "uv left uv_build.json, the settings that it was built with"

MUSL = Libc("musl", (1, 2))
ALPINE = replace(
    TARGET,
    libc=MUSL,
    tags=tags.cpython((3, 11), tags.platforms("x86_64", MUSL), gil_disabled=False, debug=False),
)


def named(*tag_sets: str, sdist: bool = False) -> list[str]:
    return [*(f"shop-1.0-{tag_set}.whl" for tag_set in tag_sets), *(["shop-1.0.tar.gz"] if sdist else [])]


def told(
    rule: str, names: list[str], found: Distribution, *natives: Native, target: Target = TARGET
) -> list[tuple[Severity, str]]:
    """What a rule says where `names` are locked and `found` is installed."""
    package = locked("shop", "1.0", files(*names)) if names else locked("shop")
    comparison = compared(lock(package), environment(found, natives=natives, target=target))
    return [(finding.severity, finding.message) for finding in findings(rule, comparison)]


@pytest.mark.parametrize(
    ("names", "wheel"),
    [
        (named(MANYLINUX), wheel_facts(MANYLINUX)),
        (named(NEWER, MANYLINUX, PURE), wheel_facts(PURE)),
        (named("py2.py3-none-any"), wheel_facts("py2-none-any", "py3-none-any")),
        (named("2-" + MANYLINUX), wheel_facts(MANYLINUX, build="2")),
        (named("1_a-" + PURE), wheel_facts(PURE, build="1_a")),
        (named(sdist=True), wheel_facts(PURE)),
        (named("cp312-cp312-manylinux_2_17_x86_64", sdist=True), wheel_facts(PURE)),
        ([], wheel_facts(MANYLINUX)),
        (named("odd", MANYLINUX), wheel_facts(NEWER)),
    ],
)
def test_the_build_is_a_locked_one_or_nothing_tells(names: list[str], wheel: WheelFacts) -> None:
    assert told("NW301", names, installed("shop", wheel=wheel)) == []


@pytest.mark.parametrize(
    ("names", "wheel", "message"),
    [
        (
            named(MANYLINUX),
            wheel_facts(NEWER),
            f"shop 1.0 was made as a wheel for {NEWER}, the lock only has shop-1.0-{MANYLINUX}.whl",
        ),
        (
            named("2-" + PURE),
            wheel_facts(PURE, build="3"),
            f"shop 1.0 was made as a wheel for {PURE}, build 3, the lock only has shop-1.0-2-{PURE}.whl",
        ),
        (
            named(PURE),
            wheel_facts(NEWER),
            f"shop 1.0 was made as a wheel for {NEWER}, the lock only has shop-1.0-{PURE}.whl",
        ),
    ],
)
def test_the_build_is_none_of_the_locked_files(names: list[str], wheel: WheelFacts, message: str) -> None:
    assert told("NW301", names, installed("shop", wheel=wheel)) == [(Severity.ERROR, message)]


def test_of_many_locked_files_those_are_named_that_fit() -> None:
    others = [f"cp3{number}-cp3{number}-{platform}" for number in (10, 11) for platform in ("win32", "win_amd64")]
    ((_, message),) = told("NW301", named(*others, MANYLINUX), installed("shop", wheel=wheel_facts(NEWER)))
    assert message == (
        f"shop 1.0 was made as a wheel for {NEWER}, the lock only has shop-1.0-{MANYLINUX}.whl and 4 more"
    )


@pytest.mark.parametrize(
    ("locked_as", "wheel"),
    [(MANYLINUX, wheel_facts(LOCAL)), (MANYLINUX, wheel_facts("cp311-cp311-manylinux2014_x86_64"))],
    ids=["a general platform", "one of two platforms"],
)
def test_a_wheel_that_may_have_been_renamed_is_only_mentioned(locked_as: str, wheel: WheelFacts) -> None:
    ((severity, message),) = told("NW301", named(locked_as), installed("shop", wheel=wheel))
    assert severity is Severity.INFO
    assert message.endswith("; it may be one of these under another name")


def test_a_pure_build_where_a_compiled_one_is_locked_is_doubtful() -> None:
    found = installed("shop")
    names = named(MANYLINUX, sdist=True)
    ((severity, message),) = told("NW301", names, found)
    assert severity is Severity.WARNING
    assert message == (
        "shop 1.0 was made as a wheel for py3-none-any, the lock has "
        f"shop-1.0-{MANYLINUX}.whl; it may be one of these under another name"
    )
    # A pure wheel that holds machine code cannot be what it says, so its name tells nothing.
    ((severity, _),) = told("NW301", names, found, native(found, "shop/driver", elf()))
    assert severity is Severity.INFO


@pytest.mark.parametrize(
    "found",
    [
        installed("shop", wheel=wheel_facts(NEWER), owner="python3-shop"),
        installed("shop", wheel=wheel_facts(NEWER), direct_url=DirectUrl("file:///src", "dir")),
        installed("shop", "2.0", wheel=wheel_facts(NEWER)),
        installed("shop", wheel=wheel_facts(LOCAL), built_on_the_spot=LOCAL_TAG),
        installed("shop", wheel=wheel_facts(OLD_PYTHON)),
        installed("shop", wheel=WheelFacts(frozenset())),
    ],
    ids=["the system's", "of another source", "another version", "built here", "unsupported", "without tags"],
)
def test_builds_that_other_rules_are_about(found: Distribution) -> None:
    assert told("NW301", named(MANYLINUX), found) == []


def test_files_of_a_url_are_compared_by_hash_alone() -> None:
    package = locked("shop", "1.0", files(*named(MANYLINUX)), origin=Origin(OriginKind.URL, "https://files.example/"))
    assert findings("NW301", compared(lock(package), environment(installed("shop", wheel=wheel_facts(NEWER))))) == []


def test_a_downloaded_wheel_was_not_built_here() -> None:
    assert told("NW302", named(MANYLINUX), installed("shop", wheel=wheel_facts(MANYLINUX))) == []


def built(why: str, tag: str = LOCAL) -> Distribution:
    return installed("shop", wheel=wheel_facts(tag), built_on_the_spot=why)


@pytest.mark.parametrize(
    ("names", "found", "severity", "message"),
    [
        (named(MANYLINUX, sdist=True), built(UV_BUILD), Severity.ERROR, f"shop 1.0 was built on the spot: {UV_BUILD}"),
        (named(sdist=True), built(UV_BUILD), Severity.WARNING, f"shop 1.0 was built on the spot: {UV_BUILD}"),
        ([], built(UV_BUILD), Severity.WARNING, f"shop 1.0 was built on the spot: {UV_BUILD}"),
        (named(sdist=True), built(LOCAL_TAG), Severity.WARNING, f"shop 1.0 was built on the spot: {LOCAL_TAG}"),
        (named(PURE, sdist=True), built(LOCAL_TAG), Severity.ERROR, f"shop 1.0 was built on the spot: {LOCAL_TAG}"),
        (
            named(MANYLINUX, sdist=True),
            built(LOCAL_TAG),
            Severity.INFO,
            f"shop 1.0 may have been built on the spot: {LOCAL_TAG}",
        ),
        ([], built(LOCAL_TAG), Severity.INFO, f"shop 1.0 may have been built on the spot: {LOCAL_TAG}"),
    ],
)
def test_built_on_the_spot(names: list[str], found: Distribution, severity: Severity, message: str) -> None:
    assert told("NW302", names, found) == [(severity, message)]


@pytest.mark.parametrize(
    ("names", "severity"), [(named(MANYLINUX), Severity.ERROR), ([], Severity.WARNING)], ids=["a wheel", "only hashes"]
)
def test_the_compiler_tells_that_it_was_built_on_the_spot(names: list[str], severity: Severity) -> None:
    found = built(LOCAL_TAG)
    debian = native(found, "shop/_c.so", elf()._replace(strings=("-march=x86-64", "GCC: (Debian")))
    neutral = native(found, "shop/_d.so", elf())
    assert told("NW302", names, found, neutral, debian) == [
        (severity, f"shop 1.0 was built on the spot: {LOCAL_TAG}, and the compiler was that of Debian")
    ]
    # Of two compilers one may be that of a library that was only copied.
    ubuntu = native(found, "shop/_e.so", elf()._replace(strings=("GCC: (Ubuntu",)))
    assert told("NW302", names, found, ubuntu, debian) == [
        (Severity.INFO, f"shop 1.0 may have been built on the spot: {LOCAL_TAG}")
    ]


def test_the_way_out_is_the_locked_wheel() -> None:
    comparison = compared(lock(locked("shop", "1.0", files(*named(PURE)))), environment(built(UV_BUILD)))
    (finding,) = findings("NW302", comparison)
    assert finding.hint == "install shop-1.0-py3-none-any.whl, which the lock has"
    assert (finding.layer, finding.chain) == (INSTALL, ("shop",))


@pytest.mark.parametrize("tag", [MANYLINUX, NEWER, LOCAL, PURE, "cp38-abi3-manylinux_2_17_x86_64"])
def test_tags_that_the_interpreter_supports(tag: str) -> None:
    assert told("NW303", [], installed("shop", wheel=wheel_facts(tag))) == []


@pytest.mark.parametrize(
    "tag",
    ["cp311-cp311-musllinux_1_2_x86_64", "cp311-cp311-manylinux_2_17_aarch64", "cp311-cp311-manylinux_2_39_x86_64"],
    ids=["another C library", "another machine", "a newer C library"],
)
def test_a_wheel_for_another_platform(tag: str) -> None:
    assert told("NW303", [], installed("shop", wheel=wheel_facts(tag))) == [
        (
            Severity.ERROR,
            f"shop 1.0 was made as a wheel for {tag}, which Python 3.11.2 on x86_64 glibc 2.36 does not support",
        )
    ]


def test_a_wheel_for_another_python() -> None:
    found = installed("shop", wheel=wheel_facts(OLD_PYTHON))
    said = f"shop 1.0 was made as a wheel for {OLD_PYTHON}, which Python 3.11.2 on x86_64 glibc 2.36 does not support"
    module = native(found, "shop/_c.cpython-36m-x86_64-linux-gnu.so", elf())
    assert told("NW303", named(MANYLINUX), found, module) == [(Severity.ERROR, said)]
    assert told("NW303", named(OLD_PYTHON), found) == [(Severity.ERROR, said)]
    # Some wheels say an old Python inside, and are named for every Python on the index.
    library = native(found, "shop/libshop.so", elf())
    doubtful = [(Severity.INFO, f"{said}; nothing in it is bound to that")]
    assert told("NW303", named("py3-none-manylinux_2_17_x86_64"), found, library) == doubtful


def test_unknown_tags_are_not_judged() -> None:
    found = installed("shop", wheel=wheel_facts(OLD_PYTHON))
    assert told("NW303", [], found, target=replace(TARGET, tags=None)) == []


def test_the_system_s_own_wheels_are_its_business() -> None:
    assert told("NW303", [], installed("shop", wheel=wheel_facts(OLD_PYTHON), owner="python3-shop")) == []


SHOP = installed("shop", wheel=wheel_facts(MANYLINUX), layer=INSTALL)
MODULE = "shop/_c.cpython-311-x86_64-linux-gnu.so"
PPC64LE = replace(TARGET, machine="ppc64le")


@pytest.mark.parametrize(
    ("facts", "target"),
    [
        (elf(62, "libc.so.6"), TARGET),
        (elf(62, "libm.so.6"), ALPINE),
        (elf(62, "libc.musl-x86_64.so.1"), ALPINE),
        (elf(21), PPC64LE),
        (elf(0x9999), TARGET),
        (elf(183), replace(TARGET, machine=None)),
        (elf(62, "libc.musl-x86_64.so.1"), replace(TARGET, libc=None)),
        (elf(3, bits=32), replace(TARGET, machine="i586")),
    ],
    ids=["same", "no C library", "musl", "ppc64le", "unknown to us", "unknown machine", "unknown libc", "i586"],
)
def test_binaries_that_fit_or_cannot_be_judged(facts: ElfFacts, target: Target) -> None:
    assert told("NW304", [], SHOP, native(SHOP, MODULE, facts), target=target) == []


@pytest.mark.parametrize(
    ("facts", "target", "reason"),
    [
        (elf(183), TARGET, "for aarch64, and the interpreter is for x86_64"),
        (elf(3, bits=32), TARGET, "for i686, and the interpreter is for x86_64"),
        (elf(21, little_endian=False), PPC64LE, "for ppc64, and the interpreter is for ppc64le"),
        (elf(62, "libc.musl-x86_64.so.1"), TARGET, "for musl, and the interpreter runs on glibc 2.36"),
        (elf(62, "libc.so.6"), ALPINE, "for glibc, and the interpreter runs on musl 1.2"),
        (elf(62, "ld-linux-x86-64.so.2"), ALPINE, "for glibc, and the interpreter runs on musl 1.2"),
    ],
)
def test_binaries_for_another_platform(facts: ElfFacts, target: Target, reason: str) -> None:
    place = environment(SHOP, natives=(native(SHOP, MODULE, facts),), target=target)
    (finding,) = findings("NW304", compared(lock(locked("shop")), place))
    assert finding.message == f"shop 1.0 holds a binary {reason}: {SITE}/{MODULE}"
    assert finding.severity is Severity.ERROR
    assert (finding.package, finding.path, finding.layer) == ("shop", f"{SITE}/{MODULE}", UPGRADE)


def test_many_binaries_are_one_finding() -> None:
    natives = tuple(native(SHOP, f"shop/_{name}.abi3.so", elf(183)) for name in "abc")
    comparison = compared(lock(locked("shop")), environment(SHOP, natives=natives))
    assert messages("NW304", comparison) == [
        f"shop 1.0 holds a binary for aarch64, and the interpreter is for x86_64: {SITE}/shop/_a.abi3.so (and 2 more)"
    ]


def test_helpers_for_other_machines_beside_fitting_modules_are_fine() -> None:
    helper = native(SHOP, "shop/bin/helper-arm64", elf(183))
    module = native(SHOP, MODULE, elf())
    assert told("NW304", [], SHOP, module, helper) == []
    assert len(told("NW304", [], SHOP, helper)) == 1


def test_unknown_platforms_of_compiled_files_are_said_once() -> None:
    place = environment(SHOP, natives=(native(SHOP, MODULE, elf()),) * 3, target=replace(TARGET, libc=None))
    assert [item.what for item in compared(lock(locked("shop")), place).unchecked] == [
        "whether the compiled files of /opt/venv fit its machine and C library"
    ]
