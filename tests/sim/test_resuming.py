"""A host that died while it traded: the next one has all of it again before it decides anew."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from core.messages import Fill
from core.records import BooksOpened, OrderIntended, Reconciled
from core.risk.halt import Level
from tests.sim.test_operating import operate
from tests.sim.test_whole_host import trading
from tests.sim.world import SECOND_NS

SYMBOLS = ("BTCUSDT", "ETHUSDT")


@pytest.mark.parametrize("seed", range(4))
def test_after_a_crash_all_is_there_again_and_nothing_new_is_sent_before_comparing(
    seed: int,
) -> None:
    house = trading(seed, 15, *SYMBOLS)
    operate(house, "throttle", percent=50)
    house.crash()
    house.world.pass_alone(20 * SECOND_NS)
    exchange, written = house.world.exchange, len(house.journal.records)
    trades = [trade.fill for symbol in SYMBOLS for trade in exchange.trades(symbol)]
    waiting = {order.client_order_id for order in exchange.open_orders()}
    waiting |= {order.client_order_id for order in exchange.open_conditionals()}

    house.world.frozen = set(house.world.keys)
    house.start()
    house.ready()

    known = {row["client_order_id"] for row in house.books().ledger()["orders"]}
    assert waiting <= known, "every order at the venue is taken over by its id"
    for key in house.world.keys:
        book = house.position(key).book
        for row in exchange.positions(key.symbol):
            assert book.positions.of(row.side).quantity == row.quantity
    assert house.status()["throttle"] == {"": 50}

    fills = [r.payload for r in house.journal.records if isinstance(r.payload, Fill)]
    told = [(fill.fill_id, fill.key, fill.time_ns) for fill in fills]
    assert len(told) == len(set(told)), "each fill once"
    assert {(fill.fill_id, fill.key, fill.time_ns) for fill in trades} <= set(told)

    house.world.frozen.clear()
    house.run(20)
    news = [record.payload for record in house.journal.records[written:]]
    for key in house.world.keys:
        mine = [p for p in news if isinstance(p, Reconciled | OrderIntended) and _key(p) == key]
        assert isinstance(mine[0], Reconciled)
        assert any(isinstance(payload, OrderIntended) for payload in mine), "it trades again"
    house.quiesce(45)
    house.assert_books_equal_exchange()


@pytest.mark.parametrize("seed", range(3))
def test_after_a_crash_a_latched_halt_holds_and_what_was_made_is_counted_on(seed: int) -> None:
    house = trading(seed, 60, *SYMBOLS)
    (opened,) = [
        r.payload.wallet for r in house.journal.records if isinstance(r.payload, BooksOpened)
    ]
    operate(house, "halt")
    house.run(5)
    house.world.frozen = set(house.world.keys)
    house.run(3)
    open_pnl = house.status()["unrealised_pnl"]  # unknown once the last mark is too old
    house.run(37)  # the wallet is stated, and the last funding and fills are in
    before, fills = house.status(), len(house.books().ledger()["fills"])
    assert fills and D(before["realised_pnl"]) == house.world.exchange.balances()[0].wallet - opened
    halt = house.risk().risk.halt
    assert (halt.level, halt.latched, halt.by) == (Level.HALTED, True, "operator")

    house.crash()
    house.world.pass_alone(20 * SECOND_NS)
    sent = len(house.world.sent)
    house.start()
    house.ready()
    house.run(15)
    after = house.status()
    assert house.risk().risk.halt == halt, "the same halt, since the same moment"
    for name in ("halt", "halt_reason", "fills"):
        assert after[name] == before[name], name
    assert before["unrealised_pnl"] is None
    assert after["unrealised_pnl"] == open_pnl
    # Funding was settled meanwhile.
    assert D(after["realised_pnl"]) == house.world.exchange.balances()[0].wallet - opened
    assert not [order for order in house.world.sent[sent:] if not order.order.closing]

    house.world.frozen.clear()
    house.run(15)
    assert not [order for order in house.world.sent[sent:] if not order.order.closing]
    assert "done" in operate(house, "reset-halt")
    house.run(30)
    assert [order for order in house.world.sent[sent:] if not order.order.closing]
    house.quiesce(45)
    house.assert_books_equal_exchange()


def _key(payload: Reconciled | OrderIntended) -> object:
    return payload.key if isinstance(payload, Reconciled) else payload.order.key
