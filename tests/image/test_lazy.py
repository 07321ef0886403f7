"""Layers that are read by their tables of contents: the same as if read whole, with less fetched, and never trusted."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard

from driftscan.errors import DriftscanError, ImageError, LimitError, UnreachableError
from driftscan.image import Limits, open_image
from driftscan.image.layer import read_layer
from driftscan.image.layercache import LayerCache
from driftscan.image.scan import scan
from driftscan.inventory import wants
from driftscan.model.image import Entry, EntryKind, LayerIndex
from driftscan.rootfs import RootFS
from tests.builders.elves import Elf
from tests.builders.images import Built, build, encode, layout, write_files
from tests.builders.registry import Exchange, FaultyRegistry, LogIn, answer, hang_up, whole
from tests.builders.tocs import CHECKSUM, KINDS, POSITION, TOC_DIGEST, File, Layer, Toc, digest, layer, packed

DATA = Path(__file__).parent.parent / "data" / "estargz"
SITE = "opt/venv/lib/python3.12/site-packages"
CODE = Elf(needed=("libc.so.6",), code=30000).build()
METADATA = b"Name: six\nVersion: 1.16.0\n"
FILES = (
    File("./", type="dir", mode=0o755),
    File("opt/", type="dir", mode=0o755),
    File("opt/app/", type="dir", mode=0o700),
    File("/etc/os-release", b"ID=debian\n"),
    File("bin", type="symlink", link="usr/bin", mode=0o777),
    File(f"{SITE}/six.py", b"".join(b"line %d\n" % number for number in range(3000))),
    File(f"{SITE}/six-1.16.0.dist-info/METADATA", METADATA),
    File(f"{SITE}/six-1.16.0.dist-info/REQUESTED"),
    File(f"{SITE}/six-1.16.0.dist-info/RECORD", b"".join(b"six/%d.py,,\n" % number for number in range(1000))),
    File(f"{SITE}/_x.cpython-312-x86_64-linux-gnu.so", CODE, mode=0o755),
    File("usr/lib/libx.so.1", CODE),
    File("usr/lib/libx.so", type="hardlink", link="usr/lib/libx.so.1"),
    File("usr/share/doc/long.txt", bytes(range(256)) * 900),
    File("opt/tool", CODE, mode=0o755),
    File("srv/.wh.gone"),
    File("srv/data/.wh..wh..opq"),
    File("opt/twice.py", b"first"),
    File("opt/../opt/./twice.py", b"second"),
    File("dev/null", type="char"),
    File("run/pipe", type="fifo"),
    File("opt/wörld.py", "ä".encode() * 5000),
)
OWN = "stargz.index.json"
"""The table itself, which is a file of the tar stream and not in the table."""

pytestmark = pytest.mark.usefixtures("home", "waits")


def read(
    registry: FaultyRegistry,
    *,
    lazy: bool = True,
    limits: Limits | None = None,
    cache: LayerCache | None = None,
) -> tuple[LayerIndex, ...]:
    limits = limits or Limits()
    with open_image(f"registry:{registry.url}/shop:1", limits=limits) as image:
        return scan(image, wants, limits, cache=cache, lazy=lazy)


def refused(registry: FaultyRegistry, limits: Limits | None = None) -> DriftscanError:
    with pytest.raises(DriftscanError) as caught:
        read(registry, limits=limits)
    return caught.value


def whole_index(made: Layer) -> LayerIndex:
    return read_layer(iter([made.tar]), wants, Limits())


def without_table(index: LayerIndex) -> dict[str, Entry]:
    return {path: entry for path, entry in index.entries.items() if path != OWN}


def ranges(registry: FaultyRegistry, made: Layer) -> list[tuple[int, int]]:
    """The parts of a layer that were asked for; a request for all of it is an error."""
    asked = [each.range for each in registry.requests if each.path.endswith(digest(made.blob))]
    spans = [re.fullmatch(r"bytes=(\d+)-(\d+)", each or "") for each in asked]
    assert None not in spans, asked
    return [(int(span[1]), int(span[2]) + 1) for span in spans if span is not None]


def asked_whole(registry: FaultyRegistry, made: Layer) -> bool:
    return any(each.path.endswith(digest(made.blob)) and each.range is None for each in registry.requests)


@pytest.mark.parametrize("piece", [512, 4096, 1 << 22])
@pytest.mark.parametrize("kind", KINDS)
def test_an_index_is_that_of_the_tar_stream(kind: str, piece: int, registry: FaultyRegistry) -> None:
    made = layer(kind, FILES, piece=piece)
    registry.add_layers([made])
    (lazily,) = read(registry)
    expected = whole_index(made)
    assert lazily.by_table
    assert not expected.by_table
    assert dict(lazily.entries) == without_table(expected)
    assert list(lazily.entries) == list(without_table(expected))
    assert (lazily.whiteouts, lazily.repeats) == (expected.whiteouts, expected.repeats)
    assert lazily.entries[f"{SITE}/six-1.16.0.dist-info/METADATA"].content == METADATA
    assert lazily.entries["usr/lib/libx.so"].elf is not None
    assert ranges(registry, made)


@pytest.mark.parametrize("kind", KINDS)
def test_read_whole_the_image_is_the_same(kind: str, registry: FaultyRegistry) -> None:
    """What the builder makes is a sound layer to everybody else."""
    made = layer(kind, FILES)
    registry.add_layers([made])
    assert read(registry, lazy=False) == (whole_index(made),)
    assert asked_whole(registry, made)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_wanted_is_fetched(kind: str, registry: FaultyRegistry) -> None:
    noise = b"".join(digest(b"%d" % number).encode() for number in range(30000))
    between = File("opt/between.py", noise[:200_000])
    far = File("opt/far.py", noise)
    ends = [File("etc/os-release", b"ID=debian\n"), between, File("opt/one.pth", b"/a\n")]
    made = layer(kind, [File("opt/first.py", noise), *ends, far, File("opt/two.pth", b"/b\n")], piece=1 << 22)
    registry.add_layers([made])
    (index,) = read(registry)
    assert dict(index.entries) == without_table(whole_index(made))
    asked = ranges(registry, made)[1 if kind == "zstd:chunked" else 2 :]
    assert len(asked) == 2, "what is near is fetched together, what is far is not"
    assert sum(end - start for start, end in asked) < 200_000
    assert sum(end - start for start, end in ranges(registry, made)) < len(made.blob) // 4


def test_nothing_is_fetched_but_the_table(registry: FaultyRegistry) -> None:
    made = layer("eStargz", [File("opt/six.py", b"import sys\n")])
    registry.add_layers([made])
    (index,) = read(registry)
    assert index.entries["opt/six.py"].sha256 == digest(b"import sys\n").removeprefix("sha256:")
    assert len(ranges(registry, made)) == 2, "the footer and the table"


def test_holes_are_not_fetched(registry: FaultyRegistry) -> None:
    data = b"x" * 4096 + bytes(4096) + b"y" * 100

    def change(toc: Toc) -> None:
        toc["entries"][1]["chunkType"] = "zeros"
        del toc["entries"][1]["chunkDigest"]

    made = layer("zstd:chunked", [File("etc/os-release", data)], change)
    registry.add_layers([made])
    (index,) = read(registry)
    assert index.entries["etc/os-release"].content == data


class TestReadWhole:
    """What cannot be read lazily, or does not say that it can."""

    def check(self, registry: FaultyRegistry, made: Layer) -> None:
        registry.add_layers([made])
        (index,) = read(registry)
        assert index == whole_index(made)
        assert asked_whole(registry, made)

    @pytest.mark.parametrize("kind", KINDS)
    def test_without_annotations(self, kind: str, registry: FaultyRegistry) -> None:
        made = layer(kind, FILES)
        self.check(registry, Layer(made.blob, made.tar))

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("fault", [whole, answer(416)], ids=["200", "416"])
    def test_of_a_registry_without_ranges(self, kind: str, fault: Any, registry: FaultyRegistry) -> None:
        made = layer(kind, FILES)
        registry.faults[digest(made.blob)] = [fault]
        self.check(registry, made)

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_a_registry_that_stops_giving_ranges(self, kind: str, registry: FaultyRegistry) -> None:
        made = layer(kind, FILES)

        def sound(exchange: Exchange) -> None:
            exchange.deliver(exchange.content, exchange.headers.get("Range"))

        registry.faults[digest(made.blob)] = [*[sound] * (2 if kind == "eStargz" else 1), whole]
        self.check(registry, made)

    def test_without_a_footer(self, registry: FaultyRegistry) -> None:
        made = layer("eStargz", FILES)
        blob = made.blob[:-51] + packed(b"", extra=b"SG\x16\0" + b"%016x" % len(made.blob) + b"STARGZ")
        self.check(registry, Layer(blob, made.tar, made.annotations))
        self.check(registry, Layer(made.blob + packed(b""), made.tar, made.annotations))

    @pytest.mark.parametrize(
        "position",
        ["", "1:2:3", "1:2:3:2", "-1:2:3:1", f"{1 << 62}:9:9:1", "9:0:9:1", 7, "1:2:3:1:1", "1:2:3:1\n"],
    )
    def test_without_a_position(self, position: object, registry: FaultyRegistry) -> None:
        made = layer("zstd:chunked", FILES)
        annotations: dict[str, Any] = {**made.annotations, POSITION: position}
        self.check(registry, Layer(made.blob, made.tar, annotations))

    @pytest.mark.parametrize("checksum", ["", "sha256:abc", "sha512:" + "0" * 128, None])
    def test_without_a_digest(self, checksum: Any, registry: FaultyRegistry) -> None:
        made = layer("zstd:chunked", FILES)
        self.check(registry, Layer(made.blob, made.tar, {**made.annotations, CHECKSUM: checksum}))

    def test_with_two_tables(self, registry: FaultyRegistry) -> None:
        made = layer("zstd:chunked", FILES)
        self.check(registry, Layer(made.blob, made.tar, {**made.annotations, TOC_DIGEST: digest(b"")}))

    def test_from_anywhere_but_a_registry(self, tmp_path: Path) -> None:
        made = layer("eStargz", FILES)
        plain = build((("COPY . /", {}),))
        document = json.loads(plain.manifest)
        config = json.loads(plain.config)
        config["rootfs"]["diff_ids"] = [digest(made.tar)]
        document["config"] |= {"digest": digest(encode(config)), "size": len(encode(config))}
        document["layers"][0] |= {
            "digest": digest(made.blob),
            "size": len(made.blob),
            "annotations": made.annotations,
        }
        write_files(tmp_path, layout(Built(encode(config), (made.blob,), encode(document))))
        with open_image(f"oci:{tmp_path}", limits=Limits()) as image:
            assert scan(image, wants, Limits(), lazy=True) == (whole_index(made),)


def test_the_annotations_of_the_first_versions(registry: FaultyRegistry) -> None:
    made = layer("zstd:chunked", FILES)
    annotations = {key.replace("io.github.", "io."): value for key, value in made.annotations.items()}
    registry.add_layers([Layer(made.blob, made.tar, annotations)])
    (index,) = read(registry)
    assert index.by_table


def test_a_connection_that_breaks_is_resumed(registry: FaultyRegistry) -> None:
    made = layer("zstd:chunked", FILES)
    registry.add_layers([made])

    def broken(exchange: Exchange) -> None:
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", exchange.headers["Range"])
        assert span is not None
        start, end = int(span[1]), int(span[2]) + 1
        exchange.send_response(206)
        exchange.send_header("Content-Length", str(end - start))
        exchange.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(exchange.content.data)}")
        exchange.end_headers()
        exchange.wfile.write(exchange.content.data[start : start + 7])
        exchange.close_connection = True

    registry.faults[digest(made.blob)] = [broken, hang_up, answer(503)]
    (index,) = read(registry)
    assert dict(index.entries) == dict(whole_index(made).entries)
    (first, second, *_) = ranges(registry, made)
    assert second == (first[0] + 7, first[1])


def test_parts_are_asked_for_with_credentials(registry: FaultyRegistry, log_in: LogIn) -> None:
    made = layer("eStargz", FILES)
    registry.add_layers([made])
    registry.require_basic()
    header = log_in(registry)
    (index,) = read(registry)
    assert index.by_table
    assert {each.authorization for each in registry.requests if each.range} == {header}


class TestTheCache:
    def test_nothing_that_was_believed_is_cached(self, registry: FaultyRegistry, tmp_path: Path) -> None:
        cache = LayerCache(tmp_path / "cache")
        lazy, other = layer("eStargz", FILES), layer("eStargz", FILES[:5])
        plain = Layer(other.blob, other.tar)
        registry.add_layers([lazy, plain])
        first, second = read(registry, cache=cache)
        assert (first.by_table, second.by_table) == (True, False)
        assert cache.get(digest(lazy.tar)) is None
        assert cache.get(digest(plain.tar)) is not None

    def test_what_is_known_is_taken_from_there(self, registry: FaultyRegistry, tmp_path: Path) -> None:
        cache = LayerCache(tmp_path / "cache")
        made = layer("eStargz", FILES)
        registry.add_layers([made])
        read(registry, cache=cache, lazy=False)
        registry.requests.clear()
        assert read(registry, cache=cache) == (whole_index(made),)
        assert not [each for each in registry.requests if each.path.endswith(digest(made.blob))]


def test_layers_that_say_they_are_the_same(registry: FaultyRegistry) -> None:
    """Nothing is known of the diff ids, so neither may stand for the other."""
    one, two = layer("eStargz", [File("opt/a.py", b"a")]), layer("eStargz", [File("opt/b.py", b"b")])
    registry.add_layers([Layer(one.blob, one.tar, one.annotations), Layer(two.blob, one.tar, two.annotations)])
    assert [list(index.entries) for index in read(registry)] == [["opt/a.py"], ["opt/b.py"]]


# Tables that lie

Change = Callable[[Toc], object]


def setting(position: int, **values: object) -> Change:
    """Change what the table says of one entry; None takes it out."""

    def change(toc: Toc) -> None:
        entry = toc["entries"][position]
        entry.update(values)
        for key in [key for key, value in values.items() if value is None]:
            del entry[key]

    return change


def inserting(**entry: object) -> Change:
    return lambda toc: toc["entries"].append(entry)


CONTENT = b"".join(b"ID_%d=debian\n" % number for number in range(1000))
SMALL = (File("etc/os-release", CONTENT), File("opt/a.pth", b"/srv\n"), File("opt/b.py", b"b" * 100))
"""Of which the first is in four pieces."""
OTHER = "sha256:" + "0" * 64
ENTRY = {"type": "reg", "name": "opt/c.py", "size": 1, "digest": OTHER, "offset": 1 << 62}
LIES: Mapping[str, tuple[Change, str]] = {
    "digest of a file": (setting(0, digest=OTHER), "it does not have the digest that the table of contents says"),
    "digest of a piece": (setting(1, chunkDigest=OTHER), "a piece of it does not have the digest that the table of"),
    "two digests": (setting(4, digest=OTHER), "its digest is not that of its only piece"),
    "no digest": (setting(5, digest=None, chunkDigest=None), "the table of contents has no digest of it"),
    "md5": (setting(5, digest="md5:" + "0" * 32), "its 'digest' has the digest"),
    "digest is a number": (setting(5, digest=7), "its 'digest' is no text"),
    "size too large": (setting(0, size=len(CONTENT) + 1), "its pieces have"),
    "size too small": (setting(0, size=len(CONTENT) - 1), "its pieces have"),
    "size negative": (setting(5, size=-1), "its 'size' is no number that it could be"),
    "size a float": (setting(5, size=1e3), "its 'size' is no number that it could be"),
    "size true": (setting(5, size=True), "its 'size' is no number that it could be"),
    "size of 64 bits": (setting(5, size=1 << 64), "its 'size' is no number that it could be"),
    "size of an exabyte": (setting(5, size=1 << 60), "passes the limit `layer_size`"),
    "content of an empty file": (setting(5, size=0), "it is empty, and what is said of its content is not"),
    "offset negative": (setting(4, offset=-1), "its 'offset' is no number that it could be"),
    "offset missing": (setting(4, offset=None), "one of its pieces has no size or no place"),
    "offset out of the blob": (setting(5, offset=1 << 40), "a piece of it is not in the part of the blob that has"),
    "offset of another file": (setting(5, offset=1), "a piece of it overlaps another or stands before it"),
    "offset of the piece before": (lambda toc: setting(2, offset=toc["entries"][1]["offset"])(toc), "overlaps another"),
    "offset in the middle": (
        lambda toc: setting(2, offset=toc["entries"][2]["offset"] + 1)(toc),
        "neither gzip",
    ),
    "pieces out of order": (setting(1, chunkOffset=8192), "its pieces do not follow each other"),
    "a piece that is empty": (setting(1, chunkSize=0), "its pieces do not follow each other"),
    "a piece that is too long": (setting(3, chunkSize=1 << 30), "its pieces have"),
    "a piece of another type": (setting(1, chunkType="holes"), "of one of its pieces is none that there is"),
    "a piece of nothing": (inserting(type="chunk", name="opt/z", offset=9, chunkOffset=0), "a piece follows no file"),
    "a piece of a link": (
        lambda toc: toc["entries"].extend(
            [{"type": "symlink", "name": "x", "linkName": "y"}, {"type": "chunk", "name": "x", "offset": 9}]
        ),
        "a piece follows no file",
    ),
    "a piece of another file": (setting(1, name="opt/other"), "a piece follows no file that it could be of"),
    "file behind all": (inserting(**ENTRY), "a piece of it is not in the part of the blob that has files"),
    "unknown type": (inserting(type="sparse", name="x"), "its type 'sparse' is none that there is"),
    "no type": (inserting(name="x"), "its type 'None' is none that there is"),
    "leaves the root": (inserting(type="dir", name="../x"), "its path leaves the root of the image"),
    "hardlink out of the root": (inserting(type="hardlink", name="x", linkName="../y"), "its path leaves the root"),
    "hardlink to a folder": (
        lambda toc: toc["entries"].extend(
            [{"type": "dir", "name": "x"}, {"type": "hardlink", "name": "y", "linkName": "x"}]
        ),
        "which is a directory",
    ),
    "file for the root": (inserting(type="symlink", name="/", linkName="x"), "in the place of the root"),
    "whiteout of nothing": (inserting(type="reg", name="opt/.wh."), "its whiteout names nothing"),
    "name is a number": (inserting(type="dir", name=7), "its 'name' is no text"),
    "name is no Unicode": (inserting(type="dir", name="\udcff"), "its 'name' is no Unicode text"),
    "name with a zero": (inserting(type="dir", name="a\0b"), "its 'name' has a zero byte in it"),
    "name too long": (inserting(type="dir", name="a" * 5000), "passes the limit `path`"),
    "key in capitals": (setting(5, Size=7), "it has the key 'Size', which some take for 'size'"),
    "other version": (lambda toc: toc.update(version=2), "its version is not 1"),
    "no version": (lambda toc: toc.pop("version"), "it has no version"),
    "entries in capitals": (lambda toc: toc.update(Entries=[]), "it has the key 'Entries', which some take for"),
    "entries are an object": (lambda toc: toc.update(entries={}), "'[' is missing (at byte"),
    "an entry is text": (lambda toc: toc["entries"].append("x"), "an entry is no object"),
    "an entry of two MiB": (inserting(type="dir", name="x", xattrs={"a": "x" * (2 << 20)}), "the limit `header`"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lie", LIES)
def test_a_table_that_lies(kind: str, lie: str, registry: FaultyRegistry, tmp_path: Path) -> None:
    change, message = LIES[lie]
    made = layer(kind, SMALL, change)
    registry.add_layers([made])
    error = refused(registry)
    assert isinstance(error, ImageError)
    assert message in error.message
    assert str(error).startswith(f"{registry.url}/shop:1, layer 1")
    assert error.hint == (
        "no ordinary image is this large; look at where it comes from"
        if isinstance(error, LimitError)
        else "without --lazy the layer is read whole"
    )


def test_a_hardlink_to_nowhere(registry: FaultyRegistry) -> None:
    """It may be in a lower layer, so that only the merge knows."""
    registry.add_layers([layer("eStargz", SMALL, inserting(type="hardlink", name="x", linkName="nowhere"))])
    with pytest.raises(ImageError, match="nowhere"):
        RootFS.merge(read(registry))


def test_ends_that_lie(registry: FaultyRegistry) -> None:
    for end in (1, 1 << 50):
        registry.add_layers([layer("zstd:chunked", SMALL, setting(0, endOffset=end))])
        assert refused(registry).message == "its content ends where it cannot"
    late: Change = lambda toc: setting(4, endOffset=toc["entries"][5]["offset"] + 1)(toc)  # noqa: E731
    registry.add_layers([layer("zstd:chunked", SMALL, late)])
    assert "overlaps" in refused(registry).message
    registry.add_layers([layer("zstd:chunked", SMALL, setting(4, innerOffset=1))])
    assert "not in this format" in refused(registry).message
    registry.add_layers([layer("eStargz", SMALL, setting(4, innerOffset=1 << 20))])
    assert refused(registry).message == "its compressed data ends too soon"
    registry.add_layers([layer("eStargz", SMALL, setting(4, innerOffset=1 << 50))])
    assert isinstance(refused(registry), LimitError)


@pytest.mark.parametrize("kind", KINDS)
def test_another_table_than_was_promised(kind: str, registry: FaultyRegistry) -> None:
    made = layer(kind, SMALL)
    key = TOC_DIGEST if kind == "eStargz" else CHECKSUM
    registry.add_layers([Layer(made.blob, made.tar, made.annotations | {key: OTHER})])
    assert str(refused(registry)) == (
        f"{registry.url}/shop:1, layer 1: the table of contents has the digest {made.annotations[key]}, "
        f"the manifest says {OTHER}"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_over_its_limit(kind: str, registry: FaultyRegistry) -> None:
    registry.add_layers([layer(kind, SMALL)])
    error = refused(registry, Limits(toc=500))
    assert isinstance(error, LimitError)
    assert error.message == "the table of contents passes the limit `toc` of 500"


def test_bombs(registry: FaultyRegistry) -> None:
    """A table that inflates to more than is announced, and a piece that does."""
    table = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    blob = b"x" * 100 + table
    registry.add_layers([Layer(blob, b"", {CHECKSUM: digest(table), POSITION: f"100:{len(table)}:1000:1"})])
    assert "does not have the 1000 bytes" in refused(registry).message
    registry.add_layers([layer("eStargz", SMALL, lambda toc: toc.update(more="x" * (2 << 20)))])
    assert "it is no JSON, or an entry passes the limit `header`" in refused(registry).message


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'{"version":1',
        b'{"version":1}x',
        b'{"version":1,"version":1}',
        b'{"version":1,}',
        b'{"version":1,"entries":[{"type":"dir","name":"a","name":"b"}]}',
        b'{"version":1,"entries":[{"type":"dir","name":NaN}]}',
        b'{"version":1,"entries":[{}',
        b'{"version":1,"entries":[{"type":"dir","name":"a"},]}',
        b"{7:1}",
        b"\xff{}",
        b'{"version":1,"entries":[{"name":"\xff"}]}',
        b'{"version":' + b"[" * 100000,
    ],
    ids=map(str, range(15)),
)
def test_a_table_that_is_no_json(text: bytes, registry: FaultyRegistry) -> None:
    table = zstandard.ZstdCompressor().compress(text)
    annotations = {CHECKSUM: digest(table), POSITION: f"100:{len(table)}:{len(text)}:1"}
    registry.add_layers([Layer(b"x" * 100 + table + bytes(8), b"", annotations)])
    assert isinstance(refused(registry), ImageError)


def test_a_table_that_is_not_there(registry: FaultyRegistry) -> None:
    made = layer("eStargz", SMALL)
    blob = made.blob[:-51] + packed(b"", extra=b"SG\x16\0" + b"%016x" % 0 + b"STARGZ")
    registry.add_layers([Layer(blob, made.tar, made.annotations)])
    assert refused(registry).message == "the table of contents is not where the layer's last bytes say"


class TestRanges:
    """What a registry answers to a request for a part."""

    def fault(self, registry: FaultyRegistry, made: Layer, number: int, **changes: Any) -> None:
        def wrong(exchange: Exchange) -> None:
            span = re.fullmatch(r"bytes=(\d+)-(\d+)", exchange.headers["Range"])
            assert span is not None
            start, end, data = int(span[1]), int(span[2]) + 1, exchange.content.data
            headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
            body = data[start:end]
            if changes.get("body") == "other":
                body = bytes(len(body))
            if changes.get("body") == "long":
                body = data[start : end + 1]
            if "span" in changes:
                headers["Content-Range"] = changes["span"]
            exchange.reply(changes.get("status", 206), body, headers)

        def sound(exchange: Exchange) -> None:
            exchange.deliver(exchange.content, exchange.headers.get("Range"))

        registry.add_layers([made])
        registry.faults[digest(made.blob)] = [*[sound] * number, *[wrong] * 5]

    @pytest.mark.parametrize("number", [0, 1])
    @pytest.mark.parametrize("span", ["bytes 0-0/1", "bytes */1", "x", "bytes 5-1/9", ""])
    def test_another_range(self, span: str, number: int, registry: FaultyRegistry) -> None:
        self.fault(registry, layer("zstd:chunked", SMALL), number, span=span)
        error = refused(registry)
        assert isinstance(error, UnreachableError)
        assert f"the registry sent the range {span!r}" in error.message

    def test_another_length(self, registry: FaultyRegistry) -> None:
        self.fault(registry, layer("zstd:chunked", SMALL), 1, body="long")
        assert "the registry announces" in refused(registry).message

    @pytest.mark.parametrize("number", [0, 1])
    def test_other_bytes(self, number: int, registry: FaultyRegistry) -> None:
        self.fault(registry, layer("zstd:chunked", SMALL), number, body="other")
        assert refused(registry).message

    @pytest.mark.parametrize(("status", "message"), [(404, "has no such blob"), (400, "the registry answered 400")])
    def test_another_status(self, status: int, message: str, registry: FaultyRegistry) -> None:
        self.fault(registry, layer("zstd:chunked", SMALL), 0, status=status)
        assert message in refused(registry).message


# What others make


def golden(folder: Path) -> dict[str, Layer]:
    told = json.loads((folder / "golden.json").read_text())
    found = {}
    for name, facts in told.items():
        blob = (folder / name).read_bytes()
        tar = gzip.decompress(blob)
        assert digest(tar) == facts["diff_id"]
        found[name] = Layer(blob, tar, {TOC_DIGEST: facts["toc"]})
    return found


def same_as_whole(registry: FaultyRegistry, made: Layer) -> None:
    registry.add_layers([made])
    (lazily,) = read(registry)
    assert lazily.by_table
    assert dict(lazily.entries) == without_table(whole_index(made))
    assert lazily.whiteouts == whole_index(made).whiteouts
    assert ranges(registry, made)
    assert lazily.entries[f"{SITE}/six-1.16.0.dist-info/METADATA"].content == METADATA
    assert any(entry.kind is EntryKind.FILE and entry.elf is not None for entry in lazily.entries.values())


@pytest.mark.parametrize("name", ["pieces", "joined"])
def test_layers_of_the_library_for_estargz(name: str, registry: FaultyRegistry) -> None:
    same_as_whole(registry, golden(DATA)[name])


def make_golden(folder: Path) -> None:
    """What is kept in `tests/data/estargz` was made by this."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed")
    # Names that come twice are none that the library takes.
    files = [each for each in FILES if "twice" not in each.name and each.name != "./"]
    (folder / "layer.tar").write_bytes(b"".join(each.header + _body(each) for each in files) + bytes(1024))
    run = subprocess.run([go, "-C", DATA, "run", ".", folder], capture_output=True, check=True)
    (folder / "layer.tar").unlink()
    (folder / "golden.json").write_bytes(run.stdout)


