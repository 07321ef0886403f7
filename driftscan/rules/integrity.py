"""IN4xx: installed files against what was recorded when they were installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from driftscan.compare import Comparison
from driftscan.finding import Severity
from driftscan.listing import listed
from driftscan.model.image import LayerId
from driftscan.model.inventory import Distribution, DistributionForm, FileProblem, FileProblemKind
from driftscan.model.proof import DifferenceKind
from driftscan.rules.rule import Check, Draft, Rule

_WORDS = {
    FileProblemKind.MODIFIED: ("differs from its RECORD", "differ from its RECORD"),
    FileProblemKind.MISSING: ("is gone from the image", "are gone from the image"),
    FileProblemKind.UNOWNED: ("belongs to no distribution", "belong to no distribution"),
}

_PUT_BACK = "take out the step that removes it, or install again"
_MEANINGFUL = frozenset(("METADATA", "WHEEL", "entry_points.txt", "direct_url.json"))
"""Files of a dist-info that tools act on."""


class _Group(NamedTuple):
    """What is one event: 300 edited files of one distribution and layer are one finding."""

    owner: str | None
    layer: LayerId | None
    inert: bool


def _problems(kind: FileProblemKind) -> Check:
    def check(comparison: Comparison) -> Iterator[Draft]:
        environment = comparison.environment
        if environment is None:
            return
        owners = {each.path: each for each in environment.distributions}
        groups: dict[_Group, list[str]] = {}
        for problem in environment.problems:
            owner = owners.get(problem.distribution or "")
            if problem.kind is kind and not _is_record(problem, owner):
                group = _Group(problem.distribution, problem.layer, _is_inert(problem, owner))
                groups.setdefault(group, []).append(problem.path)
        for group, paths in groups.items():
            yield _draft(kind, group, owners.get(group.owner or ""), paths)

    return check


def _is_record(problem: FileProblem, owner: Distribution | None) -> bool:
    """Whether a RECORD is gone, without which nothing can be said of the other files: IN405."""
    return owner is not None and not owner.has_record and problem.path == f"{owner.path}/RECORD"


def _is_inert(problem: FileProblem, owner: Distribution | None) -> bool:
    """Whether it is text beside the metadata that differs since the installation: some wheels are published so."""
    return (
        problem.kind is FileProblemKind.MODIFIED
        and owner is not None
        and problem.path.startswith(f"{owner.path}/")
        and problem.path.rpartition("/")[2] not in _MEANINGFUL
        and problem.layer == owner.layer
    )


def _draft(kind: FileProblemKind, group: _Group, owner: Distribution | None, paths: list[str]) -> Draft:
    one, many = _WORDS[kind]
    subject = f"a file of {owner.name} {owner.version}" if owner is not None else "an importable file"
    if len(paths) > 1:
        subject = f"{len(paths)} files of {owner.name} {owner.version}" if owner else f"{len(paths)} importable files"
    doubt = "; nothing runs it, and its wheel may have been published so" if group.inert else ""
    return Draft(
        message=f"{subject} {one if len(paths) == 1 else many}: {listed(paths)}{doubt}",
        severity=Severity.INFO if group.inert else None,
        package=owner.name if owner is not None else None,
        installed=(owner.version,) if owner is not None else (),
        path=paths[0],
        layer=group.layer,
        subject=tuple(paths),
    )


def _missing(comparison: Comparison) -> Iterator[Draft]:
    yield from _problems(FileProblemKind.MISSING)(comparison)
    yield from _stranded(comparison)


def _stranded(comparison: Comparison) -> Iterator[Draft]:
    """Scripts by distribution and interpreter: a moved environment strands all that it has."""
    environment = comparison.environment
    owners = {each.path: each for each in environment.distributions} if environment is not None else {}
    groups: dict[tuple[str, str], list[FileProblem]] = {}
    for problem in environment.problems if environment is not None else ():
        if problem.kind is FileProblemKind.STRANDED and problem.distribution in owners:
            groups.setdefault((problem.distribution, problem.expected or ""), []).append(problem)
    for (owner, program), problems in groups.items():
        found = owners[owner]
        scripts = "a script" if len(problems) == 1 else f"{len(problems)} scripts"
        verb = "runs" if len(problems) == 1 else "run"
        yield Draft(
            message=f"{scripts} of {found.name} {found.version} {verb} {program}, which is not in the image: "
            f"{listed([each.path for each in problems])}",
            package=found.name,
            installed=(found.version,),
            path=problems[0].path,
            layer=problems[0].layer,
            subject=tuple(each.path for each in problems),
            hint="make the environment at the path where it is going to stay; its scripts do not move with it",
        )


def _no_record(comparison: Comparison) -> Iterator[Draft]:
    """Where a later layer took the RECORD away, that layer is named, else the one that brought the distribution."""
    problems = comparison.environment.problems if comparison.environment is not None else ()
    removed = {each.path: each.layer for each in problems if each.kind is FileProblemKind.MISSING}
    for row in comparison.rows:
        for found in row.installed:
            if not found.has_record and not found.is_foreign and found.form is not DistributionForm.LISTED:
                layer = removed.get(f"{found.path}/RECORD")
                yield Draft(
                    message=f"{found.name} {found.version} has no RECORD, so its files cannot be verified",
                    package=found.name,
                    installed=(found.version,),
                    path=found.path,
                    layer=layer or found.layer,
                    hint=_PUT_BACK if layer is not None else None,
                )


_DIFFERENCES = {
    DifferenceKind.CHANGED: ("is not the one in {wheel}", "are not those in {wheel}"),
    DifferenceKind.MISSING: ("is missing that {wheel} contains", "are missing that {wheel} contains"),
    DifferenceKind.ADDED: ("is not in {wheel}", "are not in {wheel}"),
}


def _not_the_locked_bytes(comparison: Comparison) -> Iterator[Draft]:
    for proof in comparison.proofs:
        groups: dict[tuple[DifferenceKind, LayerId | None], list[str]] = {}
        for difference in proof.differences:
            groups.setdefault((difference.kind, difference.layer), []).append(difference.path)
        for (kind, layer), paths in groups.items():
            one, many = _DIFFERENCES[kind]
            what = (
                f"a file of {proof.name} {proof.version}"
                if len(paths) == 1
                else (f"{len(paths)} files of {proof.name} {proof.version}")
            )
            how = (one if len(paths) == 1 else many).format(wheel=proof.filename)
            yield Draft(
                message=f"{what} {how}: {listed(paths)}",
                package=proof.name,
                locked=(proof.version,),
                installed=(proof.version,),
                path=paths[0],
                layer=layer,
            )


RULES = (
    Rule(
        code="IN401",
        slug="modified-file",
        severity=Severity.ERROR,
        summary="a file differs from its RECORD",
        why="What runs is not what was installed: a patch, a broken copy, or somebody else's code.",
        evidence="hashes in RECORD, and the bytes in the image",
        remedy="take the change out and install again; keep patches in a version of your own",
        check=_problems(FileProblemKind.MODIFIED),
    ),
    Rule(
        code="IN402",
        slug="missing-file",
        severity=Severity.ERROR,
        summary="a file in RECORD is not in the image, or the interpreter of a script",
        why="An import, a resource or a command fails where nobody tested it.",
        evidence="paths in RECORD, first lines of scripts, and the files in the image",
        remedy=_PUT_BACK,
        check=_missing,
    ),
    Rule(
        code="IN403",
        slug="unowned-file",
        severity=Severity.WARNING,
        summary="importable code in the environment that no RECORD owns",
        why="It can be imported, and can shadow other code, and no lock says where it is from.",
        evidence="all files that the environment can import, and all its RECORDs",
        remedy="package it and lock it, or keep it outside of site-packages",
        check=_problems(FileProblemKind.UNOWNED),
    ),
    Rule(
        code="IN404",
        slug="not-the-locked-bytes",
        severity=Severity.ERROR,
        summary="what is installed is not what the locked artifact contains",
        why="Name, version and RECORD can all be right while the code is another: a rebuilt or replaced wheel.",
        evidence="the files in the locked wheel, read whole or as its RECORD lists them, and the bytes in the image; "
        "judged only with --prove, --download or --wheels",
        remedy="install again from the lock with hashes required, and find out where this build came from",
        check=_not_the_locked_bytes,
    ),
    Rule(
        code="IN405",
        slug="no-record",
        severity=Severity.WARNING,
        summary="an installed distribution cannot be verified",
        why="Without a list of files and hashes nothing can be compared.",
        evidence="the metadata folder of the distribution",
        remedy="install it as a wheel with pip, uv or Poetry",
        check=_no_record,
    ),
)
