"""Hedge grid: a ladder of entries on both sides, each side's inventory with its own exit.

The long side buys at fixed steps below its anchor, the short side sells at fixed steps above it.
What a side holds occupies its nearest steps, so a step that filled is not bought again until its
inventory is gone. One take-profit per side follows the average entry price. A flat side's anchor
follows the market; a side that holds something keeps its anchor. Protective stops are not the
strategy's: the owner of the position keeps one at the venue, whatever happens here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from attrs import evolve, field, frozen

from core.errors import InvalidOrder
from core.ids import make
from core.instruments import Instrument
from core.messages import PositionSide, Purpose, Quote, Side
from core.money import ZERO, bps, text
from core.orders import Order
from core.strategies.grid_ladder import (
    LADDERS,
    GridSettings,
    anchor_of,
    entries,
    exit_of,
    occupied,
    room,
)
from core.strategies.intents import (
    Amend,
    Cancel,
    Event,
    Intent,
    Listed,
    Place,
    Refused,
    Scaled,
    View,
)
from core.strategies.order_diff import Asked, Slot, diff

__all__ = ["GridSettings", "GridState", "decide", "start"]

_BPS = Decimal(10_000)
_FULL = Decimal(1)
_EVER = (ZERO, Decimal(10) ** 20)
"""No price is beyond it, and a journal holds finite numbers only."""


Group = tuple[PositionSide, Purpose]


@frozen(slots=True)
class GridState:
    """What the grid remembers; all of it can be rebuilt from a `View` and the next quotes.

    `sent`, `amended` and `cancelled` hold what was asked for and is not yet seen in a view,
    `resting` the groups (side and purpose) of which a slot was refused, and until when they rest
    (ns). `quiet` is set when the
    last look left nothing to do: while the view stays and bid + ask is within it, nothing is.
    `problem` says why a ladder cannot be built. `scale` is the part of full size, 0 to 1, that
    entries have.
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
    amended: dict[str, Asked] = field(factory=dict)
    cancelled: frozenset[str] = frozenset()
    resting: dict[Group, int] = field(factory=dict)
    quiet: tuple[Decimal, Decimal] | None = None
    problem: str = ""
    scale: Decimal = _FULL


def start(
    settings: GridSettings, host: str, bot: str, next_sequence: int, scale: Decimal = _FULL
) -> GridState:
    """Make the state before the first event."""
    return GridState(settings, host, bot, next_sequence, scale=scale)


def decide(state: GridState, event: Event) -> tuple[GridState, tuple[Intent, ...]]:
    """Take one event in; return the state after it and what to ask for."""
    match event:
        case Quote():
            last, quiet = state.quote, state.quiet
            if quiet and last and quiet[0] <= event.bid + event.ask <= quiet[1]:
                if event.bid == last.bid and event.ask == last.ask:
                    return state, ()
                return evolve(state, quote=event), ()
            state = evolve(state, quote=event)
        case View():
            state = _seen(state, event)
        case Refused():
            state = _refused(state, event)
        case Scaled():
            state = evolve(state, scale=event.scale)
        case Listed():
            state = evolve(state, instrument=event.instrument)
    if state.instrument is None or state.view is None or state.quote is None:
        return state, ()
    return _look(state, state.instrument, state.view, state.quote)


def _seen(state: GridState, view: View) -> GridState:
    if view.reset:
        # Void, but a last one may have been on its way: its slot rests before it is asked again.
        return evolve(
            state,
            view=view,
            sent={},
            amended={},
            cancelled=frozenset(),
            resting=state.resting
            | _resting(state, state.sent.values(), view.at_ns + state.settings.retry_after_ns),
        )
    before = {order.id: order for order in state.view.orders} if state.view else {}
    now = {order.id: order for order in view.orders}
    return evolve(
        state,
        view=view,
        sent={i: s for i, s in state.sent.items() if i not in now and i not in view.ended},
        amended={
            i: asked
            for i, asked in state.amended.items()
            if i in now and not _answered(asked, before.get(i), now[i])
        },
        cancelled=frozenset(
            i for i in state.cancelled if i in now and not _given_up(before.get(i), now[i])
        ),
    )


def _answered(asked: Asked, before: Order | None, now: Order) -> bool:
    if (now.price, now.quantity) == (asked.slot.price, asked.quantity):
        return True
    return before is not None and before.amending is not None and now.amending is None


def _given_up(before: Order | None, now: Order) -> bool:
    return before is not None and before.cancel_requested and not now.cancel_requested


def _refused(state: GridState, event: Refused) -> GridState:
    client_order_id = event.client_order_id
    asked = state.amended.get(client_order_id)
    slot = asked.slot if asked else state.sent.get(client_order_id)
    if slot is None:
        return state
    rest_ns = max(state.settings.retry_after_ns, event.rest_ns)
    # A clock that was set back: the quote at hand would end a rest that has only begun.
    at_ns = max(event.at_ns, state.quote.received_ns) if state.quote else event.at_ns
    return evolve(
        state,
        sent={i: s for i, s in state.sent.items() if i != client_order_id},
        amended={i: a for i, a in state.amended.items() if i != client_order_id},
        resting=state.resting | _resting(state, (slot,), at_ns + rest_ns),
    )


def _resting(state: GridState, slots: Iterable[Slot], until_ns: int) -> dict[Group, int]:
    """Let these slots' groups rest: with the next quote a slot is at another price already."""
    groups = {(slot.position_side, slot.purpose) for slot in slots}
    return {group: max(until_ns, state.resting.get(group, 0)) for group in groups}


