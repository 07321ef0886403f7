from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from driftscan.errors import UsageError
from driftscan.report import cyclonedx, inventory_cyclonedx
from driftscan.report.escape import plain
from driftscan.report.view import View
from tests.builders import reports

Golden = Callable[[str, str], None]
VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def _valid(rendered: str) -> Any:
    assert VALIDATOR.validate_str(rendered) is None
    return json.loads(rendered)


def _component(document: Any, name: str) -> Any:
    return next(each for each in document["components"] if each["name"] == name)


def _properties(holder: Any) -> list[tuple[str, str]]:
    return [(each["name"].removeprefix("driftscan:"), each["value"]) for each in holder["properties"]]


def test_golden(golden: Golden) -> None:
    golden("full.cdx.json", cyclonedx.render(reports.full(), View()))


def test_an_independent_library_reads_it() -> None:
    bom = Bom.from_json(_valid(cyclonedx.render(reports.full(), View())))  # type: ignore[attr-defined]
    assert {str(component.purl) for component in bom.components} == {
        "pkg:pypi/numpy@2.2.0",
        "pkg:pypi/shop-core@0.3",
        "pkg:conda/openssl@3.3.2?build=hb9d3cd8_0&channel=conda-forge&subdir=linux-64",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9",
        "pkg:generic/python@3.11.2",
        "pkg:generic/python@3.12.7",
    }
    assert bom.metadata.component is not None
    assert bom.metadata.component.name == "shop:1.4"


def test_pins_and_drift_of_a_component() -> None:
    numpy = _component(_valid(cyclonedx.render(reports.full(), View())), "numpy")
    assert numpy["evidence"]["occurrences"] == [{"location": reports.NUMPY.path}]
    assert _properties(numpy) == [
        ("environment", "/opt/venv"),
        ("layer", "6"),
        ("layer:diff-id", f"sha256:{6:064x}"),
        ("layer:instruction", "RUN pip install -U numpy"),
        ("installer", "pip"),
        ("locked", "2.1.3"),
        ("locked:hash", "sha256:" + "a1" * 32),
        ("drift:error", "DR202 version-mismatch: numpy 2.1.3 is locked, 2.2.0 is installed"),
        (
            "drift:error",
            (
                "NW301 wheel-not-in-lock: numpy 2.2.0 was installed from a wheel that the lock does not list"
                " (cp311-cp311-manylinux_2_17)"
            ),
        ),
    ]


def test_what_the_image_does_not_hold_is_said_of_the_whole() -> None:
    facts = _properties(_valid(cyclonedx.render(reports.full(), View())))
    assert ("verdict", "drift") in facts
    assert [value for name, value in facts if name == "locked-not-installed"] == [
        "pandas 2.2.3",
        "python-dateutil 2.9.0.post0",
        "requests 2.32.3",
    ]
    assert next(value for name, value in facts if name == "suppressed").endswith(
        "(vendored until 2.3, shop team, until 2027-01-31, pyproject.toml)"
    )
    assert ("not-checked", "marker of colorama: platform_release is not known from files") in facts


def test_dependencies() -> None:
    numpy = replace(reports.NUMPY, requires=("shop-core>=1",))
    environment = replace(reports.ENVIRONMENT, distributions=(numpy, reports.SHOP))
    held = replace(reports.inventory(), environments=(environment,))
    document = _valid(inventory_cyclonedx.render(held, reports.IMAGE, View()))
    assert document["dependencies"] == [{"ref": numpy.path, "dependsOn": [reports.SHOP.path]}]


def test_an_inventory_alone_knows_no_drift() -> None:
    document = _valid(inventory_cyclonedx.render(reports.inventory(), reports.IMAGE, View()))
    assert {name for each in document["components"] for name, _ in _properties(each)} == {
        "environment",
        "layer",
        "layer:diff-id",
        "layer:instruction",
        "installer",
        "implementation",
        "manager",
    }
    assert _properties(document) == [("os", "Debian GNU/Linux 12 (bookworm)"), ("platform", "linux/amd64")]


def test_the_same_image_gives_the_same_bytes_and_another_another_serial_number() -> None:
    one = inventory_cyclonedx.render(reports.inventory(), reports.IMAGE, View())
    assert one == inventory_cyclonedx.render(reports.inventory(), reports.IMAGE, View())
    other = inventory_cyclonedx.render(reports.inventory(), replace(reports.IMAGE, reference="shop:1.5"), View())
    assert json.loads(one)["serialNumber"] != json.loads(other)["serialNumber"]


def test_two_installations_of_one_path_are_two_components() -> None:
    twice = replace(reports.ENVIRONMENT, distributions=(reports.NUMPY, reports.NUMPY))
    held = replace(reports.inventory(), environments=(twice,))
    document = _valid(inventory_cyclonedx.render(held, reports.IMAGE, View()))
    references = [each["bom-ref"] for each in document["components"]]
    assert len(set(references)) == len(references)


def test_locks_alone_are_no_image() -> None:
    with pytest.raises(UsageError, match=r"^a CycloneDX document is of an image, and none was compared$"):
        cyclonedx.render(replace(reports.full(), inventory=None), View())


def _check(text: str) -> None:
    rendered = cyclonedx.render(reports.said_everywhere(text), View())
    assert rendered.isascii()
    document = _valid(rendered)
    assert all(value.isprintable() for each in document["components"] for _, value in _properties(each))
    assert ("lock", f"{plain(text)} sha256:{'12' * 32}") in _properties(document)
    references = [each["bom-ref"] for each in document["components"]]
    assert len(set(references)) == len(references)


@pytest.mark.parametrize("text", reports.HOSTILE)
def test_hostile_text(text: str) -> None:
    _check(text)


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.characters(codec=None), min_size=1))
def test_any_text(text: str) -> None:
    _check(text)
