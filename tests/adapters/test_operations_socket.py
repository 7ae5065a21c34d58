"""The operator's socket answers one line with one line and outlives whatever it is sent."""

from __future__ import annotations

import json
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters import operations_socket
from adapters.operations_socket import HostSilent, OperationsServer, ask
from core.errors import BulkheadError, UsageError


class Host:
    """Answers what it was asked; some commands go wrong on purpose."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.release = threading.Event()
        self.logged: list[BaseException | None] = []

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        match request.get("command"):
            case "refuse":
                raise BulkheadError("not now")
            case "break":
                raise ZeroDivisionError
            case "misuse":
                raise UsageError("what", "where", "mend")
            case "wait":
                self.waiting.set()
                self.release.wait(10)
            case "unspeakable":
                return {"number": float("nan")}
        return {"asked": request}

    def log(
        self,
        level: str,
        actor: str,
        text: str,
        *,
        symbol: str = "",
        client_order_id: str = "",
        exception: BaseException | None = None,
    ) -> None:
        self.logged.append(exception)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def state(tmp_path: Path, host: Host) -> Iterator[Path]:
    server = OperationsServer(tmp_path / "host.sock", host, host.log)
    yield tmp_path
    host.release.set()
    server.close()


def raw(state: Path, data: bytes) -> dict[str, Any]:
    """Send bytes as they are and return the answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(state / "host.sock"))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
    found: dict[str, Any] = json.loads(answer)
    return found


def test_a_host_that_runs_answers(state: Path) -> None:
    request = {"command": "status", "symbol": "BTCUSDT", "text": "ü\n"}
    assert ask(state, request) == {"asked": request}


def test_no_host_is_no_answer(tmp_path: Path) -> None:
    assert ask(tmp_path, {}) is None
    assert ask(tmp_path / "none", {}) is None


def test_a_large_answer_arrives_whole(state: Path) -> None:
    request = {"text": "x" * 60_000}
    assert ask(state, request) == {"asked": request}


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\n", "not one line of JSON"),
        (b"\xff\xfe{}\n", "not one line of JSON"),
        (b"[1, 2]\n", "not a JSON object"),
        (b"[" * 60_000 + b"\n", "not one line of JSON"),
        (b'{"command": ', "the line was cut off"),
        (b"x" * 70_000, "longer than 65536 bytes"),
        (b"", "the line was cut off"),
    ],
)
def test_garbage_is_answered_with_an_error_and_the_next_one_is_served(
    state: Path, data: bytes, error: str
) -> None:
    assert error in raw(state, data)["error"]
    assert ask(state, {"n": 1}) == {"asked": {"n": 1}}


def test_a_caller_that_leaves_or_says_nothing_blocks_nobody(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations_socket, "_REQUEST_WITHIN_S", 0.1)
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as leaver:
        leaver.connect(str(state / "host.sock"))
        leaver.close()
        silent.connect(str(state / "host.sock"))
        assert ask(state, {"n": 1}) == {"asked": {"n": 1}}
        silent.settimeout(10)
        assert b"no whole line within" in silent.recv(1_000)


def test_a_long_command_keeps_no_other_operator_waiting(state: Path, host: Host) -> None:
    long: list[dict[str, Any] | None] = []
    asker = threading.Thread(target=lambda: long.append(ask(state, {"command": "wait"})))
    asker.start()
    assert host.waiting.wait(10)
    assert ask(state, {"n": 1}) == {"asked": {"n": 1}}
    assert long == []
    host.release.set()
    asker.join(10)
    assert long == [{"asked": {"command": "wait"}}]


def test_more_silent_callers_than_are_served_keep_nobody_out(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations_socket, "_MOST_CALLERS", 4)
    monkeypatch.setattr(operations_socket, "_REQUEST_WITHIN_S", 10.0)
    with ExitStack() as opened:
        silent = [opened.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(17)]
        for one in silent:
            one.connect(str(state / "host.sock"))
        assert ask(state, {"n": 1}) == {"asked": {"n": 1}}
        silent[0].settimeout(10)
        assert silent[0].recv(1_000) == b""


