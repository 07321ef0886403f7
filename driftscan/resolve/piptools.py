"""pip-tools as an engine: what pip itself would choose, for any target, in some seconds.

https://pip-tools.readthedocs.io/en/stable/cli/pip-compile/. It resolves for the interpreter that it runs on, so it is
run by `piptools_child.py`, which puts the target in place of that.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet

from driftscan.errors import ResolveError
from driftscan.index.address import split_login
from driftscan.resolve.piptools_child import UNSATISFIED
from driftscan.resolve.places import Place
from driftscan.resolve.process import Finished, Work
from driftscan.resolve.question import CONSTRAINTS, REQUIREMENTS, RESULT, Question, files

TESTED = {"pip": SpecifierSet(">=26.2,<27"), "pip-tools": SpecifierSet(">=7.6.2,<8")}
"""pip-tools reaches into pip, and does not work with every version of it."""
_CHILD = Path(__file__).with_name("piptools_child.py")
_TARGET = "target.json"
_MARK = "driftscan: "
_VARIABLES = ("platform_release", "platform_version", "implementation_version")
"""Markers that images do not tell. They are empty for an engine; what depends on them is looked at afterwards."""


@dataclass(frozen=True)
class PipTools:
    """The pip-tools and the pip that are installed beside driftscan."""

    name: str = "pip-tools"

    @cached_property
    def version(self) -> str:
        found = {name: _version(name) for name in TESTED}
        for name, version in found.items():
            if not TESTED[name].contains(version, prereleases=True):
                raise ResolveError(f"{name} {version} is not known to work here", hint=_install())
        return f"{found['pip-tools']} with pip {found['pip']}"

    def refusal(self, question: Question) -> str | None:
        if question.place is None:
            return "pip-tools resolves for one target, not for all"
        if question.place.target.tags is None:
            return f"which wheels {question.place.words} accepts is not known"
        return None

    def begin(self, question: Question) -> Work:
        _ = self.version
        place = question.place
        if place is None:
            raise ResolveError("pip-tools resolves for one target, not for all")
        return Work(
            "pip-tools",
            [sys.executable, "-I", str(_CHILD), _TARGET, REQUIREMENTS, *_options(question)],
            {**files(question), _TARGET: json.dumps(_target(place, question))},
            _variables(question),
            explain=_explained,
        )


def _install() -> str:
    return "pip install " + " ".join(f"'{name}{versions}'" for name, versions in TESTED.items())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError as error:
        raise ResolveError(f"{name} is not installed", hint=_install()) from error


def _target(place: Place, question: Question) -> dict[str, object]:
    return {
        "markers": dict.fromkeys(_VARIABLES, "") | dict(place.target.markers),
        "tags": [[tag.interpreter, tag.abi, tag.platform] for tag in place.target.tags or ()],
        "python": [int(part) for part in place.python.split(".")[:3] if part.isdecimal()],
        "is_built": question.allow_builds,
        "indexes": [split_login(url)[0].rstrip("/") for url in question.indexes],
        "cache": question.cache,
    }


def _options(question: Question) -> Iterator[str]:
    yield from ("--output-file", RESULT, "--constraint", CONSTRAINTS)
    yield from ("--no-config", "--no-header", "--no-color", "--quiet", "--resolver", "backtracking")
    # Defaults change between versions, and what is left out would be missing under --require-hashes.
    yield from ("--allow-unsafe", "--strip-extras", "--annotate", "--annotation-style", "split")
    yield from ("--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host", "--no-emit-options")
    if not question.allow_builds:
        yield "--pip-args=--only-binary=:all:"
    if question.cutoff is not None:
        yield from ("--uploaded-prior-to", question.cutoff)
    if question.prereleases:
        yield "--pre"


def _variables(question: Question) -> dict[str, str]:
    found = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONUTF8": "1",
    }
    if question.indexes:
        first, *further = question.indexes
        found["PIP_INDEX_URL"] = first
        found |= {"PIP_EXTRA_INDEX_URL": " ".join(further)} if further else {}
    else:
        found["PIP_NO_INDEX"] = "1"
    if question.folders:
        found["PIP_FIND_LINKS"] = " ".join(question.folders)
    return found


def _explained(finished: Finished) -> str | None:
    last = finished.words.rstrip().rpartition("\n")[2]
    return last.removeprefix(_MARK) if finished.code == UNSATISFIED and last.startswith(_MARK) else None
