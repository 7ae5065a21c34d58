"""What a host that gave up still does at the venue: its entries go, everything else stays."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from adapters import last_act
from adapters.last_act import take_back_entries
from core.errors import NotFound, Unreachable, VenueError
from core.messages import (
    CancelOrder,
    Key,
    OrderStatus,
    OrderType,
    OrderUpdated,
    PositionSide,
    Side,
)
from core.ports import ClockSample

BTC, ETH = Key("binance", "BTCUSDT"), Key("binance", "ETHUSDT")


def order(name: str, key: Key = BTC, **changes: Any) -> OrderUpdated:
    fields: dict[str, Any] = {
        "key": key, "client_order_id": name, "order_id": "1", "side": Side.BUY,
        "position_side": PositionSide.LONG, "type": OrderType.LIMIT, "status": OrderStatus.NEW,
        "price": D(1), "quantity": D(1), "filled": D(0), "event_ns": 1,
    }  # fmt: skip
    return OrderUpdated(**(fields | changes))


ENTRY = order("host1-grid-BTCUSDT-10")
SHORT = order("host1-grid-ETHUSDT-10", ETH, side=Side.SELL, position_side=PositionSide.SHORT)
STAYING = (
    order("host1-grid-BTCUSDT-20", side=Side.SELL),
    order("host1-grid-BTCUSDT-30", side=Side.SELL, type=OrderType.STOP_MARKET),
    order("host1-grid-BTCUSDT-40", position_side=PositionSide.BOTH, reduce_only=True),
    order("host2-grid-BTCUSDT-10"),
    order("somebody-elses"),
)


class Venue:
    """A venue that holds these orders; `errors` are raised by the next calls, one each."""

    name, rest_url = "binance", "http://127.0.0.1"

    def __init__(self, *orders: OrderUpdated, errors: tuple[VenueError, ...] = ()) -> None:
        self.orders = {one.client_order_id: one for one in orders}
        self.errors = list(errors)
        self.offset_ns = 0

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)

    def sample_clock(self) -> ClockSample:
        self._fail()
        return ClockSample(7, 1, 1)

    def set_clock_offset_ns(self, offset_ns: int) -> None:
        self.offset_ns = offset_ns

    def open_orders(self, key: Key) -> tuple[OrderUpdated, ...]:
        assert self.offset_ns == 7
        return tuple(one for one in self.orders.values() if one.key == key)

    def cancel(self, command: CancelOrder) -> None:
        self._fail()
        self.orders.pop(command.client_order_id)


@pytest.fixture
def lines() -> list[tuple[str, str]]:
    return []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_act, "_PAUSE_S", 0.0)


def act(venue: Any, lines: list[tuple[str, str]], within_s: float = 5.0) -> bool:
    def log(level: str, actor: str, text: str, **_: Any) -> None:
        lines.append((level, text))

    return take_back_entries(venue, (BTC, ETH), "host1", log, within_s)


def test_entries_of_this_host_go_and_all_else_stays(lines: list[tuple[str, str]]):
    venue = Venue(ENTRY, SHORT, *STAYING)

    assert act(venue, lines)
    assert tuple(venue.orders.values()) == STAYING
    assert lines == [("info", "no entry of this host is open; stops stay where they are")]


def test_a_venue_that_fails_for_a_moment_is_asked_again(lines: list[tuple[str, str]]):
    venue = Venue(ENTRY, errors=(Unreachable("no"), Unreachable("no"), Unreachable("no")))

    assert act(venue, lines)
    assert not venue.orders


def test_an_order_that_ended_meanwhile_is_looked_at_again(lines: list[tuple[str, str]]):
    class Filled(Venue):
        def cancel(self, command: CancelOrder) -> None:
            super().cancel(command)
            raise NotFound("it is filled")

    venue = Filled(ENTRY, SHORT)

    assert act(venue, lines)
    assert not venue.orders


def test_what_is_left_after_its_time_is_named(lines: list[tuple[str, str]]):
    class Deaf(Venue):
        def cancel(self, command: CancelOrder) -> None:
            raise Unreachable("no answer")

    assert not act(Deaf(ENTRY, *STAYING), lines, within_s=0.05)
    text = "entries that may still be open at the venue: host1-grid-BTCUSDT-10: no answer"
    assert lines == [("error", text)]


def test_where_nothing_can_be_read_the_symbols_are_named(lines: list[tuple[str, str]]):
    venue = Venue(ENTRY, errors=(Unreachable("no answer"),))

    assert not act(venue, lines, within_s=0.0)
    assert lines == [
        ("error", "entries that may still be open at the venue: BTCUSDT, ETHUSDT: no answer")
    ]


def test_a_symbol_that_cannot_be_read_keeps_no_other_ones_entries_open(
    lines: list[tuple[str, str]],
):
    class Half(Venue):
        def open_orders(self, key: Key) -> tuple[OrderUpdated, ...]:
            if key == BTC:
                raise Unreachable("no answer")
            return super().open_orders(key)

    other = order("host1-grid-ETHUSDT-20", ETH)
    venue = Half(ENTRY, other)

    assert not act(venue, lines, within_s=0.05)
    assert other.client_order_id not in venue.orders
    text = "entries that may still be open at the venue: BTCUSDT: no answer"
    assert lines == [("error", text)]


def test_an_order_that_cannot_be_cancelled_keeps_no_other_one_open(lines: list[tuple[str, str]]):
    class Stubborn(Venue):
        def cancel(self, command: CancelOrder) -> None:
            if command.client_order_id == ENTRY.client_order_id:
                raise Unreachable("no answer")
            super().cancel(command)

    venue = Stubborn(ENTRY, SHORT)

    assert not act(venue, lines, within_s=0.05)
    assert list(venue.orders) == [ENTRY.client_order_id]
