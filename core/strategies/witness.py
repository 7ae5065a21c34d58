"""A strategy's decisions as records, and from the records the decisions again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter

from attrs import evolve, fields

from core.changes import change, changed
from core.decisions import Asked, StrategyDecided, StrategyState, ViewSeen
from core.messages import Key, Quote
from core.orders import Order
from core.positions import Position
from core.strategies.hedge_grid import GridState
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

__all__ = ["Witness", "orders_of", "restored", "view_of"]

_WHOLE_EVERY = 1_000
_but_quote = attrgetter(*(each.name for each in fields(GridState) if each.name != "quote"))


class Witness:
    """Writes down what one strategy does; mutable, one owner.

    Left out is what changed nothing but the newest quote: the next record brings that quote.
    """

    def __init__(self, key: Key) -> None:
        self._key = key
        self.number = 0
        self._quote: Quote | None = None
        self._positions: tuple[Position, ...] = ()
        self._orders: dict[str, Order] = {}

    def began(self, state: GridState) -> StrategyState:
        """Write the state before the first event."""
        self.resume(0, state)
        return _state(self._key, 0, state)

    def resume(self, number: int, state: GridState) -> None:
        """Go on behind the whole state of this number."""
        self.number, self._quote = number, state.quote
        self._positions, self._orders = _held(state), orders_of(state)

    def took(
        self, before: GridState, event: Event, after: GridState, intents: Iterable[Intent]
    ) -> tuple[StrategyDecided | StrategyState, ...]:
        """Write one event and what came of it, and now and then the whole state behind it."""
        asked = tuple(map(_asked, intents))
        # Mostly a quote within the quiet, where every other field is the very same object.
        if not asked and isinstance(event, Quote) and _but_quote(after) == _but_quote(before):
            return ()
        self.number += 1
        newest = before.quote if before.quote is not self._quote else None
        self._quote = after.quote
        decided = self._decided(
            partial(StrategyDecided, self._key, self.number, asked, newest), event
        )
        if self.number % _WHOLE_EVERY:
            return (decided,)
        return decided, _state(self._key, self.number, after)

    def _decided(self, decided: Callable[..., StrategyDecided], event: Event) -> StrategyDecided:
        match event:
            case Quote():
                return decided(quote=event)
            case View():
                now = {order.id: order for order in event.orders}
                gone, put = change(self._orders, now)
                self._orders = now
                held = event.positions if event.positions != self._positions else None
                self._positions = event.positions
                seen = ViewSeen(held, gone, put, event.ended, event.at_ns, event.reset)
                return decided(view=seen)
            case Refused():
                return decided(refused=event)
            case Scaled():
                return decided(scale=event.scale)
            case Listed():
                return decided(instrument=event.instrument)


def restored(record: StrategyState) -> GridState:
    """Return the state that a record holds."""
    resting = {(side, purpose): until for side, purpose, until in record.resting}
    return evolve(record.state, resting=resting, cancelled=frozenset(record.cancelled))


def view_of(
    seen: ViewSeen, known: dict[str, Order], held: tuple[Position, ...]
) -> tuple[dict[str, Order], View]:
    """Return the orders of a view by id, and the view; `known` and `held` are of the one before."""
    orders = changed(known, seen.gone, seen.orders, lambda order: order.id)
    positions = held if seen.positions is None else seen.positions
    return orders, View(positions, tuple(orders.values()), seen.ended, seen.at_ns, seen.reset)


def _held(state: GridState) -> tuple[Position, ...]:
    return state.view.positions if state.view else ()


def orders_of(state: GridState) -> dict[str, Order]:
    """Return the orders of a state's view by id."""
    return {order.id: order for order in state.view.orders} if state.view else {}


def _state(key: Key, number: int, state: GridState) -> StrategyState:
    resting = tuple((*group, until) for group, until in state.resting.items())
    bare = evolve(state, resting={}, cancelled=frozenset())
    return StrategyState(key, number, bare, resting, tuple(sorted(state.cancelled)))


def _asked(intent: Intent) -> Asked:
    match intent:
        case Place():
            return Asked(place=intent)
        case Amend():
            return Asked(amend=intent)
        case Cancel():
            return Asked(cancel=intent)
