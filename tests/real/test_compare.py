"""The main job on real images: exact installs are clean, and each drift is named with the instruction that made it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import driftscan
from driftscan.api import Proving
from driftscan.errors import DriftscanError
from driftscan.finding import Finding, Report, Severity, Verdict
from driftscan.model.lock import Request
from driftscan.model.proof import Grade
from tests.real.daemons import Docker, Podman, Registry, run
from tests.real.installs import PIP, POETRY, UV, poetry_project, program, uv_project

pytestmark = pytest.mark.real

HIDE = """\
import base64, hashlib, pathlib
site = pathlib.Path("/opt/venv/lib/python3.11/site-packages")
core, record = site / "idna/core.py", site / "idna-3.6.dist-info/RECORD"
core.write_text(core.read_text() + "# patched\\n")
digest = base64.urlsafe_b64encode(hashlib.sha256(core.read_bytes()).digest()).rstrip(b"=").decode()
lines = [line for line in record.read_text().splitlines() if not line.startswith("idna/core.py")]
record.write_text("\\n".join([*lines, f"idna/core.py,sha256={digest},{core.stat().st_size}", ""]))
"""
"""Patches a file and writes its new hash into RECORD."""

WITHOUT_DEV = Request(default_groups=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uv")
    uv_project(folder)
    return folder


def files(folder: Path) -> Mapping[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def by_pip(docker: Docker, base_image: str, project: Path) -> str:
    return docker.build(PIP.format(base=base_image), files(project))


def compared(docker: Docker, tag: str, *locks: Path, **options: object) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker.host)
        return driftscan.compare([str(lock) for lock in locks], tag, **options)  # type: ignore[arg-type]


def serious(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity is not Severity.INFO]


def assert_clean(report: Report) -> None:
    assert serious(report) == []
    assert report.unchecked == ()
    assert report.verdict is Verdict.CLEAN
    assert report.matching == report.locked > 5


def test_an_exact_install_by_pip_is_clean(docker: Docker, by_pip: str, project: Path) -> None:
    assert_clean(compared(docker, by_pip, project / "requirements.txt"))
    assert_clean(compared(docker, by_pip, project / "uv.lock", request=WITHOUT_DEV))


def test_an_exact_install_by_uv_is_clean(docker: Docker, base_image: str, project: Path) -> None:
    tag = docker.build(UV.format(base=base_image), files(project))
    report = compared(docker, tag, project / "uv.lock", request=WITHOUT_DEV)
    assert_clean(report)
    assert report.environment is not None
    assert report.environment.path == "/app/.venv"
    assert report.environment.chosen_because == (
        "the image runs `/bin/sh -c 'python -m requests'`, which /app/.venv serves"
    )


def test_an_exact_install_by_poetry_is_clean(docker: Docker, base_image: str, project: Path, tmp_path: Path) -> None:
    registry = re.search(r'registry = "([^"]+)"', (project / "uv.lock").read_text())
    assert registry is not None
    context = poetry_project(tmp_path, registry[1] + "/")
    tag = docker.build(POETRY.format(base=base_image), context)
    report = compared(docker, tag, tmp_path / "poetry.lock", request=WITHOUT_DEV, proving=Proving(index=True))
    assert_clean(report)
    assert {proof.grade for proof in report.proofs} == {Grade.EVIDENCE}


def test_each_installer_puts_what_the_wheels_contain(
    docker: Docker, base_image: str, by_pip: str, project: Path, tmp_path: Path
) -> None:
    """The list of files in each wheel on the index, and then each wheel itself."""
    by_uv = docker.build(UV.format(base=base_image), files(project))
    for tag in (by_pip, by_uv):
        report = compared(
            docker, tag, project / "uv.lock", request=WITHOUT_DEV, proving=Proving(index=True), cache=False
        )
        assert_clean(report)
        assert {(proof.grade, proof.why) for proof in report.proofs} == {(Grade.EVIDENCE, None)}
        assert len(report.proofs) == report.locked
    run([program("pip"), "download", "--quiet", "--require-hashes", "-r", project / "requirements.txt", "-d", tmp_path])
    report = compared(docker, by_pip, project / "requirements.txt", proving=Proving(wheels=tmp_path))
    assert_clean(report)
    assert {proof.grade for proof in report.proofs} == {Grade.PROVED}


def test_a_record_that_agrees_with_a_patch_does_not_hide_it(docker: Docker, by_pip: str, project: Path) -> None:
    tag = docker.build(f"FROM {by_pip}\nCOPY hide.py /tmp/\nRUN python3 /tmp/hide.py\n", {"hide.py": HIDE})
    lock = project / "uv.lock"
    assert_clean(compared(docker, tag, lock, request=WITHOUT_DEV))
    report = compared(docker, tag, lock, request=WITHOUT_DEV, proving=Proving(index=True))
    (finding,) = serious(report)
    assert finding.rule == "IN404"
    assert re.fullmatch(
        r"a file of idna 3\.6 is not the one in idna-3\.6-py3-none-any\.whl: /\S+/idna/core\.py", finding.message
    )
    assert finding.layer is not None
    assert finding.layer.created_by == "RUN python3 /tmp/hide.py"
    assert [(proof.name, proof.grade) for proof in report.proofs if proof.grade is not Grade.EVIDENCE] == [
        ("idna", Grade.DIFFERENT)
    ]


def test_the_dev_group_is_missing_where_it_was_left_out(docker: Docker, by_pip: str, project: Path) -> None:
    report = compared(docker, by_pip, project / "uv.lock")
    assert [(finding.rule, finding.package) for finding in serious(report)] == [("DR201", "iniconfig")]
    assert "--no-default-groups" in (serious(report)[0].hint or "")


def test_an_upgrade_in_a_later_layer_is_named_with_its_instruction(docker: Docker, by_pip: str, project: Path) -> None:
    tag = docker.build(f"FROM {by_pip}\nRUN pip install -U idna==3.7\n")
    report = compared(docker, tag, project / "uv.lock", request=WITHOUT_DEV)
    (finding,) = serious(report)
    assert finding.rule == "DR202"
    assert finding.message == "idna 3.6 is locked, 3.7 is installed"
    assert finding.layer is not None
    assert finding.layer.created_by == "RUN pip install -U idna==3.7"
    assert finding.layer.index == len(docker.diff_ids(tag))
    assert finding.layer.diff_id == docker.diff_ids(tag)[-1]
    assert finding.chain == ("shop", "idna")
    assert report.matching == report.locked - 1


DRIFTS: dict[str, tuple[str, str | None]] = {
    "RUN pip install iniconfig==2.0.0": ("DR208", "iniconfig"),
    "RUN pip install toolz==1.0.0": ("DR203", "toolz"),
    "RUN pip uninstall -y pyyaml": ("DR201", "pyyaml"),
    "RUN echo '# patched' >> /opt/venv/lib/python3.11/site-packages/idna/core.py": ("IN401", "idna"),
    "RUN rm /opt/venv/lib/python3.11/site-packages/jinja2/filters.py": ("IN402", "jinja2"),
    "RUN echo 'x = 1' > /opt/venv/lib/python3.11/site-packages/own.py": ("IN403", None),
    "RUN rm /opt/venv/lib/python3.11/site-packages/idna-3.6.dist-info/RECORD": ("IN405", "idna"),
    "RUN cp -r /opt/venv/lib/python3.11/site-packages/idna-3.6.dist-info "
    "/opt/venv/lib/python3.11/site-packages/idna-3.5.dist-info && sed -i 's/^Version: 3.6/Version: 3.5/' "
    "/opt/venv/lib/python3.11/site-packages/idna-3.5.dist-info/METADATA": ("DR206", "idna"),
}


@pytest.mark.parametrize(("instruction", "expected"), DRIFTS.items(), ids=[rule for rule, _ in DRIFTS.values()])
def test_each_drift_is_found_and_its_layer_named(
    instruction: str, expected: tuple[str, str | None], docker: Docker, by_pip: str, project: Path
) -> None:
    tag = docker.build(f"FROM {by_pip}\n{instruction}\n")
    (finding,) = serious(compared(docker, tag, project / "uv.lock", request=WITHOUT_DEV))
    assert (finding.rule, finding.package) == expected
    # What is gone as a whole has no layer.
    if finding.rule != "DR201":
        assert finding.layer is not None
        assert finding.layer.created_by == instruction


def test_every_source_gives_the_same_report(
    docker: Docker, podman: Podman, registry: Registry, by_pip: str, project: Path, tmp_path: Path
) -> None:
    tag = docker.build(f"FROM {by_pip}\nRUN pip install -U idna==3.7\n", tag="driftscan-drifted:1")
    archive = docker.save(tag, tmp_path / "image.tar")
    podman.load(archive)
    docker.push(tag, f"{registry.url}/drifted:1")
    run(["skopeo", "--insecure-policy", "copy", f"docker-archive:{archive}", f"oci:{tmp_path / 'layout'}:it"])
    run(["skopeo", "--insecure-policy", "copy", f"docker-archive:{archive}", f"oci-archive:{tmp_path / 'oci.tar'}:it"])
    lock = project / "uv.lock"
    reports = [compared(docker, f"docker:{tag}", lock, request=WITHOUT_DEV)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINER_HOST", f"unix://{podman.socket}")
        reports.append(driftscan.compare([str(lock)], f"podman:localhost/{tag}", request=WITHOUT_DEV))
    references = (
        f"registry:{registry.url}/drifted:1",
        f"docker-archive:{archive}",
        f"oci-archive:{tmp_path / 'oci.tar'}",
        f"oci:{tmp_path / 'layout'}",
    )
    reports += [driftscan.compare([str(lock)], reference, request=WITHOUT_DEV) for reference in references]
    assert {report.target.source for report in reports if report.target} == {
        "docker",
        "podman",
        "registry",
        "docker-archive",
        "oci-archive",
        "oci",
    }
    assert all(report.findings == reports[0].findings for report in reports)
    assert all(report.environment == reports[0].environment for report in reports)
    assert len(serious(reports[0])) == 1


def test_a_virtual_environment_on_this_machine(project: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    uv = program("uv")
    run([uv, "venv", "--quiet", venv])
    run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", venv, project / "requirements.txt"])
    report = driftscan.compare([str(project / "requirements.txt")], f"env:{venv}")
    assert serious(report) == []
    run([uv, "pip", "install", "--quiet", "--python", venv, "idna==3.7"])
    (finding,) = serious(driftscan.compare([str(project / "requirements.txt")], f"env:{venv}"))
    assert finding.message == "idna 3.6 is locked, 3.7 is installed"


def test_an_image_without_python_is_an_error(docker: Docker, project: Path) -> None:
    tag = docker.build("FROM scratch\nCOPY requirements.txt /\n", files(project))
    with pytest.raises(DriftscanError, match="no Python environment was found in it"):
        compared(docker, tag, project / "uv.lock")
