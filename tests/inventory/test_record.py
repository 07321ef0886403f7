from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.inventory.record import Row, rows

SITE = "opt/venv/lib/python3.11/site-packages"
DIGEST = hashlib.sha256(b"x").digest()
TEXT = base64.urlsafe_b64encode(DIGEST).rstrip(b"=").decode()


def test_rows_are_relative_to_the_site_directory() -> None:
    data = f"a/b.py,sha256={TEXT},1\n../../../bin/a,sha256={TEXT},1\na-1.dist-info/RECORD,,\n".encode()
    assert rows(data, SITE) == (
        Row(f"{SITE}/a/b.py", DIGEST.hex(), "sha256"),
        Row("opt/venv/bin/a", DIGEST.hex(), "sha256"),
        Row(f"{SITE}/a-1.dist-info/RECORD"),
    )


@pytest.mark.parametrize("text", [TEXT, TEXT + "=", DIGEST.hex(), DIGEST.hex().upper()])
def test_digests_in_base64_and_in_hexadecimal(text: str) -> None:
    assert rows(f"a,sha256={text},".encode(), "s")[0].sha256 == DIGEST.hex()


def test_quoted_names_crlf_and_absolute_paths() -> None:
    data = b'"a,b ""c"".py",,\r\n/etc/app.conf,,\r\n\r\n./d.py,,\r\n'
    assert [row.path for row in rows(data, "s")] == ['s/a,b "c".py', "etc/app.conf", "s/d.py"]


def test_other_algorithms_are_named_but_give_no_sha256() -> None:
    strong = base64.urlsafe_b64encode(hashlib.sha512(b"x").digest()).rstrip(b"=").decode()
    assert rows(f"a,sha512={strong},1\nb,md5=0123,1\n".encode(), "s") == (
        Row("s/a", None, "sha512"),
        Row("s/b", None, "md5"),
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a.py,,\n../../../../../../etc/passwd,,\n", "line 2: the path leaves the image"),
        (b",,\n", "line 1: it names no file"),
        (b"a.py,sha256=short,1\n", "line 1: the sha256 is damaged"),
        (b"a.py,sha256=" + b"*" * 43 + b",1\n", "line 1: the sha256 is damaged"),
        (b'"' + b"a" * 140_000 + b'",,\n', r"line 1: field larger than field limit \(131072\)"),
    ],
)
def test_what_is_broken_is_refused_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        rows(data, "opt/lib/site-packages")


@given(st.binary(max_size=300))
def test_arbitrary_bytes_give_rows_or_a_value_error(data: bytes) -> None:
    try:
        found = rows(data, SITE)
    except ValueError:
        return
    assert all(row.path and ".." not in row.path.split("/") and not row.path.startswith("/") for row in found)


def test_rows_of_a_target_folder_are_relative_to_the_folder_itself() -> None:
    """`pip install --target /deps` leaves `../../bin/flask` for /deps/bin/flask."""
    assert rows(b"flask/app.py,,\n../../bin/flask,,\n", "deps") == (Row("deps/flask/app.py"), Row("deps/bin/flask"))
