"""Which instruction made which layer, in the words of the Dockerfile."""

from __future__ import annotations

import re

from driftscan.model.image import HistoryEntry, ImageConfig, LayerId

_NOP = re.compile(r"/bin/sh -c #\(nop\)\s+")
_BUILD_ARGUMENTS = re.compile(r"\A\|\d+ (?:.*? )?(?=/bin/(?:ba|a|da)?sh )", re.DOTALL)
_SHELL = re.compile(r"/bin/(?:ba|a|da)?sh(?: -[a-z]+(?: pipefail)?)* -[a-z]*c ")
_BUILDKIT = "# buildkit"
_INSTRUCTION = re.compile(
    r"(?:ADD|COPY|RUN|ENV|ARG|CMD|ENTRYPOINT|EXPOSE|LABEL|USER|VOLUME|WORKDIR|SHELL|STOPSIGNAL|HEALTHCHECK|ONBUILD|MAINTAINER|FROM)\b"
)
_CONTENT_DIGEST = re.compile(r"\b((?:file|dir|multi):[0-9a-f]{12})[0-9a-f]{52} in ")


def layer_ids(config: ImageConfig) -> tuple[LayerId, ...]:
    """The layers, counted from 1, each with the instruction that made it.

    The n-th history entry that is not marked empty made the n-th layer (OCI image-spec config.md). Where their
    numbers differ, the history is not to be relied on and no layer gets an instruction.
    """
    makers = [entry for entry in config.history if not entry.empty_layer]
    reliable = len(makers) == len(config.diff_ids)
    return tuple(
        LayerId(position + 1, diff_id, instruction(makers[position]) if reliable else None)
        for position, diff_id in enumerate(config.diff_ids)
    )


def instruction(entry: HistoryEntry) -> str | None:
    """What the user wrote, from what a builder wrote into the history; None where it wrote nothing.

    The classic builder writes `/bin/sh -c X` for `RUN X`, `/bin/sh -c #(nop) X` for instructions that it ran itself,
    and puts `|n A=b` in front for build arguments; BuildKit writes `RUN |n A=b /bin/sh -c X # buildkit`; Buildah
    writes `/bin/sh -c X`. `docker import` leaves only a comment.
    """
    text = entry.created_by.strip().removesuffix(_BUILDKIT).rstrip()
    if _NOP.match(text):
        return _CONTENT_DIGEST.sub(r"\1 in ", _NOP.sub("", text, count=1)).strip()
    prefix, rest = ("RUN ", text.removeprefix("RUN ")) if text.startswith("RUN ") else ("", text)
    bare = _BUILD_ARGUMENTS.sub("", rest, count=1)
    if _SHELL.match(bare):
        return "RUN " + _SHELL.sub("", bare, count=1).strip()
    if text and (prefix or _INSTRUCTION.match(text)):
        return prefix + bare
    return text or entry.comment.strip() or None
