"""Dockerfiles are read as BuildKit reads them; `oracle/main.go` made the golden files with BuildKit's own parser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.dockerfile import Instruction, expand
from driftscan.dockerfile.reading import MAX_INSTRUCTION, read
from driftscan.dockerfile.words import Malformed
from driftscan.errors import DockerfileError

HERE = Path(__file__).parent
FILES: dict[str, Any] = json.loads((HERE / "instructions.json").read_text(encoding="utf-8"))
WORDS: list[dict[str, Any]] = json.loads((HERE / "words.json").read_text(encoding="utf-8"))
VALUES = {"x": "abab", "empty": "", "path": "/usr/local/bin:/bin", "v": "3.12.4"}
LONG = f"FROM a\nRUN {'x' * 65536}\n"


def as_buildkit(found: Instruction) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "keyword": found.keyword,
        "flags": list(found.flags),
        "arguments": list(found.arguments),
        "is_json": found.is_json,
        "line": found.line,
        "end_line": found.end_line,
        "heredocs": [each._asdict() for each in found.heredocs],
        "comments": list(found.comments),
    }
    if found.trigger is not None:
        shown["trigger"] = {
            **as_buildkit(found.trigger),
            "line": found.line,
            "end_line": found.end_line,
            "heredocs": [],
        }
    return shown


@pytest.mark.parametrize("name", FILES)
def test_instructions(name: str) -> None:
    golden = FILES[name]
    text = LONG if golden["text"] is None else golden["text"]
    if golden.get("error"):
        with pytest.raises(DockerfileError):
            read(text, "Dockerfile")
    else:
        assert [as_buildkit(found) for found in read(text, "Dockerfile").instructions] == golden["instructions"]


@pytest.mark.parametrize("golden", WORDS, ids=lambda golden: f"{golden['escape']} {golden['word']}")
def test_words(golden: dict[str, Any]) -> None:
    if golden["error"]:
        with pytest.raises(Malformed):
            expand.expand(golden["word"], VALUES, golden["escape"])
    else:
        assert expand.expand(golden["word"], VALUES, golden["escape"]).text == golden["result"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM a\nRUN <<EOF\na\n", "d/Dockerfile:2: the heredoc 'EOF' is not closed"),
        ("FROM a\nCMD [1]\n", "d/Dockerfile:2: CMD: an array in JSON form may hold strings only"),
        ("FROM a\n\nRNU x\n", "d/Dockerfile:3: there is no instruction 'RNU'"),
        ("FROM a\nENV a\n", "d/Dockerfile:2: ENV: it must have two arguments, a name and a value"),
        ("FROM a\nENV a=b c\n", "d/Dockerfile:2: ENV: there is no = in 'c'; it must be of the form name=value"),
        ("FROM a\nONBUILD FROM b\n", "d/Dockerfile:2: ONBUILD: FROM cannot be a trigger"),
        ("FROM a\nONBUILD\n", "d/Dockerfile:2: ONBUILD: an instruction must follow"),
        ("# escape=x\nFROM a\n", "d/Dockerfile:1: the escape directive must be \\ or `, and is 'x'"),
        ("# syntax=a\n# syntax=b\n", "d/Dockerfile:2: there are two syntax directives"),
        ("FROM a\n\\\n", "d/Dockerfile:2: a line is continued, and no instruction follows"),
        ("", "d/Dockerfile: it holds no instruction"),
        (LONG, "d/Dockerfile:2: the line is longer than 65534 bytes, and builders refuse it"),
    ],
)
def test_errors_name_the_line(text: str, said: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        read(text, "d/Dockerfile")
    assert str(caught.value) == said


def test_a_keyword_that_is_nearly_right_is_proposed() -> None:
    with pytest.raises(DockerfileError) as caught:
        read("FROM a\nENTRYPIONT x\n", "Dockerfile")
    assert caught.value.hint == "did you mean ENTRYPOINT?"


def test_a_million_continuations_end_at_a_limit() -> None:
    with pytest.raises(DockerfileError, match=f"the instruction is longer than {MAX_INSTRUCTION} characters"):
        read("FROM a\nRUN " + "ab \\\n" * 1_000_000, "Dockerfile")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("${a:-" * 5000, "variables are nested deeper than 100"),
        ("$b" * 2000, "a word grows beyond 65536 characters when its variables are replaced"),
        ("${b#" + "*a" * 20000 + "}", "a pattern is too long for the value that it is matched with"),
        ("${b//" + "?" * 40 + "/}", "a pattern is too long for the value that it is matched with"),
    ],
)
def test_words_that_would_take_for_ever(word: str, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        expand.expand(word, {"b": "a" * 1000})


def test_what_only_a_build_knows_is_named() -> None:
    assert expand.expand("${A}-${B:-b}-$C", {"A": None, "B": None, "C": "c"}) == ("-b-c", frozenset({"A"}))


@given(st.text(alphabet="ab$\\{}:-+#%/*?'\"` \n<E=", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read(f"FROM a\nRUN {text}\n", "Dockerfile").instructions
    except DockerfileError:
        return
    lines = [each.line for each in found]
    assert lines == sorted(set(lines))
    assert all(each.line <= each.end_line for each in found)


@given(st.text(alphabet="ab$\\{}:-+#%/*?'\" ", max_size=30))
def test_expanding_a_word_ends(word: str) -> None:
    try:
        found = expand.expand(word, VALUES)
    except Malformed:
        return
    assert found.unknown == frozenset()
