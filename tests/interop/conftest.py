"""A local exchange as its own process, and a bare client that shares no code with the project."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import websocket

ROOT = Path(__file__).resolve().parents[2]
START_S = 20.0


class LocalExchange:
    """One `run.py exchange` process; `key` and `secret` open its account."""

    def __init__(
        self, state: Path, *arguments: str, prepare: Callable[[], None] | None = None
    ) -> None:
        self.state = state
        self.prepare = prepare
        self.arguments = arguments
        self.process: subprocess.Popen[str] | None = None
        self.key = "a" * 64
        self.secret = "b" * 64
        self.rest = self.ws = ""
        self.hello: dict[str, Any] = {}

    def start(self) -> LocalExchange:
        command = [sys.executable, "run.py", "exchange", "--venue", "binance"]
        command += ["--state", str(self.state), "--key", self.key, *self.arguments]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"BULKHEAD_EXCHANGE_SECRET": self.secret},
            stdout=subprocess.PIPE,
            stderr=(self.state.parent / f"{self.state.name}.err").open("a"),
            text=True,
            preexec_fn=self.prepare,
        )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], START_S)
        assert ready, "the exchange did not say that it listens"
        self.hello = json.loads(self.process.stdout.readline())
        self.rest, self.ws = self.hello["rest"], self.hello["ws"]
        return self

    @property
    def errors(self) -> str:
        return (self.state.parent / f"{self.state.name}.err").read_text()

    @property
    def port(self) -> int:
        return int(self.rest.rpartition(":")[2])

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """Stop in order and return the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(10)

    def client(self) -> BareClient:
        return BareClient(self)


class Answer:
    """Status, headers and parsed body of one answer."""

    def __init__(self, status: int, headers: dict[str, str], body: Any) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def code(self) -> int:
        return int(self.body.get("code", 0)) if isinstance(self.body, dict) else 0


class BareClient:
    """Signed and plain calls over one kept connection; nothing is retried."""

    def __init__(self, exchange: LocalExchange) -> None:
        self.exchange = exchange
        self.connection = http.client.HTTPConnection("127.0.0.1", exchange.port, timeout=10)

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        self.connection.request(method, path, body or None, headers or {})
        answer = self.connection.getresponse()
        data = answer.read()
        kind = answer.headers.get("content-type", "")
        return Answer(
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            json.loads(data) if "json" in kind else data,
        )

    def public(self, path: str, **parameters: Any) -> Answer:
        return self.send("GET", f"{path}?{urlencode(parameters)}" if parameters else path)

    def control(self, method: str, path: str, body: Any = None) -> Answer:
        return self.send(method, f"/_exchange/{path}", json.dumps(body).encode() if body else b"")

    def keyed(self, method: str, path: str) -> Answer:
        return self.send(method, path, headers={"X-MBX-APIKEY": self.exchange.key})

    def signed(self, method: str, path: str, **parameters: Any) -> Answer:
        return self.send_text(method, path, self.sign(parameters))

    def sign(self, parameters: dict[str, Any], secret: str = "") -> str:
        text = urlencode({**parameters, "timestamp": time.time_ns() // 1_000_000})
        key = (secret or self.exchange.secret).encode()
        return f"{text}&signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"

    def send_text(self, method: str, path: str, text: str, key: str = "") -> Answer:
        headers = {"X-MBX-APIKEY": key or self.exchange.key}
        return self.send(method, f"{path}?{text}", headers=headers)

    def price(self, symbol: str, offset: float, step: str = "0.1") -> str:
        """Return a price so far (as a fraction) from the mark, on the grid."""
        mark = float(self.public("/fapi/v1/premiumIndex", symbol=symbol).body["markPrice"])
        places = len(step.partition(".")[2])
        return f"{round(mark * (1 + offset) / float(step)) * float(step):.{places}f}"


@pytest.fixture(scope="module")
def start_exchange(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., LocalExchange]]:
    started: list[LocalExchange] = []

    def start(
        *arguments: str, state: Path | None = None, prepare: Callable[[], None] | None = None
    ) -> LocalExchange:
        folder = state or tmp_path_factory.mktemp("exchange")
        exchange = LocalExchange(folder, *arguments, prepare=prepare).start()
        started.append(exchange)
        return exchange

    yield start
    for exchange in started:
        if exchange.process is not None and exchange.process.poll() is None:
            exchange.stop()


@pytest.fixture(scope="module")
def exchange(start_exchange: Callable[..., LocalExchange]) -> LocalExchange:
    return start_exchange("--seed", "7")


@pytest.fixture
def client(exchange: LocalExchange) -> BareClient:
    return exchange.client()


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    """Wait until a question is answered with something true; return it."""

    def wait(question: Callable[[], Any], within_s: float = 10.0) -> Any:
        end = time.monotonic() + within_s
        while not (answer := question()):
            assert time.monotonic() < end, f"no answer within {within_s} s"
            time.sleep(0.01)
        return answer

    return wait


class Frames:
    """A WebSocket whose frames are read until one is as wanted."""

    def __init__(self, url: str) -> None:
        self.socket = websocket.create_connection(url, timeout=40)

    def next(self) -> Any:
        return json.loads(self.socket.recv())

    def until(self, wanted: Callable[[Any], Any], within_s: float = 10.0) -> list[Any]:
        """Return the frames up to and including the first wanted one."""
        end, seen = time.monotonic() + within_s, []
        while True:
            assert time.monotonic() < end, f"not among {seen[-5:]}"
            seen.append(self.next())
            if wanted(seen[-1]):
                return seen

    def ask(self, **message: Any) -> Any:
        """Send a message and return the answer, passing over events."""
        self.socket.send(json.dumps(message))
        return self.until(lambda row: "result" in row or "error" in row)[-1]

    def silent_for(self, seconds: float) -> bool:
        self.socket.settimeout(seconds)
        try:
            self.socket.recv()
        except websocket.WebSocketTimeoutException:
            return True
        finally:
            self.socket.settimeout(40)
        return False


@pytest.fixture
def connect() -> Iterator[Callable[[LocalExchange, str], Frames]]:
    opened: list[Frames] = []

    def open_one(exchange: LocalExchange, path: str) -> Frames:
        opened.append(Frames(exchange.ws + path))
        return opened[-1]

    yield open_one
    for one in opened:
        one.socket.close()


@pytest.fixture
def frames(
    exchange: LocalExchange, connect: Callable[[LocalExchange, str], Frames]
) -> Callable[[str], Frames]:
    return lambda path: connect(exchange, path)


@pytest.fixture
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no name be looked up but this machine's own."""
    look_up = socket.getaddrinfo

    def local(host: Any, *arguments: Any, **options: Any) -> Any:
        assert host in ("127.0.0.1", "localhost", None), f"{host} was looked up"
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", local)
