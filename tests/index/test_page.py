"""Project pages: what is read from both forms, and what is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from driftscan.errors import PackageIndexError
from driftscan.index.page import HTML_TYPE, JSON_TYPE, File, parse, release
from driftscan.model.lock import Hash

URL = "https://index.example/simple/shop/"
DIGEST = "ab" * 32
WHEEL = "shop-1.0-py3-none-any.whl"


def page(*files: object, **extra: object) -> bytes:
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "shop", "files": list(files), **extra}).encode()


def refusal(data: bytes, kind: str = JSON_TYPE) -> str:
    with pytest.raises(PackageIndexError) as caught:
        parse(data, kind, URL)
    return str(caught.value)


def test_all_that_a_json_page_tells() -> None:
    data = page(
        {
            "filename": WHEEL,
            "url": f"https://files.example/{WHEEL}",
            "hashes": {"sha256": DIGEST.upper()},
            "requires-python": ">=3.8",
            "size": 1234,
            "upload-time": "2024-01-02T03:04:05.000000Z",
            "yanked": "broken",
            "core-metadata": {"sha256": "cd" * 32},
        },
        versions=["1.0"],
    )
    assert parse(data, f"{JSON_TYPE}; charset=utf-8", URL) == (
        File(
            filename=WHEEL,
            url=f"https://files.example/{WHEEL}",
            hashes=(Hash("sha256", DIGEST),),
            requires_python=">=3.8",
            size=1234,
            uploaded="2024-01-02T03:04:05.000000Z",
            yanked="broken",
            metadata=(Hash("sha256", "cd" * 32),),
        ),
    )


def test_the_least_that_a_json_page_tells() -> None:
    (file,) = parse(page({"filename": WHEEL, "url": f"../../files/{WHEEL}", "hashes": {}}), JSON_TYPE, URL)
    assert file == File(filename=WHEEL, url=f"https://index.example/files/{WHEEL}")
    assert file.metadata_url == f"https://index.example/files/{WHEEL}.metadata"


@pytest.mark.parametrize(
    ("keys", "metadata"),
    [
        ({"core-metadata": True}, ()),
        ({"core-metadata": False, "dist-info-metadata": True}, None),
        ({"dist-info-metadata": {"sha256": DIGEST}}, (Hash("sha256", DIGEST),)),
        ({"core-metadata": None}, None),
    ],
)
def test_metadata_beside_a_file(keys: dict[str, object], metadata: object) -> None:
    (file,) = parse(page({"filename": WHEEL, "url": WHEEL, **keys}), JSON_TYPE, URL)
    assert file.metadata == metadata


@pytest.mark.parametrize(("value", "reason"), [(True, ""), (False, None), (None, None), ("", None), ("bad", "bad")])
def test_yanked(value: object, reason: str | None) -> None:
    (file,) = parse(page({"filename": WHEEL, "url": WHEEL, "yanked": value}), JSON_TYPE, URL)
    assert file.yanked == reason


def test_an_html_page() -> None:
    html = f"""<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.4"><title>a<b</title></head>
    <body><!-- <a href="no.whl"> --><script>"<a href='no.whl'>"</script><h1>Links</h1>
    <a href="/">home</a> <a href="mailto:someone@index.example">us</a> <a name=x>anchor</a>
    <A HREF='../../files/{WHEEL}#sha256={DIGEST}' data-requires-python="&gt;=3.8" data-yanked
       data-core-metadata="sha256={"cd" * 32}">{WHEEL}</A><br/>
    <a href=shop-1.0.tar.gz data-yanked="bad &amp; old" data-dist-info-metadata="true">1 < 2 shop</a>
    """
    assert parse(html.encode(), "text/html; charset=UTF-8", URL) == (
        File(
            filename=WHEEL,
            url=f"https://index.example/files/{WHEEL}#sha256={DIGEST}",
            hashes=(Hash("sha256", DIGEST),),
            requires_python=">=3.8",
            yanked="",
            metadata=(Hash("sha256", "cd" * 32),),
        ),
        File(
            filename="shop-1.0.tar.gz",
            url="https://index.example/simple/shop/shop-1.0.tar.gz",
            yanked="bad & old",
            metadata=(),
        ),
    )


def test_the_base_of_an_html_page() -> None:
    html = b'<base href="https://files.example/a/"><base href="https://other.example/"><a href="shop%2B1.whl">x</a>'
    (file,) = parse(html, HTML_TYPE, URL)
    assert (file.filename, file.url) == ("shop+1.whl", "https://files.example/a/shop%2B1.whl")


def test_latin_1() -> None:
    (file,) = parse(b'<a href="a.whl" data-yanked="\xe9">', "text/html;charset=ISO-8859-1", URL)
    assert file.yanked == "é"


@pytest.mark.parametrize(
    ("name", "project", "version"),
    [
        (WHEEL, "shop", "1.0"),
        ("Shop-1.0.tar.gz", "shop", "1.0"),
        ("shop-1.0.zip", "shop", "1.0"),
        (WHEEL, "stop", None),
        ("shop-1.0.exe", "shop", None),
        ("shop-1.0-odd.whl", "shop", None),
        ("shop-one.tar.gz", "shop", None),
    ],
)
def test_the_version_of_a_file(name: str, project: str, version: str | None) -> None:
    found = release(File(filename=name, url=URL), canonicalize_name(project))
    assert found == (Version(version) if version else None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff", "the page is not UTF-8 text"),
        (
            b"{",
            "the page is not valid JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))",
        ),
        (b"[]", "the page has no list of files"),
        (b'{"files": {}}', "the page has no list of files"),
        (b'{"files": [], "files": []}', "the page has a key twice"),
        (b"[" * 100_000, "the page is nested more than 32 levels deep"),
        (page(1), "the page has a file that is no object"),
        (page({"url": "a"}), "the page has no text in 'filename'"),
        (page({"filename": WHEEL}), f"the page has no text in 'url' of {WHEEL}"),
        (page({"filename": WHEEL, "url": "file:///etc/passwd"}), f"the page has no web address in 'url' of {WHEEL}"),
        (page({"filename": WHEEL, "url": "https://a:b/"}), f"the page has no web address in 'url' of {WHEEL}"),
        (page({"filename": WHEEL, "url": "a", "size": -1}), f"the page has no number of bytes in 'size' of {WHEEL}"),
        (page({"filename": WHEEL, "url": "a", "size": True}), f"the page has no number of bytes in 'size' of {WHEEL}"),
        (page({"filename": WHEEL, "url": "a", "hashes": []}), f"the page has no object in 'hashes' of {WHEEL}"),
        (page({"filename": WHEEL, "url": "a", "hashes": {"md5": "x"}}), "the page has 'x' for a digest by 'md5'"),
        (
            page({"filename": WHEEL, "url": "a", "yanked": 1.5}),
            f"the page has no text or boolean in 'yanked' of {WHEEL}",
        ),
        (
            page({"filename": WHEEL, "url": "a", "core-metadata": 1}),
            f"the page has no object or boolean in 'core-metadata' of {WHEEL}",
        ),
        (
            b'{"meta": {"api-version": "2.0"}, "files": []}',
            "the page is of version '2.0' of the simple API, and only 1.x is known",
        ),
    ],
)
def test_json_that_is_refused(data: bytes, message: str) -> None:
    assert refusal(data) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b'<meta name="pypi:repository-version" content="2">',
            "the page is of version '2' of the simple API, and only 1.x is known",
        ),
        (b'\n<a href="a', "the page is cut off in line 2"),
        (b"<!--", "the page is cut off in line 1"),
        (b"<script>", "the page is cut off in line 1"),
        (b"<a " + b"b " * 40_000 + b">", "the page has a tag of more than 65,536 characters"),
        (b"<!doctype", "the page is cut off in line 1"),
        (b'<a href="&#' + b"9" * 5000 + b'">', "the page has an attribute that cannot be read: '&#" + "9" * 78 + "'"),
    ],
)
def test_html_that_is_refused(data: bytes, message: str) -> None:
    assert refusal(data, HTML_TYPE) == message


def test_other_types_are_refused() -> None:
    assert refusal(b"", "application/zip") == "the page is 'application/zip', neither HTML nor JSON of the simple API"
    assert refusal(b"", "") == "the page is '', neither HTML nor JSON of the simple API"


@pytest.mark.parametrize("unit", ['<a "', "<a href=", "<a b='", "<!--", "<a", "<script>", "<![CDATA["])
def test_hostile_html_takes_linear_time(unit: str) -> None:
    """A quadratic reader would need hours for these."""
    assert refusal(unit.encode() * 500_000, HTML_TYPE) == "the page is cut off in line 1"


@pytest.mark.parametrize("unit", ["<", "<a >", "<a b c d>", "<title></title>", "<base href=/a>", "&", "</"])
def test_odd_html_without_files(unit: str) -> None:
    assert parse(unit.encode() * 50_000, HTML_TYPE, URL) == ()


_WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=20)
_DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: (Hash("sha256", data.hex()),))


@st.composite
def _files(draw: st.DrawFn) -> File:
    """Files as both forms of a page can tell them."""
    filename = draw(
        st.from_regex(r"[A-Za-z0-9_.+-]{1,20}", fullmatch=True).filter(lambda name: name not in (".", ".."))
    )
    hashes = draw(st.just(()) | _DIGESTS)
    fragment = f"#sha256={hashes[0].digest}" if hashes else ""
    return File(
        filename=filename,
        url=f"https://files.example/{filename}{fragment}",
        hashes=hashes,
        requires_python=draw(st.none() | _WORDS),
        yanked=draw(st.none() | _WORDS),
        metadata=draw(st.none() | st.just(()) | _DIGESTS),
    )


def _as_json(file: File) -> dict[str, object]:
    metadata = dict(file.metadata) if file.metadata else file.metadata is not None
    return {
        "filename": file.filename,
        "url": file.url,
        "hashes": dict(file.hashes),
        "requires-python": file.requires_python,
        "yanked": file.yanked if file.yanked is not None else False,
        "core-metadata": metadata,
    }


def _as_html(file: File) -> str:
    values = {"href": file.url}
    if file.requires_python is not None:
        values["data-requires-python"] = file.requires_python
    if file.yanked is not None:
        values["data-yanked"] = file.yanked
    if file.metadata is not None:
        values["data-core-metadata"] = f"sha256={file.metadata[0].digest}" if file.metadata else "true"
    attributes = " ".join(f"{name}='{escape(value)}'" for name, value in values.items())
    return f"<a {attributes}>{escape(file.filename)}</a>"


@given(st.lists(_files(), max_size=5))
def test_both_forms_tell_the_same(files: list[File]) -> None:
    html = "<!DOCTYPE html>\n" + "\n".join(map(_as_html, files))
    assert parse(page(*map(_as_json, files)), JSON_TYPE, URL) == tuple(files)
    assert parse(html.encode(), HTML_TYPE, URL) == tuple(files)


@given(
    st.binary(max_size=200) | st.text("<>a/=\"' !-&#;hrefbs", max_size=80).map(str.encode),
    st.sampled_from([JSON_TYPE, HTML_TYPE]),
)
def test_any_page_is_read_or_refused(data: bytes, kind: str) -> None:
    with suppress(PackageIndexError):
        parse(data, kind, URL)
