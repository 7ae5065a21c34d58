"""Guards in the running host: fast moves, near liquidation, strangers, wild markets."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.messages.lanes import BarsRead
from actors.messages.operations import Tick
from actors.messages.risk import ForeignFound
from core.config import Guards as GuardTable
from core.config import Losses as LossTable
from core.messages import AccountEvent, Bar, MarketEvent, MarkPrice, PositionSide, Purpose
from core.risk.halt import Level
from tests.sim.house import House
from tests.sim.test_operating import new_entries, restart
from tests.sim.test_protection import held, still
from tests.sim.test_whole_host import entries, trading
from tests.sim.world import VENUE, Pipe

D = Decimal
NO_STOP = LossTable(max_daily_loss_percent=D(100), max_drawdown_percent=D(100))


def marked(house: House, factor: str) -> None:
    """Bring a mark that moved by this factor to risk."""
    risk, key = house.risk(), house.world.keys[0]
    price = risk.risk.facts.marks[key][0] * D(factor)
    risk.handle(MarkPrice(key, price, price, D(0), 0, 0))


def against(house: House) -> tuple[PositionSide, str]:
    """Return a side that is held and a factor of the mark that is a crash for it."""
    side, quantity = next(iter(held(house).items()))
    return side, "0.95" if quantity > 0 else "1.05"


def trigger(house: House, side: PositionSide) -> Decimal:
    waiting = house.world.exchange.open_conditionals("BTCUSDT")
    return next(order.trigger_price for order in waiting if order.position_side is side)


# Flash crash


@pytest.mark.parametrize("seed", range(3))
def test_a_fast_move_tightens_the_stop_of_the_side_that_it_hurts_and_pauses(seed: int) -> None:
    house = still(seed, risk={"guards": GuardTable(flash_pause_s=20.0)})
    side, factor = against(house)
    stops = {each: trigger(house, each) for each in held(house)}
    marked(house, factor)
    assert "risk.guards.flash_move_bps" in house.risk().risk.paused[house.world.keys[0]]
    house.run(0.5)
    assert house.risk().risk.halt.level is Level.RUNNING, "before any limit of losses"
    assert not entries(house)
    said = house.said(f"tighten {side.value}: the mark")
    assert len(said) == 1 and "risk.guards.flash_action" in said[0].text
    for other in held(house).keys() - {side}:
        assert trigger(house, other) == stops[other], "what a move helps is left alone"
    if side in held(house):
        sign = 1 if held(house)[side] > 0 else -1
        assert (trigger(house, side) - stops[side]) * sign > 0


def test_after_the_pause_it_goes_on() -> None:
    house = still(1, risk={"guards": GuardTable(flash_pause_s=5.0, flash_window_s=1.0)})
    marked(house, against(house)[1])
    house.world.frozen.clear()
    house.run(4)
    before = len(house.world.sent)
    assert any(source.startswith("flash:") for source in house.risk().pauses.pauses)
    house.run(12)
    assert not house.risk().pauses.pauses
    assert new_entries(house, before)


def test_where_configured_a_fast_move_closes_the_side() -> None:
    house = still(2, risk={"guards": GuardTable(flash_action="close")})
    side, factor = against(house)
    others = held(house).keys() - {side}
    marked(house, factor)
    house.run(5)
    assert side not in held(house)
    assert others <= held(house).keys()


# Liquidation


def test_a_liquidation_that_comes_near_warns_and_then_makes_the_position_smaller() -> None:
    guards = GuardTable(flash_move_bps=D(10_000))
    house = still(1, risk={"guards": guards, "losses": NO_STOP})
    side, quantity = next(iter(held(house).items()))
    fall = quantity > 0
    marked(house, "0.57" if fall else "1.33")
    house.risk().handle(Tick("look"))
    assert house.said("liquidation is") and not house.said("liquidation_reduce_bps")
    before = len(house.world.sent)
    marked(house, "0.93" if fall else "1.06")
    house.risk().handle(Tick("look"))
    rows = {row.name: row for row in house.risk().guards.limits()}
    row = rows[f"liquidation_reduce_bps.{house.world.keys[0]}.{side.value}"]
    assert row.headroom == 0
    house.run(0.9)
    assert house.said("liquidation_reduce_bps")
    closing = [sent.order for sent in house.world.sent[before:]]
    sizes = [order.quantity for order in closing if order.purpose is Purpose.CLOSE]
    assert sizes and abs(held(house).get(side, D(0))) < abs(quantity)


def test_a_position_far_from_liquidation_is_left_alone() -> None:
    house = still(3)
    house.run(3)
    rows = {row["name"]: row for row in house.status()["limits"]}
    names = [name for name in rows if name.startswith("liquidation_reduce_bps")]
    assert len(names) == len(held(house))
    assert not house.said("liquidation is")


# Strangers


@pytest.mark.parametrize(
    ("mode", "policy", "stops"),
    [
        ("paper", "stop", True),
        ("testnet", "stop_in_live", False),
        ("live", "stop_in_live", True),
        ("live", "tolerate", False),
    ],
)
def test_strangers_stop_new_risk_where_the_policy_says_so(
    mode: str, policy: str, stops: bool
) -> None:
    house = trading(4, 2, risk={"guards": GuardTable(foreign_activity=policy)}, mode=mode)
    found = ForeignFound(VENUE, "XRPUSDT", "order 17 of another program")
    house.risk().handle(found)
    halt = house.risk().risk.halt
    assert (halt.level is Level.REDUCE_ONLY and halt.latched) is stops
    assert house.said("order 17 of another program")
    assert house.said("risk.guards.foreign_activity")


# Volatility


def wild_bars(house: House) -> BarsRead:
    """Return bars that move up and down by a twentieth each minute."""
    key, minute = house.world.keys[0], 60_000_000_000
    last = house.world.host_ns() // minute - 1
    bars = []
    for number in range(60):
        price = D(60_000) * (D("1.05") if number % 2 else D(1))
        open_ns = (last - 59 + number) * minute
        bars.append(Bar(key, minute, open_ns, price, price, price, price, D(1), True))
    return BarsRead(key, tuple(bars))


def test_a_wild_market_makes_entries_smaller() -> None:
    house = trading(5, 5)
    key = house.world.keys[0]
    assert house.risk().scaling.scale(key) == 1
    house.risk().handle(wild_bars(house))
    assert house.risk().risk.facts.scale[key] == D("0.25")
    assert house.said("entries have 25 % of full size, 100 % before")
    assert house.risk().scaling.throttles == {}


def test_a_start_with_an_open_position_tells_of_no_unknown_distance_until_marks_had_time_to_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = trading(21)
    restart(house)
    house.run(5)
    assert not house.said("liquidation distance")
    carry = house.world._carry

    def carried(pipe: Pipe, event: MarketEvent | AccountEvent) -> None:
        if not isinstance(event, MarkPrice):
            carry(pipe, event)

    monkeypatch.setattr(house.world, "_carry", carried)
    house.run(60)
    said = house.said("liquidation distance: no mark price")
    assert said and all(line.level == "error" for line in said)
    assert len(said) <= 2, "once for each side"
