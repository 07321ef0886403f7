"""Two builds of one Dockerfile, between which the world has moved."""

from __future__ import annotations

import pytest

from driftscan.api.differing import diff
from driftscan.api.graphs import Scope
from driftscan.model.differences import Change, Part
from tests.real.daemons import Docker

pytestmark = pytest.mark.real

DOCKERFILE = """\
FROM {base}
RUN python3 -m venv --without-pip /opt/venv
COPY requirements.in /
RUN python3 -m venv /tool && /tool/bin/pip --python /opt/venv/bin/python install -r requirements.in && rm -r /tool
ENTRYPOINT ["/opt/venv/bin/python"]
"""


def test_a_build_of_tomorrow(docker: Docker, base_image: str) -> None:
    dockerfile = DOCKERFILE.format(base=base_image)
    old = docker.build(dockerfile, {"requirements.in": "six==1.16.0\nidna==3.7\n"})
    new = docker.build(dockerfile, {"requirements.in": "six==1.17.0\nidna==3.7\n"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker.host)
        found = diff(old, new, Scope())
        assert diff(old, old, Scope()).changes == ()
    assert found.unchecked == ()
    assert found.shared_layers == len(docker.diff_ids(old)) - 2
    packages = [change for change in found.changes if change.part is Part.PACKAGES]
    assert [(each.subject, each.before, each.after, each.note) for each in packages] == [
        ("six", "1.16.0", "1.17.0", None)
    ]
    assert _instruction(packages[0]).startswith("RUN python3 -m venv /tool && /tool/bin/pip --python")
    layers = [change for change in found.changes if change.part is Part.LAYERS]
    assert [each.note for each in layers][-1] == "made again by the same instruction"
    assert {change.part for change in found.changes} == {Part.PACKAGES, Part.LAYERS}


def _instruction(change: Change) -> str:
    return (change.layer.created_by if change.layer is not None else None) or ""
