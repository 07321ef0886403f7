"""Scans one image in children that are killed: a process of its own, since forking wants a process without threads.

    python scanserver.py REFERENCE CACHE

reads a number of microseconds a line, forks a child that scans the image with that cache, kills it after so long, and
answers with the status it ended with.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from driftscan.image import Limits, open_image
from driftscan.image.layercache import LayerCache
from driftscan.image.scan import scan
from driftscan.inventory import wants


def scan_once(reference: str, cache: Path) -> None:
    limits = Limits()
    with open_image(reference, limits=limits) as image:
        scan(image, wants, limits, cache=LayerCache(cache))


def main() -> None:
    reference, cache = sys.argv[1], Path(sys.argv[2])
    for line in sys.stdin:
        child = os.fork()
        if not child:
            scan_once(reference, cache)
            os._exit(0)
        time.sleep(int(line) / 1e6)
        os.kill(child, signal.SIGKILL)
        sys.stdout.write(f"{os.waitpid(child, 0)[1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
