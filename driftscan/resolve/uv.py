"""uv as an engine: quick, and at home on platforms other than this one.

https://docs.astral.sh/uv/reference/cli/#uv-pip-compile
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from driftscan.errors import ResolveError
from driftscan.resolve.places import uv_platform
from driftscan.resolve.process import Finished, Work
from driftscan.resolve.question import CONSTRAINTS, REQUIREMENTS, RESULT, Question, files

_UNSATISFIED = re.compile(r"No solution found when resolving.*?\n(.*)", re.DOTALL)
_MARKS = re.compile(r"^\s*(?:cause:|├─▶|╰─▶|│|×|hint:)", re.MULTILINE)


@dataclass(frozen=True)
class Uv:
    """The uv that is installed beside driftscan."""

    name: str = "uv"

    @cached_property
    def version(self) -> str:
        from importlib import metadata

        try:
            return metadata.version("uv")
        except metadata.PackageNotFoundError as error:
            raise ResolveError("uv is not installed", hint="pip install uv, or --engine pip-tools") from error

    def refusal(self, question: Question) -> str | None:
        if question.place is None or uv_platform(question.place.target) is not None:
            return None
        return f"uv cannot resolve for {question.place.words}"

    def begin(self, question: Question) -> Work:
        return Work(
            "uv",
            [_program(), "pip", "compile", REQUIREMENTS, *_options(question)],
            files(question),
            _variables(question),
            explain=_explained,
        )


def _program() -> str:
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError) as error:
        raise ResolveError("uv is not installed", hint="pip install uv, or --engine pip-tools") from error


def _options(question: Question) -> Iterator[str]:
    yield from ("--output-file", RESULT, "--constraints", CONSTRAINTS)
    yield from ("--no-config", "--no-header", "--no-progress", "--color", "never", "--quiet", "--no-python-downloads")
    yield from ("--python", sys.executable, "--python-version", question.python)
    if question.place is None:
        yield "--universal"
    else:
        yield from ("--python-platform", uv_platform(question.place.target) or "")
    if not question.allow_builds:
        yield "--no-build"
    if question.cutoff is not None:
        yield from ("--exclude-newer", question.cutoff)
    if question.prereleases:
        yield from ("--prerelease", "allow")
    if not question.indexes:
        yield "--no-index"


def _variables(question: Question) -> dict[str, str]:
    """Addresses can hold credentials, which a list of processes shows to everybody when they are arguments."""
    found = {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}
    if question.indexes:
        *before, last = question.indexes
        found |= {"UV_DEFAULT_INDEX": last, "UV_INDEX": " ".join(before)} if before else {"UV_DEFAULT_INDEX": last}
    if question.folders:
        found["UV_FIND_LINKS"] = ",".join(question.folders)
    return found


def _explained(finished: Finished) -> str | None:
    match = _UNSATISFIED.search(finished.words)
    if match is None:
        return None
    return _MARKS.sub("", match[1].split("\nhint:")[0])
