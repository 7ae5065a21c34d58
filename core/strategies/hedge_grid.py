"""Hedge grid: a ladder of entries on both sides, each side's inventory with its own exit.

The long side buys at fixed steps below its anchor, the short side sells at fixed steps above it.
What a side holds occupies its nearest steps, so a step that filled is not bought again until its
inventory is gone. One take-profit per side follows the average entry price. A flat side's anchor
follows the market; a side that holds something keeps its anchor. Protective stops are not the
strategy's: the owner of the position keeps one at the venue, whatever happens here.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

from attrs import evolve, field, frozen

from core.errors import InvalidOrder
from core.ids import make
from core.instruments import Instrument, quantity_for_risk
from core.messages import PositionSide, Purpose, Quote, Side
from core.money import bps
from core.orders import Order
from core.positions import Position
from core.strategies.intents import Amend, Cancel, Event, Intent, Listed, Place, Refused, View
from core.strategies.order_diff import Slot, diff

__all__ = ["GridSettings", "GridState", "decide", "start"]

Keep = Callable[[Decimal, Decimal], bool]

_BPS = Decimal(10_000)
_LADDERS = ((PositionSide.LONG, Side.BUY), (PositionSide.SHORT, Side.SELL))


@frozen(slots=True)
class GridSettings:
    """One bot's grid. Distances in basis points of the price, `order_notional` in quote money."""

    levels: int
    spacing_bps: Decimal
    order_notional: Decimal
    take_profit_bps: Decimal
    recentre_bps: Decimal
    maker_only: bool = True
    retry_after_ns: int = 1_000_000_000


@frozen(slots=True)
class GridState:
    """What the grid remembers; all of it can be rebuilt from a `View` and the next quotes.

    `sent`, `amended` and `cancelled` hold what was asked for and is not yet seen in a view,
    `resting` the slots that were refused and until when they rest (ns). `settled` says that the
    last look left nothing to do until an anchor moves or the view changes. `problem` says why a
    ladder cannot be built.
    """

    settings: GridSettings
    host: str
    bot: str
    next_sequence: int
    instrument: Instrument | None = None
    view: View | None = None
    quote: Quote | None = None
    anchors: dict[PositionSide, Decimal] = field(factory=dict)
    sent: dict[str, Slot] = field(factory=dict)
    amended: dict[str, Slot] = field(factory=dict)
    cancelled: frozenset[str] = frozenset()
    resting: dict[tuple[PositionSide, Purpose, Decimal], int] = field(factory=dict)
    settled: bool = False
    problem: str = ""


def start(settings: GridSettings, host: str, bot: str, next_sequence: int) -> GridState:
    """Make the state before the first event."""
    return GridState(settings, host, bot, next_sequence)


def decide(state: GridState, event: Event) -> tuple[GridState, tuple[Intent, ...]]:
    """Take one event in; return the state after it and what to ask for."""
    match event:
        case Listed():
            state = evolve(state, instrument=event.instrument, settled=False)
        case View():
            state = _seen(state, event)
        case Refused():
            state = _refused(state, event)
        case Quote():
            state = evolve(state, quote=event)
    if state.instrument is None or state.view is None or state.quote is None:
        return state, ()
    return _look(state, state.instrument, state.view, state.quote)


def _seen(state: GridState, view: View) -> GridState:
    if view.reset:
        return evolve(state, view=view, sent={}, amended={}, cancelled=frozenset(), settled=False)
    open_now = {order.id: order for order in view.orders}
    known = {*view.ended, *open_now}
    return evolve(
        state,
        view=view,
        settled=False,
        sent={i: slot for i, slot in state.sent.items() if i not in known},
        amended={
            i: slot
            for i, slot in state.amended.items()
            if i in open_now and not _arrived(open_now[i], slot)
        },
        cancelled=frozenset(i for i in state.cancelled if i in open_now),
    )


def _arrived(order: Order, slot: Slot) -> bool:
    return order.price == slot.price and order.remaining == slot.quantity


def _refused(state: GridState, event: Refused) -> GridState:
    client_order_id = event.client_order_id
    slot = state.sent.get(client_order_id) or state.amended.get(client_order_id)
    if slot is None:
        return evolve(state, settled=False)
    until_ns = event.at_ns + state.settings.retry_after_ns
    return evolve(
        state,
        settled=False,
        sent={i: s for i, s in state.sent.items() if i != client_order_id},
        amended={i: s for i, s in state.amended.items() if i != client_order_id},
        resting=state.resting | {(slot.position_side, slot.purpose, slot.price): until_ns},
    )


def _look(
    state: GridState, instrument: Instrument, view: View, quote: Quote
) -> tuple[GridState, tuple[Intent, ...]]:
    """Bring the orders at the venue to what the ladders say, once there is something to do."""
    try:
        anchors = _anchors(state, instrument, view, quote)
        if state.settled and anchors == state.anchors:
            return state, ()
        wanted = {
            side: _entries(state.settings, instrument, side, direction, anchors[side])
            for side, direction in _LADDERS
        }
    except InvalidOrder as unfit:
        return evolve(state, problem=str(unfit), settled=False), ()
    state = evolve(state, anchors=anchors, problem="", resting=_still_resting(state, quote))
    intents: list[Intent] = []
    waiting = False
    for side, _ in _LADDERS:
        held = view.held(side)
        rungs = wanted[side]
        prices = {rung.price for rung in rungs}
        free = rungs[_occupied(held, rungs[0].quantity) :]
        state, asked, waits = _group(
            state, view, quote, side, Purpose.ENTRY, free, _at_one_of(prices)
        )
        intents += asked
        waiting |= waits
        exits = _exit(state.settings, instrument, held, quote)
        state, asked, waits = _group(
            state, view, quote, side, Purpose.TAKE_PROFIT, exits, _exit_fits(exits, quote)
        )
        intents += asked
        waiting |= waits
    return evolve(state, settled=not waiting and not intents), tuple(intents)


