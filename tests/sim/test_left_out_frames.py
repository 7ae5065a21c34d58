"""Bytes that are no frame of the venue: told of without a flood, and the stream goes on."""

from __future__ import annotations

from actors import names
from core.messages import FrameLeftOut
from tests.sim.house import House
from tests.sim.test_whole_host import trading
from tests.sim.world import VENUE

STREAM = names.stream(VENUE, "market")


def spoil(house: House, count: int, first: int = 1) -> None:
    """Have the market connection leave out so many frames."""
    (pipe,) = house.world.market_pipes
    for number in range(first, first + count):
        pipe.sink(FrameLeftOut(VENUE, pipe.name, "bookTicker: odd", '{"e":', number))
    house.run(1)


def test_a_thousand_frames_that_are_none_make_one_line_a_minute_and_trading_goes_on() -> None:
    house = trading(3)
    sent = len(house.world.sent)

    spoil(house, 1_000)
    (line,) = house.said("no frame: bookTicker: odd")
    assert line.actor == STREAM

    house.run(61)
    spoil(house, 5, first=1_001)
    *_, last = house.said("no frame: bookTicker: odd")
    assert "1005 left out so far" in last.text
    assert len(house.said("no frame")) == 2

    house.run(30)
    assert len(house.world.sent) > sent
