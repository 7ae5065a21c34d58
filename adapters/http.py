"""A lean HTTP lane: pooled connections, no retries, and it knows whether anything was sent."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

import certifi
from urllib3.util.ssl_ import create_urllib3_context

from adapters.http_connection import HttpAnswer, HttpConnection, NoAnswer, NotSent

__all__ = ["HttpAnswer", "HttpLane", "NoAnswer", "NotSent"]

_METHODS_WITH_BODY = frozenset(("POST", "PUT", "DELETE"))


class HttpLane:
    """One caller's way to one host: connections that are kept alive, headers written once.

    Any thread may call; at most `pool_size` idle connections stay open, the last used is the next
    used. Time-outs in seconds; the read time-out is between two pieces of an answer. Neither
    proxies nor `.netrc` nor cookies nor redirects. Errors of `request`: `NotSent`, `NoAnswer`; any
    status is an answer.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        headers: Mapping[str, str] | None = None,
        pool_size: int = 4,
        max_idle_s: float = 45.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base_url}: not an http or https address")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = None
        if parts.scheme == "https":
            self._tls = create_urllib3_context()
            self._tls.load_verify_locations(certifi.where())
        host = parts.netloc.rpartition("@")[2]
        every = {"Host": host, "User-Agent": "bulkhead", "Accept": "application/json"}
        self._head = _head(every | dict(headers or {}))
        self._pool_size = pool_size
        self._times = (connect_timeout_s, read_timeout_s, max_idle_s)
        self._idle: list[HttpConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    def request(
        self,
        method: str,
        target: str,
        *,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send one request for `target` (path and query) and read the whole answer."""
        data = body.encode() if body else b""
        length = b""
        if data or method in _METHODS_WITH_BODY:
            length = b"Content-Length: %d\r\n" % len(data)
        whole = b"%b %b HTTP/1.1\r\n%b%b%b\r\n%b" % (
            method.encode(),
            target.encode(),
            self._head,
            _head(headers) if headers else b"",
            length,
            data,
        )
        connection = self._take()
        answer = connection.request(whole)
        self._give(connection)
        return answer

    def close(self) -> None:
        """Hang up all idle connections; idempotent. A request after that raises `NotSent`.

        What is under way ends with its answer.
        """
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> HttpConnection:
        with self._lock:
            if self._closed:
                raise NotSent("the lane is closed")
            if self._idle:
                return self._idle.pop()
        connect_timeout_s, read_timeout_s, max_idle_s = self._times
        return HttpConnection(
            self._host,
            self._port,
            self._tls,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            max_idle_s=max_idle_s,
        )

    def _give(self, connection: HttpConnection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < self._pool_size:
                self._idle.append(connection)
                return
        connection.close()


def _head(headers: Mapping[str, str]) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if any("\r" in line[:-2] or "\n" in line[:-2] for line in lines):
        raise ValueError("a header holds a line break")
    return "".join(lines).encode("latin-1")
