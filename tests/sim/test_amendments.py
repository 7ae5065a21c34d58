"""Amendments of one instant, as the venue dates them: what was replaced does not come back."""

from __future__ import annotations

from decimal import Decimal

from actors import names
from core.messages import OrderType, PositionSide, Side
from tests.sim.house import House, config
from tests.sim.world import World
from tests.soak.wild import AmendWish, PlaceWish, with_wild

D = Decimal
QUANTITY = D("0.003")


def resting() -> tuple[House, Decimal]:
    """Return a host with one order far from the market, and its price."""
    world = World(3, ("BTCUSDT",))
    key = world.keys[0]
    house = House(
        world, config(), seed=3, adapt=lambda tree: with_wild(tree, "sim", "grid", frozenset({key}))
    )
    house.start()
    house.ready()
    house.run(2)
    world.frozen = {key}
    mark = world.exchange.mark("BTCUSDT")
    assert mark is not None
    price = D(int(mark.mark) - 200)
    wish = PlaceWish(Side.BUY, PositionSide.LONG, OrderType.LIMIT, QUANTITY, price)
    house.runtime.tell(names.strategy("grid", key), wish)
    house.run(0.5)
    assert terms(house) == [(price, None)]
    return house, price


def amend(house: House, price: Decimal) -> None:
    """Have the order moved within this instant."""
    house.runtime.tell(names.strategy("grid", house.world.keys[0]), AmendWish(0, price, QUANTITY))
    house.runtime.run_until_idle()


def terms(house: House) -> list[tuple[Decimal, object]]:
    return [(order.price, order.amending) for order in house.position().book.live.values()]


def at_venue(house: House) -> list[Decimal]:
    return [order.price for order in house.world.exchange.open_orders("BTCUSDT")]


def test_two_amendments_of_one_instant_leave_the_second_ones_terms_whatever_comes_twice() -> None:
    """Day 48."""
    house, price = resting()
    house.world.faults.frame_repeat = 1.0
    amend(house, price - 10)
    amend(house, price - 20)
    for _ in range(100):
        assert terms(house) == [(price - 20, None)]
        house.run(0.01)
    assert at_venue(house) == [price - 20]


def test_an_order_is_moved_back_to_where_it_was_a_moment_ago_a_moment_later() -> None:
    """Its word could not be told from that of the amendment before, coming twice."""
    house, price = resting()
    amend(house, price - 10)
    amend(house, price - 20)
    amend(house, price - 10)
    assert terms(house) == [(price - 20, None)]
    assert at_venue(house) == [price - 20]
    house.run(1)
    amend(house, price - 10)
    house.run(0.1)
    assert terms(house) == [(price - 10, None)]
    assert at_venue(house) == [price - 10]
