"""One HTTP/1.1 connection: a request in one write, a small strict reader, and nothing guessed.

Our own, because it is on every order's way: `http.client` under urllib3 writes head and body apart
and parses each answer's headers as e-mail: a whole order took 257 us with it and takes 145 with
this, 34 of them on the wire (tests/benchmarks/bench_http.py measures this side alone).
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Mapping

from attrs import frozen

__all__ = ["Headers", "HttpAnswer", "HttpConnection", "NoAnswer", "NotSent"]

_MAX_HEAD = 65_536
_MAX_BODY = 64 * 2**20
_PIECE = 65_536
_NO_BODY = (204, 304)


class NotSent(Exception):
    """No byte of the request left: no connection, or the kernel refused the first write."""


class NoAnswer(Exception):
    """The request, or a part of it, left; no whole answer came back."""


class Headers(dict[str, str]):
    """An answer's headers, looked up without regard to case; names are kept in lower case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(name.lower(), default)


@frozen(slots=True)
class HttpAnswer:
    """Status, headers (looked up without regard to case) and whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpConnection:
    """A connection that is opened when it is needed and given up when anything about it is odd.

    A server closes idle connections; when its FIN crosses our request, nobody can know whether the
    request was read. A FIN that has arrived is seen before writing; `max_idle_s`, kept well under
    the usual server limits, closes the window in which one may be on its way. What remains is
    `NoAnswer`: nothing is ever sent twice here, since a blind repeat could place an order twice.
    One thread at a time. Time-outs in seconds; the read time-out is between two pieces.
    """

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        *,
        connect_timeout_s: float,
        read_timeout_s: float,
        max_idle_s: float,
    ) -> None:
        self._address = (host, port)
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._max_idle_s = max_idle_s
        self._socket: socket.socket | None = None
        self._poll = select.poll()
        self._used_s = 0.0
        self._pending = b""

    def request(self, data: bytes) -> HttpAnswer:
        """Write a whole request and read its answer. Errors: `NotSent`, `NoAnswer`."""
        connection = self._fresh()
        self._write(connection, data)
        try:
            answer, keep = self._read(connection)
        except (OSError, ValueError) as error:
            self.close()
            raise NoAnswer(f"no answer: {_words(error)}") from error
        self._used_s = time.monotonic()
        if not keep or self._pending:
            self.close()
        return answer

    def close(self) -> None:
        """Hang up; idempotent. The next request connects anew."""
        connection, self._socket = self._socket, None
        self._pending = b""
        if connection is not None:
            self._poll.unregister(connection)
            connection.close()

    def _fresh(self) -> socket.socket:
        if self._socket is not None and not self._left():
            return self._socket
        self.close()
        try:
            plain = socket.create_connection(self._address, self._connect_timeout_s)
        except OSError as error:
            raise NotSent(f"no connection: {type(error).__name__}") from error
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            host = self._address[0]
            secured = self._tls.wrap_socket(plain, server_hostname=host) if self._tls else plain
            secured.settimeout(self._read_timeout_s)
        except OSError as error:
            plain.close()
            raise NotSent(f"no connection: {type(error).__name__}") from error
        self._socket = secured
        self._poll.register(secured, select.POLLIN)
        self._used_s = time.monotonic()
        return secured

    def _left(self) -> bool:
        """Tell whether the server may have left, or said something that nobody asked for."""
        assert self._socket is not None
        if time.monotonic() - self._used_s > self._max_idle_s:
            return True
        return bool(self._poll.poll(0))

    def _write(self, connection: socket.socket, data: bytes) -> None:
        sent = 0
        while sent < len(data):
            try:
                sent += connection.send(data if not sent else data[sent:])
            except OSError as error:
                self.close()
                if not sent:
                    raise NotSent(f"write refused: {type(error).__name__}") from error
                raise NoAnswer(f"write cut: {type(error).__name__}") from error

    def _read(self, connection: socket.socket) -> tuple[HttpAnswer, bool]:
        while True:
            head = self._until(connection, b"\r\n\r\n", _MAX_HEAD)
            status, headers, keep = _parsed(head)
            if status >= 200:
                break
        if status in _NO_BODY:
            body = b""
        elif headers.get("transfer-encoding", "") == "chunked":
            body = self._chunks(connection)
        else:
            body = self._exactly(connection, _length(headers))
        return HttpAnswer(status, headers, body), keep

    def _until(self, connection: socket.socket, mark: bytes, most: int) -> bytes:
        while True:
            found, at, rest = self._pending.partition(mark)
            if at:
                self._pending = rest
                return found
            if len(self._pending) > most:
                raise ValueError("an endless line")
            self._pending += self._piece(connection)

    def _exactly(self, connection: socket.socket, size: int) -> bytes:
        if size > _MAX_BODY:
            raise ValueError("a body too large")
        pieces = [self._pending]
        held = len(self._pending)
        while held < size:
            piece = self._piece(connection)
            pieces.append(piece)
            held += len(piece)
        whole = b"".join(pieces)
        self._pending = whole[size:]
        return whole[:size]

    def _chunks(self, connection: socket.socket) -> bytes:
        pieces: list[bytes] = []
        held = 0
        while True:
            line = self._until(connection, b"\r\n", _MAX_HEAD).partition(b";")[0].strip()
            size = _digits(line, 16)
            if size == 0:
                break
            held += size
            if held > _MAX_BODY:
                raise ValueError("a body too large")
            pieces.append(self._exactly(connection, size))
            if self._exactly(connection, 2) != b"\r\n":
                raise ValueError("a broken chunk")
        while self._until(connection, b"\r\n", _MAX_HEAD):
            continue
        return b"".join(pieces)

    def _piece(self, connection: socket.socket) -> bytes:
        piece = connection.recv(_PIECE)
        if not piece:
            raise ValueError("the connection was closed")
        return piece


def _parsed(head: bytes) -> tuple[int, Headers, bool]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    code = rest[:3]
    if version not in ("HTTP/1.1", "HTTP/1.0") or len(code) != 3 or not code.isdigit():
        raise ValueError("no HTTP")
    headers = Headers()
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ValueError("a broken header")
        key, value = name.lower(), value.strip()
        if key == "content-length" and dict.get(headers, key, value) != value:
            raise ValueError("two lengths")
        headers[key] = value
    wants = (dict.get(headers, "connection") or "").lower()
    return int(code), headers, version == "HTTP/1.1" and wants != "close"


def _length(headers: Headers) -> int:
    """Return the body's size. Errors: `ValueError` where its end is not stated."""
    if "transfer-encoding" in headers or "content-length" not in headers:
        raise ValueError("a body without a stated end")
    return _digits(headers["content-length"].encode(), 10)


def _digits(text: bytes, base: int) -> int:
    if not text or not text.isalnum():
        raise ValueError("a broken length")
    return int(text, base)


def _words(error: Exception) -> str:
    """Name an error without what it quotes: transport errors may hold a URL."""
    return str(error) if type(error) is ValueError else type(error).__name__
