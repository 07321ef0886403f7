"""driftscan: whether a container image is exactly what its lock says, from files alone.

The public Python API; everything else may change between versions.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from driftscan._version import __version__

if TYPE_CHECKING:
    from driftscan.api import (
        Proving,
        adopt,
        check,
        compare,
        convert,
        inspect,
        open_target,
        read_baseline,
        read_lock,
        suppress,
    )
    from driftscan.errors import DriftscanError
    from driftscan.finding import Finding, Report, Severity, Verdict
    from driftscan.model.inventory import Inventory
    from driftscan.model.lock import Lock, Request

__all__ = [
    "DriftscanError",
    "Finding",
    "Inventory",
    "Lock",
    "Proving",
    "Report",
    "Request",
    "Severity",
    "Verdict",
    "__version__",
    "adopt",
    "check",
    "compare",
    "convert",
    "inspect",
    "open_target",
    "read_baseline",
    "read_lock",
    "suppress",
]

_HOMES = {
    "Proving": "driftscan.api",
    "adopt": "driftscan.api",
    "check": "driftscan.api",
    "compare": "driftscan.api",
    "convert": "driftscan.api",
    "inspect": "driftscan.api",
    "open_target": "driftscan.api",
    "read_baseline": "driftscan.api",
    "read_lock": "driftscan.api",
    "suppress": "driftscan.api",
    "DriftscanError": "driftscan.errors",
    "Finding": "driftscan.finding",
    "Report": "driftscan.finding",
    "Severity": "driftscan.finding",
    "Verdict": "driftscan.finding",
    "Inventory": "driftscan.model.inventory",
    "Lock": "driftscan.model.lock",
    "Request": "driftscan.model.lock",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used (PEP 562): the command line starts without all of them."""
        if name not in _HOMES:
            raise AttributeError(f"module 'driftscan' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _use_case(name: str) -> property:
    def get(_package: ModuleType) -> object:
        return getattr(import_module(_HOMES[name]), name)

    def ignore(_package: ModuleType, _module: ModuleType) -> None:
        """The import system's; the module stays in `sys.modules`, where `from driftscan.… import` finds it."""

    return property(get, ignore)


class _Package(ModuleType):
    """`compare` and `convert` are functions of the public API and names of modules as well; as attributes they are the
    functions.

    Without this, importing a module would make it the attribute (importlib sets submodules on their package).
    """

    compare = _use_case("compare")
    convert = _use_case("convert")


sys.modules[__name__].__class__ = _Package
