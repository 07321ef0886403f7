"""An image's inventory as a CycloneDX 1.6 document (cyclonedx.org/docs/1.6/json), with or without a comparison.

Components are what is installed: Python distributions and conda packages of all environments, their interpreters, and
packages of the operating system. What the lock says of a distribution and how it drifted stands in its properties,
whose names begin with `driftscan:`; of what is locked and not installed the document itself has a property, since the
image does not hold it. The same image and lock give the same bytes: there is no time in it, and its serial number is
of its content.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote
from uuid import UUID

from driftscan._version import __version__
from driftscan.finding import Finding, TargetInput
from driftscan.graph.installed import installed
from driftscan.model.image import LayerId
from driftscan.model.inventory import CondaPackage, Distribution, Environment, Interpreter, Inventory, OsPackage
from driftscan.model.lock import OriginKind, Package
from driftscan.report.escape import plain, unicode_text
from driftscan.report.json import Value, present
from driftscan.report.words import excuse

_SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_OS_TYPES = {"dpkg": "deb", "apk": "apk", "rpm": "rpm"}
_IMAGE = "image"
_VERSION = 1024
"""Characters of a version that the schema admits."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Drift(NamedTuple):
    """What a comparison adds: the environment that was compared, by its path, what is locked, what was found."""

    environment: str
    packages: Sequence[Package]
    findings: Sequence[Finding]
    properties: Sequence[tuple[str, str]] = ()


class _Marks(NamedTuple):
    """Locked packages and findings by the name of the project."""

    packages: Mapping[str, Sequence[Package]]
    findings: Mapping[str, Sequence[Finding]]


def document(inventory: Inventory, target: TargetInput, drift: Drift | None = None) -> str:
    marks = _marks(drift)
    references = _References()
    components: list[Value] = []
    links: list[Value] = []
    for environment in inventory.environments:
        is_compared = drift is not None and environment.path == drift.environment
        known = marks if is_compared else _Marks({}, {})
        components += [_python(each, environment, known, references) for each in environment.distributions]
        components += [_conda(each, environment, known, references) for each in environment.conda]
        links += _links(environment, references)
    interpreters = {each.interpreter.executable: each.interpreter for each in inventory.environments}
    components += [_interpreter(interpreters[path], references) for path in sorted(interpreters) if path]
    components += [_system(each, inventory.os_name, references) for each in inventory.os_packages]
    body: dict[str, Value] = {
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "driftscan", "version": __version__}]},
            "component": {
                "type": "container",
                "bom-ref": _IMAGE,
                "name": unicode_text(target.reference),
                **present(version=target.digest),
            },
        },
        "components": components,
        "dependencies": links,
        "properties": _properties(_facts(inventory, target, drift)),
    }
    return _finished(body)


def _finished(body: Mapping[str, Value]) -> str:
    content = json.dumps(body, sort_keys=True).encode()
    serial = UUID(bytes=hashlib.sha256(content).digest()[:16], version=5)
    head: dict[str, Value] = {
        "$schema": _SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
    }
    return json.dumps({**head, **body}, indent=2) + "\n"


def _marks(drift: Drift | None) -> _Marks:
    packages: dict[str, list[Package]] = {}
    findings: dict[str, list[Finding]] = {}
    for package in drift.packages if drift is not None else ():
        packages.setdefault(package.id.name, []).append(package)
    for finding in drift.findings if drift is not None else ():
        if finding.package is not None:
            findings.setdefault(finding.package, []).append(finding)
    return _Marks(packages, findings)


def _facts(inventory: Inventory, target: TargetInput, drift: Drift | None) -> Iterator[tuple[str, str]]:
    """What is to be said of the image as a whole."""
    if inventory.os_name:
        yield "os", inventory.os_name
    if target.platform:
        yield "platform", target.platform
    if drift is None:
        return
    yield from drift.properties
    yield "environment", drift.environment
    there = {
        name
        for environment in inventory.environments
        if environment.path == drift.environment
        for name in (*(each.name for each in environment.distributions), *(each.name for each in environment.conda))
    }
    for package in drift.packages:
        if package.id.name not in there:
            yield "locked-not-installed", str(package.id)
    for finding in drift.findings:
        if finding.package is None or finding.package not in there:
            yield _found(finding)


def _found(finding: Finding) -> tuple[str, str]:
    said = f"{finding.rule} {finding.slug}: {finding.message}"
    if finding.suppression is not None:
        return "suppressed", f"{said} ({', '.join(excuse(finding.suppression))})"
    return f"drift:{finding.severity}", said


def _properties(facts: Iterable[tuple[str, str]]) -> list[Value]:
    return [{"name": f"driftscan:{name}", "value": plain(value)} for name, value in facts]


