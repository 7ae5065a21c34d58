"""The operator's commands in the running host: their effect, what it survives, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from actors import names
from actors.messages.journal import JournalFailed, JournalRecovered, Unwritten, Write
from actors.messages.risk import Operate
from core.messages import Purpose
from core.records import OperatorCommanded, ThrottleChanged, TradingPaused
from core.risk.halt import Level
from tests.sim.house import House
from tests.sim.test_protection import held, still
from tests.sim.test_whole_host import entries, host, trading
from tests.sim.world import SECOND_NS

OTHER = ("BTCUSDT", "ETHUSDT")


def operate(
    house: House, command: str, symbol: str = "", percent: int = 100, within_s: float = 1.0
) -> dict[str, Any]:
    """Give a command and return the one answer to it."""
    answers: list[dict[str, Any]] = []
    house.runtime.tell_control(names.RISK, Operate(command, answers.append, symbol, percent))
    for _ in range(int(within_s * 20)):
        house.run(0.05)
        if answers:
            break
    house.run(0.05)
    assert len(answers) == 1, house.tail()
    return answers[0]


def new_entries(house: House, since: int, symbol: str = "") -> list[str]:
    return [
        sent.order.client_order_id
        for sent in house.world.sent[since:]
        if sent.order.purpose is Purpose.ENTRY and symbol in ("", sent.order.key.symbol)
    ]


def restart(house: House) -> None:
    house.crash()
    house.start()
    house.ready()


def commanded(house: House) -> list[OperatorCommanded]:
    records = [record.payload for record in house.journal.records]
    return [payload for payload in records if isinstance(payload, OperatorCommanded)]


def test_a_pause_ends_entries_at_once_and_outlives_the_host() -> None:
    house = trading(1)
    assert "done" in operate(house, "pause")
    house.run(1)
    before = len(house.world.sent)
    assert not entries(house)
    restart(house)
    house.run(10)
    assert not new_entries(house, before)
    assert "paused by the operator" in str(house.status()["paused"])
    assert operate(house, "resume")["done"] == "the host resumed"
    house.run(5)
    assert new_entries(house, before)
    restart(house)
    house.run(3)
    assert not house.status()["paused"]


def test_a_pause_of_one_symbol_is_that_symbols() -> None:
    house = trading(2, 5, *OTHER)
    operate(house, "pause", "ETHUSDT")
    house.run(0.5)
    before = len(house.world.sent)
    house.run(20)
    assert not new_entries(house, before, "ETHUSDT")
    assert new_entries(house, before, "BTCUSDT")
    assert operate(house, "resume", "BTCUSDT")["done"] == "BTCUSDT was not paused by the operator"
    assert list(house.risk().risk.paused) == [house.world.keys[1]]
    assert operate(house, "resume")["done"] == "the host resumed"
    assert not house.risk().risk.paused


def test_resuming_says_what_holds_back_all_the_same() -> None:
    house = trading(3)
    operate(house, "pause")
    house.world.frozen = set(house.world.keys)
    house.run(7)
    answer = operate(house, "resume")["done"]
    assert answer.startswith("the host resumed; still paused: market ")


@pytest.mark.parametrize(
    ("command", "level"), [("reduce-only", Level.REDUCE_ONLY), ("halt", Level.HALTED)]
)
def test_a_halt_by_hand_latches_until_it_is_reset(command: str, level: Level) -> None:
    house = trading(4)
    assert operate(house, command)["done"] == f"trading is {level.value}"
    restart(house)
    before = len(house.world.sent)
    house.run(10)
    halt = house.risk().risk.halt
    assert (halt.level, halt.by, halt.latched) == (level, "operator", True)
    assert not entries(house)
    assert all(sent.order.closing for sent in house.world.sent[before:])
    assert "running" in operate(house, "reset-halt")["done"]
    house.run(5)
    assert new_entries(house, before)


def test_a_laxer_order_never_loosens_a_halt() -> None:
    house = trading(4, 1)
    operate(house, "halt")
    assert operate(house, "reduce-only")["done"] == "trading is halted"


@pytest.mark.parametrize(
    ("command", "symbol", "percent", "why"),
    [
        ("pause", "XRPUSDT", 100, "no bot of this host trades XRPUSDT; they trade BTCUSDT"),
        ("halt", "BTCUSDT", 100, "halt is for the whole host: leave the symbol out"),
        ("throttle", "", 101, "0 to 100 percent"),
        ("throttle", "", -1, "0 to 100 percent"),
        ("reset-halt", "", 100, "trading is not halted"),
        ("dance", "", 100, "unknown command 'dance'"),
    ],
)
def test_what_makes_no_sense_is_refused_and_written_down(
    command: str, symbol: str, percent: int, why: str
) -> None:
    house = trading(5, 1)
    error = operate(house, command, symbol, percent)["error"]
    assert why in error
    last = commanded(house)[-1]
    assert (last.command, last.symbol, last.refusal) == (command, symbol, error)
    assert house.risk().risk.halt.level is Level.RUNNING and not house.risk().risk.paused


def test_a_reset_is_refused_while_the_journal_cannot_be_written() -> None:
    house = trading(6, 1)
    operate(house, "halt")
    house.runtime.tell_control(names.RISK, JournalFailed("disk full"))
    assert "the journal cannot be written: disk full" in operate(house, "reset-halt")["error"]
    house.runtime.tell_control(names.RISK, JournalRecovered())
    house.run(0.1)
    assert house.risk().risk.halt.level is Level.HALTED
    assert "done" in operate(house, "reset-halt")


def test_a_single_write_that_fails_in_a_halt_keeps_nobody_from_resetting_it() -> None:
    house = trading(6, 1)
    operate(house, "halt")
    house.run(2)
    house.world.frozen = set(house.world.keys)  # else decisions are written: that settles it too
    house.run(0.5)
    house.journal.broken = "disk full"
    given_back = ((names.position(house.world.keys[0]), Unwritten("nobody's", "amend")),)
    house.runtime.tell(names.JOURNAL, Write((), failed=given_back))
    house.run(0.1)
    house.journal.broken = ""
    house.run(2)
    assert "the journal cannot be written" in operate(house, "reset-halt")["error"]
    assert "done" in operate(house, "reset-halt"), "the refusal was written, so it can be"


def test_what_fails_after_a_write_that_was_given_back_is_tried_again_all_the_same() -> None:
    house = trading(6, 1)
    operate(house, "halt")
    house.run(2)
    house.journal.broken = "disk full"
    given_back = ((names.position(house.world.keys[0]), Unwritten("nobody's", "amend")),)
    house.runtime.tell(names.JOURNAL, Write((), failed=given_back))
    house.run(3)
    house.runtime.tell_control(names.RISK, Operate("throttle", lambda _: None, "", 50))
    house.run(3)
    assert house.journal.failures >= 4
    house.journal.broken = ""
    house.run(2)
    assert commanded(house)[-1].command == "throttle"
    assert "done" in operate(house, "reset-halt")


def test_a_command_is_answered_once_it_is_on_disk() -> None:
    house = trading(6, 1)
    answers: list[dict[str, Any]] = []
    house.runtime.hang(names.JOURNAL, 2_000_000_000)
    house.runtime.tell_control(names.RISK, Operate("halt", answers.append))
    house.run(1)
    assert house.risk().risk.halt.level is Level.HALTED, "in force at once"
    assert not answers
    house.run(2)
    assert len(answers) == 1 and commanded(house)


def test_a_throttle_outlives_the_host_and_the_smaller_one_counts() -> None:
    house = trading(7, 2, *OTHER)
    btc, eth = house.world.keys
    operate(house, "throttle", "", 50)
    operate(house, "throttle", "ETHUSDT", 80)
    operate(house, "throttle", "BTCUSDT", 25)
    restart(house)
    scale = house.risk().risk.facts.scale
    assert (float(scale[btc]), float(scale[eth])) == (0.25, 0.5)
    assert house.status()["throttle"] == {"": 50, "ETHUSDT": 80, "BTCUSDT": 25}
    assert any(isinstance(record.payload, ThrottleChanged) for record in house.journal.records)


def test_a_flatten_halts_closes_everything_and_says_when_it_is_done() -> None:
    house = trading(8, 20, *OTHER)
    answer = operate(house, "flatten", within_s=36)
    assert answer == {"done": "the host is flat, the venue says", "left": []}
    assert not any(row.quantity for row in house.world.exchange.positions())
    halt = house.risk().risk.halt
    assert (halt.level, halt.latched, halt.by) == (Level.HALTED, True, "operator")
    before = len(house.world.sent)
    restart(house)
    house.run(10)
    assert len(house.world.sent) == before


def test_a_flatten_of_one_symbol_pauses_that_symbol() -> None:
    house = trading(9, 10, *OTHER)
    answer = operate(house, "flatten", "BTCUSDT", within_s=36)
    assert answer == {"done": "BTCUSDT is flat, the venue says", "left": []}
    assert house.risk().risk.halt.level is Level.RUNNING
    assert not held(house)
    before = len(house.world.sent)
    restart(house)
    house.run(15)
    assert not new_entries(house, before, "BTCUSDT")
    assert new_entries(house, before, "ETHUSDT")
    assert any(isinstance(record.payload, TradingPaused) for record in house.journal.records)


def test_a_flatten_that_nobody_carries_out_says_what_is_left_and_blocks_nobody() -> None:
    house = trading(10)
    key = house.world.keys[0]
    house.runtime.hang(names.position(key), 14_000_000_000)
    house.world.faults.unreachable = True
    house.world.lose_streams([*house.world.account_pipes, *house.world.market_pipes])
    answers: list[dict[str, Any]] = []
    house.runtime.tell_control(names.RISK, Operate("flatten", answers.append))
    house.run(1)
    assert operate(house, "throttle", "", 70)["done"]
    assert "a flatten is still under way" in operate(house, "reset-halt")["error"]
    house.run(36)
    assert len(answers) == 1
    assert answers[0]["error"] == "the host is not flat" and answers[0]["left"]


def test_a_position_that_starts_anew_in_a_flatten_is_told_again() -> None:
    house = trading(11)
    key = house.world.keys[0]
    answers: list[dict[str, Any]] = []
    house.world.faults.script("place", *["rejected"] * 4)
    house.runtime.tell_control(names.RISK, Operate("flatten", answers.append))
    house.run(0.05)
    house.runtime.kill(names.position(key), RuntimeError("killed meanwhile"))
    house.run(30)
    assert [answer.get("left") for answer in answers] == [[]]
    assert not held(house)


def test_commands_after_the_shutdown_began_are_refused() -> None:
    house = trading(12, 1)
    house.risk().halting.closing = True
    assert operate(house, "resume")["error"] == "the host is stopping"


@pytest.mark.parametrize("victim", [names.JOURNAL, names.RISK, "position", "host"])
@pytest.mark.parametrize("symbol", ["", "BTCUSDT"])
def test_a_flatten_is_not_forgotten_whoever_dies(symbol: str, victim: str) -> None:
    house = still(1)
    house.world.faults.script("place", *["rejected"] * 8)
    house.runtime.tell_control(names.RISK, Operate("flatten", lambda _: None, symbol))
    house.run(0.4)
    assert held(house)
    if victim == "host":
        house.crash()
        house.start()
    else:
        name = names.position(house.world.keys[0]) if victim == "position" else victim
        house.runtime.kill(name, RuntimeError("killed"))
    house.world.faults.scripted.clear()
    house.run(30)
    assert not held(house), house.tail()
    sent = len(house.world.sent)
    restart(house)
    house.run(5)
    assert len(house.world.sent) == sent, "what the venue said is flat is not closed again"
    assert not house.said("goes on")[(1 if victim in (names.JOURNAL, names.RISK, "host") else 0) :]


def test_a_flatten_whose_time_is_up_goes_on_after_a_restart_of_its_position() -> None:
    house = still(1)
    house.world.faults.script("place", *["rejected"] * 500)
    answer = operate(house, "flatten", within_s=40)
    assert answer["left"] and held(house)
    house.runtime.kill(names.position(house.world.keys[0]), RuntimeError("killed"))
    house.world.faults.scripted.clear()
    house.run(30)
    assert not held(house), house.tail()


def test_a_reset_calls_off_what_a_flatten_left() -> None:
    house = still(1)
    house.world.faults.script("place", *["rejected"] * 500)
    assert operate(house, "flatten", within_s=40)["left"]
    assert held(house)
    house.world.frozen = set()
    house.run(3)
    assert "done" in operate(house, "reset-halt")
    begun = len(house.said("closing everything"))
    house.runtime.kill(names.position(house.world.keys[0]), RuntimeError("killed"))
    house.run(5)
    restart(house)
    house.run(5)
    assert len(house.said("closing everything")) == begun


@pytest.mark.parametrize("seed", range(8))
def test_a_command_that_waits_for_the_disk_ends_no_later_risk_and_answers_no_later_command(
    seed: int,
) -> None:
    house = trading(seed, 1)
    house.runtime.hang(names.JOURNAL, 3 * SECOND_NS)
    house.runtime.tell_control(names.RISK, Operate("pause", lambda _: None))
    house.run(0.5)
    house.runtime.kill(names.RISK, RuntimeError("killed meanwhile"))
    house.run(1.5)
    written: list[list[str]] = []

    def answered(_: object) -> None:
        written.append([order.command for order in commanded(house)])

    house.runtime.tell_control(names.RISK, Operate("throttle", answered, "", 50))
    house.run(5)
    assert written == [["pause", "throttle"]]
    assert house.runtime.seats[names.RISK].restarts == 1, house.tail()


@pytest.mark.parametrize("command", ["pause", "halt", "reduce-only"])
def test_a_command_that_no_disk_holds_is_in_force_and_says_that_a_restart_forgets_it(
    command: str,
) -> None:
    house = trading(7, 1)
    house.journal.broken = "disk full"
    error = operate(house, command)["error"]
    assert "a restart forgets it" in error and "disk full" in error
    before = len(house.world.sent)
    house.run(3)
    assert not new_entries(house, before)


def test_resuming_in_a_halt_names_what_ends_it() -> None:
    house = trading(8, 1)
    operate(house, "reduce-only")
    done = operate(house, "resume")["done"]
    assert "trading is still reduce_only: reduce-only by the operator" in done
    assert "python run.py reset-halt ends it" in done


def test_a_running_halt_shows_no_reason_of_what_is_over() -> None:
    house = trading(9, 1)
    operate(house, "halt")
    assert house.status()["halt_reason"] == "halted by the operator"
    operate(house, "reset-halt")
    house.run(2)
    assert (house.status()["halt"], house.status()["halt_reason"]) == ("running", "")


def test_a_host_that_never_reached_the_venue_alarms_at_its_stop_only_if_it_once_sent_orders() -> (
    None
):
    new = host(10)
    new.world.faults.unreachable = True
    new.start()
    new.run(5)
    new.shutdown()
    assert not new.said("entries that may still be open")

    old = trading(10)
    old.crash()
    old.world.faults.unreachable = True
    old.start()
    old.run(5)
    old.shutdown()
    assert old.said("entries that may still be open")
