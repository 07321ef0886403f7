"""Python metadata that lies in an image without being installed: vendored copies, caches, stale folders."""

from __future__ import annotations

import re
from collections.abc import Iterable

from driftscan.inventory.paths import shown
from driftscan.model.inventory import Leftover

_REASONS = (
    (re.compile(r"/_vendor(?:ed)?/|/_distutils_hack/"), "vendored"),
    (re.compile(r"/(?:archive-v\d+|wheels-v\d+|builds-v\d+|sdists-v\d+)/|/\.cache/uv/"), "cache of uv"),
    (re.compile(r"/\.cache/(?:pip|pypoetry)/|/pypoetry/(?:cache|artifacts)/"), "cache of an installer"),
    (re.compile(r"/pkgs/[^/]+/"), "cache of conda"),
    (re.compile(r"/lib/(?:python|pypy)3\.\d+t?/[^/]+$"), "bundled with the interpreter"),
)


def leftovers(metadata: Iterable[str], installed: Iterable[str], stale: Iterable[str]) -> tuple[Leftover, ...]:
    """Of the metadata folders in an image, those that are not installed, each with the reason.

    `installed` are the folders that were counted, `stale` those on a search path without usable metadata.
    """
    counted = set(installed)
    found = dict.fromkeys(stale, "stale")
    for path in metadata:
        if path not in counted and path not in found:
            found[path] = _reason(path)
    return tuple(Leftover(shown(path), why) for path, why in sorted(found.items()))


def _reason(path: str) -> str:
    text = f"/{path}"
    return next((why for pattern, why in _REASONS if pattern.search(text)), "not on the search path of an interpreter")
