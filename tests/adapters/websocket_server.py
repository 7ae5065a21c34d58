"""A loopback WebSocket server for tests: real handshake, hand-made frames, full control."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(payload: bytes, *, opcode: int = 1, final: bool = True) -> bytes:
    head = bytes([(0x80 if final else 0) | opcode])
    size = len(payload)
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65536:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._held = b""
        self.target = ""

    def handshake(self) -> None:
        while b"\r\n\r\n" not in self._held:
            self._more()
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.target = lines[0].split(" ")[1]
        key = next(
            line.partition(":")[2].strip()
            for line in lines
            if line.lower().startswith("sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest()).decode()
        self._connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )

    def send(self, payload: bytes, *, opcode: int = 1, final: bool = True) -> None:
        self.send_raw(frame(payload, opcode=opcode, final=final))

    def send_raw(self, data: bytes) -> None:
        self._connection.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """Return opcode and payload of the client's next frame."""
        self._need(2)
        opcode, size, head = self._held[0] & 0x0F, self._held[1] & 0x7F, 2
        if size == 126:
            self._need(4)
            size, head = int.from_bytes(self._held[2:4], "big"), 4
        self._need(head + 4 + size)
        mask = self._held[head : head + 4]
        body = self._held[head + 4 : head + 4 + size]
        self._held = self._held[head + 4 + size :]
        return opcode, bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))

    def closed_by_client(self) -> bool:
        """Wait until the client hangs up."""
        try:
            while True:
                opcode, _ = self.receive()
                if opcode == 8:
                    return True
        except OSError:
            return True

    def cut(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)

    def _need(self, size: int) -> None:
        while len(self._held) < size:
            self._more()

    def _more(self) -> None:
        received = self._connection.recv(65536)
        if not received:
            raise ConnectionResetError("client left")
        self._held += received


class SocketServer:
    """Runs `script` for each connection on its own thread."""

    def __init__(self, script: Callable[[Peer], None]) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = Lock()
        self._sockets: list[socket.socket] = []
        self.failures: list[BaseException] = []
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
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
            connection.settimeout(5)
            with self._lock:
                self._sockets.append(connection)
            Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        peer = Peer(connection)
        try:
            peer.handshake()
            self._script(peer)
        except OSError:
            return
        except Exception as error:
            self.failures.append(error)
            raise
        finally:
            connection.close()


@contextmanager
def socket_serving(script: Callable[[Peer], None]) -> Iterator[SocketServer]:
    server = SocketServer(script)
    try:
        yield server
    finally:
        server.close()
