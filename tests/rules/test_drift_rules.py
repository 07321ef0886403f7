"""DR201, DR202, DR203, DR206, DR207, DR208: what is selected against what is installed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name

from driftscan.finding import Location, Severity
from driftscan.model.image import LayerId
from driftscan.model.inventory import Distribution
from driftscan.model.lock import Origin, OriginKind, Package, Scope, ScopeKind, Unchecked
from driftscan.model.traces import Traces, Uninstalled
from tests.builders.comparisons import (
    INSTALL,
    SITE,
    UPGRADE,
    compared,
    conda_installed,
    conda_locked,
    edge,
    environment,
    files,
    findings,
    installed,
    lock,
    locked,
    messages,
)

NOT_HERE = "os_name == 'nt'"


def test_what_is_locked_and_not_installed() -> None:
    numpy = locked("numpy", "2.1.3", line=5)
    pandas = locked("pandas", "2.0", files(), edge("numpy", "", numpy))
    (finding,) = findings("DR201", compared(lock(pandas, numpy), environment(installed("pandas", "2.0"))))
    assert finding.message == "numpy 2.1.3 is locked and not installed"
    assert finding.severity is Severity.ERROR
    assert (finding.package, finding.locked, finding.installed) == ("numpy", ("2.1.3",), ())
    assert finding.chain == ("pandas", "numpy")
    assert finding.location == Location(path="requirements.txt", line=5)
    assert finding.hint == (
        "install from requirements.txt in the image's build, "
        "or compare with the extras and groups that were installed (--extra, --group, --no-default-groups)"
    )


def test_what_a_layer_uninstalled_names_that_layer() -> None:
    removal = LayerId(7, "sha256:" + "07" * 32, "RUN pip uninstall -y tabulate blinker")
    blinker, tabulate = canonicalize_name("blinker"), canonicalize_name("tabulate")
    traces = Traces(
        uninstalled=(
            Uninstalled(blinker, "1.9.0", f"{SITE}/blinker-1.9.0.dist-info", removal),
            Uninstalled(blinker, "1.0", "/usr/lib/python3/dist-packages/blinker-1.0.dist-info", INSTALL),
            Uninstalled(tabulate, "0.9.0", "/srv/lib/python3.11/site-packages/tabulate-0.9.0.dist-info", removal),
        )
    )
    place = replace(environment(), search_path=(SITE, "/usr/lib/python3/dist-packages"))
    comparison = compared(lock(locked("blinker", "1.9.0"), locked("tabulate", "0.9.0")), place)
    assert comparison.inventory is not None
    comparison = replace(comparison, inventory=replace(comparison.inventory, traces=traces))
    first, second = findings("DR201", comparison)
    assert (first.message, first.layer) == ("blinker 1.9.0 is locked and not installed", removal)
    assert first.hint == "take that instruction out, which uninstalled blinker 1.9.0; or lock without it"
    assert (second.message, second.layer) == ("tabulate 0.9.0 is locked and not installed", None)
    assert (second.hint or "").startswith("install from requirements.txt in the image's build, or compare with ")


def test_what_is_locked_for_other_targets_is_not_missing() -> None:
    comparison = compared(lock(locked("pywin32"), markers={"pywin32": NOT_HERE}), environment())
    assert findings("DR201", comparison) == []


def test_the_project_itself_may_well_not_be_installed() -> None:
    own = locked("shop", "0.3", (), origin=Origin(OriginKind.EDITABLE, "."), is_member=True)
    virtual = locked("tools", None, (), origin=Origin(OriginKind.VIRTUAL, "tools"), is_member=True)
    (finding,) = findings("DR201", compared(lock(own, virtual), environment()))
    assert finding.message == "the project itself, shop 0.3, is not installed"
    assert finding.severity is Severity.INFO
    assert "--no-install-project" in (finding.hint or "")


def test_the_project_may_stand_in_its_own_requirements() -> None:
    listed = locked("shop", None, (), origin=Origin(OriginKind.EDITABLE, "."))
    comparison = compared(lock(listed, project_name=canonicalize_name("shop")), environment())
    assert [finding.severity for finding in findings("DR201", comparison)] == [Severity.INFO]
    assert comparison.locked == 0
    other = compared(lock(listed, project_name=canonicalize_name("app")), environment())
    assert [finding.severity for finding in findings("DR201", other)] == [Severity.ERROR]


def test_a_missing_conda_package() -> None:
    comparison = compared(lock(conda_locked("zlib", "1.3")), environment())
    assert messages("DR201", comparison) == ["zlib 1.3 is locked and not installed"]


def test_what_only_a_default_group_brings_in_may_be_left_out_on_purpose() -> None:
    both = lock(locked("shop"), locked("pytest"))
    roots = (both.roots[0], replace(both.roots[1], scope=Scope(ScopeKind.GROUP, "dev")))
    grouped = replace(both, roots=roots, groups=frozenset(("dev",)), default_groups=frozenset(("dev",)))
    (finding,) = findings("DR201", compared(grouped, environment(installed("shop"))))
    assert finding.message == "pytest 1.0 is locked and not installed"
    assert finding.hint == (
        "only the default group 'dev' brings it in; compare with --no-default-groups if the image leaves that out"
    )


def test_another_version() -> None:
    place = environment(installed("numpy", "2.2.0", layer=UPGRADE))
    (finding,) = findings("DR202", compared(lock(locked("numpy", "2.1.3", line=2)), place))
    assert finding.message == "numpy 2.1.3 is locked, 2.2.0 is installed"
    assert finding.severity is Severity.ERROR
    assert (finding.package, finding.locked, finding.installed) == ("numpy", ("2.1.3",), ("2.2.0",))
    assert (finding.path, finding.layer) == (f"{SITE}/numpy-2.2.0.dist-info", UPGRADE)
    assert finding.location == Location(path="requirements.txt", line=2)
    assert finding.hint == "take that instruction out or let it install from the lock; or lock 2.2.0"


def test_another_version_of_no_known_layer() -> None:
    place = environment(installed("numpy", "2.2.0", layer=None))
    (finding,) = findings("DR202", compared(lock(locked("numpy", "2.1.3")), place))
    assert finding.hint == "install from the lock, or lock 2.2.0"


CPU = files("torch-2.1.3+cpu-cp311-cp311-linux_x86_64.whl")
PLAIN = files("torch-2.1.3-cp311-cp311-manylinux_2_17_x86_64.whl")


@pytest.mark.parametrize(
    ("package", "version"),
    [
        (locked("torch", "2.1.3"), "2.1.3"),
        (locked("torch", "2.1"), "2.1.0"),
        (locked("torch", "2.1.3+cpu"), "2.1.3+CPU"),
        (locked("torch", "2.1.3"), "2.1.3+cpu"),
        (locked("torch", "2.1"), "2.1.0+cpu"),
        (locked("torch", "2.1.3", CPU), "2.1.3+cpu"),
        (locked("torch", "2.1.3", (*PLAIN, *files("torch-2.1.3.tar.gz"))), "2.1.3+gabcdef"),
        (locked("torch", "not a version"), "not a version"),
        (locked("torch", None, pinned=False, specifier=">=2"), "2.1.3"),
        (locked("torch", None, pinned=False, specifier=">=3"), "unreadable!"),
        (locked("torch", None, origin=Origin(OriginKind.DIRECTORY, "torch")), "0.1"),
    ],
)
def test_versions_that_a_pin_admits(package: Package, version: str) -> None:
    comparison = compared(lock(package), environment(installed("torch", version)))
    assert findings("DR202", comparison) == []
    assert comparison.matching == 1


@pytest.mark.parametrize(
    ("package", "version", "message"),
    [
        (locked("torch", "2.1.3+cpu"), "2.1.3", "torch 2.1.3+cpu is locked, 2.1.3 is installed"),
        (locked("torch", "2.1.3+cpu"), "2.1.3+cu121", "torch 2.1.3+cpu is locked, 2.1.3+cu121 is installed"),
        (locked("torch", "2.1.3", PLAIN), "2.1.3+cpu", "torch 2.1.3 is locked, 2.1.3+cpu is installed"),
        (locked("torch", "2.1.3"), "2.1.3.post1", "torch 2.1.3 is locked, 2.1.3.post1 is installed"),
        (locked("torch", "2.1.3"), "2.1.3rc1", "torch 2.1.3 is locked, 2.1.3rc1 is installed"),
        (locked("torch", "2.1.3"), "odd!", "torch 2.1.3 is locked, odd! is installed"),
        (
            locked("torch", None, pinned=False, specifier=">=3,<4"),
            "2.1.3",
            "torch >=3,<4 is locked, 2.1.3 is installed",
        ),
        (conda_locked("torch", "2.0"), "2.0.0", "torch 2.0 is locked, 2.0.0 is installed"),
    ],
)
def test_versions_that_it_does_not(package: Package, version: str, message: str) -> None:
    is_conda = package.conda is not None
    place = (
        environment(conda=(conda_installed("torch", version),))
        if is_conda
        else environment(installed("torch", version))
    )
    comparison = compared(lock(package), place)
    assert messages("DR202", comparison) == [message]
    assert comparison.matching == 0


def test_what_nobody_locked() -> None:
    (finding,) = findings("DR203", compared(lock(locked("shop")), environment(installed("shop"), installed("toolz"))))
    assert finding.message == "toolz 1.0 is installed and not locked"
    assert finding.severity is Severity.ERROR
    assert (finding.package, finding.installed, finding.layer) == ("toolz", ("1.0",), INSTALL)
    assert finding.chain == ()
    assert finding.hint == "take that instruction out, or add it to the requirements and lock again"


def test_what_an_unlocked_package_brought_along_is_unexpected_too_and_says_so() -> None:
    place = environment(installed("pandas", requires=("numpy",)), installed("numpy"))
    found = findings("DR203", compared(lock(), place))
    assert [(finding.package, finding.chain) for finding in found] == [("numpy", ("pandas", "numpy")), ("pandas", ())]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (installed("pip", "24.0"), "pip 24.0 is installed and not locked (an installer)"),
        (installed("setuptools", "80.1"), "setuptools 80.1 is installed and not locked (an installer)"),
        (installed("pkg-resources", "0.0.0"), "pkg-resources 0.0.0 is installed and not locked (an installer)"),
        (
            installed("pyyaml", "6.0", owner="python3-yaml"),
            "pyyaml 6.0 is installed and not locked (it belongs to the OS package python3-yaml)",
        ),
    ],
)
def test_installers_and_the_system_s_own_are_only_mentioned(found: Distribution, message: str) -> None:
    (finding,) = findings("DR203", compared(lock(), environment(found)))
    assert finding.message == message
    assert finding.severity is Severity.INFO


def test_the_project_itself_is_expected() -> None:
    named = lock(project_name=canonicalize_name("shop"))
    member = lock(locked("Shop", None, (), origin=Origin(OriginKind.VIRTUAL, "."), is_member=True))
    for each in (named, member):
        assert findings("DR203", compared(each, environment(installed("shop")))) == []


def test_what_may_be_locked_here_is_not_called_unexpected() -> None:
    unsure = lock(locked("shop"), markers={"shop": "platform_release > '5'"})
    comparison = compared(unsure, environment(installed("shop")))
    assert findings("DR203", comparison) == []
    assert comparison.unchecked == (
        Unchecked(
            "whether shop 1.0 belongs on this target",
            "the marker `platform_release > '5'` depends on what the image does not tell",
        ),
    )


def test_a_conda_package_that_nobody_locked() -> None:
    place = environment(conda=(conda_installed("zlib"), conda_installed("_openmp_mutex"), conda_installed("pip")))
    comparison = compared(lock(conda_locked("zlib")), place)
    found = [(finding.message, finding.severity) for finding in findings("DR203", comparison)]
    assert found == [
        ("conda package _openmp_mutex 1.0 is installed and not locked", Severity.ERROR),
        ("conda package pip 1.0 is installed and not locked (an installer)", Severity.INFO),
    ]


def test_a_lock_of_pip_says_nothing_about_conda_packages() -> None:
    place = environment(installed("shop"), conda=(conda_installed("zlib"),))
    assert findings("DR203", compared(lock(locked("shop")), place)) == []


def test_installed_twice_in_one_directory() -> None:
    place = environment(installed("idna", "3.5", layer=UPGRADE), installed("idna", "3.6"))
    comparison = compared(lock(locked("idna", "3.6")), place)
    (finding,) = findings("DR206", comparison)
    assert finding.message == f"idna is installed 2 times: 3.5 in {SITE}, 3.6 in {SITE}"
    assert finding.severity is Severity.ERROR
    assert (finding.installed, finding.path, finding.layer) == (("3.5", "3.6"), f"{SITE}/idna-3.5.dist-info", UPGRADE)
    assert findings("DR202", comparison) == []
    assert comparison.matching == 0


def test_a_virtual_environment_hides_what_its_base_has() -> None:
    ours = installed("idna", "3.6")
    base = installed("idna", "3.5", site="/usr/lib/python3/dist-packages", shadowed_by=ours.path)
    comparison = compared(lock(locked("idna", "3.6")), environment(ours, base))
    assert findings("DR206", comparison) + findings("DR202", comparison) == []
    assert comparison.rows[0].shadowed == (base,)
    assert comparison.matching == 1


def test_requirements_of_what_is_installed_are_met() -> None:
    place = environment(
        installed("pandas", requires=("numpy>=1", "tomli; python_version<'3.11'", "lxml; extra=='xml'")),
        installed("numpy", "2.0rc1"),
    )
    assert findings("DR207", compared(lock(), place)) == []


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ([], "pandas 1.0 requires numpy<2, and it is not installed"),
        ([installed("numpy", "2.0")], "pandas 1.0 requires numpy<2, and 2.0 is installed"),
        (
            [installed("numpy", "2.0", owner="python3-numpy")],
            "pandas 1.0 requires numpy<2, and 2.0 is installed",
        ),
    ],
    ids=["absent", "another version", "the system's"],
)
def test_requirements_of_what_is_installed_are_not_met(others: list[Distribution], message: str) -> None:
    pandas = installed("pandas", requires=("numpy<2; os_name=='posix'",))
    (finding,) = findings("DR207", compared(lock(), environment(pandas, *others)))
    assert finding.message == message
    assert finding.severity is Severity.ERROR
    assert (finding.package, finding.path, finding.layer) == ("pandas", pandas.path, pandas.layer)
    assert finding.chain == ("pandas", "numpy")


def test_the_system_s_own_and_conda_s_requirements_are_theirs() -> None:
    place = environment(
        installed("apt", requires=("absent",), owner="python3-apt"),
        installed("conda-build", requires=("absent",), conda_name="conda-build"),
        installed("tables", requires=("blosc2",)),
        conda=(conda_installed("blosc2"),),
    )
    assert findings("DR207", compared(lock(), place)) == []


def test_what_another_finding_explains_is_not_said_again() -> None:
    shop, pandas = installed("shop", requires=("numpy<2",)), installed("pandas", "9.0", requires=("absent",))
    comparison = compared(
        lock(locked("shop"), locked("numpy", "1.26"), locked("pandas")),
        environment(shop, pandas, installed("numpy", "2.0")),
    )
    assert messages("DR202", comparison) == [
        "numpy 1.26 is locked, 2.0 is installed",
        "pandas 1.0 is locked, 9.0 is installed",
    ]
    assert findings("DR207", comparison) == []


def test_a_loose_entry_explains_nothing() -> None:
    loose = locked("numpy", None, pinned=False, specifier=">=1")
    place = environment(installed("shop", requires=("numpy<2",)), installed("numpy", "2.0"))
    assert messages("DR207", compared(lock(locked("shop"), loose), place)) == [
        "shop 1.0 requires numpy<2, and 2.0 is installed"
    ]


def test_installed_although_the_lock_leaves_it_out() -> None:
    pywin32 = locked("pywin32", "306", line=8)
    place = environment(installed("pywin32", "306"))
    comparison = compared(lock(pywin32, markers={"pywin32": NOT_HERE}), place)
    (finding,) = findings("DR208", comparison)
    assert finding.message == (
        "pywin32 306 is installed, and the lock leaves it out here: its marker `os_name == 'nt'` does not hold"
    )
    assert finding.severity is Severity.WARNING
    assert (finding.package, finding.locked, finding.installed) == ("pywin32", ("306",), ("306",))
    assert finding.location == Location(path="requirements.txt", line=8)
    assert findings("DR203", comparison) == []


def test_left_out_and_not_installed() -> None:
    comparison = compared(lock(locked("pywin32"), markers={"pywin32": NOT_HERE}), environment())
    assert findings("DR208", comparison) == []


@pytest.mark.parametrize("found", [installed("setuptools"), installed("setuptools", owner="python3-setuptools")])
def test_an_installer_that_the_lock_leaves_out_is_only_mentioned(found: Distribution) -> None:
    comparison = compared(lock(locked("setuptools"), markers={"setuptools": NOT_HERE}), environment(found))
    assert [finding.severity for finding in findings("DR208", comparison)] == [Severity.INFO]


def test_a_project_of_the_workspace_is_not_left_out() -> None:
    member = locked("shop", None, (), origin=Origin(OriginKind.EDITABLE, "shop"), is_member=True)
    comparison = compared(lock(member, markers={"shop": NOT_HERE}), environment(installed("shop")))
    assert findings("DR208", comparison) == []
