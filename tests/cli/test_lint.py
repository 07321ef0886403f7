"""`driftscan lint` as it is typed, mistakes included."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from driftscan.cli import run
from tests.builders.pictured import image
from tests.builders.registry import faulty_registry

DIGEST = "0123456789abcdef" * 4
GOOD = f'FROM python:3.12@sha256:{DIGEST}\nENTRYPOINT ["python", "-m", "http.server"]\n'
LOCK = f"idna==3.10 --hash=sha256:{DIGEST}\n"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": f"sha256:{DIGEST}", "size": 2},
        "layers": [],
    }
).encode()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    return tmp_path


def test_a_good_dockerfile_is_clean(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text(GOOD)
    assert run(["lint"]) == 0
    out, err = capsys.readouterr()
    assert (out.splitlines()[0], err) == ("clean: 6 of 6 practices hold", "")
    assert run(["lint", "Dockerfile"]) == run(["lint", "."]) == 0


def test_what_is_unknown_is_never_clean(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text(f"ARG BASE\n{GOOD.replace(f'python:3.12@sha256:{DIGEST}', '$BASE')}")
    assert run(["lint", "Dockerfile"]) == 3
    assert "BASE has no value in the Dockerfile; give it with --build-arg" in " ".join(capsys.readouterr().out.split())
    assert run(["lint", "Dockerfile", "--build-arg", f"BASE=a@sha256:{DIGEST}"]) == 0
    assert run(["lint", "Dockerfile", "--ignore", "IM511"]) == 0


def test_a_warning_counts_where_it_is_asked_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text(GOOD.replace('["python", "-m", "http.server"]', "python"))
    assert [run(["lint", "Dockerfile", *more]) for more in ([], ["--fail-on", "warning"], ["--select", "IM511"])] == [
        0,
        1,
        0,
    ]
    capsys.readouterr()


def test_another_stage_than_the_last_is_built(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text(f"{GOOD.replace(DIGEST, f'{DIGEST} AS app')}FROM app AS test\nCMD pytest\n")
    assert run(["lint", "Dockerfile", "--fail-on", "warning"]) == 1
    assert run(["lint", "Dockerfile", "--fail-on", "warning", "--target", "app"]) == 0
    capsys.readouterr()
    assert run(["lint", "Dockerfile", "--target", "prod"]) == 2
    assert capsys.readouterr().err == (
        "driftscan: error: Dockerfile: there is no stage 'prod'\nhint: it has app, test\n"
    )


def test_the_scorecard_is_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text("FROM a\nCMD b\n")
    assert run(["lint", "Dockerfile", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["inputs"]["dockerfile"] == {
        "path": "Dockerfile",
        "sha256": hashlib.sha256(b"FROM a\nCMD b\n").hexdigest(),
    }
    assert [(each["number"], each["outcome"]) for each in document["practices"]] == [
        (1, "fail"),
        (2, "pass"),
        (3, "pass"),
        (4, "pass"),
        (5, "fail"),
        (6, "pass"),
    ]
    assert document["practices"][4]["evidence"][1] == {
        "rule": "IM552",
        "outcome": "fail",
        "grade": "Dockerfile",
        "text": "CMD is in shell form: signals go to the shell, and its variables decide what runs",
    }
    assert [(each["rule"], each["location"]) for each in document["findings"]] == [
        ("IM511", {"path": "Dockerfile", "line": 1}),
        ("IM552", {"path": "Dockerfile", "line": 2}),
    ]


def test_a_dockerfile_and_an_image_settle_each_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text(
        f"FROM python:3.12@sha256:{DIGEST}\nCOPY requirements.txt .\n"
        "RUN pip install --require-hashes -r requirements.txt\n"
        'ENTRYPOINT ["/opt/venv/bin/python", "-m", "idna"]\n'
    )
    (folder / "requirements.txt").write_text(LOCK)
    image(
        folder / "image.tar",
        "COPY requirements.txt .:\n- /requirements.txt: |\n    " + LOCK + "RUN pip install --require-hashes -r "
        "requirements.txt:\n- idna 3.10:\n    files: {idna/__main__.py: ''}\n"
        '\'ENTRYPOINT ["/opt/venv/bin/python", "-m", "idna"]\': []\n',
    )
    assert run(["lint", "image.tar"]) == 3
    assert run(["lint", "Dockerfile", "image.tar", "--lock", "requirements.txt"]) == 0
    assert run(["lint", "image.tar", "Dockerfile", "--lock", "requirements.txt"]) == 0
    assert capsys.readouterr().out.count("clean: 6 of 6 practices hold") == 2
    (folder / "requirements.txt").write_text(LOCK.replace("3.10", "3.9"))
    assert run(["lint", "Dockerfile", "image.tar", "--lock", "requirements.txt", "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert (found["rule"], found["message"]) == (
        "IM543",
        (
            "/requirements.txt in the image is another lock than requirements.txt: idna 3.9 is 3.10 in the image's; "
            "1 of 1 is installed as in there"
        ),
    )


@pytest.mark.parametrize(
    ("lock", "expected"), [(LOCK, []), ("idna==3.10\n", ["IM542"]), ("idna>=3\n", ["IM541", "IM542"])]
)
def test_the_lock_in_an_image_tells_of_its_hashes(
    folder: Path, lock: str, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    image(
        folder / "image.tar",
        f"COPY requirements.txt .:\n- /app/requirements.txt: |\n    {lock}"
        "RUN pip install -r requirements.txt:\n- idna 3.10\n",
    )
    run(["lint", "image.tar", "--select", "IM54", "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert ([each["rule"] for each in document["findings"]], document["unchecked"]) == (expected, [])


def test_a_lock_is_found_where_it_was_copied_from(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copies = "COPY ci/base.txt /app/requirements.txt\nCOPY ci/more.txt ci/own.txt /app/\n"
    installs = "RUN pip install --no-cache-dir --require-hashes -r /app/requirements.txt -r /app/more.txt\n"
    (folder / "Dockerfile").write_text(GOOD.replace("ENTRYPOINT", f"{copies}{installs}ENTRYPOINT"))
    assert run(["lint"]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "whether /app/requirements.txt, /app/more.txt brings numerical libraries" in said
    (folder / "ci").mkdir()
    for name in ("base.txt", "more.txt"):
        (folder / "ci" / name).write_text(LOCK)
    assert run(["lint"]) == 0


@pytest.mark.parametrize(
    ("path", "instruction", "expected"),
    [
        ("/requirements.txt", "RUN make", ["IM543"]),
        ("/srv/requirements.txt", "RUN pip install -r /srv/requirements.txt", ["IM543"]),
        ("/usr/lib/node/requirements.txt", "RUN make", []),
    ],
)
def test_a_file_that_is_merely_called_like_the_lock_is_none(
    folder: Path, path: str, instruction: str, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "requirements.txt").write_text(LOCK)
    image(folder / "image.tar", f"COPY a b:\n- {path}: idna==3.9\n{instruction}:\n- idna 3.10\n")
    run(["compare", "requirements.txt", "image.tar", "--select", "IM543", "--format", "json"])
    assert [each["rule"] for each in json.loads(capsys.readouterr().out)["findings"]] == expected


def test_a_registry_is_asked_for_digests(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with faulty_registry() as registry:
        registry.add_manifest(MANIFEST, "3.12", "python")
        name = f"127.0.0.1:{registry.port}/python:3.12"
        (folder / "Dockerfile").write_text(f'FROM {name}\nENTRYPOINT ["python"]\n')
        digest = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
        assert run(["lint", "Dockerfile", "--online", "--fix"]) == 0
        out, err = capsys.readouterr()
        assert out.splitlines()[-3:] == [f"-FROM {name}", f"+FROM {name}@{digest}", ' ENTRYPOINT ["python"]']
        assert err == f"would change: {name} is pinned to what the registry has\n"
        assert (folder / "Dockerfile").read_text().startswith(f"FROM {name}\n")
        assert run(["lint", "Dockerfile", "--online", "--fix", "--write"]) == 0
        out, err = capsys.readouterr()
        assert (folder / "Dockerfile").read_text() == f'FROM {name}@{digest}\nENTRYPOINT ["python"]\n'
        assert (out.splitlines()[0], err) == (
            "clean: 6 of 6 practices hold",
            f"changed: {name} is pinned to what the registry has\n",
        )
        registry.add_manifest(MANIFEST + b"\n", "3.12", "python")
        assert run(["lint", "Dockerfile", "--online", "--format", "json"]) == 0
        (found,) = json.loads(capsys.readouterr().out)["findings"]
        assert (found["rule"], found["severity"]) == ("IM512", "warning")
    assert run(["lint", "Dockerfile", "--online", "--quiet"]) == 3
    assert f"whether {name} still is the image that is pinned" in " ".join(capsys.readouterr().out.split())


def test_nothing_to_change_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "Dockerfile").write_text(GOOD)
    assert run(["lint", "Dockerfile", "--fix"]) == 0
    assert capsys.readouterr() == ("", "nothing in Dockerfile can be changed safely\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["lint"],
            "there is no Dockerfile in this folder\nhint: driftscan lint path/to/Dockerfile, or shop:1.4\n",
        ),
        (["lint", "Dockerfile"], "Dockerfile: there is no such file\n"),
        (["lint", "x.dockerfile", "x:1"], "x.dockerfile: there is no such Dockerfile\n"),
        (["lint", "x", "x:1"], "neither argument is a Dockerfile\nhint: driftscan lint Dockerfile shop:1.4\n"),
        (
            ["lint", "a.Dockerfile", "b.Dockerfile"],
            "both arguments are Dockerfiles\nhint: driftscan lint a.Dockerfile; driftscan lint b.Dockerfile\n",
        ),
        (
            ["lint", "a", "b", "c"],
            "a Dockerfile and an image are all that lint takes\nhint: driftscan lint Dockerfile shop:1.4\n",
        ),
        (["lint", "a.Dockerfile", "--build-arg", "x"], "'x' is not NAME=VALUE\nhint: --build-arg VERSION=3.12\n"),
        (
            ["lint", "a.Dockerfile", "--online", "--offline"],
            "a registry cannot be asked offline\nhint: leave --online or --offline out\n",
        ),
        (
            ["lint", "a.Dockerfile", "--write"],
            "--write belongs to --fix\nhint: driftscan lint Dockerfile --fix --write\n",
        ),
        (
            ["lint", "x.tar", "--fix"],
            "only a Dockerfile can be changed\nhint: driftscan lint Dockerfile --fix\n",
        ),
        (["lint", "bad.Dockerfile"], "bad.Dockerfile:2: there is no instruction 'RNU'\nhint: did you mean RUN?\n"),
        (["lint", "a.Dockerfile", "--lock", "none.txt"], "none.txt: there is no such file\n"),
    ],
)
def test_mistakes(folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.Dockerfile").write_text(GOOD)
    (folder / "b.Dockerfile").write_text(GOOD)
    (folder / "bad.Dockerfile").write_text("FROM a\nRNU x\n")
    assert run(arguments) == 2
    assert capsys.readouterr() == ("", f"driftscan: error: {said}")


def test_the_lock_that_the_image_was_installed_from_in_a_folder_of_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a Dockerfile or without: the history says which file in the image was installed from."""
    (folder / "Dockerfile").write_text(
        f"FROM python:3.12@sha256:{DIGEST}\nCOPY requirements.txt /app/\n"
        "RUN pip install --require-hashes -r /app/requirements.txt\n"
    )
    (folder / "requirements.txt").write_text(LOCK.replace("3.10", "3.9"))
    image(
        folder / "image.tar",
        "COPY requirements.txt /app/:\n- /app/requirements.txt: |\n    " + LOCK + "RUN pip install --require-hashes -r "
        "/app/requirements.txt:\n- idna 3.10\n",
    )
    for named in (["Dockerfile", "image.tar"], ["image.tar"]):
        run(["lint", *named, "--lock", "requirements.txt", "--select", "IM543", "--format", "json"])
        (found,) = json.loads(capsys.readouterr().out)["findings"]
        assert found["message"] == (
            "/app/requirements.txt in the image is another lock than requirements.txt: "
            "idna 3.9 is 3.10 in the image's; 1 of 1 is installed as in there"
        )
        assert found["layer"]["created_by"] == "COPY requirements.txt /app/"
