"""How long `driftscan lock` takes beside the programs that it runs, as ratios of one run on one machine; and how long
`driftscan adopt` takes.

    python benchmarks/locking.py [--runs N] [--without-pip-compile]

The index is the one that this machine is set up to use. All commands lock the same nine packages for the same Python
and platform, each into a file of its own that is there from the second run on, with their caches as they find them.
`pip-compile --generate-hashes` fetches every file of every release that it picks, some gigabytes, and is run once.
Adopted is an environment of the lock's first forty packages, with nothing remembered from before.
Exits with 1 where a ratio is worse than it has to be.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measure import Usage, median, run_once, run_pairs

INPUT = """\
numpy
pandas
scipy
scikit-learn
matplotlib
seaborn
statsmodels
pyarrow
jupyterlab
"""
UV_AT_MOST = 1.5
"""Times the wall time of `uv pip compile --generate-hashes`."""
UV_AT_LEAST, PIP_TOOLS_AT_LEAST = 40, 8
"""Times faster than `pip-compile --generate-hashes`."""
ADOPTED, ADOPT_AT_MOST = 40, 15
"""Distributions, and seconds."""


def program(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        sys.exit(f"{name} is not installed beside {sys.executable}")
    return found


def commands(folder: Path) -> dict[str, list[str]]:
    source = folder / "data.in"
    source.write_text(INPUT)
    lock = [program("driftscan"), "lock", str(source), "--quiet"]
    python = ["--python", sys.executable, "--python-version", platform.python_version()]
    return {
        "driftscan lock": [*lock, "-o", str(folder / "driftscan-uv.txt"), "--engine", "uv"],
        "uv pip compile --generate-hashes": [
            *(program("uv"), "pip", "compile", "--quiet", "--no-config", "--no-header", "--no-build"),
            *("--generate-hashes", *python, str(source), "-o", str(folder / "uv.txt")),
        ],
        "driftscan lock --engine pip-tools": [
            *lock,
            *("-o", str(folder / "driftscan-pip-tools.txt"), "--engine", "pip-tools"),
        ],
        "pip-compile --generate-hashes": [
            *(program("pip-compile"), "--quiet", "--no-config", "--allow-unsafe", "--strip-extras"),
            *("--generate-hashes", "--pip-args=--only-binary=:all:"),
            *("--output-file", str(folder / "pip-tools.txt"), str(source)),
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--without-pip-compile", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="driftscan-") as name:
        folder = Path(name)
        named = commands(folder)
        *quick, slow = named
        usages = run_pairs(options.runs, *(named[each] for each in quick))
        found = {each: median(usage) for each, usage in zip(quick, usages, strict=True)}
        if not options.without_pip_compile:
            cache = str(folder / "cache")
            found[slow] = run_once(named[slow], env={"PIP_CACHE_DIR": cache, "PIP_TOOLS_CACHE_DIR": cache})
        pins = re.findall(r"^\S+==\S+", (folder / "driftscan-uv.txt").read_text(), re.MULTILINE)
        failed = judge(found, len(pins))
        return int(judge_adopting(adopt(folder, pins[:ADOPTED])) or failed)


def adopt(folder: Path, pins: Sequence[str]) -> Usage:
    environment = folder / "environment"
    for command in (["venv", "--python", sys.executable], ["pip", "install", "--no-deps", *pins, "--python"]):
        subprocess.run([program("uv"), *command, str(environment), "--quiet"], check=True)
    arguments = ["adopt", f"env:{environment}", "-o", str(folder / "adopted.txt"), "--quiet"]
    return run_once([program("driftscan"), *arguments], env={"DRIFTSCAN_CACHE_DIR": str(folder / "nothing")})


def judge_adopting(usage: Usage) -> bool:
    """Whether it failed, or took too long."""
    failed = usage.code != 0 or usage.wall > ADOPT_AT_MOST
    print(f"driftscan adopt, {ADOPTED} distributions {usage.wall:11.2f} s wall{usage.cpu:9.2f} s CPU", end="")
    print(f"  (at most {ADOPT_AT_MOST} s){'  MISSED' if failed else ''}")
    return failed


def judge(found: dict[str, Usage], pins: int) -> bool:
    print(f"{len(INPUT.split())} packages, {pins} pins, {os.cpu_count()} cores")
    for name, usage in found.items():
        end = f"exit code {usage.code}" if usage.code else ""
        print(f"{name:36}{usage.wall:9.2f} s wall{usage.cpu:9.2f} s CPU{usage.peak:9.0f} MiB {end}".rstrip())
    ours, uv, pip_tools, *rest = found.values()
    checks = [("uv / bare uv", ours.wall / uv.wall, UV_AT_MOST, True)]
    for slow in rest:
        checks.append(("bare pip-compile / uv", slow.wall / ours.wall, UV_AT_LEAST, False))
        checks.append(("bare pip-compile / pip-tools", slow.wall / pip_tools.wall, PIP_TOOLS_AT_LEAST, False))
    failed = any(usage.code for usage in found.values())
    for name, ratio, limit, is_most in checks:
        is_met = ratio <= limit if is_most else ratio >= limit
        failed = failed or not is_met
        print(f"{name:36}{ratio:9.2f} x  (at {'most' if is_most else 'least'} {limit}){'' if is_met else '  MISSED'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