def _body(file: File) -> bytes:
    return file.data + bytes(-len(file.data) % 512) if file.type == "reg" else b""


@pytest.mark.real
def test_layers_of_that_library_as_it_is_now(registry: FaultyRegistry, tmp_path: Path) -> None:
    make_golden(tmp_path)
    for made in golden(tmp_path).values():
        same_as_whole(registry, made)
        registry.requests.clear()


@pytest.mark.real
def test_layers_of_skopeo(registry: FaultyRegistry, tmp_path: Path) -> None:
    """zstd:chunked, with a hole, and with the annotations of the first versions where it is an old one."""
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        pytest.skip("skopeo is not installed")
    hole = File("etc/passwd", b"root:x:0:0\n" * 900 + bytes(300_000) + b"#")
    tar = b"".join(each.header + _body(each) for each in (*FILES, hole)) + bytes(1024)
    image = build((("COPY . /", {}),), lambda _: tar)
    config = json.loads(image.config)
    config["rootfs"]["diff_ids"] = [digest(tar)]
    document = json.loads(image.manifest)
    document["config"] |= {"digest": digest(encode(config)), "size": len(encode(config))}
    write_files(tmp_path / "plain", layout(Built(encode(config), image.layers, encode(document))))
    options = ["--insecure-policy", "copy", "--dest-compress", "--dest-compress-format", "zstd:chunked"]
    subprocess.run([skopeo, *options, f"oci:{tmp_path}/plain", f"oci:{tmp_path}/made"], capture_output=True, check=True)
    blobs = {digest(path.read_bytes()): path.read_bytes() for path in (tmp_path / "made/blobs/sha256").iterdir()}
    index = json.loads((tmp_path / "made/index.json").read_bytes())
    (told,) = json.loads(blobs[index["manifests"][0]["digest"]])["layers"]
    made = Layer(blobs[told["digest"]], tar, told["annotations"])
    same_as_whole(registry, made)
    (index_of_it,) = read(registry)
    assert index_of_it.entries["etc/passwd"].content == hole.data
