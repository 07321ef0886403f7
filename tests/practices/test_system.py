"""How commands use the package managers of operating systems."""

from __future__ import annotations

import pytest

from driftscan.dockerfile.shell import read_script
from driftscan.practices import system
from driftscan.practices.system import APK, APT, DNF, Use


def use(text: str) -> Use | None:
    (command,) = read_script(text).commands
    return system.use_of(command)


@pytest.mark.parametrize(
    ("text", "floating"),
    [
        ("apt-get install -y a=1.2-3 b", ("b",)),
        ("apt-get -o X=y install a=1.*", ("a=1.*",)),
        ("apt install -t stable ./local.deb /tmp/x.deb", ()),
        ("apk add --no-cache -t .build a=1.2-r0 b~=1 c~1.2 d>1", ("d>1",)),
        ("dnf install -y a-1.2-3.el9 b-1:2.0-1.x86_64 c", ("c",)),
        ("microdnf install a", ("a",)),
        ("DEBIAN_FRONTEND=noninteractive apt-get install a", ("a",)),
    ],
)
def test_packages_without_a_version(text: str, floating: tuple[str, ...]) -> None:
    found = use(text.replace(">", "\\>"))
    assert found is not None
    assert found.installs
    assert found.floating == floating


def test_packages_that_only_a_build_knows() -> None:
    found = use("apt-get install a=$V $B c")
    assert found is not None
    assert (found.floating, found.unread) == (("c",), ("$B",))


@pytest.mark.parametrize(
    ("text", "everything"),
    [("apt-get upgrade -y", True), ("dnf update -y", True), ("dnf update a", False), ("apk add a", False)],
)
def test_everything_that_is_there(text: str, everything: bool) -> None:
    found = use(text)
    assert found is not None
    assert found.all_packages is everything


@pytest.mark.parametrize("text", ["apt-get", "apt-get $VERB x", "pip install x", "dpkg -i x"])
def test_other_commands(text: str) -> None:
    assert use(text) is None


@pytest.mark.parametrize(
    ("text", "cleans"),
    [
        ("rm -rf /var/lib/apt/lists/*", {APT}),
        ("rm -rf /var/lib/apt/lists", {APT}),
        ("rm -fr /var/lib/apt/", {APT}),
        ("rm -rf /var/cache/apt", set()),
        ("apt-get clean", set()),
        ("rm -rf /var/cache/apk/*", {APK}),
        ("dnf clean all", {DNF}),
        ("microdnf clean all", {DNF}),
        ("rm -rf /var/cache/yum", {DNF}),
        ("find /var/lib/apt/lists -type f -delete", {APT}),
        ("rm -rf *", set()),
    ],
)
def test_what_takes_lists_away(text: str, cleans: set[system.Manager]) -> None:
    (command,) = read_script(text).commands
    assert {manager.name for manager in system.MANAGERS if system.cleans(command, manager)} == {
        each.name for each in cleans
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("deb https://snapshot.debian.org/archive/debian/2025 x", True),
        ("apt-get update --snapshot 20250101T000000Z", True),
        ('APT::Snapshot "20250101T000000Z";', True),
        ("deb https://deb.example/debian x", False),
    ],
)
def test_snapshots(text: str, names: bool) -> None:
    assert system.names_snapshot(text) is names
