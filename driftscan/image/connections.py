"""Connections whose answers have to begin in time as a whole.

A socket's timeout is for each piece that comes in, so headers sent byte by byte would never pass it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from ssl import SSLContext
from typing import TypeAlias

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from driftscan.image.transport import break_off

Watch: TypeAlias = Callable[[socket.socket], None]
"""Told of every socket that is connected."""


def new_pool(
    size: int, context: SSLContext | None, proxy: str | None, headers: dict[str, str] | None, watch: Watch
) -> PoolManager:
    """Up to `size` connections that are kept; `headers` are for the proxy."""
    if proxy is None:
        manager = PoolManager(maxsize=size, ssl_context=context)
    else:
        manager = ProxyManager(proxy, maxsize=size, ssl_context=context, proxy_headers=headers)
    manager.pool_classes_by_scheme = {"http": _plain_pool(watch), "https": _secure_pool(watch)}
    return manager


def _plain_pool(watch: Watch) -> type[HTTPConnectionPool]:
    class Connection(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            watch(self.sock)

        def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3 itself
            with _in_time(self.timeout, self.sock):
                return super().getresponse()

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    return Pool


def _secure_pool(watch: Watch) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            watch(self.sock)

        def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3 itself
            with _in_time(self.timeout, self.sock):
                return super().getresponse()

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


@contextmanager
def _in_time(seconds: float | None, connected: socket.socket) -> Iterator[None]:
    """Raise TimeoutError where the block takes longer than that; the connection is broken off to end it."""
    if seconds is None:
        yield
        return
    late = threading.Event()

    def shut() -> None:
        late.set()
        break_off(connected)

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
