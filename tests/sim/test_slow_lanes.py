"""Calls take their time: what protects a position waits behind nothing that can wait."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

import pytest

from actors import names, supervisor
from actors.connection import ConnectionActor
from actors.messages.operations import Tick
from actors.messages.risk import Operate
from core.messages import CancelOrder
from core.risk.gate import Approved
from tests.sim.invariants import Watchman
from tests.sim.settling import position_stops
from tests.sim.test_pauses_and_fences import slow_call
from tests.sim.test_protection import end, held, still
from tests.sim.test_whole_host import entries, host
from tests.sim.world import SECOND_NS

SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "LTCUSDT", "LINKUSDT")
CALL_NS = 60_000_000
WIDE = {
    "max_side_notional": Decimal(90_000),
    "max_net_notional": Decimal(90_000),
    "max_gross_notional": Decimal(190_000),
    "max_account_leverage": Decimal(30),
    "max_orders_per_minute": 5_000,
    "max_cancels_per_minute": 5_000,
}


class SlowLane(ConnectionActor):
    """Takes a while for each order and each cancel, one after the other."""

    def starting(self) -> None:
        self.queue: deque[object] = deque()
        super().starting()

    def handle(self, message: object) -> None:
        if message == Tick("served"):
            super().handle(self.queue.popleft())
            if self.queue:
                self.after(CALL_NS, Tick("served"))
        elif isinstance(message, Approved | CancelOrder):
            self.queue.append(message)
            if len(self.queue) == 1:
                self.after(CALL_NS, Tick("served"))
        else:
            super().handle(message)


def test_stops_wait_behind_no_cancels_when_many_entries_are_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "ConnectionActor", SlowLane)
    symbols = (
        "BTCUSDT",
        "ETHUSDT",
        "BNBUSDT",
        "SOLUSDT",
        "XRPUSDT",
        "ADAUSDT",
        "LTCUSDT",
        "LINKUSDT",
    )
    house = host(3, *symbols, bot={"levels": 5}, risk=WIDE)
    house.start()
    house.ready()
    house.run(4)
    assert len(entries(house)) > 30
    watchman = Watchman(house, bare_limit_ns=2 * SECOND_NS)
    before = len(house.lines)
    house.runtime.tell_control(names.RISK, Operate("reduce-only", lambda _: None, "", 100))
    house.run(0.05)
    for key in house.world.keys[-3:]:
        house.world.shock(key, -15)
    for _ in range(100):
        house.run(0.05)
        watchman.look()
    assert not entries(house)
    late = [line for line in house.lines[before:] if "too old to send" in line.text]
    assert not [line for line in late if ":urgent" in line.actor]


def test_a_stop_that_never_left_the_house_is_no_refusal_of_the_venue() -> None:
    house = still(1, execution={"protect_within_s": 30.0})
    lane = names.urgent_lane(house.world.keys[0], house.config.venues.binance.symbol_groups)
    slow_call(house, lane, 2.5)
    end(house, quietly=False)
    for _ in range(3):
        house.run(3.4)
        slow_call(house, lane, 2.5)
    house.run(5)
    assert len(house.said("too old to send")) > 2
    assert not house.said("closing the"), house.tail()
    position_stops(house)


def test_a_side_whose_stops_hang_is_closed_beside_them() -> None:
    house = still(5)
    lane = names.urgent_lane(house.world.keys[0], house.config.venues.binance.symbol_groups)
    end(house, quietly=False)
    for _ in range(3):
        slow_call(house, lane, 5.0)
        house.run(3)
    assert house.said("closing the"), house.tail()
    assert not held(house), house.tail()
