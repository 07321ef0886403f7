"""Hostile layers and manifests by name, each with what must come of it: an error, word for word, or files."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import zstandard

from driftscan.image.limits import MIB, Limits
from tests.builders.archives import layer_tar
from tests.builders.images import Built, build, descriptor, encode, gzipped, sha256
from tests.builders.tars import BLOCK, GNU, archive, header, long_name, member, old_sparse, pax, pax_raw

BASE = {"etc/os-release": 'ID="debian"\n', "etc/passwd": "root:x:0:0::/root:/bin/sh\n"}


@dataclass(frozen=True)
class Case:
    """An image of two layers, of which the second is hostile. `error` is what is said of it behind the image's name;
    without one, `files` are all paths that the image then has beside those of the first layer."""

    blob: bytes
    plain: bytes | None = None
    error: str = ""
    files: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)

    def image(self) -> Built:
        plain = self.blob if self.plain is None else self.plain
        first = layer_tar(BASE)
        image = build([("ADD", BASE)], bytes)
        config = json.loads(image.config)
        config["rootfs"]["diff_ids"] = [sha256(first), sha256(plain)]
        config["history"].append({"created_by": "RUN hostile"})
        raw = encode(config)
        manifest = json.loads(image.manifest) | {
            "config": descriptor(raw, "application/vnd.oci.image.config.v1+json"),
            "layers": [descriptor(blob, "application/vnd.oci.image.layer.v1.tar") for blob in (first, self.blob)],
        }
        return Built(raw, (first, self.blob), encode(manifest))


def refused(error: str, *members: bytes, limits: Limits | None = None) -> Case:
    return Case(archive(*members), error=error, limits=limits or Limits())


def read(files: str, *members: bytes) -> Case:
    return Case(archive(*members), files=frozenset(files.split()))


def packed(error: str, blob: bytes, plain: bytes = b"", limits: Limits | None = None) -> Case:
    return Case(blob, plain=plain, error=error, limits=limits or Limits())


A = member(b"a", b"x")
LAYER = archive(A)
GZIP = gzipped(LAYER)
ZSTD = zstandard.ZstdCompressor(write_checksum=True).compress(LAYER)
LIMIT = "an extension header passes the limit `header` of 1,048,576"


def zstd_bomb(blocks: int) -> bytes:
    """A frame of blocks that say `128 KiB of zeros` in four bytes each."""
    block = struct.pack("<I", (131_072 << 3) | 2)[:3] + b"\0"
    return b"\x28\xb5\x2f\xfd\x00\x60" + block * blocks + struct.pack("<I", 1)[:3]


def wide_window() -> bytes:
    return b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x01\x00\x00"


CASES: Mapping[str, Case] = {
    "bad checksum": refused(
        ", layer 2: the header at byte 0 has a wrong checksum", member(b"a", checksum=b"000001\0 ")
    ),
    "lone zero block": refused(", layer 2: a lone block of zeros stands before byte 1024", bytes(BLOCK), A),
    "garbage block": refused(", layer 2: the header at byte 1024 has a wrong checksum", A, b"\xff" * BLOCK),
    "truncated body": Case(
        member(b"a", b"x" * 2000)[:1000], error=", layer 2, entry 'a': the archive is cut off at byte 1000"
    ),
    "PAX size abc": refused(", layer 2: a pax header has the size b'abc'", pax((b"size", b"abc")), A),
    "PAX size 1_0": refused(", layer 2: a pax header has the size b'1_0'", pax((b"size", b"1_0")), A),
    "PAX size negative": refused(", layer 2: a header has a negative size", pax((b"size", b"-1")), A),
    "size 2^62": refused(
        ", layer 2, entry 'a': the archive is cut off at byte 2560", pax((b"size", b"%d" % (1 << 62))), header(b"a")
    ),
    "NUL in a PAX path": refused(
        ", layer 2: a pax record has a NUL byte where none may be", pax((b"path", b"a\0b")), A
    ),
    "PAX record without =": refused(", layer 2: a pax header has a malformed record", pax_raw(b"9 path a\n"), A),
    "two long names": refused(", layer 2: one entry has two GNU long names", long_name(b"a"), long_name(b"b"), A),
    "two PAX headers": refused(
        ", layer 2: one entry has two pax headers", pax((b"path", b"a")), pax((b"path", b"b")), A
    ),
    "3,000 chained headers": refused(
        ", layer 2: the extension headers before one entry passes the limit `header` of 1,048,576",
        *[pax((b"comment", b"x" * 300), flag=b"g")] * 3000,
        A,
    ),
    "a 400 MiB long name": refused(f", layer 2: {LIMIT}", header(b"@", size=400 * MIB, flag=b"L", magic=GNU)),
    "global PAX path": refused(", layer 2: a global pax header sets 'path'", pax((b"path", b"a"), flag=b"g"), A),
    "global PAX comment": read("a", pax((b"comment", b"commit"), flag=b"g"), A),
    "empty PAX path": read("a", pax((b"path", b"")), A),
    "several gzip members": Case(
        gzipped(LAYER[:600]) + gzipped(b"") + gzipped(LAYER[600:]), plain=LAYER, files=frozenset({"a"})
    ),
    "several zstd frames": Case(
        zstandard.compress(LAYER[:600]) + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstandard.compress(LAYER[600:]),
        plain=LAYER,
        files=frozenset({"a"}),
    ),
    "bad gzip CRC": packed(", layer 2: the gzip data is damaged (Error ", GZIP[:-8] + b"\0\0\0\1" + GZIP[-4:]),
    "truncated gzip trailer": packed(", layer 2: the gzip data is cut off before its end", GZIP[:-3]),
    "junk behind gzip": packed(", layer 2: something that is not gzip follows the gzip data", GZIP + b"junk"),
    "truncated zstd": packed(", layer 2: the zstd data is cut off before its end", ZSTD[:-2]),
    "junk behind zstd": packed(", layer 2: the zstd data is damaged (", ZSTD + b"junk"),
    "zstd window 2^31": packed(", layer 2: the zstd data is damaged (", wide_window()),
    "zstd bomb": packed(
        ", layer 2: the layer, inflated, passes the limit `layer_size` of 10,485,760",
        zstd_bomb(100_000),
        limits=Limits(layer_size=10 * MIB),
    ),
    "gzip bomb": packed(
        ", layer 2: the layer, inflated, passes the limit `layer_size` of 10,485,760",
        gzip.compress(bytes(200 * MIB), 1),
        limits=Limits(layer_size=10 * MIB),
    ),
    "too many entries": refused(
        ", layer 2: the number of entries passes the limit `layer_entries` of 100",
        *[member(b"%d" % number) for number in range(101)],
        limits=Limits(layer_entries=100),
    ),
    "duplicate entry": read("a b", A, member(b"b"), member(b"./a", b"yy")),
    "names that stay inside": read("a b c c/d", member(b"/a"), member(b"x/../b"), member(b"./c//d")),
    "a name that escapes": refused(
        ", layer 2, entry '../../etc/passwd': its path leaves the root of the image", member(b"../../etc/passwd")
    ),
    "an absolute name that escapes": refused(
        ", layer 2, entry '/../etc/passwd': its path leaves the root of the image", member(b"/../etc/passwd")
    ),
    "symlink cycle": read(
        "usr usr/bin usr/bin/python3 usr/bin/python",
        header(b"usr/bin/python3", flag=b"2", link=b"python"),
        header(b"usr/bin/python", flag=b"2", link=b"python3"),
    ),
    "symlink out of the image": read("s", header(b"s", flag=b"2", link=b"../../../../../etc/shadow")),
    "hardlink to the outside": refused(
        ", layer 2, entry 'h': its path leaves the root of the image", header(b"h", flag=b"1", link=b"../../etc/shadow")
    ),
    "hardlink forward": refused(
        "layer 2 links 'h' to 'later', which is no file there", header(b"h", flag=b"1", link=b"later"), member(b"later")
    ),
    "whiteout after its file": read("a", A, member(b".wh.a")),
    "opaque mark after its files": read("d d/x", member(b"d/x"), member(b"d/.wh..wh..opq")),
    "whiteout without a name": refused(
        ", layer 2, entry 'd/.wh.': its whiteout names nothing that could be removed", member(b"d/.wh.")
    ),
    "whiteout of the root": refused(
        ", layer 2, entry '.wh..': its whiteout names nothing that could be removed", member(b".wh..")
    ),
    "devices": read(
        "dev dev/mem dev/fifo usr usr/bin usr/bin/python3",
        header(b"dev/mem", flag=b"3"),
        header(b"dev/fifo", flag=b"6"),
        header(b"usr/bin/python3", flag=b"4"),
    ),
    "names that are not UTF-8, bidi, NFC and NFD twins": Case(
        archive(member(b"\xff"), member("\u202ea".encode()), member("é".encode()), member("e\u0301".encode())),
        files=frozenset({"\udcff", "\u202ea", "é", "e\u0301"}),
    ),
    "sparse 12 GB": read("s a", old_sparse(b"s", [(0, b"abc"), (11 << 30, b"d")], 12 << 30), A),
    "an extension header cut off": Case(
        pax((b"path", b"p" * 600))[:700], error=", layer 2: the archive is cut off at byte 700"
    ),
    "wrong diff id": Case(
        GZIP,
        plain=LAYER + b"x",
        error=f", layer 2: its content has the diff id {sha256(LAYER)}, the configuration says {sha256(LAYER + b'x')}",
    ),
}


def manifest_of(change: Callable[[dict[str, Any]], object], raw: Callable[[bytes], bytes] = bytes) -> Built:
    """A sound image whose manifest was changed."""
    image = build()
    document = json.loads(image.manifest)
    change(document)
    return replace(image, manifest=raw(encode(document)))


def _set(document: dict[str, Any], **members: Any) -> None:
    document.update(members)


def _layer(document: dict[str, Any], **members: Any) -> None:
    document["layers"][1].update(members)


DIGEST = sha256(build().layers[1])
MANIFESTS: Mapping[str, tuple[Built, str]] = {
    "both manifests and layers": (
        manifest_of(lambda document: _set(document, manifests=[])),
        "the manifest is an index and an image at once",
    ),
    "a media type of something else": (
        manifest_of(lambda document: _set(document, mediaType="application/vnd.oci.image.index.v1+json")),
        ".index.v1+json, and was served as application/vnd.oci.image.manifest.v1+json",
    ),
    "a duplicate key": (
        manifest_of(lambda _: None, lambda data: data[:-1] + b', "layers": []}'),
        "the manifest has a key twice",
    ),
    "a key in another case": (
        manifest_of(lambda document: _set(document, Layers=[])),
        "the manifest has two keys that differ only in case",
    ),
    "NaN": (
        manifest_of(lambda _: None, lambda data: data[:-1] + b', "x": NaN}'),
        "the manifest holds NaN, which is not JSON",
    ),
    "a size that is a float": (
        manifest_of(lambda document: _layer(document, size=1.0)),
        "a layer of the manifest has no valid size",
    ),
    "a digest that is a path": (
        manifest_of(lambda document: _layer(document, digest="sha256:../../../etc/passwd")),
        "a layer of the manifest has the digest 'sha256:../../../etc/passwd', which is none that can be verified",
    ),
    "an unknown algorithm": (
        manifest_of(lambda document: _layer(document, digest="md5:" + "0" * 32)),
        "a layer of the manifest has the digest 'md5:" + "0" * 32 + "', which is none that can be verified",
    ),
    "10,000 layers": (
        manifest_of(lambda document: _set(document, layers=document["layers"][:1] * 10_000)),
        "the number of layers (10000) passes the limit `layers` of 256",
    ),
    "a wrong size": (
        manifest_of(lambda document: _layer(document, size=5)),
        f", layer 2: the blob has {len(build().layers[1])} bytes, the manifest says 5",
    ),
    "a layer that is not there": (
        manifest_of(lambda document: _layer(document, digest="sha256:" + "0" * 64)),
        "the blob sha256:" + "0" * 64 + " is missing",
    ),
    "fewer layers than the configuration has": (
        manifest_of(lambda document: document["layers"].pop()),
        "the manifest lists 2 layers, the configuration 3",
    ),
    "foreign layers": (
        manifest_of(
            lambda document: _layer(
                document, digest="sha256:" + "0" * 64, urls=["http://169.254.169.254/latest/meta-data"]
            )
        ),
        "the blob sha256:" + "0" * 64 + " is missing",
    ),
    "nested too deep": (
        manifest_of(lambda _: None, lambda data: data[:-1] + b', "x": ' + b"[" * 1000 + b"]" * 1000 + b"}"),
        "the nesting of the manifest passes the limit `nesting` of 64",
    ),
}
