"""What all lock readers share: decoding, TOML with places, line numbers, clean URLs."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.errors import LockError
from driftscan.lock.document import MAX_BYTES, Document, clean_url, header_lines, load_toml, url_filename


def document(data: bytes | str) -> Document:
    return Document("app/uv.lock", data.encode() if isinstance(data, str) else data)


def refused(data: bytes | str) -> tuple[str | None, str, str | None]:
    """Place, message and hint of the error that reading `data` as TOML ends with."""
    with pytest.raises(LockError) as caught:
        load_toml(document(data))
    return caught.value.where, caught.value.message, caught.value.hint


def test_a_document_has_no_siblings_unless_told() -> None:
    assert document("").sibling("pyproject.toml") is None


def test_the_digest_is_that_of_the_bytes() -> None:
    assert document(b"a\r\n").sha256 == hashlib.sha256(b"a\r\n").hexdigest()


@pytest.mark.parametrize("data", [b'\xef\xbb\xbfa = "b"\r\n', b'a = "b"\n', b'a = "b"'])
def test_byte_order_mark_and_line_ends_do_not_matter(data: bytes) -> None:
    assert load_toml(document(data)) == {"a": "b"}


def test_a_large_file_is_refused() -> None:
    with pytest.raises(LockError) as caught:
        Document("uv.lock", bytes(MAX_BYTES + 1))
    assert str(caught.value) == "uv.lock: it is larger than 32 MiB"
    assert caught.value.hint == "no lock is; is it the right file?"


@pytest.mark.parametrize("data", ["", " \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file(data: bytes | str) -> None:
    assert refused(data) == ("app/uv.lock", "it is empty", "lock again, or check the path")


def test_text_that_is_not_utf8_is_placed() -> None:
    assert refused(b'a = 1\nb = "\xe9"\n') == ("app/uv.lock:2", "it is not UTF-8 text", None)


AGAIN = "lock again, or restore the file"
CUT_OFF = "the file seems to be cut off; lock again"


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("a = 1\nb = = 2\nc = 3\n", 2, AGAIN),
        ("a = 1\na = 2\nc = 3\n", 2, AGAIN),
        ('a = 1\nb = "x\nc = 3\n', 2, AGAIN),
        ("a = 1\nb = [1,\n", 2, CUT_OFF),
        ('a = 1\n[[package]]\nname = "b', 3, CUT_OFF),
        ("a = 1\r\nb = [1,\r\n2,", 3, CUT_OFF),
    ],
)
def test_broken_toml_is_placed(text: str, line: int, hint: str) -> None:
    where, message, hinted = refused(text)
    assert (where, hinted) == (f"app/uv.lock:{line}", hint)
    assert message.startswith("it is not valid TOML: ")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_merge_conflict_is_placed(end: str) -> None:
    text = end.join(["a = 1", "<<<<<<< HEAD", "b = 2", "=======", "b = 3", ">>>>>>> theirs", ""])
    assert refused(text) == ("app/uv.lock:2", "a merge conflict was left in it", "resolve it, or lock again")


@pytest.mark.parametrize("line", ["<<<<<<<", ">>>>>>> theirs"])
def test_one_end_of_a_merge_conflict_is_enough(line: str) -> None:
    assert refused(f"a = 1\n\n{line}\n")[0] == "app/uv.lock:3"


@pytest.mark.parametrize("text", ['a = "<<<<<<< b"', "# =======\na = 1", 'a = """\n<<<<<<<<\n"""'])
def test_what_only_looks_like_a_merge_conflict(text: str) -> None:
    assert set(load_toml(document(text))) == {"a"}


def test_deep_nesting_in_one_line_is_placed() -> None:
    assert load_toml(document("a = " + "[" * 64 + "]" * 64))
    deep = "[" * 65 + "]" * 65
    assert refused(f"b = 1\na = {deep}\n") == ("app/uv.lock:2", "it is nested more than 64 levels deep", None)
    tables = "{a = " * 65 + "1" + "}" * 65
    assert refused(f"a = {tables}\n") == ("app/uv.lock:1", "it is nested more than 64 levels deep", None)


def test_many_brackets_are_not_deep() -> None:
    assert load_toml(document("a = [" + "[]," * 100 + "]"))["a"] == [[]] * 100


def test_deep_nesting_over_many_lines() -> None:
    assert refused("a = " + "[\n" * 100_000) == ("app/uv.lock", "it is nested too deeply to be read", None)


def test_an_endless_number() -> None:
    where, message, _ = refused(f"a = {'9' * 5000}\n")
    assert where == "app/uv.lock"
    assert message.startswith("it is not readable TOML (Exceeds the limit")


def test_lines_of_headers() -> None:
    text = '[[package]]\nname = "a"\n\n[package.b]\n[[ package ]]\n[[package]] # c\n[[package.d]]\n[[metadata]]\n'
    assert header_lines(document(text), "package") == [1, 6]


def test_form_feeds_and_line_separators_end_no_line() -> None:
    text = '# a\x0cb\u2028c\x85\n[[package]]\nname = "\u2029"\r\n[[package]]\r\n'
    assert header_lines(document(text), "package") == [2, 4]


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://index.example/simple", "https://index.example/simple"),
        ("HTTPS://Index.Example:443/Simple/", "https://index.example/Simple"),
        ("http://index.example:80", "http://index.example"),
        ("http://index.example:8080/a", "http://index.example:8080/a"),
        ("https://user:secret@index.example/simple", "https://index.example/simple"),
        ("https://secret@index.example/simple?token=secret#secret", "https://index.example/simple"),
        ("https://${USER}:${SECRET}@index.example/simple", "https://index.example/simple"),
        ("https://files.example/t/se-cret/channel/linux-64", "https://files.example/channel/linux-64"),
        ("https://[::1]:8000/a", "https://[::1]:8000/a"),
        ("https://user:secret@index.example:port/a?secret#secret", "index.example:port/a"),
        ("https://user:secret@[bad/a", "[bad/a"),
        ("../wheels", "../wheels"),
        ("", ""),
        ("file:///srv/wheels/", "file:///srv/wheels"),
        ("git@files.example:a/b.git", "git@files.example:a/b.git"),
    ],
)
def test_urls_without_secrets_in_one_spelling(url: str, clean: str) -> None:
    assert clean_url(url) == clean


@given(st.text(alphabet="abt:/@[]?#%.${} 0", max_size=40))
def test_no_url_breaks_cleaning(url: str) -> None:
    clean_url(url)
    url_filename(url)
    clean_url(f"https://{url}")


@given(
    st.from_regex(r"https://([a-z]+:tiger@)?[a-z]+(:[0-9]{1,4})?(/[a-z]*){0,3}(\?k=tiger)?(#tiger)?", fullmatch=True)
)
def test_cleaning_hides_secrets_and_is_idempotent(url: str) -> None:
    clean = clean_url(url)
    assert "tiger" not in clean
    assert clean_url(clean) == clean


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://files.example/a/b-1.0%2Bcpu-py3-none-any.whl?x#sha256=1", "b-1.0+cpu-py3-none-any.whl"),
        ("wheels/b-1.0.tar.gz", "b-1.0.tar.gz"),
        ("https://[bad/b.whl", "b.whl"),
        ("", ""),
    ],
)
def test_file_names_of_urls(url: str, name: str) -> None:
    assert url_filename(url) == name
