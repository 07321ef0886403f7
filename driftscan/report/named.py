"""One of several reports."""

from __future__ import annotations

from typing import NamedTuple

from driftscan.finding import Report


class Named(NamedTuple):
    """The report of a target, by the name that the configuration gives it."""

    name: str
    report: Report
