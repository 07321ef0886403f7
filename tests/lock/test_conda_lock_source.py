from __future__ import annotations

import pytest

from driftscan.lock.conda_lock import parse
from driftscan.model.lock import LockSource
from tests.builders.files import document

PINS = (
    ("conda", "linux-64", "python", "3.11.4"),
    ("conda", "win-64", "python", "3.11.4"),
    ("conda", "linux-64", "numpy", "1.26"),
    ("conda", "win-64", "numpy", "1.26"),
    ("conda", "linux-64", "tz", "2024a"),
    ("conda", "win-64", "tz", "2024a"),
    ("conda", "linux-64", "posix", "1"),
    ("pip", "linux-64", "Web_Frame", "2.1"),
    ("pip", "win-64", "Web_Frame", "2.1"),
)
SOURCES = "  sources:\n  - environment.yml\n"


def lock(sources: str = SOURCES) -> str:
    lines = [
        "version: 1",
        "metadata:",
        "  content_hash:",
        f"    linux-64: {'0' * 64}",
        sources.rstrip("\n"),
        "package:",
    ]
    for manager, platform, name, version in PINS:
        is_conda = manager == "conda"
        file = f"conda.example/forge/{platform}/{name}-{version}-0.conda" if is_conda else f"files.example/{name}.whl"
        lines += [f"- name: {name}", f"  version: '{version}'", f"  manager: {manager}", f"  platform: {platform}"]
        lines += [f"  url: https://{file}", "  dependencies: {}"]
    return "\n".join(lines) + "\n"


def sources(environment: str, sources: str = SOURCES) -> tuple[LockSource, ...]:
    files = {"deep/conda-lock.yml": lock(sources), "deep/environment.yml": environment, "environment.yml": "[]"}
    return parse(document("deep/conda-lock.yml", files)).sources


def differences(*requirements: str) -> list[tuple[str, str | None, int | None]]:
    (source,) = sources("dependencies:\n" + "".join(f"  - {each}\n" for each in requirements))
    assert (source.path, source.evidence) == ("deep/environment.yml", "its requirements")
    return [(each.text, each.package, each.line) for each in source.differences]


@pytest.mark.parametrize(
    "requirement",
    [
        "python",
        "Python =3.11",
        "python=3.11.*",
        "numpy=1.26.0.0",
        f"python={'9' * 5000}.*|3",
        "python=3.11.4.0",
        "python==3.11.4",
        "python >=3.9,<3.12, !=3.11.3",
        "conda-forge::numpy>=1.26.0",
        "numpy=1.26=py311*",
        "numpy 1.27",
        "numpy >=2|1.26",
        "numpy[version='>=2']",
        "tz>2024b",
        "posix  # [linux]",
        "absent>1  # [win]",
        "sel(linux): absent",
        "pip:\n    - web.frame~=2.0\n    - absent-from-pip\n    - web_frame>9; sys_platform == 'nowhere'\n    - -e .",
    ],
)
def test_what_satisfies_or_cannot_be_told_is_no_difference(requirement: str) -> None:
    assert differences(requirement) == []


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("python=3.12", ("requires python=3.12, and the lock has 3.11.4", "python", 2)),
        (
            f"pip:\n    - web.frame=={'9' * 200}",
            (f"requires web-frame=={'9' * 200}, and the lock has 2.1", "web-frame", 3),
        ),
        ("python=3.1", ("requires python=3.1, and the lock has 3.11.4", "python", 2)),
        ("numpy==1.2", ("requires numpy==1.2, and the lock has 1.26", "numpy", 2)),
        ("numpy >=2", ("requires numpy>=2, and the lock has 1.26", "numpy", 2)),
        ("absent", ("requires absent, which the lock does not have", "absent", 2)),
        ("posix", ("requires posix, which the lock does not have for win-64", "posix", 2)),
        ("pip:\n    - Web.Frame>=3", ("requires web-frame>=3, and the lock has 2.1", "web-frame", 3)),
    ],
)
def test_says_what_the_lock_does_not_satisfy(requirement: str, expected: tuple[str, str, int]) -> None:
    assert differences(requirement) == [expected]


@pytest.mark.parametrize(
    "named", ["", "  sources: null\n", "  sources:\n  - pyproject.toml\n  - ../../x.yml\n  - no.yml\n"]
)
def test_only_environments_that_are_there_are_judged(named: str) -> None:
    assert sources("dependencies:\n  - absent\n", named) == ()


@pytest.mark.parametrize("environment", ["dependencies: text\n", "{", "a: &b 1\nc: *b\n", "- a\n"])
def test_an_environment_that_cannot_be_read_is_not_judged(environment: str) -> None:
    assert sources(environment) == ()


def test_a_later_source_replaces_what_an_earlier_one_asks_for() -> None:
    both = "  sources:\n  - environment.yml\n  - more.yaml\n"
    files = {
        "conda-lock.yml": lock(both),
        "environment.yml": "dependencies: [numpy>2, python>4]\n",
        "more.yaml": "dependencies: [numpy, absent]\n",
    }
    found = parse(document("conda-lock.yml", files)).sources
    assert [(each.path, [difference.text for difference in each.differences]) for each in found] == [
        ("environment.yml", ["requires python>4, and the lock has 3.11.4"]),
        ("more.yaml", ["requires absent, which the lock does not have"]),
    ]
    del files["more.yaml"]
    assert parse(document("conda-lock.yml", files)).sources == ()
