"""An engine as a process: in a folder of its own, in an environment that holds what was let through, and bounded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from driftscan.errors import LockError, ResolveError
from driftscan.lock import requirements
from driftscan.lock.document import Document
from driftscan.model.lock import Lock
from driftscan.resolve.question import RESULT, Impossible

_ALLOWED = (
    *("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "XDG_CACHE_HOME", "SYSTEMROOT"),
    *("NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("PIP_CERT", "PIP_CLIENT_CERT", "PIP_CACHE_DIR", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES"),
    *("UV_CACHE_DIR", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_CONCURRENT_DOWNLOADS"),
)
"""Where programs, temporary files, caches, authorities and proxies are, and how long to wait. Nothing that loads code
(`PYTHONPATH`, `LD_PRELOAD`), and nothing that says what to resolve: that is passed on as it was understood here."""
_TIMEOUT = 900
"""Seconds; the largest projects take one minute without any cache."""
_MOST_WORDS = 1 << 20
_BLOCK = 1 << 16
_SECRET = re.compile(r"(?<=://)[^/@\s]+@")
_GRACE = 5
_TRACEBACK = "Traceback (most recent call last)"


class Finished(NamedTuple):
    """What a process left: its exit code, and what it said."""

    code: int
    words: str


def environment(**more: str) -> dict[str, str]:
    """Variables for an engine: those of this process that are let through, and `more`."""
    return {name: value for name in _ALLOWED if (value := os.environ.get(name)) is not None} | more


class Work:
    """A process that was started in a temporary folder with `files`, and reads and writes nothing else of the user's.

    `explain` finds in how one failed what cannot be satisfied; None where it broke.
    """

    def __init__(
        self,
        program: str,
        command: Sequence[str],
        files: Mapping[str, str],
        variables: Mapping[str, str] = MappingProxyType({}),
        *,
        explain: Callable[[Finished], str | None],
    ) -> None:
        self._program = program
        self._explain = explain
        self._folder = Path(tempfile.mkdtemp(prefix="driftscan-"))
        try:
            for name, text in files.items():
                (self._folder / name).write_text(text, encoding="utf-8")
            self._process = subprocess.Popen(  # noqa: S603 (a fixed program; arguments are no shell's)
                command,
                cwd=self._folder,
                env=environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self._remove()
            raise ResolveError(f"{program} cannot be started: {error.strerror or error}") from error
        except BaseException:
            self._remove()
            raise

    @property
    def _output(self) -> int:
        assert self._process.stdout is not None  # noqa: S101 (a pipe was asked for)
        return self._process.stdout.fileno()

    def result(self) -> Lock | Impossible:
        finished = self._finished()
        if finished.code != 0:
            reason = self._explain(finished)
            if reason is None:
                raise ResolveError(f"{self._program} failed: {_last(finished.words)}")
            return Impossible(reason=clean(reason))
        try:
            return requirements.parse(Document(RESULT, (self._folder / RESULT).read_bytes()))
        except (OSError, LockError) as error:
            raise ResolveError(f"what {self._program} wrote cannot be read: {error}") from error

    def _finished(self) -> Finished:
        stop = threading.Timer(_TIMEOUT, self._kill)
        stop.start()
        try:
            data = b""
            while chunk := os.read(self._output, _BLOCK):
                data = (data + chunk)[-_MOST_WORDS:]
            code = self._process.wait()
        finally:
            stop.cancel()
        return Finished(code, data.decode("utf-8", "replace"))

    def close(self) -> None:
        self._kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._remove()

    def _kill(self) -> None:
        """The process and those that it started."""
        if self._process.poll() is None:
            with suppress(OSError):
                os.killpg(self._process.pid, 9)

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def clean(words: str) -> str:
    """Words of an engine on one line, without credentials."""
    return " ".join(_SECRET.sub("", words).split())


def _last(words: str) -> str:
    """The end of what was said; of a traceback the error."""
    lines = [line for line in words.splitlines() if line.strip()]
    count = 1 if _TRACEBACK in words else 6
    return clean(" ".join(lines[-count:]))[-600:] or "it said nothing"
