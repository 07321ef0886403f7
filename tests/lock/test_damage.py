"""Whatever is done to a lock's bytes, it is read or refused with a LockError, and so is a selection from it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.errors import LockError
from driftscan.graph import DependencyGraph
from driftscan.lock import parse
from driftscan.lock.document import Document
from driftscan.model.lock import Request
from tests.builders.locks import LINUX

DIGEST = "0123456789abcdef" * 4
UV = f"""\
version = 1
revision = 3
requires-python = ">=3.11"
supported-markers = ["os_name == 'posix'"]
conflicts = [[{{ package = "app", extra = "x" }}, {{ package = "app", group = "docs" }}]]

[manifest]
members = ["app"]
overrides = [{{ name = "a", specifier = "==1" }}]

[[package]]
name = "app"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "a", extra = ["e"], marker = "python_version >= '3.8' and extra != 'extra-3-app-x'" }}]

[package.optional-dependencies]
x = [{{ name = "a", version = "1", source = {{ git = "https://files.example/a?rev=v#{DIGEST[:40]}" }} }}]

[package.dev-dependencies]
dev = [{{ name = "a" }}]

[package.metadata]
provides-extras = ["x", "y"]

[[package]]
name = "a"
version = "1"
source = {{ git = "https://files.example/a?rev=v#{DIGEST[:40]}" }}
wheels = [{{ url = "https://files.example/a-1-py3-none-any.whl", hash = "sha256:{DIGEST}", size = 1 }}]
"""
REQUIREMENTS = f"""\
# coding: utf-8
--index-url https://me:pw@index.example:80/simple
a[x]==1.0 ; python_version >= '3.8' and os_name in "posix nt" \\
    --hash=sha256:{DIGEST} \\
    # via b
b @ git+https://files.example/b.git@v1#egg=b&subdirectory=c
-e ./c[d] ; os_name == 'nt'
./wheels/d-1.0-py3-none-any.whl
https://files.example/e-1.0.tar.gz#sha256={DIGEST}
"""
EXPLICIT = f"""\
# platform: linux-64
@EXPLICIT
https://conda.example/t/token/forge/linux-64/a-1.0-0.conda#{DIGEST[:32]}
https://conda.example/forge/noarch/b-1.0-0.tar.bz2#sha256:{DIGEST}
# pip c @ https://files.example/c-1.0-py3-none-any.whl#sha256={DIGEST}
"""
LOCKS = {"uv": UV.encode(), "requirements": REQUIREMENTS.encode(), "conda-explicit": EXPLICIT.encode()}


def survive(format_name: str, data: bytes) -> None:
    with contextlib.suppress(LockError):
        lock = parse(Document("a.lock", data), format_name)
        DependencyGraph.build([lock]).select(LINUX, Request(all_extras=True))


@pytest.mark.parametrize("format_name", LOCKS)
def test_the_samples_are_sound(format_name: str) -> None:
    lock = parse(Document("a.lock", LOCKS[format_name]), format_name)
    assert DependencyGraph.build([lock]).select(LINUX, Request(all_extras=True)).packages


@pytest.mark.parametrize("format_name", LOCKS)
def test_truncated_anywhere(format_name: str) -> None:
    data = LOCKS[format_name]
    for end in range(0, len(data), 3):
        survive(format_name, data[:end])


TOKENS: tuple[bytes, ...] = (
    b"'",
    b'"',
    b"\n",
    b"\\\n",
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b",",
    b"#",
    b"://",
    b"@",
    b"[[package]]\n",
    b"\x00",
)
TOKENS += (b"\xff", b"-", b" ", b"\t", b"1", b"nan", b"true", b"[1]", b"{}", b"(" * 70, b"9" * 5000, "\u2028".encode())


@given(
    st.sampled_from(sorted(LOCKS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(TOKENS)), min_size=1, max_size=4),
)
def test_damaged_anywhere(format_name: str, wounds: list[tuple[float, int, bytes]]) -> None:
    data = LOCKS[format_name]
    for place, length, token in wounds:
        at = int(place * len(data))
        data = data[:at] + token + data[at + length :]
    survive(format_name, data)
