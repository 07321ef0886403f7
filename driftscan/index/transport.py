"""HTTP for package indexes: every answer is bounded in size and time, and nothing secret leaves its origin.

Plain http is for indexes that were named so, and among loopback addresses. Authorities are the system's, or those of
SSL_CERT_FILE and SSL_CERT_DIR; proxies those of the environment.
"""

from __future__ import annotations

import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeAlias
from urllib.parse import unquote, urljoin, urlsplit

from driftscan.errors import PackageIndexError
from driftscan.index.address import Origin, origin_of, refuse_link_local, shown, split_login
from driftscan.index.credentials import Logins, basic

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

MIB = 1 << 20
_RETRIED = frozenset((408, 429, 500, 502, 503, 504))
_REDIRECTED = frozenset((301, 302, 303, 307, 308))
_EXPECTED = frozenset((200, 206, 304, 404, 410, 416))
_REFUSED = frozenset((401, 403, 407))
_CHUNK = 1 << 16
CONNECTIONS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds, otherwise counts."""

    page: int = 32 * MIB
    metadata: int = 4 * MIB
    parts: int = 6 * MIB
    """What is read of a wheel to find its metadata."""
    sdist: int = 32 * MIB
    """A source distribution, packed; inflated twice that."""
    wheel: int = 4096 * MIB
    """A wheel that is fetched whole, packed."""
    connect: float = 10
    read: float = 30
    request: float = 90
    """One request with all its attempts."""
    download: float = 1800
    """The same for a whole wheel."""
    total: float = 600
    """All requests together; downloads aside."""
    attempts: int = 3
    pause: float = 0.5
    """Before the second attempt; doubled for each further one."""
    redirects: int = 5


class Answer(NamedTuple):
    """A whole answer. `url` is where it came from in the end; it can hold no credentials."""

    status: int
    url: str
    headers: Mapping[str, str]
    data: bytes

    @property
    def is_missing(self) -> bool:
        return self.status in (404, 410)


_Read: TypeAlias = "Callable[[BaseHTTPResponse, str, float], bytes]"
"""Takes the body of an answer from an address until a moment; _BrokenError where it stops before its end."""


class Web:
    """Connections to indexes and their file servers. Threads may share it.

    `indexes` are the URLs that the user named, with credentials.
    """

    def __init__(self, indexes: Iterable[str] = (), limits: Limits = Limits()) -> None:
        urls = tuple(indexes)
        self.limits = limits
        self._logins = Logins(urls)
        self._named = frozenset(map(origin_of, urls))
        self._pools: dict[str | None, PoolManager] = {}
        self._proxies: dict[Origin, str | None] = {}
        """Looked up once: it means a walk over the whole environment."""
        self._down: dict[Origin, PackageIndexError] = {}
        self._checked: set[Origin] = set()
        self._lock = threading.Lock()
        self._end = time.monotonic() + limits.total

    def close(self) -> None:
        for pool in self._pools.values():
            pool.clear()

    def get(self, url: str, headers: Mapping[str, str], limit: int) -> Answer:
        """The answer of a server that has it, or has it not (404, 410), or not that part (416); redirects followed.

        Raises PackageIndexError where there is no such answer within the limits, or it is larger than `limit`.
        """
        end = min(time.monotonic() + self.limits.request, self._end)
        return self._follow(url, headers, partial(_body, limit=limit), end)

    def download(self, url: str, file: BinaryIO) -> Answer:
        """The same for a file of any size, whose content is written to `file`; the answer has none."""
        end = time.monotonic() + self.limits.download
        read = partial(_stored, file=file, limit=self.limits.wheel)
        return self._follow(url, {"Accept-Encoding": "identity"}, read, end)

    def _follow(self, url: str, headers: Mapping[str, str], read: _Read, end: float) -> Answer:
        bare, login = split_login(url)
        origin = origin_of(bare)
        if origin in self._down:
            raise self._down[origin]
        secret = basic(login) if login is not None else self._logins.header(origin)
        headers = {"Accept-Encoding": "gzip", "User-Agent": "driftscan", **headers}
        for _ in range(self.limits.redirects + 1):
            self._check(origin)
            answer = self._repeat(bare, headers | ({"Authorization": secret} if secret else {}), read, end)
            if answer.status not in _REDIRECTED:
                return _expected(answer, secret is not None)
            before, bare = origin, split_login(urljoin(bare, answer.headers.get("location", "")))[0]
            origin = origin_of(bare)
            if origin != before:
                secret = None
            if before.scheme == "https" and origin.scheme == "http":
                raise PackageIndexError(f"it redirects to {origin}, which is not encrypted", where=str(before))
        raise PackageIndexError(f"it redirects more than {self.limits.redirects} times", where=shown(url))

    def _check(self, origin: Origin) -> None:
        """Refuse plain http where nobody asked for it, and what is no ordinary server of the web."""
        if origin in self._checked:
            return
        is_near = origin.is_loopback and any(named.is_loopback for named in self._named)
        if origin.scheme == "http" and origin not in self._named and not is_near:
            raise PackageIndexError(f"{origin} is not encrypted, and is no index that was asked for")
        refuse_link_local(origin)
        self._checked.add(origin)

    def _repeat(self, url: str, headers: Mapping[str, str], read: _Read, end: float) -> Answer:
        origin = origin_of(url)
        failure = PackageIndexError("it was not asked", where=str(origin))
        answer = None
        for attempt in range(self.limits.attempts):
            wait = self.limits.pause * 2**attempt
            try:
                answer = self._once(url, headers, read, end)
            except _BrokenError as error:
                answer = None
                failure = PackageIndexError(f"it gives no answer: {error}", where=str(origin))
            else:
                if answer.status not in _RETRIED:
                    return answer
                failure = PackageIndexError(f"it answered {answer.status}", where=shown(url))
                wait = _asked(answer.headers.get("retry-after")) or wait
            if attempt + 1 == self.limits.attempts or time.monotonic() + wait >= end:
                break
            time.sleep(wait)
        if answer is None:
            # The next project would be waited for as long.
            self._down[origin] = failure
        raise failure

    def _once(self, url: str, headers: Mapping[str, str], read: _Read, end: float) -> Answer:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        left = end - time.monotonic()
        if left <= 0:
            raise _BrokenError("it takes too long")
        timeout = Timeout(connect=min(self.limits.connect, left), read=min(self.limits.read, left))
        try:
            response = self._pool(url).request(
                "GET",
                url,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=timeout,
            )
            try:
                data = read(response, url, end) if _is_wanted(response.status, headers) else b""
            finally:
                response.close()
        except (HTTPError, OSError, ValueError, zlib.error) as error:
            raise _BrokenError(_cause(error)) from error
        return Answer(response.status, url, {key.lower(): value for key, value in response.headers.items()}, data)

    def _pool(self, url: str) -> PoolManager:
        from urllib3 import PoolManager, ProxyManager, make_headers

        origin = origin_of(url)
        with self._lock:
            if origin not in self._proxies:
                self._proxies[origin] = _proxy_for(origin)
            proxy = self._proxies[origin]
            if proxy not in self._pools:
                context = ssl.create_default_context()
                if proxy is None:
                    self._pools[None] = PoolManager(maxsize=CONNECTIONS, ssl_context=context)
                else:
                    parts = urlsplit(proxy)
                    login = unquote(f"{parts.username}:{parts.password or ''}") if parts.username else None
                    secret = make_headers(proxy_basic_auth=login) if login else None
                    self._pools[proxy] = ProxyManager(
                        proxy, maxsize=CONNECTIONS, ssl_context=context, proxy_headers=secret
                    )
            return self._pools[proxy]


class _BrokenError(Exception):
    """No answer came, or not all of it; another attempt may help."""


def _is_wanted(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the body of an answer is read: never a whole file where a part was asked for."""
    return status == 206 or (status == 200 and "Range" not in headers)