def _anchors(
    state: GridState, instrument: Instrument, view: View, quote: Quote
) -> dict[PositionSide, Decimal]:
    """Move the anchor of a flat side once the market has left it; keep the others."""
    middle = (quote.bid + quote.ask) / 2
    anchors = dict(state.anchors)
    for side, direction in _LADDERS:
        held, anchor = view.held(side), anchors.get(side)
        if held.quantity:
            if anchor is None:
                anchors[side] = _anchor_of(state.settings, instrument, held, direction)
        elif anchor is None or abs(bps(middle - anchor, anchor)) > state.settings.recentre_bps:
            anchors[side] = middle
    return anchors


def _anchor_of(
    settings: GridSettings, instrument: Instrument, held: Position, direction: Side
) -> Decimal:
    """Find the anchor whose nearest steps would have made this inventory (after a restart)."""
    unit = quantity_for_risk(instrument, settings.order_notional, held.entry_price)
    middle_step = Decimal(_occupied(held, unit) + 1) / 2
    shift = middle_step * settings.spacing_bps / _BPS
    return held.entry_price / (1 - shift * direction.sign)


def _occupied(held: Position, unit: Decimal) -> int:
    return int((abs(held.quantity) / unit).to_integral_value(ROUND_CEILING))


def _entries(
    settings: GridSettings,
    instrument: Instrument,
    side: PositionSide,
    direction: Side,
    anchor: Decimal,
) -> list[Slot]:
    """Build one ladder, nearest step first. Errors: `InvalidOrder` when a step cannot be sized."""
    slots = []
    for step in range(1, settings.levels + 1):
        shift = settings.spacing_bps * step / _BPS
        price = instrument.passive_price(anchor * (1 - shift * direction.sign), direction)
        quantity = quantity_for_risk(instrument, settings.order_notional, price)
        slots.append(Slot(direction, side, Purpose.ENTRY, price, quantity))
    return slots


def _exit(
    settings: GridSettings, instrument: Instrument, held: Position, quote: Quote
) -> list[Slot]:
    """Build the take-profit of a side's whole inventory, never through the market."""
    if not held.quantity:
        return []
    direction = Side.SELL if held.quantity > 0 else Side.BUY
    shift = settings.take_profit_bps / _BPS * direction.sign
    price = instrument.passive_price(held.entry_price * (1 - shift), direction)
    if settings.maker_only:
        price = max(price, quote.ask) if direction is Side.SELL else min(price, quote.bid)
    return [Slot(direction, held.side, Purpose.TAKE_PROFIT, price, abs(held.quantity))]


def _at_one_of(prices: set[Decimal]) -> Keep:
    return lambda price, remaining: price in prices


def _exit_fits(exits: list[Slot], quote: Quote) -> Keep:
    """Keep an exit at its price, and one that joined the market while the market stays near."""

    def fits(price: Decimal, remaining: Decimal) -> bool:
        if not exits or remaining != exits[0].quantity:
            return False
        if price == exits[0].price:
            return True
        joined = quote.ask if exits[0].side is Side.SELL else quote.bid
        return exits[0].price == joined

    return fits


def _still_resting(
    state: GridState, quote: Quote
) -> dict[tuple[PositionSide, Purpose, Decimal], int]:
    return {slot: until for slot, until in state.resting.items() if until > quote.received_ns}


def _group(
    state: GridState,
    view: View,
    quote: Quote,
    side: PositionSide,
    purpose: Purpose,
    wanted: list[Slot],
    keep: Keep,
) -> tuple[GridState, list[Intent], bool]:
    """Diff one group of one side and write down what was asked for."""
    settings = state.settings

    def may_place(slot: Slot) -> bool:
        crosses = slot.price >= quote.ask if slot.side is Side.BUY else slot.price <= quote.bid
        rests = (slot.position_side, slot.purpose, slot.price) in state.resting
        return not rests and not (settings.maker_only and crosses)

    todo = diff(
        [
            order
            for order in view.orders
            if (order.command.position_side, order.command.purpose) == (side, purpose)
        ],
        [s for s in state.sent.values() if (s.position_side, s.purpose) == (side, purpose)],
        state.amended,
        state.cancelled,
        wanted,
        keep,
        may_place=may_place,
        single=purpose is Purpose.TAKE_PROFIT,
    )
    intents: list[Intent] = []
    sent, amended, sequence = dict(state.sent), dict(state.amended), state.next_sequence
    for order, slot in todo.amend:
        amended[order.id] = slot
        intents.append(Amend(order.id, slot.price, order.filled + slot.quantity))
    for order in todo.cancel:
        intents.append(Cancel(order.id))
    for slot in todo.place:
        client_order_id = make(state.host, state.bot, quote.key.symbol, sequence)
        sequence += 1
        sent[client_order_id] = slot
        intents.append(
            Place(
                client_order_id,
                slot.side,
                side,
                purpose,
                slot.price,
                slot.quantity,
                settings.maker_only,
            )
        )
    after = evolve(
        state,
        sent=sent,
        amended=amended,
        next_sequence=sequence,
        cancelled=state.cancelled | {order.id for order in todo.cancel},
    )
    return after, intents, todo.waiting
