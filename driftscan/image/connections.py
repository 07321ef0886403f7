"""Connections whose answers have to begin in time as a whole.

A socket's timeout is for each piece that comes in, so headers sent byte by byte would never pass it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from ssl import SSLContext

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class _PlainConnection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3 itself
        with _in_time(self.timeout, lambda: self.sock):
            return super().getresponse()


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3 itself
        with _in_time(self.timeout, lambda: self.sock):
            return super().getresponse()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def new_pool(size: int, context: SSLContext | None, proxy: str | None, headers: dict[str, str] | None) -> PoolManager:
    """Up to `size` connections that are kept; `headers` are for the proxy."""
    if proxy is None:
        manager = PoolManager(maxsize=size, ssl_context=context)
    else:
        manager = ProxyManager(proxy, maxsize=size, ssl_context=context, proxy_headers=headers)
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return manager


@contextmanager
def _in_time(seconds: float | None, find: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Raise TimeoutError where the block takes longer than that; the connection is broken off to end it."""
    if seconds is None:
        yield
        return
    late = threading.Event()

    def shut() -> None:
        late.set()
        if (found := find()) is not None:
            with suppress(OSError):
                # Past TLS: another thread is in the middle of reading through it.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    failure: Exception | None = None
    try:
        yield
    except (OSError, HTTPException) as error:
        failure = error
    finally:
        timer.cancel()
    if late.is_set():
        # Headers that break off look like whole ones to http.client.
        raise TimeoutError("timed out") from None
    if failure is not None:
        raise failure
