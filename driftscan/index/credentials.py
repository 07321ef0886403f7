"""Credentials of indexes: those in the URLs that name them, and those of the netrc file.

The netrc file is that of `NETRC`, else `~/.netrc` or `~/_netrc`. Its `default` entry is not used: a lock may name any
host.
"""

from __future__ import annotations

import base64
import netrc
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from driftscan.index.address import Login, Origin, origin_of, split_login


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
