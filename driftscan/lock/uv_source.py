"""Whether a uv.lock is up to date with the projects that it was made for, as `uv lock --check` decides it.

uv records in a lock what each project and workspace asked for: requirements, groups and extras under
`[package.metadata]`, what holds for all of them under `[manifest]`. That is compared with the pyproject.toml files
beside the lock; settings that can come from elsewhere too, such as those under `[options]`, are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from posixpath import join, normpath

from packaging.utils import canonicalize_name
from packaging.version import Version

from driftscan.errors import LockError
from driftscan.lock.document import Document, load_toml
from driftscan.lock.mentions import Mentions
from driftscan.lock.table import Table
from driftscan.lock.uv_judge import Judge, Locked, Project, compare_groups, declared_all
from driftscan.lock.uv_requirements import read_sources, recorded
from driftscan.lock.uv_workspace import workspace_differences
from driftscan.model.lock import Difference, LockSource, OriginKind

EVIDENCE = "the requirements that the lock records"
_EDGES = ("dependencies", "optional-dependencies", "dev-dependencies")
_FOLDERS = (OriginKind.EDITABLE, OriginKind.VIRTUAL, OriginKind.DIRECTORY)
_SCRIPT = ".py.lock"
"""End of the name of a script's lock, which no pyproject.toml belongs to."""


def compare_with_sources(document: Document, locked: Locked) -> tuple[LockSource, ...]:
    """The pyproject.toml files that a lock was made from, as far as they are there, and what in them it does not meet.

    `document` is the lock. A project whose requirements are not written down, there or in the lock, is left out.
    """
    root = None if document.name.endswith(_SCRIPT) else _read(document, "pyproject.toml")
    if root is None:
        return ()
    table = Table(load_toml(root), root.name)
    projects = tuple(_projects(document, root, table, locked))
    found = {project.document.name: tuple(_project_differences(project, locked)) for project in projects}
    workspace = (*_missing(root, table, projects), *workspace_differences(root, table, projects, locked))
    unknown = {project.document.name for project in projects if not _is_written(project)}
    files = {root.name: (*workspace, *found.pop(root.name, ())), **found}
    return tuple(LockSource(name, EVIDENCE, each) for name, each in files.items() if each or name not in unknown)


def _read(document: Document, path: str) -> Document | None:
    """A file beside the lock; None too where it lies outside of the project, which says nothing about the lock."""
    try:
        return document.sibling(path)
    except LockError:
        return None


def _projects(document: Document, root: Document, root_table: Table, locked: Locked) -> Iterator[Project]:
    for entry, key in zip(locked.entries, locked.ids, strict=True):
        folder = key.origin.location
        if key.origin.kind not in _FOLDERS:
            continue
        found = root if folder == "." else _read(document, normpath(join(folder, "pyproject.toml")))
        if found is None:
            continue
        pyproject = root_table if found is root else Table(load_toml(found), found.name)
        if pyproject.table("project").values:
            above = root_table if key in locked.members else Table({}, root.name)
            yield Project(found, pyproject, read_sources(pyproject, above, folder), entry, key)


def _missing(root: Document, pyproject: Table, projects: Iterable[Project]) -> Iterator[Difference]:
    name = pyproject.table("project").text("name")
    if name and all(project.document.name != root.name for project in projects):
        line = Mentions(root.text).line("name", "project")
        yield Difference(f"the lock was made without the project {name}", canonicalize_name(name), line)


def _is_written(project: Project) -> bool:
    """Whether the requirements of a project are in its file, and in the lock beside the packages that meet them."""
    dynamic = project.pyproject.table("project").texts("dynamic")
    is_recorded = "metadata" in project.entry.values or not any(key in project.entry.values for key in _EDGES)
    return is_recorded and not any(key in dynamic for key in ("dependencies", "optional-dependencies"))


def _project_differences(project: Project, locked: Locked) -> Iterator[Difference]:
    judge = Judge(Mentions(project.document.text), locked.data.text("requires-python"))
    table = project.pyproject.table("project")
    if canonicalize_name(table.text("name") or "") != project.key.name:
        text = f"the project is called {table.text('name')}, and the lock was made for {project.key.name}"
        yield Difference(text, project.key.name, judge.mentions.line("name", "project"))
        return
    yield from _version(project, judge.mentions)
    if _is_written(project):
        yield from _requirements(project, judge)
        yield from _extras(project, locked.data, judge.mentions)
    if _is_written(project) and project.key in locked.members:
        metadata = project.entry.table("metadata")
        key = "requires-dev" if "requires-dev" in metadata.values else "dependency-groups"
        yield from compare_groups(project.pyproject, metadata.table(key), project.sources, judge)


def _version(project: Project, mentions: Mentions) -> Iterator[Difference]:
    version, locked = project.pyproject.table("project").text("version"), project.key.version
    if version is not None and locked is not None and not _same_version(version, locked):
        text = f"the version of the project is {version}, and the lock was made for {locked}"
        yield Difference(text, project.key.name, mentions.line("version", "project"))


def _same_version(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except ValueError:
        return True


def _requirements(project: Project, judge: Judge) -> Iterator[Difference]:
    """Requirements of the project and its extras. A project that requires itself may have had that resolved."""
    table, name = project.pyproject.table("project"), project.key.name
    optional = table.table("optional-dependencies")
    wanted = [
        *declared_all(table.texts("dependencies"), project.sources),
        *(each for extra in optional.values for each in declared_all(optional.texts(extra), project.sources, extra)),
    ]
    locked = [recorded(each) for each in project.entry.table("metadata").tables("requires-dist")]
    includes_itself = any(each.name == name for each in (*wanted, *locked))
    yield from judge.compare(
        "the project requires",
        [each for each in wanted if each.name != name],
        [each for each in locked if each.name != name],
        "project",
        with_marker=not includes_itself,
    )


def _extras(project: Project, data: Table, mentions: Mentions) -> Iterator[Difference]:
    """Locks before revision 1 have no list of extras."""
    table = project.pyproject.table("project")
    if not data.values.get("revision"):
        return
    wanted = set(map(canonicalize_name, table.table("optional-dependencies").values))
    locked = set(map(canonicalize_name, project.entry.table("metadata").texts("provides-extras")))
    for extra in sorted(wanted - locked):
        line = mentions.line(extra, "project.optional-dependencies", "project")
        yield Difference(f"the project has the extra {extra}, and the lock was made without it", None, line)
    if gone := sorted(locked - wanted):
        yield Difference(f"the project does not have the extra {' and '.join(gone)} that the lock was made with")
