"""driftscan: whether a container image is exactly what its lock says, from files alone.

The public Python API; everything else may change between versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from driftscan._version import __version__

if TYPE_CHECKING:
    from driftscan.api import compare, inspect, read_lock
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
    "compare",
    "inspect",
    "read_lock",
]

_HOMES = {
    "compare": "driftscan.api",
    "inspect": "driftscan.api",
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


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562): the command line starts without what it does not need."""
    if name not in _HOMES:
        raise AttributeError(f"module 'driftscan' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
