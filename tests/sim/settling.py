"""Bring a simulated life to rest, and hold the host's books to the exchange's own ledger."""

from __future__ import annotations

from core.messages import PositionSide
from tests.sim.house import House
from tests.sim.invariants import Watchman

__all__ = ["position_stops", "settle"]


def settle(house: House, watchman: Watchman, seconds: float = 130.0) -> None:
    """Bring a life to rest and compare."""
    house.quiesce(seconds)
    watchman.look()
    house.assert_books_equal_exchange(but_unwritten=True)
    position_stops(house)
    for key in house.world.keys:
        position = house.position(key)
        assert position.synced, house.tail()
        waiting = [order for order in position.book.live.values() if not order.state.at_venue]
        assert not waiting, f"unresolved: {waiting}\n{house.tail()}"


def position_stops(house: House) -> None:
    """Hold every open side to one stop of exactly its size."""
    for key in house.world.keys:
        for side in (PositionSide.LONG, PositionSide.SHORT):
            held, stops = abs(house.held(side, key)), house.stops(side, key)
            wanted = [held] if held else []
            assert stops == wanted, f"{key} {side}: holds {held}, stops {stops}\n{house.tail()}"
