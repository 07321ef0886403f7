"""CycloneDX in JSON (cyclonedx.org/specification/overview), versions 1.2 and later.

Where a package was found is told by `evidence.occurrences`, and by properties of driftscan, Syft and Trivy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from driftscan.errors import ImageError
from driftscan.model.image import LayerId
from driftscan.model.lock import Unchecked
from driftscan.sbom.components import Bill, Component
from driftscan.sbom.purl import parse as parse_purl
from driftscan.sbom.reading import member, objects, text, texts

_VERSION = re.compile(r"1\.\d{1,2}")
_PATHS = re.compile(r"syft:location:\d+:path|aquasecurity:trivy:FilePath")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def matches(document: Mapping[str, object]) -> bool:
    return document.get("bomFormat") == "CycloneDX"


def parse(document: Mapping[str, object]) -> Bill:
    """Raises ImageError for a version of the format that is not known."""
    version = text(document, "specVersion")
    if not _VERSION.fullmatch(version):
        raise ImageError(f"CycloneDX {version or 'without a version'} is not known", hint="1.2 to 1.7 are")
    named = [each for each in _components(document) if text(each, "scope") != "excluded"]
    names = {text(each, "bom-ref"): text(each, "name") for each in named if text(each, "bom-ref")}
    links = {text(each, "ref"): tuple(texts(each, "dependsOn")) for each in objects(document, "dependencies")}
    found: list[Component] = []
    unnamed = 0
    for each in named:
        component = _component(each, names, links)
        if component is not None:
            found.append(component)
        elif text(each, "type") in ("library", "framework") and not text(each, "purl"):
            unnamed += 1
    subject = member(member(document, "metadata"), "component")
    digest = text(subject, "version")
    systems = [each for each in named if text(each, "type") == "operating-system"]
    facts = _properties(document)
    return Bill(
        components=tuple(found),
        os_name=facts.get("driftscan:os") or _system(systems),
        digest=digest if _DIGEST.fullmatch(digest) else None,
        platform=facts.get("driftscan:platform"),
        unchecked=_unnamed(unnamed),
    )


def _unnamed(count: int) -> tuple[Unchecked, ...]:
    if not count:
        return ()
    what = "1 component" if count == 1 else f"{count} components"
    return (Unchecked(f"{what} of the bill of materials", "no package URL says what they are"),)


def _components(holder: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """All components, those inside of others too."""
    pending = list(objects(holder, "components"))[::-1]
    while pending:
        component = pending.pop()
        yield component
        pending += list(objects(component, "components"))[::-1]


def _system(systems: list[Mapping[str, object]]) -> str | None:
    if not systems:
        return None
    return f"{text(systems[0], 'name')} {text(systems[0], 'version')}".strip() or None


def _component(
    found: Mapping[str, object], names: Mapping[str, str], links: Mapping[str, tuple[str, ...]]
) -> Component | None:
    purl = parse_purl(text(found, "purl"))
    if purl is None:
        return None
    facts = _properties(found)
    occurrences = (text(each, "location") for each in objects(member(found, "evidence"), "occurrences"))
    paths = (*occurrences, *(value for key, value in facts.items() if _PATHS.fullmatch(key)))
    requires = (names.get(reference, "") for reference in links.get(text(found, "bom-ref"), ()))
    return Component(
        purl=purl,
        version=text(found, "version") or purl.version or "",
        paths=tuple(path if path.startswith("/") else f"/{path}" for path in paths if path),
        requires=tuple(name for name in requires if name),
        layer=_layer(facts),
    )


def _properties(holder: Mapping[str, object]) -> dict[str, str]:
    """The first value of each."""
    found: dict[str, str] = {}
    for each in objects(holder, "properties"):
        found.setdefault(text(each, "name"), text(each, "value"))
    return found


def _layer(facts: Mapping[str, str]) -> LayerId | None:
    index = facts.get("driftscan:layer", "")
    if not index.isascii() or not index.isdigit() or len(index) > 4:
        return None
    return LayerId(int(index), facts.get("driftscan:layer:diff-id"), facts.get("driftscan:layer:instruction"))
