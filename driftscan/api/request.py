"""What a user asked for, checked against what the locks offer."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from packaging.utils import canonicalize_name

from driftscan.errors import UsageError
from driftscan.model.lock import Lock, Request
from driftscan.rules import RULES


def resolved(request: Request, locks: Sequence[Lock]) -> Request:
    """`request` in the locks' own spelling of extras, groups and members; UsageError where none of them has one."""
    where = ", ".join(lock.path for lock in locks)
    members = [package.id.name for lock in locks for package in lock.packages if package.is_member]
    members += [lock.project_name for lock in locks if lock.project_name]
    return request._replace(
        extras=_known("extra", request.extras, (name for lock in locks for name in lock.extras), where),
        groups=_known("dependency group", request.groups, (name for lock in locks for name in lock.groups), where),
        packages=frozenset(
            canonicalize_name(name) for name in _known("workspace member", request.packages, members, where)
        ),
    )


def check_rules(names: Iterable[str]) -> None:
    """UsageError for a name that is neither a rule's code or slug, nor the beginning of a code (`DR`, `IN4`)."""
    for name in names:
        if not any(rule.slug == name.lower() or rule.code.startswith(name.upper() or "-") for rule in RULES):
            known = [*(rule.code for rule in RULES), *(rule.slug for rule in RULES)]
            close = difflib.get_close_matches(name.upper(), known, n=1) or difflib.get_close_matches(name, known, n=1)
            families = ", ".join(dict.fromkeys(rule.code.rstrip("0123456789") for rule in RULES))
            raise UsageError(
                f"there is no rule {name!r}",
                hint=f"did you mean {close[0]}?" if close else f"the families are {families}",
            )


def _known(what: str, asked: Iterable[str], offered: Iterable[str], where: str) -> frozenset[str]:
    spellings: dict[str, set[str]] = {}
    for name in offered:
        spellings.setdefault(canonicalize_name(name), set()).add(name)
    found: set[str] = set()
    for name in sorted(asked):
        if canonicalize_name(name) not in spellings:
            raise UsageError(f"there is no {what} {name!r}", where=where, hint=_hint(name, what, spellings))
        found |= spellings[canonicalize_name(name)]
    return frozenset(found)


def _hint(name: str, what: str, offered: Iterable[str]) -> str:
    names = sorted(offered)
    if close := difflib.get_close_matches(canonicalize_name(name), names, n=1):
        return f"did you mean {close[0]}?"
    return f"it has {', '.join(names)}" if names else f"it has no {what} at all"
