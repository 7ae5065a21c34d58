"""The journal is lost while the host does not run: no client order id is used a second time."""

from __future__ import annotations

from decimal import Decimal

from core.ids import make
from core.messages import Fill, OrderType, PlaceOrder, PositionSide, Side
from tests.sim.house import House, MemoryJournal
from tests.sim.test_whole_host import trading


def ids(house: House) -> list[str]:
    """Return every client order id that the exchange was ever given."""
    return [order.client_order_id for order in house.world.exchange.orders()]


def test_a_journal_lost_whole_is_said_and_no_id_is_used_again() -> None:
    house = trading(3)
    house.crash()
    before = ids(house)
    house.journal = MemoryJournal()
    house.start()
    house.ready()
    house.run(40)
    after = ids(house)
    assert len(after) > len(before)
    assert len(set(after)) == len(after), "an id was used twice"
    (said,) = house.said("orders of ours and the journal knows of none: it was lost")
    assert said.level == "error" and "docs/journal.md, Mending" in said.text


def test_an_order_known_by_its_fill_alone_is_asked_for_at_every_start() -> None:
    house = trading(4)
    house.run(20)
    house.crash()
    filled = next(r.client_order_id for r in house.journal.records if isinstance(r.payload, Fill))
    assert house.journal.lose(
        lambda record: record.client_order_id == filled and not isinstance(record.payload, Fill)
    )
    house.world.faults.rates["order"] = 1.0
    house.start()
    house.ready()
    house.run(5)
    known = {order.client_order_id for order in house.books().orders()}
    assert filled not in known, "the venue did not answer"
    house.crash()
    house.world.faults.heal()
    house.start()
    house.ready()
    house.quiesce(60)
    house.assert_books_equal_exchange()


def test_an_id_of_ours_that_turns_up_ahead_has_the_strategy_number_from_behind_it() -> None:
    house = trading(6)
    world, key = house.world, house.world.keys[0]
    ahead = make("sim", "grid", key.symbol, house.position().book.next_sequence("grid") + 50)
    far = PlaceOrder(
        key,
        ahead,
        Side.BUY,
        PositionSide.LONG,
        OrderType.LIMIT,
        Decimal("0.003"),
        price=Decimal(40_000),
    )
    world.emit(world.exchange.place(far, world.venue_ns()).events)
    house.run(2)
    before = len(world.sent)
    house.run(30)
    sent = [each.order.client_order_id for each in world.sent[before:]]
    assert [name for name in sent if "-grid-" in name], house.tail()
    assert len(house.said("cannot take a second placement")) < 20
