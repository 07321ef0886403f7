"""HTTP for registries: TLS, proxies, timeouts, retries and redirects, with nothing secret leaving its origin.

Every answer is streamed; nobody reads more of a body than a limit of theirs allows. Compression of the transport is
declined, so that lengths and digests are those of the blob.
"""

from __future__ import annotations

import email.utils
import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from driftscan.errors import ImageError, UnreachableError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

ATTEMPTS = 5
_REDIRECTS = 5
_CONNECT_SECONDS = 10
_READ_SECONDS = 30
_LONGEST_WAIT = 60.0
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_CONNECTIONS = 8


class Origin(NamedTuple):
    """What credentials belong to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def origin_of(url: str) -> Origin:
    """Origin of an absolute URL; ImageError where it is not http(s), holds credentials or is malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        if not parts.hostname or parts.username is not None or parts.password is not None:
            raise ValueError
    except (KeyError, ValueError) as error:
        raise ImageError(f"the registry names an address that cannot be used: {url[:200]!r}") from error
    return Origin(parts.scheme, parts.hostname.lower(), port)


def may_be_plain(host: str, port: int | None = None) -> bool:
    """Whether plain http is acceptable: on loopback, or where `DRIFTSCAN_INSECURE_REGISTRIES` lists the host."""
    listed = {item.strip() for item in os.environ.get("DRIFTSCAN_INSECURE_REGISTRIES", "").split(",")}
    if host in listed or f"{host}:{port}" in listed:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_link_local(host: str) -> None:
    """Raise ImageError where `host` is or resolves to a link-local address, such as a cloud's metadata service."""
    try:
        addresses = {str(item[4][0]) for item in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        # A proxy may be able to resolve it; a direct connection will fail.
        return
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        if (mapped or address).is_link_local:
            raise ImageError(f"the registry names {host}, which is a link-local address ({text})")


class Answer(NamedTuple):
    """An answer whose body is still to be read. `redirected` means that it does not come from the registry itself."""

    response: BaseHTTPResponse
    url: str
    redirected: bool

    @property
    def status(self) -> int:
        return self.response.status

    def header(self, name: str) -> str | None:
        value: str | None = self.response.headers.get(name)
        return value

    def read(self, limit: int) -> bytes:
        """The body, up to `limit` bytes."""
        parts: list[bytes] = []
        while limit > 0 and (part := self.read_some(limit)):
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)

    def read_some(self, limit: int) -> bytes:
        """What has come in of the body, up to `limit` bytes; empty at its end. Nothing of it is lost in an error."""
        with broken_connections(self.url):
            return self.response.read1(limit, decode_content=False)


@contextmanager
def broken_connections(url: str) -> Iterator[None]:
    """Turn what breaks while a body is read into BrokenOffError."""
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (HTTPError, OSError) as error:
        raise BrokenOffError(f"the connection broke ({cause(error)})", where=str(origin_of(url))) from error


