"""pip-compile for a target that is not the interpreter it runs on; a program of its own, started by `piptools.py`.

    python -I piptools_child.py TARGET.json OPTION...

TARGET.json has `markers` (PEP 508, all of them), `tags` (best first), `python` (numbers of its version), `is_built`
(whether source distributions count), `indexes` (URLs without credentials, the first that has a project decides) and
`cache` (the folder of what is remembered of indexes, or null).
What pip and pip-tools take from their own interpreter is replaced by that, before anything is resolved. The last line
of output is `driftscan: REASON` where nothing satisfies the requirements (exit code 3), or where the versions of pip
and pip-tools do not fit together (exit code 4).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

UNSATISFIED, MISFIT = 3, 4
_INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")


def replace_interpreter(target: Mapping[str, Any]) -> None:
    """Make pip resolve for `target`; AttributeError or ImportError where this pip has other insides."""
    from pip._internal.models import target_python
    from pip._internal.resolution.resolvelib import candidates
    from pip._vendor.packaging import markers, tags

    supported = [tags.Tag(*each) for each in target["tags"]]
    version = tuple(target["python"])
    environment = dict(target["markers"])
    _replace(markers, "default_environment", lambda: dict(environment))
    _replace(target_python, "get_supported", lambda *_, **__: supported)
    for owner in (target_python.TargetPython, candidates.RequiresPythonCandidate):
        _default_version(owner, version)


def _replace(owner: Any, name: str, value: object) -> Any:
    """What was there; AttributeError where there was nothing, and pip would not notice."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    return before


def _default_version(owner: Any, version: tuple[int, ...]) -> None:
    """`owner` takes `py_version_info`, and this Python's version where that is None."""
    begin = owner.__init__
    names = begin.__code__.co_varnames[1 : begin.__code__.co_argcount]
    place = names.index("py_version_info")

    def begin_for_target(self: object, *given: Any, **named: Any) -> None:
        arguments = dict(zip(names, given, strict=False)) | named
        if arguments.get(names[place]) is None:
            arguments[names[place]] = version
        begin(self, **arguments)

    owner.__init__ = begin_for_target


def leave_out_unusable_files(target: Mapping[str, Any]) -> None:
    """Make pip read of a page what it may pick only: most files are for other platforms, and each takes it a while."""
    from pip._internal.models.link import Link

    supported = Supported(map(tuple, target["tags"]), is_built=target["is_built"])
    read: Callable[..., object] = Link.from_json

    def from_json(_: type, file: Any, *given: Any, **named: Any) -> object:
        name = file.get("filename") if isinstance(file, dict) else None
        if isinstance(name, str) and not supported.is_usable(name.lower()):
            return None
        return read(file, *given, **named)

    _replace(Link, "from_json", classmethod(from_json))


class Supported:
    """The tags that the target accepts, and what became of those that were met: thousands of files share some."""

    def __init__(self, tags: Iterable[tuple[str, ...]], *, is_built: bool) -> None:
        self._tags = frozenset(tags)
        self._is_built = is_built
        self._met: dict[str, bool] = {}

    def is_usable(self, name: str) -> bool:
        """Whether a file can be installed, by its name (PEP 427); true for a name that breaks the rules."""
        if not name.endswith(".whl"):
            return self._is_built
        parts = name[:-4].rsplit("-", 3)
        if len(parts) != 4 or parts[0].count("-") not in (1, 2):
            return True
        written = name[len(parts[0]) :]
        if written not in self._met:
            self._met[written] = any(tag in self._tags for tag in product(*(part.split(".") for part in parts[1:])))
        return self._met[written]


def ask_first_index_only(indexes: list[str]) -> None:
    """Make pip look no further than the first index that has a project."""
    from pip._internal.index.collector import LinkCollector

    fetch: Callable[..., object] = LinkCollector.fetch_response
    decided: dict[str, str] = {}

    def fetch_first(self: object, location: Any, *given: Any, **named: Any) -> object:
        url = location.url_without_fragment
        index, _, project = url.rstrip("/").rpartition("/")
        if not any(_bare(index) == each for each in indexes):
            return fetch(self, location, *given, **named)
        if decided.get(project, url) != url:
            return None
        response = fetch(self, location, *given, **named)
        if response is not None:
            decided[project] = url
        return response

    _replace(LinkCollector, "fetch_response", fetch_first)


def _bare(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}".rstrip("/")


def run_nothing() -> None:
    """Keep pip from running what it finds on the path (`rustc`, `lsb_release`) to tell indexes of this machine."""
    from pip._internal.network import session

    _replace(session, "user_agent", lambda: "driftscan")


def read_metadata_only(target: Mapping[str, Any]) -> None:
    """Make pip read of a wheel what it requires, where the index says which hash it has.

    pip itself fetches it whole where an index has no metadata beside it, and whatever cannot be had otherwise.
    """
    from pip._internal.metadata import get_metadata_distribution
    from pip._internal.operations.prepare import RequirementPreparer

    from driftscan.index.page import File
    from driftscan.model.lock import Hash
    from driftscan.resolve.piptools_wheels import Wheels

    wheels = Wheels([url for name in _INDEXES for url in os.environ.get(name, "").split()], target["cache"])

    def fetch_metadata(self: object, requirement: Any) -> object:
        link = requirement.link
        if requirement.req is None or not link.is_wheel or link.is_file or link.hash_name != "sha256":
            return fetch(self, requirement)
        beside = link.metadata_file_data
        hashes = [Hash(*each) for each in (beside.hashes or {}).items()] if beside is not None else []
        file = File(
            filename=link.filename,
            url=link.url_without_fragment,
            hashes=(Hash(link.hash_name, link.hash),),
            metadata=tuple(hashes) if beside is not None else None,
        )
        data = wheels.metadata(file)
        if data is None:
            return fetch(self, requirement)
        return get_metadata_distribution(data, link.filename, requirement.req.name)

    fetch: Callable[..., object] = _replace(RequirementPreparer, "_fetch_metadata_only", fetch_metadata)


def reasons(error: BaseException | None) -> Iterator[str]:
    """What pip's resolver could not satisfy, from the errors that led to each other."""
    while error is not None:
        for cause in getattr(error, "causes", ()):
            parent = f"{cause.parent.name} {cause.parent.version} requires" if cause.parent else "you require"
            yield f"{parent} {cause.requirement}"
        error = error.__cause__ or error.__context__


def main(arguments: list[str]) -> int:
    target = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        from pip._internal.exceptions import DistributionNotFound
        from piptools.scripts.compile import cli

        replace_interpreter(target)
        leave_out_unusable_files(target)
        run_nothing()
        read_metadata_only(target)
        if len(target["indexes"]) > 1:
            ask_first_index_only(target["indexes"])
    except (ImportError, AttributeError, ValueError) as error:
        return _told(MISFIT, f"pip and pip-tools do not fit together: {error}")
    return _compiled(cli, arguments[1:], DistributionNotFound)


def _compiled(compile_: Callable[..., object], options: list[str], unsatisfied: type[Exception]) -> int:
    try:
        compile_(options)
    except unsatisfied as error:
        return _told(UNSATISFIED, " and ".join(dict.fromkeys(reasons(error))) or str(error))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _told(code: int, reason: str) -> int:
    sys.stderr.flush()
    sys.stdout.write(f"\ndriftscan: {' '.join(reason.split())}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
