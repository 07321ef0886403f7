"""PDM and pipenv, asked in processes of their own: they take the folder that they run in for the project."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from asking import Answers, Case, Question, Refusal, evaluated, lines_answer, refusal, requests, run, shown, targets
from packaging.requirements import InvalidRequirement

from driftscan.model.lock import Lock, Request

PDM = """
import json, sys
from pdm.cli.actions import resolve_candidates_from_lockfile
from pdm.cli.filters import GroupSelection
from pdm.core import Core
from pdm.environments.base import BaseEnvironment
from pdm.models.markers import EnvSpec
from pdm.models.python import PythonInfo

BaseEnvironment._build_session = lambda self, *args, **kwargs: None  # nothing is fetched to resolve from a lock
for python, platform, selection in json.loads(sys.argv[1]):
    try:
        project = Core().create_project(".")
        project._python = PythonInfo.from_path(sys.executable)
        groups = list(GroupSelection(project, **selection))
        known = project._resolve_dependencies(list(groups))
        required = [each for group in groups for each in project.get_dependencies(group, known)]
        spec = EnvSpec.from_spec(python, platform, "cpython")
        found = resolve_candidates_from_lockfile(project, required, groups=groups, env_spec=spec).values()
        kept = [each for each in found if not each.req.editable]
        print(json.dumps([[each.name, each.version if each.req.is_named else None] for each in kept]))
    except Exception as error:
        print(json.dumps(f"{type(error).__name__}: {str(error)[:300]}"))
"""
_PDM_PLATFORMS = {
    "linux": "linux",
    "windows": "windows_amd64",
    "macos": "macos_arm64",
    "linux/arm64": "manylinux_2_28_aarch64",
}


def ask_pdm(case: Case) -> Answers:
    asked = [Question(name, request) for name in targets(case.lock) for request in requests(case.lock)]
    specs = [_pdm_question(each, case.lock) for each in asked]
    yield from _in_child(PDM, case.path.parent, asked, specs)


def _pdm_question(question: Question, lock: Lock | None) -> list[object]:
    python, platform = question.target.split(" ")
    request = question.request
    extras = sorted(lock.extras if lock and request.all_extras else request.extras)
    groups = request.groups | (lock.default_groups if lock and request.default_groups else frozenset())
    development = groups - (lock.extras if lock else frozenset())
    # With --prod, PDM takes no dependency group by name; without it, the named ones alone.
    selection = {"dev": None if development else False, "groups": [*extras, *sorted(groups)]}
    return [f"=={python}", _PDM_PLATFORMS[platform], {} if request == Request() else selection]


def _in_child(script: str, folder: Path, asked: Sequence[Question], specs: Sequence[object]) -> Answers:
    """A line of JSON for each question, from a Python process of its own: [name, version or null]..., or a reason."""
    printed = run([sys.executable, "-W", "ignore", "-c", script, json.dumps(specs)], folder, **_CHILD_SETTINGS)
    lines = [] if isinstance(printed, Refusal) else printed.splitlines()
    for position, question in enumerate(asked):
        if isinstance(printed, Refusal) or position >= len(lines):
            yield question, printed if isinstance(printed, Refusal) else Refusal("it ended early")
            continue
        found = json.loads(lines[position])
        yield question, Refusal(found) if isinstance(found, str) else frozenset(shown(*pair) for pair in found)


_CHILD_SETTINGS = {"PDM_CHECK_UPDATE": "0", "PDM_IGNORE_SAVED_PYTHON": "1", "PIPENV_IGNORE_VIRTUALENVS": "1"}

PIPENV = """
import contextlib, io, json, sys
from pipenv.project import Project
from pipenv.routines.requirements import generate_requirements

for categories in json.loads(sys.argv[1]):
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            generate_requirements(Project(), categories=categories, include_index=False)
        print(json.dumps(printed.getvalue()))
    except Exception as error:
        print(json.dumps([f"{type(error).__name__}: {str(error)[:300]}"]))
"""


def ask_pipenv(case: Case) -> Answers:
    asked = requests(case.lock)
    names = {"develop": "dev-packages"}
    specs = [" ".join(["packages", *(names.get(each, each) for each in sorted(one.groups))]) for one in asked]
    printed = run(
        [sys.executable, "-W", "ignore", "-c", PIPENV, json.dumps(specs)], case.path.parent, **_CHILD_SETTINGS
    )
    lines = [] if isinstance(printed, Refusal) else printed.splitlines()
    for request, line in zip(asked, lines, strict=False):
        found = json.loads(line)
        try:
            answer = Refusal(found[0]) if isinstance(found, list) else lines_answer(found.splitlines())
        except InvalidRequirement as error:
            answer = refusal(error)
        yield from evaluated(case.lock, request, answer)
    if isinstance(printed, Refusal):
        yield from evaluated(case.lock, Request(), printed)
