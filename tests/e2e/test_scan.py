"""The scan of an exchange's account sees each cap that its orders exceeded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from core.config import Config, SymbolGroup
from core.exchange import ExchangeState
from core.exchange.rows import Amendment
from core.messages import OrderStatus, PositionSide, Side
from tests.e2e.scan import scan
from tests.sim.house import House, config
from tests.sim.world import World

SYMBOLS = ("BTCUSDT", "ETHUSDT")


@pytest.fixture(scope="module")
def traded() -> tuple[ExchangeState, Config]:
    house = House(World(5, SYMBOLS), config(SYMBOLS), seed=5)
    house.start()
    house.ready()
    house.run(60)
    return house.world.exchange.state(), house.config


def test_what_kept_to_its_caps_passes(traded: tuple[ExchangeState, Config]) -> None:
    state, configured = traded
    assert len(state.trades) > 10 and len(state.amendments) > 2
    assert scan(state, configured, configured.risk) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"max_order_notional": Decimal(150)}, "order notional"),
        ({"max_symbol_notional": Decimal(300)}, "BTCUSDT buy notional"),
        ({"max_side_notional": Decimal(500)}, ": buy notional"),
        ({"max_net_notional": Decimal(500)}, "net buy notional"),
        ({"max_gross_notional": Decimal(900)}, "gross notional"),
        ({"max_open_orders_per_side": 1}, "BTCUSDT buy orders"),
        ({"max_orders_per_minute": 5}, "orders within a minute"),
        (
            {"groups": (SymbolGroup(name="all", symbols=SYMBOLS, max_notional=Decimal(500)),)},
            "group all buy",
        ),
    ],
)
def test_what_did_not_is_named(
    change: dict[str, Any], words: str, traded: tuple[ExchangeState, Config]
) -> None:
    state, configured = traded
    smaller = evolve(configured.risk, **change)
    assert any(words in problem for problem in scan(state, configured, smaller))


@pytest.mark.parametrize(("times", "named"), [(1, False), (2, True)])
def test_of_an_amended_order_only_what_may_still_fill_is_held_against_its_cap(
    times: int, named: bool, traded: tuple[ExchangeState, Config]
) -> None:
    state, configured = traded
    entry = (PositionSide.LONG, Side.BUY)
    fill = next(t.fill for t in state.trades if (t.fill.position_side, t.fill.side) == entry)
    order = next(o for o in state.orders if o.client_order_id == fill.client_order_id)
    quantity = order.quantity * (1 + times)
    change = Amendment(
        10**9, order.key, order.order_id, order.client_order_id, order.price, order.price,
        order.quantity, quantity, order.amendments + 1, order.updated_ns + 1,
    )  # fmt: skip
    grown = evolve(order, quantity=quantity, status=OrderStatus.PARTIALLY_FILLED)
    others = tuple(o for o in state.orders if o is not order)
    after = evolve(state, orders=(*others, grown), amendments=(*state.amendments, change))
    smaller = evolve(configured.risk, max_order_notional=Decimal(300))
    problems = scan(after, configured, smaller)
    assert any("order notional" in problem for problem in problems) is named


def test_strangers_orders_are_not_the_hosts(traded: tuple[ExchangeState, Config]) -> None:
    state, configured = traded
    other = evolve(configured, host_name="other")
    assert scan(state, other, evolve(configured.risk, max_open_orders_per_side=1)) == []
