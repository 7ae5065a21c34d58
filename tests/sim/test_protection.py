"""No open side without a working stop: whatever ends, loses, refuses or hides stops. AUDIT E01."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from attrs import evolve

from actors import names
from actors.messages.risk import TightenStop
from actors.runtime import SupervisorSpec
from core.exchange import ConditionalOrder
from core.messages import (
    OrderType,
    OrderUpdated,
    PlaceOrder,
    PositionReported,
    PositionSide,
    Purpose,
    Side,
)
from core.orders import State
from core.records import StopTightened
from tests.sim import world as sim_world
from tests.sim.house import House
from tests.sim.invariants import Watchman
from tests.sim.settling import position_stops
from tests.sim.test_whole_host import host, trading
from tests.sim.world import SECOND_NS

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
CALL_S = 8.0
"""Connect and read time-out of one call, as configured."""


def still(
    seed: int,
    adapt: Callable[[SupervisorSpec], SupervisorSpec] = lambda tree: tree,
    **changes: object,
) -> House:
    """Return a host that holds something in a market that stands still."""
    house = host(seed, **changes)
    house.adapt = adapt
    house.start()
    house.ready()
    for _ in range(400):
        house.run(0.25)
        if held(house):
            break
    house.world.frozen = set(house.world.keys)
    house.run(1)
    assert held(house), house.tail()
    position_stops(house)
    return house


def held(house: House) -> dict[PositionSide, Decimal]:
    return {
        row.side: row.quantity
        for row in house.world.exchange.positions(house.world.keys[0].symbol)
        if row.quantity
    }


def stops(house: House) -> tuple[ConditionalOrder, ...]:
    return house.world.exchange.open_conditionals(house.world.keys[0].symbol)


def end(house: House, *, quietly: bool) -> None:
    """Cancel every stop at the venue, as another program would; perhaps without a frame of it."""
    for stop in stops(house):
        placed = house.world.exchange.cancel_conditional(
            house.world.venue_ns(), client_order_id=stop.client_order_id
        )
        if not quietly:
            house.world.emit(placed.events)


def forget(house: House) -> None:
    """Let the venue lose every stop: it knows of none and says of none."""
    floor = house.world.exchange._floor
    for stop in stops(house):
        floor.symbol(stop.key.symbol).triggers.remove(stop.algo_id)
        floor.conditionals.pop(stop.algo_id)
        floor.newest_algo.pop(stop.client_order_id)


def closes(house: House) -> list[str]:
    return [
        sent.order.client_order_id
        for sent in house.world.sent
        if sent.order.purpose is Purpose.CLOSE
    ]


@pytest.mark.parametrize("quietly", [False, True], ids=["told", "untold"])
def test_stops_that_somebody_cancels_are_placed_again(quietly: bool) -> None:
    house = still(1)
    watchman = Watchman(house, bare_limit_ns=int(3 * SECOND_NS))
    end(house, quietly=quietly)
    for _ in range(50):
        house.run(0.1)
        watchman.look()
    position_stops(house)
    assert not closes(house)
    house.quiesce(45)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("whole_host", [False, True], ids=["its actor", "the host"])
def test_how_long_a_side_was_bare_outlives_a_restart(whole_host: bool) -> None:
    """Soak seed 5001: an account restart began the time of a bare side anew."""
    house = still(1)
    key, within_s = house.world.keys[0], house.config.execution.protect_within_s
    house.world.faults.script("place", *["unknown_before"] * 2)  # no third one is placed beside
    end(house, quietly=False)
    house.run(within_s - 1)
    assert held(house) and not stops(house)
    if whole_host:
        house.crash()
        house.start()
    else:
        house.runtime.kill(names.position(key), RuntimeError("killed"))
    house.ready()
    began_s = house.runtime.monotonic_ns() / SECOND_NS
    while held(house):
        house.run(0.1)
        assert not stops(house)
        assert house.runtime.monotonic_ns() / SECOND_NS - began_s < within_s / 2 + 1, house.tail()


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_clock_that_was_set_before_a_restart_closes_nothing(jump_s: int) -> None:
    house = still(1)
    key = house.world.keys[0]
    house.world.jump_host_clock(jump_s * SECOND_NS)
    end(house, quietly=True)
    house.runtime.kill(names.position(key), RuntimeError("killed"))
    house.ready()
    house.run(20)
    assert not closes(house)
    position_stops(house)


def test_stops_that_go_again_and_again_end_with_the_position_closed() -> None:
    house = still(2)
    for _ in range(12):
        end(house, quietly=False)
        house.run(0.5)
    assert not held(house), house.tail()
    assert house.said("3 stops of it went within a minute")


def test_stops_that_the_venue_refuses_end_with_the_position_closed_in_time() -> None:
    house = still(3)
    house.world.faults.refuse_stops = True
    end(house, quietly=False)
    house.run(house.config.execution.protect_within_s + 1)
    assert not held(house), house.tail()
    assert closes(house)


def test_a_symbol_whose_stops_are_refused_opens_nothing_for_longer_each_time() -> None:
    house = trading(3, 2)
    house.world.faults.refuse_stops = True
    house.run(600)
    rests = [line for line in house.said("rests for") if line.text.startswith("paused: ")]
    lengths = [line.text.removeprefix("paused: rests for ").partition(" ")[0] for line in rests]
    assert lengths[:4] == ["30", "60", "120", "240"]
    assert len(closes(house)) <= 2 * len(rests) + 2, "one close of each side in each time between"

    house.world.faults.refuse_stops = False
    house.run(600)
    position_stops(house)
    assert not house.risk().risk.paused, "stops work again, and so does trading"


def test_stops_whose_placing_stays_unknown_end_with_the_position_closed_in_time() -> None:
    house = still(4)
    house.world.faults.script("place", "unknown_before", "unknown_before")
    end(house, quietly=False)
    house.run(house.config.execution.protect_within_s + 1)
    assert not held(house), house.tail()
    assert house.said("no working stop of its size in time (execution.protect_within_s)")


@pytest.mark.parametrize("seed", range(3))
def test_how_long_a_side_is_bare_counts_from_when_its_stops_were_seen_last(seed: int) -> None:
    """Nobody tells that the stops are gone, and none is taken any more: the worst case."""
    house = still(5 + seed)
    watchman = Watchman(house, bare_limit_ns=10**18)
    house.world.faults.refuse_stops = True
    end(house, quietly=True)
    while held(house):
        house.run(0.1)
        watchman.look()
    allowed_s = house.config.execution.protect_within_s + CALL_S
    assert watchman.longest_bare_ns < allowed_s * SECOND_NS


def test_closes_of_unknown_outcome_are_few_and_keep_nobody_from_closing() -> None:
    house = still(3)
    sides = len(held(house))
    before = len(house.world.sent)
    house.world.faults.script("place", *["unknown_before"] * 100)
    end(house, quietly=False)
    house.run(9)
    unknown = [o for o in house.position().book.live.values() if o.state is State.UNKNOWN]
    lost = [order for order in unknown if order.command.purpose is Purpose.CLOSE]
    assert sides < len(lost) <= 6 * sides
    assert len(house.world.sent) == before
    house.world.faults.scripted.clear()
    house.run(5)
    assert not held(house), house.tail()


def test_a_position_is_not_judged_by_the_stops_of_the_one_before() -> None:
    """Seed 125 of a longer run: opened afresh and closed at once, for a stop long gone."""
    house = still(1)
    side = next(iter(held(house)))
    house.world.faults.script("order", *["unreachable"] * 30)
    end(house, quietly=True)
    while not house.said("the venue does not show this stop"):
        house.run(0.1)
    end_of(house, side)
    house.run(7)
    house.world.frozen.clear()
    while side not in held(house):
        house.run(0.1)
    house.run(1)
    assert not closes(house), house.tail()


def test_a_host_that_starts_finds_that_its_stops_are_gone() -> None:
    house = still(8)
    house.crash()
    end(house, quietly=True)
    house.world.pass_alone(SECOND_NS)
    house.start()
    house.ready()
    house.run(0.5)
    position_stops(house)


def test_a_side_that_is_bare_is_told_to_risk_with_since_when() -> None:
    house = still(9)
    house.world.faults.script("place", "unknown_before", "unknown_before")
    end(house, quietly=False)
    house.run(0.3)
    key = house.world.keys[0]
    bare = house.risk().risk.facts.unprotected[key]
    assert set(bare) == set(held(house))
    now_ns = house.runtime.monotonic_ns()
    assert all(now_ns - SECOND_NS < since_ns <= now_ns for since_ns in bare.values())
    house.run(20)
    assert not house.risk().risk.facts.unprotected.get(key)


def test_a_position_larger_than_a_market_order_has_several_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = sim_world.listing

    def small(venue: str, symbol: str) -> object:
        listed = whole(venue, symbol)
        instrument = evolve(listed.instrument, market_max_quantity=Decimal("0.002"))
        return evolve(listed, instrument=instrument)

    monkeypatch.setattr(sim_world, "listing", small)
    house = host(1)
    house.start()
    house.ready()
    for _ in range(400):
        house.run(0.25)
        if any(abs(quantity) > Decimal("0.002") for quantity in held(house).values()):
            break
    house.world.frozen = set(house.world.keys)
    house.run(2)
    for side, quantity in held(house).items():
        parts = house.stops(side)
        assert sum(parts) == abs(quantity) and len(parts) > 1 and max(parts) <= Decimal("0.002")
    house.world.faults.refuse_stops = True
    end(house, quietly=False)
    house.run(15)
    assert not held(house), "closed by several market orders"
    assert len(closes(house)) > 1


# The price of a stop


def trigger(house: House, side: PositionSide) -> Decimal:
    (only,) = [stop.trigger_price for stop in stops(house) if stop.position_side is side]
    return only


def mark(house: House) -> Decimal:
    event = house.world.exchange.mark(house.world.keys[0].symbol)
    assert event is not None
    return event.mark


def tighten(house: House, side: PositionSide, distance_bps: int) -> None:
    key = house.world.keys[0]
    order = TightenStop(key, side, Decimal(distance_bps), "the market falls")
    house.runtime.tell(names.position(key), order)
    house.run(1)


def test_a_stop_is_tightened_and_never_loosened_until_the_side_is_flat() -> None:
    house = still(1)
    (side, quantity), *_ = held(house).items()
    wide = trigger(house, side)
    tighten(house, side, 50)
    sign = 1 if quantity > 0 else -1
    near = trigger(house, side)
    assert abs(near - mark(house) * (1 - sign * Decimal(50) / 10_000)) <= Decimal("0.1")
    assert (near - wide) * sign > 0
    tighten(house, side, 100)
    assert trigger(house, side) == near, "never further away"
    house.crash()
    house.start()
    house.ready()
    house.world.frozen = set(house.world.keys)
    house.run(1)
    assert trigger(house, side) == near, "survives a restart"
    assert [r for r in house.journal.records if isinstance(r.payload, StopTightened)]
    position_stops(house)


def test_a_tightened_stop_is_forgotten_with_its_position() -> None:
    house = still(1)
    (side, _), *_ = held(house).items()
    tighten(house, side, 50)
    assert side in house.position().book.tightened
    end_of(house, side)
    house.run(1)
    assert side not in house.position().book.tightened


def end_of(house: House, side: PositionSide) -> None:
    """Close a side at the venue, as its owner would by hand."""
    quantity = held(house)[side]
    command = PlaceOrder(
        house.world.keys[0],
        "by-hand",
        Side.SELL if quantity > 0 else Side.BUY,
        side,
        OrderType.MARKET,
        abs(quantity),
    )
    placed = house.world.exchange.place(command, house.world.venue_ns())
    house.world.emit(placed.events)


def test_a_stop_that_liquidation_would_come_before_is_brought_before_it() -> None:
    house = still(1)
    key = house.world.keys[0]
    (side, quantity), *_ = held(house).items()
    sign = 1 if quantity > 0 else -1
    liquidation = (mark(house) * (1 - sign * Decimal("0.01"))).quantize(Decimal("0.1"))
    said = PositionReported(key, side, quantity, mark(house), 1, liquidation)
    house.runtime.tell(names.position(key), said)
    house.run(1)
    assert abs(trigger(house, side) / liquidation - 1 - sign * Decimal("0.005")) < Decimal("1E-5")
    assert house.said(f"liquidation is at {liquidation}")


def test_a_liquidation_price_of_the_other_side_of_a_hedge_moves_no_stop() -> None:
    house = still(1)
    key = house.world.keys[0]
    (side, quantity), *_ = held(house).items()
    before = trigger(house, side)
    beyond = mark(house) * (Decimal("1.3") if quantity > 0 else Decimal("0.7"))
    said = PositionReported(key, side, quantity, mark(house), 1, beyond)
    house.runtime.tell(names.position(key), said)
    house.run(7)
    assert trigger(house, side) == before
    assert not closes(house)


def test_a_stop_that_the_mark_passed_without_firing_ends_with_the_side_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = still(1)
    (side, quantity), *_ = held(house).items()
    position = house.position()
    passed = trigger(house, side) * (Decimal("0.999") if quantity > 0 else Decimal("1.001"))
    monkeypatch.setattr(position.desk, "mark", passed)
    house.run(house.config.execution.protect_within_s + 1)
    assert side not in held(house), house.tail()


# Nobody but the venue says that a stop works


def test_a_stop_that_the_venue_does_not_know_any_more_has_another_take_its_place() -> None:
    house = still(1)
    before = {stop.client_order_id for stop in stops(house)}
    forget(house)
    house.run(4)
    assert {stop.client_order_id for stop in stops(house)}.isdisjoint(before)
    position_stops(house)
    assert house.said("the venue does not know this stop")
    assert not closes(house)


def test_one_answer_without_a_stop_that_works_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = still(1)
    before = stops(house)
    show: Callable[[str], tuple[OrderUpdated, ...]] = house.world.exchange.open_conditionals
    calls = []

    def hide(symbol: str | None = None) -> object:
        calls.append(symbol)
        return () if len(calls) == 1 else show(symbol)  # type: ignore[arg-type]

    monkeypatch.setattr(house.world.exchange, "open_conditionals", hide)
    while not calls:
        house.run(0.1)
    house.run(10)
    monkeypatch.undo()
    assert stops(house) == before


@pytest.mark.parametrize("seed", range(3))
def test_a_stop_that_one_answer_lacked_long_ago_has_no_larger_position_closed(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop worked all the time, and so does the one for the larger size a moment later."""
    house = still(1 + seed)
    (side, quantity), *_ = held(house).items()
    hidden = []

    def hide(symbol: str | None = None) -> tuple[OrderUpdated, ...]:
        hidden.append(symbol)
        return ()

    monkeypatch.setattr(house.world.exchange, "open_conditionals", hide)
    while not hidden:
        house.run(0.1)
    monkeypatch.undo()
    house.world.faults.script("stops", *["unreachable"] * 100)
    house.run(20)
    grow = PlaceOrder(
        house.world.keys[0],
        "by-hand",
        Side.BUY if quantity > 0 else Side.SELL,
        side,
        OrderType.MARKET,
        abs(quantity),
    )
    house.world.emit(house.world.exchange.place(grow, house.world.venue_ns()).events)
    house.run(3)
    assert not closes(house), house.tail()
    assert held(house)[side] == 2 * quantity
    position_stops(house)


@pytest.mark.parametrize("seed", range(6))
def test_under_any_trouble_with_stops_no_side_is_bare_for_longer_than_allowed(seed: int) -> None:
    house = trading(seed)
    patience_s = house.config.execution.protect_within_s + CALL_S
    watchman = Watchman(house, bare_limit_ns=int(patience_s * SECOND_NS))
    dice = house.world.faults.random
    house.world.faults.rates = {"place": 0.15, "cancel": 0.1, "stops": 0.1, "order": 0.1}
    for _ in range(120):
        match dice.randrange(10):
            case 0:
                end(house, quietly=dice.random() < 0.5)
            case 1:
                house.world.faults.refuse_stops = not house.world.faults.refuse_stops
        for _ in range(5):
            house.run(0.1)
            watchman.look()
