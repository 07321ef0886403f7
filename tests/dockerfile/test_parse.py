"""Stages, and what ARG and ENV make of the instructions in them."""

from __future__ import annotations

import pytest

from driftscan.dockerfile import Dockerfile, Expanded, parse
from driftscan.errors import DockerfileError


def parsed(text: str, **build_arguments: str) -> Dockerfile:
    return parse(text.encode(), "Dockerfile", build_arguments)


def test_a_base_is_named_through_arguments_with_defaults() -> None:
    found = parsed("ARG V=3.12\nARG BASE=python:${V}-slim\nFROM ${BASE}@x AS one\nFROM $NONE$V\n")
    assert [stage.base.text for stage in found.stages] == ["python:3.12-slim@x", "3.12"]


def test_build_arguments_win_over_defaults() -> None:
    found = parsed("ARG V=3.12\nFROM python:$V\nARG V\nENV W=$V\nRUN x\n", V="3.13")
    assert found.stages[0].base == Expanded("python:3.13")
    assert found.stages[0].steps[-1].environment == {"V": "3.13", "W": "3.13"}


def test_an_argument_without_a_value_is_unknown() -> None:
    found = parsed("ARG BASE\nFROM ${BASE}\nARG X\nENV Y=a$X\nCOPY $Y /\n")
    assert found.stages[0].base == Expanded("", frozenset({"BASE"}))
    assert found.stages[0].steps[-1].environment == {"X": None, "Y": None}
    assert found.stages[0].steps[-1].arguments == (Expanded("", frozenset({"Y"})), Expanded("/"))


def test_the_platform_is_known_to_a_build_only() -> None:
    stage = parsed("FROM --platform=$BUILDPLATFORM a:$TARGETARCH\n").stages[0]
    assert stage.platform == Expanded("", frozenset({"BUILDPLATFORM"}))
    assert stage.base == Expanded("a:", frozenset({"TARGETARCH"}))


def test_global_arguments_reach_a_stage_only_where_it_declares_them() -> None:
    found = parsed("ARG V=1\nFROM a\nRUN x\nARG V\nRUN y\nFROM b\nRUN z\n")
    one, two = found.stages
    assert [step.environment for step in one.steps if step.keyword == "RUN"] == [{}, {"V": "1"}]
    assert two.steps[0].environment == {}


def test_env_wins_over_arg_and_sees_what_stands_in_front() -> None:
    found = parsed("FROM a\nENV P=1\nARG P=2\nENV P=$P:3 Q=$P\nRUN x\n")
    assert found.stages[0].steps[-1].environment == {"P": "1:3", "Q": "1"}


def test_a_stage_that_continues_another_has_its_environment_and_shell() -> None:
    found = parsed('FROM a AS Base\nENV A=1\nARG B=2\nSHELL ["/bin/bash", "-c"]\nFROM base\nRUN x\n')
    stage = found.stages[1]
    assert (stage.parent, stage.steps[0].environment, stage.steps[0].shell) == (0, {"A": "1"}, ("/bin/bash", "-c"))
    assert [each.index for each in found.lineage(stage)] == [0, 1]


def test_the_last_stage_of_a_name_is_meant_and_never_a_later_one() -> None:
    found = parsed("FROM a AS x\nFROM b AS x\nFROM x\nFROM y\nFROM c AS y\n")
    assert [stage.parent for stage in found.stages] == [None, None, 1, None, None]
    assert found.stage("X", 3) is found.stages[1]
    assert found.stage("1", 2) is found.stages[1]
    assert found.stage("7", 2) is None


def test_mounts_have_their_long_names() -> None:
    step = parsed("FROM a\nRUN --mount=type=cache,dst=/x,ro --mount=src=b,from=c --network=none y\n").stages[0].steps[0]
    assert [dict(mount) for mount in step.instruction.mounts] == [
        {"type": "cache", "target": "/x", "readonly": ""},
        {"type": "bind", "source": "b", "from": "c"},
    ]
    assert step.instruction.flag("network") == "none"
    assert step.instruction.flag("security") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("RUN x\nFROM a\n", "Dockerfile:1: RUN stands in front of the first FROM"),
        ("ARG x\n", "Dockerfile: it holds no FROM"),
        ("FROM a b\n", "Dockerfile:1: FROM: it must be `FROM IMAGE` or `FROM IMAGE AS NAME`"),
        ("FROM a AS 1\n", "Dockerfile:1: FROM: '1' cannot be the name of a stage"),
        ("FROM $X\n", "Dockerfile:1: FROM: '$X' comes to nothing"),
        ("FROM a\nENV X=${Y:?no}\n", "Dockerfile:2: ENV: Y: no"),
        ("FROM a\nARG =1\n", "Dockerfile:2: ARG: a name must stand in front of the ="),
        ("FROM a\nARG\n", "Dockerfile:2: ARG: a name must follow"),
        ("FROM a\nSHELL bash\n", "Dockerfile:2: SHELL: it must be an array in JSON form"),
        ("FROM a\nENV a=" + "x" * 40000 + "\nENV b=$a$a\n", "Dockerfile:3: ENV: a word grows beyond 65536 characters"),
    ],
)
def test_errors_name_the_line(text: str, said: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parsed(text)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("data", ["FROM a\n".encode("utf-16"), b"FROM a\n\0", b"x" * ((4 << 20) + 1)])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(DockerfileError, match=r"it is (?:not text in UTF-8|larger than 4 MiB)"):
        parse(data, "Dockerfile")


def test_doubling_variables_stay_small() -> None:
    lines = "".join(f"ENV v{number + 1}=$v{number}$v{number}\n" for number in range(40))
    with pytest.raises(DockerfileError, match="a word grows beyond 65536 characters"):
        parsed(f"FROM a\nENV v0=aa\n{lines}")
