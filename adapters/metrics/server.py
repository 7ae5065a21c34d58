"""A small HTTP server for a trading process: one thread, no more of anything than is written here.

The library's own server starts a thread for each connection and waits for slow clients without end.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from time import monotonic, sleep

from attrs import define, field, frozen

from core.addresses import Address
from core.errors import UsageError
from core.ports import Log

__all__ = ["MetricsServer", "Page", "listen"]

_MOST_CALLERS = 16
_MOST_HEAD = 8 * 1024
_REQUEST_WITHIN_S = 2.0
_ANSWER_WITHIN_S = 5.0
_LEAVE_WITHIN_S = 1.0
_CLOSE_WITHIN_S = 1.0
_AFTER_TROUBLE_S = 0.05
_PART = 65_536
_METHODS = ("GET", "HEAD")


@frozen(slots=True)
class Page:
    """One answer, before HTTP."""

    code: int
    kind: str
    body: bytes


@define(eq=False)
class _Caller:
    """One connection: its request as far as it came, then its answer as far as it went."""

    connection: socket.socket
    until_s: float
    head: bytearray = field(factory=bytearray)
    answer: memoryview | None = None
    told: bool = False


class MetricsServer:
    """Serve pages at an address until closed.

    `page` answers a path; it may block, with a time-out, and everybody waits for it: what it
    answers is the same for all. At most `_MOST_CALLERS` are connected at once, the oldest makes
    room. Errors: `UsageError` where the address cannot be listened on.
    """

    def __init__(self, address: Address, page: Callable[[str], Page], log: Log) -> None:
        self._page = page
        self._log = log
        self._callers: list[_Caller] = []
        self._listener = listen(address)
        self.address = Address(address.host, self._listener.getsockname()[1])
        try:
            self._wake, self._woken = socket.socketpair()
            self._waiting = DefaultSelector()
            self._thread = threading.Thread(target=self._serve, name="metrics", daemon=True)
            self._thread.start()
        except (OSError, RuntimeError) as error:  # no file or no thread is left
            self._listener.close()
            mend = "raise the limits of open files and threads"
            raise UsageError(
                f"metrics cannot be served: {error}", str(self.address), mend
            ) from error

    def close(self) -> None:
        """Stop serving and leave the port; idempotent."""
        with suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(_CLOSE_WITHIN_S)
        self._wake.close()
        self._listener.close()

    def _serve(self) -> None:
        self._waiting.register(self._listener, EVENT_READ)
        self._waiting.register(self._woken, EVENT_READ)
        with self._woken, self._listener, self._waiting:
            while not self._turn():
                pass
            for caller in self._callers:
                caller.connection.close()

    def _turn(self) -> bool:
        """Do what can be done now, or wait for something to do; return whether to stop."""
        now_s = monotonic()
        wait_s = min((caller.until_s - now_s for caller in self._callers), default=None)
        ready = self._waiting.select(wait_s)
        seen_s = monotonic()
        for key, _ in ready:
            if key.fileobj is self._woken:
                return True
            try:
                if key.fileobj is self._listener:
                    self._admit()
                elif key.data in self._callers:
                    self._attend(key.data)
            except (OSError, MemoryError):  # files or memory ran out
                sleep(_AFTER_TROUBLE_S)
        # What came while a page was made is read first: only who was late before that is dropped.
        for caller in [caller for caller in self._callers if caller.until_s <= seen_s]:
            self._drop(caller)
        return False

    def _admit(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):  # the caller left already
            return
        if len(self._callers) >= _MOST_CALLERS:
            self._drop(self._callers[0])
        caller = _Caller(connection, monotonic() + _REQUEST_WITHIN_S)
        try:
            connection.setblocking(False)
            self._waiting.register(connection, EVENT_READ, caller)
        except BaseException:
            connection.close()
            raise
        self._callers.append(caller)

    def _attend(self, caller: _Caller) -> None:
        try:
            if caller.told:
                if not caller.connection.recv(_PART):
                    self._drop(caller)
            elif caller.answer is None:
                self._read(caller)
            else:
                self._write(caller, caller.answer)
        except BlockingIOError:
            return
        except (OSError, MemoryError):  # the caller left, or there is no room for its answer
            self._drop(caller)

    def _read(self, caller: _Caller) -> None:
        part = caller.connection.recv(_MOST_HEAD - len(caller.head))
        caller.head += part
        whole = b"\r\n\r\n" in caller.head or b"\n\n" in caller.head
        if not part and not whole:
            self._drop(caller)
        elif whole or len(caller.head) >= _MOST_HEAD:
            answer = memoryview(self._answer(bytes(caller.head), whole=whole))
            caller.until_s = monotonic() + _ANSWER_WITHIN_S
            caller.head.clear()
            self._waiting.modify(caller.connection, EVENT_WRITE, caller)
            self._write(caller, answer)

    def _write(self, caller: _Caller, answer: memoryview) -> None:
        caller.answer = answer
        caller.answer = answer[caller.connection.send(answer) :]
        if not caller.answer:
            # Closing at once would take the answer back from who still sends: let it read first.
            caller.told, caller.answer = True, None
            caller.until_s = monotonic() + _LEAVE_WITHIN_S
            caller.connection.shutdown(socket.SHUT_WR)
            self._waiting.modify(caller.connection, EVENT_READ, caller)

    def _drop(self, caller: _Caller) -> None:
        self._callers.remove(caller)
        self._waiting.unregister(caller.connection)
        caller.connection.close()

    def _answer(self, head: bytes, *, whole: bool) -> bytes:
        if not whole:
            return _written(_plain(431))
        words = head.split(b"\n", 1)[0].decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _written(_plain(400))
        method, target, _ = words
        if method not in _METHODS:
            return _written(_plain(405), "Allow: GET, HEAD\r\n")
        try:
            page = self._page(target.partition("?")[0])
        except Exception as error:  # noqa: BLE001 (a fault behind one page must not end the others)
            self._log("error", "metrics", "a page could not be made", exception=error)
            page = _plain(500)
        return _written(page, body=method == "GET")


def _plain(code: int) -> Page:
    return Page(code, "text/plain; charset=utf-8", f"{HTTPStatus(code).phrase}\n".encode())


def _written(page: Page, headers: str = "", *, body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {page.code} {HTTPStatus(page.code).phrase}\r\n"
        f"Content-Type: {page.kind}\r\n"
        f"Content-Length: {len(page.body)}\r\n"
        f"Cache-Control: no-store\r\n{headers}"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (page.body if body else b"")


def listen(address: Address) -> socket.socket:
    """Listen on an address. Errors: `UsageError` where that cannot be."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(_MOST_CALLERS)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"{address}: {(error.strerror or str(error)).lower()}",
            "metrics.listen",
            'name a free port of this machine, or "" for no metrics',
        ) from error
    listener.setblocking(False)
    return listener
