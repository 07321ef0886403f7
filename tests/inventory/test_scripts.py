"""Scripts whose interpreter is not in the image."""

from __future__ import annotations

import pytest

from driftscan.finding import Finding
from driftscan.inventory import commands
from driftscan.rules import run
from tests.builders.comparisons import compared, lock
from tests.builders.linked import package, taken

TRAMPOLINE = """#!/bin/sh
'''exec' "/a path/that is/long/bin/python3" "$0" "$@"
' '''
import sys
"""
SIBLING = """#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"
' '''
"""


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("#!/opt/venv/bin/python\nimport x\n", "/opt/venv/bin/python"),
        ("#!/opt/venv/bin/python3.13t -I\n", "/opt/venv/bin/python3.13t"),
        ("#! /usr/bin/pypy3\n", "/usr/bin/pypy3"),
        (TRAMPOLINE, "/a path/that is/long/bin/python3"),
        (SIBLING, "/opt/venv/bin/python"),
        ("#!/usr/bin/env python3\n", None),
        ("#!/bin/sh\necho python\n", None),
        ("#!/usr/bin/perl\n", None),
        ("#!\n", None),
        ("#!python\n", None),
        ("import x\n", None),
        ("", None),
    ],
)
def test_the_interpreter_of_a_script(text: str, program: str | None) -> None:
    assert commands.interpreter(text, "opt/venv/bin") == program


def findings(*names: str, program: str = "/build/venv/bin/python") -> list[Finding]:
    files = {f"../../../bin/{name}": f"#!{program}\nimport shop\n".encode() for name in names}
    return list(run(compared(lock(), taken(package(files))), select=["IN402"]))


def test_an_environment_that_was_moved() -> None:
    (finding,) = findings("shop")
    assert finding.message == (
        "a script of shop 1 runs /build/venv/bin/python, which is not in the image: /opt/venv/bin/shop"
    )
    assert finding.hint == (
        "make the environment at the path where it is going to stay; its scripts do not move with it"
    )
    assert finding.layer is not None
    assert finding.layer.index == 2
    (finding,) = findings("one", "two")
    assert finding.message == (
        "2 scripts of shop 1 run /build/venv/bin/python, which is not in the image: /opt/venv/bin/one, "
        "/opt/venv/bin/two"
    )


def test_an_environment_that_stayed() -> None:
    assert findings("shop", program="/opt/venv/bin/python") == []
    assert findings("shop", program="/usr/bin/env python") == []
