"""Each practice in a Dockerfile: what fails where, what passes, what is unknown."""

from __future__ import annotations

import pytest

from driftscan import practices
from driftscan.dockerfile.build import LockFacts, Resolved
from driftscan.finding import Outcome
from tests.builders.judged import DIGEST, OTHER, dockerfile_comparison, failed, outcomes, said

PINNED = f"FROM python:3.12@{DIGEST}\n"
HASHED = {"requirements.txt": LockFacts("requirements.txt", is_pinned=True, is_hashed=True)}


def unknown(text: str, rule: str, **build_arguments: str) -> list[tuple[str, str]]:
    comparison = dockerfile_comparison(text, build_arguments=build_arguments)
    return [(each.text, each.why) for each in said(comparison, rule, Outcome.UNKNOWN)]


def test_every_base_that_is_an_image_needs_a_digest() -> None:
    text = f"ARG T=1\nFROM a:$T AS x\nFROM x\nFROM scratch\nFROM b@{DIGEST}\nFROM c\n"
    tail = "is named without a digest, and another image may stand there tomorrow"
    assert failed(dockerfile_comparison(text), "IM511") == [(2, f"a:1 {tail}"), (6, f"c (that is, c:latest) {tail}")]


def test_a_base_that_only_a_build_knows() -> None:
    text = "ARG BASE\nFROM $BASE\n"
    why = "BASE has no value in the Dockerfile; give it with --build-arg"
    assert unknown(text, "IM511") == [("which image `FROM $BASE` names (Dockerfile:2)", why)]
    assert unknown(text, "IM511", BASE=f"a@{DIGEST}") == []


def test_the_digest_to_write_is_told_where_it_is_known() -> None:
    comparison = dockerfile_comparison("FROM a:1\n", images={"a:1": Resolved(DIGEST, "the registry")})
    (found,) = said(comparison, "IM511")
    assert found.hint == f"write a:1@{DIGEST}, which is what the registry has"


@pytest.mark.parametrize(
    ("now", "expected"),
    [(Resolved(DIGEST, "r"), "pass"), (Resolved(OTHER, "r"), "fail"), (Resolved(None, "no answer"), "unknown")],
)
def test_a_tag_that_has_moved(now: Resolved, expected: str) -> None:
    comparison = dockerfile_comparison(f"FROM a:1@{DIGEST}\n", images={"a:1": now})
    assert outcomes(comparison, "IM512") == {expected}


def test_a_digest_without_a_tag_cannot_move() -> None:
    comparison = dockerfile_comparison(f"FROM a@{DIGEST}\n", images={"a": Resolved(OTHER, "r")})
    assert outcomes(comparison, "IM512") == set()


def test_images_that_files_are_taken_from() -> None:
    text = (
        f"# syntax=docker/dockerfile:1\n{PINNED.strip()} AS one\n{PINNED}"
        "COPY --from=one /a /b\nCOPY --from=0 /a /b\nCOPY --from=img:1 /a /b\n"
        f"COPY --from=img@{DIGEST} /a /b\nRUN --mount=from=tool,target=/x y\nONBUILD COPY --from=late /a /b\n"
    )
    comparison = dockerfile_comparison(text)
    assert [line for line, _ in failed(comparison, "IM513")] == [6, 8, 9, 1]
    assert [each.text for each in said(comparison, "IM513", Outcome.PASS)] == ["img is pinned by its digest"]


def test_a_stage_cannot_copy_from_itself() -> None:
    comparison = dockerfile_comparison(f"{PINNED.strip()} AS a\nCOPY --from=a /a /b\n")
    assert [line for line, _ in failed(comparison, "IM513")] == [2]


def test_a_name_with_a_variable_that_builders_do_not_replace() -> None:
    assert unknown(f"ARG X=a\n{PINNED}COPY --from=$X /a /b\n", "IM513") == [
        ("which image $X names (Dockerfile:3)", "builders replace no variables there; name a stage instead")
    ]


@pytest.mark.parametrize(
    "run",
    [
        "RUN apt-get update && apt-get install -y a=1 && rm -rf /var/lib/apt/lists/*",
        "RUN --mount=type=cache,target=/var/lib/apt apt-get update && apt-get install -y a=1",
        "RUN --mount=type=tmpfs,target=/var/lib/apt/lists apt-get update && apt-get install -y a=1",
        "RUN <<EOF\napt-get update\napt-get install -y a=1\nrm -rf /var/lib/apt/lists/*\nEOF",
        'RUN ["sh", "-c", "apt-get update && apt-get install a=1; rm -r /var/lib/apt/lists"]',
        "RUN apk add --no-cache a=1",
        "RUN apk add a=1 && rm -rf /var/cache/apk/*",
        "RUN dnf install -y a-1-1 && dnf clean all",
        "RUN true",
    ],
)
def test_practice_two_holds(run: str) -> None:
    comparison = dockerfile_comparison(f"{PINNED}{run}\n")
    assert [outcomes(comparison, rule) for rule in ("IM521", "IM522", "IM523")] == [{"pass"}] * 3


