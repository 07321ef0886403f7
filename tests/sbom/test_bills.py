"""Bills of materials, as several tools write them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan import sbom
from driftscan.errors import ImageError
from driftscan.model.inventory import Inventory
from driftscan.model.lock import Unchecked
from driftscan.report import inventory_cyclonedx
from driftscan.report.view import View
from tests.builders import reports

SITE = "/opt/venv/lib/python3.11/site-packages"
UNKNOWN = Unchecked(
    "files, compiled code and sources of what is installed",
    "a bill of materials names packages and versions only; compare with the image itself",
)


def _taken(document: Any) -> Inventory:
    return sbom.inventory(sbom.parse(document))


def _cyclonedx(*components: object, **more: object) -> dict[str, object]:
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": list(components), **more}


def _library(name: str, version: str, *paths: str, kind: str = "pypi", **more: object) -> dict[str, object]:
    """A component as Syft writes it."""
    properties = [{"name": f"syft:location:{number}:path", "value": path} for number, path in enumerate(paths)]
    return {
        "type": "library",
        "bom-ref": name,
        "name": name,
        "version": version,
        "purl": f"pkg:{kind}/{name}@{version}",
        "properties": properties,
        **more,
    }


def _names(found: Inventory) -> dict[str, list[str]]:
    return {each.path: [f"{one.name} {one.version}" for one in each.distributions] for each in found.environments}


def test_our_own_holds_what_the_inventory_did() -> None:
    held = reports.inventory()
    document = json.loads(inventory_cyclonedx.render(held, reports.IMAGE, View()))
    bill = sbom.parse(document)
    found = sbom.inventory(bill)
    assert (bill.digest, bill.platform, bill.os_name) == (reports.IMAGE.digest, "linux/amd64", held.os_name)
    assert _names(found) == {"/opt/conda": [], "/opt/venv": ["numpy 2.2.0", "shop-core 0.3"]}
    conda, venv = found.environments
    assert [(each.name, each.build, each.path) for each in conda.conda] == [
        ("openssl", "hb9d3cd8_0", "/opt/conda/conda-meta/openssl-3.3.2-hb9d3cd8_0.json")
    ]
    assert (venv.interpreter.version, venv.target.machine) == ("3.11.2", "x86_64")
    assert venv.target.markers["python_full_version"] == "3.11.2"
    assert venv.target.markers["sys_platform"] == "linux"
    assert [(each.path, each.layer) for each in venv.distributions] == [
        (reports.NUMPY.path, reports.NUMPY.layer),
        (reports.SHOP.path, reports.SHOP.layer),
    ]
    assert found.os_packages == held.os_packages
    assert (found.default, venv.unchecked) == (None, (UNKNOWN,))


def test_syft_names_each_package_where_it_found_it() -> None:
    found = _taken(
        _cyclonedx(
            _library("idna", "3.10", f"{SITE}/idna-3.10.dist-info/METADATA", f"{SITE}/idna-3.10.dist-info/RECORD"),
            _library("pip", "24.0", "/usr/local/lib/python3.11/site-packages/pip-24.0.dist-info/METADATA"),
            {"type": "application", "name": "python", "version": "3.11.9", "purl": "pkg:generic/python@3.11.9"},
            {"type": "operating-system", "name": "debian", "version": "12"},
            _library("libc6", "2.36-9", kind="deb/debian"),
        )
    )
    assert _names(found) == {"/opt/venv": ["idna 3.10"], "/usr/local": ["pip 24.0"]}
    assert [each.interpreter.version for each in found.environments] == ["3.11.9", "3.11.9"]
    assert (found.os_name, found.default) == ("debian 12", None)
    assert [(each.name, each.version, each.manager) for each in found.os_packages] == [("libc6", "2.36-9", "dpkg")]
    assert found.environments[0].target.markers["platform_system"] == "Linux"
    assert found.environments[0].target.tags is None


def test_packages_without_a_place_are_somewhere() -> None:
    found = _taken(_cyclonedx(_library("idna", "3.10"), _library("six", "1.16.0")))
    assert _names(found) == {"/": ["idna 3.10", "six 1.16.0"]}
    assert (found.default, found.environments[0].interpreter.version) == (0, None)
    assert dict(found.environments[0].target.markers) == {}


def test_the_python_of_the_path_is_known_without_its_patch_release() -> None:
    found = _taken(_cyclonedx(_library("idna", "3.10", f"{SITE}/idna-3.10.dist-info")))
    (environment,) = found.environments
    assert environment.interpreter.version == "3.11"
    assert environment.target.markers["python_version"] == "3.11"
    assert "python_full_version" not in environment.target.markers


def test_what_requires_what() -> None:
    found = _taken(
        _cyclonedx(
            _library("requests", "2.32"),
            _library("idna", "3.10"),
            dependencies=[{"ref": "requests", "dependsOn": ["idna", "nobody"]}, {"ref": "idna"}],
        )
    )
    assert {each.name: each.requires for each in found.environments[0].distributions} == {
        "requests": ("idna",),
        "idna": (),
    }


def test_components_inside_of_components_count_and_excluded_ones_do_not() -> None:
    nested = {"type": "container", "name": "base", "components": [_library("idna", "3.10")]}
    found = _taken(_cyclonedx(nested, _library("six", "1.16.0", scope="excluded")))
    assert _names(found) == {"/": ["idna 3.10"]}


def test_a_component_that_two_files_tell_of_is_one() -> None:
    found = _taken(_cyclonedx(_library("idna", "3.10"), _library("idna", "3.10")))
    assert _names(found) == {"/": ["idna 3.10"]}


def test_what_has_no_package_url_is_not_checked() -> None:
    found = _taken(_cyclonedx({"type": "library", "name": "mystery", "version": "1"}))
    assert found.unchecked == (Unchecked("1 component of the bill of materials", "no package URL says what they are"),)
    many = _taken(_cyclonedx(*[{"type": "library", "name": "mystery"}] * 3))
    assert many.unchecked[0].what == "3 components of the bill of materials"


SPDX = {
    "spdxVersion": "SPDX-2.3",
    "packages": [
        {
            "SPDXID": "SPDXRef-requests",
            "name": "requests",
            "versionInfo": "2.32.3",
            "sourceInfo": (
                "acquired package info from installed python package manifest file: "
                f"{SITE}/requests-2.32.3.dist-info/METADATA, {SITE}/requests-2.32.3.dist-info/RECORD"
            ),
            "externalRefs": [
                {"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:x"},
                {"referenceType": "purl", "referenceLocator": "pkg:pypi/requests@2.32.3"},
            ],
        },
        {
            "SPDXID": "SPDXRef-idna",
            "name": "idna",
            "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:pypi/idna@3.10"}],
            "sourceInfo": f"acquired package info from the following paths: {SITE}/idna-3.10.dist-info/METADATA",
        },
        {"SPDXID": "SPDXRef-os", "name": "debian", "versionInfo": "12", "primaryPackagePurpose": "OPERATING-SYSTEM"},
        {"SPDXID": "SPDXRef-image", "name": "shop", "primaryPackagePurpose": "CONTAINER"},
        {"SPDXID": "SPDXRef-odd", "name": "odd"},
    ],
    "relationships": [
        {
            "spdxElementId": "SPDXRef-idna",
            "relationshipType": "DEPENDENCY_OF",
            "relatedSpdxElement": "SPDXRef-requests",
        },
        {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-image"},
    ],
}


@pytest.mark.parametrize("document", [SPDX, {"sbom": SPDX}], ids=["plain", "wrapped"])
def test_spdx(document: dict[str, object]) -> None:
    found = _taken(document)
    assert _names(found) == {"/opt/venv": ["idna 3.10", "requests 2.32.3"]}
    assert found.environments[0].distributions[1].requires == ("idna",)
    assert found.os_name == "debian 12"
    assert found.unchecked == (Unchecked("1 package of the bill of materials", "no package URL says what they are"),)


def test_spdx_that_depends_the_other_way_round() -> None:
    links = [
        {"spdxElementId": "SPDXRef-requests", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-idna"}
    ]
    found = _taken({**SPDX, "relationships": links})
    assert found.environments[0].distributions[1].requires == ("idna",)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "it is no CycloneDX and no SPDX document"),
        ({"bomFormat": "CycloneDX", "specVersion": "2.0"}, "CycloneDX 2.0 is not known"),
        ({"bomFormat": "CycloneDX"}, "CycloneDX without a version is not known"),
        ({"spdxVersion": "SPDX-3.0"}, "SPDX-3.0 is not known"),
        ({"spdxVersion": 2}, "SPDX without a version is not known"),
    ],
)
def test_what_is_refused(document: dict[str, object], said: str) -> None:
    with pytest.raises(ImageError) as caught:
        sbom.parse(document)
    assert caught.value.message == said


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["components", "name", "purl", "properties", "value", "packages"]), inner)
    ),
    max_leaves=20,
)


@given(_JSON, _JSON, _JSON)
def test_members_of_any_type_are_read_or_passed_over(one: object, two: object, three: object) -> None:
    _taken(_cyclonedx(*(one if isinstance(one, list) else [one]), dependencies=two, metadata=three))
    _taken({"spdxVersion": "SPDX-2.3", "packages": one, "relationships": two, "sbom": None})


def test_a_bill_with_its_own_digest_only() -> None:
    for version, digest in (("1.4", None), ("sha256:" + "ab" * 32, "sha256:" + "ab" * 32)):
        component = {"type": "container", "name": "shop", "version": version}
        assert sbom.parse(_cyclonedx(metadata={"component": component})).digest == digest


def test_the_sample_of_conda_has_its_python() -> None:
    held = replace(reports.inventory(), environments=(reports.CONDA,))
    found = _taken(json.loads(inventory_cyclonedx.render(held, reports.IMAGE, View())))
    assert found.environments[0].interpreter.version == "3.12.7"
    assert found.default == 0
