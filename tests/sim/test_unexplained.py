"""A position that no fill explains: protected and closed as the venue states it, told, paused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors.messages.risk import FlattenTold
from core.messages import Fill, Key, OrderType, PlaceOrder, PositionSide, Purpose, Side
from tests.sim.house import House
from tests.sim.settling import position_stops
from tests.sim.test_flattening import flatten, holding
from tests.sim.test_protection import held, stops
from tests.sim.venue import SimVenue
from tests.sim.world import SECOND_NS

HIDDEN = "by-hand"


@pytest.fixture(autouse=True)
def lost_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the venue list no fill of an order that was placed by hand."""
    whole = SimVenue.fills

    def fills(
        venue: SimVenue, key: Key, *, since_ns: int = 0, order_id: str = ""
    ) -> tuple[Fill, ...]:
        found = whole(venue, key, since_ns=since_ns, order_id=order_id)
        return tuple(fill for fill in found if fill.client_order_id != HIDDEN)

    monkeypatch.setattr(SimVenue, "fills", fills)


def move(house: House, quantity: str) -> PositionSide:
    """Change what one side holds at the venue, and let nobody hear of it; return the side."""
    side, present = next(iter(held(house).items()))
    signed = Decimal(quantity) * (1 if present > 0 else -1)
    command = PlaceOrder(
        house.world.keys[0],
        HIDDEN,
        Side.BUY if signed > 0 else Side.SELL,
        side,
        OrderType.MARKET,
        abs(signed),
    )
    house.world.exchange.place(command, house.world.venue_ns())
    return side


def restarted(house: House) -> None:
    house.crash()
    house.world.pass_alone(SECOND_NS)
    house.start()


def differs(house: House) -> bool:
    """Tell whether risk opens nothing because of the difference."""
    return any("differs" in pause.reason for pause in house.risk().pauses.pauses.values())


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_what_the_venue_holds_too_much_is_protected(restart: bool) -> None:
    house = holding(1)
    side = move(house, "0.020")
    if restart:
        restarted(house)
    house.run(house.config.market.reconcile_every_s + 2)
    position_stops(house)
    assert abs(held(house)[side]) > Decimal("0.020")
    key = house.world.keys[0]
    assert differs(house)
    shown = {row.side: row.quantity for row in house.risk().risk.exposure.held(key)}
    assert shown[side] == held(house)[side], "and counted by risk"


@pytest.mark.parametrize("how", ["running", "restarted", "by REST alone"])
def test_what_the_venue_holds_too_much_is_closed(how: str) -> None:
    house = holding(1)
    move(house, "0.020")
    if how == "by REST alone":
        house.world.streams_down = True
        house.world.lose_streams(house.world.account_pipes)
    if how == "restarted":
        restarted(house)
    house.run(house.config.market.reconcile_every_s + 2)
    before = len(house.world.sent)
    assert flatten(house, 25) == FlattenTold(house.world.keys[0], True)
    assert not held(house) and not stops(house)
    closing = [s for s in house.world.sent[before:] if s.order.purpose is Purpose.CLOSE]
    assert len(closing) < 10, "what is closed is not closed again and again"


def test_what_was_closed_so_is_no_position_after_a_restart() -> None:
    """The fills of the closes alone would make a short side long."""
    house = holding(1)
    move(house, "0.020")
    house.run(house.config.market.reconcile_every_s + 2)
    assert flatten(house).left == ()
    restarted(house)
    before = len(house.world.sent)
    house.run(3 * house.config.market.reconcile_every_s)
    assert not stops(house) and not house.world.sent[before:]


def test_less_at_the_venue_than_we_count_keeps_its_stops_until_it_stays_so() -> None:
    house = holding(1)
    (count,) = {abs(quantity) for quantity in held(house).values()}
    lot = Decimal("0.001")
    side = move(house, str(-lot))
    house.run(house.config.market.reconcile_every_s + 2)
    assert house.stops(side) == [count]
    house.run(4 * house.config.market.reconcile_every_s)
    assert house.stops(side) == [count - lot]


def test_a_difference_that_ends_leaves_our_own_count_to_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = holding(1)
    move(house, "0.020")
    house.run(house.config.market.reconcile_every_s + 2)
    assert house.position().desk.stated
    monkeypatch.undo()
    house.run(house.config.market.reconcile_every_s + 2)
    assert not house.position().desk.stated
    assert not differs(house)
    position_stops(house)
    assert flatten(house).left == ()
