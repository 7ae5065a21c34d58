"""A lean HTTP lane over requests: pooled, no retries, and it knows whether anything was sent."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

import certifi
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from adapters.http_connection import HttpAnswer, HttpConnection, NoAnswer, NotSent

__all__ = ["HttpAnswer", "HttpLane", "NoAnswer", "NotSent"]

_METHODS_WITH_BODY = frozenset(("POST", "PUT", "DELETE"))


class _LeanAdapter(HTTPAdapter):
    """`requests`' transport to one host, over connections of our own.

    Leaves out the proxy, environment, cookie and redirect work of each call. At most `pool_size`
    idle connections are kept; the last used is the next used.
    """

    def __init__(
        self,
        base_url: str,
        pool_size: int,
        connect_timeout_s: float,
        read_timeout_s: float,
        max_idle_s: float,
    ) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base_url}: not an http or https address")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = None
        if parts.scheme == "https":
            self._tls = create_urllib3_context()
            self._tls.load_verify_locations(certifi.where())
        self._host_header = parts.netloc.rpartition("@")[2].encode()
        self._pool_size = pool_size
        self._times = (connect_timeout_s, read_timeout_s, max_idle_s)
        self._idle: list[HttpConnection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._heads: dict[int, bytes] = {}

    def send(self, request: PreparedRequest, *_: object, **__: object) -> Response:
        """Send and read the whole answer. Errors: `NotSent`, `NoAnswer`."""
        connection = self._take()
        answer = connection.request(self._bytes(request))
        self._give(connection)
        response = Response()
        response.status_code = answer.status
        response.headers = answer.headers  # type: ignore[assignment]
        response._content = answer.body
        return response

    def close(self) -> None:
        """Hang up all idle connections; what is under way ends with its request."""
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

    def _bytes(self, request: PreparedRequest) -> bytes:
        """Write the request as it travels: head and body in one piece."""
        assert request.method is not None and request.url is not None
        body = request.body or ""
        data = body.encode() if isinstance(body, str) else bytes(body)
        target = request.path_url if "://" in request.url else request.url
        length = b""
        if data or request.method in _METHODS_WITH_BODY:
            length = b"Content-Length: %d\r\n" % len(data)
        return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n%b" % (
            request.method.encode(),
            target.encode(),
            self._host_header,
            self._head(request.headers),
            length,
            data,
        )

    def _head(self, headers: Mapping[str, str]) -> bytes:
        known = self._heads.get(id(headers))
        if known is None:
            lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
            if any("\r" in line[:-2] or "\n" in line[:-2] for line in lines):
                raise ValueError("a header holds a line break")
            known = "".join(lines).encode("latin-1")
        return known

    def remember(self, headers: Mapping[str, str]) -> None:
        """Write these headers once for all requests that hand in the same object."""
        self._heads[id(headers)] = self._head(headers)


class HttpLane:
    """One caller's way to one host: a `requests.Session` with a prepared template.

    Any thread may call; at most `pool_size` idle connections stay open. Time-outs in seconds; the
    read time-out is between two pieces of an answer. Proxies and `.netrc` of the environment are
    not looked at. Errors of `request`: `NotSent`, `NoAnswer`; any status is an answer.
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
        self._adapter = _LeanAdapter(
            self.base_url, pool_size, connect_timeout_s, read_timeout_s, max_idle_s
        )
        self._session = Session()
        self._session.trust_env = False
        self._session.mount(self.base_url, self._adapter)
        self._headers = {"User-Agent": "bulkhead", "Accept": "application/json"} | dict(
            headers or {}
        )
        self._adapter.remember(self._headers)

    def request(
        self,
        method: str,
        target: str,
        *,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send one request for `target` (path and query) and read the whole answer."""
        prepared = PreparedRequest()
        prepared.method = method
        prepared.url = target
        prepared.headers = self._merged(headers)  # type: ignore[assignment]
        prepared.body = body
        answer = self._adapter.send(prepared)
        return HttpAnswer(answer.status_code, answer.headers, answer.content)

    def close(self) -> None:
        """Close the pooled connections; idempotent. A request after that raises `NotSent`."""
        self._session.close()

    def _merged(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        return self._headers | dict(headers) if headers else self._headers
