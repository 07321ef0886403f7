"""One lock for several targets, and what tells them apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.errors import ResolveError
from driftscan.lock import parse
from driftscan.lock.document import Document
from driftscan.resolve.choice import Answers, agreed_pins, merged
from driftscan.resolve.options import Options
from driftscan.resolve.places import Place, named, platform_name, recorded, this_machine, uv_platform
from driftscan.resolve.session import lock
from tests.builders.indexes import PackageIndex

LINUX, NEWER, WINDOWS = named("3.11.2", "linux"), named("3.13.1", "linux"), named("3.11.2", "windows")


def answers(*pairs: tuple[Place, str]) -> Answers:
    return [(place, parse(Document("requirements.txt", text.encode()))) for place, text in pairs]


def found(*pairs: tuple[Place, str]) -> list[str]:
    choices = merged(answers(*pairs))
    return [f"{choice.package.id}{f' ; {choice.marker}' if choice.marker else ''}" for choice in choices]


def test_what_all_get_has_no_marker() -> None:
    assert found((LINUX, "a==1\nb==1\n"), (WINDOWS, "a==1\nb==1\nc==1\n")) == [
        "a 1",
        "b 1",
        "c 1 ; sys_platform == 'win32'",
    ]


def test_versions_that_differ() -> None:
    assert found((LINUX, "a==1\n"), (NEWER, "a==2\n")) == [
        "a 1 ; python_full_version < '3.13'",
        "a 2 ; python_full_version >= '3.13'",
    ]


def test_targets_that_no_marker_tells_apart() -> None:
    old, new = named("3.11.2", "manylinux_2_17_x86_64"), named("3.11.9", "manylinux_2_36_x86_64")
    assert found((old, "a==1\n"), (new, "a==1\n")) == ["a 1"]
    with pytest.raises(ResolveError) as caught:
        merged(answers((old, "a==1\nb==1\n"), (new, "a==1\nb==2\n")))
    assert str(caught.value) == (
        "b is 1 for CPython 3.11.2 on manylinux_2_17_x86_64 and 2 for CPython 3.11.9 on manylinux_2_36_x86_64, "
        "and no marker tells these targets apart"
    )
    with pytest.raises(ResolveError, match=r"b is absent for CPython 3\.11\.2 .* and 2 for"):
        merged(answers((old, "a==1\n"), (new, "a==1\nb==2\n")))


PICKED = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("123"), min_size=1)


@given(st.lists(PICKED, min_size=2, max_size=3))
def test_each_target_gets_its_own_answer_back(picked: list[dict[str, str]]) -> None:
    places = (LINUX, NEWER, WINDOWS)[: len(picked)]
    texts = ["".join(f"{name}=={version}\n" for name, version in each.items()) for each in picked]
    choices = merged(answers(*zip(places, texts, strict=True)))
    for place, expected in zip(places, picked, strict=True):
        chosen = [choice.package.id for choice in choices if choice.holds(place.target)]
        assert {str(key.name): key.version for key in chosen} == expected
        assert len(chosen) == len(expected)


def test_the_lowest_version_is_what_all_may_agree_on() -> None:
    assert agreed_pins(answers((LINUX, "a==1\nb==10\n"), (NEWER, "a==1\nb==9\n"))) == (
        ("a", "1", None),
        ("b", "9", None),
    )
    assert agreed_pins(answers((LINUX, "a==1\n"), (NEWER, "a==1\nb==9\n"))) == ()


def test_one_lock_for_two_images(index: PackageIndex, project: Path) -> None:
    """The older Python holds the newer one back where both can have the same; where not, markers say so."""
    index.release("six", "1.16")
    index.release("six", "2.0", entry={"requires-python": ">=3.12"})
    index.release("flask", "3.0", "tomli; python_version < '3.12'", "native")
    index.release("tomli", "2.0")
    index.release("native", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    index.release("native", "2.0", tag="cp313-cp313-manylinux_2_17_x86_64")
    (project / "requirements.in").write_text("six\nflask\n")
    places = {"old:1": LINUX, "new:1": NEWER}
    options = Options(output="requirements.txt", targets=("new:1", "old:1"))
    result = lock(["requirements.in"], options, locate=lambda reference, _: places[reference].target)
    lines = [line.removesuffix(" \\") for line in result.text.splitlines() if "==" in line and "hash" not in line]
    assert lines == [
        "flask==3.0",
        "native==1.0 ; python_full_version < '3.13'",
        "native==2.0 ; python_full_version >= '3.13'",
        "six==1.16",
        "tomli==2.0 ; python_full_version < '3.13'",
    ]
    assert result.words == ("new:1", "old:1")


def test_a_lock_that_one_of_the_images_cannot_install(index: PackageIndex, project: Path) -> None:
    index.release("native", "1.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    (project / "requirements.in").write_text("\nnative\n")
    places = {"old:1": LINUX, "new:1": NEWER}
    with pytest.raises(ResolveError) as caught:
        lock(["requirements.in"], Options(targets=tuple(places)), locate=lambda reference, _: places[reference].target)
    assert str(caught.value) == "requirements.in:2: native has nothing for new:1: native 1.0 has no file for it"


@pytest.mark.parametrize(
    ("platform", "words", "uv"),
    [
        ("linux", "manylinux_2_28_x86_64", "x86_64-manylinux_2_28"),
        ("manylinux_2_30_x86_64", "manylinux_2_30_x86_64", "x86_64-manylinux_2_28"),
        ("manylinux_2_99_aarch64", "manylinux_2_99_aarch64", "aarch64-manylinux_2_40"),
        ("manylinux_2_12_x86_64", "manylinux_2_12_x86_64", None),
        ("musllinux_1_2_aarch64", "musllinux_1_2_aarch64", "aarch64-unknown-linux-musl"),
        ("manylinux_2_31_armv7l", "manylinux_2_31_armv7l", None),
        ("linux/s390x", "manylinux_2_28_s390x", None),
        ("macos", "macosx_13_0_arm64", "aarch64-apple-darwin"),
        ("osx-64", "macosx_13_0_x86_64", "x86_64-apple-darwin"),
        ("windows", "win_amd64", "x86_64-pc-windows-msvc"),
        ("win32", "win32", "i686-pc-windows-msvc"),
    ],
)
def test_platforms_keep_their_names(platform: str, words: str, uv: str | None) -> None:
    """uv is never told of a newer C library than the target has; what the header says makes the target again."""
    place = named("3.12.4", platform)
    assert platform_name(place.target) == words
    assert uv_platform(place.target) == uv
    assert place.words == f"CPython 3.12.4 on {words}"
    again = recorded(place.words)
    assert again is not None
    assert again.target == place.target


def test_a_python_without_a_patch_release_is_its_first() -> None:
    assert named("3.12", "linux").python == "3.12.0"
    assert named("3.13t", "linux").words == "CPython 3.13.0t on manylinux_2_28_x86_64"
    assert uv_platform(named("3.13t", "linux").target) is None
    assert recorded("PyPy 3.10.14 on manylinux_2_28_x86_64") is None


def test_this_machine() -> None:
    here = this_machine()
    assert here.target.tags
    again = recorded(here.words)
    assert again is None or set(again.target.tags or ()) == set(here.target.tags)
