"""A loopback HTTP server for tests that need an exact answer, half of one, or none."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Lock, Semaphore, Thread

from attrs import field, frozen


@frozen
class Request:
    """One request as it arrived; header names in lower case; `connection` counts from 0."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@frozen
class Reply:
    """What to answer. `cut_after` ends the connection after that many bytes of the answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(factory=dict)
    cut_after: int | None = None
    hang: bool = False
    then_close: bool = False


class ScriptedServer:
    """Answers each request with what `respond` says and keeps what it was asked."""

    def __init__(self, respond: Callable[[Request], Reply]) -> None:
        self._respond = respond
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = Lock()
        self._sockets: list[socket.socket] = []
        self._released = Event()
        self.closed = Semaphore(0)
        self.requests: list[Request] = []
        self.connections = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._released.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._sockets:
                connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.append(connection)
                number = self.connections
                self.connections += 1
            Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        held = b""
        try:
            while True:
                while (end := held.find(b"\r\n\r\n")) < 0:
                    received = connection.recv(65536)
                    if not received:
                        return
                    held += received
                lines = held[:end].decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines[1:])
                }
                size = int(headers.get("content-length", "0"))
                held = held[end + 4 :]
                while len(held) < size:
                    received = connection.recv(65536)
                    if not received:
                        return
                    held += received
                body, held = held[:size].decode(), held[size:]
                request = Request(method, target, headers, body, number)
                with self._lock:
                    self.requests.append(request)
                if not self._answer(connection, self._respond(request)):
                    return
        except OSError:
            return
        finally:
            connection.close()
            self.closed.release()

    def _answer(self, connection: socket.socket, reply: Reply) -> bool:
        if reply.hang:
            self._released.wait()
            return False
        head = [f"HTTP/1.1 {reply.status} X", f"Content-Length: {len(reply.body)}"]
        head += [f"{name}: {value}" for name, value in reply.headers.items()]
        raw = "\r\n".join(head).encode() + b"\r\n\r\n" + reply.body
        if reply.cut_after is not None:
            connection.sendall(raw[: reply.cut_after])
            connection.shutdown(socket.SHUT_RDWR)
            return False
        connection.sendall(raw)
        return not reply.then_close


@contextmanager
def serving(respond: Callable[[Request], Reply]) -> Iterator[ScriptedServer]:
    server = ScriptedServer(respond)
    try:
        yield server
    finally:
        server.close()
