"""How much memory a layer of very many files takes, beside one of few: an image of one layer is made for each number
of files, and inspected by a process of its own without the layer cache, and twice with it.

    python benchmarks/large_layers.py [--files 3000000] [--few 10000]

Each file has a content of its own, so that its digest cannot be compressed either. Ends with 1 where a limit is passed.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Usage, run_once

MEMORY_LIMIT = 400
"""MiB, with and without the layer cache."""
_BLOCK = 512
_PER_FOLDER = 1000


def members(count: int) -> Iterator[bytes]:
    """A tar archive, a member at a time: files of a few bytes in folders of a thousand."""
    blank = bytearray(_BLOCK)
    blank[100:108], blank[124:136] = b"0000644\0", b"00000000012\0"
    blank[148:156], blank[156:157], blank[257:265] = b" " * 8, b"0", b"ustar\00000"
    total = sum(blank)
    for number in range(count):
        name = b"srv/data/part-%06d/record-%09d.json" % (number // _PER_FOLDER, number)
        checksum = b"%06o\0 " % (total + sum(name))
        yield name + blank[len(name) : 148] + checksum + blank[156:] + (b"%010d" % number).ljust(_BLOCK, b"\0")
    yield bytes(2 * _BLOCK)


def write_layout(folder: Path, count: int) -> None:
    """An OCI layout of one image with one gzip layer, which is never in memory as a whole."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    plain = hashlib.sha256()
    with (blobs / "layer").open("wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as layer:
        for member in members(count):
            plain.update(member)
            layer.write(member)
    with (blobs / "layer").open("rb") as written:
        packed = hashlib.file_digest(written, "sha256").hexdigest()
    size = (blobs / "layer").rename(blobs / packed).stat().st_size
    layer_descriptor = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": f"sha256:{packed}"}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{plain.hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "config": _stored(blobs, config, "application/vnd.oci.image.config.v1+json"),
        "layers": [{**layer_descriptor, "size": size}],
    }
    entry = _stored(blobs, manifest, "application/vnd.oci.image.manifest.v1+json")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def _stored(blobs: Path, document: object, media_type: str) -> dict[str, object]:
    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def measured(count: int) -> list[Usage]:
    with tempfile.TemporaryDirectory() as folder:
        layout = Path(folder) / "layout"
        write_layout(layout, count)
        inspect = (sys.executable, "-m", "driftscan", "inspect", f"oci:{layout}")
        environment = {**os.environ, "DRIFTSCAN_CACHE_DIR": f"{folder}/cache"}
        commands = ((*inspect, "--no-cache"), inspect, inspect)
        return [run_once(command, env=environment) for command in commands]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=3_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    arguments = parser.parse_args()
    peaks = []
    for count in (arguments.few, arguments.files):
        for name, usage in zip(("no cache", "into the cache", "cached"), measured(count), strict=True):
            print(
                f"{count:>10,} files, {name:<15} {usage.wall:7.2f} s wall {usage.cpu:7.2f} s CPU {usage.peak:6.0f} MiB"
            )
            if usage.code not in (0, 3):
                sys.exit(f"driftscan inspect ended with exit code {usage.code}")
            peaks.append(usage.peak)
    return int(max(peaks) > MEMORY_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