def _look(
    state: GridState, instrument: Instrument, view: View, quote: Quote
) -> tuple[GridState, tuple[Intent, ...]]:
    """Bring the orders at the venue to what the ladders say."""
    settings = state.settings
    anchors = _anchors(state, instrument, view, quote)
    rested = any(until <= quote.received_ns for until in state.resting.values())
    if anchors is not state.anchors or rested or state.problem:
        state = evolve(
            state,
            anchors=anchors,
            resting={
                group: until for group, until in state.resting.items() if until > quote.received_ns
            },
            problem="",
        )
    intents: list[Intent] = []
    waiting = False
    for side, direction in LADDERS:
        held = view.held(side)
        leave = exit_of(settings, instrument, held, quote)
        state, asked, waits = _group(
            state,
            view,
            quote,
            (side, Purpose.TAKE_PROFIT),
            [leave.slot] if leave else [],
            [leave.slot] if leave else [],
            leave.fits if leave else _never,
        )
        intents += asked
        waiting |= waits or (leave is not None and leave.joined)
        try:
            rungs = entries(settings, instrument, side, direction, state.anchors[side], state.scale)
        except InvalidOrder as unfit:
            rungs = []
            state = evolve(state, problem=_problem(unfit, state.scale))
            waiting = True
        state, asked, waits = _group(
            state,
            view,
            quote,
            (side, Purpose.ENTRY),
            rungs[occupied(rungs, held.quantity) :],
            rungs,
            _at_one_of({rung.price for rung in rungs}),
        )
        intents += asked
        waiting |= waits
    quiet = _quiet(state, view) if not waiting and not intents else None
    return state if quiet == state.quiet else evolve(state, quiet=quiet), tuple(intents)


def _anchors(
    state: GridState, instrument: Instrument, view: View, quote: Quote
) -> dict[PositionSide, Decimal]:
    """Move the anchor of a flat side once the market has left it; keep the others."""
    middle = (quote.bid + quote.ask) / 2
    anchors = state.anchors
    for side, direction in LADDERS:
        held, anchor = view.held(side), anchors.get(side)
        if held.quantity:
            if anchor is None:
                made = anchor_of(state.settings, instrument, held, direction)
                anchors = anchors | {side: made}
        elif anchor is None or abs(bps(middle - anchor, anchor)) > state.settings.recentre_bps:
            anchors = anchors | {side: middle}
    return anchors


def _quiet(state: GridState, view: View) -> tuple[Decimal, Decimal]:
    """Return between which values of bid + ask no anchor moves."""
    low, high = _EVER
    far = state.settings.recentre_bps / _BPS
    for side, anchor in state.anchors.items():
        if not view.held(side).quantity:
            low, high = max(low, 2 * anchor * (1 - far)), min(high, 2 * anchor * (1 + far))
    return low, high


def _at_one_of(prices: set[Decimal]) -> Callable[[Decimal, Decimal], bool]:
    return lambda price, remaining: price in prices


def _problem(unfit: InvalidOrder, scale: Decimal) -> str:
    return str(unfit) if scale == _FULL else f"{unfit} (with {text(scale * 100)} % of full size)"


def _never(price: Decimal, remaining: Decimal) -> bool:
    return False


def _group(
    state: GridState,
    view: View,
    quote: Quote,
    group: Group,
    wanted: list[Slot],
    whole: list[Slot],
    keep: Callable[[Decimal, Decimal], bool],
) -> tuple[GridState, list[Intent], bool]:
    """Diff one group of one side, `whole` being all it may ever hold; write down what is asked."""
    side, purpose = group
    orders = [
        order
        for order in view.orders
        if order.command.position_side is side and order.command.purpose is purpose
    ]
    sent = [s for s in state.sent.values() if s.position_side is side and s.purpose is purpose]
    if not orders and not sent and not wanted:
        return state, [], False
    single = purpose is Purpose.TAKE_PROFIT
    held = ZERO if single else view.held(side).quantity
    working = sum((order.exposed for order in orders), ZERO)
    todo = diff(
        orders,
        sent,
        state.amended,
        state.cancelled,
        wanted,
        keep=keep,
        may_place=lambda slot: _may_place(state, quote, slot),
        room=room(whole, held, working + sum((slot.quantity for slot in sent), ZERO)),
        single=single,
        sizes={} if single else {slot.price: slot.quantity for slot in whole},
    )
    return *_write_down(state, quote, todo.place, todo.amend, todo.cancel), todo.waiting


def _may_place(state: GridState, quote: Quote, slot: Slot) -> bool:
    crosses = slot.price >= quote.ask if slot.side is Side.BUY else slot.price <= quote.bid
    rests = (slot.position_side, slot.purpose) in state.resting
    return not rests and not (state.settings.maker_only and crosses)


def _write_down(
    state: GridState,
    quote: Quote,
    place: tuple[Slot, ...],
    amend: tuple[tuple[Order, Slot], ...],
    cancel: tuple[Order, ...],
) -> tuple[GridState, list[Intent]]:
    if not place and not amend and not cancel:
        return state, []
    intents: list[Intent] = []
    sent, amended = dict(state.sent), dict(state.amended)
    for order, slot in amend:
        asked = amended[order.id] = Asked(slot, order.filled + slot.quantity)
        intents.append(Amend(order.id, slot.price, asked.quantity))
    intents += [Cancel(order.id) for order in cancel]
    for sequence, slot in enumerate(place, state.next_sequence):
        client_order_id = make(state.host, state.bot, quote.key.symbol, sequence)
        sent[client_order_id] = slot
        intents.append(
            Place(
                client_order_id,
                slot.side,
                slot.position_side,
                slot.purpose,
                slot.price,
                slot.quantity,
                state.settings.maker_only,
            )
        )
    after = evolve(
        state,
        sent=sent,
        amended=amended,
        next_sequence=state.next_sequence + len(place),
        cancelled=state.cancelled | {order.id for order in cancel},
    )
    return after, intents
