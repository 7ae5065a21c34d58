"""Volatility, value at risk and stress in the whole host: what they do and what status shows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors import names
from actors.messages.lanes import BarsRead
from core.config import Portfolio
from core.messages import Bar, Key, Purpose
from tests.sim.house import House
from tests.sim.test_whole_host import entries, host, trading

D = Decimal
MINUTE_NS = 60_000_000_000


def rows(house: House) -> dict[str, tuple[Decimal, Decimal]]:
    """Return value and limit of every row of the status whose value is known."""
    told = house.status()["limits"]
    return {
        row["name"]: (D(row["value"]), D(row["limit"])) for row in told if row["value"] is not None
    }


def minutes(house: House, key: Key, move: str) -> list[Bar]:
    """A window of minutes that end now and go up and down by this part of the price."""
    newest = house.world.venue_ns() // MINUTE_NS - 1
    high = D(60_000) * (1 + D(move))
    found = []
    for place in range(21):
        price = high if place % 2 else D(60_000)
        opened = (newest - 20 + place) * MINUTE_NS
        found.append(Bar(key, MINUTE_NS, opened, price, price, price, price, D(1), True))
    return found


def test_the_status_tells_what_the_account_could_lose_and_how_far_that_is_from_its_limit() -> None:
    house = trading(3)
    house.run(2)
    found, equity = rows(house), D(house.status()["equity"])
    gross = found["max_gross_notional"][0]
    assert found["max_account_leverage"] == (round(gross / equity, 2), 3)
    assert D(90) < found["min_free_margin_percent"][0] < 100
    assert 0 < found["max_var_percent"][0] < found["max_var_percent"][1] == 5
    assert found["max_daily_volatility_percent.binance:BTCUSDT"][1] == 60
    long, short = (found[f"max_side_notional.{side}"][0] for side in ("buy", "sell"))
    for name, loss in (("-20", long / 5), ("-10", long / 10), ("+10", short / 10)):
        shown, limit = found[f"stress.{name}_percent"]
        assert abs(shown - loss * 100 / equity) < D("0.02")
        assert limit == 10


@pytest.mark.parametrize(
    ("move", "scale", "may_trade"), [("0.008", D("0.5"), True), ("0.02", D("0.25"), False)]
)
def test_a_wild_market_has_smaller_entries_and_a_wilder_one_none(
    move: str, scale: Decimal, may_trade: bool
) -> None:
    """0.8 % a minute are 30 % a day, 2 % are 75 %."""
    bot = {"order_notional": D(400)}
    house = host(4, risk={"portfolio": Portfolio(window_bars=20)}, bot=bot)
    key = house.world.keys[0]
    house.start()
    house.ready()
    house.run(5)
    before = [s.order.quantity for s in house.world.sent if s.order.purpose is Purpose.ENTRY]
    bars = minutes(house, key, move)
    house.runtime.tell(names.RISK, BarsRead(key, tuple(bars)))
    house.run(5)
    sent = len(house.world.sent)
    house.run(20)
    after = [s.order for s in house.world.sent[sent:] if s.order.purpose is Purpose.ENTRY]
    assert house.risk().scaling.scale(key) == scale
    if may_trade:
        assert after and entries(house)
        assert max(order.quantity for order in after) <= max(before) * scale
    else:
        assert not after and not entries(house)
        assert house.said("max_daily_volatility_percent"), house.tail()


def test_value_at_risk_over_its_limit_ends_entries() -> None:
    house = host(6, risk={"portfolio": Portfolio(max_var_percent=D("0.1"))})
    house.start()
    house.ready()
    house.run(10)
    assert house.said("risk.portfolio.max_var_percent"), house.tail()
    assert rows(house)["max_var_percent"][0] <= D("0.1")
