"""Addresses that registries name: what credentials belong to, and which hosts nobody may be led to."""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from driftscan.errors import ImageError

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_PORTS = {"http": 80, "https": 443}
_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254")))
"""Metadata services of clouds (Alibaba, Azure, AWS) beside those at link-local addresses."""


class Origin(NamedTuple):
    """What credentials belong to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """`host:port`, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def names(self) -> tuple[str, ...]:
        """What people write for it: `host:port`, and the host alone where the port is that of the scheme."""
        host = self.authority.rpartition(":")[0]
        return (self.authority, host) if self.port == _PORTS[self.scheme] else (self.authority,)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, told from the name alone."""
        try:
            return _unmapped(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def origin_of(url: str) -> Origin:
    """Origin of an absolute URL; ImageError where it is not http(s), holds credentials or is malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        if not parts.hostname or parts.username is not None or parts.password is not None:
            raise ValueError
    except (KeyError, ValueError) as error:
        raise ImageError(f"the registry names an address that cannot be used: {url[:200]!r}") from error
    return Origin(parts.scheme, parts.hostname.lower(), port)


def refuse_inner(target: Origin, before: Origin) -> None:
    """Raise ImageError where `before` leads to a place that only this machine can reach.

    That is a link-local address or another one of a cloud's metadata service, also by way of a name, and loopback
    unless `before` is there itself.
    """
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(target.host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        # A proxy may be able to resolve it; a direct connection will fail.
        return
    for text in sorted(found):
        address = _unmapped(text.partition("%")[0])
        if address.is_link_local:
            raise ImageError(f"the registry names {target.host}, which is a link-local address ({text})")
        if address in _METADATA:
            raise ImageError(f"the registry names {target.host}, which is a metadata service ({text})")
        if (address.is_loopback or address.is_unspecified) and not before.is_loopback:
            raise ImageError(f"the registry names {target.host}, which is this machine ({text})")


def _unmapped(text: str) -> _Address:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
