"""What an image contains, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from driftscan.finding import TargetInput
from driftscan.model.image import LayerId
from driftscan.model.inventory import CondaPackage, Distribution, Environment, Inventory, Leftover
from driftscan.model.lock import Unchecked
from driftscan.report import natives
from driftscan.report.text import NARROW
from driftscan.report.view import Span, Style, View, joined, table, wrap
from driftscan.report.words import describe

_LEFTOVERS = 8


def render(inventory: Inventory, target: TargetInput, view: View) -> str:
    blocks = [
        _header(inventory, target, view),
        *(_environment(inventory, index, view) for index in _default_first(inventory)),
        _layers(inventory.layers, view),
        _leftovers(inventory.leftovers, view),
        _unchecked(inventory, view),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _header(inventory: Inventory, target: TargetInput, view: View) -> list[str]:
    cuda = inventory.cuda.toolkit or inventory.cuda.declared
    facts = (target.platform, inventory.os_name, f"CUDA {cuda}" if cuda else None, target.digest)
    title = wrap([Span(target.reference, Style.STRONG), Span(f"({target.source})")], view)
    return [*title, *joined([fact for fact in facts if fact], view), *joined(_totals(inventory), view)]


def _totals(inventory: Inventory) -> Iterator[str]:
    if not inventory.environments:
        yield "no Python environment"
    else:
        yield _count(len(inventory.environments), "environment")
    found = {distribution.path for environment in inventory.environments for distribution in environment.distributions}
    yield _count(len(found), "distribution")
    if inventory.layers:
        yield _count(len(inventory.layers), "layer")
    managers = Counter(package.manager for package in inventory.os_packages)
    yield from (f"{_count(number, 'package')} of {manager}" for manager, number in sorted(managers.items()))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _default_first(inventory: Inventory) -> list[int]:
    return sorted(range(len(inventory.environments)), key=lambda index: index != inventory.default)


def _environment(inventory: Inventory, index: int, view: View) -> list[str]:
    environment = inventory.environments[index]
    path, *facts = describe(environment)
    lines = wrap([Span(path, Style.STRONG), *_default(inventory, index)], view)
    lines += joined([environment.kind.value, *facts], view)
    lines += _distributions(environment.distributions, view)
    lines += _conda(environment.conda, view)
    if environment.problems:
        kinds = Counter(problem.kind.value for problem in environment.problems)
        counts = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        lines += wrap(
            [Span("files that differ from RECORD:"), Span(counts, Style.DOUBTFUL)], view, first="  ", rest="  "
        )
    return [*lines, *natives.lines(environment, view), *_cuda(environment, view)]


def _cuda(environment: Environment, view: View) -> list[str]:
    rows = [(f"{each.distribution} {each.version}", each.cuda, each.evidence) for each in environment.cuda]
    return ["", *table(("built for CUDA", "version", "by"), rows, view)] if rows else []


def _default(inventory: Inventory, index: int) -> Iterator[Span]:
    if index == inventory.default:
        because = inventory.environments[index].chosen_because
        yield Span("default" + (f": {because}" if because else ""), Style.GOOD)


def _distributions(distributions: Sequence[Distribution], view: View) -> list[str]:
    if not distributions:
        return ["  no distribution"]
    shown = ["name", "version"]
    if view.width >= NARROW:
        shown.append("installer")
    if any(distribution.layer for distribution in distributions):
        shown.append("layer")
    if view.width >= NARROW and any(map(_origin, distributions)):
        shown.append("from")
    rows = [[_cell(distribution, column) for column in shown] for distribution in distributions]
    return table(shown, rows, view)


def _cell(distribution: Distribution, column: str) -> str:
    match column:
        case "name":
            return distribution.name
        case "version":
            return distribution.version
        case "installer":
            return distribution.installer or "-"
        case "layer":
            return _position(distribution.layer)
        case _:
            return _origin(distribution)


def _position(layer: LayerId | None) -> str:
    return str(layer.index) if layer else "-"


def _origin(distribution: Distribution) -> str:
    """What is known of where it came from, and whether it is what gets imported."""
    parts = [f"{distribution.owner} (OS package)"] if distribution.owner else []
    if distribution.conda_name:
        parts.append(f"{distribution.conda_name} (conda package)")
    if distribution.direct_url:
        url = distribution.direct_url
        parts.append(("editable " if url.editable else "") + url.url + (f"@{url.commit}" if url.commit else ""))
    if distribution.built_on_the_spot:
        parts.append("built on the spot")
    if distribution.shadowed_by:
        parts.append(f"shadowed by {distribution.shadowed_by}")
    return ", ".join(parts)


def _conda(packages: Sequence[CondaPackage], view: View) -> list[str]:
    if not packages:
        return []
    if view.width < NARROW:
        short = [(found.name, found.version, _position(found.layer)) for found in packages]
        return ["", *table(("conda package", "version", "layer"), short, view)]
    rows = [(found.name, found.version, found.build, _position(found.layer), found.channel) for found in packages]
    return ["", *table(("conda package", "version", "build", "layer", "channel"), rows, view)]


def _layers(layers: Sequence[LayerId], view: View) -> list[str]:
    if not layers:
        return []
    title = view.paint("layers", Style.STRONG)
    instructions = [layer.created_by or "no instruction recorded" for layer in layers]
    if view.width < NARROW:
        short = [(str(layer.index), made) for layer, made in zip(layers, instructions, strict=True)]
        return [title, *table(("", "instruction"), short, view)]
    rows = [(str(layer.index), _short(layer), made) for layer, made in zip(layers, instructions, strict=True)]
    return [title, *table(("", "diff id", "instruction"), rows, view)]


def _short(layer: LayerId) -> str:
    return layer.diff_id.partition(":")[2][:12] if layer.diff_id else "-"


def _leftovers(leftovers: Sequence[Leftover], view: View) -> list[str]:
    if not leftovers:
        return []
    shown = leftovers if view.verbose or len(leftovers) <= _LEFTOVERS else leftovers[: _LEFTOVERS - 1]
    lines = [view.paint("not counted as installed", Style.STRONG)]
    for path, why in shown:
        lines += wrap([Span(path), Span(why, Style.FAINT)], view, first="  ", rest="    ")
    hidden = len(leftovers) - len(shown)
    return [*lines, view.paint(f"  and {hidden} more (-v shows all)", Style.FAINT)] if hidden else lines


def _unchecked(inventory: Inventory, view: View) -> list[str]:
    found: list[Unchecked] = list(inventory.unchecked)
    for environment in inventory.environments:
        found += environment.unchecked
    if not found:
        return []
    lines = [view.paint("not checked", Style.DOUBTFUL)]
    for what, why in dict.fromkeys(found):
        lines += wrap([Span(f"{what}:"), Span(why, Style.FAINT)], view, first="  ", rest="    ")
    return lines
