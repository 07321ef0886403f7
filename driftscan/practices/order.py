"""Practice 3: dependencies are installed before the application's code is copied."""

from __future__ import annotations

import re
from collections.abc import Iterator

from driftscan.compare import Comparison
from driftscan.finding import Outcome
from driftscan.practices import scope
from driftscan.practices.actions import Action, places
from driftscan.practices.installs import Install, Source, install_of
from driftscan.practices.statements import Grade, Statement, failed, passed, unknown

_MANIFEST = re.compile(
    r"(?:.*requirements.*|.*constraints.*|pyproject\.toml|setup\.(?:py|cfg)|poetry\.(?:lock|toml)|uv\.(?:lock|toml)|pdm\.(?:lock|toml)"
    r"|Pipfile(?:\.lock)?|pylock[^/]*\.toml|pixi\.(?:lock|toml)|.*conda.*\.(?:ya?ml|txt|lock)|environment[^/]*\.ya?ml|.*\.lock"
    r"|README[^/]*|LICEN[CS]E[^/]*|\.python-version|MANIFEST\.in|package(?:-lock)?\.json|yarn\.lock|Makefile|.*\.whl|.*\.pth"
    r"|hatch\.toml|hatch_build\.py|version\.py|_version\.py|__about__\.py|apt[^/]*\.txt|packages?[^/]*\.txt)"
)
_SETTING = re.compile(
    r".*\.(?:sh|conf|cfg|ini|crt|pem|cer|key|asc|gpg|list|sources|repo|toml|ya?ml|json|txt|env|bash|patch|diff|deb|rpm)"
)
_SYSTEM = re.compile(r"/(?:etc|usr|bin|sbin|lib\w*|tmp|var/(?:lib|cache))(?:/|$)")


def judge(comparison: Comparison) -> Iterator[Statement]:
    stages = scope.stages(comparison)
    if comparison.build.dockerfile is None:
        yield from _image(comparison)
        return
    found = False
    for actions in stages:
        first = _first_install(actions)
        if first is None:
            continue
        found = True
        position, install = first
        early = _code(actions[:position]) or _bound_code(actions[position])
        if early is not None:
            yield _fail(early, actions[position], install)
        else:
            where = next(places((actions[position],)), "")
            yield passed(
                "IM531", Grade.DOCKERFILE, f"only manifests and locks are there before {install.tool} ({where})"
            )
    if not found:
        yield passed("IM531", Grade.DOCKERFILE, "no instruction installs Python packages")


def _first_install(actions: tuple[Action, ...]) -> tuple[int, Install] | None:
    for position, action in enumerate(actions):
        for command in action.commands:
            install = install_of(command, action.values)
            if install is not None and install.source not in (Source.TOOL, Source.PROJECT):
                return position, install
    return None


def _code(actions: tuple[Action, ...]) -> tuple[Action, str] | None:
    for action in actions:
        if action.keyword in ("COPY", "ADD") and action.origin is None:
            for source in action.sources:
                if _is_code(source, action.destination or ""):
                    return action, source
    return None


def _bound_code(action: Action) -> tuple[Action, str] | None:
    return next(((action, source) for source in action.bound if _is_code(source, "")), None)


def _is_code(source: str, destination: str) -> bool:
    """Whether a source in the build context is code: `.`, a folder, a module; no manifest, no setting of the system."""
    name = source.rstrip("/").rpartition("/")[2]
    if (
        "://" in source
        or _MANIFEST.fullmatch(name)
        or (name and _MANIFEST.fullmatch(source.split("/")[0]) and "/" in source)
    ):
        return False
    if name in ("", ".", "*", "./"):
        return True
    if name.endswith((".py", ".pyx", ".ipynb")):
        return True
    return not _SETTING.fullmatch(name) and not _SYSTEM.match(destination)


def _fail(early: tuple[Action, str], installing: Action, install: Install) -> Statement:
    action, source = early
    where = next(places((installing,)), "")
    how = "is mounted" if action is installing else "is copied"
    return failed(
        rule="IM531",
        grade=action.grade,
        text=f"{source} {how} before {install.tool} installs dependencies ({where}): each change installs anew",
        hint=f"copy {', '.join(install.locks) or 'the lock'} and its manifest first, install, then copy the code",
        location=action.location,
        layer=action.layer,
    )


def _image(comparison: Comparison) -> Iterator[Statement]:
    """A layer with code under the one that installed the dependencies."""
    inventory = scope.image(comparison)
    traces = scope.traces(comparison)
    if inventory is None or traces is None:
        return
    own = {layer.index for layer in scope.own_layers(comparison)}
    layers = [
        each.layer
        for environment in inventory.environments
        for each in environment.distributions
        if each.layer is not None and each.owner is None and each.layer.index in own
    ]
    installing = [layer for layer in layers if (layer.created_by or "").startswith("RUN")]
    if not installing:
        yield unknown(
            "IM531",
            Grade.LAYER,
            "whether dependencies were installed before code was copied",
            "no layer of a RUN holds the packages: they were copied from another stage, or the history says nothing; "
            "give the Dockerfile",
        )
        return
    first = min(installing, key=lambda layer: layer.index)
    early = next((each for each in traces.code if each.layer.index < first.index and each.layer.index in own), None)
    if early is None:
        yield passed("IM531", Grade.LAYER, f"no layer with code is below layer {first.index}, which installs packages")
        return
    yield Statement(
        rule="IM531",
        outcome=Outcome.FAIL,
        grade=Grade.LAYER,
        text=f"code ({early.example}) is in the image before layer {first.index} installs the dependencies",
        hint="copy the lock and its manifest first, install, then copy the code",
        layer=early.layer,
        path=early.example,
    )