def _expected(answer: Answer, with_credentials: bool) -> Answer:
    where = shown(answer.url)
    if answer.status in _REFUSED:
        having = "with these credentials" if with_credentials else "without credentials"
        raise PackageIndexError(f"it gives no access {having} ({answer.status})", where=where)
    if answer.status not in _EXPECTED:
        raise PackageIndexError(f"it answered {answer.status}", where=where)
    return answer


def _body(response: BaseHTTPResponse, url: str, end: float, *, limit: int) -> bytes:
    """All of the body, inflated; PackageIndexError past `limit` bytes, _BrokenError past the moment `end`."""
    encoding = (response.headers.get("Content-Encoding") or "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise PackageIndexError(
            f"it answers in the encoding {encoding[:40]!r}, which was not asked for", where=shown(url)
        )
    inflate = None if encoding == "identity" else zlib.decompressobj(wbits=31)
    data = bytearray()
    while chunk := response.read1(_CHUNK, decode_content=False):
        data += chunk if inflate is None else inflate.decompress(chunk, limit + 1 - len(data))
        if len(data) > limit:
            raise PackageIndexError(f"it answers with more than {limit:,} bytes", where=shown(url))
        if time.monotonic() > end:
            raise _BrokenError("it takes too long")
    if inflate is not None and not inflate.eof:
        raise _BrokenError("its answer is cut off")
    return bytes(data)


def _stored(response: BaseHTTPResponse, url: str, end: float, *, file: BinaryIO, limit: int) -> bytes:
    """Writes the body to `file`, from its beginning; the same errors."""
    file.seek(0)
    file.truncate()
    if (response.headers.get("Content-Encoding") or "identity").strip().lower() != "identity":
        raise PackageIndexError("it answers in an encoding that was not asked for", where=shown(url))
    while chunk := response.read1(_CHUNK, decode_content=False):
        if file.tell() + len(chunk) > limit:
            raise PackageIndexError(f"it answers with more than {limit:,} bytes", where=shown(url))
        if time.monotonic() > end:
            raise _BrokenError("it takes too long")
        file.write(chunk)
    return b""


def _proxy_for(origin: Origin) -> str | None:
    from urllib.request import getproxies, proxy_bypass

    if origin.is_loopback or proxy_bypass(origin.host):
        return None
    proxies = getproxies()
    return proxies.get(origin.scheme) or proxies.get("all")


def _asked(retry_after: str | None) -> float | None:
    """Seconds that a Retry-After header asks for; None for a date, or where there is none."""
    text = (retry_after or "").strip()
    return float(text[:9]) if text.isdecimal() else None


def _cause(error: BaseException) -> str:
    """The innermost reason, on one line: the libraries wrap it several times."""
    deepest: BaseException = error
    for _ in range(10):
        inner = deepest.__cause__ or deepest.__context__
        if inner is None:
            break
        deepest = inner
    reason = deepest.strerror if isinstance(deepest, OSError) and deepest.strerror else str(deepest)
    return " ".join(reason.split())[:300] or type(deepest).__name__
