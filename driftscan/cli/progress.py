"""What is shown on stderr while layers are read, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Watch: TypeAlias = Callable[[int, int], None]
"""Called with the number of layers read so far and of all layers."""


@contextmanager
def layers(reference: str, *, quiet: bool) -> Iterator[Watch | None]:
    """A bar of the layers that were read, which disappears at the end; None where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from driftscan.report.escape import plain

    parts = (
        SpinnerColumn(),
        TextColumn("reading {task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("layers"),
        TimeElapsedColumn(),
    )
    with Progress(*parts, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(plain(reference), total=None)

        def update(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield update
