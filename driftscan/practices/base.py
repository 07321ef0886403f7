"""Practice 1: the base image, and every other image that a build takes files from, is named by its digest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from driftscan.compare import Comparison
from driftscan.dockerfile.build import Build
from driftscan.dockerfile.model import Dockerfile, Expanded, Instruction, Stage
from driftscan.finding import Location, Outcome
from driftscan.practices import scope
from driftscan.practices.statements import Grade, Statement, failed, passed, unknown

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")
BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
_SYNTAX = "docker/dockerfile"
_TOOLS = (_SYNTAX, "docker/buildkit")
"""Images of the builder itself, which provenance lists too."""


def judge(comparison: Comparison) -> Iterator[Statement]:
    build = comparison.build
    if build.dockerfile is not None:
        yield from _stages(build, build.dockerfile)
        yield from _sources(build, build.dockerfile)
    elif scope.image(comparison) is not None:
        yield from _image(comparison)
    if scope.image(comparison) is not None and build.base_layers is not None:
        yield _built_on(comparison, build.base_name or "the base image")


def is_pinned(name: str) -> bool:
    return bool(_DIGEST.search(name))


def bare(name: str) -> str:
    """The name without its digest."""
    return name.partition("@")[0]


def _has_tag(name: str) -> bool:
    return ":" in bare(name).rpartition("/")[2]


def images(dockerfile: Dockerfile) -> Iterator[tuple[str, Instruction]]:
    """All images that FROM, COPY and RUN name, with the instruction, stages and `scratch` aside."""
    for stage in dockerfile.stages:
        if _is_image(stage):
            yield stage.base.text, stage.instruction
        for instruction, name in _taken(dockerfile, stage):
            yield name, instruction


def _is_image(stage: Stage) -> bool:
    return stage.parent is None and stage.base.text.lower() != "scratch" and not stage.base.unknown


def _stages(build: Build, dockerfile: Dockerfile) -> Iterator[Statement]:
    for stage in dockerfile.stages:
        if stage.parent is not None or stage.base.text.lower() == "scratch":
            continue
        if stage.base.unknown:
            yield _unknown_base(stage.base, stage.instruction, dockerfile)
            continue
        name = stage.base.text
        if is_pinned(name):
            yield passed("IM511", Grade.DOCKERFILE, f"{bare(name)} is pinned by its digest")
        else:
            yield _not_pinned("IM511", name, stage.instruction, build, dockerfile)
        yield from _moved(name, stage.instruction, build, dockerfile)


def _unknown_base(base: Expanded, instruction: Instruction, dockerfile: Dockerfile) -> Statement:
    names = ", ".join(sorted(base.unknown))
    return unknown(
        "IM511",
        Grade.DOCKERFILE,
        f"which image `FROM {instruction.arguments[0]}` names ({dockerfile.path}:{instruction.line})",
        f"{names} has no value in the Dockerfile; give it with --build-arg",
    )


def _not_pinned(rule: str, name: str, instruction: Instruction, build: Build, dockerfile: Dockerfile) -> Statement:
    shown = name if _has_tag(name) else f"{name} (that is, {name}:latest)"
    now = build.images.get(name)
    digest = now.digest if now is not None else None
    hint = f"write {name}@{digest}, which is what {now.source} has" if now and digest else f"write {name}@sha256:..."
    if not digest:
        hint += "; --online looks the digest up, --fix writes it"
    return failed(
        rule,
        Grade.DOCKERFILE,
        f"{shown} is named without a digest, and another image may stand there tomorrow",
        hint,
        Location(path=dockerfile.path, line=instruction.line),
    )


def _moved(name: str, instruction: Instruction, build: Build, dockerfile: Dockerfile) -> Iterator[Statement]:
    if not is_pinned(name) or not _has_tag(name):
        return
    now = build.images.get(bare(name))
    digest = name.partition("@")[2]
    if now is None:
        return
    if now.digest is None:
        why = f"{now.source}"
        yield unknown("IM512", Grade.DOCKERFILE, f"whether {bare(name)} still is the image that is pinned", why)
    elif now.digest == digest:
        yield passed("IM512", Grade.DOCKERFILE, f"{bare(name)} still is the image that is pinned")
    else:
        yield failed(
            "IM512",
            Grade.DOCKERFILE,
            f"{bare(name)} now is {now.digest}; pinned is {digest}",
            "see what changed in it, then pin the new digest",
            Location(path=dockerfile.path, line=instruction.line),
        )


def _taken(dockerfile: Dockerfile, stage: Stage) -> Iterator[tuple[Instruction, str]]:
    """Images that the instructions of a stage take files from."""
    for step in stage.steps:
        inner = step.instruction.trigger or step.instruction
        names = [inner.flag("from")] if inner.keyword == "COPY" else [each.get("from") for each in inner.mounts]
        for name in filter(None, names):
            if name.lower() != "scratch" and dockerfile.stage(name, stage.index) is None:
                yield step.instruction, name


def _sources(build: Build, dockerfile: Dockerfile) -> Iterator[Statement]:
    for stage in dockerfile.stages:
        for instruction, name in _taken(dockerfile, stage):
            if "$" in name:
                yield unknown(
                    "IM513",
                    Grade.DOCKERFILE,
                    f"which image {name} names ({dockerfile.path}:{instruction.line})",
                    "builders replace no variables there; name a stage instead",
                )
            elif is_pinned(name):
                yield passed("IM513", Grade.DOCKERFILE, f"{bare(name)} is pinned by its digest")
                yield from _moved(name, instruction, build, dockerfile)
            else:
                yield _not_pinned("IM513", name, instruction, build, dockerfile)
    syntax = dockerfile.directive("syntax")
    if syntax is not None and is_pinned(syntax.value):
        yield passed("IM513", Grade.DOCKERFILE, "the syntax directive is pinned by its digest")
    elif syntax is not None:
        yield Statement(
            rule="IM513",
            outcome=Outcome.FAIL,
            grade=Grade.DOCKERFILE,
            text=f"the frontend {syntax.value} is named without a digest, and it decides what every line means",
            hint=f"write # syntax={syntax.value}@sha256:..."
            + (", or take the line out where the builder's own frontend will do" if _SYNTAX in syntax.value else ""),
            location=Location(path=dockerfile.path, line=syntax.line),
        )


def _built_on(comparison: Comparison, name: str) -> Statement:
    """Whether the image begins with the layers that its base has now."""
    if scope.base_size(comparison) is not None:
        return passed("IM512", Grade.LAYER, f"the image begins with the layers of {name}")
    return failed(
        rule="IM512",
        grade=Grade.LAYER,
        text=f"the image was built on another image than {name} is now: it does not begin with its layers",
        hint="see what changed in the base, and build again",
    )


def _image(comparison: Comparison) -> Iterator[Statement]:
    """What an image says of those that it was built from: labels where its builder set them, else its attestations."""
    inventory = scope.image(comparison)
    labels = inventory.config.labels if inventory is not None else {}
    digest = labels.get(BASE_DIGEST)
    if digest is not None:
        yield from _said(comparison, labels.get(BASE_NAME), digest, "the label")
        return
    used = [each for each in comparison.build.used if not each.name.startswith(_TOOLS)]
    for each in used:
        yield from _said(comparison, each.name, each.digest, "the provenance attestation")
    if not used:
        unread = comparison.build.unread
        why = f"its attestation cannot be read ({unread})" if unread else "an image's history does not tell"
        yield unknown(
            "IM511", Grade.HISTORY, "whether the base image was pinned by its digest", f"{why}; give the Dockerfile"
        )


def _said(comparison: Comparison, name: str | None, digest: str, witness: str) -> Iterator[Statement]:
    """What was used, and whether the name still stands for that. What was asked for, only the Dockerfile tells."""
    shown = name or "its base"
    yield unknown(
        "IM511",
        Grade.PROVENANCE,
        f"whether {shown} was pinned by its digest",
        f"{witness} says that the build used {digest}, and not what was asked for; give the Dockerfile",
    )
    now = comparison.build.images.get(bare(name)) if name is not None else None
    if name is None or now is None:
        return
    if now.digest is None:
        yield unknown("IM512", Grade.PROVENANCE, f"whether {name} has moved since the build", now.source)
    elif now.digest == digest:
        yield passed("IM512", Grade.PROVENANCE, f"{name} still is the image that it was built on")
    else:
        yield failed(
            rule="IM512",
            grade=Grade.PROVENANCE,
            text=f"{name} now is {now.digest}; the image was built on {digest}",
            hint="see what changed in the base, and build again",
        )
