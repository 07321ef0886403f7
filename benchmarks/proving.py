"""How long `compare --prove` takes beyond a comparison without it, and what it asks for.

    python benchmarks/proving.py [REQUIREMENT ...] [--runs N]

Locks the requirements (without any, those of some forty distributions) and installs them into a virtual environment,
both with uv, then compares it: without proof, proved by parts of the wheels on the index, and again from the cache.
Prints medians, and exits with 1 where a limit is passed or something is not proved.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import median, run_pairs
from uv import find_uv_bin

LIMIT = 10.0
"""Seconds more for parts of forty wheels."""
CACHED_LIMIT = 1.0
"""Seconds more where what the wheels contain is known."""
USUAL = (
    *("numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "pillow", "lxml", "cryptography", "orjson", "requests"),
    *("pydantic", "fastapi", "uvicorn", "sqlalchemy", "alembic", "rich", "httpx", "jinja2", "pyyaml", "pytest"),
)


def environment(folder: Path, requirements: list[str]) -> tuple[Path, Path]:
    """A hashed lock, and a virtual environment with what it says."""
    uv = find_uv_bin()
    lock, place = folder / "requirements.txt", folder / "venv"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    source = folder / "requirements.in"
    source.write_text("\n".join(requirements))
    subprocess.run([uv, "venv", "-q", "-p", python, place], check=True)
    subprocess.run([uv, "pip", "compile", "-q", "--generate-hashes", "-p", python, source, "-o", lock], check=True)
    subprocess.run([uv, "pip", "install", "-q", "-p", place, "--require-hashes", "-r", lock], check=True)
    return lock, place


def grades(lock: Path, place: Path) -> list[str]:
    command = [sys.executable, "-m", "driftscan", "compare", "--prove", "-f", "json", str(lock), f"env:{place}"]
    document = json.loads(subprocess.run(command, check=False, capture_output=True).stdout)
    return [proof["grade"] for proof in document["proofs"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("requirements", nargs="*", default=list(USUAL))
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftscan-proving-") as folder:
        lock, place = environment(Path(folder), options.requirements)
        os.environ["DRIFTSCAN_CACHE_DIR"] = str(Path(folder) / "cache")
        found = grades(lock, place)
        plain = (sys.executable, "-m", "driftscan", "compare", str(lock), f"env:{place}")
        bare, asked, known = map(
            median, run_pairs(options.runs, plain, (*plain, "--prove", "--no-cache"), (*plain, "--prove"))
        )
    print(f"{len(found)} distributions, {found.count('evidence')} by evidence")
    print(f"compare            {bare.wall:6.2f} s")
    print(f"  --prove          {asked.wall:6.2f} s  {asked.wall - bare.wall:5.2f} more, limit {LIMIT:g}")
    print(f"  --prove, cached  {known.wall:6.2f} s  {known.wall - bare.wall:5.2f} more, limit {CACHED_LIMIT:g}")
    is_slow = asked.wall - bare.wall > LIMIT or known.wall - bare.wall > CACHED_LIMIT
    return int(is_slow or found.count("evidence") != len(found))


if __name__ == "__main__":
    sys.exit(main())
