"""HTTP for registries: TLS, proxies, timeouts and redirects, with nothing secret leaving its origin.

Every answer is streamed; nobody reads more of a body than a limit of theirs allows. Compression of the transport is
declined, so that lengths and digests are those of the blob.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import unquote, urljoin, urlsplit
from weakref import WeakSet

from driftscan.errors import ImageError, UnreachableError
from driftscan.image.addresses import Origin, origin_of, refuse_inner
from driftscan.image.patience import BrokenOffError, BusyError, Effort, Patience, retry_after
from driftscan.image.trust import Trust

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_REDIRECTS = 5
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_CONNECTIONS = 8

T = TypeVar("T")


class Answer(NamedTuple):
    """An answer whose body is still to be read. `redirected` means that it does not come from the registry itself."""

    response: BaseHTTPResponse
    url: str
    redirected: bool
    effort: Effort

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
        with _broken_connections(self.url):
            self.effort.check()
            with self.effort.spending():
                return self.response.read1(limit, decode_content=False)


class Transport:
    """Connections of one image. Threads may share it."""

    def __init__(self, trust: Trust, patience: Patience) -> None:
        self.trust = trust
        self.patience = patience
        self._pools: dict[tuple[str | None, Origin], PoolManager] = {}
        self._lock = threading.Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._aborted = threading.Event()

    def close(self) -> None:
        for pool in self._pools.values():
            pool.clear()

    def abort(self) -> None:
        """Let every wait in any thread end at once with an UnreachableError, now and from now on."""
        self._aborted.set()
        with self._lock:
            for connected in self._sockets:
                break_off(connected)

    def _watch(self, connected: socket.socket) -> None:
        with self._lock:
            self._sockets.add(connected)
            if self._aborted.is_set():
                break_off(connected)

    def effort(self) -> Effort:
        """For one piece of work."""
        return Effort(self.patience, self._aborted)

    def repeat(self, attempt: Callable[[Effort], T]) -> T:
        """What `attempt` gives, which is made again within bounds where the server is busy or a connection breaks.

        Raises UnreachableError where nothing comes of it.
        """
        effort = self.effort()
        while True:
            try:
                return attempt(effort)
            except BrokenOffError as error:
                effort.fail(error, "no usable answer")

    @contextmanager
    def get(
        self, url: str, headers: Mapping[str, str], effort: Effort, authorization: str | None = None
    ) -> Iterator[Answer]:
        """An answer that is no redirect, and says nothing of a busy server: those are BrokenOffError.

        `authorization` is sent to `url` and to no other address.
        """
        answer = self._follow(url, headers, authorization, effort)
        try:
            yield answer
        finally:
            answer.response.close()

    @contextmanager
    def request(
        self, method: str, url: str, headers: Mapping[str, str], effort: Effort, body: bytes | None = None
    ) -> Iterator[Answer]:
        """The answer to a request that nothing else may see: a redirect is an answer, too."""
        response = self._send(method, url, headers, effort, body)
        try:
            yield Answer(response, url, False, effort)
        finally:
            response.close()

    def _follow(self, url: str, headers: Mapping[str, str], authorization: str | None, effort: Effort) -> Answer:
        secret = {"Authorization": authorization} if authorization else {}
        response = self._send("GET", url, {**headers, **secret}, effort)
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
            response = self._send("GET", url, headers, effort)
        return Answer(response, url, redirects > 0, effort)

    def _target(self, response: BaseHTTPResponse, url: str) -> str:
        before = origin_of(url)
        target = urljoin(url, response.headers.get("Location") or "")
        after = origin_of(target)
        if after.scheme == "http" and (before.scheme == "https" or not self.trust.may_be_plain(after)):
            raise ImageError(f"the registry redirects to {after}, which is not encrypted", where=str(before))
        if after != before:
            refuse_inner(after, before)
        return target

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], effort: Effort, body: bytes | None = None
    ) -> BaseHTTPResponse:
        """One request. Raises UnreachableError where no connection stands, BrokenOffError where it breaks."""
        from urllib3 import Timeout
        from urllib3 import exceptions as http

        connect, read = effort.timeouts
        pool = self._pool(url)
        where = str(origin_of(url))
        try:
            with effort.spending():
                response = pool.request(
                    method,
                    url,
                    headers={"Accept-Encoding": "identity", "User-Agent": "driftscan", **headers},
                    body=body,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    decode_content=False,
                    timeout=Timeout(connect=connect, read=read),
                )
        except http.SSLError as error:
            raise _tls_error(error, where) from error
        except (http.NewConnectionError, http.ConnectTimeoutError, http.ProxyError, http.LocationValueError) as error:
            raise UnreachableError(f"no connection ({cause(error)})", where=where) from error
        except (http.HTTPError, OSError) as error:
            raise BrokenOffError(cause(error), where=where) from error
        if response.status in _RETRIED:
            reason = f"it answered {response.status} {response.reason or ''}".rstrip()
            asked = retry_after(response.headers.get("Retry-After"))
            response.close()
            raise BusyError(reason, where=where, wait=asked)
        return response

    def _pool(self, url: str) -> PoolManager:
        origin = origin_of(url)
        proxy = _proxy_for(origin)
        with self._lock:
            pool = self._pools.get((proxy, origin))
            if pool is None:
                pool = self._pools[proxy, origin] = self._new_pool(proxy, origin)
            return pool

    def _new_pool(self, proxy: str | None, origin: Origin) -> PoolManager:
        from urllib3 import make_headers

        from driftscan.image.connections import new_pool

        context = self.trust.context(origin) if origin.scheme == "https" else None
        parts = urlsplit(proxy or "")
        login = unquote(f"{parts.username}:{parts.password or ''}") if parts.username else None
        headers = make_headers(proxy_basic_auth=login) if login else None
        return new_pool(_CONNECTIONS, context, proxy, headers, self._watch)


def break_off(connected: socket.socket) -> None:
    """End a connection that another thread may be reading from, past TLS: it is in the middle of it."""
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


@contextmanager
def _broken_connections(url: str) -> Iterator[None]:
    """Turn what breaks while a body is read into BrokenOffError."""
    from urllib3.exceptions import HTTPError

    try:
        yield
    except BrokenOffError as error:
        error.where = str(origin_of(url))
        raise
    except (HTTPError, OSError) as error:
        raise BrokenOffError(f"the connection broke ({cause(error)})", where=str(origin_of(url))) from error


def _tls_error(error: Exception, where: str) -> UnreachableError:
    """What is wrong with the other side's TLS, or that the connection broke in the middle of it."""
    reason = _innermost(error)
    if isinstance(reason, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
        return BrokenOffError(cause(error), where=where)
    if isinstance(reason, ssl.SSLCertVerificationError):
        message = f"TLS failed (the certificate is not valid: {reason.verify_message})"
        hint = "name the bundle that has its authority in SSL_CERT_FILE, or put it into a certs.d folder"
        return UnreachableError(message, where=where, hint=hint)
    hint = "if it speaks plain http, name it in DRIFTSCAN_INSECURE_REGISTRIES"
    return UnreachableError(f"TLS failed ({cause(error)})", where=where, hint=hint)


def _proxy_for(origin: Origin) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    if origin.is_loopback or proxy_bypass(origin.host):
        return None
    return proxies.get(origin.scheme) or proxies.get("all")


def cause(error: BaseException) -> str:
    """The innermost reason, on one line: the libraries wrap it several times."""
    deepest = _innermost(error)
    reason = deepest.strerror if isinstance(deepest, OSError) and deepest.strerror else str(deepest)
    return " ".join(reason.split())[:300] or type(deepest).__name__


def _innermost(error: BaseException) -> BaseException:
    for _ in range(10):
        inner = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if inner is None:
            break
        error = inner
    return error
