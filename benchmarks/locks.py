"""How long reading locks takes beside what tomllib alone needs for the same bytes, in the same run.

    python benchmarks/locks.py LOCK... [--rounds N]

LOCK is a `uv.lock`, `poetry.lock` or `pylock.toml`. Prints the ratio of the medians for each, and exits with 1 where
the limit is passed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import driftscan
from driftscan.graph import DependencyGraph

LIMIT = 3.0


def median_seconds(action: Callable[[], object], rounds: int) -> float:
    def once() -> float:
        started = time.perf_counter()
        action()
        return time.perf_counter() - started

    return statistics.median(once() for _ in range(rounds))


def ratio(path: Path, rounds: int) -> float:
    bare = median_seconds(lambda: tomllib.loads(path.read_text()), rounds)
    whole = median_seconds(lambda: DependencyGraph.build([driftscan.read_lock(str(path))]).network, rounds)
    packages = len(driftscan.read_lock(str(path)).packages)
    print(f"{path}: {packages} packages, tomllib {bare:.3f} s, parse and graph {whole:.3f} s: {whole / bare:.2f} times")
    return whole / bare


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("locks", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    return int(max(ratio(path, arguments.rounds) for path in arguments.locks) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
