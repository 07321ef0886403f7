"""What bills of materials of either format come down to, and the inventory that it makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from packaging.utils import NormalizedName, canonicalize_name

from driftscan.errors import UsageError
from driftscan.model.image import ImageConfig, LayerId
from driftscan.model.inventory import (
    CondaPackage,
    Distribution,
    DistributionForm,
    Environment,
    EnvironmentKind,
    Interpreter,
    Inventory,
    OsPackage,
)
from driftscan.model.lock import Unchecked
from driftscan.model.target import Target
from driftscan.platforms import target as named_target
from driftscan.sbom.purl import PackageUrl

_METADATA = re.compile(r"(?P<path>(?P<site>/.*)/[^/]+\.(?:dist-info|egg-info))(?:/[^/]+)?")
_SITE = re.compile(r"(?P<prefix>.*?)/lib(?:64)?/python(?P<minor>3(?:\.\d{1,2})?)t?(?:/(?:site|dist)-packages)?")
_CONDA = re.compile(r"(?P<prefix>/.*|)/conda-meta/[^/]+\.json")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686"}
_OS_MANAGERS = {"deb": "dpkg", "apk": "apk", "rpm": "rpm"}
_SOMEWHERE = "/"
"""The prefix of packages of which nothing says where they are installed."""
_UNKNOWN = Unchecked(
    "files, compiled code and sources of what is installed",
    "a bill of materials names packages and versions only; compare with the image itself",
)


class Component(NamedTuple):
    """A package that is installed. `paths` are what it was found by, absolute; `requires` are names of projects."""

    purl: PackageUrl
    version: str
    paths: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    layer: LayerId | None = None


class Bill(NamedTuple):
    """A bill of materials. `digest` is that of the image's configuration, `platform` `os/architecture[/variant]`."""

    components: tuple[Component, ...]
    os_name: str | None = None
    digest: str | None = None
    platform: str | None = None
    unchecked: tuple[Unchecked, ...] = ()


class _Place(NamedTuple):
    """Where a distribution is installed: the environment's prefix, its site folder, and the Python of its path."""

    prefix: str
    site: str = ""
    minor: str | None = None
    path: str = ""


def inventory(bill: Bill) -> Inventory:
    """Environments by the folders that packages were found in. The default is the only one, if there is only one."""
    places: dict[str, list[tuple[Component, _Place]]] = {}
    for component in bill.components:
        if component.purl.type in ("pypi", "conda"):
            place = _place(component)
            places.setdefault(place.prefix, []).append((component, place))
    pythons = tuple(
        component
        for component in bill.components
        if component.purl.type in ("generic", "conda") and component.purl.name == "python"
    )
    environments = tuple(_environment(prefix, places[prefix], pythons, bill) for prefix in sorted(places))
    return Inventory(
        config=_config(bill.platform),
        layers=tuple(sorted(_layers(bill.components), key=lambda layer: layer.index)),
        os_name=bill.os_name,
        environments=environments,
        default=0 if len(environments) == 1 else None,
        os_packages=tuple(
            OsPackage(name=each.purl.name, version=each.version, manager=_OS_MANAGERS[each.purl.type])
            for each in bill.components
            if each.purl.type in _OS_MANAGERS
        ),
        unchecked=bill.unchecked,
    )


def _config(platform: str | None) -> ImageConfig:
    system, _, rest = (platform or "linux").partition("/")
    architecture, _, variant = rest.partition("/")
    return ImageConfig(os=system, architecture=architecture, variant=variant)


def _layers(components: Iterable[Component]) -> set[LayerId]:
    return {component.layer for component in components if component.layer is not None}


def _place(component: Component) -> _Place:
    for path in component.paths:
        if component.purl.type == "conda" and (found := _CONDA.fullmatch(path)):
            return _Place(found["prefix"] or "/", path=path)
        if found := _METADATA.fullmatch(path):
            site = _SITE.fullmatch(found["site"])
            prefix = (site["prefix"] or "/") if site else found["site"]
            return _Place(prefix, found["site"], site["minor"] if site else None, found["path"])
    return _Place(_SOMEWHERE)


def _environment(
    prefix: str, members: Sequence[tuple[Component, _Place]], pythons: Sequence[Component], bill: Bill
) -> Environment:
    conda = tuple(_conda(component, place) for component, place in members if component.purl.type == "conda")
    distributions = [_distribution(component, place) for component, place in members if component.purl.type == "pypi"]
    version = _python(prefix, members, pythons)
    because = "the bill of materials has no other" if prefix != _SOMEWHERE else None
    return Environment(
        path=prefix,
        kind=EnvironmentKind.CONDA if conda else EnvironmentKind.PREFIX,
        interpreter=Interpreter(executable="", version=version),
        target=_target(version, bill),
        search_path=tuple(dict.fromkeys(place.site for _, place in members if place.site)),
        # Some tools name a package for each file that tells of it.
        distributions=tuple(sorted(dict.fromkeys(distributions), key=lambda each: (each.path, each.name))),
        conda=conda,
        chosen_because=because,
        unchecked=(_UNKNOWN,),
    )


def _python(prefix: str, members: Sequence[tuple[Component, _Place]], pythons: Sequence[Component]) -> str | None:
    """The interpreter's version: in full where one in the bill is of the Python in the paths, else what these tell."""
    minors = {place.minor for _, place in members if place.minor is not None and "." in place.minor}
    minor = minors.pop() if len(minors) == 1 else None
    own = {each.version for each in pythons if prefix != _SOMEWHERE and _is_within(each, prefix)}
    fitting = own or {each.version for each in pythons if minor is None or each.version.startswith(f"{minor}.")}
    if len(fitting) == 1 and (minor is not None or own or prefix == _SOMEWHERE):
        return fitting.pop()
    return minor


def _is_within(component: Component, prefix: str) -> bool:
    return any(path.startswith(f"{prefix}/") for path in component.paths)


def _target(version: str | None, bill: Bill) -> Target:
    """The markers that follow from the version, and from that it is Linux; nothing tells tags or the C library."""
    markers: dict[str, str] = {}
    if version is not None:
        try:
            markers |= named_target(version, None).markers
        except UsageError:
            markers = {}
    system, _, architecture = (bill.platform or "").partition("/")
    machine = _MACHINES.get(architecture.partition("/")[0])
    if system == "linux" or (bill.os_name and any(each.purl.type in _OS_MANAGERS for each in bill.components)):
        markers |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    if machine is not None:
        markers["platform_machine"] = machine
    return Target(markers=MappingProxyType(markers), machine=machine)


def _distribution(component: Component, place: _Place) -> Distribution:
    name: NormalizedName = canonicalize_name(component.purl.name)
    return Distribution(
        name=name,
        version=component.version,
        path=place.path,
        site=place.site,
        form=DistributionForm.LISTED,
        requires=component.requires,
        layer=component.layer,
    )


def _conda(component: Component, place: _Place) -> CondaPackage:
    qualifiers: Mapping[str, str] = component.purl.qualifiers
    return CondaPackage(
        name=component.purl.name,
        version=component.version,
        build=qualifiers.get("build", ""),
        channel=qualifiers.get("channel", ""),
        subdir=qualifiers.get("subdir", ""),
        filename="",
        url="",
        path=place.path,
        depends=component.requires,
        layer=component.layer,
    )