@pytest.mark.parametrize(
    ("run", "rule", "text"),
    [
        (
            "apt-get update && apt-get install a=1",
            "IM521",
            "the package lists of apt stay in the layer: nothing in this instruction removes them",
        ),
        (
            "apk add a=1",
            "IM521",
            "the package lists of apk stay in the layer: nothing in this instruction removes them",
        ),
        (
            "apt-get install a=1",
            "IM522",
            "packages are installed from lists that another layer fetched: the builder's cache keeps old lists",
        ),
        ("apk add --no-cache a b=1 c d e", "IM523", "neither versions nor a snapshot fix a, c, d and 1 more"),
        ("apk upgrade --no-cache", "IM523", "neither versions nor a snapshot fix everything that is there"),
    ],
)
def test_practice_two_fails(run: str, rule: str, text: str) -> None:
    assert failed(dockerfile_comparison(f"{PINNED}RUN {run}\n"), rule) == [(2, text)]


def test_two_instructions_install() -> None:
    text = f"{PINNED}RUN apk add --no-cache a=1\nRUN true\nRUN apk add --no-cache b=1\n"
    said = "packages of the operating system are installed by 2 instructions (line 2, line 4)"
    assert failed(dockerfile_comparison(text), "IM522") == [(4, said)]


def test_other_stages_may_leave_what_they_like() -> None:
    text = f"{PINNED.strip()} AS build\nRUN apt-get update\nRUN apt-get install a=1\n{PINNED}COPY --from=build /a /b\n"
    comparison = dockerfile_comparison(text)
    assert [outcomes(comparison, rule) for rule in ("IM521", "IM522", "IM523")] == [{"pass"}] * 3


def test_a_snapshot_fixes_what_has_no_version() -> None:
    text = f"{PINNED}RUN echo deb https://files.example/snapshot/x > /etc/apt/sources.list\nRUN apk add --no-cache a\n"
    assert outcomes(dockerfile_comparison(text), "IM523") == {"pass"}


def test_packages_that_only_a_build_knows_and_shells_that_cannot_be_read() -> None:
    assert unknown(f"{PINNED}RUN apk add --no-cache $X\n", "IM523") == [
        ("which versions `RUN apk add --no-cache $X` installs", "only a build knows $X")
    ]
    assert unknown(f"{PINNED}RUN echo 'a\n", "IM522") == [
        ("what line 2 does (`RUN echo 'a`)", "a single quote is not closed")
    ]
    text = f'{PINNED}SHELL ["powershell", "-c"]\nRUN x\n'
    assert unknown(text, "IM522") == [
        ("what line 3 does (`RUN x`)", "the commands are for powershell, which is not a POSIX shell")
    ]


@pytest.mark.parametrize(
    ("before", "source"),
    [
        ("COPY . /app", "."),
        ("ADD . /app", "."),
        ("COPY src/ /app/src/", "src/"),
        ("COPY app.py requirements.txt ./", "app.py"),
        ("COPY shop shop", "shop"),
    ],
)
def test_code_in_front_of_the_install(before: str, source: str) -> None:
    text = f"{PINNED}{before}\nRUN pip install --require-hashes -r requirements.txt\n"
    expected = f"{source} is copied before pip installs dependencies (line 3): each change installs anew"
    assert failed(dockerfile_comparison(text), "IM531") == [(2, expected)]


@pytest.mark.parametrize(
    "before",
    [
        "COPY requirements.txt ./",
        "COPY requirements/ requirements/",
        "COPY pyproject.toml uv.lock README.md ./",
        "COPY ./environment.yml conda-linux-64.lock /tmp/",
        "COPY --from=other / /",
        "COPY certs/ca.pem /usr/local/share/",
        "COPY etc /etc/",
        "COPY entrypoint.sh /",
        "RUN pip install uv",
        "RUN --mount=type=bind,source=uv.lock,target=uv.lock true",
    ],
)
def test_only_manifests_in_front_of_the_install(before: str) -> None:
    text = f"{PINNED}{before}\nRUN pip install --require-hashes -r requirements.txt\nCOPY . .\n"
    assert outcomes(dockerfile_comparison(text), "IM531") == {"pass"}