def test_a_caller_who_comes_faster_than_the_host_lets_in_knocks_again(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as opened:
        listener.bind(str(tmp_path / "host.sock"))
        listener.listen(0)
        before = opened.enter_context(socket.socket(socket.AF_UNIX))
        before.connect(str(tmp_path / "host.sock"))
        with pytest.raises(HostSilent, match="cannot be asked"):
            ask(tmp_path, {}, 0.1)
        answers: list[dict[str, Any] | None] = []
        asker = threading.Thread(target=lambda: answers.append(ask(tmp_path, {}, 10.0)))
        asker.start()
        listener.accept()[0].close()
        caller, _ = listener.accept()
        with caller:
            caller.recv(100)
            caller.sendall(b'{"n": 1}\n')
            asker.join(10)
    assert answers == [{"n": 1}]


@pytest.mark.parametrize("trouble", [RuntimeError, MemoryError, None])
def test_a_thread_that_cannot_begin_costs_its_caller_alone(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch, trouble: type[Exception] | None
) -> None:
    started = operations_socket.start_new_thread
    tried = threading.Event()

    def fail_once(*call: Any) -> int:
        if tried.is_set():
            return started(*call)
        tried.set()
        if trouble is None:
            return 0  # the thread found no memory before its first line
        raise trouble

    monkeypatch.setattr(operations_socket, "start_new_thread", fail_once)
    server = OperationsServer(tmp_path / "host.sock", host)
    with socket.socket(socket.AF_UNIX) as unlucky:
        unlucky.settimeout(10)
        unlucky.connect(str(tmp_path / "host.sock"))
        assert tried.wait(10)
        assert ask(tmp_path, {"n": 1}) == {"asked": {"n": 1}}
        server.close()
        assert unlucky.recv(10) == b""


def test_a_server_that_hangs_holds_up_no_stop(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, release = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        hung.set()
        release.wait(10)

    monkeypatch.setattr(OperationsServer, "_admit", hang)
    monkeypatch.setattr(operations_socket, "_CLOSE_WITHIN_S", 0.1)
    server = OperationsServer(tmp_path / "host.sock", host)
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(tmp_path / "host.sock"))
        assert hung.wait(10)
        server.close()
        assert not release.is_set()
        release.set()


def test_when_all_who_are_served_wait_for_an_answer_the_next_is_told(
    state: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations_socket, "_MOST_CALLERS", 1)
    asker = threading.Thread(target=lambda: ask(state, {"command": "wait"}))
    asker.start()
    assert host.waiting.wait(10)
    assert ask(state, {}) == {
        "error": "1 operators wait for their answers already: try again later"
    }
    host.release.set()
    asker.join(10)
    assert ask(state, {"n": 1}) == {"asked": {"n": 1}}


def test_an_operator_who_still_waits_when_the_host_stops_is_told(
    tmp_path: Path, host: Host
) -> None:
    server = OperationsServer(tmp_path / "host.sock", host)
    told: list[dict[str, Any] | None] = []
    asker = threading.Thread(target=lambda: told.append(ask(tmp_path, {"command": "wait"})))
    asker.start()
    assert host.waiting.wait(10)
    server.close()
    asker.join(10)
    host.release.set()
    assert told == [{"error": "the host stopped before it had an answer"}]


def test_something_can_be_done_while_the_answer_is_waited_for(
    state: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations_socket, "_MEANWHILE_S", 0.01)
    assert ask(state, {"command": "wait"}, 10.0, host.release.set) == {"asked": {"command": "wait"}}


def test_a_refusal_is_told_and_a_fault_is_told_and_logged(state: Path, host: Host) -> None:
    assert ask(state, {"command": "refuse"}) == {"error": "not now"}
    assert ask(state, {"command": "misuse"}) == {
        "error": "what (where): mend",
        "usage": ["what", "where", "mend"],
    }
    assert host.logged == []
    assert ask(state, {"command": "break"}) == {
        "error": "the host failed to answer: ZeroDivisionError"
    }
    assert ask(state, {"command": "unspeakable"}) == {
        "error": "the host failed to answer: ValueError"
    }
    assert [type(error) for error in host.logged] == [ZeroDivisionError, ValueError]


def test_a_host_that_does_not_answer_in_time_is_silent_not_absent(state: Path, host: Host) -> None:
    with pytest.raises(HostSilent, match="no usable answer: no whole line within"):
        ask(state, {"command": "wait"}, timeout_s=0.2)
    host.release.set()
    assert ask(state, {"n": 1}) == {"asked": {"n": 1}}


def test_the_socket_is_for_the_owner_alone_and_goes_with_the_host(
    tmp_path: Path, host: Host
) -> None:
    server = OperationsServer(tmp_path / "host.sock", host)
    mode = (tmp_path / "host.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    server.close()
    server.close()
    assert list(tmp_path.iterdir()) == []
    assert ask(tmp_path, {}) is None


def test_a_dead_hosts_socket_is_taken_over(tmp_path: Path, host: Host) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "host.sock"))
    assert ask(tmp_path, {}) is None
    server = OperationsServer(tmp_path / "host.sock", host)
    assert ask(tmp_path, {"n": 1}) == {"asked": {"n": 1}}
    server.close()


def test_a_living_hosts_socket_is_left_alone(state: Path, host: Host) -> None:
    with pytest.raises(UsageError, match="another host answers"):
        OperationsServer(state / "host.sock", host)
    assert ask(state, {"n": 1}) == {"asked": {"n": 1}}


def test_a_path_too_long_for_a_socket_is_answered_elsewhere(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations_socket.tempfile, "tempdir", "/tmp")
    state = tmp_path / ("long" * 30)
    server = OperationsServer(state / "host.sock", host)
    noted = Path((state / "host.sock.path").read_text())
    assert stat.S_IMODE(noted.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "host.sock.path").stat().st_mode) == 0o600
    assert ask(state, {"n": 1}) == {"asked": {"n": 1}}
    with pytest.raises(UsageError, match="another host answers"):
        OperationsServer(state / "host.sock", host)
    server.close()
    assert not noted.parent.exists()
    assert list(state.iterdir()) == []


def test_no_place_for_a_socket_is_said(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("long" * 30)
    deep.mkdir()
    monkeypatch.setattr(operations_socket.tempfile, "tempdir", str(deep))
    with pytest.raises(UsageError, match=r"too long for a socket.*TMPDIR"):
        OperationsServer(deep / "host.sock", host)


def test_a_note_that_leads_to_no_socket_of_ours_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "plain"
    other.write_text("")
    (tmp_path / "host.sock.path").write_text(str(other))
    assert ask(tmp_path, {}) is None
