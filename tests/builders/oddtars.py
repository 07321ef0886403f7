"""A corpus of odd tar archives by name. How each is read by Go's archive/tar stands in tests/data/tar/golden.json."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tests.builders.tars import (
    BLOCK,
    END,
    GNU,
    V7,
    archive,
    header,
    long_name,
    member,
    old_sparse,
    padded,
    pax,
    pax_raw,
    record,
)

HELLO = member(b"hello.txt", b"hello")
SPARSE_1_0 = (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")


def odd_archives() -> dict[str, bytes]:
    parts = (endings, headers, numbers, kinds, pax_headers, long_names, mixtures, sparse_files, pax_sparse_files)
    return dict(pair for part in parts for pair in part())


Pairs = Iterator[tuple[str, bytes]]


def endings() -> Pairs:
    yield "nothing", b""
    yield "only the end", END
    yield "no end", HELLO
    yield "one zero block at the end", HELLO + bytes(512)
    yield "a zero block and half of one", HELLO + bytes(512 + 256)
    yield "a lone zero block", HELLO + bytes(512) + HELLO + END
    yield "a zero block and garbage", HELLO + bytes(512) + b"x" * 512
    yield "garbage behind the end", archive(HELLO) + b"x" * 700
    yield "an archive behind the end", archive(HELLO) + archive(member(b"other"))
    yield "many zero blocks", HELLO + bytes(512 * 20)
    yield "cut in a header", HELLO + HELLO[:300]
    yield "cut in a body", header(b"a", size=2000) + b"x" * 1500
    yield "cut in the padding", HELLO[:600]
    yield "cut before the padding", HELLO[:517]
    yield "cut before the body", HELLO[:512]
    yield "cut in an extension", pax((b"path", b"p" * 600))[:800]
    yield "cut in the padding of an extension", pax((b"path", b"p"))[:600]
    yield "extension at the end", archive(HELLO, pax((b"path", b"p")))
    yield "long name at the end without an end", HELLO + long_name(b"n")
    yield "size larger than the archive", archive(header(b"a", size=1 << 30))
    yield "only garbage", b"x" * 1024


def headers() -> Pairs:
    yield "wrong checksum", archive(header(b"a", checksum=b"000001\0 "))
    yield "no checksum", archive(header(b"a", checksum=b" " * 8))
    yield (
        "checksum of signed bytes",
        archive(header(b"\xff\xe4", checksum=b"%06o\0 " % (sum(_blank(b"\xff\xe4")) - 2 * 256))),
    )
    yield "checksum not octal", archive(header(b"a", checksum=b"00888\0  "))
    yield "checksum in base 256", archive(header(b"a", checksum=b"\x80" + bytes(5) + b"\x20\x00"))
    yield "v7", archive(member(b"a", b"x", magic=V7))
    yield "v7 with a prefix", archive(member(b"a", b"x", magic=V7, prefix=b"ignored"))
    yield "ustar with a prefix", archive(member(b"a", b"x", prefix=b"some/where"))
    yield "ustar with a full prefix", archive(member(b"n" * 100, b"x", prefix=b"p" * 155))
    yield "ustar without a version", archive(member(b"a", b"x", magic=b"ustar\0xx", prefix=b"p"))
    yield "gnu with a prefix", archive(member(b"a", b"x", magic=GNU, prefix=b"p" * 30))
    yield "gnu with a prefix that is not ascii", archive(member(b"a", b"x", magic=GNU, prefix=b"p\xff" * 15))
    yield "gnu with times", archive(member(b"a", magic=GNU, prefix=b"00000000001\x0000000000002\0"))
    yield "gnu with a wrong version", archive(member(b"a", b"x", magic=b"ustar 00", prefix=b"p"))
    yield "star with a prefix", archive(member(b"a", prefix=b"p", fields=_STAR))
    yield "star with times", archive(member(b"a", prefix=b"p", fields={**_STAR, 476: b"00000000001\x0000000000002\0"}))
    yield "star with a bad time", archive(member(b"a", prefix=b"p", fields={**_STAR, 476: b"8"}))
    yield "name of a hundred bytes", archive(member(b"n" * 100, b"x"))
    yield "name with a nul", archive(member(b"a\0b", b"x"))
    yield "no name", archive(member(b"", b"x"))
    yield "name that is not utf-8", archive(member(b"caf\xe9", b"x"))
    yield "twins in nfc and nfd", archive(member(b"\xc3\xa9", b"1"), member(b"e\xcc\x81", b"2"))
    yield "duplicate", archive(member(b"a", b"1"), member(b"a", b"22"))
    yield "absolute and dots", archive(member(b"/a"), member(b"./b"), member(b"c/../d"), member(b"../e"))


_STAR = {508: b"tar\0"}


def _blank(name: bytes) -> bytes:
    block = bytearray(header(name))
    block[148:156] = b" " * 8
    return bytes(block)


def numbers() -> Pairs:
    yield "size in base 256", archive(header(b"a", fields={124: b"\x80" + bytes(10) + b"\x05"}) + padded(b"hello"))
    yield (
        "size in base 256 at its largest",
        archive(header(b"a", fields={124: b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7})),
    )
    yield "size in base 256 too large", archive(header(b"a", fields={124: b"\x80" + bytes(2) + b"\x01" + bytes(8)}))
    yield "size of 2^62", archive(header(b"a", fields={124: b"\x80" + bytes(3) + b"\x40" + bytes(7)}))
    yield "negative size", archive(header(b"a", fields={124: b"\xff" * 12}))
    yield "negative size of a folder", archive(header(b"a/", flag=b"5", fields={124: b"\xff" * 12}))
    yield "size of a folder", archive(header(b"a/", flag=b"5", size=512) + HELLO)
    yield "size of a v7 folder", archive(header(b"a/", flag=b"\0", size=512, magic=V7) + HELLO)
    yield "size of a symlink", archive(header(b"a", flag=b"2", link=b"b", size=512) + HELLO)
    yield "size of a hardlink", archive(HELLO, header(b"a", flag=b"1", link=b"hello.txt", size=512) + HELLO)
    yield "size with blanks", archive(header(b"a", fields={124: b"         5 \0"}) + padded(b"hello"))
    yield "size in twelve digits", archive(header(b"a", fields={124: b"000000000005"}) + padded(b"hello"))
    yield "size with a nul inside", archive(header(b"a", fields={124: b"005\x00000000\0"}) + padded(b"hello"))
    yield "size empty", archive(header(b"a", fields={124: bytes(12)}))
    yield "size not octal", archive(header(b"a", fields={124: b"00000000008\0"}))
    yield "size with an underscore", archive(header(b"a", fields={124: b"0000000_005\0"}) + padded(b"hello"))
    yield "size with a sign", archive(header(b"a", fields={124: b"-0000000005\0"}) + padded(b"hello"))
    for name, start, length in (("mode", 100, 8), ("owner", 108, 8), ("group", 116, 8), ("time", 136, 12)):
        yield f"{name} not octal", archive(header(b"a", fields={start: b"9".ljust(length, b"\0")}))
        yield f"{name} negative", archive(header(b"a", fields={start: b"\xff" * length}))
        yield f"{name} empty", archive(header(b"a", fields={start: bytes(length)}))
        yield f"{name} with blanks", archive(header(b"a", fields={start: b"  7 ".ljust(length, b"\0")}))
    yield "time too large", archive(header(b"a", fields={136: b"\x80" + bytes(2) + b"\x01" + bytes(8)}))
    yield "device not octal", archive(header(b"a", fields={329: b"x"}))
    yield "device not octal in v7", archive(header(b"a", magic=V7, fields={329: b"x"}))
    yield "second device number not octal", archive(header(b"a", magic=GNU, fields={337: b"x"}))
    yield "mode with the type of file", archive(header(b"a", mode=b"0100755\0"))
    yield "mode with all bits", archive(header(b"a", mode=b"0007777\0"))


def kinds() -> Pairs:
    for flag in (b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"6"):
        yield f"type {flag!r}", archive(HELLO, header(b"a", flag=flag, link=b"hello.txt"))
    yield "nul type and a slash", archive(header(b"a/", flag=b"\0"))
    yield "nul type and a slash in pax", archive(pax((b"path", b"b/")), header(b"a", flag=b"\0"))
    yield "file with a slash", archive(member(b"a/", b"x"))
    yield "device numbers", archive(header(b"dev", flag=b"3", fields={329: b"0000001\x000000003\0"}))


def pax_headers() -> Pairs:
    yield "pax path", archive(pax((b"path", b"other")), HELLO)
    yield "pax path counts before prefix", archive(pax((b"path", b"p")), member(b"a", prefix=b"q"))
    yield "pax path twice", archive(pax((b"path", b"one"), (b"path", b"two")), HELLO)
    yield "pax path that is not utf-8", archive(pax((b"path", b"caf\xe9")), HELLO)
    yield "pax path of 300 bytes", archive(pax((b"path", b"p" * 300)), HELLO)
    yield "pax path with a newline and an equals sign", archive(pax((b"path", b"a\n=b")), HELLO)
    yield "pax path empty", archive(pax((b"path", b"")), HELLO)
    yield "pax path with a nul", archive(pax((b"path", b"a\0b")), HELLO)
    yield "pax key with a nul", archive(pax((b"a\0b", b"c")), HELLO)
    yield "pax value with a nul", archive(pax((b"comment", b"a\0b")), HELLO)
    yield "pax linkpath", archive(pax((b"linkpath", b"far" * 50)), header(b"a", flag=b"2", link=b"near"))
    yield "pax linkpath empty", archive(pax((b"linkpath", b"")), header(b"a", flag=b"2", link=b"near"))
    yield "pax xattr", archive(pax((b"SCHILY.xattr.security.capability", b"\1\0\0\2" * 5)), HELLO)
    yield "pax uname with a nul", archive(pax((b"uname", b"a\0b")), HELLO)
    for size in (
        b"5",
        b"0005",
        b"+5",
        b"",
        b"abc",
        b"1_0",
        b"-5",
        b" 5",
        b"5.0",
        b"0x5",
        b"9" * 30,
        b"4611686018427387904",
    ):
        yield f"pax size {size!r}", archive(pax((b"size", size)), HELLO)
    yield "pax size of a folder", archive(pax((b"size", b"512")), header(b"a/", flag=b"5"), HELLO)
    yield "pax size counts before base size", archive(pax((b"size", b"5")), header(b"a", size=0) + padded(b"hello"))
    for key in (b"uid", b"gid", b"mtime", b"atime", b"ctime", b"comment"):
        for value in (b"1", b"-1", b"x", b"1.5", b"1.5x", b"9" * 25, b"1.", b".5", b""):
            yield f"pax {key.decode()} {value!r}", archive(pax((key, value)), HELLO)
    for data in (
        b"11 path=abc",
        b"11 path=ab\n",
        b"10 path=ab\n",
        b"12 path=ab\n",
        b"011 path=ab\n",
        b"+11 path=a\n",
        b"-11 path=a\n",
        b"0 path=ab\n",
        b"4 =\n",
        b"5 =x\n",
        b"6 a=b\n",
        b"5 a=\n",
        b"7 ab\n\n",
        b"path=ab\n",
        b"11path=abc\n",
        b"11\tpath=a\n",
        b"99999999999999999999 path=ab\n",
        b"1_1 path=ab\n",
        record(b"path", b"a") + b"\0" * 10,
        record(b"path", b"a") + b"\n",
    ):
        yield f"pax record {data!r}", archive(pax_raw(data), HELLO)
    yield "pax header without records", archive(pax_raw(b""), HELLO)
    yield "upper case X", archive(pax((b"path", b"other"), flag=b"X"), HELLO)
    yield "global comment", archive(pax((b"comment", b"abc"), flag=b"g"), HELLO)
    yield "global comment at the end", archive(HELLO, pax((b"comment", b"abc"), flag=b"g"))
    yield "global header without records", archive(pax_raw(b"", flag=b"g"), HELLO)
    yield "global header that is damaged", archive(pax_raw(b"99 x", flag=b"g"), HELLO)


def long_names() -> Pairs:
    yield "long name", archive(long_name(b"n" * 300), member(b"n" * 100, b"x", magic=GNU))
    yield "long name without nul", archive(member(b"@", b"n" * 300, flag=b"L", magic=GNU), HELLO)
    yield "long name of a block", archive(member(b"@", b"n" * 512, flag=b"L", magic=GNU), HELLO)
    yield "long name with a nul inside", archive(long_name(b"a\0b"), HELLO)
    yield "long name empty", archive(member(b"@", b"", flag=b"L", magic=GNU), HELLO)
    yield "long name of nothing but nul", archive(long_name(b""), HELLO)
    yield "long link", archive(long_name(b"l" * 300, flag=b"K"), header(b"a", flag=b"2", link=b"l" * 100, magic=GNU))
    yield (
        "long name and long link",
        archive(long_name(b"l" * 200, flag=b"K"), long_name(b"n" * 200), header(b"a", flag=b"2", magic=GNU)),
    )
    yield "long name and a v7 folder", archive(long_name(b"n/"), header(b"a", flag=b"\0", magic=GNU))
    yield "long name of 5,000 bytes", archive(long_name(b"n" * 5000), HELLO)
    yield (
        "long name of more than a mebibyte",
        archive(member(b"@", b"n" * ((1 << 20) + 1), flag=b"L", magic=GNU), HELLO),
    )


def mixtures() -> Pairs:
    yield "pax before a long name", archive(pax((b"path", b"from-pax")), long_name(b"from-gnu"), HELLO)
    yield "pax behind a long name", archive(long_name(b"from-gnu"), pax((b"path", b"from-pax")), HELLO)
    yield "empty pax path and a long name", archive(pax((b"path", b"")), long_name(b"from-gnu"), HELLO)
    yield (
        "pax before a global header",
        archive(pax((b"path", b"lost")), pax((b"comment", b"x"), flag=b"g"), HELLO, member(b"next")),
    )
    yield "long name before a global header", archive(long_name(b"lost"), pax((b"comment", b"x"), flag=b"g"), HELLO)
    yield (
        "formats mixed",
        archive(member(b"a", magic=V7), member(b"b", magic=GNU), member(b"c"), long_name(b"d"), HELLO),
    )


def sparse_files() -> Pairs:
    two = [(0, b"abc"), (1000, b"defg")]
    yield "old sparse", archive(old_sparse(b"s", two, 2000), HELLO)
    yield "old sparse without data", archive(old_sparse(b"s", [], 2000), HELLO)
    yield "old sparse with an empty fragment at its end", archive(old_sparse(b"s", [*two, (2000, b"")], 2000), HELLO)
    yield (
        "old sparse with many fragments",
        archive(old_sparse(b"s", [(place * 100, b"x" * 10) for place in range(60)], 6000), HELLO),
    )
    yield "old sparse out of order", archive(old_sparse(b"s", two[::-1], 2000), HELLO)
    yield "old sparse overlapping", archive(old_sparse(b"s", [(0, b"abc"), (2, b"d")], 2000), HELLO)
    yield "old sparse past its size", archive(old_sparse(b"s", two, 1002), HELLO)
    with_gap = {386: b"00000000000\x0000000000005\0", 434: b"00000000100\x0000000000005\0", 483: b"00000001000\0"}
    yield (
        "old sparse with a gap in its table",
        archive(header(b"s", flag=b"S", size=5, magic=GNU, fields=with_gap) + padded(b"hello"), HELLO),
    )
    missing = {386: b"00000000000\x0000000000005\0", 483: b"00000001000\0"}
    for size in (3, 7):
        yield (
            f"old sparse with {size} of 5 bytes",
            archive(header(b"s", flag=b"S", size=size, magic=GNU, fields=missing) + padded(b"1234567"[:size]), HELLO),
        )
    yield "old sparse in ustar", archive(header(b"s", flag=b"S", size=5, fields=missing) + padded(b"hello"), HELLO)
    bad = {**missing, 386: b"0000000000x\x00"}
    yield "old sparse not octal", archive(header(b"s", flag=b"S", size=5, magic=GNU, fields=bad) + padded(b"hello"))
    endless = header(b"s", flag=b"S", magic=GNU, fields={482: b"\1", 483: b"00000001000\0"})
    yield "old sparse whose table is cut off", endless
    yield (
        "old sparse in base 256",
        archive(
            header(b"s", flag=b"S", size=5, magic=GNU, fields={**missing, 483: b"\x80" + bytes(9) + b"\x10\0"})
            + padded(b"hello")
        ),
    )


def pax_sparse_files() -> Pairs:
    sizes = (b"GNU.sparse.size", b"2000"), (b"GNU.sparse.numblocks", b"2")
    fragments = tuple(
        (b"GNU.sparse." + key, value)
        for key, value in ((b"offset", b"0"), (b"numbytes", b"3"), (b"offset", b"1000"), (b"numbytes", b"2"))
    )
    file = member(b"s", b"hello")
    yield "sparse 0.0", archive(pax(*sizes, *fragments), file, HELLO)
    yield "sparse 0.0 in a wrong order", archive(pax(*sizes, fragments[1], fragments[0], *fragments[2:]), file)
    yield "sparse 0.0 with a comma", archive(pax(*sizes, (b"GNU.sparse.offset", b"0,3")), file)
    yield "sparse 0.0 cut short", archive(pax(*sizes, *fragments[:3]), file)
    table = (b"GNU.sparse.map", b"0,3,1000,2")
    yield "sparse 0.1", archive(pax(*sizes, (b"GNU.sparse.name", b"real"), table), file, HELLO)
    yield (
        "sparse 0.1 with its version",
        archive(pax((b"GNU.sparse.major", b"0"), (b"GNU.sparse.minor", b"1"), *sizes, table), file),
    )
    yield (
        "sparse 0.1 and a long name",
        archive(pax(*sizes, (b"GNU.sparse.name", b"real"), table), long_name(b"n"), file),
    )
    yield "sparse 0.1 without a count", archive(pax(sizes[0], table), file)
    yield "sparse 0.1 with a wrong count", archive(pax(sizes[0], (b"GNU.sparse.numblocks", b"3"), table), file)
    yield "sparse 0.1 with an odd map", archive(pax(*sizes, (b"GNU.sparse.map", b"0,3,1000")), file)
    yield "sparse 0.1 with words", archive(pax(*sizes, (b"GNU.sparse.map", b"0,3,x,2")), file)
    yield "sparse 0.1 with an empty number", archive(pax(*sizes, (b"GNU.sparse.map", b"0,3,,2")), file)
    yield "sparse 0.1 without a size", archive(pax(sizes[1], table), file)
    yield "sparse 0.1 of a folder", archive(pax(*sizes, table), header(b"s/", flag=b"5"), HELLO)
    yield "sparse of an unknown version", archive(pax((b"GNU.sparse.major", b"2"), *sizes, table), file)
    yield "sparse 0.1 negative", archive(pax(*sizes, (b"GNU.sparse.map", b"0,-3,1000,8")), file)
    yield (
        "sparse 0.1 without fragments",
        archive(pax(*SPARSE_0_1, (b"GNU.sparse.numblocks", b"0"), sizes[0]), member(b"s")),
    )
    real = (b"GNU.sparse.realsize", b"2000"), (b"GNU.sparse.name", b"real")
    body = padded(b"2\n0\n3\n1000\n2\n") + b"hello"
    yield "sparse 1.0", archive(pax(*SPARSE_1_0, *real), member(b"s", body), HELLO)
    yield "sparse 1.0 without fragments", archive(pax(*SPARSE_1_0, *real), member(b"s", padded(b"0\n")), HELLO)
    yield "sparse 1.0 without a size", archive(pax(*SPARSE_1_0, real[1]), member(b"s", body), HELLO)
    yield (
        "sparse 1.0 with its size in the records",
        archive(pax(*SPARSE_1_0, *real, (b"size", b"%d" % len(body))), header(b"s") + padded(body), HELLO),
    )
    many = b"".join(b"%d\n1\n" % (place * 2) for place in range(900))
    long_map = padded(b"900\n" + many) + b"x" * 900
    yield "sparse 1.0 with a map of many blocks", archive(pax(*SPARSE_1_0, *real), member(b"s", long_map), HELLO)
    for text in (
        b"x\n",
        b"-1\n",
        b"2\n0\n3\n1000\n",
        b"2\n0\n3\n1000\nx\n",
        b"1\n\n5\n",
        b"9" * 30 + b"\n",
        b"5" * 512,
    ):
        yield f"sparse 1.0 map {text[:20]!r}", archive(pax(*SPARSE_1_0, *real), member(b"s", padded(text) + b"hello"))
    yield "sparse 1.0 whose map leaves the body", archive(pax(*SPARSE_1_0, *real), member(b"s", b"2\n0\n"), HELLO)
    yield "sparse 1.0 of a folder", archive(pax(*SPARSE_1_0, *real), header(b"s/", flag=b"5"), HELLO)
    yield (
        "sparse 1.0 with data missing",
        archive(pax(*SPARSE_1_0, *real), member(b"s", padded(b"1\n0\n5\n") + b"hel"), HELLO),
    )


SPARSE_0_1 = (b"GNU.sparse.major", b"0"), (b"GNU.sparse.minor", b"1")


_TELLING = b"\0\x80\xff 0179-+\n=xgLKS23456"


def mutated(archives: dict[str, bytes], count: int, seed: int) -> dict[str, bytes]:
    """Archives with a few bytes or blocks changed, most of them with checksums that fit again."""
    random = Random(seed)
    small = [data for data in archives.values() if len(data) < 20_000]
    return {f"{seed}-{number}": _mutate(bytearray(random.choice(small)), random) for number in range(count)}


def _mutate(data: bytearray, random: Random) -> bytes:
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        block = BLOCK * random.randrange(len(data) // BLOCK + 1)
        other = BLOCK * random.randrange(len(data) // BLOCK + 1)
        action = random.random()
        if action < 0.6:
            within = (
                random.randrange(512),
                random.randrange(100, 160),
                random.randrange(257, 270),
                random.randrange(345, 495),
            )
            place = block + random.choice(within)
            data[place : place + 1] = bytes([random.choice((*_TELLING, random.randrange(256)))])[: place < len(data)]
        elif action < 0.7:
            del data[random.randrange(len(data) + 1) :]
        elif action < 0.85:
            del data[block : block + BLOCK]
        else:
            data[other:other] = data[block : block + BLOCK]
    if random.random() < 0.9:
        for start in range(0, len(data) - BLOCK + 1, BLOCK):
            if (
                bytes(data[start + 100 : start + 104]) in (b"0000", b"0100")
                or data[start + 257 : start + 262] == b"ustar"
            ):
                data[start + 148 : start + 156] = b" " * 8
                data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + BLOCK])
    return bytes(data)
