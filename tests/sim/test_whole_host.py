"""The whole host against the simulated exchange: it starts, trades, keeps books, stops."""

from __future__ import annotations

from collections import Counter

import pytest

from actors import names
from actors.runtime import Outcome
from core.messages import Purpose, Side
from core.risk.halt import Level
from tests.sim.house import House, config
from tests.sim.invariants import Watchman
from tests.sim.settling import position_stops
from tests.sim.world import SECOND_NS, World


def host(seed: int, *symbols: str, **changes: object) -> House:
    """Return a host that is ready to be started."""
    symbols = symbols or ("BTCUSDT",)
    return House(World(seed, symbols), config(symbols, **changes), seed=seed)  # type: ignore[arg-type]


def trading(seed: int, seconds: float = 20.0, *symbols: str, **changes: object) -> House:
    """Return a host that has traded for a while and holds something."""
    house = host(seed, *symbols, **changes)
    house.start()
    house.ready()
    house.run(seconds)
    for _ in range(200):
        if any(row.quantity for row in house.world.exchange.positions()):
            return house
        house.run(0.25)
    raise AssertionError(house.tail())


def entries(house: House) -> list[str]:
    """Return the entries that rest at the exchange."""
    return [
        order.client_order_id
        for order in house.world.exchange.open_orders()
        if (order.position_side.value, order.side.value) in (("long", "buy"), ("short", "sell"))
    ]


def sides_placed(house: House) -> Counter[Side]:
    """Count the entries that were sent."""
    orders = (sent.order for sent in house.world.sent)
    return Counter(order.side for order in orders if order.purpose is Purpose.ENTRY)


@pytest.mark.parametrize("seed", range(5))
def test_parts_get_ready_from_left_to_right(seed: int) -> None:
    house = host(seed)
    ready: list[str] = []
    house.start()
    order = [name for name, seat in house.runtime.seats.items() if not seat.is_supervisor]
    while len(ready) < len(order):
        assert house.runtime.step()
        for name in order:
            if house.runtime.seats[name].state == "running" and name not in ready:
                ready.append(name)
    assert ready == order


def test_both_ladders_are_placed_and_filled_and_taken_at_a_profit() -> None:
    house = host(1)
    house.start()
    house.ready()
    # A rung that was proposed before the market's pause ended waits for a second.
    while not sides_placed(house) >= Counter({Side.BUY: 3, Side.SELL: 3}):
        assert house.runtime.monotonic_ns() < 10 * SECOND_NS, house.tail()
        house.run(0.05)
    house.run(60)
    purposes = {sent.order.purpose for sent in house.world.sent}
    assert purposes == {Purpose.ENTRY, Purpose.TAKE_PROFIT, Purpose.PROTECT}
    assert house.status()["state"] == "running"
    assert house.status()["fills"] == len(house.world.exchange.trades("BTCUSDT")) > 10


