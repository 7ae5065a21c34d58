"""A canary: small orders only, and a latched halt once its small loss is used up."""

from __future__ import annotations

from decimal import Decimal

from core.config import Canary
from core.messages import Purpose
from core.risk.halt import Level
from tests.sim.house import House
from tests.sim.test_whole_host import entries, host


def canary(max_loss: str) -> House:
    """Return a host that has traded as a canary for a while and holds something."""
    limits = Canary(enabled=True, max_order_notional=Decimal(50), max_loss=Decimal(max_loss))
    bot = {"order_notional": Decimal(45)}
    house = host(5, "ETHUSDT", risk={"canary": limits}, bot=bot)
    house.start()
    house.ready()
    for _ in range(400):
        house.run(0.25)
        if any(row.quantity for row in house.world.exchange.positions()):
            return house
    raise AssertionError(house.tail())


def test_no_order_of_a_canary_is_larger_than_its_cap_and_status_tells_what_it_may_lose() -> None:
    house = canary("20")
    house.run(30)
    opened = [s.order for s in house.world.sent if s.order.purpose is Purpose.ENTRY]
    assert opened
    assert all(order.quantity * (order.price or Decimal(0)) <= 50 for order in opened)
    left = [row for row in house.status()["limits"] if row["name"].startswith("canary.max_loss")]
    assert [row["limit"] for row in left] == ["20"]


def test_a_canary_that_lost_what_it_may_is_halted_for_good() -> None:
    house = canary("0.2")
    key = house.world.keys[0]
    for row in house.world.exchange.positions():
        if row.quantity:
            house.world.shock(key, -120.0 if row.quantity > 0 else 120.0)
            break
    house.run(10)
    halt = house.risk().risk.halt
    assert halt.level is Level.HALTED and halt.latched, house.tail()
    assert "canary loss" in halt.reason and "risk.canary.max_loss" in halt.reason
    before = len(house.world.sent)
    house.run(30)
    assert not entries(house)
    assert not [s for s in house.world.sent[before:] if s.order.purpose is Purpose.ENTRY]
