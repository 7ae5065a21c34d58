"""The small HTTP server answers who asks properly, and outlives everybody else."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any

import pytest

from adapters.metrics import server as module
from adapters.metrics.server import MetricsServer, Page
from adapters.metrics.serving import serving
from core.addresses import Address, read
from core.config import Metrics
from core.errors import UsageError

ANYWHERE = Address("127.0.0.1", 0)
LARGE = 30_000_000
"""More than the system takes in for a caller who reads nothing."""


class Host:
    """Makes the pages; some take long or go wrong on purpose."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()
        self.lines: list[tuple[str, str]] = []

    def __call__(self, path: str) -> Page:
        match path:
            case "/slow":
                self.entered.set()
                assert self.release.wait(10)
            case "/broken":
                raise ZeroDivisionError
            case "/large":
                return Page(200, "text/plain", b"x" * LARGE)
        return Page(200, "text/plain", path.encode())

    def log(self, level: str, actor: str, text: str, **_: Any) -> None:
        self.lines.append((level, text))


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def server(host: Host) -> Iterator[MetricsServer]:
    made = MetricsServer(ANYWHERE, host, host.log)
    yield made
    host.release.set()
    made.close()


def connect(server: MetricsServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.address.port), 10)


def raw(server: MetricsServer, data: bytes) -> bytes:
    """Send bytes as they are and return everything that comes until the server closes."""
    with connect(server) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def get(server: MetricsServer, path: str = "/a", method: str = "GET") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", server.address.port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def threads() -> int:
    return sum(thread.name == "metrics" for thread in threading.enumerate())


def test_a_page_is_served_with_its_kind_and_length(server: MetricsServer):
    head, _, body = raw(server, b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")

    assert body == b"/a"
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert {b"Content-Type: text/plain", b"Content-Length: 2", b"Connection: close"} <= set(lines)


def test_head_is_the_same_without_the_body(server: MetricsServer):
    answer = raw(server, b"HEAD /a HTTP/1.0\n\n")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 2\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_large_page_arrives_whole(server: MetricsServer):
    assert get(server, "/large") == (200, b"x" * LARGE)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", "TRACE"])
def test_another_method_is_refused(server: MetricsServer, method: str):
    answer = raw(server, f"{method} /a HTTP/1.1\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nAllow: GET, HEAD\r\n" in answer


def test_a_body_that_nobody_wanted_takes_no_answer_away(server: MetricsServer):
    answer = raw(server, b"POST /a HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)

    assert answer.startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /a\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"GET /a HTTP/2.0\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET /\xff\xfe\x00 HTTP/1.1\r\n\r\n", 200),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /a HTTP/1.1\r\n" + b"x: y\r\n" * 5_000, 431),
        (b"\0" * 9_000, 431),
    ],
    ids=lambda part: str(part)[:24],
)
def test_whatever_is_sent_is_answered_in_words_of_http(
    server: MetricsServer, request_: bytes, code: int
):
    assert raw(server, request_).startswith(f"HTTP/1.1 {code} ".encode())
    assert get(server) == (200, b"/a")


def test_a_page_that_cannot_be_made_is_a_500_and_a_line_in_the_log(
    server: MetricsServer, host: Host
):
    assert get(server, "/broken")[0] == 500
    assert get(server) == (200, b"/a")
    assert host.lines == [("error", "a page could not be made")]


