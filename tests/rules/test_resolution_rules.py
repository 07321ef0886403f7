"""LK102, LK106, LK108, LK109, LK110, LK112: whether pins go together and can be installed on the target."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from packaging.utils import canonicalize_name

from driftscan.finding import Location, Severity
from driftscan.model.inventory import Distribution
from driftscan.model.lock import Origin, OriginKind, Package, Request
from driftscan.model.target import Target
from tests.builders.comparisons import (
    INSTALL,
    TARGET,
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

LINUX_WHEEL = "shop-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"
OTHER_WHEELS = ("shop-1.0-cp311-cp311-win_amd64.whl", "shop-1.0-cp312-cp312-manylinux_2_17_x86_64.whl")
NEITHER = ", ".join(OTHER_WHEELS)
SDIST = "shop-1.0.tar.gz"
FUTURE_GLIBC = "shop-1.0-cp311-cp311-manylinux_2_39_x86_64.whl"
ODD = "shop-1.0-odd.whl"


def test_everything_required_is_locked() -> None:
    place = environment(installed("pandas", requires=("numpy>=1",)), installed("numpy"))
    assert findings("LK102", compared(lock(locked("pandas"), locked("numpy")), place)) == []


def test_metadata_requires_what_is_installed_and_not_locked() -> None:
    pandas = installed("pandas", requires=("numpy>=1; python_version>'3'", "tomli; python_version<'3.11'"))
    numpy = installed("numpy", "2.0")
    comparison = compared(lock(locked("pandas", line=3)), environment(pandas, numpy))
    (finding,) = findings("LK102", comparison)
    assert finding.message == "pandas requires numpy>=1, and the lock does not pin it; 2.0 is installed"
    assert finding.severity is Severity.ERROR
    assert (finding.package, finding.chain, finding.installed) == ("numpy", ("pandas", "numpy"), ("2.0",))
    assert (finding.path, finding.layer) == (numpy.path, INSTALL)
    assert finding.location == Location(path="requirements.txt", line=3)
    # It is the lock's fault, so it is not unexpected.
    assert findings("DR203", comparison) == []


def test_metadata_requires_what_is_neither_locked_nor_installed() -> None:
    comparison = compared(lock(locked("pandas")), environment(installed("pandas", requires=("numpy",))))
    assert messages("LK102", comparison) == ["pandas requires numpy, and the lock does not pin it; it is not installed"]
    assert findings("DR207", comparison) == []


@pytest.mark.parametrize(("version", "reported"), [("2.1.3", False), ("2.1.3+cpu", False), ("2.1.4", True)])
def test_a_transitive_that_a_constraints_file_pins(version: str, reported: bool) -> None:
    place = environment(installed("pandas", requires=("numpy>=2",)), installed("numpy", version))
    constrained = lock(locked("pandas"), constraints={canonicalize_name("numpy"): "2.1.3"})
    assert bool(findings("LK102", compared(constrained, place))) is reported


def test_what_the_unlocked_require_is_not_locked_either() -> None:
    place = environment(
        installed("app", requires=("pandas",)),
        installed("pandas", requires=("numpy>1", "app", "pytz")),
        installed("numpy", "2.0", requires=("pandas",)),
        installed("toolz"),
    )
    comparison = compared(lock(locked("app", line=1)), place)
    found = findings("LK102", comparison)
    assert [(finding.message, finding.chain) for finding in found] == [
        (
            "pandas requires numpy>1, and the lock does not pin it; 2.0 is installed",
            ("app", "pandas", "numpy"),
        ),
        ("app requires pandas, and the lock does not pin it; 1.0 is installed", ("app", "pandas")),
        (
            "pandas requires pytz, and the lock does not pin it; it is not installed",
            ("app", "pandas", "pytz"),
        ),
    ]
    assert {finding.location for finding in found} == {Location(path="requirements.txt", line=1)}
    assert messages("DR203", comparison) == ["toolz 1.0 is installed and not locked"]
    assert findings("DR207", comparison) == []


def test_the_chain_goes_on_from_a_root_of_the_lock() -> None:
    pandas = locked("pandas")
    app = locked("app", "1.0", files(), edge("pandas", "", pandas))
    place = environment(installed("app"), installed("pandas", requires=("numpy",)))
    (finding,) = findings("LK102", compared(lock(app, pandas), place))
    assert finding.chain == ("app", "pandas", "numpy")


def test_extras_count_where_the_lock_asks_for_them() -> None:
    shop = installed("shop", requires=("redis; extra=='cache'", "shop[cache]; extra=='all'"))
    assert findings("LK102", compared(lock(locked("shop")), environment(shop))) == []
    for extra in ("cache", "all"):
        asked = lock(locked("shop"), extras={"shop": frozenset({extra})})
        assert messages("LK102", compared(asked, environment(shop))) == [
            "shop requires redis, and the lock does not pin it; it is not installed"
        ]


def test_extras_count_where_a_locked_package_asks_for_them() -> None:
    app = installed("app", requires=("sqlalchemy[all]",))
    sqlalchemy = installed("sqlalchemy", requires=("sqlalchemy[io]; extra=='all'", "greenlet; extra=='io'"))
    pins = lock(locked("app"), locked("sqlalchemy"))
    found = findings("LK102", compared(pins, environment(sqlalchemy, app)))
    assert [finding.message for finding in found] == [
        "sqlalchemy requires greenlet, and the lock does not pin it; it is not installed"
    ]
    # What is installed in another version than the locked one says nothing about the lock.
    assert findings("LK102", compared(pins, environment(sqlalchemy, replace(app, version="9")))) == []


def test_one_finding_for_what_several_require() -> None:
    place = environment(installed("a", requires=("x>1",)), installed("b", requires=("x>2",)))
    assert messages("LK102", compared(lock(locked("a"), locked("b")), place)) == [
        "a requires x>1, and the lock does not pin it; it is not installed"
    ]


@pytest.mark.parametrize(
    "found",
    [
        installed("pandas", "2.0", requires=("numpy",)),
        installed("pandas", requires=("numpy",), owner="python3-pandas"),
        installed("pandas", requires=("numpy; sys_platform=='win32'",)),
        installed("pandas", requires=("numpy; platform_release>'5'",)),
        installed("pandas", requires=("not a requirement !", "numpy ; nothing == 'x'")),
    ],
    ids=["another version", "the system's", "another platform", "unknown", "unreadable"],
)
def test_metadata_that_says_nothing_about_the_lock(found: Distribution) -> None:
    assert findings("LK102", compared(lock(locked("pandas")), environment(found))) == []


def test_what_the_lock_overrides_is_left_out_on_purpose() -> None:
    place = environment(installed("pandas", requires=("numpy",)), installed("numpy"))
    overriding = lock(locked("pandas"), overrides=frozenset({canonicalize_name("numpy")}))
    comparison = compared(overriding, place)
    assert findings("LK102", comparison) == []
    assert messages("DR203", comparison) == ["numpy 1.0 is installed and not locked"]


def test_the_lock_s_own_edge_leads_nowhere() -> None:
    pandas = locked(
        "pandas",
        "1.0",
        files(),
        edge("numpy", ">=1"),
        edge("tomli", marker="python_version < '3.11'"),
        edge("lxml", extra="xml"),
    )
    (finding,) = findings("LK102", compared(lock(pandas), None))
    assert finding.message == "pandas requires numpy>=1, and the lock does not pin it"
    assert finding.chain == ("pandas", "numpy")
    asked = lock(pandas, extras={"pandas": frozenset({"xml"})})
    assert sorted(messages("LK102", compared(asked, None))) == [
        "pandas requires lxml, and the lock does not pin it",
        "pandas requires numpy>=1, and the lock does not pin it",
    ]


def test_a_conda_package_counts_under_its_python_name() -> None:
    torch = installed("torch", "2.0", conda_name="pytorch")
    place = environment(torch, installed("vision", requires=("torch>=2",)), conda=(conda_installed("pytorch", "2.0"),))
    locks = [lock(conda_locked("pytorch", "2.0"), path="conda.lock"), lock(locked("vision"))]
    comparison = compared(locks, place)
    for rule in ("LK102", "DR203", "DR207"):
        assert findings(rule, comparison) == []


def test_pip_compile_has_an_option_for_what_it_leaves_out() -> None:
    place = environment(installed("shop", requires=("setuptools",)), installed("setuptools", "80.0"))
    (finding,) = findings("LK102", compared(lock(locked("shop")), place))
    assert finding.hint == "pip-compile leaves it out unless asked with --allow-unsafe: lock again with that option"
    (finding,) = findings("LK102", compared(lock(locked("shop"), format="uv"), place))
    assert finding.hint == "lock all requirements with their dependencies"


def test_two_pins_for_the_same_target() -> None:
    comparison = compared(lock(locked("shop", "1.0", line=1), locked("shop", "2.0", line=2)), None)
    (finding,) = findings("LK106", comparison)
    assert finding.message == "shop is pinned to 1.0, 2.0 for the same target"
    assert finding.severity is Severity.ERROR
    assert finding.locked == ("1.0", "2.0")
    assert finding.location == Location(path="requirements.txt", line=2)


COMMITS = ("0" * 40, "1" * 40)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            locked("shop", "1.0", origin=Origin(OriginKind.VCS, "https://git.example/shop", COMMITS[0])),
            locked("shop", "1.0", origin=Origin(OriginKind.VCS, "https://git.example/shop", COMMITS[1])),
            f"shop is pinned to 1.0 from {COMMITS[0]}, 1.0 from {COMMITS[1]} for the same target",
        ),
        (
            locked("shop", None, origin=Origin(OriginKind.DIRECTORY, "../shop")),
            locked("shop", "1.0"),
            "shop is pinned to ../shop, 1.0 for the same target",
        ),
    ],
    ids=["commits", "kinds of source"],
)
def test_two_sources_for_the_same_target(first: Package, second: Package, message: str) -> None:
    assert messages("LK106", compared(lock(first, second), None)) == [message]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (locked("shop", "1.0"), locked("shop", "1.0.0")),
        (locked("shop", "1.0"), locked("shop", "1.0", origin=Origin(OriginKind.INDEX, "https://index.example/simple"))),
        (locked("shop", "1.0"), locked("shop", None, pinned=False, specifier=">=1")),
        (locked("shop", "1.0"), conda_locked("shop", "2.0")),
    ],
    ids=["another spelling", "a mirror", "not pinned", "conda"],
)
def test_pins_that_do_not_conflict(first: Package, second: Package) -> None:
    assert findings("LK106", compared([lock(first), lock(second, path="base.txt")], None)) == []


def test_pins_under_markers_that_exclude_each_other() -> None:
    new = lock(locked("shop", "2.0"), markers={"shop": "python_version >= '3.11'"})
    old = lock(locked("shop", "1.0"), markers={"shop": "python_version < '3.11'"}, path="old.txt")
    assert findings("LK106", compared([new, old], None)) == []


@pytest.mark.parametrize(
    ("names", "rule", "message"),
    [
        (
            OTHER_WHEELS,
            "LK108",
            f"shop 1.0 cannot be installed on cpython 3.11.2 on x86_64 glibc 2.36: the lock has only {NEITHER}",
        ),
        (
            (FUTURE_GLIBC,),
            "LK108",
            f"shop 1.0 cannot be installed on cpython 3.11.2 on x86_64 glibc 2.36: the lock has only {FUTURE_GLIBC}",
        ),
        (
            (*OTHER_WHEELS, SDIST),
            "LK109",
            "only the source distribution of shop 1.0 fits cpython 3.11.2 on x86_64 glibc 2.36",
        ),
        ((SDIST,), "LK109", "only the source distribution of shop 1.0 fits cpython 3.11.2 on x86_64 glibc 2.36"),
        ((LINUX_WHEEL, SDIST), None, None),
        (("shop-1.0-py3-none-any.whl",), None, None),
        ((*OTHER_WHEELS, ODD), None, None),
    ],
)
def test_what_can_be_installed_on_the_target(names: tuple[str, ...], rule: str | None, message: str | None) -> None:
    comparison = compared(lock(locked("shop", "1.0", files(*names))), None)
    for each, severity in (("LK108", Severity.ERROR), ("LK109", Severity.WARNING)):
        found = findings(each, comparison)
        assert [finding.message for finding in found] == ([message] if each == rule else [])
        assert all(finding.severity is severity for finding in found)


def test_a_locked_wheel_from_elsewhere_has_to_fit_too() -> None:
    url = Origin(OriginKind.URL, f"https://files.example/{OTHER_WHEELS[0]}")
    assert len(findings("LK108", compared(lock(locked("shop", "1.0", files(OTHER_WHEELS[0]), origin=url)), None))) == 1


def test_hashes_without_names_tell_nothing_of_the_target() -> None:
    comparison = compared(lock(locked("shop")), None)
    assert findings("LK108", comparison) + findings("LK109", comparison) == []


def test_unknown_tags_are_not_judged_and_said_once() -> None:
    place = environment(target=replace(TARGET, tags=None))
    packages = [locked(name, "1.0", files(f"{name}-1.0-cp27-cp27m-win32.whl")) for name in "abc"]
    comparison = compared(lock(*packages), place)
    assert findings("LK108", comparison) + findings("LK109", comparison) == []
    assert [item.what for item in comparison.unchecked] == ["which wheels the interpreter of /opt/venv supports"]


def test_the_lock_s_python() -> None:
    (finding,) = findings("LK110", compared(lock(requires_python=">=3.12", path="uv.lock"), None))
    assert finding.message == "the lock is for Python >=3.12, the target has 3.11.2"
    assert finding.severity is Severity.ERROR
    assert finding.location == Location(path="uv.lock")


def test_a_package_s_python() -> None:
    comparison = compared(lock(locked("shop", requires_python="<3.11")), None)
    assert messages("LK110", comparison) == ["shop 1.0 is for Python <3.11, the target has 3.11.2"]


def with_python(version: str) -> Target:
    return replace(TARGET, markers=MappingProxyType({**TARGET.markers, "python_full_version": version}))


@pytest.mark.parametrize(
    ("required", "python"),
    [(None, "3.11.2"), (">=3.11,<4", "3.11.2"), (">=3.14", "3.14.1rc2"), ("^3", "3.11.2"), (">=3.11.2", "3.11.2+")],
    ids=["nothing", "inside", "a pre-release", "unreadable", "built from a checkout"],
)
def test_a_python_that_is_admitted(required: str | None, python: str) -> None:
    comparison = compared(lock(locked("shop", requires_python=required)), None, target=with_python(python))
    assert findings("LK110", comparison) == []


def test_a_python_built_from_a_checkout_is_judged_too() -> None:
    comparison = compared(lock(locked("shop", requires_python="<3.11")), None, target=with_python("3.11.2+"))
    assert messages("LK110", comparison) == ["shop 1.0 is for Python <3.11, the target has 3.11.2+"]


def test_an_unknown_python_is_said() -> None:
    place = environment(target=replace(TARGET, markers=MappingProxyType({"sys_platform": "linux"})))
    comparison = compared(lock(requires_python=">=3.12"), place)
    assert findings("LK110", comparison) == []
    assert [item.what for item in comparison.unchecked] == [
        "whether the Python of /opt/venv is one that the lock is for"
    ]


def test_pins_that_contradict_metadata() -> None:
    place = environment(installed("pandas", requires=("numpy<2",)), installed("numpy", "2.0"))
    comparison = compared(lock(locked("pandas"), locked("numpy", "2.0", line=2)), place)
    (finding,) = findings("LK112", comparison)
    assert finding.message == "pandas 1.0 requires numpy<2, and the lock pins 2.0"
    assert finding.severity is Severity.ERROR
    assert (finding.package, finding.locked, finding.chain) == ("numpy", ("2.0",), ("pandas", "numpy"))
    assert finding.location == Location(path="requirements.txt", line=2)
    # One cause is one finding.
    assert findings("DR207", comparison) == []


def test_pins_that_contradict_the_lock_s_own_edges() -> None:
    numpy = locked("numpy", "2.0")
    pandas = locked("pandas", "1.0", files(), edge("numpy", "<2"))
    comparison = compared(lock(pandas, numpy), None)
    assert messages("LK112", comparison) == ["pandas 1.0 requires numpy<2, and the lock pins 2.0"]
    assert findings("LK102", comparison) == []
    place = environment(installed("pandas", requires=("numpy<2",)), installed("numpy", "2.0"))
    assert len(findings("LK112", compared(lock(pandas, numpy), place))) == 1


@pytest.mark.parametrize(
    ("requirement", "version"),
    [("numpy>=1", "2.0rc1"), ("numpy==2.0", "2.0+cpu"), ("numpy", "2.0"), ("numpy<2; os_name=='nt'", "2.0")],
)
def test_pins_that_satisfy(requirement: str, version: str) -> None:
    place = environment(installed("pandas", requires=(requirement,)), installed("numpy", version))
    assert findings("LK112", compared(lock(locked("pandas"), locked("numpy", version)), place)) == []


def test_versions_and_specifiers_that_cannot_be_read_contradict_nothing() -> None:
    odd = locked("pandas", "1.0", files(), edge("numpy", "^2"))
    assert findings("LK112", compared(lock(odd, locked("numpy", "1.0")), None)) == []
    bounded = locked("pandas", "1.0", files(), edge("numpy", "<2"))
    tree = locked("numpy", None, (), origin=Origin(OriginKind.DIRECTORY, "numpy"))
    assert findings("LK112", compared(lock(bounded, tree), None)) == []
    assert findings("LK112", compared(lock(bounded, locked("numpy", "not a version")), None)) == []


def test_an_override_contradicts_on_purpose() -> None:
    place = environment(installed("pandas", requires=("numpy<2",)), installed("numpy", "2.0"))
    overriding = lock(locked("pandas"), locked("numpy", "2.0"), overrides=frozenset({canonicalize_name("numpy")}))
    comparison = compared(overriding, place)
    assert findings("LK112", comparison) + findings("DR207", comparison) == []


def test_groups_that_are_not_asked_for_are_not_judged() -> None:
    comparison = compared(
        lock(locked("shop", "1.0", files(*OTHER_WHEELS)), markers={"shop": "'dev' in dependency_groups"}),
        None,
        request=Request(default_groups=False),
    )
    assert findings("LK108", comparison) == []
