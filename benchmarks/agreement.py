"""Whether driftscan selects from locks what the tools that own their formats would install.

    python benchmarks/agreement.py FOLDER [--format NAME]... [--limit N] [--seconds N]

Every lock below FOLDER is copied, with the files beside it, and asked for several targets and parts; driftscan and the
owning tool answer, without network. Prints each disagreement on a line (file, target, request, what only one of them
has) and counts for each format; a tool that is not installed is skipped. Exits with 1 where they disagree.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from asking import Answer, Case, Question, Refusal, place, shown
from oracles import ORACLES, Oracle

import driftscan
from driftscan.errors import DriftscanError
from driftscan.graph import DependencyGraph
from driftscan.lock import recognise
from driftscan.lock.document import Document
from driftscan.model.lock import Lock, OriginKind, PackageId, Request

_HEAD = 4096
_MOST_NAMES = 12
_UNNAMED = frozenset((OriginKind.EDITABLE, OriginKind.VIRTUAL))
"""What exports name in too many ways, or not at all."""
_LOCAL = frozenset((OriginKind.DIRECTORY, OriginKind.PATH))
_SKIPPED = frozenset((".git", "node_modules", "__pycache__"))
AGREES, DIFFERS, REFUSED, FAILED = "agree", "disagree", "both refuse", "tool fails"


class SlowError(Exception):
    """The time for one file is used up."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # what handlers are given
        raise SlowError(f"signal {number}")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def locks(folder: Path, formats: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Files in a lock format below a folder, in order; those that only their content could tell are left out."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _SKIPPED.intersection(path.parts):
            with path.open("rb") as stream:
                head = stream.read(_HEAD)
            try:
                name = recognise(Document(str(path), head)).name
            except DriftscanError:
                continue
            if not formats or name in formats:
                yield name, path


def copied(path: Path, work: Path) -> Path:
    """The lock in a copy of its folder: tools write beside locks."""
    folder = work / "project"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(path.parent, folder, ignore=shutil.ignore_patterns(*_SKIPPED), symlinks=True)
    return folder / path.name


def read(path: Path, name: str) -> tuple[Lock | None, str]:
    try:
        return driftscan.read_lock(path, name), ""
    except DriftscanError as error:
        return None, str(error.message)


def ours(lock: Lock, question: Question, left_out: frozenset[OriginKind]) -> Answer:
    """What driftscan selects, the project's own members left out; Refusal where it says that this cannot be asked."""
    try:
        selection = DependencyGraph.build([lock]).select(place(question.target), question.request)
    except DriftscanError as error:
        return Refusal(error.message)
    members = {package.id for package in lock.packages if package.is_member}
    return frozenset(
        entry(package.id, package.specifier)
        for package in selection.packages.values()
        if package.id not in members and package.id.origin.kind not in left_out
    )


def entry(key: PackageId, specifier: str) -> str:
    plain = key.origin.kind in (OriginKind.INDEX, OriginKind.CONDA)
    return shown(key.name, key.version or specifier.removeprefix("==") if plain else None)


def judge(path: Path, name: str, oracle: Oracle, work: Path) -> Iterator[tuple[str, str, Question]]:
    """Verdicts on one lock, each with words that explain it (empty where there is nothing to say)."""
    copy = copied(path, work)
    lock, reason = read(copy, name)
    left_out = _UNNAMED if oracle.names_local else _UNNAMED | _LOCAL
    for question, theirs in oracle.answers(Case(copy, lock)):
        mine = ours(lock, question, left_out) if lock else Refusal(reason)
        yield *verdict(mine, theirs, oracle.tool), question


def verdict(mine: Answer, theirs: Answer, tool: str) -> tuple[str, str]:
    match mine, theirs:
        case Refusal(), Refusal():
            return REFUSED, f"driftscan: {mine.reason}; {tool}: {theirs.reason}"
        case _, Refusal():
            return FAILED, f"{tool} refuses: {theirs.reason}"
        case Refusal(), _:
            return DIFFERS, f"driftscan refuses: {mine.reason}"
        case _:
            return (AGREES, "") if mine == theirs else (DIFFERS, difference(mine, theirs, tool))


def difference(mine: frozenset[str], theirs: frozenset[str], tool: str) -> str:
    sides = (("driftscan", mine - theirs), (tool, theirs - mine))
    return "; ".join(f"only {side}: {listed(names)}" for side, names in sides if names)


def listed(names: frozenset[str]) -> str:
    rest = len(names) - _MOST_NAMES
    return ", ".join(sorted(names)[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def request_label(request: Request) -> str:
    parts = [f"extra {name}" for name in sorted(request.extras)]
    parts += ["all extras"] if request.all_extras else []
    parts += [f"group {name}" for name in sorted(request.groups)]
    parts += [f"package {name}" for name in sorted(request.packages)]
    parts += [] if request.default_groups else ["no default groups"]
    return " ".join(parts) or "default"


def verdicts(path: Path, name: str, oracle: Oracle, work: Path, seconds: int) -> list[tuple[str, str, Question]]:
    """As `judge`; where that takes too long, what was found until then and one more failure."""
    found: list[tuple[str, str, Question]] = []
    try:
        with at_most(seconds):
            # extend() keeps what came before an interruption.
            found.extend(judge(path, name, oracle, work))
    except SlowError:
        found.append((FAILED, f"no answer in {seconds} s", Question("all", Request())))
    return found


def report(path: Path, found: Sequence[tuple[str, str, Question]], wanted: Container[str]) -> None:
    """A line for each request and what is wrong with it, with the targets where it is."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    for kind, words, question in found:
        if kind in wanted and words:
            lines.setdefault((kind, request_label(question.request), words), []).append(question.target)
    for (kind, request, words), places in lines.items():
        print(f"{path}: {', '.join(places)}: {request}: {kind}: {words}", flush=True)


def run(
    folder: Path, found: Sequence[tuple[str, Path]], seconds: int, wanted: Container[str]
) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    missing: set[str] = set()
    with tempfile.TemporaryDirectory() as work:
        for name, path in found:
            oracle = ORACLES.get(name)
            if oracle is None or not oracle.is_installed():
                missing.add(f"{name}: skipped, " + (f"{oracle.tool} is not installed" if oracle else "no tool to ask"))
                continue
            results = verdicts(path, name, oracle, Path(work), seconds)
            report(path.relative_to(folder), results, wanted)
            counts.setdefault(name, Counter()).update(["files", *(kind for kind, _, _ in results)])
    for line in sorted(missing):
        print(line)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--format", action="append", default=[], choices=sorted(ORACLES))
    parser.add_argument("--limit", type=int, help="no more files than this")
    parser.add_argument("--seconds", type=int, default=60, help="for one file")
    parser.add_argument("--everything", action="store_true", help="print refusals and failures of the tools as well")
    arguments = parser.parse_args()
    # Tools log what they think of old projects.
    logging.disable()
    found = list(locks(arguments.folder, arguments.format))[: arguments.limit]
    wanted = (DIFFERS, REFUSED, FAILED) if arguments.everything else (DIFFERS,)
    counts = run(arguments.folder, found, arguments.seconds, wanted)
    for name, count in sorted(counts.items()):
        numbers = ", ".join(f"{count[kind]} {kind}" for kind in (AGREES, DIFFERS, REFUSED, FAILED))
        print(f"{name:<15} {count['files']:>4} files: {numbers}")
    return int(any(count[DIFFERS] for count in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
