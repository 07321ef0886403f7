"""registries.conf: which places an image is looked for at, as containers-registries.conf(5) has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftscan.errors import ImageError, UsageError
from driftscan.image.references import parse_image_name
from driftscan.image.registries_conf import find_endpoints

DIGEST = "sha256:" + "0" * 64
USER = ".config/containers/registries.conf"
SYSTEM = "etc/containers/registries.conf"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def endpoints(name: str) -> list[tuple[str, bool]]:
    return [(str(endpoint.name), endpoint.insecure) for endpoint in find_endpoints(parse_image_name(name))]


def refused(name: str = "a.example/x") -> str:
    with pytest.raises(UsageError) as caught:
        find_endpoints(parse_image_name(name))
    return str(caught.value)


def test_nothing_is_configured(home: Path) -> None:
    assert endpoints("shop") == [("docker.io/library/shop:latest", False)]


EXAMPLE = """
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.com/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true

[[registry]]
location = "registry.com"
blocked = true
"""


def test_the_example_of_the_manual(home: Path) -> None:
    write(home / USER, EXAMPLE)
    assert endpoints("example.com/foo/image:latest") == [
        ("example-mirror-0.local/mirror-for-foo/image:latest", False),
        ("example-mirror-1.local/mirrors/foo/image:latest", True),
        ("internal-registry-for-example.com/bar/image:latest", False),
    ]
    assert endpoints("example.com/foobar/image") == [("example.com/foobar/image:latest", False)]
    with pytest.raises(ImageError) as caught:
        endpoints("registry.com/a/b:1")
    assert str(caught.value) == f"registry.com/a/b:1: {home / USER} blocks images of registry.com"


def test_the_longest_prefix_counts(home: Path) -> None:
    tables = {"a.example": "all.example", "a.example/team": "team.example/t", "a.example/team/shop": "shop.example/s/x"}
    write(home / USER, "".join(f'[[registry]]\nprefix = "{key}"\nlocation = "{to}/"\n' for key, to in tables.items()))
    assert endpoints("a.example/x:1") == [("all.example/x:1", False)]
    assert endpoints("a.example/team/x:1") == [("team.example/t/x:1", False)]
    assert endpoints(f"a.example/team/shop:1@{DIGEST}") == [(f"shop.example/s/x:1@{DIGEST}", False)]
    assert endpoints("a.example/teams/x:1") == [("all.example/teams/x:1", False)]
    assert endpoints("other.example/x:1") == [("other.example/x:1", False)]


def test_wildcards(home: Path) -> None:
    write(home / USER, '[[registry]]\nprefix = "*.corp.example"\ninsecure = true\n')
    assert endpoints("a.b.corp.example/x") == [("a.b.corp.example/x:latest", True)]
    assert endpoints("a.corp.example:5000/x") == [("a.corp.example:5000/x:latest", True)]
    assert endpoints("corp.example/x") == [("corp.example/x:latest", False)]
    assert endpoints("other.example/a.corp.example/x") == [("other.example/a.corp.example/x:latest", False)]

    write(home / USER, '[[registry]]\nprefix = "*.corp.example"\nlocation = "cache.example/corp"\n')
    assert endpoints("a.b.corp.example/x") == [("cache.example/corp/x:latest", False)]


@pytest.mark.parametrize(
    ("setting", "of_mirror", "by_tag", "by_digest"),
    [
        ("", "", True, True),
        ("", "all", True, True),
        ("", "digest-only", False, True),
        ("", "tag-only", True, False),
        ("mirror-by-digest-only = true", "", False, True),
    ],
)
def test_mirrors_for_some_pulls(home: Path, setting: str, of_mirror: str, by_tag: bool, by_digest: bool) -> None:
    pulls = f'pull-from-mirror = "{of_mirror}"' if of_mirror else ""
    write(
        home / USER,
        f'[[registry]]\nlocation = "a.example"\n{setting}\n[[registry.mirror]]\nlocation = "m.example"\n{pulls}\n',
    )
    assert (len(endpoints("a.example/x:1")) == 2) is by_tag
    assert (len(endpoints(f"a.example/x@{DIGEST}")) == 2) is by_digest


def moved(prefix: str, location: str) -> str:
    return f'[[registry]]\nprefix = "{prefix}"\nlocation = "{location}"\n'


def test_which_files_are_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / SYSTEM, moved("a.example", "system.example") + moved("b.example", "system.example"))
    write(home / f"{SYSTEM}.d/10.conf", moved("a.example", "drop-in.example"))
    write(home / f"{SYSTEM}.d/20.txt", "no configuration")
    assert endpoints("a.example/x:1") == [("drop-in.example/x:1", False)]
    assert endpoints("b.example/x:1") == [("system.example/x:1", False)]

    write(home / f"{USER}.d/10.conf", moved("a.example", "mine.example"))
    assert endpoints("a.example/x:1") == [("mine.example/x:1", False)]
    assert endpoints("b.example/x:1") == [("system.example/x:1", False)]

    # A file of one's own takes the place of all of the system's.
    write(home / USER, "")
    assert endpoints("a.example/x:1") == [("mine.example/x:1", False)]
    assert endpoints("b.example/x:1") == [("b.example/x:1", False)]

    named = write(home / "named.conf", moved("b.example", "named.example"))
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(named))
    assert endpoints("b.example/x:1") == [("named.example/x:1", False)]
    named.unlink()
    assert refused() == f"{named}: the list of registries is not there"


def test_a_user_without_a_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    write(home / SYSTEM, moved("a.example", "system.example"))
    assert endpoints("a.example/x:1") == [("system.example/x:1", False)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[registry", "the list of registries cannot be read (Expected ']]' at the end of an array declaration "),
        ("[registries.insecure]\nregistries = []\n", "the list of registries is of the old version 1"),
        ("[[registry]]\n", "a [[registry]] has no location"),
        ('[[registry]]\nprefix = "a.example"\n', "a [[registry]] has no location"),
        (
            '[[registry]]\nprefix = "*.a.example/x"\n',
            "a prefix with a wildcard is a host alone, unlike '*.a.example/x'",
        ),
        (
            '[[registry]]\nlocation = "https://a.example"\n',
            "the location 'https://a.example' is a URL; leave out its scheme",
        ),
        ("[[registry]]\nlocation = 7\n", "'location' is no text"),
        ('[[registry]]\nlocation = "a.example"\ninsecure = "yes"\n', "'insecure' is neither true nor false"),
        ('registry = "a.example"\n', "'registry' is no array of tables"),
        ('[[registry]]\nlocation = "a.example"\n[[registry.mirror]]\n', "a [[registry.mirror]] has no location"),
        (
            '[[registry]]\nlocation = "a.example"\n[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "some"\n',
            "the mirror m cannot have pull-from-mirror = 'some'",
        ),
        (
            moved("a.example", "mirror/copies"),
            "the location 'mirror/copies' makes 'mirror/copies/x:latest' of a.example/x:latest, which is not the full",
        ),
        (moved("a.example", "B.example/COPIES"), "the location 'B.example/COPIES' makes "),
    ],
)
def test_what_makes_no_sense(home: Path, text: str, message: str) -> None:
    path = write(home / USER, text)
    assert refused().startswith(f"{path}: {message}")


def test_a_file_that_is_too_large(home: Path) -> None:
    path = write(home / USER, "#" * ((4 << 20) + 1))
    assert refused() == f"{path}: the file is too large for a list of registries"
