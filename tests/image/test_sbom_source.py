"""`sbom:` files: what is read, and what is refused with the file's name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driftscan.cli import run
from driftscan.errors import DriftscanError, LimitError
from driftscan.image.limits import Limits
from driftscan.image.sbom import open_bill
from driftscan.image.source import Taken

LOCK = f"idna==3.10 --hash=sha256:{'ab' * 32}\nsix==1.16.0 ; python_version >= '3.9' --hash=sha256:{'ab' * 32}\n"


def _bill(*versions: tuple[str, str], site: str = "/opt/venv/lib/python3.11/site-packages") -> str:
    components = [
        {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "evidence": {"occurrences": [{"location": f"{site}/{name}-{version}.dist-info/METADATA"}]},
        }
        for name, version in versions
    ]
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components})


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "requirements.txt").write_text(LOCK)
    return tmp_path


def test_it_is_opened_without_a_layer(project: Path) -> None:
    (project / "shop.json").write_text(_bill(("idna", "3.10")))
    with open_bill("shop.json", None, Limits()) as image:
        assert isinstance(image.access, Taken)
        assert (image.source, image.digest, image.access.inventory.default) == ("sbom", None, 0)


def test_drift_of_versions(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "shop.json").write_text(_bill(("idna", "3.9"), ("toolz", "1.0")))
    assert run(["compare", "requirements.txt", "shop.json", "-f", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [(each["rule"], each["package"]) for each in document["findings"]] == [
        ("DR202", "idna"),
        ("DR201", "six"),
        ("DR203", "toolz"),
    ]
    assert document["environment"] == {"path": "/opt/venv", "python": "3.11", "implementation": "cpython"}
    assert document["inputs"]["target"] == {"reference": "shop.json", "source": "sbom"}


def test_no_drift_of_versions_is_not_clean(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "shop.json").write_text(_bill(("idna", "3.10"), ("six", "1.16.0")))
    assert run(["compare", "requirements.txt", "sbom:shop.json", "-f", "json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["findings"]) == ("incomplete", [])
    assert {
        "what": "files, compiled code and sources of what is installed",
        "why": "a bill of materials names packages and versions only; compare with the image itself",
    } in document["unchecked"]


def test_a_marker_that_the_bill_cannot_answer_is_not_guessed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "shop.json").write_text(_bill(("idna", "3.10"), ("six", "1.16.0"), site="/app"))
    assert run(["compare", "requirements.txt", "shop.json", "-f", "json"]) == 3
    assert any("six" in each["what"] for each in json.loads(capsys.readouterr().out)["unchecked"])


def test_environments(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = json.loads(_bill(("idna", "3.10")))
    both["components"] += json.loads(_bill(("pip", "24.0"), site="/usr/lib/python3/dist-packages"))["components"]
    (project / "shop.json").write_text(json.dumps(both))
    assert run(["compare", "requirements.txt", "shop.json"]) == 2
    assert "choose one with --environment: /opt/venv, /usr" in capsys.readouterr().err
    assert run(["compare", "requirements.txt", "shop.json", "--environment", "/opt/venv/"]) == 1
    assert "/opt/venv was asked for" in capsys.readouterr().out
    assert run(["compare", "requirements.txt", "shop.json", "--environment", "/srv"]) == 2
    assert capsys.readouterr().err == (
        "driftscan: error: shop.json: there is no Python environment at /srv\nhint: it holds /opt/venv, /usr\n"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "it is no CycloneDX and no SPDX document"),
        ('{"bomFormat": "CycloneDX", "specVersion": "9"}', "CycloneDX 9 is not known"),
        ('{"bomFormat": "CycloneDX", "bomFormat": "CycloneDX"}', "the bill of materials has a key twice"),
        ('{"bomFormat": NaN}', "the bill of materials holds NaN, which is not JSON"),
        ("{", "the bill of materials is not valid JSON"),
        ("[]", "the bill of materials is not a JSON object"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "the nesting of the bill of materials"),
    ],
)
def test_what_is_refused(project: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "shop.json").write_text(content)
    assert run(["compare", "requirements.txt", "sbom:shop.json"]) == 2
    assert capsys.readouterr().err.startswith(f"driftscan: error: sbom:shop.json: {said}")


def test_a_bill_that_is_too_large(project: Path) -> None:
    (project / "shop.json").write_text(_bill(("idna", "3.10")))
    with pytest.raises(LimitError):
        open_bill("shop.json", None, Limits(bill=100))


def test_a_folder_and_nothing(project: Path) -> None:
    (project / "folder").mkdir()
    for rest, said in (("folder", "it is a folder, not a bill of materials"), ("nothing", "there is no nothing")):
        with pytest.raises(DriftscanError) as caught:
            open_bill(rest, None, Limits())
        assert caught.value.message == said
