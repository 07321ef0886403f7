"""What comes over the wire, and what is never sent."""

from __future__ import annotations

import base64
import gzip
import time
from pathlib import Path

import pytest

from driftscan.errors import PackageIndexError
from driftscan.index.address import Login, origin_of, shown, split_login
from driftscan.index.transport import Answer, Limits, Web
from tests.builders.indexes import Exchange, PackageIndex, Served, package_index

HASTY = Limits(connect=1, read=0.3, request=2, pause=0.01)
SECRET = "Basic " + base64.b64encode(b"me:pass word").decode()


def get(index: PackageIndex, path: str, *named: str, limit: int = 1000, limits: Limits = HASTY) -> Answer:
    return Web([index.url, *named], limits).get(f"{index.url}{path}", {}, limit)


def refusal(index: PackageIndex, path: str, *named: str, limit: int = 1000) -> str:
    with pytest.raises(PackageIndexError) as caught:
        get(index, path, *named, limit=limit)
    return str(caught.value).replace(index.url, "INDEX")


def test_an_answer(index: PackageIndex) -> None:
    index.content["/a"] = Served(b"data", "text/plain")
    answer = get(index, "/a")
    assert (answer.status, answer.data, answer.url) == (200, b"data", f"{index.url}/a")
    assert answer.headers["content-type"] == "text/plain"
    assert get(index, "/b").is_missing


def test_compressed_answers(index: PackageIndex) -> None:
    packed = (("Content-Encoding", "gzip"),)
    index.content["/a"] = Served(gzip.compress(b"data" * 100), headers=packed)
    index.content["/bomb"] = Served(gzip.compress(bytes(10_000_000)), headers=packed)
    index.content["/cut"] = Served(gzip.compress(b"data" * 100)[:-9], headers=packed)
    index.content["/no"] = Served(b"junk", headers=packed)
    index.content["/other"] = Served(b"", headers=(("Content-Encoding", "br"),))
    assert get(index, "/a").data == b"data" * 100
    assert refusal(index, "/bomb") == "INDEX/bomb: it answers with more than 1,000 bytes"
    assert refusal(index, "/cut") == "INDEX: it gives no answer: its answer is cut off"
    assert refusal(index, "/no") == (
        "INDEX: it gives no answer: Error -3 while decompressing data: incorrect header check"
    )
    assert refusal(index, "/other") == "INDEX/other: it answers in the encoding 'br', which was not asked for"


def test_an_answer_that_is_too_large(index: PackageIndex) -> None:
    index.content["/a"] = Served(bytes(1001))
    assert refusal(index, "/a") == "INDEX/a: it answers with more than 1,000 bytes"
    assert len(get(index, "/a", limit=1001).data) == 1001


def test_an_endless_answer(index: PackageIndex) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.end_headers()
        for _ in range(100_000):
            exchange.wfile.write(bytes(1000))

    index.content["/a"] = endless
    assert refusal(index, "/a") == "INDEX/a: it answers with more than 1,000 bytes"


def test_a_stalling_server_is_asked_no_more(index: PackageIndex) -> None:
    release: list[bool] = []

    def stall(exchange: Exchange) -> None:
        while not release:
            time.sleep(0.01)

    index.content["/a"] = stall
    index.content["/b"] = Served(b"")
    web = Web([index.url], HASTY)
    try:
        for path in ("/a", "/b"):
            with pytest.raises(PackageIndexError, match="it gives no answer: timed out"):
                web.get(f"{index.url}{path}", {}, 1000)
    finally:
        release.append(True)
    assert index.paths() == ["/a"] * 3


