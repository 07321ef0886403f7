"""What holds for all projects of a uv.lock: constraints, overrides, Pythons, conflicts and environments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from driftscan.lock.document import Document
from driftscan.lock.mentions import Mentions
from driftscan.lock.standard import read_specifier
from driftscan.lock.table import Table
from driftscan.lock.uv_judge import Judge, Locked, Project, compare_groups, declared_all
from driftscan.lock.uv_requirements import read_sources, recorded, same_marker, same_versions
from driftscan.model.lock import Difference

_MANIFEST = {
    "constraints": "constraint-dependencies",
    "overrides": "override-dependencies",
    "build-constraints": "build-constraint-dependencies",
}
"""Requirements that hold for a whole workspace, by their keys in the lock and in `[tool.uv]`."""
_SINCE_LATELY = ("build-constraints",)
"""Those that older uv did not record."""
_ENVIRONMENTS = {"environments": "supported-markers", "required-environments": "required-markers"}

_PRE_RELEASE = re.compile(r"[.-]?(?:a|b|rc|dev)\d*$")


def workspace_differences(
    root: Document, pyproject: Table, projects: Sequence[Project], locked: Locked
) -> Iterator[Difference]:
    """What holds for all projects of a lock."""
    judge = Judge(Mentions(root.text), locked.data.text("requires-python"))
    settings, manifest = pyproject.table("tool").table("uv"), locked.data.table("manifest")
    sources = read_sources(pyproject, pyproject, ".")
    for key, name in _MANIFEST.items():
        texts = settings.items(name)
        if (key in _SINCE_LATELY and key not in manifest.values) or not all(isinstance(each, str) for each in texts):
            continue
        wanted = declared_all(map(str, texts), sources)
        yield from judge.compare(f"{name} has", wanted, map(recorded, manifest.tables(key)), "tool.uv")
    yield from _excludes(settings, manifest, judge.mentions)
    if not pyproject.table("project").values:
        yield from compare_groups(pyproject, manifest.table("dependency-groups"), sources, judge)
    members = [project for project in projects if project.key in locked.members]
    if len(members) == len(locked.members):
        yield from _python(members, locked.data, judge.mentions, pyproject)
        yield from _conflicts(members, locked.data, judge.mentions, pyproject)
    yield from _environments(settings, locked.data, judge)


def _excludes(settings: Table, manifest: Table, mentions: Mentions) -> Iterator[Difference]:
    """Projects that are left out whoever requires them; older uv did not record them."""
    if "excludes" not in manifest.values:
        return
    wanted = {canonicalize_name(each) for each in settings.items("exclude-dependencies") if isinstance(each, str)}
    locked = set(map(canonicalize_name, manifest.texts("excludes")))
    for name in sorted(wanted - locked):
        line = mentions.line(name, "tool.uv")
        yield Difference(f"exclude-dependencies has {name}, and the lock was made without it", name, line)
    for name in sorted(locked - wanted):
        yield Difference(f"exclude-dependencies has {name} no more, and the lock was made for it", name)


def _python(members: Sequence[Project], data: Table, mentions: Mentions, root: Table) -> Iterator[Difference]:
    """A lock is for the Pythons that all members admit; it tells nothing where one says nothing.

    Groups can have a Python of their own, which counts as well.
    """
    texts = [project.pyproject.table("project").text("requires-python") for project in members]
    own = [each.table("tool").table("uv").table("dependency-groups").values for each in (root, *_tables(members))]
    locked = data.text("requires-python")
    if any(own) or not texts or None in texts or locked is None:
        return
    wanted = list(dict.fromkeys(filter(None, texts)))
    if not _admit_the_same(",".join(wanted), locked):
        text = f"Python {' and '.join(wanted)} is required, and the lock was made for {locked}"
        yield Difference(text, None, mentions.line("requires-python", "project"))


def _tables(projects: Iterable[Project]) -> Iterator[Table]:
    yield from (project.pyproject for project in projects)


def _conflicts(members: Sequence[Project], data: Table, mentions: Mentions, root: Table) -> Iterator[Difference]:
    """A lock also has the conflicts of groups that include those that were named."""
    wanted = {each for project in members for each in _declared_conflicts(project.pyproject)}
    wanted |= set(_declared_conflicts(root))
    locked = {frozenset(map(_choice, each)) for each in _sets(data)}
    line = mentions.line("conflicts", "tool.uv")
    if new := sorted(sorted(each) for each in wanted - locked):
        yield Difference(f"{' and '.join(new[0])} conflict, and the lock was made without that", None, line)
    elif locked and not wanted:
        names = " and ".join(sorted(min(locked, key=sorted)))
        yield Difference(f"{names} conflict no more, and the lock was made for that", None, line)


def _declared_conflicts(pyproject: Table) -> Iterator[frozenset[str]]:
    name = pyproject.table("project").text("name") or ""
    for members in _sets(pyproject.table("tool").table("uv")):
        yield frozenset(_choice(each, name) for each in members)


def _sets(table: Table) -> Iterator[tuple[Table, ...]]:
    for members in table.items("conflicts"):
        yield Table({"conflicts": members}, table.where).tables("conflicts")


def _choice(member: Table, project: str = "") -> str:
    package = canonicalize_name(member.text("package") or project)
    for key in ("extra", "group"):
        if (name := member.text(key)) is not None:
            return f"the {key} {canonicalize_name(name)} of {package}"
    return f"the project {package}"


def _environments(settings: Table, data: Table, judge: Judge) -> Iterator[Difference]:
    """Markers of which one has to hold; none at all is any environment."""
    for name, key in _ENVIRONMENTS.items():
        written = settings.values.get(name)
        wanted = (written,) if isinstance(written, str) else settings.texts(name)
        either = _either(wanted), _either(data.texts(key))
        if not same_marker(*either, judge.requires_python):
            text = f"{name} are {either[0] or 'all'}, and the lock was made for {either[1] or 'all'}"
            yield Difference(text, None, judge.mentions.line(name, "tool.uv"))


def _either(texts: Sequence[str]) -> str | None:
    return " or ".join(f"({text})" for text in texts) or None


def _admit_the_same(one: str, other: str) -> bool:
    return same_versions(_bounds(one), _bounds(other), finals=True)


def _bounds(text: str) -> SpecifierSet | None:
    """uv ignores single releases that are left out, and what precedes a release."""
    specifier = read_specifier(text)
    if specifier is None:
        return None
    kept = [each for each in specifier if each.operator != "!="]
    return SpecifierSet(",".join(each.operator + _PRE_RELEASE.sub("", each.version) for each in kept))
