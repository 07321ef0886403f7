"""Safe changes to a Dockerfile: what they do, and what they leave alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftscan.dockerfile import parse
from driftscan.dockerfile.build import LockFacts, Resolved
from driftscan.practices import fixes
from driftscan.practices.fixes import Fixed
from tests.builders.judged import DIGEST, OTHER, dockerfile_comparison

REGISTRY = {"python:3.12": Resolved(DIGEST, "the registry"), "tool:1": Resolved(OTHER, "the Docker daemon")}
HASHED = {"r.txt": LockFacts("r.txt", is_pinned=True, is_hashed=True, projects=frozenset({"numpy"}))}


def fix(
    text: str, *, images: Mapping[str, Resolved] | None = None, context: Mapping[str, LockFacts] | None = None
) -> Fixed:
    return fixes.fixed(dockerfile_comparison(text, images=images, context=context), {})


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        (
            "RUN apt-get update && apt-get install -y a",
            "RUN apt-get update && apt-get install --no-install-recommends -y a \\\n    && rm -rf /var/lib/apt/lists/*",
        ),
        (
            "RUN apt-get update \\\n # why\n && apt-get -qq -y install \\\n  a",
            (
                "RUN apt-get update \\\n # why\n && apt-get -qq -y install --no-install-recommends \\\n  a \\\n"
                "    && rm -rf /var/lib/apt/lists/*"
            ),
        ),
        ("RUN apk add a", "RUN apk add --no-cache a"),
        ("RUN apk --quiet add a", "RUN apk --quiet add --no-cache a"),
        ("RUN dnf install -y a", "RUN dnf install -y a \\\n    && dnf clean all"),
        ("RUN microdnf install a", "RUN microdnf install a \\\n    && microdnf clean all"),
        ("CMD python app.py --port 80", 'CMD ["python", "app.py", "--port", "80"]'),
        ("ENTRYPOINT exec /run 'a b'", 'ENTRYPOINT ["/run", "a b"]'),
    ],
)
def test_changes(line: str, fixed: str) -> None:
    assert fix(f"FROM a\n{line}\n").text == f"FROM a\n{fixed}\n"


@pytest.mark.parametrize(
    "line",
    [
        "RUN apt-get update",
        "RUN apt-get update && apt-get install --no-install-recommends a && rm -rf /var/lib/apt/lists/*",
        "RUN --mount=type=cache,target=/var/lib/apt apt-get update && apt-get install --no-install-recommends a",
        "RUN <<E\napt-get update\napt-get install --no-install-recommends a\nE",
        'RUN ["apk", "add", "a"]',
        "RUN (apt-get update; apt-get install --no-install-recommends a)",
        "RUN apt-get update && apt-get install --no-install-recommends a # why",
        "CMD python app.py --port $PORT",
        "CMD cd /app && python app.py",
        "CMD python app.py > log",
        "CMD FOO=1 python app.py",
        "CMD echo ~",
        'CMD ["python"]',
        "CMD ['python']",
        "ENTRYPOINT a\nCMD b",
        "RUN pip install -r other.txt",
    ],
)
def test_what_is_left_alone(line: str) -> None:
    found = fix(f"FROM a\n{line}\n")
    assert (found.text, found.changes) == (f"FROM a\n{line}\n", ())
    assert fixes.diff(found) == ""


def test_digests_that_are_known() -> None:
    text = "FROM python:3.12 AS b\nCOPY --from=tool:1 /a /b\nRUN --mount=type=bind,from=tool:1,target=/x y\n"
    found = fix(text, images=REGISTRY)
    assert found.text == (
        f"FROM python:3.12@{DIGEST} AS b\nCOPY --from=tool:1@{OTHER} /a /b\n"
        f"RUN --mount=type=bind,from=tool:1@{OTHER},target=/x y\n"
    )
    assert found.changes == (
        "python:3.12 is pinned to what the registry has",
        "tool:1 is pinned to what the Docker daemon has",
    )


@pytest.mark.parametrize("line", ["ARG V=3.12\nFROM python:$V", f"FROM python:3.12@{OTHER}", "FROM python:3.12-slim"])
def test_names_that_are_not_there_as_they_are(line: str) -> None:
    assert fix(f"{line}\n", images=REGISTRY).changes == ()


def test_hashes_where_the_lock_has_them() -> None:
    text = "FROM a\nCOPY r.txt .\nRUN pip install --no-cache-dir -r r.txt\nENV OMP_NUM_THREADS=1\n"
    found = fix(text, context=HASHED)
    assert found.text == text.replace("pip install", "pip install --require-hashes")
    assert found.changes == ("pip requires hashes",)


def test_threads_are_set_in_front_of_what_runs() -> None:
    text = 'FROM a\nCOPY r.txt .\nRUN pip install --require-hashes -r r.txt\nENTRYPOINT ["a"]\n'
    line = "ENV OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1\n"
    assert fix(text, context=HASHED).text == text.replace("ENTRYPOINT", f"{line}ENTRYPOINT")
    bare = "FROM a\nCOPY r.txt .\nRUN pip install --require-hashes -r r.txt"
    assert fix(bare, context=HASHED).text == f"{bare}\n{line}"


def test_the_ends_of_lines_stay() -> None:
    found = fix("FROM a\r\nRUN apk add b\r\nCMD c\r\n")
    assert found.text == 'FROM a\r\nRUN apk add --no-cache b\r\nCMD ["c"]\r\n'


def test_a_diff_and_what_is_left_to_do() -> None:
    found = fix("FROM a\nRUN apk add b\n")
    assert fixes.diff(found) == (
        "--- Dockerfile\n+++ Dockerfile\n@@ -1,2 +1,2 @@\n FROM a\n-RUN apk add b\n+RUN apk add --no-cache b\n"
    )
    assert found.changes == ("apk keeps no lists",)
    assert [each.split(" ")[:2] for each in found.proposals] == [
        ["Dockerfile:1:", "IM511"],
        ["Dockerfile:2:", "IM523"],
        ["Dockerfile:1:", "IM551"],
    ]


PIECES = st.sampled_from(
    [
        *("apt-get update", "apt-get install a", "apk add b", "dnf install c", "x 'y z'", "pip install -r r.txt", "$X"),
        *("(d)", "rm -rf /var/lib/apt/lists/*", "echo \\\n  e", "# f", "true"),
    ]
)


@given(st.lists(st.tuples(PIECES, st.sampled_from([" && ", "; ", " | ", " || "])), min_size=1, max_size=5))
def test_fixing_twice_is_fixing_once(pieces: list[tuple[str, str]]) -> None:
    run = "".join(part for piece in pieces for part in piece) + "true"
    text = f"FROM python:3.12\nRUN {run}\nCMD a b\n"
    once = fix(text, images=REGISTRY, context=HASHED)
    assert fix(once.text, images=REGISTRY, context=HASHED).text == once.text
    keywords = [each.keyword for each in parse(once.text.encode(), "Dockerfile").instructions]
    assert [keyword for keyword in keywords if keyword != "ENV"] == ["FROM", "RUN", "CMD"]