def test_a_dripping_server_runs_out_of_time(index: PackageIndex) -> None:
    def drip(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", "1000")
        exchange.end_headers()
        for _ in range(1000):
            exchange.wfile.write(b"x")
            exchange.wfile.flush()
            time.sleep(0.05)

    index.content["/a"] = drip
    assert refusal(index, "/a") == "INDEX: it gives no answer: it takes too long"


def test_a_server_that_is_busy_at_first(index: PackageIndex) -> None:
    answers = [Served(b"", status=503), Served(b"", status=429, headers=(("Retry-After", "0"),)), Served(b"data")]
    index.content["/a"] = lambda exchange: exchange.reply(answers.pop(0))
    index.content["/b"] = Served(b"", status=500)
    index.content["/c"] = Served(b"", status=429, headers=(("Retry-After", "99999999999"),))
    index.content["/d"] = Served(b"", status=418)
    assert get(index, "/a").data == b"data"
    assert refusal(index, "/b") == "INDEX/b: it answered 500"
    assert refusal(index, "/c") == "INDEX/c: it answered 429"
    assert refusal(index, "/d") == "INDEX/d: it answered 418"
    assert [index.paths().count(path) for path in ("/a", "/b", "/c", "/d")] == [3, 3, 1, 1]


def test_an_answer_that_breaks_off(index: PackageIndex) -> None:
    def cut(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", "100")
        exchange.end_headers()
        exchange.wfile.write(b"data")
        exchange.close_connection = True

    index.content["/a"] = cut
    assert refusal(index, "/a") == "INDEX: it gives no answer: IncompleteRead(4 bytes read, 96 more expected)"


def test_credentials_of_the_index(index: PackageIndex) -> None:
    index.content["/a"] = Served(b"")
    get(index, "/a", index.url.replace("//", "//me:pass%20word@"))
    assert index.asked[0].authorization == SECRET
    assert "pass" not in repr(Login("me", "pass"))


def test_credentials_of_the_netrc_file(index: PackageIndex, nobodys_home: Path) -> None:
    index.content["/a"] = Served(b"")
    (nobodys_home / ".netrc").write_text("default login other password x\n")
    get(index, "/a")
    (nobodys_home / ".netrc").write_text("machine 127.0.0.1 login me password 'pass word'\n".replace("'", '"'))
    get(index, "/a")
    (nobodys_home / ".netrc").write_text("machine\n")
    get(index, "/a")
    assert [asked.authorization for asked in index.asked] == [None, SECRET, None]


def test_credentials_are_not_sent_to_another_host(index: PackageIndex) -> None:
    with package_index("localhost") as other:
        index.content["/a"] = Served(b"", status=302, headers=(("Location", "/b"),))
        index.content["/b"] = Served(b"", status=307, headers=(("Location", f"{other.url}/c"),))
        # What the other host says about itself, with credentials in it, changes nothing.
        back = index.url.replace("//", "//a:b@")
        other.content["/c"] = Served(b"", status=302, headers=(("Location", f"{back}/d"),))
        index.content["/d"] = Served(b"data")
        assert get(index, "/a", index.url.replace("//", "//me:pass%20word@")).data == b"data"
        assert [asked.authorization for asked in index.asked] == [SECRET, SECRET, None]
        assert [asked.authorization for asked in other.asked] == [None]


def test_redirects_without_end(index: PackageIndex) -> None:
    index.content["/a"] = Served(b"", status=301, headers=(("Location", "/a"),))
    index.content["/b"] = Served(b"", status=301)
    index.content["/c"] = Served(b"", status=301, headers=(("Location", "file:///etc/passwd"),))
    assert refusal(index, "/a") == "INDEX/a: it redirects more than 5 times"
    assert refusal(index, "/b") == "INDEX/b: it redirects more than 5 times"
    assert refusal(index, "/c") == "file:///etc/passwd is no address that can be asked"


def test_plain_http_that_nobody_asked_for(index: PackageIndex) -> None:
    index.content["/a"] = Served(b"", status=301, headers=(("Location", "http://files.example/x?token=1"),))
    assert refusal(index, "/a") == "http://files.example is not encrypted, and is no index that was asked for"
    with pytest.raises(PackageIndexError, match=r"^http://127\.0\.0\.1:1 is not encrypted, and is no index"):
        Web(["https://index.example"]).get("http://127.0.0.1:1/", {}, 1)


def test_link_local_addresses(index: PackageIndex) -> None:
    index.content["/a"] = Served(b"", status=301, headers=(("Location", "https://169.254.169.254/latest/"),))
    assert refusal(index, "/a") == "https://169.254.169.254 is a link-local address (169.254.169.254)"


@pytest.mark.parametrize("status", [401, 403])
def test_access_that_is_refused(index: PackageIndex, status: int) -> None:
    index.content["/a"] = Served(b"", status=status)
    assert refusal(index, "/a") == f"INDEX/a: it gives no access without credentials ({status})"
    named = index.url.replace("//", "//me:secret@")
    assert refusal(index, "/a", named) == f"INDEX/a: it gives no access with these credentials ({status})"


def test_nobody_is_there() -> None:
    with package_index() as index:
        pass
    assert refusal(index, "/a") == "INDEX: it gives no answer: Connection refused"


def test_addresses() -> None:
    assert str(origin_of("https://Index.Example/simple")) == "https://index.example"
    assert str(origin_of("http://[::1]:8080/")) == "http://[::1]:8080"
    assert split_login("https://a%40b:c@index.example/x?y#z") == ("https://index.example/x?y", Login("a@b", "c"))
    assert shown("https://user:secret@index.example/simple/?token=1#x") == "https://index.example/simple/"
    assert shown("user:secret@index.example/simple") == "index.example/simple"
    for url in ("ftp://a", "https://", "https://a:b/", "https://a b/", "/path"):
        with pytest.raises(PackageIndexError, match="is no address that can be asked"):
            origin_of(url)
    with pytest.raises(PackageIndexError, match="the user name or password has a control character"):
        split_login("https://a%0d%0ab:c@index.example/")
