"""The operator's commands reach the host that runs, and reset-halt its journal while none does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import run
from adapters import operations_socket, operator_commands
from adapters.lock import InstanceLock
from adapters.operations import open_journal
from adapters.operations_socket import HostSilent, OperationsServer
from adapters.operator_commands import operate
from adapters.storage.journal import JournalReader
from core.config import Config, Execution, HedgeGridBot, Paths
from core.errors import UsageError
from core.operating import Command
from core.ports import Record
from core.records import EquityMarked, HaltChanged, OperatorCommanded
from core.remembered import remember
from core.risk.halt import Level
from tests.sim.replaying import replayed

Row = dict[str, Any]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        paths=Paths(state=str(tmp_path / "state"), logs=str(tmp_path / "logs")),
        bots=(HedgeGridBot(name="grid", symbols=("BTCUSDT",), strategy="hedge_grid"),),
    )


@contextmanager
def host(config: Config, answer: Callable[[Row], Row]) -> Iterator[list[Row]]:
    """Answer as a host would; what it is asked is in the list."""
    asked: list[Row] = []

    def handler(request: Row) -> Row:
        asked.append(request)
        return answer(request)

    server = OperationsServer(Path(config.paths.state) / "host.sock", handler)
    try:
        yield asked
    finally:
        server.close()


def test_a_command_is_carried_out_and_what_came_of_it_is_printed(
    config: Config, capsys: pytest.CaptureFixture[str]
):
    with host(config, lambda request: {"done": "BTCUSDT opens nothing"}) as asked:
        assert operate(config, Command("pause", "BTCUSDT"), json=False) == 0

    assert asked == [{"command": "pause", "symbol": "BTCUSDT", "percent": 100}]
    assert capsys.readouterr() == ("BTCUSDT opens nothing\n", "")


def test_json_is_one_object(config: Config, capsys: pytest.CaptureFixture[str]):
    with host(config, lambda request: {"done": "50 %", "left": []}) as asked:
        assert operate(config, Command("throttle", "", 50), json=True) == 0

    assert asked[0]["percent"] == 50
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {
        "command": "throttle", "symbol": "", "done": "50 %", "left": [],
    }  # fmt: skip
    assert shown.err == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_a_refusal_is_one_line_with_the_reason_and_exit_code_1(
    config: Config, capsys: pytest.CaptureFixture[str], as_json: bool
):
    with host(config, lambda request: {"error": "the daily loss is 4 %\x1b"}):
        assert operate(config, Command("reset-halt"), json=as_json) == 1

    shown = capsys.readouterr()
    assert shown.err == (
        "error: the daily loss is 4 %\\x1b (python run.py reset-halt): "
        "python run.py status shows more\n"
    )
    assert bool(shown.out) is as_json


def test_what_a_flatten_left_is_named(config: Config, capsys: pytest.CaptureFixture[str]):
    answer = {"error": "the host is not flat", "left": ["BTCUSDT: long 0.004", "BTCUSDT: a stop"]}
    with host(config, lambda request: answer):
        assert operate(config, Command("flatten"), json=False) == 1

    assert capsys.readouterr().err == (
        "error: the host is not flat: BTCUSDT: long 0.004; BTCUSDT: a stop "
        "(python run.py flatten): look at the venue, then flatten again\n"
    )


def test_a_flatten_tells_each_change_while_it_runs(
    config: Config, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(operations_socket, "_MEANWHILE_S", 0.01)
    flat = threading.Event()
    looks: list[Row] = []

    def answer(request: Row) -> Row:
        if request["command"] == "flatten":
            assert flat.wait(10)
            return {"done": "the venue says flat", "left": []}
        looks.append(request)
        if len(looks) >= 4:
            flat.set()
        held = {"symbol": "BTCUSDT", "position_side": "long", "quantity": "0.004"}
        return {"positions": [held] if len(looks) < 3 else [], "open_orders": 0}

    with host(config, answer):
        assert operate(config, Command("flatten", "BTCUSDT"), json=False) == 0

    shown = capsys.readouterr()
    assert shown.out == "the venue says flat\n"
    assert shown.err.splitlines() == [
        "open: BTCUSDT long 0.004; 0 orders",
        "open: no position; 0 orders",
    ]
    assert looks[0] == {"command": "status", "symbol": "BTCUSDT"}


def test_a_flatten_is_waited_for_as_long_as_it_may_take(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    asked: list[float] = []

    def ask(state_dir: Path, request: Row, timeout_s: float, meanwhile: object) -> Row:
        asked.append(timeout_s)
        return {"done": ""}

    monkeypatch.setattr(operator_commands, "ask", ask)
    slow = evolve(config, execution=Execution(flatten_within_s=90.0))
    operate(slow, Command("flatten"), json=False)
    operate(slow, Command("pause"), json=False)

    assert asked[0] > 95.0
    assert asked[1] < 10.0


def test_a_wait_that_is_broken_off_is_not_called_done(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    def ask(*_: object) -> Row:
        raise KeyboardInterrupt

    monkeypatch.setattr(operator_commands, "ask", ask)
    with pytest.raises(HostSilent, match="not waited for any more"):
        operate(config, Command("flatten"), json=False)


def test_a_host_that_cannot_read_a_command_says_what_is_wrong_with_it(config: Config):
    def handler(request: Row) -> Row:
        raise UsageError("what", "where", "mend")

    with host(config, handler), pytest.raises(UsageError, match=r"what \(where\): mend"):
        operate(config, Command("pause"), json=False)


@pytest.mark.parametrize(
    "command", ["pause", "resume", "reduce-only", "halt", "flatten", "throttle 50"]
)
def test_without_a_host_a_command_is_wrong_use_and_says_how_to_start(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "config.toml"
    file.write_text('[[bots]]\nname = "grid"\nsymbols = ["BTCUSDT"]\nstrategy = "hedge_grid"\n')

    assert run.main([*command.split(), "--config", str(file)]) == 2

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no host runs on this state folder")
    assert "start it (python run.py)" in line
    assert not (tmp_path / "state").exists()


def test_a_host_that_starts_or_stops_is_not_called_absent(config: Config):
    with (
        InstanceLock(Path(config.paths.state), "host1"),
        pytest.raises(HostSilent, match=r"host host1 .* is just starting or stopping"),
    ):
        operate(config, Command("halt"), json=False)


# reset-halt while no host runs


def halted(config: Config, *, latched: bool = True) -> None:
    journal = open_journal(config)
    journal.append([Record(HaltChanged(Level.HALTED, "daily loss", "risk", 3, latched), 1)])
    journal.close()


def records(config: Config) -> JournalReader:
    return JournalReader(Path(config.paths.state) / "journal.db")


def test_a_halt_is_lifted_in_the_journal_of_a_host_that_does_not_run(
    config: Config, capsys: pytest.CaptureFixture[str]
):
    halted(config)

    assert operate(config, Command("reset-halt"), json=False) == 0

    assert capsys.readouterr().out == "the halt is lifted (daily loss): the next start trades\n"
    after = remember(records(config)).halt
    assert (after.level, after.latched, after.epoch, after.by) == (
        Level.RUNNING, False, 4, "operator",
    )  # fmt: skip
    assert after.since_ns > 0
    payloads = [record.payload for record in records(config).read(kinds=(OperatorCommanded,))]
    assert payloads == [OperatorCommanded("reset-halt", "", "")]


def test_a_halt_lifted_while_no_host_ran_is_lifted_again_by_replay(config: Config):
    halted(config)
    assert operate(config, Command("reset-halt"), json=False) == 0
    replay = replayed(records(config).read())
    assert (replay.first, replay.compared) == (None, {"HaltChanged": 1})
    assert replay.skipped == 1, "the halt before it has no cause"


@pytest.mark.parametrize("latched", [False, None])
def test_where_no_halt_is_latched_nothing_is_written(
    config: Config, latched: bool | None, capsys: pytest.CaptureFixture[str]
):
    if latched is None:
        open_journal(config).close()
    else:
        halted(config, latched=latched)
    before = list(records(config).read())

    assert operate(config, Command("reset-halt"), json=False) == 1

    assert "no halt is latched" in capsys.readouterr().err
    assert list(records(config).read()) == before


def test_losses_count_anew_though_no_halt_was_latched(
    config: Config, capsys: pytest.CaptureFixture[str]
):
    journal = open_journal(config)
    marked = EquityMarked("binance", "USDT", 1, Decimal(9), Decimal(9), Decimal(0))
    journal.append([Record(marked, 1)])
    journal.close()

    assert operate(config, Command("reset-halt"), json=False) == 0

    assert "losses count anew" in capsys.readouterr().out
    after = remember(records(config))
    assert not after.equities
    assert (after.halt.level, after.halt.epoch) == (Level.RUNNING, 1)


def test_a_host_that_never_ran_has_no_halt_and_gets_no_journal(config: Config):
    with pytest.raises(UsageError, match="no journal yet"):
        operate(config, Command("reset-halt"), json=False)

    assert not Path(config.paths.state).exists()


def test_the_journal_of_a_host_that_is_there_is_left_alone(config: Config):
    halted(config)
    with (
        InstanceLock(Path(config.paths.state), "host1"),
        pytest.raises(UsageError, match=r"host host1 .* runs here"),
    ):
        operate(config, Command("reset-halt"), json=False)

    assert remember(records(config)).halt.latched
