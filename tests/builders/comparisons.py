"""Locks, distributions, environments and their comparison, made of values alone.

Everything has a default that no rule complains about: one wheel that is locked with its hash and installed, for
CPython 3.11 on x86_64 with glibc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TypedDict, Unpack

from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from driftscan import tags
from driftscan.compare import Comparison, compare
from driftscan.finding import Finding
from driftscan.graph import DependencyGraph
from driftscan.model.image import ElfFacts, ImageConfig, LayerId
from driftscan.model.inventory import (
    CondaPackage,
    DirectUrl,
    Distribution,
    DistributionForm,
    Environment,
    EnvironmentKind,
    FileProblem,
    Interpreter,
    Inventory,
    Native,
    WheelFacts,
)
from driftscan.model.lock import (
    Artifact,
    CondaBuild,
    Dependency,
    Hash,
    Index,
    Lock,
    LockSource,
    Note,
    Origin,
    OriginKind,
    Package,
    PackageId,
    Request,
    Scope,
    ScopeKind,
    SelectionMode,
    Unchecked,
)
from driftscan.model.target import Libc, Target
from driftscan.rules import run

SITE = "/opt/venv/lib/python3.11/site-packages"
SHA256 = Hash("sha256", "ab" * 32)
CHANNEL = "https://conda.example/forge"
INSTALL = LayerId(4, "sha256:" + "04" * 32, "RUN pip install -r requirements.txt")
UPGRADE = LayerId(6, "sha256:" + "06" * 32, "RUN pip install -U numpy")
EVERYTHING = Request()
INDEX = Origin()
GLIBC = Libc("glibc", (2, 36))

TARGET = Target(
    markers=MappingProxyType(
        {
            "implementation_name": "cpython",
            "implementation_version": "3.11.2",
            "os_name": "posix",
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": "3.11.2",
            "python_version": "3.11",
            "sys_platform": "linux",
        }
    ),
    tags=tags.cpython((3, 11), tags.platforms("x86_64", GLIBC), gil_disabled=False, debug=False),
    machine="x86_64",
    libc=GLIBC,
)


class PackageFields(TypedDict, total=False):
    pinned: bool
    specifier: str
    requires_python: str | None
    is_member: bool
    conda: CondaBuild | None
    path: str | None
    line: int | None
    notes: tuple[Note, ...]


class LockFields(TypedDict, total=False):
    path: str
    format: str
    requires_python: str | None
    environments: tuple[str, ...]
    overrides: frozenset[NormalizedName]
    project_name: NormalizedName | None
    unchecked: tuple[Unchecked, ...]
    indexes: tuple[Index, ...]
    sources: tuple[LockSource, ...]
    constraints: Mapping[NormalizedName, str]


class DistributionFields(TypedDict, total=False):
    site: str
    form: DistributionForm
    requires: tuple[str, ...]
    provides_extras: frozenset[str]
    installer: str | None
    direct_url: DirectUrl | None
    built_on_the_spot: str | None
    has_record: bool
    owner: str | None
    shadowed_by: str | None
    conda_name: str | None
    layer: LayerId | None


class EnvironmentFields(TypedDict, total=False):
    conda: tuple[CondaPackage, ...]
    natives: tuple[Native, ...]
    problems: tuple[FileProblem, ...]
    unchecked: tuple[Unchecked, ...]


def files(*names: str) -> tuple[Artifact, ...]:
    """Locked files with a hash each."""
    return tuple(Artifact(filename=name, url=f"https://files.example/{name}", hashes=(SHA256,)) for name in names)


ANY_FILE = (Artifact(hashes=(SHA256,)),)
"""What a requirements file has: hashes of files without names."""


def locked(
    name: str,
    version: str | None = "1.0",
    artifacts: Sequence[Artifact] = ANY_FILE,
    *requires: Dependency,
    origin: Origin = INDEX,
    **fields: Unpack[PackageFields],
) -> Package:
    """A locked package; `requires` are the edges that the lock records."""
    return Package(
        id=PackageId(canonicalize_name(name), version, origin),
        artifacts=tuple(artifacts),
        dependencies=requires or None,
        **fields,
    )


def edge(
    name: str, specifier: str = "", *candidates: Package, extra: str = "", marker: str | None = None
) -> Dependency:
    return Dependency(
        name=canonicalize_name(name),
        specifier=specifier,
        scope=Scope(ScopeKind.EXTRA, extra) if extra else Scope(),
        marker=marker,
        candidates=tuple(package.id for package in candidates),
    )


def lock(
    *packages: Package,
    markers: Mapping[str, str] = MappingProxyType({}),
    extras: Mapping[str, frozenset[str]] = MappingProxyType({}),
    **fields: Unpack[LockFields],
) -> Lock:
    """A flat lock: every package is a root, with the marker and the extras that are given for its name."""
    roots = tuple(
        Dependency(
            name=package.id.name,
            marker=markers.get(package.id.name),
            extras=extras.get(package.id.name, frozenset()),
            candidates=(package.id,),
        )
        for package in packages
    )
    empty = Lock(
        path="requirements.txt",
        format="requirements",
        sha256="00" * 32,
        mode=SelectionMode.FLAT,
        packages=packages,
        roots=roots,
    )
    return replace(empty, **fields)


def wheel_facts(*tag_sets: str, build: str = "") -> WheelFacts:
    """The WHEEL file of a wheel with these (compressed) tag sets."""
    found = [parse_wheel_filename(f"a-1-{tag_set}.whl")[3] for tag_set in tag_sets]
    return WheelFacts(frozenset().union(*found), build, all(tag_set.endswith("-any") for tag_set in tag_sets))


def installed(
    name: str, version: str = "1.0", wheel: WheelFacts | None = None, **fields: Unpack[DistributionFields]
) -> Distribution:
    site = fields.get("site", SITE)
    found = Distribution(
        name=canonicalize_name(name),
        version=version,
        path=f"{site}/{name}-{version}.dist-info",
        site=site,
        installer="pip",
        wheel=wheel or wheel_facts("py3-none-any"),
        has_record=True,
        record_files=3,
        layer=INSTALL,
    )
    return replace(found, **fields)


def native(owner: Distribution, name: str, elf: ElfFacts, layer: LayerId | None = UPGRADE) -> Native:
    return Native(path=f"{owner.site}/{name}", distribution=owner.path, elf=elf, layer=layer)


def elf(machine: int = 62, *needed: str, bits: int = 64, little_endian: bool = True) -> ElfFacts:
    return ElfFacts(machine, bits, little_endian, None, True, needed or ("libc.so.6",))


def conda_locked(
    name: str, version: str = "1.0", build: str = "py_0", *hashes: Hash, channel: str = CHANNEL
) -> Package:
    filename = f"{name}-{version}-{build}.conda"
    return locked(
        name,
        version,
        [Artifact(filename=filename, url=f"{channel}/noarch/{filename}", hashes=hashes)],
        origin=Origin(OriginKind.CONDA, channel),
        conda=CondaBuild(build, channel, "noarch", filename),
    )


def conda_installed(
    name: str,
    version: str = "1.0",
    build: str = "py_0",
    *,
    md5: str | None = None,
    sha256: str | None = None,
    channel: str = CHANNEL,
) -> CondaPackage:
    filename = f"{name}-{version}-{build}.conda"
    return CondaPackage(
        name=name,
        version=version,
        build=build,
        channel=channel,
        subdir="noarch",
        filename=filename,
        url=f"{channel}/noarch/{filename}",
        path=f"/opt/conda/conda-meta/{name}-{version}-{build}.json",
        md5=md5,
        sha256=sha256,
        layer=INSTALL,
    )


def environment(
    *distributions: Distribution,
    target: Target = TARGET,
    **fields: Unpack[EnvironmentFields],
) -> Environment:
    found = Environment(
        path="/opt/venv",
        kind=EnvironmentKind.VENV,
        interpreter=Interpreter(executable="/usr/local/bin/python3.11", version="3.11.2"),
        target=target,
        search_path=(SITE,),
        distributions=distributions,
    )
    return replace(found, **fields)


def compared(
    locks: Lock | Sequence[Lock],
    place: Environment | None,
    *,
    request: Request = EVERYTHING,
    target: Target = TARGET,
) -> Comparison:
    """What rules see; without `place` it is a check of the locks alone, for `target`."""
    all_locks = (locks,) if isinstance(locks, Lock) else tuple(locks)
    graph = DependencyGraph.build(all_locks)
    selection = graph.select(place.target if place is not None else target, request)
    inventory = Inventory(config=ImageConfig(), environments=(place,)) if place is not None else None
    return compare(graph, selection, all_locks, inventory, place, request, target)


def findings(rule: str, comparison: Comparison) -> list[Finding]:
    return list(run(comparison, select=[rule]))


def messages(rule: str, comparison: Comparison) -> list[str]:
    return [finding.message for finding in findings(rule, comparison)]
