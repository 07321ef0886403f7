"""How long `compare` takes, cold and with all layers cached, beside what the decompressor alone needs for the same
layers, and beside syft and trivy where they are installed; all in the same run.

    python benchmarks/images.py LOCK LAYOUT [--runs N]

LAYOUT is an OCI image layout folder with gzip layers. Prints medians, and exits with 1 where a limit is passed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Usage, median, run_pairs

TIME_LIMIT = 2.0
"""Times the wall time of igzip on one core."""
MEMORY_LIMIT = 300
"""MiB."""
WARM_LIMIT = 0.6
"""Seconds for a comparison whose layers are all cached."""
PEER_LIMIT = 3.0
"""Times as fast as a peer that is restricted to Python packages, at least."""
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


def peers(layout: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Scanners that are installed, with the command that lists the Python packages of the layout and keeps nothing."""
    if syft := shutil.which("syft"):
        options = ("--quiet", "--output", "json", "--override-default-catalogers", "python")
        yield "syft, Python only", (syft, "scan", f"oci-dir:{layout}", *options)
    if trivy := shutil.which("trivy"):
        flags = ("--quiet", "--format", "cyclonedx", "--pkg-types", "library", "--cache-backend", "memory")
        yield "trivy, libraries only", (trivy, "image", "--input", str(layout), *flags)


def show(name: str, usage: Usage) -> None:
    print(f"{name:<28} {usage.wall:7.3f} s wall {usage.cpu:7.3f} s CPU {usage.peak:7.0f} MiB peak  exit {usage.code}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lock", type=Path)
    parser.add_argument("layout", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    blobs = [str(path) for path in layers(arguments.layout)]
    command = (sys.executable, "-m", "driftscan")
    compare = (*command, "compare", str(arguments.lock), f"oci:{arguments.layout}")
    others = dict(peers(arguments.layout))
    with tempfile.TemporaryDirectory() as cache:
        os.environ["DRIFTSCAN_CACHE_DIR"] = cache
        cold, warm, drain, start, *found = (
            median(usages)
            for usages in run_pairs(
                arguments.runs,
                (*compare, "--no-cache"),
                compare,
                (sys.executable, "-c", DRAIN, *blobs),
                (*command, "--version"),
                *others.values(),
            )
        )
    if cold.code not in (0, 1, 3):
        sys.exit(f"driftscan compare ended with exit code {cold.code}")
    names = ("driftscan compare, cold", "driftscan compare, cached", "igzip alone, one core", "driftscan --version")
    for name, usage in zip((*names, *others), (cold, warm, drain, start, *found), strict=True):
        show(name, usage)
    ratio = cold.wall / drain.wall
    print(f"compare / igzip: {ratio:.2f} (limit {TIME_LIMIT}); peak {cold.peak:.0f} MiB (limit {MEMORY_LIMIT})")
    for name, usage in zip(others, found, strict=True):
        print(f"{name} / compare: {usage.wall / cold.wall:.1f} cold, {usage.wall / warm.wall:.1f} cached")
    slow = ratio > TIME_LIMIT or warm.wall > WARM_LIMIT or start.wall > START_LIMIT
    beaten = any(usage.wall < PEER_LIMIT * cold.wall for usage in found)
    return int(slow or beaten or cold.peak > MEMORY_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
