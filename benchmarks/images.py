"""How long a cold `compare` takes beside what the decompressor alone needs for the same layers, in the same run.

    python benchmarks/images.py LOCK LAYOUT [--runs N]

LAYOUT is an OCI image layout folder with gzip layers. Prints medians, and exits with 1 where a limit is passed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from measure import Usage, median, run_pairs

TIME_LIMIT = 2.0
"""Times the wall time of igzip on one core."""
MEMORY_LIMIT = 300
"""MiB."""
START_LIMIT = 0.150
"""Seconds for `driftscan --version`."""

DRAIN = """
import sys
from isal import igzip_threaded
for name in sys.argv[1:]:
    with igzip_threaded.open(name, "rb", threads=0) as stream:
        while stream.read(1 << 20):
            pass
"""


def layers(layout: Path) -> list[Path]:
    """The layer blobs of the first image of a layout."""
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(layout, index["manifests"][0]["digest"]).read_text())
    return [blob(layout, layer["digest"]) for layer in manifest["layers"]]


def blob(layout: Path, digest: str) -> Path:
    return layout.joinpath("blobs", *digest.split(":"))


def show(name: str, usage: Usage) -> None:
    print(f"{name:<28} {usage.wall:7.3f} s wall {usage.cpu:7.3f} s CPU {usage.peak:7.0f} MiB peak  exit {usage.code}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lock", type=Path)
    parser.add_argument("layout", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    blobs = [str(path) for path in layers(arguments.layout)]
    driftscan = (sys.executable, "-m", "driftscan")
    scan, drain, start = (
        median(usages)
        for usages in run_pairs(
            arguments.runs,
            (*driftscan, "compare", str(arguments.lock), f"oci:{arguments.layout}"),
            (sys.executable, "-c", DRAIN, *blobs),
            (*driftscan, "--version"),
        )
    )
    if scan.code not in (0, 1, 3):
        sys.exit(f"driftscan compare ended with exit code {scan.code}")
    show("driftscan compare, cold", scan)
    show("igzip alone, one core", drain)
    show("driftscan --version", start)
    ratio = scan.wall / drain.wall
    print(f"compare / igzip: {ratio:.2f} (limit {TIME_LIMIT}); peak {scan.peak:.0f} MiB (limit {MEMORY_LIMIT})")
    return int(ratio > TIME_LIMIT or scan.peak > MEMORY_LIMIT or start.wall > START_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
