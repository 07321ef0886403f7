from __future__ import annotations

import pytest
from packaging.tags import Tag

from driftscan.inventory import metadata
from driftscan.model.inventory import DirectUrl
from driftscan.model.lock import Hash


def test_core_metadata() -> None:
    data = (
        b"Metadata-Version: 2.4\nName: Flask.Login\nVersion: 0.6.3\nRequires-Python: >=3.7\n"
        b"Requires-Dist: Flask>=1.0.4\nRequires-Dist: Werkzeug>=1.0.1; python_version\n  < '4'\nProvides-Extra: A_b\n\n"
        b"Name: not a header\n"
    )
    core = metadata.core_metadata(data)
    assert (core.name, core.version, core.requires_python) == ("flask-login", "0.6.3", ">=3.7")
    assert core.requires == ("Flask>=1.0.4", "Werkzeug>=1.0.1; python_version < '4'")
    assert core.provides_extras == {"a-b"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Name: a\nName: b\nVersion: 1\n", "it gives 2 times a Name"),
        (b"Name: a\nVersion: 1\nVersion: 2\n", "it gives 2 times a Version"),
        (b"Name: a\n", "it gives no Version"),
        (b"", "it gives no Name"),
        (b"Name:\nVersion: 1\n", "its Name is empty or not printable"),
        (b"Name: a\nVersion: " + b"1" * 500, "its Version is longer than 400 characters"),
        (b"Name: a\x1b[31m\nVersion: 1\n", "its Name is empty or not printable"),
        (b"Content-Type: multipart/mixed\nName: a\nVersion: 1\n", "it is a nested message (multipart), not metadata"),
        (b"Content-Type: message/rfc822\nName: a\nVersion: 1\n", "it is a nested message (message), not metadata"),
        (b"\xff\xfe\x00", "it gives no Name"),
    ],
)
def test_broken_metadata_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(").replace(")", r"\)") + "$"):
        metadata.core_metadata(data)


def test_metadata_with_bytes_outside_ascii() -> None:
    core = metadata.core_metadata("Name: a\nVersion: 1\nAuthor: Žluťoučký\nRequires-Dist: b\n".encode())
    assert core.requires == ("b",)


def test_wheel_expands_tags() -> None:
    facts = metadata.wheel(b"Wheel-Version: 1.0\nBuild: 2b\nRoot-Is-Purelib: false\nTag: py2.py3-none-any\n")
    assert facts.tags == {Tag("py2", "none", "any"), Tag("py3", "none", "any")}
    assert (facts.build, facts.root_is_purelib) == ("2b", False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Wheel-Version: 1.0\n", "it names no tag"),
        (b"Tag: py3-none\n", "its tag 'py3-none' is not of the form python-abi-platform"),
        (b"Tag: " + b".".join([b"a"] * 999) + b"-none-any\n", "is not of the form python-abi-platform"),
    ],
)
def test_broken_wheel_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metadata.wheel(data)


def test_direct_url_kinds() -> None:
    info = b'{"vcs": "git", "commit_id": "abc", "requested_revision": "v1"}'
    vcs = b'{"url": "https://u:p@git.example/a.git", "vcs_info": ' + info + b"}"
    assert metadata.direct_url(vcs) == DirectUrl("https://git.example/a.git", "vcs", "abc", "v1")
    archive = b'{"url": "https://files.example/a.whl", "archive_info": {"hash": "sha256=AB", "hashes": {"md5": "cd"}}}'
    assert metadata.direct_url(archive).hashes == (Hash("md5", "cd"), Hash("sha256", "ab"))
    folder = metadata.direct_url(b'{"url": "file:///app", "dir_info": {"editable": true}, "subdirectory": "x"}')
    assert (folder.kind, folder.editable, folder.subdirectory) == ("dir", True, "x")


@pytest.mark.parametrize("data", [b"[]", b"{}", b"{", b'{"url": 3}', b"\xff", b"[" * 100_000])
def test_broken_direct_urls_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        metadata.direct_url(data)


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://user:secret@files.example:8080/a?b#c", "https://files.example:8080/a?b#c"),
        ("ssh://git@git.example/a.git", "ssh://git@git.example/a.git"),
        ("https://token@files.example/a", "https://files.example/a"),
        ("https://files.example/a@1", "https://files.example/a@1"),
        ("https://[broken", "(an address that cannot be read)"),
    ],
)
def test_credentials_never_stay(url: str, clean: str) -> None:
    assert metadata.without_credentials(url) == clean


def test_egg_requires_with_sections() -> None:
    text = b"six>=1.9\n\n[:python_version < '3']\nfutures\n\n[socks]\nPySocks!=1.5.7\n"
    text += b"[tls:os_name == 'nt']\nwincert; extra\n"
    assert metadata.egg_requires(text) == (
        "six>=1.9",
        "futures; (python_version < '3')",
        'PySocks!=1.5.7; extra == "socks"',
        "wincert; (extra) and (os_name == 'nt') and extra == \"tls\"",
    )
