"""Retention: which old records the books still need, and the proof that nothing else is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, field

from core.bookkeeping import OrderRow
from core.books import Books
from core.decisions import DECISIONS
from core.ids import parse
from core.messages import (
    BalanceUpdated,
    Fill,
    Key,
    OrderAcknowledged,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderUpdated,
    PositionReported,
)
from core.ports import Record, Records
from core.records import (
    AmendIntended,
    BooksOpened,
    BreakerChanged,
    CancelIntended,
    EquityMarked,
    HostStarted,
    HostStopped,
    IncomeCompared,
    JournalMended,
    OperatorCommanded,
    OrderGone,
    OrderIntended,
    Reconciled,
    WalletDiffered,
)
from core.remembered import remember
from core.symbol_book import FOLDED, SymbolBook

__all__ = ["missed", "needed"]

OrderKey = tuple[Key, str]

_LAST: dict[type, Callable[[Any], object]] = {
    BalanceUpdated: lambda said: (said.venue, said.asset),
    BreakerChanged: lambda said: said.venue,
    EquityMarked: lambda said: (said.venue, said.asset),
    HostStarted: lambda _: None,
    HostStopped: lambda _: None,
    IncomeCompared: lambda compared: compared.venue,
    PositionReported: lambda said: (said.key, said.position_side),
}
"""Kinds of which only the last word on each matter is needed, and what the matter is."""

_OF_ITS_TIME = (JournalMended, OperatorCommanded, WalletDiffered, *DECISIONS)
"""Kinds that nobody folds: they are for people, who find them in the archive."""


@define
class _Order:
    row: OrderRow = field(factory=OrderRow)
    sequences: list[int] = field(factory=list)
    filled: bool = False


def needed(old: Iterable[Record], later: Iterable[Record]) -> set[int]:
    """Return the sequences of the `old` records without which a start would know less.

    Not needed are: orders that ended without a fill and that no `later` record mentions, but the
    newest of each bot and symbol (its number must not be used again); statements of the venue and
    comparisons that were said anew; what is only for people. All else is, unknown kinds included.
    """
    keep: set[int] = set()
    orders: dict[OrderKey, _Order] = {}
    last: dict[tuple[type, object], Record] = {}
    agreed: dict[Key, int] = {}
    for record in old:
        payload = record.payload
        place = _order_of(payload)
        if place is not None:
            order = orders.setdefault(place, _Order())
            order.sequences.append(record.sequence)
            _fold(order, payload)
        elif type(payload) in _LAST:
            matter = (type(payload), _LAST[type(payload)](payload))
            if _newer(payload, last.get(matter)):
                last[matter] = record
        elif isinstance(payload, Reconciled):
            if not payload.differences:
                agreed[payload.key] = record.sequence
        elif not isinstance(payload, _OF_ITS_TIME):
            keep.add(record.sequence)
    keep.update(record.sequence for record in last.values())
    keep.update(agreed.values())
    mentioned = {_order_of(record.payload) for record in later}
    newest = set(_newest(orders).values())
    for place, order in orders.items():
        ended = order.row.settled and not order.filled
        if not ended or place in mentioned or place in newest:
            keep.update(order.sequences)
    return keep


def missed(before: Records, after: Records, host: str) -> str:
    """Say in what the books of `after` differ from those of `before`; "" when in nothing.

    Left out are only orders that ended without a fill.
    """
    ours, theirs = _figures(before, host), _figures(after, host)
    return next((name for name in ours if ours[name] != theirs[name]), "")


def _order_of(payload: object) -> OrderKey | None:
    match payload:
        case OrderIntended() | AmendIntended() | CancelIntended():
            return payload.order.key, payload.order.client_order_id
        case OrderAcknowledged():
            return _order_of(payload.update)
        case OrderUpdated() | Fill():
            return payload.key, payload.client_order_id or payload.order_id
        case OrderRefused() | OrderOutcomeUnknown() | OrderGone():
            return payload.key, payload.client_order_id
    return None


def _fold(order: _Order, payload: object) -> None:
    match payload:
        case OrderIntended():
            order.row.intend(payload.order)
        case OrderAcknowledged():
            _fold(order, payload.update)
        case OrderUpdated():
            order.row.take(payload)
            order.filled = order.filled or payload.filled > 0
        case Fill():
            order.row.executed(payload)
            order.filled = True
        case OrderGone() | OrderRefused(action="place"):
            order.row.refused = True


def _newer(payload: Any, known: Record | None) -> bool:
    if known is None or not hasattr(payload, "event_ns"):
        return True
    before: Any = known.payload
    return bool(payload.event_ns >= before.event_ns)


def _newest(orders: Iterable[OrderKey]) -> dict[tuple[Key, str, str], OrderKey]:
    """Find the order with the highest number of each host and bot on each symbol."""
    found: dict[tuple[Key, str, str], tuple[int, OrderKey]] = {}
    for place in orders:
        made = parse(place[1])
        if made is None:
            continue
        series = (place[0], made.host, made.bot)
        if series not in found or made.sequence > found[series][0]:
            found[series] = (made.sequence, place)
    return {series: place for series, (_, place) in found.items()}


def _figures(records: Records, host: str) -> dict[str, object]:
    """Fold everything that a start folds, into values that can be compared."""
    books = Books(record.payload for record in records.read())
    ledger = books.ledger()
    figures: dict[str, object] = {
        "fills": ledger["fills"],
        "positions": ledger["positions"],
        "balances": ledger["balances"],
        "filled orders": [row for row in ledger["orders"] if row["filled"] != "0"],
        "open orders": sorted(order.client_order_id for order in books.open_orders()),
        "unproven orders": sorted(order.client_order_id for order in books.pending()),
        "stated wallets": books.stated_wallets,
        "stated positions": books.stated_positions,
        "start and stop": (books.started, books.stopped),
        "what risk remembers": remember(records),
    }
    opened = tuple(records.read(kinds=(BooksOpened,)))
    for key in books.symbols():
        book = SymbolBook(key, host)
        book.take_in(opened)
        book.take_in(records.read(kinds=FOLDED, key=key))
        figures[f"the book of {key}"] = (
            book.live,
            tuple(book.positions),
            book.positions.seen,
            book.sequences,
            book.funding,
            book.last_fill_ns,
            book.opened_ns,
            book.verified_ns,
            book.tightened,
            book.terms,
            book.owing,
            {name: said for name, said in book.foreign.items() if said.status.open},
        )
    return figures
