from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from driftscan.sbom.purl import PackageUrl, parse


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pkg:pypi/numpy@2.1.3", ("pypi", "numpy", "2.1.3", {})),
        ("pkg:PyPI/ruamel.yaml@0.18", ("pypi", "ruamel.yaml", "0.18", {})),
        ("pkg:pypi/torch@2.6.0%2Bcu124", ("pypi", "torch", "2.6.0+cu124", {})),
        ("pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64", ("deb", "libc6", "2.36-9+deb12u9", {"arch": "amd64"})),
        ("pkg:npm/%40angular/core@1#src", ("npm", "core", "1", {})),
        ("pkg:pypi/numpy", ("pypi", "numpy", None, {})),
        ("pkg:/pypi/numpy@1", ("pypi", "numpy", "1", {})),
    ],
)
def test_parts(text: str, found: tuple[str, str, str | None, dict[str, str]]) -> None:
    assert parse(text) == PackageUrl(*found)


@pytest.mark.parametrize("text", ["", "numpy", "pkg:", "pkg:pypi", "pkg:numpy@1", "http://pypi/numpy@1", "pkg:pypi/@1"])
def test_what_is_none(text: str) -> None:
    assert parse(text) is None


_NAMES = (
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)
    .map(str.strip)
    .filter(lambda text: text.strip("/") == text and "/" not in text and text not in ("", ".", ".."))
)


@given(st.sampled_from(["generic", "conda", "deb"]), _NAMES, _NAMES)
def test_what_the_reference_library_writes_is_read_back(kind: str, name: str, version: str) -> None:
    made = PackageURL(type=kind, name=name, version=version, qualifiers={"arch": "x86_64"})
    found = parse(made.to_string())
    assert found == PackageUrl(kind, made.name, made.version, {"arch": "x86_64"})
