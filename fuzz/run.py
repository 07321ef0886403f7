"""Fuzz the readers of what others made.

    python -m fuzz.run [TARGET...] [--seconds N]

gives each target N seconds, two targets at a time: with atheris (coverage-guided; the extra `fuzz`) where it can be
imported, else with seeds that are changed at random. Ends with 1 where something broke; the input then lies in
`fuzz/found`. Move it to `fuzz/seeds/TARGET` together with the repair: the tests run what lies there.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from fuzz.targets import TARGETS, Target

FOUND = Path(__file__).parent / "found"
_AT_A_TIME = 2
_ONE_INPUT_SECONDS = 20
_MEMORY = 1024
"""MiB."""


def fuzz_guided(name: str, seconds: int) -> bool:
    """Run atheris in a process of its own, which it never returns from. Whether nothing broke."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(TARGETS[name].seeds(name)):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", f"-timeout={_ONE_INPUT_SECONDS}", f"-rss_limit_mb={_MEMORY}"]
        options += ["-max_len=20000", "-verbosity=0", "-print_final_stats=1", f"-artifact_prefix={FOUND}/{name}-"]
        command = [sys.executable, "-m", "fuzz.guided", name, corpus, *options]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    runs = [line.split()[-1] for line in run.stderr.splitlines() if line.startswith("stat::number_of_executed_units")]
    print(f"{name}: {''.join(runs) or '?'} inputs in {seconds} s")
    if run.returncode:
        print(run.stdout[-4000:], run.stderr[-4000:], sep="\n")
    return run.returncode == 0


def fuzz_at_random(name: str, seconds: int) -> bool:
    """Change seeds at random. Whether nothing broke."""
    target = TARGETS[name]
    seeds = target.seeds(name)
    chance = random.Random(name)  # noqa: S311  # no secret
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        data = changed(chance.choice(seeds), chance)
        count += 1
        if not survives(target, data):
            path = FOUND / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
            path.write_bytes(data)
            print(f"{name}: broke on {path}")
            return False
    print(f"{name}: {count} inputs in {seconds} s, not guided by coverage")
    return True


def survives(target: Target, data: bytes) -> bool:
    try:
        target.run(data)
    except Exception as error:  # noqa: BLE001  # what it is about
        print(repr(error))
        return False
    return True


def changed(seed: bytes, chance: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(data) + 1)
        size = chance.choice((1, 1, 1, 2, 8, 512))
        match chance.randrange(4):
            case 0:
                data[place : place + size] = chance.randbytes(size)
            case 1:
                del data[place : place + size]
            case 2:
                data[place:place] = data[place : place + size]
            case _:
                data[place : place + 1] = chance.choice((b"\0", b"\xff", b" ", b"\n", b"9", b'"', b"/"))
    return bytes(data)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - TARGETS.keys():
        parser.error(f"there is no target {min(unknown)!r}; there are {', '.join(TARGETS)}")
    FOUND.mkdir(exist_ok=True)
    names = arguments.targets or list(TARGETS)
    fuzz, at_a_time = (fuzz_guided, _AT_A_TIME) if find_spec("atheris") else (fuzz_at_random, 1)
    with ThreadPoolExecutor(at_a_time) as pool:
        unbroken = list(pool.map(lambda name: fuzz(name, arguments.seconds), names))
    return int(not all(unbroken))


if __name__ == "__main__":
    sys.exit(main())
