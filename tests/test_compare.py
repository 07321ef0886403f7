"""The join of a selection with an environment, and what has to hold of it whatever the two are."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import NormalizedName

from driftscan.compare import Comparison, Row
from driftscan.finding import Finding, Severity
from driftscan.model.inventory import CondaPackage, DirectUrl, Distribution, DistributionForm, Inventory
from driftscan.model.lock import Hash, Lock, Origin, OriginKind, Package, Unchecked
from driftscan.rules import run
from tests.builders.comparisons import (
    SHA256,
    TARGET,
    DistributionFields,
    compared,
    conda_installed,
    conda_locked,
    environment,
    files,
    installed,
    lock,
    locked,
    wheel_facts,
)

COMMIT = "0" * 40


def test_rows_pair_all_that_is_locked_with_all_that_is_installed() -> None:
    old, new = installed("idna", "3.5"), installed("idna", "3.6")
    idna, six = locked("idna", "3.6"), locked("six")
    comparison = compared(lock(six, idna), environment(new, installed("toolz"), old))
    assert comparison.rows == (
        Row(name=idna.id.name, locked=(idna,), installed=(new, old)),
        Row(name=six.id.name, locked=(six,)),
        Row(name=installed("toolz").name, installed=(installed("toolz"),)),
    )


def test_names_are_compared_normalised() -> None:
    (row,) = compared(lock(locked("Ruamel.YAML")), environment(installed("ruamel_yaml"))).rows
    assert row.matches


def test_projects_without_code_of_their_own_have_no_row() -> None:
    virtual = locked("tools", None, (), origin=Origin(OriginKind.VIRTUAL, "."), is_member=True)
    assert compared(lock(virtual), environment()).rows == ()


def test_a_conda_package_that_is_a_python_project_is_one_thing() -> None:
    numpy = installed("numpy", "2.0", conda_name="numpy")
    place = environment(numpy, conda=(conda_installed("numpy", "2.0"), conda_installed("zlib")))
    comparison = compared(lock(conda_locked("numpy", "2.0"), conda_locked("zlib")), place)
    assert comparison.rows == ()
    assert [(row.name, row.matches) for row in comparison.conda_rows] == [("numpy", True), ("zlib", True)]
    assert (comparison.locked, comparison.installed, comparison.matching) == (2, 2, 2)


def test_without_a_conda_lock_conda_s_python_projects_count_as_such() -> None:
    numpy = installed("numpy", "2.0", conda_name="numpy")
    place = environment(numpy, conda=(conda_installed("numpy", "2.0"), conda_installed("zlib")))
    comparison = compared(lock(locked("numpy", "2.0")), place)
    assert comparison.conda_rows == ()
    assert (comparison.locked, comparison.installed, comparison.matching) == (1, 1, 1)


def test_a_conda_lock_and_a_lock_of_pip_stand_side_by_side() -> None:
    place = environment(installed("numpy", conda_name="numpy"), installed("six"), conda=(conda_installed("numpy"),))
    comparison = compared([lock(conda_locked("numpy")), lock(locked("six"), path="pip.txt")], place)
    assert [row.name for row in comparison.rows] == ["six"]
    assert [row.name for row in comparison.conda_rows] == ["numpy"]
    assert (comparison.locked, comparison.installed, comparison.matching) == (2, 2, 2)


def test_conda_does_not_normalise_names() -> None:
    names = ("ruamel.yaml", "ruamel_yaml", "_libgcc_mutex")
    place = environment(conda=tuple(conda_installed(name, f"{at}.0") for at, name in enumerate(names)))
    comparison = compared(
        lock(*(conda_locked(name, f"{at}.0", "py_0", SHA256) for at, name in enumerate(names))), place
    )
    assert [row.name for row in comparison.conda_rows] == sorted(names)
    assert (comparison.locked, comparison.installed, comparison.matching) == (3, 3, 3)
    assert run(comparison) == ()


def test_what_is_counted() -> None:
    own = locked("shop", None, (), origin=Origin(OriginKind.EDITABLE, "."), is_member=True)
    place = environment(
        installed("shop"),
        installed("idna", "3.7"),
        installed("six"),
        installed("pip", "24.0"),
        installed("pyyaml", owner="python3-yaml"),
        installed("attrs", owner="python3-attr"),
    )
    comparison = compared(lock(own, locked("idna", "3.6"), locked("six"), locked("attrs"), locked("absent")), place)
    # Not the project itself.
    assert comparison.locked == 4
    # Installers and the project too; of the operating system's packages only what is locked.
    assert comparison.installed == 5
    assert comparison.matching == 2


def test_a_lock_alone_has_nothing_installed() -> None:
    comparison = compared(lock(locked("six")), None)
    assert (comparison.environment, comparison.inventory) == (None, None)
    assert (comparison.locked, comparison.installed, comparison.matching) == (1, 0, 0)
    assert comparison.target == TARGET


def test_everything_that_was_not_checked_is_carried_on_once() -> None:
    first, second, third = (Unchecked(what, "it is torn") for what in ("a", "b", "c"))
    unsure = lock(unchecked=(first, second))
    comparison = compared(unsure, environment(unchecked=(second, third)))
    assert comparison.unchecked == (first, second, third)


def test_a_lock_for_other_environments_is_not_called_clean() -> None:
    windows = lock(environments=("sys_platform == 'win32'",), path="pylock.toml")
    assert compared(windows, environment()).unchecked == (
        Unchecked(
            "what pylock.toml selects for this target", "the lock names the environments it supports, and not this one"
        ),
    )
    both = replace(windows, environments=("sys_platform == 'win32'", "sys_platform == 'linux'"))
    assert compared(both, environment()).unchecked == ()


class World(NamedTuple):
    """A lock, and what an exact installation of it leaves."""

    packages: tuple[Package, ...]
    distributions: tuple[Distribution, ...]
    conda: tuple[CondaPackage, ...]


VERSIONS = st.sampled_from(["1.0", "1!2.0", "2.0rc1", "3.1.post2", "0.1.dev3", "2.1+cpu", "2024.1.0"])
TAGS = st.sampled_from(
    [
        "py3-none-any",
        "py2.py3-none-any",
        "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp38-abi3-manylinux_2_28_x86_64",
        "cp311-cp311-linux_x86_64",
    ]
)
FOREIGN = ("cp312-cp312-win_amd64", "cp310-cp310-musllinux_1_2_aarch64")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=6))
    pairs = [draw(projects(name)) for name in names]
    versions = {package.id.name: package.id.version for package, _ in pairs}
    distributions = [replace(found, requires=draw(requirements(versions))) for _, found in pairs]
    conda = [
        (
            conda_locked(name, "1.0", "h0_0", SHA256),
            conda_installed(name, "1.0", "h0_0", sha256=SHA256.digest),
        )
        for name in draw(st.lists(st.sampled_from(["zlib", "openssl"]), unique=True))
    ]
    return World(
        (*(package for package, _ in pairs), *(package for package, _ in conda)),
        tuple(distributions),
        tuple(found for _, found in conda),
    )


@st.composite
def projects(draw: st.DrawFn, name: str) -> tuple[Package, Distribution]:
    version, tag = draw(VERSIONS), draw(TAGS)
    found = installed(name, version, wheel_facts(tag))
    match draw(st.sampled_from(["hashes", "files", "vcs", "url"])):
        case "files":
            names = files(*(f"{name}-{version}-{each}.whl" for each in (tag, *FOREIGN)), f"{name}-{version}.tar.gz")
            return locked(name, version, names), found
        case "vcs":
            origin = Origin(OriginKind.VCS, f"https://git.example/{name}", COMMIT)
            return locked(name, version, (), origin=origin), replace(
                found, direct_url=DirectUrl(origin.location, "vcs", COMMIT)
            )
        case "url":
            url = f"https://files.example/{name}-{version}-{tag}.whl"
            return locked(name, version, files(url.rpartition("/")[2]), origin=Origin(OriginKind.URL, url)), replace(
                found, direct_url=DirectUrl(url, "archive", hashes=(Hash("sha256", SHA256.digest),))
            )
        case _:
            return locked(name, version), found


def requirements(versions: Mapping[NormalizedName, str | None]) -> st.SearchStrategy[tuple[str, ...]]:
    """Requirements that what is locked satisfies, and some that do not apply."""
    met = [f"{name}=={version}" for name, version in versions.items()]
    idle = ["absent; extra == 'x'", "absent; os_name == 'nt'", "absent>1; python_version < '3'"]
    return st.lists(st.sampled_from([*met, *idle]), max_size=3, unique=True).map(tuple)


def joined(world: World, *, shuffle: random.Random | None = None) -> Comparison:
    packages, distributions = list(world.packages), list(world.distributions)
    if shuffle is not None:
        shuffle.shuffle(packages)
        shuffle.shuffle(distributions)
    return compared(lock(*packages), environment(*distributions, conda=world.conda))


def serious(comparison: Comparison) -> list[Finding]:
    return [finding for finding in run(comparison) if finding.severity is not Severity.INFO]


@given(worlds())
def test_an_exact_installation_is_clean(world: World) -> None:
    comparison = joined(world)
    assert serious(comparison) == []
    assert comparison.unchecked == ()
    assert comparison.locked == comparison.installed == comparison.matching == len(world.packages)


@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_either_side_does_not_matter(world: World, shuffle: random.Random) -> None:
    changed = world._replace(distributions=tuple(replace(each, version="9") for each in world.distributions[:2]))
    for each in (world, changed):
        first, second = joined(each), joined(each, shuffle=shuffle)
        assert [row.name for row in first.all_rows] == [row.name for row in second.all_rows]
        assert serious(first) == serious(second)


@given(worlds().filter(lambda world: world.distributions), st.data())
def test_one_change_is_one_finding_about_it(world: World, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(world.distributions) - 1))
    victim = world.distributions[at]
    others = (*world.distributions[:at], *world.distributions[at + 1 :])
    upgraded = (*others, replace(victim, version="9.9", path=f"{victim.site}/{victim.name}-9.9.dist-info"))
    for distributions, rule in ((upgraded, "DR202"), (others, "DR201")):
        comparison = joined(world._replace(distributions=distributions))
        assert [(finding.rule, finding.package) for finding in serious(comparison)] == [(rule, victim.name)]
        assert comparison.matching == len(world.packages) - 1
    added = joined(world._replace(distributions=(*world.distributions, installed("extra"))))
    assert [(finding.rule, finding.package) for finding in serious(added)] == [("DR203", "extra")]
    assert added.matching == len(world.packages)


def as_lock(inventory: Inventory) -> Lock:
    """A lock of exactly what the first environment of an inventory holds."""
    return lock(*(locked(found.name, found.version) for found in inventory.environments[0].distributions))


@given(worlds())
def test_an_environment_against_itself_is_clean(world: World) -> None:
    plain = tuple(replace(found, direct_url=None) for found in world.distributions)
    inventory = joined(World((), plain, ())).inventory
    assert inventory is not None
    assert serious(compared(as_lock(inventory), inventory.environments[0])) == []


def test_facts_of_a_target_are_never_those_of_this_machine() -> None:
    bare = replace(TARGET, markers=MappingProxyType({}), tags=None, machine=None, libc=None)
    comparison = compared(lock(locked("six"), markers={"six": "os_name == 'posix'"}), environment(target=bare))
    assert comparison.rows == ()
    assert [item.what for item in comparison.unchecked] == [
        "whether six 1.0 belongs on this target",
        "which wheels the interpreter of /opt/venv supports",
        "whether the Python of /opt/venv is one that the lock is for",
    ]


DEEP = f"six; {'(' * 3000}os_name == 'posix'{')' * 3000}"


@pytest.mark.parametrize(
    ("requirement", "why"),
    [
        (DEEP, "it is no requirement as the standard has them"),
        ("pytz (>dev)", "it is no requirement as the standard has them"),
        ("six; platform_release > '5'", "its marker asks for what the image does not tell"),
    ],
)
def test_requirements_of_which_nobody_knows_whether_they_are_met(requirement: str, why: str) -> None:
    what = f"a requirement of idna 3.10: {requirement[:100]}"
    found = compared(lock(locked("idna", "3.10")), environment(installed("idna", "3.10", requires=(requirement,))))
    assert found.unchecked == (Unchecked(what, why),)


@pytest.mark.parametrize(
    "requirement", ["six; extra == 'a' and platform_release > '5'", "six; os_name == 'nt'", "six", "six[a]>=1"]
)
def test_requirements_of_which_that_is_known(requirement: str) -> None:
    found = compared(lock(locked("idna", "3.10")), environment(installed("idna", "3.10", requires=(requirement,))))
    assert found.unchecked == ()


def test_what_the_operating_system_requires_is_its_own_matter() -> None:
    owned = installed("idna", "3.10", requires=(DEEP,), owner="python3-idna")
    assert compared(lock(locked("idna", "3.10")), environment(owned)).unchecked == ()


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [
        ({}, True),
        ({"form": DistributionForm.EGG_INFO}, True),
        ({"form": DistributionForm.EGG_LINK}, False),
        ({"form": DistributionForm.LISTED}, False),
        ({"owner": "python3-idna"}, False),
        ({"conda_name": "idna"}, False),
    ],
)
def test_files_that_nothing_lists_are_not_called_checked(fields: DistributionFields, is_told: bool) -> None:
    bare = replace(installed("idna", **fields), has_record=False)
    found = compared(lock(locked("idna")), environment(bare))
    told = Unchecked("the files of idna 1.0", "no RECORD lists them; install it again, as a wheel")
    assert found.unchecked == ((told,) if is_told else ())
