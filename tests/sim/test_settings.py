"""Position mode, margin mode and leverage: set at the venue and read back before any order."""

from __future__ import annotations

import pytest

from core.messages import Key
from tests.sim.house import House, config
from tests.sim.venue import SimVenue
from tests.sim.world import World


@pytest.mark.parametrize("name", ["set_leverage", "set_isolated"])
def test_no_order_leaves_before_the_venue_reads_back_what_was_set(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(World(1, ("BTCUSDT",)), config(), seed=1)
    took = getattr(SimVenue, name)
    monkeypatch.setattr(SimVenue, name, lambda *_: None)  # the venue says yes and does not do it
    house.start()
    house.run(20)

    assert house.world.sent == []
    assert house.said("reads back leverage")

    monkeypatch.setattr(SimVenue, name, took)
    house.ready()
    house.run(15)  # so many calls failed that entries wait for a probe
    row = house.world.exchange.symbol_row("BTCUSDT")
    bot = house.config.bots[0]
    assert (row.leverage, row.isolated) == (bot.leverage, True)
    assert house.world.exchange.hedge_mode
    assert {sent.order.key for sent in house.world.sent} == {Key("binance", "BTCUSDT")}
