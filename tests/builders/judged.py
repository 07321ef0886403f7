"""What the practices say of a Dockerfile, or of an image that is made of values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from driftscan import practices
from driftscan.compare import Comparison
from driftscan.dockerfile import parse
from driftscan.dockerfile.build import Build, LockFacts, Resolved
from driftscan.finding import Outcome
from driftscan.model.image import HistoryEntry, ImageConfig, LayerId
from driftscan.model.inventory import Environment, Inventory
from driftscan.model.traces import Traces
from driftscan.practices.statements import Statement
from tests.builders.comparisons import compared

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "fedcba9876543210" * 4
NOTHING: Mapping[str, str] = MappingProxyType({})


def dockerfile_comparison(
    text: str,
    *,
    context: Mapping[str, LockFacts] | None = None,
    images: Mapping[str, Resolved] | None = None,
    build_arguments: Mapping[str, str] = NOTHING,
) -> Comparison:
    """A Dockerfile, called `Dockerfile`, without an image."""
    build = Build(
        dockerfile=parse(text.encode(), "Dockerfile", build_arguments),
        context=context or {},
        images=images or {},
    )
    return replace(compared((), None), build=build)


def layer(index: int, created_by: str | None) -> LayerId:
    return LayerId(index, f"sha256:{index:064x}", created_by)


def image_comparison(
    *made: str | None,
    config: ImageConfig | None = None,
    traces: Traces | None = None,
    environment: Environment | None = None,
    base: int | None = None,
    build: Build | None = None,
) -> Comparison:
    """An image whose layers were made by these instructions, the lowest `base` of them by those of its base image."""
    layers = tuple(layer(index, text) for index, text in enumerate(made, 1))
    history = tuple(HistoryEntry(text or "") for text in made)
    inventory = Inventory(
        config=config or ImageConfig(entrypoint=("/app/run",), history=history),
        layers=layers,
        traces=traces or Traces(),
        environments=(environment,) if environment is not None else (),
    )
    known = build or Build()
    if base is not None:
        known = replace(known, base_name="base", base_layers=tuple(each.diff_id or "" for each in layers[:base]))
    return replace(compared((), environment), inventory=inventory, build=known)


def said(comparison: Comparison, rule: str, outcome: Outcome | None = None) -> list[Statement]:
    found = practices.judged(comparison)
    return [
        each
        for group in found.values()
        for each in group
        if each.rule.startswith(rule) and (outcome is None or each.outcome is outcome)
    ]


def failed(comparison: Comparison, rule: str) -> list[tuple[int | None, str]]:
    """Line (or layer) and text of what fails."""
    found = said(comparison, rule, Outcome.FAIL)
    return [
        (each.location.line if each.location else each.layer.index if each.layer else None, each.text) for each in found
    ]


def outcomes(comparison: Comparison, rule: str) -> set[str]:
    return {each.outcome.value for each in said(comparison, rule)}
