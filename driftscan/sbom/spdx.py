"""SPDX 2 in JSON (spdx.github.io/spdx-spec/v2.3), as Syft, Trivy and forges write it.

What a package is stands in its external reference of the type `purl`, where it was found in `sourceInfo` as Syft words
it. Which package requires which is a relationship, in either direction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from driftscan.errors import ImageError
from driftscan.model.lock import Unchecked
from driftscan.sbom.components import Bill, Component
from driftscan.sbom.purl import PackageUrl
from driftscan.sbom.purl import parse as parse_purl
from driftscan.sbom.reading import member, objects, text

_VERSION = re.compile(r"SPDX-2\.\d")
_PATH = re.compile(r"/[^,;]+")
_SYSTEM = "OPERATING-SYSTEM"


def matches(document: Mapping[str, object]) -> bool:
    return "spdxVersion" in _own(document)


def parse(document: Mapping[str, object]) -> Bill:
    """Raises ImageError for a version of the format that is not known."""
    own = _own(document)
    version = text(own, "spdxVersion")
    if not _VERSION.fullmatch(version):
        raise ImageError(f"{version or 'SPDX without a version'} is not known", hint="SPDX-2.2 and SPDX-2.3 are")
    packages = list(objects(own, "packages"))
    purls = {text(each, "SPDXID"): purl for each in packages if (purl := _purl(each)) is not None}
    requires = _requires(own)
    components = [
        Component(
            purl=purls[identity],
            version=text(each, "versionInfo") or purls[identity].version or "",
            paths=tuple(path.strip() for path in _PATH.findall(text(each, "sourceInfo").partition(": ")[2])),
            requires=tuple(purls[other].name for other in requires.get(identity, ()) if other in purls),
        )
        for each in packages
        if (identity := text(each, "SPDXID")) in purls
    ]
    systems = (each for each in packages if text(each, "primaryPackagePurpose") == _SYSTEM)
    system = next((f"{text(each, 'name')} {text(each, 'versionInfo')}".strip() for each in systems), None)
    return Bill(components=tuple(components), os_name=system, unchecked=_unnamed(packages, purls))


def _own(document: Mapping[str, object]) -> Mapping[str, object]:
    """GitHub's export wraps the document."""
    return member(document, "sbom") or document


def _unnamed(packages: list[Mapping[str, object]], purls: Mapping[str, PackageUrl]) -> tuple[Unchecked, ...]:
    """Packages without a package URL, those that only stand for the image or its system aside."""
    passed = ("CONTAINER", _SYSTEM, "FILE")
    count = sum(
        text(each, "SPDXID") not in purls and text(each, "primaryPackagePurpose") not in passed for each in packages
    )
    if not count:
        return ()
    what = "1 package" if count == 1 else f"{count} packages"
    return (Unchecked(f"{what} of the bill of materials", "no package URL says what they are"),)


def _purl(package: Mapping[str, object]) -> PackageUrl | None:
    references = (
        text(each, "referenceLocator")
        for each in objects(package, "externalRefs")
        if text(each, "referenceType") == "purl"
    )
    return next((purl for each in references if (purl := parse_purl(each)) is not None), None)


def _requires(document: Mapping[str, object]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source, target in _edges(document):
        found.setdefault(source, []).append(target)
    return found


def _edges(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for each in objects(document, "relationships"):
        one, other = text(each, "spdxElementId"), text(each, "relatedSpdxElement")
        match text(each, "relationshipType"):
            case "DEPENDS_ON":
                yield one, other
            case "DEPENDENCY_OF":
                yield other, one
