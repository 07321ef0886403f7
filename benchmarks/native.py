"""What the checks of compiled files add to `compare`, cold and with all layers cached, and how long the dynamic
sections of the compiled files of an image take; all in the same run.

    python benchmarks/native.py LOCK LAYOUT [--runs N]

LAYOUT is an OCI image layout folder with gzip layers; the limits are meant for one with a data-science environment.
Without the checks, only the headers of compiled files are read, nothing is linked, and the rules NW are left out.
Prints medians, and exits with 1 where a limit is passed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from images import layers, show
from measure import median, run_pairs

from driftscan import elf

COLD_LIMIT = 0.30
"""What the checks may add to a cold comparison, as a part of the CPU time of one without them."""
WARM_LIMIT = 0.3
"""Seconds of CPU time that they may add to one whose layers are all cached."""
ELF_LIMIT = 0.1
"""Seconds of CPU time for the dynamic sections of as many files as `ELF_FILES`."""
ELF_FILES = 443

WITHOUT = """
import os, sys
os.environ["DRIFTSCAN_CACHE_DIR"] += "-without"  # an index without the facts is another one
from driftscan import elf
from driftscan.inventory import assemble

class Head:
    def __init__(self, limit, *, strings=False):
        self.data = b""
    def feed(self, piece):
        if len(self.data) < 4096:
            self.data += bytes(piece[:4096])
    def facts(self):
        return elf.parse(self.data)

elf.Capture = Head
assemble.linked = lambda environment, *_: environment
from driftscan.cli import main
sys.exit(main(sys.argv[1:]))
"""


def binaries(layout: Path) -> Iterator[bytes]:
    """The compiled files in the site directories of an image; those of lower layers, too."""
    for path in layers(layout):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isreg() and "site-packages/" in member.name and ".so" in member.name:
                    content = archive.extractfile(member)
                    data = content.read() if content is not None else b""
                    if data.startswith(b"\x7fELF"):
                        yield data


def dynamic_sections(files: Sequence[bytes], runs: int) -> float:
    """Least CPU seconds for the dynamic sections of `files`, their symbol tables aside."""
    spent = []
    with mock.patch("driftscan.elf.dynamic.read_symbols", return_value=None):
        for _ in range(runs):
            started = time.process_time()
            known = [facts for data in files if (facts := elf.parse(data)) is not None and facts.dynamic_known]
            spent.append(time.process_time() - started)
            if len(known) != len(files):
                sys.exit(f"only {len(known)} of {len(files)} files were understood")
    return min(spent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lock", type=Path)
    parser.add_argument("layout", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    compare = ("compare", str(arguments.lock), f"oci:{arguments.layout}")
    whole = (sys.executable, "-m", "driftscan", *compare)
    less = (sys.executable, "-c", WITHOUT, *compare, "--ignore", "NW")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DRIFTSCAN_CACHE_DIR"] = str(Path(folder) / "cache")
        names = ("cold", "cold, without", "cached", "cached, without")
        commands = ((*whole, "--no-cache"), (*less, "--no-cache"), whole, less)
        found = [median(usages) for usages in run_pairs(arguments.runs, *commands)]
    for name, usage in zip(names, found, strict=True):
        show(name, usage)
        if usage.code not in (0, 1, 3):
            sys.exit(f"driftscan compare ended with exit code {usage.code}")
    # A machine that does other work as well changes the wall time by more than the checks do.
    cold, cold_less, warm, warm_less = (usage.cpu for usage in found)
    added, more = cold / cold_less - 1, warm - warm_less
    print(f"CPU added cold: {added:+.0%} (limit {COLD_LIMIT:.0%}); cached: {more:+.3f} s (limit {WARM_LIMIT} s)")
    files = list(binaries(arguments.layout))
    spent = dynamic_sections(files, arguments.runs)
    scaled = spent / len(files) * ELF_FILES
    print(
        f"dynamic sections of {len(files)} files: {spent:.3f} s; of {ELF_FILES}: {scaled:.3f} s (limit {ELF_LIMIT} s)"
    )
    return int(added > COLD_LIMIT or more > WARM_LIMIT or scaled > ELF_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