def test_code_that_is_mounted_for_the_install() -> None:
    text = f"{PINNED}RUN --mount=type=bind,target=/src uv sync --locked\n"
    expected = ". is mounted before uv sync installs dependencies (line 2): each change installs anew"
    assert failed(dockerfile_comparison(text), "IM531") == [(2, expected)]


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ("COPY uv.lock pyproject.toml ./\nRUN uv sync --locked", "pass"),
        ("COPY uv.lock* ./\nRUN uv sync --locked", "pass"),
        ("COPY . .\nRUN uv sync --locked", "pass"),
        ("COPY pyproject.toml ./\nRUN uv sync --locked", "fail"),
        ("RUN --mount=type=bind,source=uv.lock,target=uv.lock uv sync --locked", "pass"),
        ("COPY uv.lock ./\nRUN uv sync", "fail"),
        ("COPY requirements.txt ./\nRUN pip install -r requirements.txt && pip install x", "fail"),
        ("RUN ./install.sh", "unknown"),
        ("RUN pip-install -r requirements.txt", "unknown"),
        ("RUN pip install $X", "unknown"),
        ("RUN true", "pass"),
    ],
)
def test_installing_from_a_lock(lines: str, outcome: str) -> None:
    assert outcome in outcomes(dockerfile_comparison(f"{PINNED}{lines}\n"), "IM541")


def test_a_lock_that_pins_nothing_is_none() -> None:
    context = {"/app/r.txt": LockFacts("r.txt", is_pinned=False, is_hashed=False)}
    text = f"{PINNED}COPY r.txt /app/\nRUN pip install -r /app/r.txt\n"
    expected = "`pip install -r /app/r.txt` reads r.txt, which does not pin everything that it names"
    assert failed(dockerfile_comparison(text, context=context), "IM541") == [(3, expected)]


def test_hashes() -> None:
    text = f"{PINNED}COPY requirements.txt .\nRUN pip install -r requirements.txt\n"
    assert outcomes(dockerfile_comparison(text, context=HASHED), "IM542") == {"pass"}
    expected = "`pip install -r requirements.txt` takes whatever file the index has: nothing makes it insist on hashes"
    assert failed(dockerfile_comparison(text), "IM542") == [(3, expected)]
    assert outcomes(dockerfile_comparison(text.replace("install", "install --require-hashes")), "IM542") == {"pass"}


@pytest.mark.parametrize(
    ("lines", "rules"),
    [
        ('ENTRYPOINT ["a"]\nCMD ["b"]', set()),
        ('CMD ["a"]', set()),
        ("", {"IM551"}),
        ("CMD a", {"IM552"}),
        ("ENTRYPOINT a b", {"IM552"}),
        ('ENTRYPOINT ["a"]\nCMD b', {"IM552"}),
        ('CMD a\nCMD ["a"]', set()),
        ('CMD ["/bin/bash", "-lc", "a"]', {"IM552"}),
        ('ENTRYPOINT ["a"] # b', {"IM552"}),
        ("ENTRYPOINT ['a']", {"IM552"}),
        ('ENTRYPOINT ["sh", "/start.sh"]', set()),
    ],
)
def test_execution(lines: str, rules: set[str]) -> None:
    comparison = dockerfile_comparison(f"{PINNED.strip()} AS a\n{lines}\nFROM a\n")
    assert {each.rule for each in said(comparison, "IM55", Outcome.FAIL)} == rules


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ("RUN pip install numpy", "fail"),
        ("RUN pip install numpy\nENV OMP_NUM_THREADS=1", "pass"),
        ("RUN pip install flask", "pass"),
        ("RUN pip install -r other.txt", "unknown"),
        ("RUN conda install pytorch", "fail"),
    ],
)
def test_threads(lines: str, outcome: str) -> None:
    assert outcomes(dockerfile_comparison(f"{PINNED}{lines}\n"), "HW601") == {outcome}


@pytest.mark.parametrize("name", ["nvidia/cuda:12.4.1-base", "nvcr.io/nvidia/pytorch:24.05", "pytorch/pytorch:2.4"])
def test_cuda_bases(name: str) -> None:
    (found,) = failed(dockerfile_comparison(f"FROM {name}\n"), "HW603")
    assert found == (1, f"the CUDA base image {name} has no digest: toolkit and driver floor may change with it")
    assert outcomes(dockerfile_comparison(f"FROM {name}@{DIGEST}\n"), "HW603") == {"pass"}


def test_the_scorecard_follows_the_rules_that_are_asked_for() -> None:
    comparison = dockerfile_comparison("FROM a\nCMD x\n")
    said_of = practices.judged(comparison)
    everything = [rule for kind in practices.PRACTICES for rule in kind.rules]
    found = {each.number: each.outcome.value for each in practices.scorecard(said_of, everything)}
    assert found == {1: "fail", 2: "pass", 3: "pass", 4: "pass", 5: "fail", 6: "pass"}
    few = practices.scorecard(said_of, ["IM551", "IM513"])
    assert [(each.number, each.outcome.value) for each in few] == [(1, "unknown"), (5, "pass")]