@pytest.mark.parametrize("seed", range(6))
def test_books_equal_the_exchange_and_every_side_has_one_stop_of_its_size(seed: int) -> None:
    house = host(seed, "BTCUSDT", "ETHUSDT")
    watchman = Watchman(house, bare_limit_ns=SECOND_NS // 2)
    house.start()
    house.ready()
    for _ in range(300):
        house.run(0.1)
        watchman.look()
    assert len(house.world.exchange.trades("BTCUSDT")) > 3
    house.quiesce(45)
    house.assert_books_equal_exchange()
    position_stops(house)
    assert not house.letters


def test_the_same_seed_writes_the_same_journal_to_the_byte() -> None:
    def journal() -> str:
        house = host(7)
        house.start()
        house.run(5)
        house.runtime.kill(names.position(house.world.keys[0]), RuntimeError("killed"))
        house.run(20)
        return house.journal.text

    first = journal()
    assert first == journal()
    assert first.count("\n") > 100


def test_the_next_host_takes_over_orders_positions_and_stops() -> None:
    house = trading(3)
    Watchman(house)
    open_before = {order.client_order_id for order in house.world.exchange.open_orders()}
    house.crash()
    house.start()
    house.ready()
    live = set(house.position().book.live)
    assert open_before <= live
    house.run(20)
    house.quiesce(45)
    house.assert_books_equal_exchange()
    position_stops(house)


def test_fills_while_no_host_was_there_are_found_at_the_next_start() -> None:
    house = trading(4)
    house.crash()
    house.world.pass_alone(30 * SECOND_NS)
    trades = len(house.world.exchange.trades("BTCUSDT"))
    house.start()
    house.ready()
    assert house.position().book.positions.seen.count == trades
    house.quiesce(45)
    house.assert_books_equal_exchange()


# Shutdown


def stopped_in_order(house: House) -> Outcome:
    house.world.frozen = set(house.world.keys)
    outcome = house.shutdown()
    assert outcome.exit == "orderly"
    return outcome


@pytest.mark.parametrize("seed", range(4))
def test_a_stop_cancels_entries_keeps_stops_and_places_nothing_new(seed: int) -> None:
    house = trading(seed)
    house.world.frozen = set(house.world.keys)
    house.run(1)
    before = len(house.world.sent)
    stopped_in_order(house)
    assert not entries(house)
    position_stops(house)
    assert all(sent.order.purpose is not Purpose.ENTRY for sent in house.world.sent[before:])
    assert house.said("entries cancelled, positions stay protected")
    house.assert_books_equal_exchange()


def test_a_stop_writes_the_last_record_before_the_journal_closes() -> None:
    house = trading(2)
    stopped_in_order(house)
    assert not house.letters
    ended = {order.client_order_id for order in house.books().open_orders()}
    assert ended == {order.client_order_id for order in house.world.exchange.open_orders()} | {
        order.client_order_id for order in house.world.exchange.open_conditionals()
    }


def test_a_stop_while_the_venue_is_away_ends_in_time_and_names_what_may_be_left() -> None:
    house = trading(5)
    house.world.faults.unreachable = True
    began_ns = house.world.host_ns()
    house.shutdown()
    patience_s = house.config.execution.entry_cancel_timeout_s
    assert house.world.host_ns() - began_ns < (patience_s + 3) * SECOND_NS
    assert house.said("entries that may still be open at the venue: binance:BTCUSDT")


@pytest.mark.parametrize("seconds", [0.0, 0.005, 1.0])
def test_a_stop_while_the_host_still_connects_ends_in_time(seconds: float) -> None:
    house = host(6)
    house.world.faults.unreachable = True
    house.start()
    house.run(seconds)
    outcome = house.shutdown()
    assert outcome.exit == "orderly"
    assert not house.world.sent


# Connecting


def test_an_exchange_that_is_not_there_is_waited_for() -> None:
    house = host(8)
    house.world.faults.unreachable = True
    house.start()
    house.run(100)
    assert house.status()["state"] == "connecting"
    tries = len(house.said("no clock sample"))
    assert 20 < tries < 35, "the pauses between two tries grow to some four seconds"
    assert not [line for line in house.lines if "ended (" in line.text]
    house.world.faults.unreachable = False
    house.ready(40)
    house.run(5)
    assert house.status()["state"] == "running"


def test_a_long_outage_does_not_multiply_questions() -> None:
    house = trading(9)
    house.world.faults.unreachable = True
    house.world.lose_streams([*house.world.account_pipes, *house.world.market_pipes])
    house.run(120)
    before = len(house.lines)
    house.run(60)
    assert len(house.lines) - before < 400
    house.world.faults.unreachable = False
    house.run(60)
    assert house.status()["state"] == "running"


def test_a_symbol_the_venue_does_not_list_waits_by_name_and_the_others_trade() -> None:
    symbols = ("SOLUSDT", "BTCUSDT")
    house = House(World(10, ("BTCUSDT",)), config(symbols), seed=10)
    house.start()
    house.run(30)
    status = house.status()
    assert status["state"] == "paused"
    assert list(status["paused"]) == ["binance:SOLUSDT"]
    assert "SOLUSDT" in str(status["paused"])
    assert house.world.exchange.trades("BTCUSDT")


# Journal


def test_a_full_disk_ends_new_risk_and_lets_closing_and_cancelling_go_on() -> None:
    house = trading(11)
    house.journal.broken = "disk full"
    house.run(3)
    assert house.risk().risk.halt.level is Level.REDUCE_ONLY
    assert not entries(house), "entries are taken back in a halt"
    before = len(house.world.sent)
    house.run(30)
    assert all(sent.order.closing for sent in house.world.sent[before:])
    for row in house.world.exchange.positions("BTCUSDT"):
        assert abs(row.quantity) == sum(house.stops(row.side))
    house.journal.broken = ""
    house.run(3)
    assert house.risk().risk.halt.level is Level.RUNNING
    house.run(5)
    house.quiesce(45)
    house.assert_books_equal_exchange()


# Halts


def host_that_latched(mode: str) -> House:
    house = trading(12)
    house.crash()
    house.config = config(supervision={"max_restarts": 1}, mode=mode)
    house.start()
    house.ready()
    for _ in range(2):
        house.runtime.kill("strategy:binance:BTCUSDT:grid", RuntimeError("defect"))
        house.run(2)
    assert house.risk().risk.halt.latched
    house.crash()
    house.config = config(mode=mode)
    house.start()
    house.ready()
    house.run(10)
    return house


@pytest.mark.parametrize("mode", ["paper", "testnet"])
def test_a_latched_halt_outlives_the_host_on_paper_too(mode: str) -> None:
    house = host_that_latched(mode)
    assert house.risk().risk.halt.level is Level.HALTED
    assert house.risk().risk.halt.latched
    assert not entries(house)
    assert house.said("trading is halted since before this start: ")
