"""The hedge grid, one cause at a time: what it asks for after each event, and what it leaves."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve

from core.messages import AmendOrder, OrderStatus, PositionSide, Purpose, Quote, Side
from core.orders import Event, Order, State, advance, intend, update
from core.positions import Position
from core.strategies.hedge_grid import GridSettings, GridState, decide, start
from core.strategies.intents import Amend, Cancel, Intent, Listed, Place, Refused, Scaled, View
from tests.core.samples import BTC, D, instrument, limit, said

GRID = GridSettings(2, D(10), D(200), D(12), D(20), retry_after_ns=1_000)
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def quote(bid: str, at_ns: int = 1) -> Quote:
    return Quote(BTC, D(bid), D(1), D(bid) + D("0.1"), D(1), at_ns, at_ns, at_ns)


def begin(settings: GridSettings = GRID, view: View | None = None) -> GridState:
    state = start(settings, "h", "b", 7)
    state, _ = decide(state, Listed(instrument()))
    return decide(state, view or View((), (), (), 0, reset=True))[0]


def opened(intents: tuple[Intent, ...]) -> tuple[Order, ...]:
    """Let the venue accept every placement."""
    orders = []
    for intent in intents:
        assert isinstance(intent, Place)
        command = limit(
            intent.client_order_id,
            intent.side,
            str(intent.quantity),
            str(intent.price),
            position_side=intent.position_side,
            purpose=intent.purpose,
        )
        orders.append(update(intend(command, 0), said(command, OrderStatus.NEW)))
    return tuple(orders)


def settled(bid: str = "1000") -> tuple[GridState, tuple[Order, ...]]:
    state, intents = decide(begin(), quote(bid))
    orders = opened(intents)
    state, intents = decide(state, View((), orders, (), 1))
    assert intents == () and state.quiet is not None
    return state, orders


def long(quantity: str, entry: str) -> Position:
    return Position(LONG, D(quantity), D(entry))


def prices(intents: tuple[Intent, ...], side: Side) -> list[Decimal]:
    return [i.price for i in intents if isinstance(i, Place) and i.side is side]


def test_nothing_is_asked_before_instrument_view_and_quote_are_known() -> None:
    state = start(GRID, "h", "b", 0)
    state, intents = decide(state, quote("1000"))
    assert intents == ()
    state, intents = decide(state, Listed(instrument()))
    assert intents == ()
    assert len(decide(state, View((), (), (), 0))[1]) == 4


def test_the_first_quote_asks_for_both_ladders_with_ids_from_the_next_sequence_on() -> None:
    state, intents = decide(begin(), quote("1000"))
    assert prices(intents, Side.BUY) == [D("999"), D("998")]
    assert prices(intents, Side.SELL) == [D("1001.1"), D("1002.1")]
    assert [i.client_order_id for i in intents if isinstance(i, Place)] == [
        f"h-b-BTCUSDT-{n}0" for n in "789a"
    ]
    assert state.next_sequence == 11
    assert decide(state, quote("1000.1"))[1] == ()


def test_a_settled_grid_does_nothing_at_a_quote_and_is_the_same_object_at_the_same_prices() -> None:
    state, _ = settled()
    assert decide(state, quote("1000", at_ns=9))[0] is state
    moved, intents = decide(state, quote("1001", at_ns=9))
    assert intents == () and moved.quote == quote("1001", at_ns=9)
    assert (moved.anchors, moved.view, moved.sent) == (state.anchors, state.view, state.sent)


def test_a_flat_grid_follows_the_market_once_it_is_further_than_the_re_centring_distance() -> None:
    state, orders = settled()
    assert decide(state, quote("1002"))[1] == ()
    state, intents = decide(state, quote("1002.1"))
    assert [type(i) for i in intents] == [Amend] * 4
    assert [i.price for i in intents if isinstance(i, Amend)] == [
        D("1001.1"),
        D("1000.1"),
        D("1003.2"),
        D("1004.2"),
    ]
    assert decide(state, quote("1002.1"))[1] == ()
    assert decide(state, View((), orders, (), 2))[1] == ()


def test_a_filled_step_is_not_bought_again_and_its_exit_follows() -> None:
    state, orders = settled()
    first, *rest = orders
    view = View((long("0.2", "999"),), tuple(rest), (first.id,), 2)
    state, intents = decide(state, view)
    assert intents == (
        Place("h-b-BTCUSDT-b0", Side.SELL, LONG, Purpose.TAKE_PROFIT, D("1000.2"), D("0.2"), True),
    )
    exits = opened(intents)
    state, intents = decide(state, evolve(view, orders=(*rest, *exits), ended=()))
    assert intents == () and state.quiet is not None
    # A side that holds something keeps its ladder however far the market goes.
    moved = decide(state, quote("990"))[1]
    assert {i.client_order_id for i in moved if isinstance(i, Amend)} == {o.id for o in rest[1:]}


def test_an_exit_is_resized_as_the_inventory_grows() -> None:
    state, (first, second, *shorts) = settled()
    view = View((long("0.2", "999"),), (second, *shorts), (first.id,), 2)
    state, intents = decide(state, view)
    (leave,) = opened(intents)
    both = View((long("0.4", "998.5"),), (*shorts, leave), (second.id,), 3)
    state, intents = decide(state, both)
    assert intents == (Amend(leave.id, D("1000.1"), D("0.4")),)


def test_an_exit_without_inventory_left_is_cancelled() -> None:
    state, (first, *rest) = settled()
    state, intents = decide(state, View((long("0.2", "999"),), tuple(rest), (first.id,), 2))
    exits = opened(intents)
    _, intents = decide(state, View((), (*rest, *exits), (), 3))
    assert Cancel(exits[0].id) in intents


def joined() -> tuple[GridState, Order, View]:
    """A long inventory whose target the market has passed: its exit joined the ask."""
    state = begin(view=View((long("0.4", "990"),), (), (), 0, reset=True))
    state, intents = decide(state, quote("1000"))
    leave = next(i for i in intents if isinstance(i, Place) and i.position_side is LONG)
    assert (leave.purpose, leave.price) == (Purpose.TAKE_PROFIT, D("1000.1"))
    orders = opened(intents)
    view = View((long("0.4", "990"),), orders, (), 1)
    state, intents = decide(state, view)
    assert intents == ()
    return state, next(o for o in orders if o.id == leave.client_order_id), view


def test_an_exit_that_joined_the_market_follows_it_back_to_its_target() -> None:
    state, leave, _ = joined()
    assert decide(state, quote("999.5"))[1] == ()
    state, intents = decide(state, quote("998"))
    assert intents == (Amend(leave.id, D("998.1"), D("0.4")),)


def test_an_exit_that_joined_the_market_goes_to_its_target_when_the_market_is_below_it() -> None:
    state, leave, _ = joined()
    state, intents = decide(state, quote("990"))
    assert Amend(leave.id, D("991.2"), D("0.4")) in intents


def test_a_refused_slot_rests_and_is_asked_for_again_after_its_time() -> None:
    state, intents = decide(begin(), quote("1000", at_ns=1))
    refused, *others = intents
    assert isinstance(refused, Place)
    state, again = decide(state, Refused(refused.client_order_id, "cap", 100))
    assert again == ()
    state, again = decide(state, View((), opened(tuple(others)), (), 100))
    assert again == ()
    state, again = decide(state, quote("1000", at_ns=1_100))
    assert prices(again, Side.BUY) == [refused.price]
    assert again[0].client_order_id != refused.client_order_id


def test_a_refused_side_rests_whatever_price_the_next_quote_has() -> None:
    state, intents = decide(begin(), quote("1000", at_ns=1))
    asked = [i for i in intents if isinstance(i, Place)]
    for one in asked:
        state, _ = decide(state, Refused(one.client_order_id, "no margin", 100, rest_ns=5_000))
    for step in range(1, 40):
        state, again = decide(state, quote(str(1000 + 10 * step), at_ns=100 + step))
        assert again == (), "a loop of proposals, one a quote"
    state, again = decide(state, quote("1500", at_ns=5_101))
    assert len(again) == len(asked), "the venue's pause is over"


def test_a_refusal_that_concerns_nothing_asked_for_changes_nothing() -> None:
    state, _ = settled()
    after, intents = decide(state, Refused("h-other-BTCUSDT-00", "no", 5))
    assert (after.resting, after.sent, intents) == ({}, {}, ())


def amended(price: str, total: str, order: Order) -> AmendOrder:
    command = order.command
    return AmendOrder(BTC, order.id, "", command.side, command.position_side, D(price), D(total))


def test_a_part_fill_during_an_amendment_does_not_keep_the_order_from_moving_again() -> None:
    state, orders = settled()
    state, _ = decide(state, quote("1003"))
    moved = []
    for order in orders:
        wish = state.amended[order.id]
        word = said(
            order.command,
            OrderStatus.PARTIALLY_FILLED,
            5,
            price=wish.slot.price,
            quantity=wish.quantity,
            filled=D("0.05"),
            amended=True,
        )
        moved.append(update(order, word))
    state, _ = decide(state, View((), tuple(moved), (), 5))
    assert state.amended == {}


def test_an_amendment_that_ended_without_effect_is_asked_for_anew() -> None:
    state, orders = settled()
    state, first = decide(state, quote("1003"))
    on_the_way = tuple(evolve(o, amending=amended("1", str(o.quantity), o)) for o in orders)
    state, none = decide(state, View((), on_the_way, (), 5))
    state, again = decide(state, View((), orders, (), 6))
    assert none == () and again == first


def test_a_refused_amendment_leaves_the_order_where_it_is_until_the_slot_has_rested() -> None:
    state, orders = settled()
    state, first = decide(state, quote("1003", at_ns=10))
    for order in orders:
        state, none = decide(state, Refused(order.id, "cap", 10))
        assert none == ()
    state, again = decide(state, quote("1003", at_ns=1_010))
    assert again == first


def test_surplus_orders_are_cancelled_once_and_again_only_when_the_owner_gave_up() -> None:
    state, orders = settled()
    extra = evolve(orders[0], command=evolve(orders[0].command, client_order_id="h-b-BTCUSDT-z0"))
    both = (*orders, extra)
    state, intents = decide(state, View((), both, (), 2))
    assert intents == (Cancel(extra.id),)
    assert decide(state, View((), both, (), 3))[1] == ()
    leaving = (*orders, evolve(extra, cancel_requested=True))
    state, intents = decide(state, View((), leaving, (), 4))
    assert intents == () and state.quiet is None
    state, intents = decide(state, View((), both, (), 5))
    assert intents == (Cancel(extra.id),)


def test_an_order_of_unknown_outcome_holds_its_slot_until_it_is_proven_gone() -> None:
    state, intents = decide(begin(), quote("1000"))
    first, *rest = opened(intents)
    unknown = advance(intend(first.command, 0), Event.OUTCOME_UNKNOWN, 1)
    state, intents = decide(state, View((), (unknown, *rest), (), 2))
    assert unknown.state is State.UNKNOWN and intents == ()
    state, intents = decide(state, View((), tuple(rest), (unknown.id,), 3))
    assert prices(intents, Side.BUY) == [first.price]


def test_no_order_is_placed_or_moved_through_the_market_when_maker_only() -> None:
    state, intents = decide(begin(), quote("1000"))
    shorts = opened(intents)[2:]
    ended = tuple(i.client_order_id for i in intents[:2] if isinstance(i, Place))
    state, _ = decide(state, quote("998.2"))
    state, intents = decide(state, View((), shorts, ended, 2))
    assert prices(intents, Side.BUY) == [D("998")]
    assert state.quiet is None


def test_a_grid_that_may_take_crosses_the_market() -> None:
    taker = evolve(GRID, maker_only=False)
    state, intents = decide(begin(taker), quote("1000"))
    ended = tuple(i.client_order_id for i in intents if isinstance(i, Place))
    state, _ = decide(state, quote("998.2"))
    _, intents = decide(state, View((), (), ended, 2))
    assert prices(intents, Side.BUY) == [D("999"), D("998")]
    assert all(not i.post_only for i in intents if isinstance(i, Place))


def test_a_restarted_grid_takes_the_orders_over_that_it_finds() -> None:
    _, orders = settled()
    state = begin(view=View((), orders, (), 0, reset=True))
    state, intents = decide(state, quote("1000"))
    assert intents == () and state.quiet is not None


def test_a_restarted_grid_finds_the_ladder_of_what_it_holds() -> None:
    inventory = View((long("0.2", "999"),), (), (), 0, reset=True)
    _, intents = decide(begin(view=inventory), quote("999.5"))
    assert prices(intents, Side.BUY) == [D("998")]
    assert prices(intents, Side.SELL)[0] == D("1000.2")


def test_a_ladder_that_cannot_be_sized_is_said_and_inventory_still_gets_its_exit() -> None:
    small = evolve(GRID, order_notional=D("0.5"))
    held = View((long("0.2", "999"),), (), (), 0, reset=True)
    state, intents = decide(begin(small, held), quote("1000"))
    assert state.problem.startswith("min_quantity: 0.5 USDT at ")
    assert [(i.purpose, i.price) for i in intents if isinstance(i, Place)] == [
        (Purpose.TAKE_PROFIT, D("1000.2"))
    ]
    fits, _ = decide(
        state, Listed(instrument(lot_step=D("0.0001"), min_quantity=D("0.0001"), min_notional=D(0)))
    )
    assert fits.problem == ""


def test_after_its_owner_restarted_a_slot_that_was_on_its_way_rests_before_it_is_asked_again() -> (
    None
):
    state, first = decide(begin(), quote("1000"))
    state, intents = decide(state, View((), (), (), 100, reset=True))
    assert intents == () and state.sent == {}
    assert decide(state, quote("1000", at_ns=1_099))[1] == ()
    state, again = decide(state, quote("1000", at_ns=1_100))
    assert prices(again, Side.BUY) == prices(first, Side.BUY)


# Scale


def sizes(intents: tuple[Intent, ...]) -> list[Decimal]:
    return [i.quantity for i in intents if isinstance(i, Place | Amend)]


def test_entries_have_the_part_of_full_size_that_is_asked_for() -> None:
    _, full = decide(begin(), quote("1000"))
    state, _ = decide(begin(), Scaled(D("0.5")))
    state, half = decide(state, quote("1000"))
    assert prices(half, Side.BUY) == prices(full, Side.BUY)
    assert sizes(full) == [D("0.2"), D("0.2"), D("0.199"), D("0.199")]
    assert sizes(half) == [D("0.1"), D("0.1"), D("0.099"), D("0.099")]


def test_larger_entries_are_cancelled_at_once_and_come_again_smaller() -> None:
    state, orders = settled()
    state, intents = decide(state, Scaled(D("0.5")))
    assert intents == tuple(Cancel(order.id) for order in orders)
    assert decide(state, quote("1000", at_ns=2))[1] == ()
    view = View((), (), tuple(order.id for order in orders), 2)
    assert sizes(decide(state, view)[1]) == [D("0.1"), D("0.1"), D("0.099"), D("0.099")]


def test_larger_entries_are_cancelled_also_while_their_side_rests_after_a_refusal() -> None:
    state, orders = settled()
    state = evolve(state, resting={(side, Purpose.ENTRY): 10**18 for side in (LONG, SHORT)})
    assert decide(state, Scaled(D("0.5")))[1] == tuple(Cancel(order.id) for order in orders)


def test_smaller_entries_grow_where_they_stand_once_more_is_allowed() -> None:
    state, _ = decide(begin(), Scaled(D("0.5")))
    state, intents = decide(state, quote("1000"))
    orders = opened(intents)
    state, _ = decide(state, View((), orders, (), 1))
    state, intents = decide(state, Scaled(D(1)))
    assert [(i.client_order_id, i.price) for i in intents if isinstance(i, Amend)] == [
        (order.id, order.price) for order in orders
    ]
    assert sizes(intents) == [D("0.2"), D("0.2"), D("0.199"), D("0.199")]
    assert decide(state, quote("1000", at_ns=2))[1] == ()


def test_a_part_filled_entry_is_not_topped_up() -> None:
    state, orders = settled()
    first = evolve(orders[0], filled=D("0.05"), state=State.PARTIALLY_FILLED)
    view = View((long("0.05", "999"),), (first, *orders[1:]), (), 2)
    _, intents = decide(state, view)
    assert [i for i in intents if not isinstance(i, Place)] == []


def test_at_a_scale_of_nothing_entries_go_and_exits_stay() -> None:
    state, orders = settled()
    first, *rest = orders
    view = View((long("0.2", "999"),), tuple(rest), (first.id,), 2)
    state, intents = decide(state, view)
    leave = [i for i in intents if isinstance(i, Place) and i.purpose is Purpose.TAKE_PROFIT]
    assert len(leave) == 1
    state, intents = decide(state, Scaled(D(0)))
    assert intents == tuple(Cancel(order.id) for order in rest)
    assert state.problem == ""


def test_entries_under_the_venues_minimum_are_none_and_the_reason_is_known() -> None:
    state, orders = settled()
    state, intents = decide(state, Scaled(D("0.001")))
    assert intents == tuple(Cancel(order.id) for order in orders)
    assert state.problem.endswith("(with 0.1 % of full size)")
    state, _ = decide(state, Scaled(D(1)))
    assert state.problem == ""
