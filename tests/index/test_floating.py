"""What floats in with locked packages, and that uv would bring in the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from driftscan.index.floating import Failure, Found, Start, Walk, parse_requirement
from driftscan.index.releases import Releases
from driftscan.index.transport import Limits, Web
from driftscan.model.floating import Floating
from driftscan.model.lock import PackageId
from driftscan.model.target import Target
from driftscan.platforms import target
from tests.builders.indexes import PackageIndex

LINUX = target("3.12", "x86_64-manylinux_2_28")
UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
_NO_PINS: Mapping[NormalizedName, str] = MappingProxyType({})


def walk(
    index: PackageIndex,
    *locked: str,
    place: Target = LINUX,
    pins: Mapping[NormalizedName, str] = _NO_PINS,
    known: Sequence[str] = (),
    exact: bool = True,
) -> Found:
    """The walk from these requirements; `known` are names of others that the lock has."""
    releases = Releases(Web([index.simple], Limits(pause=0.01)), [index.simple])
    starts = [_start(Requirement(text), releases) for text in locked]
    names = {start.package.name for start in starts} | set(map(canonicalize_name, known))
    return Walk(place, names, pins, is_exact=exact).run(starts)


def _start(requirement: Requirement, releases: Releases) -> Start:
    name = canonicalize_name(requirement.name)
    pin = str(requirement.specifier).removeprefix("==") if str(requirement.specifier).startswith("==") else None
    return Start(
        package=PackageId(name, pin),
        specifier=str(requirement.specifier) if pin is None else "",
        extras=frozenset(requirement.extras),
        hashes=frozenset(),
        chain=(str(name),),
        releases=releases,
    )


def told(found: Found) -> list[str]:
    return [f"{each.name} {each.newest} by {each.requirement} of {each.by}" for each in found.floating]


def failures(found: Found, index: PackageIndex) -> list[tuple[str, str]]:
    return [(failure.subject, failure.reason.replace(index.simple, "INDEX")) for failure in found.failures]


def test_a_chain(index: PackageIndex) -> None:
    index.release("shop", "1.0", "Flask[async] (>=2) ; python_version >= '3.8'")
    index.release("flask", "2.5", "asgiref; extra == 'async'", "unused; extra == 'other'", "shop")
    index.release("asgiref", "3.0")
    found = walk(index, "shop==1.0")
    start = PackageId(canonicalize_name("shop"), "1.0")
    assert found.floating == [
        Floating(
            name=canonicalize_name("flask"),
            requirement="Flask[async]>=2",
            by="shop 1.0",
            start=start,
            chain=("shop", "flask"),
            newest="2.5",
            is_conditional=True,
        ),
        Floating(
            name=canonicalize_name("asgiref"),
            requirement="asgiref",
            by="flask 2.5",
            start=start,
            chain=("shop", "flask", "asgiref"),
            newest="3.0",
            is_conditional=True,
        ),
    ]
    assert found.failures == {}


def test_markers_are_those_of_the_target(index: PackageIndex) -> None:
    index.release("shop", "1.0", "on-windows; sys_platform == 'win32'", "on-old; python_version < '3.9'")
    index.release("on_windows", "1.0")
    index.release("on_old", "1.0")
    assert told(walk(index, "shop==1.0")) == []
    assert told(walk(index, "shop==1.0", place=target("3.12", "windows"))) == [
        "on-windows 1.0 by on-windows of shop 1.0"
    ]
    assert told(walk(index, "shop==1.0", place=target("3.8", "linux"))) == ["on-old 1.0 by on-old of shop 1.0"]


def test_a_marker_that_the_target_leaves_open(index: PackageIndex) -> None:
    index.release("shop", "1.0", "six; platform_release == '5'")
    reason = 'the marker `platform_release == "5"` depends on what the target does not tell'
    assert failures(walk(index, "shop==1.0"), index) == [("shop 1.0", reason)]
    assert walk(index, "shop==1.0", exact=False) == Found()


def test_extras_that_are_asked_for_later(index: PackageIndex) -> None:
    """Both of a locked package and of one that floats, also by itself (`all = shop[a,b]`)."""
    index.release("shop", "1.0", "six; extra == 'a'", "shop[a]; extra == 'all'", "mid")
    index.release("mid", "1.0", "shop[all]", "deep")
    index.release("deep", "1.0", "mid[more]", "idna; extra == 'x'")
    index.release("six", "1.0")
    index.release("idna", "1.0")
    assert told(walk(index, "shop==1.0", "deep[x]==1.0")) == [
        "mid 1.0 by mid of shop 1.0",
        "idna 1.0 by idna of deep 1.0",
        "six 1.0 by six of shop 1.0",
    ]


def test_what_a_lock_names_is_not_followed_again(index: PackageIndex) -> None:
    index.release("shop", "1.0", "six>=9")
    assert walk(index, "shop==1.0", known=["six"]) == Found()


def test_a_floating_entry_of_the_lock(index: PackageIndex) -> None:
    index.release("shop", "1.0", "six")
    index.release("shop", "2.0", "idna")
    index.release("six", "1.0")
    assert told(walk(index, "shop<2")) == ["six 1.0 by six of shop 1.0"]


def test_pins_of_constraints(index: PackageIndex) -> None:
    """They are no finding, but what comes with them is."""
    index.release("shop", "1.0", "six")
    index.release("six", "1.0", "idna")
    index.release("six", "2.0", "other")
    index.release("idna", "1.0")
    found = walk(index, "shop==1.0", pins={canonicalize_name("six"): "1.0"})
    assert told(found) == ["idna 1.0 by idna of six 1.0"]
    assert found.floating[0].chain == ("shop", "six", "idna")


def test_all_requirements_of_one_level_count(index: PackageIndex) -> None:
    index.release("shop", "1.0", "six")
    index.release("other", "1.0", "six<2")
    index.release("six", "1.0")
    index.release("six", "2.0")
    assert told(walk(index, "shop==1.0", "other==1.0")) == ["six 1.0 by six of shop 1.0"]


def test_what_cannot_be_followed(index: PackageIndex) -> None:
    index.release("shop", "1.0", "gone", "six>9", "direct @ https://files.example/direct.whl", "a b", "idna; x == '1'")
    index.release("six", "1.0")
    found = walk(index, "shop==1.0")
    assert [each.newest for each in found.floating] == [None, None, None]
    assert failures(found, index) == [
        ("shop 1.0", "its requirement 'a b' cannot be read"),
        ("shop 1.0", "its requirement \"idna; x == '1'\" cannot be read"),
        ("gone", "INDEX/gone/: there is no project gone"),
        ("six", "INDEX/six/: there is no release of six that >9 and the target admit"),
        ("direct", "it comes from https://files.example/direct.whl, not from an index"),
    ]


def test_projects_without_end(index: PackageIndex) -> None:
    count = 1010
    index.release("a0", "1.0", *(f"a{number}" for number in range(1, count)))
    found = walk(index, "a0==1.0")
    assert len(found.floating) == 1000
    assert Failure("all that would float in", "there are more than 1000 projects") in found.failures


def test_extras_without_end(index: PackageIndex) -> None:
    index.release("shop", "1.0", *(f"shop[e{n + 1}]; extra == 'e{n}'" for n in reversed(range(2000))))
    found = walk(index, "shop[e0]==1.0")
    assert failures(found, index) == [("shop 1.0", "there are more than 1,000,000 requirements to look at")]


@pytest.mark.parametrize("line", ["", "a b", f"a=={'9' * 5000}", f"a; {'(' * 5000}", "a>=" + "1," * 5000, "é"])
def test_requirements_that_cannot_be_read(line: str) -> None:
    assert parse_requirement(line) is None


PROJECTS = {
    "plain": ["shop==1.0"],
    "extras": ["shop[web,all]==1.0"],
    "floating": ["shop", "tool<3"],
    "two": ["tool==2.0", "web[fast]>=1"],
}


@pytest.mark.skipif(UV is None, reason="uv is not here")
@pytest.mark.parametrize("case", PROJECTS)
@pytest.mark.parametrize(("python", "platform"), [("3.12", "linux"), ("3.9", "windows")])
def test_uv_brings_in_the_same(index: PackageIndex, tmp_path: Path, case: str, python: str, platform: str) -> None:
    entry = {"requires-python": ">=3.10"}
    index.release(
        "shop",
        "1.0",
        "Base.Lib>=1",
        "web[fast]; extra == 'web'",
        "shop[extra_one]; extra == 'all'",
        "one; extra == 'extra-one'",
        "colorama; sys_platform == 'win32'",
        "old; python_version<'3.10'",
    )
    index.release("base_lib", "1.0", "deep~=1.4")
    index.release("base_lib", "2.0", "deep~=1.4", "shop", "modern", entry=entry)
    index.release("deep", "1.4.1")
    index.release("deep", "1.9", tag="cp312-cp312-manylinux_2_17_x86_64")
    index.release("deep", "2.0")
    index.release("web", "1.0", "quick; extra == 'fast'", "tool>1")
    index.release("web", "1.1b1")
    index.release("quick", "0.1", entry={"yanked": True})
    index.release("quick", "0.0.9", "two; platform_machine == 'x86_64' or platform_machine == 'AMD64'")
    index.release("tool", "2.0", "one<3,!=1.5")
    index.release("tool", "3.0", "two")
    for name, versions in {
        "one": "1.0 1.5 3.0",
        "two": "1.0 1.0.post1",
        "colorama": "1.0",
        "old": "1.0",
        "modern": "1.0a1",
    }.items():
        for version in versions.split():
            index.release(name, version)
    locked = PROJECTS[case]
    found = walk(index, *locked, place=target(python, platform))
    assert found.failures == {}
    names = {canonicalize_name(Requirement(text).name) for text in locked}
    resolved = {name: pin for name, pin in uv(index, tmp_path, locked, python, platform).items() if name not in names}
    assert {each.name: each.newest for each in found.floating} == resolved


def uv(index: PackageIndex, folder: Path, lines: Sequence[str], python: str, platform: str) -> dict[str, str]:
    """What uv resolves the requirements to."""
    source = folder / "requirements.in"
    source.write_text("\n".join(lines))
    command = [str(UV), "pip", "compile", "--no-config", "--no-header", "--no-annotate", "--no-build", "--quiet"]
    options = ["--default-index", index.simple, "--python", sys.executable, "--python-version", python]
    platform_options = ["--python-platform", platform, "--cache-dir", str(folder / "cache"), str(source)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_"))}
    result = subprocess.run(
        [*command, *options, *platform_options], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    pins = map(Requirement, result.stdout.split())
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}
