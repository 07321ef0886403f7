"""IN401, IN402, IN403, IN405: files against RECORD."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driftscan.finding import Severity
from driftscan.model.image import LayerId
from driftscan.model.inventory import Distribution, DistributionForm, FileProblem, FileProblemKind
from tests.builders.comparisons import SITE, UPGRADE, compared, environment, findings, installed, lock, locked

MODIFIED, MISSING, UNOWNED = FileProblemKind.MODIFIED, FileProblemKind.MISSING, FileProblemKind.UNOWNED
SHOP = installed("shop")
LATER = LayerId(9, None, "RUN rm -r /opt/venv/tests")
RULE_OF = {MODIFIED: "IN401", MISSING: "IN402", UNOWNED: "IN403"}


def problem(kind: FileProblemKind, name: str, *, owned: bool = True, layer: LayerId | None = UPGRADE) -> FileProblem:
    return FileProblem(kind=kind, path=f"{SITE}/{name}", distribution=SHOP.path if owned else None, layer=layer)


@pytest.mark.parametrize("rule", RULE_OF.values())
def test_files_as_recorded(rule: str) -> None:
    assert findings(rule, compared(lock(locked("shop")), environment(SHOP))) == []


def test_the_layer_that_took_the_record_away_is_named_and_nothing_else() -> None:
    bare = installed("shop", has_record=False)
    gone = replace(problem(MISSING, "a.py"), path=f"{bare.path}/RECORD", distribution=bare.path)
    place = environment(bare, problems=(gone,))
    comparison = compared(lock(locked("shop")), place)
    (finding,) = findings("IN405", comparison)
    assert finding.layer == gone.layer != bare.layer
    assert finding.hint == "take out the step that removes it, or install again"
    assert findings("IN402", comparison) == []


@pytest.mark.parametrize(
    ("kind", "message", "hint"),
    [
        (
            MODIFIED,
            f"a file of shop 1.0 differs from its RECORD: {SITE}/shop.py",
            "take the change out and install again; keep patches in a version of your own",
        ),
        (
            MISSING,
            f"a file of shop 1.0 is gone from the image: {SITE}/shop.py",
            "take out the step that removes it, or install again",
        ),
    ],
)
def test_one_file_is_named_with_the_layer_that_did_it(kind: FileProblemKind, message: str, hint: str) -> None:
    place = environment(SHOP, problems=(problem(kind, "shop.py"),))
    (finding,) = findings(RULE_OF[kind], compared(lock(locked("shop")), place))
    assert finding.message == message
    assert finding.severity is Severity.ERROR
    assert (finding.package, finding.installed) == ("shop", ("1.0",))
    assert (finding.path, finding.layer) == (f"{SITE}/shop.py", UPGRADE)
    assert finding.hint == hint


def test_many_files_of_one_distribution_are_one_finding() -> None:
    place = environment(SHOP, problems=tuple(problem(MODIFIED, f"shop/{number}.py") for number in range(300)))
    (finding,) = findings("IN401", compared(lock(locked("shop")), place))
    assert finding.message == (
        f"300 files of shop 1.0 differ from its RECORD: {SITE}/shop/0.py, {SITE}/shop/1.py, {SITE}/shop/2.py "
        "and 297 more"
    )


def test_layers_that_did_it_are_told_apart() -> None:
    problems = (problem(MISSING, "a.py"), problem(MISSING, "b.py", layer=LATER), problem(MISSING, "c.py", layer=LATER))
    found = findings("IN402", compared(lock(locked("shop")), environment(SHOP, problems=problems)))
    assert [(finding.layer, finding.message) for finding in found] == [
        (LATER, f"2 files of shop 1.0 are gone from the image: {SITE}/b.py, {SITE}/c.py"),
        (UPGRADE, f"a file of shop 1.0 is gone from the image: {SITE}/a.py"),
    ]


@pytest.mark.parametrize(
    ("name", "layer", "severity"),
    [
        ("shop-1.0.dist-info/top_level.txt", SHOP.layer, Severity.INFO),
        ("shop-1.0.dist-info/top_level.txt", UPGRADE, Severity.ERROR),
        ("shop-1.0.dist-info/METADATA", SHOP.layer, Severity.ERROR),
        ("shop-1.0.dist-info/entry_points.txt", SHOP.layer, Severity.ERROR),
        ("shop.py", SHOP.layer, Severity.ERROR),
    ],
)
def test_text_that_differs_since_the_installation_may_have_been_published_so(
    name: str, layer: LayerId | None, severity: Severity
) -> None:
    place = environment(SHOP, problems=(problem(MODIFIED, name, layer=layer),))
    (finding,) = findings("IN401", compared(lock(locked("shop")), place))
    doubt = "; nothing runs it, and its wheel may have been published so" if severity is Severity.INFO else ""
    assert finding.message == f"a file of shop 1.0 differs from its RECORD: {SITE}/{name}{doubt}"
    assert finding.severity is severity


def test_code_that_nothing_owns_is_a_warning() -> None:
    problems = (problem(UNOWNED, "own.py", owned=False),)
    (finding,) = findings("IN403", compared(lock(locked("shop")), environment(SHOP, problems=problems)))
    assert finding.message == f"an importable file belongs to no distribution: {SITE}/own.py"
    assert finding.severity is Severity.WARNING
    assert finding.package is None
    more = (*problems, problem(UNOWNED, "two.py", owned=False))
    (finding,) = findings("IN403", compared(lock(locked("shop")), environment(SHOP, problems=more)))
    assert finding.message == f"2 importable files belong to no distribution: {SITE}/own.py, {SITE}/two.py"


def test_a_layer_that_is_not_known_leaves_the_general_way_out() -> None:
    place = environment(SHOP, problems=(problem(MISSING, "a.py", layer=None),))
    (finding,) = findings("IN402", compared(lock(locked("shop")), place))
    assert finding.hint == "take out the step that removes it, or install again"


def test_a_distribution_without_record_cannot_be_verified() -> None:
    bare = installed("shop", form=DistributionForm.EGG_INFO, has_record=False)
    (finding,) = findings("IN405", compared(lock(locked("shop")), environment(bare)))
    assert finding.message == "shop 1.0 has no RECORD, so its files cannot be verified"
    assert finding.severity is Severity.WARNING
    assert (finding.path, finding.layer) == (bare.path, bare.layer)


@pytest.mark.parametrize(
    "found",
    [
        installed("shop"),
        installed("shop", has_record=False, owner="python3-shop"),
        installed("shop", has_record=False, conda_name="shop"),
    ],
    ids=["recorded", "of the operating system", "of conda"],
)
def test_records_that_others_keep(found: Distribution) -> None:
    assert findings("IN405", compared(lock(locked("shop")), environment(found))) == []


def test_a_lock_alone_has_no_files() -> None:
    for rule in ("IN401", "IN402", "IN403", "IN405"):
        assert findings(rule, compared(lock(locked("shop")), None)) == []
