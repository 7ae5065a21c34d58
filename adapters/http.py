"""A lean HTTP lane over requests: pooled, no retries, and it knows whether anything was sent."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any

import certifi
from attrs import frozen
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ClosedPoolError, HTTPError
from urllib3.util.ssl_ import create_urllib3_context

__all__ = ["HttpAnswer", "HttpLane", "NoAnswer", "NotSent"]

# urllib3 quotes whole URLs, signatures included, in its debug lines.
logging.getLogger("urllib3").setLevel(logging.INFO)

_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]


class NotSent(Exception):
    """No byte of the request left: no connection, or the kernel refused the first write."""


class NoAnswer(Exception):
    """The request, or a part of it, left; no whole answer came back."""


@frozen(slots=True)
class HttpAnswer:
    """Status, headers (looked up without regard to case) and whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _WholeResponse(HTTPResponse):
    """Refuse an answer whose headers were cut off or do not say where its body ends.

    Without this, half a header block of a dying connection passes for an empty answer of 200.
    """

    def begin(self) -> None:
        super().begin()
        if self.msg.defects or (self.length is None and not self.chunked):
            raise HTTPException("incomplete headers")


class _Fresh:
    """Tell the two kinds of failure apart, and never reuse a connection the server may have left.

    A server closes idle connections; when its FIN crosses our request, nobody can know whether the
    request was read. urllib3 finds a FIN that has arrived; `max_idle_s`, kept under the usual minute of
    servers, closes the window in which one may be on its way. What remains is reported as
    `NoAnswer`: it is never repeated here, since a blind repeat could place an order twice.
    """

    response_class: Any = _WholeResponse
    max_idle_s = 45.0
    _used_s = 0.0
    _begun = False

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except (OSError, HTTPError) as error:
            raise NotSent(f"no connection: {type(error).__name__}") from error
        self._used_s = time.monotonic()

    @property
    def is_connected(self) -> bool:
        if time.monotonic() - self._used_s > self.max_idle_s:
            return False
        return bool(super().is_connected)  # type: ignore[misc]

    def putrequest(self, *args: Any, **options: Any) -> None:
        self._begun = False
        super().putrequest(*args, **options)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        try:
            super().send(data)  # type: ignore[misc]
        except OSError as error:
            if not self._begun:
                raise NotSent(f"write refused: {type(error).__name__}") from error
            raise
        self._begun = True
        self._used_s = time.monotonic()


class _PlainConnection(_Fresh, HTTPConnection):
    pass


class _TlsConnection(_Fresh, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _LeanAdapter(HTTPAdapter):
    """`requests`' transport without its per-call proxy, environment, cookie and redirect work."""

    def __init__(self, pool_size: int, timeout: Timeout, max_idle_s: float) -> None:
        self._timeout = timeout
        self._max_idle_s = max_idle_s
        super().__init__(pool_connections=1, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        context = create_urllib3_context()
        context.load_verify_locations(certifi.where())
        self.poolmanager = PoolManager(
            num_pools=connections,
            maxsize=maxsize,
            block=block,
            socket_options=_SOCKET_OPTIONS,
            ssl_context=context,
        )
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool_with(_PlainPool, _PlainConnection, self._max_idle_s),
            "https": _pool_with(_TlsPool, _TlsConnection, self._max_idle_s),
        }

    def pool(self, url: str) -> HTTPConnectionPool:
        """Return the pool of `url`'s host; made once, kept."""
        pool: HTTPConnectionPool = self.poolmanager.connection_from_url(url)
        return pool

    def send(  # type: ignore[override]
        self, request: PreparedRequest, pool: HTTPConnectionPool | None = None, **_: object
    ) -> Response:
        assert request.url is not None and request.method is not None
        pool = pool or self.pool(request.url)
        try:
            raw = pool.urlopen(
                request.method,
                request.path_url if "://" in request.url else request.url,
                body=request.body,
                headers=request.headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=self._timeout,
                preload_content=True,
                decode_content=True,
            )
        except ClosedPoolError:
            raise NotSent("the lane is closed") from None
        except (HTTPError, OSError) as error:
            raise NoAnswer(f"no answer: {_cause(error)}") from error
        answer = Response()
        answer.status_code = raw.status
        answer.headers = raw.headers  # type: ignore[assignment]
        answer._content = raw.data
        return answer


def _pool_with(pool: type[Any], connection: type[Any], max_idle_s: float) -> type[Any]:
    aged = type(connection.__name__, (connection,), {"max_idle_s": max_idle_s})
    return type(pool.__name__, (pool,), {"ConnectionCls": aged})


def _cause(error: BaseException) -> str:
    """Name the innermost cause by type: texts of transport errors may quote the request's URL."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    return type(error).__name__


class HttpLane:
    """One caller's way to one host: a `requests.Session` with a prepared template.

    Any thread may call; at most `pool_size` connections stay open. Time-outs in seconds; the read
    time-out is between two pieces of an answer. Proxies and `.netrc` of the environment are not
    looked at. Errors of `request`: `NotSent`, `NoAnswer`; any status is an answer.
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
        timeout = Timeout(connect=connect_timeout_s, read=read_timeout_s)
        self._adapter = _LeanAdapter(pool_size, timeout, max_idle_s)
        self._session = Session()
        self._session.trust_env = False
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)
        self._pool = self._adapter.pool(self.base_url)
        self._headers = {"User-Agent": "bulkhead", "Accept": "application/json"} | dict(
            headers or {}
        )

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
        prepared.headers = self._headers | dict(headers) if headers else self._headers  # type: ignore[assignment]
        prepared.body = body
        answer = self._adapter.send(prepared, pool=self._pool)
        return HttpAnswer(answer.status_code, answer.headers, answer.content)

    def close(self) -> None:
        """Close the pooled connections; idempotent. A request after that raises `NotSent`."""
        self._session.close()
        self._pool.close()
