"""What an operator types or sends: command lines, the socket's lines, times, ids, numbers."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from actors.replaying import StepStage
from adapters import cli
from adapters.deadletters import answer_from
from adapters.masking import Masker
from adapters.operations_socket import HostSilent, OperationsServer, ask
from adapters.report import instant
from core.errors import UsageError
from core.ids import make, parse
from core.money import number
from core.operating import read
from core.secrets import Secret
from tests.fuzz.file_targets import in_scratch, scratch
from tests.fuzz.target import SENTINEL, Target

__all__ = ["TARGETS"]

_ERROR = re.compile(r"error: .+ \(.*\): .+", re.DOTALL)
_CONFIG = (
    'host_name = "h1"\n[[bots]]\nname = "grid"\nsymbols = ["BTCUSDT"]\nstrategy = "hedge_grid"\n'
)


def _command_line(folder: Path, data: bytes) -> object:
    """Run a command line, a word a line, as a process would; nothing starts, nothing waits."""
    (folder / "config.toml").write_text(_CONFIG)
    words = [os.fsdecode(word).replace("/", "_") for word in data.split(b"\n")]
    # No process can be given a NUL; a drill starts hosts and an exchange.
    words = [word for word in words if "\0" not in word and word != "drill"]
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    before = Path.cwd()
    os.chdir(folder)
    try:
        with (
            redirect_stdout(out),
            redirect_stderr(err),
            mock.patch("adapters.venues.binance_usdm.emulator.serve", lambda options: 0),
            mock.patch("adapters.cli.time.sleep", side_effect=KeyboardInterrupt),
        ):
            code = cli.main(
                _Host(), _Check(), StepStage, ["--config", str(folder / "config.toml"), *words]
            )
    finally:
        os.chdir(before)
    err.flush()
    said = err.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert code in range(5), f"exit code {code}"
    assert "a fault of this program" not in said, said[-2_000:]
    for line in said.splitlines() if code else ():
        assert _ERROR.match(line), line
    return code


class _Host:
    def __call__(self, config: object, *, for_s: float | None) -> int:
        return 0


class _Check:
    def __call__(self, config: object, *, json: bool, alert: bool) -> int:
        return 0


class _Silent(HostSilent):
    """The socket was closed without an answer: too few bytes for a line."""


class Host:
    """The operator's socket as the host answers it, up to what the actors would say."""

    def __init__(self) -> None:
        self.folder = scratch()
        self.server = OperationsServer(self.folder / "host.sock", self._answer)

    def _answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if request.get("command") == "status":
            return {"symbol": str(request.get("symbol", ""))}
        if request.get("command") == "deadletters":
            return answer_from(self.folder / "letters", request)
        order = read(request)
        return {"done": f"{order.name} {order.symbol} {order.percent}"}

    def close(self) -> None:
        self.server.close()
        shutil.rmtree(self.folder)


_hosts: list[Host] = []


def _request(data: bytes) -> object:
    """Send bytes to the operator's socket: one line of JSON comes back, and the host goes on."""
    if not _hosts:
        _hosts.append(Host())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(os.fspath(_hosts[0].server.path))
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all of it was sent: the answer says why
        heard = b""
        try:
            while piece := connection.recv(65_536):
                heard += piece
        except ConnectionResetError:
            raise _Silent("hung up on more than a line") from None
    answer = json.loads(heard)
    assert isinstance(answer, dict)
    assert "failed to answer" not in str(answer.get("error")), answer
    return answer


