"""How long `compare` takes, cold and for an image that was looked at before, beside what the decompressor alone needs
for the same layers, beside syft and trivy where they are installed, and beside what the Docker daemon needs to hand the
image out; all in the same run.

    python benchmarks/images.py LOCK LAYOUT [--docker IMAGE] [--runs N]

LAYOUT is an OCI image layout folder with gzip layers, IMAGE the same image in the Docker daemon. Prints medians and
ratios, and exits with 1 where a ratio is worse than it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from measure import Usage, median, run_pairs

IGZIP_AT_MOST = 1.3
"""Times the wall time of igzip on one core, cold."""
MEMORY_AT_MOST = 200
"""MiB."""
KNOWN_AT_MOST = 0.3
"""Seconds for an image that was looked at before."""
KNOWN_DOCKER_AT_MOST = 0.5
"""The same in the Docker daemon."""
PEER_AT_LEAST = 3.0
"""Times as fast as a peer that is restricted to Python packages, cold."""
EXPORT_AT_MOST = 1.0
"""Times the wall time of the daemon's cheapest export, cold."""
START_AT_MOST = 0.1
"""Seconds for `driftscan --version`."""

IGZIP = "igzip alone, one core"
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


def daemon(image: str | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the Docker daemon needs to hand out an image, as layers and as one tree; no container is left."""
    if image is not None:
        yield "docker save", ("sh", "-c", 'docker save "$0" | cat >/dev/null', image)
        export = 'id=$(docker create "$0") && docker export $id | cat >/dev/null; docker rm $id'
        yield "docker export (no layers)", ("sh", "-c", export, image)


def ours(lock: Path, layout: Path, image: str | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    command = (sys.executable, "-m", "driftscan")
    yield "driftscan --version", (*command, "--version")
    targets = {"layout": f"oci:{layout}", **({"docker": f"docker:{image}"} if image is not None else {})}
    for name, target in targets.items():
        compare = (*command, "compare", str(lock), target)
        yield f"{name}, cold", (*compare, "--no-cache")
        yield f"{name}, known", compare


def show(name: str, usage: Usage) -> None:
    print(f"{name:<28} {usage.wall:7.3f} s wall {usage.cpu:7.3f} s CPU {usage.peak:7.0f} MiB peak  exit {usage.code}")


class Checks:
    """Figures beside their limits, printed as they come."""

    def __init__(self) -> None:
        self.is_missed = False

    def most(self, name: str, value: float, limit: float, unit: str = "x") -> None:
        self._say(name, value, f"at most {limit} {unit}", unit, is_missed=value > limit)

    def least(self, name: str, value: float, limit: float) -> None:
        self._say(name, value, f"at least {limit} x", "x", is_missed=value < limit)

    def _say(self, name: str, value: float, wanted: str, unit: str, *, is_missed: bool) -> None:
        self.is_missed = self.is_missed or is_missed
        print(f"{name:<40} {value:7.2f} {unit:<3} ({wanted}){'  MISSED' if is_missed else ''}")


def judge(found: Mapping[str, Usage], others: Collection[str]) -> bool:
    """Whether everything is as it should be."""
    checks = Checks()
    cold, known = found["layout, cold"], found["layout, known"]
    checks.most("cold / igzip", cold.wall / found[IGZIP].wall, IGZIP_AT_MOST)
    checks.most("cold, peak memory", cold.peak, MEMORY_AT_MOST, "MiB")
    checks.most("known", known.wall, KNOWN_AT_MOST, "s")
    checks.most("driftscan --version", found["driftscan --version"].wall, START_AT_MOST, "s")
    for name in others:
        checks.least(f"{name} / cold", found[name].wall / cold.wall, PEER_AT_LEAST)
        print(f"{name + ' / known':<40} {found[name].wall / known.wall:7.2f} x")
    if "docker, cold" in found:
        from_docker = found["docker, cold"].wall
        for export in ("docker save", "docker export (no layers)"):
            checks.most(f"docker, cold / {export}", from_docker / found[export].wall, EXPORT_AT_MOST)
        checks.most("docker, known", found["docker, known"].wall, KNOWN_DOCKER_AT_MOST, "s")
    return not checks.is_missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lock", type=Path)
    parser.add_argument("layout", type=Path)
    parser.add_argument("--docker", metavar="IMAGE")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    blobs = [str(path) for path in layers(arguments.layout)]
    others = dict(peers(arguments.layout))
    commands = {
        **dict(ours(arguments.lock, arguments.layout, arguments.docker)),
        IGZIP: (sys.executable, "-c", DRAIN, *blobs),
        **others,
        **dict(daemon(arguments.docker)),
    }
    with tempfile.TemporaryDirectory() as cache:
        os.environ["DRIFTSCAN_CACHE_DIR"] = cache
        usages = run_pairs(arguments.runs, *commands.values())
    found = {name: median(each) for name, each in zip(commands, usages, strict=True)}
    for name, usage in found.items():
        show(name, usage)
    wrong = [name for name, usage in found.items() if usage.code not in (0, 1, 3)]
    if wrong:
        sys.exit(f"these failed: {', '.join(wrong)}")
    return int(not judge(found, others))


if __name__ == "__main__":
    sys.exit(main())
