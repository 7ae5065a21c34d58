"""The status tells every cap, what is held against it and what is left."""

from __future__ import annotations

from decimal import Decimal

from actors import names
from core.config import SymbolCaps, SymbolGroup
from tests.sim.house import House, config
from tests.sim.test_whole_host import trading
from tests.sim.world import World


def test_each_cap_has_a_row_with_its_figures() -> None:
    caps = SymbolCaps(symbol="BTCUSDT", max_notional=Decimal(1_500))
    group = SymbolGroup(name="majors", symbols=("BTCUSDT", "ETHUSDT"), max_notional=Decimal(3_000))
    risk = {"symbols": (caps,), "groups": (group,), "max_orders_per_minute": 200}
    house = trading(1, 10, "BTCUSDT", "ETHUSDT", risk=risk)
    house.run(1.5)
    rows = {row["name"]: row for row in house.status()["limits"]}
    assert rows["max_symbol_notional.binance:BTCUSDT"]["limit"] == "1500"
    assert rows["max_symbol_notional.binance:ETHUSDT"]["limit"] == "2000"
    for name, limit in (
        ("max_gross_notional", 6_000),
        ("max_net_notional.buy", 4_000),
        ("group.majors.buy", 3_000),
        ("group.majors.sell", 3_000),
        ("max_open_orders_per_side.binance:BTCUSDT", 10),
        ("max_orders_per_minute", 200),
        ("max_cancels_per_minute", 300),
    ):
        row = rows[name]
        assert Decimal(row["limit"]) == limit
        assert Decimal(row["value"]) + Decimal(row["headroom"]) == limit
    both = Decimal(rows["group.majors.buy"]["value"]) + Decimal(rows["group.majors.sell"]["value"])
    assert abs(both - Decimal(rows["max_gross_notional"]["value"])) < 1
    assert Decimal(rows["max_orders_per_minute"]["value"]) >= 12, "two ladders of six"


def test_a_symbol_that_the_venue_does_not_list_hides_no_row_of_the_others() -> None:
    house = House(World(1, ("BTCUSDT",)), config(("BTCUSDT", "GONEUSDT")), seed=1)
    house.start()
    house.ready()
    house.run(20)
    rows = {row["name"]: row["value"] for row in house.status()["limits"]}
    for name in (
        "max_gross_notional",
        "max_account_leverage",
        "min_free_margin_percent",
        "max_var_percent",
        "max_symbol_notional.binance:BTCUSDT",
    ):
        assert Decimal(rows[name]) > 0, name
    assert rows["max_symbol_notional.binance:GONEUSDT"] is None


def test_no_row_is_told_while_a_symbol_that_may_hold_something_was_not_compared() -> None:
    house = trading(1, 10)
    house.world.faults.rates["read"] = 1.0
    house.runtime.kill(names.position(house.world.keys[0]), RuntimeError("killed"))
    house.run(3)
    assert not [row for row in house.status()["limits"] if row["name"] == "max_gross_notional"]