def _answer(folder: Path, data: bytes) -> object:
    """Ask a host that answers whatever it answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(os.fspath(folder / "host.sock"))
        listener.listen()

        def meanwhile() -> None:
            raise AssertionError("the answer was not taken")

        with mock.patch("adapters.operations_socket._connect", lambda own, *_: None):
            ours, theirs = socket.socketpair()
            with theirs:
                theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
                theirs.sendall(data[:100_000])
                theirs.shutdown(socket.SHUT_WR)
                with mock.patch("adapters.operations_socket.socket.socket", return_value=ours):
                    return ask(folder, {"command": "status"}, 1.0, meanwhile)


def _time(data: bytes) -> object:
    return instant(data.decode("utf-8", "surrogateescape"), "--from")


def _identity(data: bytes) -> object:
    """An id that is ours is made of its parts again."""
    found = parse(data.decode("utf-8", "surrogateescape"))
    if found is not None:
        again = make(found.host, found.bot, found.symbol, found.sequence, found.attempt)
        assert again == data.decode()
    return found


def _amount(data: bytes) -> object:
    return number(data.decode("utf-8", "surrogateescape"), "--balance")


_MASKER = Masker([Secret(SENTINEL)])


def _masked(data: bytes) -> object:
    """No text may hold the secret once it was masked, whatever stands around it."""
    text = data.decode("utf-8", "surrogateescape")
    said = _MASKER.mask(f"{text}{SENTINEL}{text}")
    assert SENTINEL[:16] not in said
    return said


def _lines(*lines: str) -> bytes:
    return "\n".join(lines).encode()


TARGETS = (
    Target(
        "command lines",
        in_scratch(_command_line),
        (
            _lines("--for", "60"),
            _lines("--live"),
            _lines("check", "--json"),
            _lines("check", "--alert"),
            _lines("status", "--json", "--symbol", "BTCUSDT"),
            _lines("ledger", "--exchange", "--json"),
            _lines("tail", "--order", "h-b-BTCUSDT-00", "--no-follow", "--lines", "5"),
            _lines("tail", "--actor", "risk", "--level", "warning"),
            _lines("throttle", "50", "--symbol", "BTCUSDT"),
            _lines("pause", "--symbol", "BTCUSDT", "--json"),
            _lines("reset-halt"),
            _lines("flatten", "--json"),
            _lines("deadletters", "show", "3", "--json"),
            _lines("deadletters", "discard", "--all"),
            _lines("report", "--from", "2026-01-01", "--to", "2026-02-01T00:00:00Z", "--out", "o"),
            _lines(
                "exchange", "--venue", "binance", "--port", "9001", "--seed", "7", "--symbols",
                "BTCUSDT,ETHUSDT", "--speed", "2", "--balance", "10000", "--key", "k" * 8,
                "--secret", "s" * 8, "--faults", "f.toml", "--state", "s", "--market", "m.csv",
            ),
        ),
        (),
        examples=120,
    ),
    Target(
        "operator's requests",
        _request,
        (
            b'{"command":"status","symbol":"BTCUSDT"}\n',
            b'{"command":"throttle","percent":50,"symbol":"BTCUSDT"}\n',
            b'{"command":"deadletters","action":"show","id":1}\n',
            b'{"command":"deadletters","action":"retry","id":1}\n',
            b'{"command":"status","symbol":"' + b"x" * 70_000 + b'"}\n',
        ),
        (_Silent,),
        examples=150,
    ),
    Target(
        "host's answers",
        in_scratch(_answer),
        (b'{"mode":"paper","positions":[],"equity":"1.5"}\n',),
        (HostSilent,),
        examples=100,
    ),
    Target(
        "times",
        _time,
        (b"2026-01-31", b"2026-01-31T12:00:00Z", b"0001-01-01T00:00:00+23:59", b"2026-W05-1"),
        (UsageError,),
    ),
    Target("client order ids", _identity, (b"h1-grid-BTCUSDT-10", b"h-b-X-zzzzzz"), ()),
    Target("numbers", _amount, (b"10000", b"-1.5E+3", b"1e999999999"), (ValueError,)),
    Target("masked texts", _masked, (b"X-MBX-APIKEY: abc", b'"listenKey":"', b"/ws/"), ()),
)  # fmt: skip
