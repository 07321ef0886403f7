"""The tools that own the lock formats, asked what they would install; none of them reaches a network.

Each function takes a `Case` and yields questions with the tool's answer. Where driftscan cannot read a lock there is
one question, the plainest, since nothing is known of the lock's parts.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from asking import (
    MOST,
    TARGETS,
    Answer,
    Answers,
    Case,
    Question,
    Refusal,
    evaluated,
    holds,
    place,
    program,
    requests,
    run,
    shown,
    targets,
)
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from driftscan.model.lock import Lock, Request

if TYPE_CHECKING:
    from packaging.markers import Environment


class Oracle(NamedTuple):
    """`answers` yields what the tool installs; `names_local` says that it can name folders, `requires` what it needs:
    the name of a module, or of a program."""

    tool: str
    answers: Callable[[Case], Answers]
    requires: str
    names_local: bool = True

    def is_installed(self) -> bool:
        return program(self.requires) is not None or find_spec(self.requires.partition(".")[0]) is not None


def ask_uv(case: Case) -> Answers:
    own = sorted(package.id.name for package in case.lock.packages if package.is_member) if case.lock else []
    asked = requests(case.lock)
    asked += [Request(packages=frozenset({name})) for name in own[:MOST]] if len(own) > 1 else []
    for request in asked:
        exported = run([program("uv") or "uv", *_uv_arguments(request)], case.path.parent, **_UV_SETTINGS)
        yield from evaluated(case.lock, request, exported if isinstance(exported, Refusal) else _uv_answer(exported))


_UV_SETTINGS = {"UV_OFFLINE": "1", "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_CACHE": "1"}


def _uv_arguments(request: Request) -> list[str]:
    return [
        *("export", "--frozen", "--quiet", "--no-header", "--no-emit-workspace", "--format", "pylock.toml"),
        *(f"--extra={each}" for each in sorted(request.extras)),
        *(f"--group={each}" for each in sorted(request.groups)),
        *(f"--package={each}" for each in sorted(request.packages)),
        *(["--all-extras"] if request.all_extras else []),
        *([] if request.default_groups else ["--no-default-groups"]),
    ]


def _uv_answer(exported: str) -> Callable[[str], Iterable[str]]:
    packages = tomllib.loads(exported).get("packages", [])

    def answer(name: str) -> Iterator[str]:
        for package in packages:
            direct = {"vcs", "directory", "archive"} & package.keys()
            if not package.get("directory", {}).get("editable") and holds(package.get("marker"), place(name).markers):
                yield shown(package["name"], None if direct else package["version"])

    return answer


def ask_poetry(case: Case) -> Answers:
    from cleo.io.null_io import NullIO
    from poetry.factory import Factory

    exporting = import_module("poetry_plugin_export.exporter")
    for request in requests(case.lock):
        groups = (
            {"main"} | request.groups | (case.lock.default_groups if request.default_groups and case.lock else set())
        )
        extras = case.lock.extras if case.lock and request.all_extras else request.extras
        try:
            exporter = exporting.Exporter(Factory().create_poetry(case.path.parent, disable_plugins=True), NullIO())
            exporter.with_hashes(False).with_urls(False)
            exporter.only_groups(sorted(map(canonicalize_name, groups)))
            exporter.with_extras(sorted(map(canonicalize_name, extras)))
            exporter.export("requirements.txt", case.path.parent, "exported.txt")
            answer = _lines_answer((case.path.parent / "exported.txt").read_text().splitlines())
        except Exception as error:  # noqa: BLE001  # any crash of the judge is its refusal
            yield from evaluated(case.lock, request, _refusal(error))
        else:
            yield from evaluated(case.lock, request, answer)


def _refusal(error: BaseException) -> Refusal:
    words = str(error).strip().splitlines()
    return Refusal(f"{type(error).__name__}: {words[0][:300] if words else ''}")


def _lines_answer(lines: Iterable[str]) -> Callable[[str], Iterable[str]]:
    """Requirements that hold; editables are left out, and what has an address counts by its name."""
    kept = [Requirement(line) for line in lines if line.strip() and not line.startswith(("-", "#", "."))]

    def answer(name: str) -> Iterator[str]:
        for each in kept:
            if holds(each.marker, place(name).markers):
                yield shown(each.name, None if each.url else str(each.specifier).removeprefix("=="))

    return answer


def ask_packaging(case: Case) -> Answers:
    from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError

    try:
        judge = Pylock.from_dict(tomllib.loads(case.path.read_text()))
    except (ValueError, PylockValidationError, PylockUnsupportedVersionError) as error:
        yield from evaluated(case.lock, Request(), _refusal(error))
        return
    for name in targets(case.lock):
        for request in requests(case.lock):
            yield Question(name, request), _packaging_answer(judge, name, request)


def _packaging_answer(judge: object, name: str, request: Request) -> Answer:
    from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock, PylockSelectError

    pylock = cast("Pylock", judge)
    groups = request.groups | set(pylock.default_groups or ()) if request.default_groups else request.groups
    found = set()

    def label(package: Package, file: object) -> str:
        if isinstance(file, PackageWheel):
            return shown(package.name, str(package.version or parse_wheel_filename(file.filename)[1]))
        if isinstance(file, PackageSdist):
            return shown(package.name, str(package.version or parse_sdist_filename(file.filename)[1]))
        return shown(package.name, None)

    try:
        selected = pylock.select(
            environment=cast("Environment", dict(place(name).markers)),
            tags=_all_tags(pylock.packages),
            extras=pylock.extras or () if request.all_extras else request.extras,
            dependency_groups=groups,
        )
        for package, file in selected:
            if not (package.directory and package.directory.editable):
                found.add(label(package, file))
    except PylockSelectError as error:
        return _refusal(error)
    return frozenset(found)


def _all_tags(packages: Iterable[object]) -> Sequence[Tag]:
    """Of all wheels, so that what is judged is which packages are selected, not which files."""
    from packaging.pylock import Package

    wheels = [wheel for package in packages if isinstance(package, Package) for wheel in package.wheels or ()]
    return sorted({tag for wheel in wheels for tag in parse_wheel_filename(wheel.filename)[3]}, key=str)


def ask_pip(case: Case) -> Answers:
    from pip._internal.network.session import PipSession
    from pip._internal.req.constructors import install_req_from_parsed_requirement
    from pip._internal.req.req_file import parse_requirements

    try:
        parsed = [each for each in parse_requirements(str(case.path), session=PipSession()) if not each.constraint]
        found = [install_req_from_parsed_requirement(each) for each in parsed]
    except (Exception, SystemExit) as error:  # noqa: BLE001  # any crash of the judge is its refusal
        yield from evaluated(case.lock, Request(), _refusal(error))
        return

    def answer(name: str) -> Iterator[str]:
        for each in found:
            # The markers are of a class that pip brings along.
            local = each.link is not None and each.link.is_file
            if each.name and not local and holds(str(each.markers or ""), place(name).markers):
                yield shown(each.name, None if each.link else str(each.specifier).removeprefix("=="))

    yield from evaluated(case.lock, Request(), answer)


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
            answer = Refusal(found[0]) if isinstance(found, list) else _lines_answer(found.splitlines())
        except InvalidRequirement as error:
            answer = _refusal(error)
        yield from evaluated(case.lock, request, answer)
    if isinstance(printed, Refusal):
        yield from evaluated(case.lock, Request(), printed)


def ask_rattler(case: Case) -> Answers:
    from rattler import LockFile

    try:
        judge = LockFile.from_path(case.path)
    except Exception as error:  # noqa: BLE001  # rattler raises plain exceptions
        yield Question(TARGETS[0], Request()), _refusal(error)
        return
    for name, environment in judge.environments():
        for platform in environment.platforms():
            found = environment.packages(platform) or []
            question = Question(f"3.12.4 {platform.subdir}", Request(groups=frozenset({name})))
            yield question, frozenset(_rattler_label(each) for each in found if not _is_local(each.location))


def _is_local(location: str) -> bool:
    """Folders and archives beside the lock; what has an address, or a path alone."""
    return "://" not in location or location.startswith("file:")


def _rattler_label(package: object) -> str:
    from rattler import CondaLockedPackage, PypiLockedPackage

    if isinstance(package, CondaLockedPackage):
        record = package.package_record
        return shown(package.name, str(record.version) if record else None)
    assert isinstance(package, PypiLockedPackage)  # noqa: S101  # for the type checker
    return shown(package.name, package.version)


def ask_rattler_explicit(case: Case) -> Answers:
    from rattler.explicit_environment import ExplicitEnvironmentSpec

    question = Question(TARGETS[0], Request())
    try:
        packages = ExplicitEnvironmentSpec.from_path(case.path).packages
    except Exception as error:  # noqa: BLE001  # rattler raises plain exceptions
        yield question, _refusal(error)
        return
    yield question, frozenset(conda_label(each.url) for each in packages)


def conda_label(url: str) -> str:
    name, version, _ = url.partition("#")[0].rsplit("/", 1)[1].rsplit("-", 2)
    return shown(name, version)


def ask_conda_lock(case: Case) -> Answers:
    asked = [Request(), Request(default_groups=False)]
    asked += [Request(all_extras=True)] if case.lock and case.lock.extras else []
    for request in asked:
        extras = sorted(case.lock.extras) if case.lock and request.all_extras else []
        for platform in ("linux-64", "osx-arm64", "win-64"):
            command = [program("conda-lock") or "conda-lock", "render", "-k", "explicit", "-p", platform]
            command += [] if request.default_groups else ["--no-dev-dependencies"]
            command += [f"--extras={name}" for name in extras]
            output = case.path.parent / f"conda-{platform}.lock"
            output.unlink(missing_ok=True)
            printed = run([*command, str(case.path)], case.path.parent)
            question = Question(f"3.12.4 {platform}", request)
            yield question, printed if isinstance(printed, Refusal) else _rendered(output)


def _rendered(output: Path) -> frozenset[str]:
    lines = output.read_text().splitlines() if output.exists() else []
    conda = {conda_label(line) for line in lines if line.startswith("http")}
    return frozenset(conda | {_pip_label(line) for line in lines if line.startswith("# pip ")})


def _pip_label(line: str) -> str:
    """`# pip NAME @ URL`, with `--hash` behind it; the version stands in the name of the file."""
    name, _, address = line.removeprefix("# pip ").split(" --hash")[0].partition(" @ ")
    filename = address.partition("#")[0].rpartition("/")[2].strip()
    try:
        version = (parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename)(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return shown(name, None)
    return shown(name, str(version))


ORACLES: Mapping[str, Oracle] = {
    "uv": Oracle("uv", ask_uv, "uv"),
    "poetry": Oracle("poetry", ask_poetry, "poetry_plugin_export"),
    "pylock": Oracle("packaging", ask_packaging, "packaging"),
    "pdm": Oracle("pdm", ask_pdm, "pdm"),
    "pipfile": Oracle("pipenv", ask_pipenv, "pipenv", names_local=False),
    "requirements": Oracle("pip", ask_pip, "pip", names_local=False),
    "pixi": Oracle("rattler", ask_rattler, "rattler", names_local=False),
    "conda-lock": Oracle("conda-lock", ask_conda_lock, "conda-lock"),
    "conda-explicit": Oracle("rattler", ask_rattler_explicit, "rattler"),
}
