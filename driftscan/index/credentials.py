"""Credentials of indexes: those in the URLs that name them, those of the netrc file, and those that `keyring` keeps.

The netrc file is that of `NETRC`, else `~/.netrc` or `~/_netrc`. Its `default` entry is not used: a lock may name any
host.
"""

from __future__ import annotations

import base64
import netrc
import os
import shutil
import subprocess
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from driftscan.index.address import Login, Origin, origin_of, split_login

_PATIENCE = 60
"""Seconds; a keyring may have to be unlocked first."""


class Logins:
    """What each origin is told, looked up once."""

    def __init__(self, urls: Iterable[str] = ()) -> None:
        found = ((origin_of(url), split_login(url)[1]) for url in urls)
        self._known = {origin: login for origin, login in found if login is not None}

    def header(self, origin: Origin) -> str | None:
        """The Authorization header for an origin; None where nothing is known for it."""
        login = self._known.get(origin) or self._netrc.get(origin.host)
        return basic(login) if login is not None else None

    @cached_property
    def _netrc(self) -> dict[str, Login]:
        for path in _files():
            try:
                hosts = netrc.netrc(path).hosts
            except FileNotFoundError:
                continue
            except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
                return {}
            return {
                host.lower(): Login(login or account or "", password or "")
                for host, (login, account, password) in hosts.items()
                if host != "default"
            }
        return {}


def with_password(url: str) -> str:
    """The URL with the password that `keyring` has for its user, where it names one without; else as it is.

    The program is asked as pip and uv do it: for the address, then for its host.
    """
    bare, login = split_login(url)
    program = shutil.which("keyring") if login is not None and not login.password else None
    if login is None or program is None:
        return url
    parts = urlsplit(bare)
    for service in (bare, parts.netloc):
        if password := _kept(program, service, login.username):
            user = f"{quote(login.username, safe='')}:{quote(password, safe='')}"
            return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))
    return url


def _kept(program: str, service: str, username: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 (the user's own keyring; no shell)
            [program, "get", service, username],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.rstrip("\r\n") or None


def basic(login: Login) -> str:
    """RFC 7617."""
    return f"Basic {base64.b64encode(f'{login.username}:{login.password}'.encode()).decode()}"


def _files() -> tuple[Path, ...]:
    if explicit := os.environ.get("NETRC"):
        return (Path(explicit),)
    try:
        home = Path.home()
    except RuntimeError:
        return ()
    return home / ".netrc", home / "_netrc"
