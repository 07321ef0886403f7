"""Settings from files and variables."""

from __future__ import annotations

import pytest

from driftscan.cli import COMMANDS
from driftscan.errors import UsageError
from driftscan.settings.effective import effective, parameters
from driftscan.settings.keys import SETTINGS, Setting
from driftscan.settings.parse import Configuration, Value, parse, parse_variables
from driftscan.toml.table import read

FULL = """\
extras = ["gpu"]
default-groups = false
fail-on = "warning"
output = { sarif = "drift.sarif", html = "drift.html" }

[[target]]
name = "shop"
locks = ["uv.lock"]
target = "shop:1.4"
groups = ["web"]

[[target]]
locks = ["a.lock", "b.lock"]
target = "docker-archive:lab.tar"
[[target.suppress]]
rule = "DR202"

[[suppress]]
package = "six"
"""


def configuration(text: str) -> Configuration:
    return parse(read(text, "driftscan.toml"))


def test_a_file() -> None:
    found = configuration(FULL)
    assert dict(found.values) == {
        "extras": Value(("gpu",), "driftscan.toml:1"),
        "default-groups": Value(False, "driftscan.toml:2"),
        "fail-on": Value("warning", "driftscan.toml:3"),
        "output": Value(("sarif=drift.sarif", "html=drift.html"), "driftscan.toml:4"),
    }
    shop, lab = found.targets
    assert (shop.name, shop.locks, shop.target, shop.where) == ("shop", ("uv.lock",), "shop:1.4", "driftscan.toml:6")
    assert dict(shop.values) == {"groups": Value(("web",), "driftscan.toml:10")}
    assert (lab.name, lab.locks, lab.entries[0].place) == ("target-2", ("a.lock", "b.lock"), "driftscan.toml:15")
    assert [entry.package for entry in found.entries] == ["six"]


def test_a_variable_wins_over_a_target_and_that_over_the_file() -> None:
    found = configuration(f'platform = "linux/s390x"\ngroups = ["docs"]\n{FULL}')
    variables = parse_variables({"DRIFTSCAN_PLATFORM": "linux/arm64", "DRIFTSCAN_OFFLINE": "yes"})
    values = effective(found, variables, found.targets[0])
    assert values["platform"] == Value("linux/arm64", "DRIFTSCAN_PLATFORM")
    assert values["groups"] == Value(("web",), "driftscan.toml:12")
    assert values["extras"] == Value(("gpu",), "driftscan.toml:3")
    assert "quiet" not in values
    assert parameters(values) == {
        "platform": "linux/arm64",
        "group": ("web",),
        "extra": ("gpu",),
        "no_default_groups": True,
        "fail_on": "warning",
        "output": ("sarif=drift.sarif", "html=drift.html"),
        "offline": True,
    }


def test_variables_of_every_kind() -> None:
    found = parse_variables(
        {
            "DRIFTSCAN_EXTRAS": "a, b,",
            "DRIFTSCAN_CACHE": "Off",
            "DRIFTSCAN_BASELINE": "b.toml",
            "DRIFTSCAN_OUTPUT": "json=a.json,text=b.txt",
            "DRIFTSCAN_FORMAT": "",
            "DRIFTSCAN_CACHE_DIR": "/somewhere",
            "DRIFTSCAN_VERSION": "1.0",
            "PATH": "/bin",
        }
    )
    assert {key: value.content for key, value in found.items()} == {
        "extras": ("a", "b"),
        "cache": False,
        "baseline": "b.toml",
        "output": ("json=a.json", "text=b.txt"),
    }


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("fail_on = 'error'", "driftscan.toml:1: there is no setting 'fail_on'", "did you mean fail-on?"),
        ("\nofline = true", "driftscan.toml:2: there is no setting 'ofline'", "did you mean offline?"),
        ("offline = 'yes'", 'driftscan.toml:1: "offline" has to be true or false', None),
        ("extras = 'gpu'", 'driftscan.toml:1: "extras" has to be an array of strings', None),
        ("target = 'shop'", 'driftscan.toml:1: "target" has to be an array of tables', None),
        (
            "fail-on = 'errors'",
            "driftscan.toml:1: \"fail-on\" has to be one of error, warning, info, never, not 'errors'",
            "did you mean error?",
        ),
        ("output = ['drift.json']", "driftscan.toml:1: 'drift.json' is not FORMAT=FILE", "such as sarif=drift.sarif"),
        ("output = {json = 1}", 'driftscan.toml:1: "json" has to be a string that is not empty', None),
        (
            "[[target]]\nname = 'x'\nlocks = ['a']",
            "driftscan.toml:1: a target needs an image",
            'such as target = "shop:1.4"',
        ),
        ("[[target]]\ntarget = 'x'", "driftscan.toml:1: a target needs locks", 'such as locks = ["uv.lock"]'),
        (
            "[[target]]\nlocks = ['a']\ntarget = 'x'\nformat = 'json'",
            'driftscan.toml:4: "format" is no matter of one target',
            "set it for all of them",
        ),
        (
            "[[target]]\nlocks = ['a']\ntarget = 'x'\ngroup = ['json']",
            "driftscan.toml:4: there is no key of a target 'group'",
            "did you mean groups?",
        ),
        (
            "[[target]]\nname = 'x'\nlocks = ['a']\ntarget = 'x'\n" * 2,
            "driftscan.toml:5: two targets are named 'x'; the other is driftscan.toml:1",
            None,
        ),
    ],
)
def test_what_is_wrong_in_a_file(text: str, said: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        configuration(text)
    assert str(caught.value) == said
    assert hint is None or caught.value.hint == hint


@pytest.mark.parametrize(
    ("name", "value", "said", "hint"),
    [
        ("DRIFTSCAN_OFFLINE", "perhaps", "DRIFTSCAN_OFFLINE: it has to be true or false, not 'perhaps'", None),
        ("DRIFTSCAN_OUTPUT", "x", "DRIFTSCAN_OUTPUT: 'x' is not FORMAT=FILE", "such as sarif=drift.sarif"),
        ("DRIFTSCAN_FAILON", "x", "there is no variable DRIFTSCAN_FAILON", "did you mean DRIFTSCAN_FAIL_ON?"),
    ],
)
def test_what_is_wrong_in_a_variable(name: str, value: str, said: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse_variables({name: value})
    assert (str(caught.value), caught.value.hint) == (said, hint)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.key)
def test_every_setting_is_an_option_of_each_command_that_takes_it(setting: Setting) -> None:
    silent = {("baseline", "baseline")}
    for name in setting.commands or ("compare", "check"):
        parameters = {parameter.name for parameter in COMMANDS[name]().params}
        assert setting.parameter in parameters or (name, setting.parameter) in silent
