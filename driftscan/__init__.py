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
    from driftscan.api import check, compare, inspect, open_target, read_lock
    from driftscan.errors import DriftscanError
    from driftscan.finding import Finding, Report, Severity, Verdict
    from driftscan.model.inventory import Inventory
    from driftscan.model.lock import Lock, Request

__all__ = [
    "DriftscanError",
    "Finding",
    "Inventory",
    "Lock",
    "Report",
    "Request",
    "Severity",
    "Verdict",
    "__version__",
    "check",
    "compare",
    "inspect",
    "open_target",
    "read_lock",
]

_HOMES = {
    "check": "driftscan.api",
    "compare": "driftscan.api",
    "inspect": "driftscan.api",
    "open_target": "driftscan.api",
    "read_lock": "driftscan.api",
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


class _Package(ModuleType):
    """`compare` is a function of the public API and the name of a module as well; as an attribute it is the function.

    Without this, importing the module would make it the attribute (importlib sets submodules on their package).
    """

    @property
    def compare(self) -> object:
        return import_module(_HOMES["compare"]).compare

    @compare.setter
    def compare(self, module: ModuleType) -> None:
        """The import system's; the module stays in `sys.modules`, where `from driftscan.compare import …` finds it."""


sys.modules[__name__].__class__ = _Package
