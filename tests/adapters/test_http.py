"""The lean HTTP lane: keep-alive, time-outs, and what is known when no answer came."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.http import HttpLane, NoAnswer, NotSent
from tests.adapters.scripted_server import Reply, serving
from tests.adapters.untrusted import untrusted_listener


def lane(url: str, **options: float) -> HttpLane:
    return HttpLane(
        url,
        connect_timeout_s=1.0,
        read_timeout_s=options.pop("read_timeout_s", 2.0),
        headers={"X-Key": "k"},
        **options,
    )


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_an_answer_has_status_headers_and_body_whatever_the_status() -> None:
    reply = Reply(status=418, body=b'{"code":-1003}', headers={"Retry-After": "7"})
    with serving(lambda _: reply) as server:
        answer = lane(server.url).request("POST", "/order", body="a=1", headers={"X-More": "m"})
    assert (answer.status, answer.body) == (418, b'{"code":-1003}')
    assert answer.headers.get("retry-after") == "7"
    asked = server.requests[0]
    assert (asked.method, asked.target, asked.body) == ("POST", "/order", "a=1")
    assert (asked.headers["x-key"], asked.headers["x-more"]) == ("k", "m")


def test_headers_of_one_request_do_not_leak_into_the_next() -> None:
    with serving(lambda _: Reply()) as server:
        http = lane(server.url)
        http.request("POST", "/a", headers={"X-More": "m"})
        http.request("GET", "/b")
    assert "x-more" not in server.requests[1].headers


def test_connections_are_kept_alive() -> None:
    with serving(lambda _: Reply()) as server:
        http = lane(server.url)
        for _ in range(5):
            http.request("GET", "/")
    assert server.connections == 1


def test_a_connection_idle_for_long_is_not_trusted_again() -> None:
    with serving(lambda _: Reply()) as server:
        http = lane(server.url, max_idle_s=0.0)
        for _ in range(3):
            http.request("GET", "/")
    assert server.connections == 3


def test_a_connection_the_server_closed_is_replaced_without_an_error() -> None:
    with serving(lambda _: Reply(then_close=True)) as server:
        http = lane(server.url)
        for _ in range(20):
            assert http.request("POST", "/", body="x=1").status == 200
            assert server.closed.acquire(timeout=2)
    assert [request.connection for request in server.requests] == list(range(20))


def test_callers_on_many_threads_each_get_their_own_answer() -> None:
    with serving(lambda request: Reply(body=request.body.encode())) as server:
        http = lane(server.url)

        def ask(number: int) -> bool:
            return http.request("POST", "/", body=f"n={number}").body == f"n={number}".encode()

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(400)))


def test_closing_hangs_up_and_nothing_is_sent_after_it() -> None:
    with serving(lambda _: Reply()) as server:
        http = lane(server.url)
        http.request("GET", "/")
        http.close()
        assert server.closed.acquire(timeout=2)
        with pytest.raises(NotSent):
            http.request("POST", "/order", body="x=1")
        http.close()
    assert len(server.requests) == 1


def test_no_listener_means_nothing_was_sent() -> None:
    http = lane(f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(NotSent):
        http.request("POST", "/order", body="x=1")


def test_an_unknown_host_means_nothing_was_sent() -> None:
    with pytest.raises(NotSent):
        lane("http://no-such-host.invalid").request("POST", "/order", body="x=1")


def test_a_silent_server_gives_no_answer_after_the_read_time_out() -> None:
    with serving(lambda _: Reply(hang=True)) as server:
        http = lane(server.url, read_timeout_s=0.1)
        with pytest.raises(NoAnswer, match=r"TimeoutError|ReadTimeoutError"):
            http.request("POST", "/order", body="x=1")
        assert len(server.requests) == 1


@pytest.mark.parametrize("cut_after", [0, 5, 30, 45])
def test_an_answer_cut_anywhere_is_no_answer_and_is_not_asked_for_again(cut_after: int) -> None:
    with serving(lambda _: Reply(body=b"{}" * 20, cut_after=cut_after)) as server:
        http = lane(server.url)
        with pytest.raises(NoAnswer):
            http.request("POST", "/order", body="x=1")
        assert len(server.requests) == 1


def test_a_body_without_a_stated_end_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n{}")
            connection.close()

        thread = Thread(target=talk)
        thread.start()
        with pytest.raises(NoAnswer):
            lane(f"http://127.0.0.1:{listener.getsockname()[1]}").request("GET", "/")
        thread.join(2)


def test_a_chunked_answer_is_whole() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(head + b"2\r\n{}\r\n0\r\n\r\n")
            connection.close()

        thread = Thread(target=talk)
        thread.start()
        answer = lane(f"http://127.0.0.1:{listener.getsockname()[1]}").request("GET", "/")
        thread.join(2)
    assert answer.body == b"{}"


def test_urllib3_stays_silent_about_urls(caplog: pytest.LogCaptureFixture) -> None:
    replies = iter([Reply(), Reply(cut_after=30), Reply()])
    with caplog.at_level("DEBUG"), serving(lambda _: next(replies)) as server:
        http = lane(server.url)
        http.request("GET", "/order?signature=feedbeef")
        with pytest.raises(NoAnswer):
            http.request("GET", "/order?signature=feedbeef")
        http.request("GET", "/order?signature=feedbeef")
    assert "feedbeef" not in caplog.text


@contextmanager
def answering() -> Iterator[tuple[str, list[bytes]]]:
    """Serve one connection a request: answer with the bytes in the list, then hang up."""
    said: list[bytes] = [b""]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if not connection.recv(65536):
                        return
                    with suppress(OSError):
                        connection.sendall(said[0])

        thread = Thread(target=talk)
        thread.start()
        port = listener.getsockname()[1]
        yield f"http://127.0.0.1:{port}", said
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join(5)


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE.replace(b"2\r\n", b"2\r\nContent-Length: 3\r\n", 1),
        WHOLE.replace(b": 2", b": -2"),
        WHOLE.replace(b": 2", b": +2"),
        WHOLE.replace(b": 2", b": 0x2"),
        WHOLE.replace(b": 2", b": 99999999999999999999"),
        WHOLE.replace(b"X-A:", b"X-A"),
        WHOLE.replace(b"HTTP/1.1 200", b"HTTP/1.1 2OO"),
        WHOLE.replace(b"HTTP/1.1", b"HTTP/9"),
        CHUNKED.replace(b"{}\r\n0", b"{}0"),
        CHUNKED.replace(b"\r\n2\r\n", b"\r\n-2\r\n"),
        CHUNKED.replace(b"chunked", b"chunked\r\nContent-Length: 2").replace(
            b"2\r\n{}", b"9\r\n{}"
        ),
    ],
)
def test_an_answer_that_breaks_the_protocol_is_no_answer(answer: bytes) -> None:
    with answering() as (url, said):
        said[0] = answer
        with pytest.raises(NoAnswer):
            lane(url).request("POST", "/order", body="x=1")


def test_any_bytes_are_an_answer_or_none() -> None:
    with answering() as (url, said):
        http = lane(url, max_idle_s=0.0)

        @given(
            st.one_of(
                st.binary(max_size=80),
                st.tuples(
                    st.sampled_from([WHOLE, CHUNKED]),
                    st.integers(0, 70),
                    st.binary(max_size=3),
                    st.integers(0, 3),
                ).map(lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] + cut[3] :]),
            )
        )
        @settings(max_examples=150, deadline=None)
        def ask(answer: bytes) -> None:
            said[0] = answer
            try:
                got = http.request("POST", "/order", body="x=1")
            except NoAnswer:
                return
            assert 200 <= got.status <= 999

        ask()


def test_after_a_cut_the_next_request_gets_a_new_connection() -> None:
    replies = iter([Reply(cut_after=3), Reply()])
    with serving(lambda _: next(replies)) as server:
        http = lane(server.url)
        with pytest.raises(NoAnswer):
            http.request("GET", "/")
        assert http.request("GET", "/").status == 200


def test_bytes_that_are_no_http_are_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b"\x00\xffnonsense\r\n\r\n")
            connection.close()

        thread = Thread(target=talk)
        thread.start()
        with pytest.raises(NoAnswer):
            lane(f"http://127.0.0.1:{listener.getsockname()[1]}").request("GET", "/")
        thread.join(2)


def test_redirects_are_answers_and_are_not_followed() -> None:
    with serving(lambda _: Reply(status=302, headers={"Location": "/elsewhere"})) as server:
        assert lane(server.url).request("GET", "/").status == 302
    assert len(server.requests) == 1


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    with serving(lambda _: Reply()) as server:
        assert lane(server.url).request("GET", "/").status == 200


def test_errors_never_quote_the_query() -> None:
    http = lane(f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(NotSent) as caught:
        http.request("GET", "/order?signature=feedbeef")
    assert "feedbeef" not in str(caught.value)
    with serving(lambda _: Reply(hang=True)) as server:
        with pytest.raises(NoAnswer) as late:
            lane(server.url, read_timeout_s=0.05).request("GET", "/order?signature=feedbeef")
        assert "feedbeef" not in str(late.value)


def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    with (
        untrusted_listener(tmp_path) as (port, received),
        pytest.raises(NotSent, match=r"SSLError|CertVerification"),
    ):
        lane(f"https://localhost:{port}").request("POST", "/order", body="x=1")
    assert received == []