def test_a_request_that_never_ends_blocks_nobody_and_is_given_up(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_REQUEST_WITHIN_S", 0.2)
    with connect(server) as half, connect(server) as silent, connect(server) as gone:
        half.sendall(b"GET /a HTTP/1.1\r\n")
        gone.close()
        assert get(server) == (200, b"/a")
        assert half.recv(10) == silent.recv(10) == b""


def test_bytes_that_trickle_in_buy_no_more_time(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_REQUEST_WITHIN_S", 0.3)
    with connect(server) as slow:
        slow.settimeout(0.02)
        for _ in range(500):
            try:
                slow.sendall(b"x")
                if not slow.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return
    raise AssertionError("it was listened to for ten seconds")


def test_who_reads_no_answer_is_given_up(server: MetricsServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_ANSWER_WITHIN_S", 0.2)
    monkeypatch.setattr(module, "_LEAVE_WITHIN_S", 0.2)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.settimeout(10)
        deaf.connect(("127.0.0.1", server.address.port))
        deaf.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        assert get(server) == (200, b"/a")
        gone = threading.Event()
        monkeypatch.setattr(server, "_drop", _noting(server._drop, gone))
        assert gone.wait(10)
        received = sum(map(len, iter(lambda: deaf.recv(65_536), b"")))
    assert received < LARGE


def _noting(drop: Any, gone: threading.Event) -> Any:
    def noted(caller: Any) -> None:
        unread = bool(caller.answer)
        drop(caller)
        if unread:
            gone.set()

    return noted


def test_many_who_only_connect_keep_nobody_out_and_cost_no_thread(server: MetricsServer):
    before = threads()
    with ExitStack() as opened:
        idle = [opened.enter_context(connect(server)) for _ in range(60)]
        assert get(server) == (200, b"/a")
        assert threads() == before == 1
        assert len(server._callers) <= module._MOST_CALLERS
        assert idle[0].recv(10) == b"", "the oldest made room"


def test_who_asks_while_a_page_is_made_is_served_however_long_that_took(
    server: MetricsServer, host: Host, monkeypatch: pytest.MonkeyPatch
):
    clock, ahead_s = module.monotonic, [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock() + ahead_s[0])
    found: list[tuple[int, bytes]] = []
    with ExitStack() as opened:
        early = [opened.enter_context(connect(server)) for _ in range(4)]
        assert get(server) == (200, b"/a")  # and so the earlier ones were let in
        asker = threading.Thread(target=lambda: found.append(get(server, "/slow")))
        asker.start()
        assert host.entered.wait(10)
        late = [opened.enter_context(connect(server)) for _ in range(4)]
        for one in (*early, *late):
            one.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        ahead_s[0] = module._REQUEST_WITHIN_S + 1
        host.release.set()
        for one in (*early, *late):
            assert b"".join(iter(lambda one=one: one.recv(65_536), b"")).endswith(b"/a")
    asker.join(10)
    assert found == [(200, b"/slow")]


@pytest.mark.parametrize("trouble", [OSError(errno.EMFILE, "too many files"), MemoryError()])
def test_when_files_or_memory_run_out_it_goes_on_once_there_are_some(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch, trouble: BaseException
):
    tried = threading.Event()
    admit = server._admit

    def fail_once() -> None:
        if not tried.is_set():
            tried.set()
            raise trouble
        admit()

    monkeypatch.setattr(server, "_admit", fail_once)
    assert get(server) == (200, b"/a")
    assert tried.is_set()


def test_after_it_closed_the_port_is_free_and_whoever_was_there_is_gone(
    server: MetricsServer, host: Host
):
    with connect(server) as idle:
        assert get(server) == (200, b"/a")  # and so it was let in
        server.close()
        server.close()
        assert idle.recv(10) == b""
    MetricsServer(server.address, host, host.log).close()
    assert not threads()


def test_a_page_that_hangs_holds_up_no_stop_and_keeps_no_port(
    server: MetricsServer, host: Host, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_CLOSE_WITHIN_S", 0.1)
    with connect(server) as caller:
        caller.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        assert host.entered.wait(10)
        server.close()
        assert not host.release.is_set()
        module.listen(server.address).close()


def test_an_address_that_is_taken_says_how_to_mend(server: MetricsServer, host: Host):
    with pytest.raises(UsageError, match=r"address already in use \(metrics.listen\): name a free"):
        MetricsServer(server.address, host, host.log)
    with pytest.raises(UsageError, match=r"\(metrics.listen\)"):
        MetricsServer(Address("192.0.2.1", 0), host, host.log)


def test_a_thread_that_cannot_be_started_costs_the_metrics_and_keeps_no_port(
    host: Host, monkeypatch: pytest.MonkeyPatch
):
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with served(host, "127.0.0.1:0") as url:
        assert url is None
    [(level, text)] = host.lines
    assert (level, "can't start new thread" in text) == ("warning", True)
    port = int(text.split("127.0.0.1:")[1].split(")")[0])
    module.listen(Address("127.0.0.1", port)).close()


def test_it_serves_on_the_other_internet_too(host: Host):
    try:
        server = MetricsServer(Address("::1", 0), host, host.log)
    except UsageError:
        pytest.skip("this machine has no IPv6 loopback")
    with socket.create_connection(("::1", server.address.port), 10) as connection:
        connection.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    assert str(server.address).startswith("[::1]:")
    server.close()


# In the host


def served(host: Host, listen: str) -> Any:
    return serving(Metrics(listen=listen), dict, 2_000, {}, host.log)


def test_the_host_says_where_and_leaves_the_port_with_its_end(host: Host):
    with served(host, "127.0.0.1:0") as url:
        assert url is not None
        assert host.lines == [("info", f"metrics at {url}/metrics, health at {url}/health")]
        address = read(url.removeprefix("http://"))
        assert address
        with pytest.raises(UsageError):
            module.listen(address)
    module.listen(address).close()


def test_the_host_starts_without_metrics_where_the_port_is_taken(host: Host):
    taken = module.listen(ANYWHERE)
    with taken, served(host, f"127.0.0.1:{taken.getsockname()[1]}") as url:
        assert url is None
    [(level, text)] = host.lines
    assert level == "warning"
    assert "metrics.listen" in text and "name a free port" in text


def test_no_address_is_no_endpoint_and_no_word(host: Host):
    with served(host, "") as url:
        assert url is None
    assert (host.lines, threads()) == ([], 0)


def test_an_address_that_others_reach_is_a_warning(host: Host):
    with served(host, "0.0.0.0:0"):
        assert [level for level, _ in host.lines] == ["info", "warning"]
        assert "password" in host.lines[1][1]
