"""A lane's questions that wait together: what serves all symbols is read once for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar, cast

from attrs import define, field, frozen

from actors.messages.lanes import (
    IncomeRead,
    ReadIncome,
    ReadStops,
    ReadSymbol,
    StopsRead,
    SymbolRead,
)
from core.errors import NotFound
from core.income_differences import EDGE_NS, judged_span
from core.messages import FundingPaid, Key, OrderUpdated, PositionReported
from core.ports import Venue

__all__ = ["Sharing"]

Row = OrderUpdated | PositionReported | FundingPaid
R = TypeVar("R", OrderUpdated, PositionReported, FundingPaid)
Question = ReadSymbol | ReadStops

_ALL_FROM = 40
"""So many symbols' open orders or stops cost as much as those of all symbols in one question."""

_USABLE_NS = 3_000_000_000
_FUNDING_USABLE_NS = 30_000_000_000
"""Each next reading of funding goes back two minutes behind the one before."""

_GATHER_NS = 150_000_000


@frozen
class _Reading:
    """What was read of all symbols: `as_of_ns` is the venue's time of asking, others monotonic."""

    begun_ns: int
    done_ns: int
    as_of_ns: int
    rows: dict[Key, tuple[Row, ...]]


@define(eq=False)
class Sharing:
    """Answers `ReadSymbol` and `ReadStops` one by one; a reading serves those asked before it.

    Positions and funding cost as much of one symbol as of all, orders and stops do from 40 symbols
    on. A reading is used for three seconds after it ended, one of funding for thirty; its age is
    that of the answer (`as_of_ns`).
    """

    venue: Venue
    monotonic_ns: Callable[[], int]
    _waiting: deque[tuple[Question, int]] = field(factory=deque, init=False)
    _readings: dict[str, _Reading] = field(factory=dict, init=False)
    _many_stops: bool = field(default=False, init=False)

    def enqueue(self, question: Question) -> int | None:
        """Take a question; return after how many ns to answer one, None when that is under way."""
        first = not self._waiting
        self._waiting.append((question, self.monotonic_ns()))
        if not first:
            return None
        # Funding is dear to ask for: at a start and after a settlement others come in a moment.
        gather = self._many_stops if isinstance(question, ReadStops) else question.with_funding
        return _GATHER_NS if gather else 0

    def next(self) -> tuple[Question, int]:
        """Take out the question that waits longest, with when it was asked."""
        return self._waiting.popleft()

    @property
    def waits(self) -> bool:
        """Tell whether a question waits."""
        return bool(self._waiting)

    def stops(self, question: ReadStops, asked_ns: int) -> StopsRead:
        """Answer with the stops that wait at the venue."""
        key = question.key
        many = self._among(ReadStops) >= _ALL_FROM
        if many or self._usable("stops", asked_ns):
            self._many_stops = True
            shown, _ = self._of(key, "stops", asked_ns, lambda: self.venue.open_stops())
        else:
            self._many_stops = False
            shown = self.venue.open_stops(key)
        return StopsRead(key, tuple(stop.client_order_id for stop in shown), question.token)

    def symbol(self, question: ReadSymbol, asked_ns: int) -> SymbolRead:
        """Read orders first and fills last, so that no order looks open without its fills."""
        venue, key = self.venue, question.key
        others = self._among(ReadSymbol)
        orders, as_of_ns = self._orders(key, asked_ns, many=others >= _ALL_FROM)
        orders, missing = self._those_held(question, orders)
        positions, positions_ns = self._positions(key, asked_ns, alone=not others)
        fills = venue.fills(key, since_ns=question.fills_since_ns)
        funding = self._funding(question, asked_ns) if question.with_funding else ()
        as_of_ns = min(as_of_ns, positions_ns)
        token = question.token
        return SymbolRead(key, orders, missing, positions, fills, funding, as_of_ns, token)

    def income(self, question: ReadIncome) -> IncomeRead:
        """Read a span that is old enough by the venue's own clock: ours may be off by an hour."""
        sample = self.venue.sample_clock()
        venue_now_ns = sample.at_ns + sample.offset_ns
        after_ns, until_ns = judged_span(question.after_ns, venue_now_ns)
        if question.until_ns:
            until_ns = min(until_ns, question.until_ns)
        if until_ns <= after_ns:
            return IncomeRead((), after_ns, after_ns)
        read = self.venue.earned(after_ns - EDGE_NS, until_ns + EDGE_NS)
        return IncomeRead(read.rows, after_ns, min(until_ns, read.until_ns - EDGE_NS))

    def _orders(
        self, key: Key, asked_ns: int, *, many: bool
    ) -> tuple[tuple[OrderUpdated, ...], int]:
        if many or self._usable("orders", asked_ns):
            return self._of(key, "orders", asked_ns, lambda: self.venue.open_orders())
        as_of_ns = self.venue.venue_now_ns()
        return self.venue.open_orders(key), as_of_ns

    def _those_held(
        self, question: ReadSymbol, orders: tuple[OrderUpdated, ...]
    ) -> tuple[tuple[OrderUpdated, ...], tuple[str, ...]]:
        """Ask one by one for those that we hold for open and that are not among the open ones."""
        there = {order.client_order_id for order in orders}
        found, missing = list(orders), []
        for client_order_id, conditional in question.orders:
            if client_order_id in there:
                continue
            try:
                order = self.venue.order(question.key, client_order_id, conditional=conditional)
            except NotFound:
                missing.append(client_order_id)
            else:
                found.append(order)
        return tuple(found), tuple(missing)

    def _positions(
        self, key: Key, asked_ns: int, *, alone: bool
    ) -> tuple[tuple[PositionReported, ...], int]:
        if alone and not self._usable("positions", asked_ns):
            as_of_ns = self.venue.venue_now_ns()
            return self.venue.positions(key), as_of_ns
        return self._of(key, "positions", asked_ns, lambda: self.venue.positions())

    def _funding(self, question: ReadSymbol, asked_ns: int) -> tuple[FundingPaid, ...]:
        since_ns = question.funding_since_ns
        wanted = [
            each.funding_since_ns
            for each, _ in self._waiting
            if isinstance(each, ReadSymbol) and each.with_funding
        ]
        if not wanted and not self._usable("funding", asked_ns):
            return self.venue.funding(question.key, since_ns)
        # Whoever may use this reading waits now: it goes back as far as any of them wants.
        first_ns = min((since_ns, *wanted))
        paid, _ = self._of(
            question.key, "funding", asked_ns, lambda: self.venue.funding(None, first_ns)
        )
        return tuple(each for each in paid if each.time_ns >= since_ns)

    def _among(self, kind: type[Question]) -> int:
        """Count the questions of a kind that wait behind the one in hand."""
        return sum(1 for question, _ in self._waiting if isinstance(question, kind))

    def _usable(self, name: str, asked_ns: int) -> bool:
        reading = self._readings.get(name)
        if reading is None or reading.begun_ns < asked_ns:
            return False
        usable_ns = _FUNDING_USABLE_NS if name == "funding" else _USABLE_NS
        return self.monotonic_ns() - reading.done_ns < usable_ns

    def _of(
        self, key: Key, name: str, asked_ns: int, read: Callable[[], tuple[R, ...]]
    ) -> tuple[tuple[R, ...], int]:
        """Return a symbol's rows of a reading of all, made now unless one is there."""
        if not self._usable(name, asked_ns):
            begun_ns, as_of_ns = self.monotonic_ns(), self.venue.venue_now_ns()
            by_key: dict[Key, list[Row]] = {}
            for row in read():
                by_key.setdefault(row.key, []).append(row)
            rows = {each: tuple(found) for each, found in by_key.items()}
            self._readings[name] = _Reading(begun_ns, self.monotonic_ns(), as_of_ns, rows)
        reading = self._readings[name]
        return cast("tuple[R, ...]", reading.rows.get(key, ())), reading.as_of_ns
