"""The rules of orders in the whole host: what feeds them, and what they hold back."""

from __future__ import annotations

import pytest

from actors import names
from actors.account import AccountActor
from actors.market import MarketActor
from actors.messages.risk import CancelEntries
from core.config import Guards
from core.messages import Purpose
from core.records import CancelIntended
from tests.sim.house import House
from tests.sim.test_whole_host import entries, host


def cancels_sent(house: House) -> int:
    ids = {s.order.client_order_id: s.order for s in house.world.sent}
    written = [record.payload for record in house.journal.records]
    return sum(
        1
        for payload in written
        if isinstance(payload, CancelIntended)
        and ids[payload.order.client_order_id].purpose is Purpose.ENTRY
    )


@pytest.mark.parametrize("seed", range(3))
def test_cancels_of_entries_use_up_a_minute_in_which_no_entry_follows(seed: int) -> None:
    house = host(seed, risk={"max_cancels_per_minute": 3})
    house.start()
    house.ready()
    house.run(4)
    assert entries(house)
    house.runtime.tell(names.position(house.world.keys[0]), CancelEntries())
    house.run(1)
    sent = cancels_sent(house)
    assert sent >= 3
    risk = house.risk().risk
    assert risk.facts.cancelled.within_a_minute(house.runtime.monotonic_ns()) == sent
    assert house.said("max_cancels_per_minute: cancels within a minute")
    before = len(house.world.sent)
    house.run(20)
    assert not [s for s in house.world.sent[before:] if s.order.purpose is Purpose.ENTRY]
    house.run(60)
    assert [s for s in house.world.sent[before:] if s.order.purpose is Purpose.ENTRY]


def test_orders_of_a_minute_come_to_an_end_and_begin_again() -> None:
    house = host(1, risk={"max_orders_per_minute": 6})
    house.start()
    house.ready()
    house.run(30)
    began_ns = house.world.sent[0].at_ns
    entered = [s for s in house.world.sent if s.order.purpose is Purpose.ENTRY]
    assert len([s for s in entered if s.at_ns - began_ns < 55_000_000_000]) <= 6
    assert house.said("max_orders_per_minute: orders within a minute")
    house.run(60)
    assert len([s for s in house.world.sent if s.order.purpose is Purpose.ENTRY]) > len(entered)


def test_without_fresh_quotes_nothing_is_opened_although_marks_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = host(2)
    house.start()
    house.ready()
    house.run(3)
    monkeypatch.setattr(MarketActor, "_tell_quote", lambda *_: None)
    house.run(8)
    before = len(house.world.sent)
    house.run(30)
    assert house.said("quote: the quote of binance:BTCUSDT is ")
    assert not [s for s in house.world.sent[before:] if s.order.purpose is Purpose.ENTRY]
    monkeypatch.undo()
    house.run(10)
    assert [s for s in house.world.sent[before:] if s.order.purpose is Purpose.ENTRY]


def test_on_an_account_that_nobody_hears_of_nothing_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = host(3, risk={"guards": Guards(account_stale_after_ms=20_000)})
    house.start()
    house.ready()
    house.run(3)
    monkeypatch.setattr(AccountActor, "_tell_wallet", lambda _: None)
    house.run(25)
    before = len(house.world.sent)
    house.run(30)
    assert not [s for s in house.world.sent[before:] if s.order.purpose is Purpose.ENTRY]
    monkeypatch.undo()
    house.run(30)
    assert [s for s in house.world.sent[before:] if s.order.purpose is Purpose.ENTRY]
