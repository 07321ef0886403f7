"""Libraries are found as the dynamic loader finds them, and modules are told apart by what the interpreter accepts."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from driftscan.elf import ldcache
from driftscan.model.inventory import Environment, Library, Linkage, MissingVersion, Native
from tests.builders.installed import MUSL_LOADER, musl
from tests.builders.linked import API, LIBRARY, SITE, SUFFIX, library, module, package, python, taken
from tests.builders.rootfs import Content, Link, Removed


def native(environment: Environment, name: str) -> Native:
    return next(each for each in environment.natives if each.path.endswith(f"/{name}"))


def libraries(environment: Environment, name: str = f"x.{SUFFIX}") -> Sequence[Library]:
    linkage = native(environment, name).linkage
    assert linkage is not None
    return linkage.libraries


def places(found: Sequence[Library]) -> dict[str, str | None]:
    return {each.name: each.path for each in found}


def test_a_module_is_what_the_interpreter_accepts() -> None:
    names = {
        f"x.{SUFFIX}": True,
        "y.abi3.so": True,
        "z.so": True,
        "old.cpython-310-x86_64-linux-gnu.so": False,
        "pypy.pypy311-pp73-x86_64-linux-gnu.so": False,
    }
    found = taken(package({f"shop/{name}": module() for name in names} | {"shop/libdata.so": library()}))
    assert {each.path.rpartition("/")[2]: each.is_module for each in found.natives} == names | {"libdata.so": False}
    assert [each.linkage is not None for each in found.natives] == [each.is_module for each in found.natives]


def test_the_api_is_what_the_binary_and_libpython_export() -> None:
    whole = {"usr/local/bin/python3.11": python(exports=API)}
    assert taken(whole).interpreter.api == frozenset(API)
    shared = {
        "usr/local/bin/python3.11": python("libpython3.11.so.1.0", runpath="$ORIGIN/../lib", exports=("Py_Main",)),
        "usr/local/lib/libpython3.11.so.1.0": library(exports=API),
    }
    assert taken(shared).interpreter.api == frozenset(("Py_Main", *API))
    assert taken({"usr/local/bin/python3.11": python(exports=("Py_Main",))}).interpreter.api is None


CLOSURE = {"usr/lib/libz.so.1": library("libm.so.6"), f"{LIBRARY}/libm.so.6": library()}


def test_default_folders_and_what_libraries_need_in_turn() -> None:
    found = taken(CLOSURE, package({f"x.{SUFFIX}": module("libz.so.1", "libgone.so.2")}))
    x = f"{SITE}/x.{SUFFIX}"
    assert libraries(found) == (
        Library("libz.so.1", "/usr/lib/libz.so.1", x),
        Library("libgone.so.2", None, x),
        Library("libm.so.6", f"/{LIBRARY}/libm.so.6", "/usr/lib/libz.so.1"),
    )


def test_what_the_interpreter_has_loaded_is_not_looked_for() -> None:
    base = {"usr/local/bin/python3.11": python("libz.so.1"), **CLOSURE}
    assert libraries(taken(base, package({f"x.{SUFFIX}": module("libz.so.1", "libm.so.6")}))) == ()


@pytest.mark.parametrize(
    ("more", "env", "place"),
    [
        ({}, "", "/usr/lib/libq.so.1"),
        ({"runpath": "$ORIGIN/../shop.libs"}, "", f"{SITE}/shop.libs/libq.so.1"),
        ({"runpath": "${ORIGIN}/../shop.libs"}, "/opt/first", "/opt/first/libq.so.1"),
        ({"rpath": "$ORIGIN/../shop.libs"}, "/opt/first", f"{SITE}/shop.libs/libq.so.1"),
        ({"rpath": "/nowhere", "runpath": "$ORIGIN/../shop.libs"}, "", f"{SITE}/shop.libs/libq.so.1"),
        ({"rpath": "$ORIGIN/../shop.libs", "runpath": "/nowhere"}, "", "/usr/lib/libq.so.1"),
        ({"runpath": "relative:/opt/$LIB"}, "", "/opt/lib/x86_64-linux-gnu/libq.so.1"),
        ({}, "relative:/opt/first", "/opt/first/libq.so.1"),
    ],
)
def test_the_order_of_glibc(more: dict[str, str], env: str, place: str) -> None:
    files = dict.fromkeys(("usr/lib/libq.so.1", "opt/first/libq.so.1", "opt/lib/x86_64-linux-gnu/libq.so.1"), library())
    made = package({f"shop/x.{SUFFIX}": module("libq.so.1", **more), "shop.libs/libq.so.1": library()})
    found = taken(files, made, env={"LD_LIBRARY_PATH": env})
    assert places(libraries(found)) == {"libq.so.1": place}


def test_rpath_is_handed_down_and_runpath_is_not() -> None:
    inner = {"shop.libs/liba.so": library("libb.so"), "shop.libs/libb.so": library()}
    for kind, expected in (("rpath", f"{SITE}/shop.libs/libb.so"), ("runpath", None)):
        found = taken(package({f"x.{SUFFIX}": module("liba.so", **{kind: "$ORIGIN/shop.libs"}), **inner}))
        assert places(libraries(found))["libb.so"] == expected


def cache(*entries: tuple[str, str], old: bool = False) -> bytes:
    """As ldconfig writes it, on a little-endian machine; with the form of old in front."""
    table, strings = b"", b""
    start = 48 + 24 * len(entries)
    for name, path in entries:
        offsets = []
        for text in (name, path):
            offsets.append(start + len(strings))
            strings += text.encode() + b"\0"
        table += struct.pack("<iIIIQ", 0x303, *offsets, 0, 0)
    whole = b"glibc-ld.so.cache1.1" + struct.pack("<II", len(entries), len(strings)).ljust(28, b"\0") + table + strings
    return b"ld.so-1.7.0\0\0\0\0\0" + whole if old else whole


@pytest.mark.parametrize("old", [False, True])
def test_the_cache_of_the_loader(old: bool) -> None:
    entries = (("libq.so.1", "/opt/cuda/lib64/libq.so.1"), ("libr.so", "/opt/gone/libr.so"))
    assert list(ldcache.read(cache(*entries, old=old))) == list(entries)
    files = {"etc/ld.so.cache": cache(*entries, old=old), "opt/cuda/lib64/libq.so.1": library()}
    found = taken(files, package({f"x.{SUFFIX}": module("libq.so.1", "libr.so")}))
    assert places(libraries(found)) == {"libq.so.1": "/opt/cuda/lib64/libq.so.1", "libr.so": None}


@pytest.mark.parametrize("data", [b"", b"nothing", cache(("a", "/b"))[:40], cache(("a", "/b"))[:-30]])
def test_a_cache_that_is_none(data: bytes) -> None:
    assert list(ldcache.read(data)) == []


def test_a_library_for_another_machine_is_passed_over() -> None:
    files = {"opt/first/libq.so.1": library(machine=183), "usr/lib/libq.so.1": library()}
    found = taken(files, package({f"x.{SUFFIX}": module("libq.so.1")}), env={"LD_LIBRARY_PATH": "/opt/first"})
    assert places(libraries(found)) == {"libq.so.1": "/usr/lib/libq.so.1"}


def test_versions_that_a_library_does_not_define() -> None:
    needs = (("libq.so.1", (("Q_1", False), ("Q_2", False), ("Q_3", True))), ("libfree.so", (("ANY", False),)))
    files = {"usr/lib/libq.so.1": library(definitions=("Q_1",)), "usr/lib/libfree.so": library()}
    found = taken(files, package({f"x.{SUFFIX}": module("libq.so.1", "libfree.so", versions=needs)}))
    linkage = native(found, f"x.{SUFFIX}").linkage
    assert linkage is not None
    assert linkage.missing_versions == (MissingVersion("libq.so.1", "/usr/lib/libq.so.1", "Q_2", f"{SITE}/x.{SUFFIX}"),)


def test_the_layer_that_took_a_library_away() -> None:
    files: dict[str, Content] = {
        "usr/lib/libq.so.1": Link("libq.so.1.2"),
        "usr/lib/libq.so.1.2": library(),
        "usr/lib/libr.so": library(),
    }
    gone = {"usr/lib/libq.so.1.2": Removed(), "usr/lib/libr.so": Removed()}
    found = taken(files, package({f"x.{SUFFIX}": module("libq.so.1", "libr.so", "libs.so")}), gone)
    assert {each.name: each.removed_by and each.removed_by.index for each in libraries(found)} == {
        "libq.so.1": 4,
        "libr.so": 4,
        "libs.so": None,
    }


def test_the_layer_that_took_away_what_a_path_with_dots_leads_to() -> None:
    files = {f"shop/x.{SUFFIX}": module("libq.so.1", runpath="$ORIGIN/../shop.libs"), "shop.libs/libq.so.1": library()}
    found = taken(package(files), {f"{SITE}/shop.libs/libq.so.1": Removed()})
    (gone,) = libraries(found, f"shop/x.{SUFFIX}")
    assert gone.removed_by is not None
    assert gone.removed_by.index == 3


def test_what_the_interpreter_itself_needs() -> None:
    needs = (("libm.so.6", (("GLIBC_2.29", False),)),)
    own: dict[str, Content] = {
        "usr/local/bin/python3.11": python("libc.so.6", "libm.so.6", versions=needs),
        f"{LIBRARY}/libm.so.6": library(definitions=("GLIBC_2.17",)),
    }
    executable = "/usr/local/bin/python3.11"
    assert taken(own).interpreter.linkage == Linkage(
        libraries=(
            Library("libc.so.6", f"/{LIBRARY}/libc.so.6", executable),
            Library("libm.so.6", f"/{LIBRARY}/libm.so.6", executable),
        ),
        missing_versions=(MissingVersion("libm.so.6", f"/{LIBRARY}/libm.so.6", "GLIBC_2.29", executable),),
    )


def test_an_interpreter_that_cannot_start_leaves_its_modules_open() -> None:
    own = {"usr/local/bin/python3.11": python("libc.so.6", "libgone.so.1")}
    found = taken(own, package({f"x.{SUFFIX}": module("libq.so")}))
    assert native(found, f"x.{SUFFIX}").linkage is None
    assert found.interpreter.linkage is not None
    assert places(found.interpreter.linkage.libraries)["libgone.so.1"] is None
    assert [(each.what, each.why) for each in found.unchecked] == [
        (
            "whether the compiled modules of /opt/venv find their libraries",
            "libgone.so.1, which its own Python needs, is not in the image",
        )
    ]


def test_an_image_without_the_c_library_of_its_own_python_tells_nothing() -> None:
    own = {"usr/local/bin/python3.11": python("libc.so.6")}
    found = taken(own, package({f"x.{SUFFIX}": module("libq.so")}), base={})
    assert native(found, f"x.{SUFFIX}").linkage is None
    assert found.interpreter.linkage is None
    assert [(each.what, each.why) for each in found.unchecked if "modules" in each.what] == [
        (
            "whether the compiled modules of /opt/venv find their libraries",
            "libc.so.6, which its own Python needs, is not in the image: this is no whole root filesystem",
        )
    ]


def test_musl_has_an_order_of_its_own() -> None:
    base: dict[str, Content] = {
        **musl(),
        "usr/local/bin/python3.11": python("libc.musl-x86_64.so.1", loader=MUSL_LOADER),
    }
    files: dict[str, Content] = {
        "usr/local/bin/python3.11": python("libc.musl-x86_64.so.1", loader=MUSL_LOADER),
        "usr/lib/liba.so": library("libb.so"),
        "usr/local/lib/libc2.so": library(),
        "opt/own/libd.so": library(),
    }
    made = package(
        {
            f"x.{SUFFIX}": module("liba.so", "libc2.so", "libpthread.so.0", runpath="$ORIGIN/shop.libs"),
            f"y.{SUFFIX}": module("libd.so"),
            "shop.libs/libb.so": library(),
        }
    )
    found = taken(files, made, base=base)
    assert places(libraries(found)) == {
        "liba.so": "/usr/lib/liba.so",
        "libc2.so": "/usr/local/lib/libc2.so",
        "libpthread.so.0": "/lib/ld-musl-x86_64.so.1",
        "libb.so": f"{SITE}/shop.libs/libb.so",
    }
    assert places(libraries(found, f"y.{SUFFIX}")) == {"libd.so": None}
    named = {"etc/ld-musl-x86_64.path": "/opt/own\n"}
    assert places(libraries(taken(files, made, named, base=base), f"y.{SUFFIX}")) == {"libd.so": "/opt/own/libd.so"}