class _References:
    """`bom-ref` of a component, by its path in the image: no two are equal."""

    def __init__(self) -> None:
        self._given: set[str] = {_IMAGE}
        self._known: dict[str, str] = {}

    def new(self, wanted: str, path: str | None = None) -> str:
        reference = unicode_text(wanted)
        while reference in self._given:
            reference += "#"
        self._given.add(reference)
        if path is not None:
            self._known.setdefault(path, reference)
        return reference

    def of(self, path: str | None) -> str | None:
        return self._known.get(path) if path is not None else None


def _python(found: Distribution, environment: Environment, marks: _Marks, references: _References) -> Value:
    locked = [each for each in marks.packages.get(found.name, ()) if each.id.origin.kind is not OriginKind.CONDA]
    facts = [("environment", environment.path), *_installation(found.layer)]
    if found.installer:
        facts.append(("installer", found.installer))
    return _component(
        found.name,
        found.version,
        f"pkg:pypi/{_quoted(found.name)}@{_quoted(found.version)}",
        references.new(found.path, found.path),
        found.path,
        (*facts, *_pins(locked), *map(_found, marks.findings.get(found.name, ()))),
    )


def _conda(found: CondaPackage, environment: Environment, marks: _Marks, references: _References) -> Value:
    locked = [each for each in marks.packages.get(found.name, ()) if each.id.origin.kind is OriginKind.CONDA]
    qualifiers = {"build": found.build, "channel": found.channel, "subdir": found.subdir}
    asked = "&".join(f"{key}={_quoted(value)}" for key, value in qualifiers.items() if value)
    return _component(
        found.name,
        found.version,
        f"pkg:conda/{_quoted(found.name)}@{_quoted(found.version)}{f'?{asked}' if asked else ''}",
        references.new(found.path, found.path),
        found.path,
        (
            ("environment", environment.path),
            *_installation(found.layer),
            *_pins(locked),
            *map(_found, marks.findings.get(found.name, ())),
        ),
        found.sha256,
    )


def _interpreter(found: Interpreter, references: _References) -> Value:
    purl = f"pkg:generic/python@{_quoted(found.version)}" if found.version else None
    reference = references.new(f"interpreter:{found.executable}")
    facts = [("implementation", found.implementation)]
    return _component("python", found.version or "", purl, reference, found.executable, facts)


def _system(found: OsPackage, os_name: str | None, references: _References) -> Value:
    kind, vendor = _OS_TYPES.get(found.manager), (os_name or "").partition(" ")[0].lower()
    purl = f"pkg:{kind}/{_quoted(vendor)}/{_quoted(found.name)}@{_quoted(found.version)}" if kind and vendor else None
    reference = references.new(f"{found.manager}:{found.name}@{found.version}")
    return _component(found.name, found.version, purl, reference, None, (("manager", found.manager),))


def _component(
    name: str,
    version: str,
    purl: str | None,
    reference: str,
    path: str | None,
    facts: Iterable[tuple[str, str]],
    sha256: str | None = None,
) -> Value:
    hashes: list[Value] = [{"alg": "SHA-256", "content": sha256}] if sha256 and _SHA256.fullmatch(sha256) else []
    occurrences: list[Value] = [{"location": unicode_text(path)}] if path else []
    described = present(
        version=version if len(version) <= _VERSION else f"{version[: _VERSION - 1]}…",
        hashes=hashes,
        purl=purl,
        evidence={"occurrences": occurrences} if occurrences else None,
        properties=_properties(facts),
    )
    return {"type": "library", "bom-ref": reference, "name": unicode_text(name), **described}


def _installation(layer: LayerId | None) -> Iterator[tuple[str, str]]:
    if layer is not None:
        yield "layer", str(layer.index)
        if layer.diff_id:
            yield "layer:diff-id", layer.diff_id
        if layer.created_by:
            yield "layer:instruction", layer.created_by


def _pins(locked: Sequence[Package]) -> Iterator[tuple[str, str]]:
    for package in locked:
        if package.id.version:
            yield "locked", package.id.version
        for value in dict.fromkeys(value for artifact in package.artifacts for value in artifact.hashes):
            yield "locked:hash", str(value)


def _links(environment: Environment, references: _References) -> Iterator[Value]:
    graph = installed(environment, environment.path)
    following: dict[str, list[str]] = {}
    for link in graph.links:
        source, target = (references.of(graph.nodes[end].path) for end in (link.source, link.target))
        if source is not None and target is not None and target not in following.setdefault(source, []):
            following[source].append(target)
    for source in sorted(following):
        yield {"ref": source, "dependsOn": [*sorted(following[source])]}


def _quoted(text: str) -> str:
    """A part of a package URL (github.com/package-url/purl-spec)."""
    return quote(unicode_text(text), safe=":")
