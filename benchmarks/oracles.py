"""The tools that own the lock formats, asked what they would install; none of them reaches a network.

Each function takes a `Case` and yields questions with the tool's answer. Where driftscan cannot read a lock there is
one question, the plainest, since nothing is known of the lock's parts.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast
from unittest.mock import patch

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
    lines_answer,
    place,
    program,
    refusal,
    requests,
    run,
    shown,
    targets,
)
from children import ask_pdm, ask_pipenv
from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from driftscan.model.lock import Request

if TYPE_CHECKING:
    from packaging.markers import Environment
    from poetry.utils.env import MockEnv


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
        answer = exported if isinstance(exported, Refusal) else lines_answer(exported.splitlines())
        yield from evaluated(case.lock, request, answer)


_UV_SETTINGS = {"UV_OFFLINE": "1", "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_CACHE": "1"}


def _uv_arguments(request: Request) -> list[str]:
    return [
        *("export", "--frozen", "--quiet", "--no-header", "--no-emit-workspace", "--no-hashes", "--no-annotate"),
        *("--format", "requirements-txt"),
        *(f"--extra={each}" for each in sorted(request.extras)),
        *(f"--group={each}" for each in sorted(request.groups)),
        *(f"--package={each}" for each in sorted(request.packages)),
        *(["--all-extras"] if request.all_extras else []),
        *([] if request.default_groups else ["--no-default-groups"]),
    ]


def ask_poetry(case: Case) -> Answers:
    """What `poetry install` decides to install; it is asked for each target, since it resolves older locks anew."""
    for name in targets(case.lock):
        for request in requests(case.lock):
            try:
                with patch("poetry.core.packages.path_dependency.PathDependency.validate", return_value=True):
                    answer: Answer = _poetry_answer(case, name, request)
            except Exception as error:  # noqa: BLE001  # any crash of the judge is its refusal
                answer = refusal(error)
            yield Question(name, request), answer


def _poetry_answer(case: Case, name: str, request: Request) -> frozenset[str]:
    from cleo.io.null_io import NullIO
    from poetry.factory import Factory
    from poetry.installation.executor import Executor
    from poetry.installation.installer import Installer
    from poetry.repositories.installed_repository import InstalledRepository

    project = Factory().create_poetry(case.path.parent, disable_plugins=True)
    environment = _poetry_environment(name)
    executor = Executor(environment, project.pool, project.config, NullIO())
    installer = Installer(
        *(NullIO(), environment, project.package, project.locker, project.pool, project.config),
        installed=InstalledRepository(),
        executor=executor,
    )
    # Folders beside the project are not there, and whether the lock is stale is another question.
    installer.skip_directory()
    if request.groups or not request.default_groups:
        groups = {"main", *request.groups, *(case.lock.default_groups if case.lock and request.default_groups else ())}
        installer.only_groups(sorted(map(canonicalize_name, groups)))
    extras = case.lock.extras if case.lock and request.all_extras else request.extras
    installer.extras(sorted(extras))
    with patch.object(executor, "execute", return_value=0) as execute, patch.object(project.locker, "is_fresh"):
        installer.run()
    chosen = [each.package for each in execute.call_args.args[0] if each.job_type == "install" and not each.skipped]
    return frozenset(
        shown(each.name, None if each.source_type in _DIRECT else str(each.version))
        for each in chosen
        if each.source_type not in ("directory", "file")
    )


_DIRECT = ("git", "url")


def _poetry_environment(name: str) -> MockEnv:
    from poetry.utils.env import MockEnv

    markers = place(name).markers
    major, minor, patch_ = map(int, markers["python_full_version"].split("."))
    return MockEnv(
        (major, minor, patch_),
        platform=markers["sys_platform"],
        platform_machine=markers["platform_machine"],
        os_name=markers["os_name"],
        marker_env=dict(markers),
    )


def ask_packaging(case: Case) -> Answers:
    from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError

    try:
        judge = Pylock.from_dict(tomllib.loads(case.path.read_text()))
    except (ValueError, PylockValidationError, PylockUnsupportedVersionError) as error:
        yield from evaluated(case.lock, Request(), refusal(error))
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
        return refusal(error)
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
        with redirect_stderr(StringIO()):
            parsed = [each for each in parse_requirements(str(case.path), session=PipSession()) if not each.constraint]
        found = [install_req_from_parsed_requirement(each) for each in parsed]
    except (Exception, SystemExit) as error:  # noqa: BLE001  # any crash of the judge is its refusal
        yield from evaluated(case.lock, Request(), refusal(error))
        return

    def answer(name: str) -> Iterator[str]:
        loose: dict[str, list[str]] = {}
        for each in found:
            if (
                each.name
                and not (each.link and each.link.is_file)
                and holds(str(each.markers or ""), place(name).markers)
            ):
                if each.link or each.is_pinned:
                    yield shown(each.name, None if each.link else str(each.specifier).removeprefix("=="))
                else:
                    loose.setdefault(canonicalize_name(each.name), []).append(str(each.specifier))
        # All that is said of one project holds together.
        yield from (shown(project, ",".join(filter(None, said))) for project, said in loose.items())

    yield from evaluated(case.lock, Request(), answer)


def ask_rattler(case: Case) -> Answers:
    from rattler import LockFile

    try:
        judge = LockFile.from_path(case.path)
    except Exception as error:  # noqa: BLE001  # rattler raises plain exceptions
        yield Question(TARGETS[0], Request()), refusal(error)
        return
    for name, environment in judge.environments():
        for platform in environment.platforms():
            found = environment.packages(platform) or []
            question = Question(f"3.12.4 {platform.subdir}", Request(groups=frozenset({name})))
            yield question, frozenset(_rattler_label(each) for each in found if not _is_local(each.location))


def _is_local(location: str) -> bool:
    return "://" not in location or location.startswith("file:")


def _rattler_label(package: object) -> str:
    from rattler import CondaLockedPackage, PypiLockedPackage

    if isinstance(package, CondaLockedPackage):
        record = package.package_record
        return shown(package.name, str(record.version) if record else None)
    assert isinstance(package, PypiLockedPackage)  # noqa: S101  # for the type checker
    return shown(package.name, None if package.location.startswith("git+") else package.version)


def ask_rattler_explicit(case: Case) -> Answers:
    from rattler.explicit_environment import ExplicitEnvironmentSpec

    question = Question(TARGETS[0], Request())
    try:
        packages = ExplicitEnvironmentSpec.from_path(case.path).packages
    except Exception as error:  # noqa: BLE001  # rattler raises plain exceptions
        yield question, refusal(error)
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
    "uv": Oracle("uv", ask_uv, "uv", names_local=False),
    "poetry": Oracle("poetry", ask_poetry, "poetry", names_local=False),
    "pylock": Oracle("packaging", ask_packaging, "packaging"),
    "pdm": Oracle("pdm", ask_pdm, "pdm"),
    "pipfile": Oracle("pipenv", ask_pipenv, "pipenv", names_local=False),
    "requirements": Oracle("pip", ask_pip, "pip", names_local=False),
    "pixi": Oracle("rattler", ask_rattler, "rattler", names_local=False),
    "conda-lock": Oracle("conda-lock", ask_conda_lock, "conda-lock"),
    "conda-explicit": Oracle("rattler", ask_rattler_explicit, "rattler"),
}
