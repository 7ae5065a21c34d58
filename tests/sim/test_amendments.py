"""Amendments: what is approved for one counts until it is settled, and not for longer."""

from __future__ import annotations

from actors import names
from actors.messages import Propose
from actors.strategy import StrategyActor
from core.messages import AmendOrder
from tests.sim.test_whole_host import trading


def test_an_approved_amendment_that_is_not_sent_is_reserved_no_longer() -> None:
    house = trading(2, 3)
    house.world.frozen = set(house.world.keys)
    house.run(2)
    desk = house.position().desk
    grid = house.runtime.seats[names.strategy("grid", desk.key)].context
    assert grid is not None and isinstance(grid.actor, StrategyActor)
    grid.actor.state = None  # it decides nothing more, and takes back no order of another size
    order = next(
        order
        for order in desk.book.live.values()
        if order.state.at_venue and not order.command.closing and not order.amending
    )
    assert desk.instrument is not None
    key, exposure = order.command.key, house.risk().risk.exposure
    before = exposure.worst_notional(key, order.command.side)
    for steps in (1, 2):  # the second is approved while the first is on its way, and not sent
        command = AmendOrder(
            key,
            order.id,
            order.order_id,
            order.command.side,
            order.command.position_side,
            order.price,
            order.quantity + steps * desk.instrument.lot_step,
            bot=order.command.bot,
        )
        house.runtime.tell(names.RISK, Propose(command, names.strategy("grid", key)))
    while house.risk().risk.exposure.worst_notional(key, order.command.side) == before:
        house.runtime.step()
    for _ in range(100):
        house.run(0.01)
        now = desk.book.live.get(order.id)
        if now is not None and now.quantity == order.quantity + desk.instrument.lot_step:
            break
    else:
        raise AssertionError(house.tail())
    house.run(0.05)
    held = exposure.order(key, order.id)
    assert held is not None
    assert exposure.order_notional(held) == held.remaining * max(held.price, desk.mark)
