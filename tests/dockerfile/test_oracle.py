"""Dockerfiles agree, instruction by instruction, with the `dockerfile` package, which wraps a parser of BuildKit."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from driftscan.dockerfile import Instruction, parse
from driftscan.dockerfile.reading import read
from driftscan.dockerfile.words import FORMS
from driftscan.errors import DockerfileError

oracle = pytest.importorskip("dockerfile", reason="it has wheels for x86_64 Linux only, and is built with Go elsewhere")

PIECES = (
    *("FROM a\n", "RUN ", "COPY ", "ENV ", "ARG ", "ONBUILD ", "CMD ", "LABEL ", "ENTRYPOINT ", "HEALTHCHECK "),
    *("\n", "\n", "\n", "\\\n", "\\ \n", "# c\n", "#\n", "<<E", "<<-E", '<<"E"', "<<'E' ", "\nE\n", "\tE\n", "E"),
    *(
        "a=b",
        "a",
        "b",
        '"',
        "'",
        "\\",
        "\\\\",
        " ",
        "  ",
        "\t",
        '["a"]\n',
        '["a", "b"]\n',
        "--from=x ",
        "$x",
        "${y:-z}",
    ),
    *("--mount=type=cache,target=/x ", "\r\n", "=", "--", "# escape=`\n", "`\n", "3<<F\n", "F\n", "NONE ", "<", "<<<"),
)
TRIGGERS = FORMS.keys() - {"FROM", "MAINTAINER"}
SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*/Dockerfile"))


def ours(found: Instruction) -> tuple[Any, ...]:
    """What the package tells of an instruction; of ONBUILD's trigger it keeps no flags."""
    inner = found.trigger or found
    heredocs = tuple((each.name, each.descriptor, each.content) for each in found.heredocs)
    trigger = found.trigger.keyword if found.trigger is not None else None
    place = (found.line, found.end_line)
    return (found.keyword, trigger, inner.is_json, *place, found.flags, inner.arguments, heredocs)


def theirs(text: str) -> list[tuple[Any, ...]]:
    return [
        (
            (each.cmd or "").upper(),
            each.sub_cmd.upper() if each.sub_cmd else None,
            each.json,
            each.start_line,
            each.end_line,
            each.flags,
            each.value,
            tuple((doc.name, doc.file_descriptor, doc.content) for doc in each.heredocs),
        )
        for each in oracle.parse_string(text)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_generated_files(seed: int) -> None:
    generator = random.Random(seed)
    agreed = 0
    for _ in range(100):
        text = "FROM a\n" + "".join(generator.choices(PIECES, k=generator.randint(1, 12)))
        try:
            expected = theirs(text)
        except oracle.GoParseError:
            with pytest.raises(DockerfileError):
                read(text, "Dockerfile")
            continue
        if any(
            each[0] not in ("ONBUILD", *FORMS) or (each[0] == "ONBUILD" and each[1] not in TRIGGERS)
            for each in expected
        ):
            continue  # the package reads on over what only the next step of a build refuses
        found = [ours(each) for each in read(text, "Dockerfile").instructions]
        assert found == expected, text
        agreed += 1
    assert agreed


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_samples(path: Path) -> None:
    text = path.read_text()
    dockerfile = parse(text.encode(), str(path))
    expected = theirs(text)
    assert [ours(each) for each in dockerfile.instructions] == expected
    assert len(dockerfile.stages) == sum(each[0] == "FROM" for each in expected)
