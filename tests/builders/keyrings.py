"""A `keyring` program that knows one password, for tests of who asks it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def keyring(folder: Path, service: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put it first on the path: it has `secret` for `service`. The log of what it was asked, a line each."""
    programs = folder / "programs"
    programs.mkdir()
    log = folder / "log"
    (programs / "keyring").write_text(
        f'#!/bin/sh\necho "$@" >> {log}\ntest "$2" = {service} && echo secret && exit 0\nexit 1\n'
    )
    (programs / "keyring").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    return log