class Transport:
    """Connections of one image. Threads may share it."""

    def __init__(self) -> None:
        self._pools: dict[str | None, PoolManager] = {}

    def close(self) -> None:
        for pool in self._pools.values():
            pool.clear()

    @contextmanager
    def get(
        self, url: str, headers: Mapping[str, str], authorization: str | None = None, attempts: int = ATTEMPTS
    ) -> Iterator[Answer]:
        """An answer of any status that is no redirect. `authorization` is sent to `url` and to no other address."""
        response = self._follow(url, headers, authorization, attempts)
        try:
            yield response
        finally:
            response.response.close()

    def _follow(self, url: str, headers: Mapping[str, str], authorization: str | None, attempts: int) -> Answer:
        secret = {"Authorization": authorization} if authorization else {}
        response = self.send("GET", url, {**headers, **secret}, attempts=attempts)
        redirects = 0
        while response.status in _REDIRECTED:
            redirects += 1
            try:
                target = self._target(response, url)
            finally:
                response.close()
            if redirects > _REDIRECTS:
                raise ImageError(f"the registry redirects more than {_REDIRECTS} times", where=str(origin_of(url)))
            url = target
            response = self.send("GET", url, headers, attempts=attempts)
        return Answer(response, url, redirects > 0)

    @staticmethod
    def _target(response: BaseHTTPResponse, url: str) -> str:
        before = origin_of(url)
        target = urljoin(url, response.headers.get("Location") or "")
        after = origin_of(target)
        if after.scheme == "http" and (before.scheme == "https" or not may_be_plain(after.host, after.port)):
            raise ImageError(f"the registry redirects to {after}, which is not encrypted", where=str(before))
        if after != before:
            refuse_link_local(after.host)
        return target

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, attempts: int = ATTEMPTS
    ) -> BaseHTTPResponse:
        """One request, repeated within bounds while the server is busy or the connection breaks.

        Raises UnreachableError where no answer comes, or none but that the server is busy.
        """
        reason = ""
        for attempt in range(attempts):
            wait: float | None = None
            try:
                response = self._send_once(method, url, headers, body)
            except _BrokenError as error:
                reason = str(error)
            else:
                if response.status not in _RETRIED:
                    return response
                reason = f"it answered {response.status} {response.reason or ''}".rstrip()
                wait = retry_after(response.headers.get("Retry-After"))
                response.close()
            if attempt < attempts - 1:
                pause(attempt, wait)
        raise UnreachableError(f"no usable answer in {attempts} attempts ({reason})", where=str(origin_of(url)))

    def _send_once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> BaseHTTPResponse:
        from urllib3 import Timeout
        from urllib3 import exceptions as http

        try:
            return self._pool(url).request(
                method,
                url,
                headers={"Accept-Encoding": "identity", "User-Agent": "driftscan", **headers},
                body=body,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
            )
        except http.SSLError as error:
            hint = "name the bundle that has its authority in SSL_CERT_FILE"
            raise UnreachableError(f"TLS failed ({cause(error)})", where=str(origin_of(url)), hint=hint) from error
        except (http.NewConnectionError, http.ConnectTimeoutError, http.ProxyError, http.LocationValueError) as error:
            raise UnreachableError(f"no connection ({cause(error)})", where=str(origin_of(url))) from error
        except (http.HTTPError, OSError) as error:
            raise _BrokenError(cause(error)) from error

    def _pool(self, url: str) -> PoolManager:
        from urllib3 import PoolManager, ProxyManager, make_headers

        proxy = _proxy_for(url)
        pool = self._pools.get(proxy)
        if pool is None:
            # The default context trusts the system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR.
            context = ssl.create_default_context()
            if proxy is None:
                pool = PoolManager(maxsize=_CONNECTIONS, ssl_context=context)
            else:
                parts = urlsplit(proxy)
                login = unquote(f"{parts.username}:{parts.password or ''}") if parts.username else None
                pool = ProxyManager(
                    proxy,
                    maxsize=_CONNECTIONS,
                    ssl_context=context,
                    proxy_headers=make_headers(proxy_basic_auth=login) if login else None,
                )
            self._pools[proxy] = pool
        return pool


def pause(attempt: int, asked: float | None = None) -> None:
    """Wait before the next attempt: as long as the server asked, else longer each time."""
    time.sleep(min(2.0**attempt / 2 if asked is None else asked, _LONGEST_WAIT))


class BrokenOffError(UnreachableError):
    """The connection broke while the body of an answer came in; asking for the rest may help."""


class _BrokenError(Exception):
    """The connection broke before an answer came."""


def _proxy_for(url: str) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    origin = origin_of(url)
    proxies = getproxies()
    if origin.host == "localhost" or may_be_plain(origin.host, origin.port) or proxy_bypass(origin.host):
        return None
    return proxies.get(origin.scheme) or proxies.get("all")


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110 10.2.3: seconds or a date); None where it says nothing."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value.strip()[:9]), _LONGEST_WAIT)
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return max(0.0, min(moment.timestamp() - time.time(), _LONGEST_WAIT))
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def cause(error: BaseException) -> str:
    """The innermost reason, on one line: the libraries wrap it several times."""
    deepest: BaseException = error
    for _ in range(10):
        inner = deepest.__cause__ or deepest.__context__
        if inner is None:
            break
        deepest = inner
    reason = deepest.strerror if isinstance(deepest, OSError) and deepest.strerror else str(deepest)
    return " ".join(reason.split())[:300] or type(deepest).__name__
