"""What is installed against what its RECORD says: changed, missing and unowned files, and the compiled ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from driftscan.inventory import commands, ospackages
from driftscan.inventory.contents import is_bytecode, script_digests
from driftscan.inventory.distributions import Context, Found, Site
from driftscan.inventory.paths import child, parent, shown
from driftscan.inventory.paths import name as basename
from driftscan.inventory.record import Row
from driftscan.listing import listed
from driftscan.model.image import ElfFacts, EntryKind
from driftscan.model.inventory import DistributionForm, FileProblem, FileProblemKind, Native
from driftscan.model.lock import Unchecked
from driftscan.rootfs import Node

_IMPORTABLE = (".py", ".so")
_TOOLING = frozenset({"_virtualenv.py", "_virtualenv.pth", "distutils-precedence.pth", "easy-install.pth"})
"""Written by virtualenv, uv and setuptools beside what their RECORD files list."""


@dataclass(slots=True)
class Verdict:
    """What the check of one site directory gave."""

    problems: list[FileProblem] = field(default_factory=list)
    natives: list[Native] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)


class Checker:
    """Checks site directories of one image; knows the hashes that every owner of a path expects."""

    def __init__(self, context: Context, sites: Iterable[Site], conda: Mapping[str, Row]) -> None:
        self.context = context
        self.conda = conda
        self.expected: dict[str, set[str | None]] = {}
        for site in sites:
            for found in site.found:
                for row in found.files.rows or ():
                    self.expected.setdefault(row.path, set()).add(row.sha256)
        for path, row in conda.items():
            self.expected.setdefault(path, set()).add(row.sha256)

    def check(self, site: Site, *, unowned: bool) -> Verdict:
        """Compares `site` with its records; looks for files that nothing owns where `unowned` says so."""
        verdict = Verdict()
        seen: set[str] = set()
        for found in site.found:
            self._distribution(found, seen, verdict)
        if unowned:
            self._unowned(site, verdict)
        return verdict

    def _distribution(self, found: Found, seen: set[str], verdict: Verdict) -> None:
        unhashed: list[str] = []
        for row in self._rows(found):
            node = self._node(row.path)
            if node is not None and node.entry.elf is not None:
                verdict.natives.append(self._native(found, row, node, node.entry.elf))
            if node is not None and node.entry.content is not None:
                self._script(found, row, node, node.entry.content, verdict)
            if found.distribution.owner is not None or row.path in seen or is_bytecode(row.path):
                continue
            seen.add(row.path)
            if row.path in self.context.os_index.owners:
                continue
            if node is None or (row.algorithm is not None and node.entry.kind is EntryKind.SYMLINK):
                verdict.problems.append(self._missing(found, row, node))
            elif node.entry.kind is EntryKind.FILE and self._cannot_be_compared(found, row, node):
                unhashed.append(shown(row.path))
            elif not self._matches(row, node):
                verdict.problems.append(self._modified(found, row, node))
        if unhashed:
            why = f"{len(unhashed)} of its files could not be compared with its RECORD: {listed(unhashed)}"
            verdict.unchecked.append(Unchecked(found.distribution.path, why))
        self._record(found, verdict)

    def _cannot_be_compared(self, found: Found, row: Row, node: Node) -> bool:
        """Whether a hash of a file is not at hand. Of code in dist-info's RECORD no installer leaves it out."""
        if row.sha256 is not None:
            return node.entry.sha256 is None
        is_installers = found.distribution.form is DistributionForm.DIST_INFO and found.distribution.conda_name is None
        return row.algorithm is not None or (is_installers and _is_importable(basename(row.path)))

    def _record(self, found: Found, verdict: Verdict) -> None:
        """A RECORD that a later layer took away, or put something else in the place of, is a file that is gone."""
        distribution = found.distribution
        if distribution.form is not DistributionForm.DIST_INFO or not _lists_nothing(found):
            return
        row = Row(f"{distribution.path.lstrip('/')}/RECORD")
        node = self._node(row.path)
        is_file = node is not None and node.entry.kind is EntryKind.FILE
        if not is_file and (node is not None or self.context.rootfs.removed_by(row.path) is not None):
            verdict.problems.append(self._missing(found, row, node))

    def _rows(self, found: Found) -> Iterator[Row]:
        """The listed files; for what conda installed, conda's own hashes, since it rewrites files as it links them."""
        for row in found.files.rows or ():
            if found.distribution.conda_name is None:
                yield row
            elif row.path in self.conda:
                yield self.conda[row.path]

    def _node(self, path: str) -> Node | None:
        node = self.context.rootfs.lookup(path)
        if node is not None and node.entry.kind is not EntryKind.SYMLINK:
            return node
        return self.context.rootfs.get(path) or node

    def _native(self, found: Found, row: Row, node: Node, facts: ElfFacts) -> Native:
        return Native(
            path=shown(row.path),
            distribution=found.distribution.path,
            elf=facts,
            layer=self.context.layer(node.layer),
        )

    def _script(self, found: Found, row: Row, node: Node, content: bytes, verdict: Verdict) -> None:
        """A script is of no use where its interpreter is not: the scripts of an environment do not move with it."""
        if not content.startswith(b"#!"):
            return
        text = content.decode("utf-8", "surrogateescape")
        program = commands.interpreter(text, parent(row.path))
        if program is not None and self.context.rootfs.get(program) is None:
            verdict.problems.append(
                FileProblem(
                    kind=FileProblemKind.STRANDED,
                    path=shown(row.path),
                    distribution=found.distribution.path,
                    expected=program,
                    layer=self.context.layer(node.layer),
                )
            )

    def _matches(self, row: Row, node: Node) -> bool:
        """Whether some owner of the path expects this content. One path in two RECORDs: the last install wins.

        Old pip kept the wheel's own hash of a script whose first line it had filled in.
        """
        if row.sha256 is None or node.entry.sha256 in self.expected[row.path]:
            return True
        return row.sha256 in script_digests(row.path, node.entry)

    def _missing(self, found: Found, row: Row, instead: Node | None) -> FileProblem:
        """A file that is not there, or `instead` of it something that leads to none."""
        layer = instead.layer if instead is not None else self.context.rootfs.removed_by(row.path)
        return FileProblem(
            kind=FileProblemKind.MISSING,
            path=shown(row.path),
            distribution=found.distribution.path,
            expected=row.sha256,
            layer=self.context.layer(layer),
        )

    def _modified(self, found: Found, row: Row, node: Node) -> FileProblem:
        # Where a link leads to it, whatever came last made the difference.
        link = self.context.rootfs.lookup(row.path)
        layer = max(node.layer, link.layer) if link is not None else node.layer
        return FileProblem(
            kind=FileProblemKind.MODIFIED,
            path=shown(row.path),
            distribution=found.distribution.path,
            expected=row.sha256,
            actual=node.entry.sha256,
            layer=self.context.layer(layer),
        )

    def _unowned(self, site: Site, verdict: Verdict) -> None:
        strangers = tuple(self._strangers(site))
        if strangers and self.context.os_index.has_rpm and ospackages.is_system_site(site.path):
            why = f"{len(strangers)} of its files belong to no RECORD; rpm, whose database is not read, may own them"
            verdict.unchecked.append(Unchecked(shown(site.path), why))
            return
        unlisted = [found.distribution for found in site.found if _lists_nothing(found)]
        if strangers and unlisted:
            named = ", ".join(sorted(distribution.name for distribution in unlisted)[:5])
            why = f"{len(strangers)} of its files belong to no RECORD; {named}, which lists no files, may own them"
            verdict.unchecked.append(Unchecked(shown(site.path), why))
            return
        verdict.problems += (
            FileProblem(
                kind=FileProblemKind.UNOWNED,
                path=shown(node.path),
                actual=node.entry.sha256,
                layer=self.context.layer(node.layer),
            )
            for node in strangers
        )

    def _strangers(self, site: Site) -> Iterator[Node]:
        """Importable files that no RECORD, conda package or OS package lists."""
        names = {top for found in site.found if found.files.rows is None for top in found.files.names}
        for node in self._importable(site.path):
            top = node.path[len(site.path) :].lstrip("/").split("/")[0]
            if node.path in self.expected or node.path in self.context.os_index.owners:
                continue
            if top not in _TOOLING and top.partition(".")[0] not in names and top not in names:
                yield node

    def _importable(self, folder: str) -> Iterator[Node]:
        for entry in self.context.rootfs.children(folder):
            path = child(folder, entry)
            node = self.context.rootfs.lookup(path)
            if node is None:
                continue
            if node.entry.kind is EntryKind.DIRECTORY:
                if entry.isidentifier() and entry != "__pycache__":
                    yield from self._importable(path)
            elif node.entry.kind is EntryKind.SYMLINK and entry.isidentifier():
                if self._leads_to_code_of_nobody(path):
                    yield node
            elif _is_importable(entry) or (entry.endswith(".pth") and self._has_code(path)):
                yield node

    def _leads_to_code_of_nobody(self, link: str) -> bool:
        """Whether a link to a directory adds a package that no listed file lies in."""
        target = self.context.rootfs.get(link)
        is_directory = target is not None and target.entry.kind is EntryKind.DIRECTORY
        return is_directory and not any(path.startswith(f"{link}/") for path in self.expected)

    def _has_code(self, path: str) -> bool:
        lines = (self.context.rootfs.read(path) or b"").decode("utf-8", "replace").splitlines()
        return any(line.startswith(("import ", "import\t")) for line in lines)


def _lists_nothing(found: Found) -> bool:
    """Whether files in the site directory may be this distribution's without anything saying so."""
    is_link = found.distribution.form is DistributionForm.EGG_LINK
    return found.files.rows is None and found.distribution.owner is None and not is_link


def _is_importable(filename: str) -> bool:
    return filename.endswith(_IMPORTABLE) and filename.partition(".")[0].isidentifier()


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    whole = Verdict()
    for verdict in verdicts:
        whole.problems += verdict.problems
        whole.natives += verdict.natives
        whole.unchecked += verdict.unchecked
    return whole
