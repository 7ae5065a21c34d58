"""A statement of account from the journal: what was decided, done, paid and made in a span."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from attrs import define, field

from core.bookkeeping import OrderRow
from core.messages import (
    Fill,
    FundingPaid,
    Key,
    OrderAcknowledged,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderUpdated,
    PositionSide,
)
from core.money import ZERO, amount
from core.ports import Record
from core.positions import Position, apply_fill
from core.records import (
    BooksOpened,
    OrderGone,
    OrderIntended,
    SymbolOpened,
    Transferred,
    WalletAdjusted,
)
from core.statement_rows import Row, row_of

__all__ = ["SECTIONS", "AssetSums", "Statement", "SymbolSums"]

_WHOM = ("time_ns", "venue", "symbol")
_SIDES = ("side", "position_side")
SECTIONS: dict[str, tuple[str, ...]] = {
    "orders": (
        *_WHOM, "client_order_id", "order_id", *_SIDES, "type", "purpose", "bot", "price",
        "trigger_price", "quantity", "filled", "status", "reason", "updated_ns",
    ),
    "fills": (
        *_WHOM, "fill_id", "order_id", "client_order_id", *_SIDES, "price", "quantity",
        "notional", "fee", "fee_asset", "maker", "realised_pnl", "margin_asset",
    ),
    "positions": (
        *_WHOM, "position_side", "quantity", "entry_price", "realised_pnl", "fill_id",
    ),
    "funding": (*_WHOM, "amount", "asset", "funding_id"),
    "transfers": ("time_ns", "venue", "asset", "amount", "kind", "transfer_id"),
    "controls": ("time_ns", "what", "symbol", "state", "by", "reason"),
    "decisions": (
        *_WHOM, "actor", "client_order_id", "decision", *_SIDES, "type", "purpose", "price",
        "trigger_price", "quantity", "reason",
    ),
}  # fmt: skip
"""The parts of a statement and the columns of each."""


@define
class SymbolSums:
    """What one symbol did in the span; money in its margin asset, fees in that asset alone."""

    orders: int = 0
    fills: int = 0
    volume: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        return self.realised_pnl - self.fees + self.funding


@define
class AssetSums:
    """What one asset did; `net` is PnL less fees, with funding and adjustments, without transfers.

    `adjustments` are what the venue booked besides, such as the fee of a forced close.
    `max_drawdown` is the deepest fall of the curve of `net` from a peak of it, as a positive
    figure; what is open counts when it is closed.
    """

    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    adjustments: Decimal = ZERO
    transfers: Decimal = ZERO
    net: Decimal = ZERO
    max_drawdown: Decimal = ZERO
    _peak: Decimal = ZERO

    def move(self, change: Decimal) -> None:
        """Take the next step of the realised curve."""
        self.net += change
        self._peak = max(self._peak, self.net)
        self.max_drawdown = max(self.max_drawdown, self._peak - self.net)


@define
class _Order:
    row: OrderRow
    time_ns: int
    updated_ns: int
    fate: str = "intended"
    reason: str = ""


@define
class Statement:
    """Takes every record of the journal, from its beginning; tells of [`from_ns`, `to_ns`) only.

    Rows come as they are known: from `take` at once, from `close` what needs the whole (orders;
    fills in the venue's order, each with what it realised; positions after each). The same fact
    counts once. `symbols` and `assets` hold the sums after `close`.
    """

    from_ns: int
    to_ns: int
    symbols: dict[Key, SymbolSums] = field(factory=dict, init=False)
    assets: dict[tuple[str, str], AssetSums] = field(factory=dict, init=False)
    _orders: dict[tuple[Key, str], _Order] = field(factory=dict, init=False)
    _fills: dict[Key, dict[str, Fill]] = field(factory=dict, init=False)
    _terms: dict[Key, SymbolOpened] = field(factory=dict, init=False)
    _opened: dict[tuple[str, str], BooksOpened] = field(factory=dict, init=False)
    _paid: dict[tuple[Key, str], FundingPaid] = field(factory=dict, init=False)
    _moved: dict[tuple[type, str, str], Transferred | WalletAdjusted] = field(
        factory=dict, init=False
    )

    def take(self, record: Record) -> Iterator[tuple[str, Row]]:
        """Fold one record in; yield (section, row) for each row that it makes at once."""
        payload = record.payload
        self._fold(record)
        match payload:
            case FundingPaid():
                place = (payload.key, payload.funding_id)
                fresh = place not in self._paid
                self._paid.setdefault(place, payload)
            case Transferred() | WalletAdjusted():
                fresh = self._move(payload)
            case _:
                fresh = True
        if not fresh:
            return
        found = row_of(record)
        if found is not None and self._within(found[1]["time_ns"]):
            yield found

    def _move(self, moved: Transferred | WalletAdjusted) -> bool:
        """Count money that was moved, once; False when it was known."""
        number = moved.transfer_id if isinstance(moved, Transferred) else moved.adjustment_id
        place = (type(moved), moved.venue, number)
        fresh = place not in self._moved
        self._moved.setdefault(place, moved)
        return fresh

    def close(self) -> Iterator[tuple[str, Row]]:
        """Yield the rows that need the whole journal, and work out the sums."""
        for (key, name), order in self._orders.items():
            if self._within(order.time_ns):
                self._symbol(key).orders += 1
                yield "orders", self._order_row(key, name, order)
        curve: list[tuple[int, str, str, Decimal]] = []
        for key, fills in self._fills.items():
            yield from self._walk(key, list(fills.values()), curve)
        for paid in self._paid.values():
            if self._within(paid.time_ns):
                self._symbol(paid.key).funding += paid.amount
                self._asset(paid.key.venue, paid.asset).funding += paid.amount
                curve.append((paid.time_ns, paid.key.venue, paid.asset, paid.amount))
        for moved in self._moved.values():
            if not self._within(moved.time_ns):
                continue
            sums = self._asset(moved.venue, moved.asset)
            if isinstance(moved, Transferred):
                sums.transfers += moved.amount
            else:
                sums.adjustments += moved.amount
                curve.append((moved.time_ns, moved.venue, moved.asset, moved.amount))
        for _, venue, asset, change in sorted(curve, key=lambda step: step[0]):
            self._asset(venue, asset).move(change)

    def _fold(self, record: Record) -> None:
        payload = record.payload
        match payload:
            case OrderIntended():
                order = payload.order
                self._order(order.key, order.client_order_id, record).row.intend(order)
            case OrderAcknowledged():
                self._told(payload.update, record)
            case OrderUpdated():
                self._told(payload, record)
            case OrderRefused(action="place"):
                refused = self._order(payload.key, payload.client_order_id, record)
                refused.fate, refused.reason = "refused", payload.error.message
            case OrderOutcomeUnknown(action="place"):
                unknown = self._order(payload.key, payload.client_order_id, record)
                unknown.fate, unknown.reason = "unknown", payload.error.message
            case OrderGone():
                gone = self._order(payload.key, payload.client_order_id, record)
                gone.fate, gone.reason = "never arrived", payload.evidence
            case Fill():
                known = self._fills.setdefault(payload.key, {})
                if payload.fill_id not in known:
                    known[payload.fill_id] = payload
                    name = payload.client_order_id or payload.order_id
                    self._order(payload.key, name, record).row.executed(payload)
            case SymbolOpened():
                self._terms.setdefault(payload.key, payload)
            case BooksOpened():
                self._opened.setdefault((payload.venue, payload.asset), payload)

    def _told(self, said: OrderUpdated, record: Record) -> None:
        self._order(said.key, said.client_order_id or said.order_id, record).row.take(said)

    def _order(self, key: Key, name: str, record: Record) -> _Order:
        order = self._orders.get((key, name))
        if order is None:
            order = _Order(OrderRow(), record.time_ns, record.time_ns)
            self._orders[key, name] = order
        order.updated_ns = record.time_ns
        return order

    def _order_row(self, key: Key, name: str, order: _Order) -> Row:
        said, meant = order.row.order, order.row.intended
        row = {
            "time_ns": order.time_ns,
            "venue": key.venue,
            "symbol": key.symbol,
            "client_order_id": name,
            "order_id": said.order_id if said else "",
            "purpose": meant.purpose.value if meant else "",
            "bot": meant.bot if meant else "",
            "filled": said.filled if said else ZERO,
            "status": said.status.value if said else order.fate,
            "reason": (said.reason if said else "") or order.reason,
            "updated_ns": order.updated_ns,
        }
        terms = said or meant
        if terms is not None:  # else what was refused is in no record
            row |= {
                "client_order_id": terms.client_order_id,
                "side": terms.side.value,
                "position_side": terms.position_side.value,
                "type": terms.type.value,
                "price": terms.price or ZERO,
                "trigger_price": terms.trigger_price or ZERO,
                "quantity": terms.quantity,
            }
        return row

    def _walk(
        self, key: Key, fills: list[Fill], curve: list[tuple[int, str, str, Decimal]]
    ) -> Iterator[tuple[str, Row]]:
        """Yield a symbol's fills in the venue's order, each with the position after it."""
        fills.sort(key=lambda f: (f.time_ns, int(f.fill_id) if f.fill_id.isdecimal() else 0))
        terms = self._terms.get(key)
        margin_asset = terms.margin_asset if terms else self._only_asset(key.venue)
        multiplier = terms.multiplier if terms else Decimal(1)
        opening = self._opened.get((key.venue, margin_asset))
        since_ns = opening.as_of_ns if opening else 0
        held = {
            p.position_side: Position(p.position_side, p.quantity, p.entry_price)
            for opened in self._opened.values()
            for p in opened.positions
            if p.key == key
        }
        for fill in fills:
            side, realised = fill.position_side, ZERO
            if fill.time_ns > since_ns:  # else the opening balance contains it
                before = held.get(side, Position(side))
                held[side], realised = apply_fill(before, fill, multiplier)
            if not self._within(fill.time_ns):
                continue
            notional = amount(fill.price * fill.quantity * multiplier)
            self._count(key, fill, realised, notional, margin_asset, curve)
            yield "fills", fill_row(fill, notional, realised, margin_asset)
            if side in held:
                yield "positions", position_row(fill, side, held[side])

    def _count(
        self,
        key: Key,
        fill: Fill,
        realised: Decimal,
        notional: Decimal,
        margin_asset: str,
        curve: list[tuple[int, str, str, Decimal]],
    ) -> None:
        sums = self._symbol(key)
        sums.fills += 1
        sums.volume += notional
        sums.realised_pnl += realised
        if fill.fee_asset == margin_asset:
            sums.fees += fill.fee
        self._asset(key.venue, margin_asset).realised_pnl += realised
        self._asset(key.venue, fill.fee_asset).fees += fill.fee
        changes = {margin_asset: realised}
        changes[fill.fee_asset] = changes.get(fill.fee_asset, ZERO) - fill.fee
        curve += [(fill.time_ns, key.venue, asset, sum_) for asset, sum_ in changes.items()]

    def _only_asset(self, venue: str) -> str:
        return next((asset for name, asset in self._opened if name == venue), "")

    def _symbol(self, key: Key) -> SymbolSums:
        return self.symbols.setdefault(key, SymbolSums())

    def _asset(self, venue: str, asset: str) -> AssetSums:
        return self.assets.setdefault((venue, asset), AssetSums())

    def _within(self, time_ns: int) -> bool:
        return self.from_ns <= time_ns < self.to_ns


def fill_row(fill: Fill, notional: Decimal, realised: Decimal, margin_asset: str) -> Row:
    """Write one execution; `realised_pnl` is before its fee, in `margin_asset`."""
    return {
        "time_ns": fill.time_ns,
        "venue": fill.key.venue,
        "symbol": fill.key.symbol,
        "fill_id": fill.fill_id,
        "order_id": fill.order_id,
        "client_order_id": fill.client_order_id,
        "side": fill.side.value,
        "position_side": fill.position_side.value,
        "price": fill.price,
        "quantity": fill.quantity,
        "notional": notional,
        "fee": fill.fee,
        "fee_asset": fill.fee_asset,
        "maker": fill.maker,
        "realised_pnl": realised,
        "margin_asset": margin_asset,
    }


def position_row(fill: Fill, side: PositionSide, position: Position) -> Row:
    """Write a side's position after a fill; `realised_pnl` sums all its fills so far."""
    return {
        "time_ns": fill.time_ns,
        "venue": fill.key.venue,
        "symbol": fill.key.symbol,
        "position_side": side.value,
        "quantity": position.quantity,
        "entry_price": round(position.entry_price, 8),
        "realised_pnl": position.realised_pnl,
        "fill_id": fill.fill_id,
    }
