"""The practices on images of the classic builder and of Buildah, which write history differently, and a registry whose
tag is moved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from driftscan.api import linting
from driftscan.finding import Outcome, Report
from tests.real.daemons import Docker, Registry, run, tool, write_context

pytestmark = pytest.mark.real

HASHES = "idna==3.10 --hash=sha256:946d195a0d259cbba61165e88e65941f16e9b36ea6ddb97f00452bae8b1287d3\n"
GOOD = """\
FROM {base}
WORKDIR /app
COPY requirements.txt ./
RUN python3 -m venv /opt/venv \\
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY shop ./shop
ENTRYPOINT ["/opt/venv/bin/python", "-m", "shop"]
"""
BAD = """\
FROM {base}
COPY requirements.txt shop/__main__.py /app/
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir -r /app/requirements.txt
RUN /opt/venv/bin/pip install toolz
RUN mkdir -p /var/lib/apt/lists && echo x > /var/lib/apt/lists/index && head -c 3000000 /dev/urandom > /big
RUN rm /big
CMD /opt/venv/bin/python /app/gone.py
"""
CONTEXT: Mapping[str, str] = {"requirements.txt": HASHES, "shop/__main__.py": "print(1)\n"}

Build = Callable[[str], str]
"""Builds a Dockerfile and returns what driftscan calls the image."""


@pytest.fixture(scope="module")
def base(docker: Docker, base_image: str, registry: Registry) -> str:
    """A base image by its name and digest in a registry."""
    name = f"{registry.url}/practices/base:1"
    return f"{name}@{docker.push(base_image, name)}"


@pytest.fixture(scope="module", params=["docker", "buildah", "buildah-layers"])
def build(request: pytest.FixtureRequest, docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("builds")
    made: list[str] = []

    def by_docker(dockerfile: str) -> str:
        archive = folder / f"{len(made)}.tar"
        made.append(dockerfile)
        docker.save(docker.build(dockerfile, CONTEXT), archive)
        return f"docker-archive:{archive}"

    def by_buildah(dockerfile: str) -> str:
        place = folder / str(len(made))
        place.mkdir()
        made.append(dockerfile)
        recipe = write_context(place, CONTEXT, dockerfile)
        buildah: list[str | Path] = [tool("buildah"), "--root", docker.folder / "buildah-practices"]
        buildah += ["--runroot", docker.folder / "buildah-practices-run"]
        options: list[str | Path] = ["--isolation", "chroot", "--network", "host", "--tls-verify=false"]
        options += ["--layers"] if request.param == "buildah-layers" else []
        run([*buildah, "build", *options, "--tag", "practices", "--file", recipe, place / "context"])
        run([*buildah, "push", "practices", f"oci-archive:{place / 'image.tar'}:practices"])
        return f"oci-archive:{place / 'image.tar'}"

    return by_docker if request.param == "docker" else by_buildah


def outcomes(report: Report) -> dict[int, str]:
    return {practice.number: practice.outcome.value for practice in report.practices}


def found(report: Report) -> list[tuple[str, int | None]]:
    return [(finding.rule, finding.layer.index if finding.layer else None) for finding in report.findings]


def test_a_good_dockerfile_and_its_image(build: Build, base: str, tmp_path: Path) -> None:
    recipe = tmp_path / "Dockerfile"
    recipe.write_text(GOOD.format(base=base))
    (tmp_path / "requirements.txt").write_text(HASHES)
    image = build(recipe.read_text())
    both = linting.lint(
        linting.Subject(
            dockerfile=str(recipe), image=image, base=f"registry:{base}", locks=(str(tmp_path / "requirements.txt"),)
        )
    )
    assert (found(both), both.unchecked) == ([], ())
    assert outcomes(both) == dict.fromkeys(range(1, 7), "pass")
    alone = linting.lint(linting.Subject(image=image, base=f"registry:{base}"))
    assert found(alone) == []
    assert outcomes(alone)[1] == "unknown"
    assert {outcomes(alone)[number] for number in (2, 5, 6)} == {"pass"}


def test_a_bad_dockerfile_and_its_image(
    build: Build, base: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    recipe = tmp_path / "Dockerfile"
    recipe.write_text(BAD.format(base=base.partition("@")[0]))
    image = build(recipe.read_text())
    alone = linting.lint(linting.Subject(image=image, base=f"registry:{base}"))
    rules = {rule for rule, _ in found(alone)}
    assert rules >= {"IM521", "IM552", "IM553"}
    both = linting.lint(linting.Subject(dockerfile=str(recipe), image=image, base=f"registry:{base}"))
    said = {finding.rule: finding.location.line for finding in both.findings if finding.location is not None}
    assert said == {"IM511": 1, "IM531": 2, "IM541": 4, "IM542": 3, "IM552": 7}
    assert {practice.number for practice in both.practices if practice.outcome is Outcome.FAIL} == {1, 2, 3, 4, 5}
    if "buildah]" not in request.node.name:
        # Buildah without --layers makes one layer of all instructions, which holds nothing that was deleted.
        assert rules >= {"IM524", "IM531", "IM541"}
        # The lock that is still in the image has hashes, on which pip insists; the Dockerfile's folder has no lock.
        assert "IM542" not in rules
        assert ("IM541", 4) in found(alone)
        assert ("IM524", 5) in found(alone)


def test_a_tag_that_is_moved(docker: Docker, base_image: str, registry: Registry, tmp_path: Path) -> None:
    name = f"{registry.url}/practices/moving:1"
    first = docker.push(base_image, name)
    recipe = tmp_path / "Dockerfile"
    recipe.write_text(f'FROM {name}\nCMD ["python3"]\n')
    subject = linting.Subject(dockerfile=str(recipe), online=True)
    fix = linting.fix(subject)
    assert fix.text == f'FROM {name}@{first}\nCMD ["python3"]\n'
    assert fix.changes == (f"{name} is pinned to what the registry has",)
    recipe.write_text(fix.text)
    assert found(linting.lint(subject)) == []
    built = docker.build(fix.text)
    second = docker.push(docker.build(f"FROM {base_image}\nRUN touch /moved\n"), name)
    moved = linting.lint(subject)
    assert [finding.message for finding in moved.findings] == [f"{name} now is {second}; pinned is {first}"]
    # The image does not begin with the layers that its base has now.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker.host)
        older = linting.lint(linting.Subject(image=f"docker:{built}", base=f"registry:{name}"), select=["IM512"])
        newer = linting.lint(
            linting.Subject(image=f"docker:{built}", base=f"registry:{name}@{first}"), select=["IM512"]
        )
    assert (found(older), found(newer)) == ([("IM512", None)], [])


def test_the_daemon_tells_the_digest_where_no_registry_does(docker: Docker, base_image: str, tmp_path: Path) -> None:
    """A registry that is gone again: the daemon still knows under which digest it pushed."""
    from tests.real.daemons import registry as service

    (tmp_path / "gone").mkdir()
    with service(tmp_path / "gone") as gone:
        name = f"{gone.url}/practices/gone:1"
        digest = docker.push(base_image, name)
    recipe = tmp_path / "Dockerfile"
    recipe.write_text(f"FROM {name}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker.host)
        fix = linting.fix(linting.Subject(dockerfile=str(recipe), online=True))
    assert fix.text == f"FROM {name}@{digest}\n"
    assert fix.changes == (f"{name} is pinned to what the Docker daemon has",)
