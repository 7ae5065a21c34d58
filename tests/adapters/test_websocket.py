"""The stream base: frames of any cut, one report of connecting, one of the end, chores."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Event, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.websocket import Chore, Closed, Frames, SocketStream
from core.errors import FrameError
from core.messages import StreamConnected, StreamLost
from tests.adapters.scripted_server import Reply, serving
from tests.adapters.untrusted import untrusted_listener
from tests.adapters.websocket_server import Peer, frame, socket_serving

CONNECTED = StreamConnected("v", "s")


def lost(reason: str) -> StreamLost:
    return StreamLost("v", "s", reason)


class Lines:
    """A talk in lines: "ok" confirms, "no" refuses, the rest is handed to the sink as data."""

    def __init__(
        self, base: str, got: Queue[object], greetings: Sequence[str] = ("hello",)
    ) -> None:
        self._base = base
        self._got = got
        self._greetings = greetings
        self.todo: Sequence[Chore] = ()

    def url(self) -> str:
        return f"{self._base}/stream"

    def greetings(self) -> Sequence[str]:
        return self._greetings

    def confirms(self, raw: bytes) -> bool:
        if raw == b"no":
            raise Closed("refused")
        return raw == b"ok"

    def received(self, raw: bytes, received_ns: int) -> None:
        if raw == b"garbage":
            raise FrameError("line: garbage")
        if raw == b"bye":
            raise Closed("told to leave")
        self._got.put(raw)

    def chores(self) -> Sequence[Chore]:
        return self.todo


@contextmanager
def streaming(
    script: Callable[[Peer], None],
    *,
    greetings: Sequence[str] = ("hello",),
    todo: Sequence[Chore] = (),
    **options: float,
) -> Iterator[tuple[SocketStream, Callable[[], object]]]:
    got: Queue[object] = Queue()
    with socket_serving(script) as server:
        talk = Lines(server.url, got, greetings)
        talk.todo = todo
        stream = SocketStream("s", "v", talk, got.put, **options)
        stream.open()
        try:
            yield stream, lambda: got.get(timeout=5)
        finally:
            stream.close()
        assert server.failures == []


def read_all(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Read the messages in `data` when it arrives in pieces of these sizes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)

        def write() -> None:
            place = 0
            for size in [*cuts, len(data)]:
                theirs.sendall(data[place : place + size])
                place += size
            theirs.close()

        thread = Thread(target=write)
        thread.start()
        frames = Frames(ours, lambda _: None)
        found = []
        try:
            while True:
                found.append(frames.read())
        except Closed:
            thread.join()
            return found


@given(
    st.lists(st.binary(max_size=300), max_size=6),
    st.lists(st.integers(1, 40), max_size=20),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_messages_arrive_whole_however_they_are_cut(
    messages: list[bytes], cuts: list[int], seed: int
) -> None:
    chance = random.Random(seed)
    data = b""
    for message in messages:
        middle = chance.randrange(len(message) + 1)
        if chance.random() < 0.3:
            data += frame(message[:middle], final=False) + frame(b"", opcode=10)
            data += frame(message[middle:], opcode=0)
        else:
            data += frame(message)
    assert read_all(data, cuts) == messages


def test_messages_of_every_length_form() -> None:
    messages = [b"x" * size for size in (0, 125, 126, 65535, 65536, 300_000)]
    assert read_all(b"".join(map(frame, messages)), []) == messages


@pytest.mark.parametrize(
    "data",
    [
        b"\xf1\x01x",
        b"\x81\x81\x00\x00\x00\x00x",
        b"\x83\x01x",
        b"\x80\x01x",
        b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
        frame(b"a", final=False) + frame(b"b"),
    ],
    ids=["reserved bits", "masked", "opcode", "continuation", "giant", "nested"],
)
def test_bytes_that_are_no_websocket_frames_are_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        read_all(data, [])


def test_the_stream_reports_connected_only_when_all_greetings_are_confirmed() -> None:
    go = Event()

    def script(peer: Peer) -> None:
        assert [peer.receive()[1], peer.receive()[1]] == [b"one", b"two"]
        peer.send(b"ok")
        peer.send(b"early")
        assert go.wait(5)
        peer.send(b"ok")
        peer.send(b"late")
        peer.closed_by_client()

    with streaming(script, greetings=("one", "two")) as (stream, next_event):
        assert stream.last_frame_ns() == 0
        go.set()
        assert [next_event() for _ in range(3)] == [CONNECTED, b"early", b"late"]
        assert stream.last_frame_ns() > 0


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    def script(peer: Peer) -> None:
        peer.receive()
        peer.send(b"ok")
        peer.closed_by_client()

    with streaming(script) as (_, next_event):
        assert next_event() == CONNECTED


def test_a_refused_subscription_ends_the_stream_without_connecting() -> None:
    with streaming(lambda peer: peer.send(b"no")) as (_, next_event):
        assert next_event() == lost("refused")


def test_confirmations_that_do_not_come_end_the_stream() -> None:
    with streaming(lambda peer: bool(peer.closed_by_client()), confirm_s=0.05) as (_, next_event):
        assert next_event() == lost("the venue did not confirm the subscriptions in time")


def confirmed(then: Callable[[Peer], object]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.receive()
        peer.send(b"ok")
        then(peer)

    return script


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (lambda peer: peer.cut(), "connection closed without a goodbye"),
        (lambda peer: peer.send(b"\x03\xe9", opcode=8), "closed by the server (1001)"),
        (lambda peer: peer.send(b"garbage"), "FrameError: line: garbage"),
        (lambda peer: peer.send(b"bye"), "told to leave"),
        (
            lambda peer: peer.send_raw(b"\xff\xff\xff"),
            "FrameError: websocket: reserved bits or a mask from the server",
        ),
    ],
    ids=["cut", "close frame", "malformed", "talk", "protocol"],
)
def test_an_end_for_any_reason_is_reported_once(
    then: Callable[[Peer], object], reason: str
) -> None:
    got: Queue[object] = Queue()
    with socket_serving(confirmed(then)) as server:
        stream = SocketStream("s", "v", Lines(server.url, got), got.put)
        stream.open()
        assert got.get(timeout=5) == CONNECTED
        assert got.get(timeout=5) == lost(reason)
        stream.close()
    assert got.empty()


def test_a_defect_of_ours_on_the_streams_thread_is_a_loss_and_not_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raised: Queue[type[BaseException]] = Queue()
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.put(args.exc_type))
    got: Queue[object] = Queue()

    class Faulty(Lines):
        def received(self, raw: bytes, received_ns: int) -> None:
            raise KeyError("a defect")

    with socket_serving(confirmed(lambda peer: peer.send(b"data"))) as server:
        stream = SocketStream("s", "v", Faulty(server.url, got), got.put)
        stream.open()
        assert got.get(timeout=5) == CONNECTED
        assert got.get(timeout=5) == lost("defect: KeyError")
        assert raised.get(timeout=5) is KeyError
        stream.close()


def test_nobody_listening_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    got: Queue[object] = Queue()
    stream = SocketStream("s", "v", Lines(f"ws://127.0.0.1:{port}", got), got.put)
    stream.open()
    assert got.get(timeout=5) == lost("connection failed: ConnectionRefusedError")
    stream.close()


def test_a_certificate_nobody_vouches_for_ends_the_stream_before_anything_is_said(
    tmp_path: Path,
) -> None:
    got: Queue[object] = Queue()
    with untrusted_listener(tmp_path) as (port, received):
        stream = SocketStream("s", "v", Lines(f"wss://localhost:{port}", got), got.put)
        stream.open()
        assert got.get(timeout=5) == lost("connection failed: SSLCertVerificationError")
        stream.close()
    assert received == []


def test_a_server_that_refuses_is_reported_with_its_status_and_when_it_may_be_asked_again() -> None:
    got: Queue[object] = Queue()
    with serving(lambda _: Reply(status=429, headers={"Retry-After": "17"})) as server:
        base = server.url.replace("http", "ws")
        stream = SocketStream("s", "v", Lines(base, got), got.put)
        stream.open()
        reason, seconds = "connection refused: HTTP 429", 17
        assert got.get(timeout=5) == StreamLost("v", "s", reason, seconds * 1_000_000_000)
        stream.close()


def test_a_close_that_was_asked_for_is_not_a_loss_and_may_be_repeated() -> None:
    left = Event()

    def wait(peer: Peer) -> None:
        peer.closed_by_client()
        left.set()

    with streaming(confirmed(wait)) as (stream, next_event):
        assert next_event() == CONNECTED
        stream.close()
        stream.close()
        assert left.wait(5)


def test_closing_before_opening_is_harmless() -> None:
    got: Queue[object] = Queue()
    SocketStream("s", "v", Lines("ws://127.0.0.1:1", got), got.put).close()
    assert got.empty()


def test_a_stream_is_opened_once() -> None:
    with (
        streaming(confirmed(lambda peer: peer.closed_by_client())) as (stream, _),
        pytest.raises(RuntimeError, match="opened before"),
    ):
        stream.open()


def test_pings_are_answered_with_their_payload() -> None:
    answered: Queue[tuple[int, bytes]] = Queue()

    def ping(peer: Peer) -> None:
        peer.send(b"are you there", opcode=9)
        answered.put(peer.receive())
        peer.closed_by_client()

    with streaming(confirmed(ping)):
        assert answered.get(timeout=5) == (10, b"are you there")


def test_a_ping_is_no_data() -> None:
    def ping(peer: Peer) -> None:
        peer.send(b"", opcode=9)
        peer.receive()
        peer.send(b"data")
        peer.closed_by_client()

    with streaming(confirmed(ping)) as (stream, next_event):
        assert next_event() == CONNECTED
        assert next_event() == b"data"
        assert stream.last_frame_ns() > 0


def test_chores_run_on_time_while_nothing_arrives() -> None:
    done: Queue[str] = Queue()
    chore = Chore(0.02, lambda: done.put("done"))
    with streaming(confirmed(lambda peer: peer.closed_by_client()), todo=[chore]):
        assert [done.get(timeout=5) for _ in range(3)] == ["done"] * 3


def test_chores_run_on_time_while_frames_pour_in() -> None:
    done = Event()

    def pour(peer: Peer) -> None:
        while not done.is_set():
            peer.send(b"data")
        peer.closed_by_client()

    with streaming(confirmed(pour), todo=[Chore(0.05, done.set)]):
        assert done.wait(5)


def test_a_chore_may_end_the_stream() -> None:
    def leave() -> None:
        raise Closed("key is gone")

    script = confirmed(lambda peer: peer.closed_by_client())
    with streaming(script, todo=[Chore(0.01, leave)]) as (_, next_event):
        assert next_event() == CONNECTED
        assert next_event() == lost("key is gone")


def test_a_stream_ends_by_itself_before_the_venue_cuts_it() -> None:
    script = confirmed(lambda peer: peer.closed_by_client())
    with streaming(script, lifetime_s=0.05) as (_, next_event):
        assert next_event() == CONNECTED
        assert next_event() == lost("the connection nears the venue's age limit")


def test_text_that_is_no_unicode_reaches_the_talk_as_it_came() -> None:
    def send(peer: Peer) -> None:
        peer.send(b"\xff\xfe")
        peer.closed_by_client()

    with streaming(confirmed(send)) as (_, next_event):
        assert next_event() == CONNECTED
        assert next_event() == b"\xff\xfe"


def test_a_connection_that_the_network_lost_is_given_up_after_two_pings() -> None:
    def deaf(peer: Peer) -> None:
        peer.receive()
        peer.send(b"ok")
        peer.closed_by_client()

    with streaming(deaf, ping_s=0.05) as (_, following):
        assert following() == CONNECTED
        assert following() == lost("nothing came, not even the answer to a ping")


def test_a_quiet_connection_that_answers_pings_is_kept() -> None:
    answered = Event()

    def answering(peer: Peer) -> None:
        peer.receive()
        peer.send(b"ok")
        for _ in range(5):
            opcode, payload = peer.receive()
            assert opcode == 9
            peer.send(payload, opcode=10)
        peer.send(b"still here")
        answered.set()
        peer.closed_by_client()

    with streaming(answering, ping_s=0.1) as (_, following):
        assert following() == CONNECTED
        assert following() == b"still here"
    assert answered.is_set()
