"""Run a command as a whole process and take what the operating system says it used."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_UNINSTALLED = "PYTHONDONTWRITEBYTECODE"
"""With it each run would compile the sources anew, which no installed program does."""


class Usage(NamedTuple):
    """Wall and CPU seconds, peak resident memory in MiB, exit code."""

    wall: float
    cpu: float
    peak: float
    code: int


def run_once(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Usage:
    """Run a command with the variables of this process and those of `env`."""
    variables = {**os.environ, **(env or {})}
    variables.pop(_UNINSTALLED, None)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=variables)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    # wait4 has reaped the process; telling Popen keeps it from waiting again.
    process.returncode = os.waitstatus_to_exitcode(status)
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode)


def run_pairs(runs: int, *commands: Sequence[str]) -> list[list[Usage]]:
    """Run the commands in turn, A B A B, so that a machine whose speed drifts slows all alike; one list a command."""
    for command in commands:
        run_once(command)
    rounds = [[run_once(command) for command in commands] for _ in range(runs)]
    return [list(column) for column in zip(*rounds, strict=True)]


def median(usages: Sequence[Usage]) -> Usage:
    codes = {usage.code for usage in usages}
    if len(codes) > 1:
        sys.exit(f"the runs of one command ended in different exit codes: {sorted(codes)}")
    wall, cpu, peak = (statistics.median(usage[field] for usage in usages) for field in range(3))
    return Usage(wall, cpu, peak, codes.pop())
