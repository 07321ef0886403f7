"""Addresses of indexes and files: what credentials belong to, and what may be shown."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from driftscan.errors import PackageIndexError

_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """What credentials belong to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Login(NamedTuple):
    """A user name and a password, or a token in place of either."""

    username: str
    password: str

    def __repr__(self) -> str:
        # Tracebacks and logs must not show a secret.
        return "Login(…)"


@lru_cache(maxsize=1024)
def origin_of(url: str) -> Origin:
    """Origin of an absolute URL; PackageIndexError where it is not http(s) or malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        if not parts.hostname or any(ord(character) <= 32 for character in url):
            raise ValueError
    except (KeyError, ValueError) as error:
        raise PackageIndexError(f"{shown(url)} is no address that can be asked") from error
    return Origin(parts.scheme, parts.hostname.lower(), port)


def split_login(url: str) -> tuple[str, Login | None]:
    """The URL without user, password and fragment, and what they were."""
    origin = origin_of(url)
    parts = urlsplit(url)
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path or "/", parts.query, ""))
    if parts.username is None:
        return bare, None
    if any(ord(character) < 32 for character in unquote(f"{parts.username}{parts.password}")):
        raise PackageIndexError("the user name or password has a control character", where=str(origin))
    return bare, Login(unquote(parts.username), unquote(parts.password or ""))


def shown(url: str) -> str:
    """The URL as reports may have it: without user, password, query and fragment, and not endless."""
    return public(url)[:200]


def public(url: str) -> str:
    """The URL as locks may have it: without user, password, query and fragment."""
    scheme, sign, rest = url.partition("#")[0].partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    if not sign:
        return scheme.rpartition("@")[2]
    return f"{scheme}{sign}{host.rpartition('@')[2]}{slash}{path}"


def warn_of_insecure(urls: Iterable[str], warn: Callable[[str], None] | None) -> None:
    """Tell `warn` of each index that is asked over plain http and is not on this machine."""
    if warn is None:
        return
    for url in dict.fromkeys(urls):
        origin = origin_of(url)
        if origin.scheme == "http" and not origin.is_loopback:
            warn(f"{shown(url)} is not secured by TLS: whoever stands in between can change what it says")


def refuse_link_local(origin: Origin) -> None:
    """Raise PackageIndexError where the host is or resolves to a link-local address, as metadata services of clouds."""
    try:
        addresses = {str(item[4][0]) for item in socket.getaddrinfo(origin.host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return  # a proxy may be able to resolve it; a direct connection will fail
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        if (mapped or address).is_link_local:
            raise PackageIndexError(f"{origin} is a link-local address ({text})")
