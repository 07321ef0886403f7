"""Puts the inventory of an image together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from driftscan.errors import ImageError
from driftscan.inventory import conda, cuda, entrypoint, environments, leftovers, ospackages
from driftscan.inventory.conda import CondaPrefix
from driftscan.inventory.contents import contents
from driftscan.inventory.distributions import Context, Found, Site, read_site
from driftscan.inventory.environments import Place
from driftscan.inventory.integrity import Checker, Verdict, combined
from driftscan.inventory.linking import linked
from driftscan.inventory.paths import shown
from driftscan.inventory.survey import survey
from driftscan.model.image import ImageConfig, LayerId
from driftscan.model.inventory import Distribution, DistributionForm, Environment, EnvironmentKind, Inventory
from driftscan.model.proof import Contents
from driftscan.rootfs import RootFS


def take(
    rootfs: RootFS,
    config: ImageConfig,
    layers: tuple[LayerId, ...],
    *,
    prefer: str | None = None,
    with_contents: bool = False,
) -> Inventory:
    """The inventory of an image.

    `layers` names the layers of `rootfs` by position. `prefer` is the path of the environment that the user wants
    as default; without it, the one that the image's entrypoint runs. `with_contents` keeps the digests of all files
    that distributions list. Raises ImageError where `prefer` is none.
    """
    context = Context(rootfs=rootfs, layers=layers, os_index=ospackages.read(rootfs, layers))
    surveyed = survey(rootfs)
    places = environments.find(context, config, surveyed)
    taken = _take_environments(context, places, config)
    choice = entrypoint.choose(rootfs, config, taken.environments, prefer)
    if prefer is not None and choice.position is None:
        raise _no_such(prefer, taken.environments)
    chosen = tuple(
        replace(environment, chosen_because=choice.because) if index == choice.position else environment
        for index, environment in enumerate(taken.environments)
    )
    return Inventory(
        config=config,
        layers=layers,
        os_name=context.os_index.release.get("PRETTY_NAME") or context.os_index.release.get("ID"),
        environments=chosen,
        default=choice.position,
        os_packages=context.os_index.packages,
        leftovers=leftovers.leftovers(surveyed.metadata, taken.installed, taken.stale),
        cuda=cuda.read(rootfs, config),
        unchecked=choice.unchecked,
        contents=MappingProxyType(_contents(context, taken.found) if with_contents else {}),
    )


def _contents(context: Context, installed: Iterable[Found]) -> dict[str, Contents]:
    """By path of the distribution; without those that list nothing."""
    known = ((found.distribution.path, contents(context, found)) for found in installed)
    return {path: each for path, each in known if each is not None}


def _no_such(prefer: str, found: Sequence[Environment]) -> ImageError:
    known = ", ".join(dict.fromkeys(environment.path for environment in found))
    hint = f"the image holds {known}" if known else "the image holds no Python environment at all"
    return ImageError(f"there is no Python environment at {prefer}", hint=hint)


class _Taken:
    """The environments of an image, and which metadata folders they account for."""

    def __init__(self, found: Iterable[Environment], sites: Iterable[Site]) -> None:
        self.environments = tuple(found)
        known = tuple(sites)
        self.found = [found for site in known for found in site.found]
        self.installed = [found.distribution.path.lstrip("/") for found in self.found]
        self.stale = [path for site in known for path in site.stale]


def _take_environments(context: Context, places: Sequence[Place], config: ImageConfig) -> _Taken:
    prefixes = {place.path: conda.read(context, place.path) for place in places if place.kind is EnvironmentKind.CONDA}
    owners = _conda_owners(prefixes.values())
    sites = {
        path: _with_conda(read_site(context, path), owners)
        for path in dict.fromkeys(path for place in places for path in place.search_path)
    }
    rows = {row.path: row for prefix in prefixes.values() for found in prefix.records for row in found.rows}
    checker = Checker(context, sites.values(), rows)
    own = {path for place in places for path in (*place.own, *place.inherited)}
    verdicts = {path: checker.check(site, unowned=path in own) for path, site in sites.items()}
    found = (_environment(context, place, sites, verdicts, prefixes.get(place.path, CondaPrefix())) for place in places)
    return _Taken((linked(environment, context, config) for environment in found), sites.values())


def _conda_owners(prefixes: Iterable[CondaPrefix]) -> Mapping[str, str]:
    """Conda package by the path of the Python metadata that it installed."""
    found: dict[str, str] = {}
    for prefix in prefixes:
        for conda_record in prefix.records:
            for row in conda_record.rows:
                for leaf in ("/METADATA", "/PKG-INFO", ""):
                    folder = row.path.removesuffix(leaf)
                    if folder.endswith((".dist-info", ".egg-info")):
                        found[folder] = conda_record.package.name
    return found


def _with_conda(site: Site, owners: Mapping[str, str]) -> Site:
    found = tuple(
        Found(replace(item.distribution, conda_name=owners.get(item.distribution.path.lstrip("/"))), item.files)
        for item in site.found
    )
    return replace(site, found=found)


def _environment(
    context: Context, place: Place, sites: Mapping[str, Site], verdicts: Mapping[str, Verdict], prefix: CondaPrefix
) -> Environment:
    path = place.search_path
    verdict = combined([verdicts[site] for site in path])
    unread = tuple(unchecked for site in path for unchecked in sites[site].unchecked)
    distributions = _shadowed(_without_sources([found.distribution for site in path for found in sites[site].found]))
    return Environment(
        path=shown(place.path),
        kind=place.kind,
        interpreter=place.described.interpreter,
        target=place.described.target,
        search_path=tuple(shown(site) for site in path),
        distributions=distributions,
        conda=tuple(found.package for found in prefix.records),
        natives=tuple(verdict.natives),
        cuda=tuple(cuda.builds(context.rootfs, distributions)),
        problems=tuple(sorted(verdict.problems, key=lambda problem: (problem.path, problem.kind))),
        unchecked=(*place.unchecked, *prefix.unchecked, *unread, *verdict.unchecked),
    )


def _without_sources(distributions: Sequence[Distribution]) -> Iterator[Distribution]:
    """Leaves out the egg-info that a build left in the source folder of an editable install: it is the same install."""
    editable = {
        distribution.name: distribution
        for distribution in distributions
        if distribution.direct_url is not None and distribution.direct_url.editable
    }
    for distribution in distributions:
        install = editable.get(distribution.name, distribution)
        if distribution.form is not DistributionForm.EGG_INFO or install.site == distribution.site:
            yield distribution


def _shadowed(distributions: Iterable[Distribution]) -> tuple[Distribution, ...]:
    """Marks what a directory earlier on the search path hides. Two in one directory hide nothing from each other."""
    first: dict[str, Distribution] = {}
    found: list[Distribution] = []
    for distribution in distributions:
        winner = first.setdefault(distribution.name, distribution)
        hidden = winner.site != distribution.site
        found.append(replace(distribution, shadowed_by=winner.path) if hidden else distribution)
    return tuple(found)
