"""What locks cost: reading one beside what tomllib alone needs for the same text, selecting from 500 packages, finding
what leads to one of 1,000, and the memory of reading 1,000 locks in one process.

    python benchmarks/locks.py [FOLDER] [--rounds N]

Read are the largest uv.lock and poetry.lock below FOLDER, or made-up ones where it has none. What is compared is
measured in turn in the same run. Prints medians, and exits with 1 where a limit is passed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from made import packages, poetry_lock, uv_lock

import driftscan
from driftscan.graph import DependencyGraph
from driftscan.graph.chains import shortest
from driftscan.graph.view import whole
from driftscan.model.lock import Lock
from driftscan.platforms import target

READ_LIMIT = 2.5
"""Times the time of `tomllib.loads`."""
SELECT_LIMIT = 50.0
"""Milliseconds for 500 packages."""
WHY_LIMIT = 100.0
"""Milliseconds for one of 1,000 packages, the lock being loaded."""
GROWTH_LIMIT = 8.0
"""MiB by which the peak may grow from the hundredth lock to the thousandth; caches are bounded, not empty."""
LOCKS = 1000
SETTLED = 100
MADE = {"uv.lock": uv_lock, "poetry.lock": poetry_lock}


class Row(NamedTuple):
    """One line of the table: what was measured, the value, and the most that it may be."""

    name: str
    value: float
    limit: float
    unit: str
    note: str

    def __str__(self) -> str:
        verdict = "over" if self.value > self.limit else "ok"
        return f"{self.name:<39} {self.value:8.2f} {self.unit:<5} limit {self.limit:6.1f}  {verdict:<4}  {self.note}"


def medians(rounds: int, *actions: Callable[[], object]) -> list[float]:
    """Median seconds of each action; run in turn, A B A B, so that a machine whose speed drifts slows all alike."""
    for action in actions:
        action()
    columns = zip(*([seconds(action) for action in actions] for _ in range(rounds)), strict=True)
    return [statistics.median(column) for column in columns]


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def largest(folder: Path | None, name: str) -> Path | None:
    found = sorted(folder.rglob(name), key=lambda path: path.stat().st_size) if folder else []
    return found[-1] if found else None


def write(folder: Path, name: str, count: int, seed: int = 0) -> Path:
    """A made-up lock of that kind in a folder of its own."""
    path = folder / f"{count}-{seed}" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(MADE[name](packages(count, seed)))
    return path


def graph_of(path: Path) -> DependencyGraph:
    built = DependencyGraph.build([driftscan.read_lock(str(path))])
    _ = built.network
    return built


def reading(path: Path, rounds: int) -> Row:
    text = path.read_text()
    bare, full = medians(rounds, lambda: tomllib.loads(text), lambda: graph_of(path))
    count = len(driftscan.read_lock(str(path)).packages)
    note = f"{count} packages, {len(text) / 1e6:.2f} MB: {full * 1000:.0f} ms, tomllib {bare * 1000:.0f} ms"
    return Row(f"{path.name}, parse and graph / tomllib", full / bare, READ_LIMIT, "times", note)


def selecting(path: Path, rounds: int) -> Row:
    lock = driftscan.read_lock(str(path))
    place = target("3.12.4", "linux")
    selection = DependencyGraph.build([lock]).select(place)
    (spent,) = medians(rounds, lambda: DependencyGraph.build([lock]).select(place))
    note = f"{len(selection.packages)} of {len(lock.packages)} packages"
    return Row(f"select from {path.name}", spent * 1000, SELECT_LIMIT, "ms", note)


def explaining(lock: Lock, rounds: int) -> Row:
    """The whole answer after loading: the graph as it is shown, and the ways to the package furthest from the roots."""
    graph = DependencyGraph.build([lock])

    def furthest() -> int:
        view = whole(graph)
        ways = {node: shortest(view, node) for node in range(0, len(view.nodes), 25)}
        return max(ways, key=lambda node: len(ways[node].chains[0].links) if ways[node].chains else 0)

    goal = furthest()
    found = shortest(whole(graph), goal)
    (spent,) = medians(rounds, lambda: shortest(whole(graph), goal))
    note = f"{found.total} shortest ways of {len(found.chains[0].links)} links"
    return Row(f"why, {len(lock.packages)} packages", spent * 1000, WHY_LIMIT, "ms", note)


def peaks(folder: Path) -> Iterator[float]:
    """Peak resident memory of this process in MiB after `SETTLED` and after all locks; no two are alike."""
    for number in range(LOCKS):
        name = tuple(MADE)[number % len(MADE)]
        path = write(folder, name, 60, number)
        graph_of(path)
        path.unlink()
        if number + 1 in (SETTLED, LOCKS):
            yield peak()


def peak() -> float:
    """Not getrusage: what it reports a process inherits from the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def growth() -> Row:
    command = [sys.executable, __file__, "--peaks"]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    settled, last = map(float, text.split())
    note = f"{settled:.1f} MiB after {SETTLED}, {last:.1f} MiB after {LOCKS}"
    return Row(f"memory of {LOCKS} locks", last - settled, GROWTH_LIMIT, "MiB", note)


def rows(folder: Path | None, rounds: int, work: Path) -> Iterator[Row]:
    for name in MADE:
        yield reading(largest(folder, name) or write(work, name, 570), rounds)
    for name in MADE:
        yield selecting(write(work, name, 500), rounds)
    yield explaining(driftscan.read_lock(str(write(work, "uv.lock", 1000))), rounds)
    yield growth()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--peaks", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        if arguments.peaks:
            print(*peaks(Path(work)))
            return 0
        passed = False
        for row in rows(arguments.folder, arguments.rounds, Path(work)):
            print(row, flush=True)
            passed = passed or row.value > row.limit
    return int(passed)


if __name__ == "__main__":
    sys.exit(main())
