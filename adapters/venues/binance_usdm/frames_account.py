"""Frames of the private stream → core account events."""

from __future__ import annotations

from collections import Counter, OrderedDict
from decimal import Decimal

import msgspec

from adapters.venues.binance_usdm.decode import (
    ALGO_STATUS,
    decimal,
    decode,
    finite,
    nanoseconds,
    order_type,
    position_side,
    side,
    status,
)
from core.errors import FrameError
from core.messages import (
    AccountEvent,
    BalanceUpdated,
    Fill,
    Key,
    OrderStatus,
    OrderUpdated,
    PositionReported,
)

__all__ = ["AccountFrames", "KeyExpired"]

_EXPIRY = {
    "1": "self-trade prevention",
    "2": "IOC remainder",
    "3": "IOC remainder after self-trade prevention",
    "4": "knocked out by a reduce-only or reverse order of higher priority",
    "5": "account liquidated",
    "6": "position of a closing order is gone",
    "7": "symbol delisted",
    "8": "expired when its stop was triggered",
    "9": "market order remainder",
}
_CHILDREN_MAX = 5_000


class KeyExpired(Exception):
    """The listen key ended: the socket stays open and silent from here on."""


class _Order(msgspec.Struct):
    s: str
    c: str
    S: str
    o: str
    q: Decimal
    p: Decimal
    x: str
    X: str
    i: int
    l: Decimal  # noqa: E741 (the venue's name)
    z: Decimal
    L: Decimal
    T: int
    t: int
    m: bool
    n: str | None = None
    N: str | None = None
    R: bool = False
    ot: str = ""
    ps: str = "BOTH"
    sp: str | None = None
    er: str = "0"


class _OrderUpdate(msgspec.Struct):
    o: _Order


class _Balance(msgspec.Struct):
    a: str
    wb: Decimal


class _Position(msgspec.Struct):
    s: str
    pa: Decimal
    ep: Decimal
    ps: str = "BOTH"


class _Account(msgspec.Struct):
    m: str
    B: list[_Balance] = []
    P: list[_Position] = []


class _AccountUpdate(msgspec.Struct):
    T: int
    a: _Account


class _Algo(msgspec.Struct):
    caid: str
    aid: int
    o: str
    s: str
    S: str
    q: str
    X: str
    tp: str | None = None
    p: str | None = None
    ai: str | int | None = None
    aq: str | None = None
    ps: str = "BOTH"
    R: bool = False
    rm: str | None = None


class _AlgoUpdate(msgspec.Struct):
    T: int
    o: _Algo


class _Event(msgspec.Struct):
    e: str


class _Wrapped(msgspec.Struct):
    data: msgspec.Raw


_WRAPPED = msgspec.json.Decoder(_Wrapped)
_EVENT = msgspec.json.Decoder(_Event)
_ORDER_UPDATE = msgspec.json.Decoder(_OrderUpdate)
_ACCOUNT_UPDATE = msgspec.json.Decoder(_AccountUpdate)
_ALGO_UPDATE = msgspec.json.Decoder(_AlgoUpdate)


class AccountFrames:
    """Decoder of one private connection.

    Keeps which plain order a conditional one became, so that its events carry the client order id
    of the order that was placed. `ignored` counts events by kind that say nothing new: TRADE_LITE
    repeats every fill, margin calls and configuration are read by REST.
    """

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._parents: OrderedDict[str, _Algo] = OrderedDict()
        self.ignored: Counter[str] = Counter()

    def decode(self, raw: bytes) -> tuple[AccountEvent, ...]:
        """Turn one wrapped frame into events, in the order they are to be applied.

        Errors: `FrameError` for a malformed frame; `KeyExpired` when the stream has ended.
        """
        data = bytes(decode(_WRAPPED, raw, "private frame").data)
        kind = decode(_EVENT, data, "private event").e
        match kind:
            case "ORDER_TRADE_UPDATE":
                return self._order(decode(_ORDER_UPDATE, data, kind).o)
            case "ACCOUNT_UPDATE":
                return self._account(decode(_ACCOUNT_UPDATE, data, kind))
            case "ALGO_UPDATE":
                return self._algo(decode(_ALGO_UPDATE, data, kind))
            case "listenKeyExpired":
                raise KeyExpired("listen key expired")
        self.ignored[kind[:40]] += 1
        return ()

    def _order(self, row: _Order) -> tuple[AccountEvent, ...]:
        what = "ORDER_TRADE_UPDATE"
        finite(what, (row.q, row.p, row.l, row.z, row.L))
        parent = self._parents.get(str(row.i))
        update = OrderUpdated(
            key=Key(self._venue, row.s),
            client_order_id=parent.caid if parent else row.c,
            order_id=str(row.i),
            side=side(row.S, what),
            position_side=position_side(row.ps, what),
            type=order_type(row.o, parent.o if parent else row.ot, what),
            status=status(row.X, what),
            price=decimal(parent.p, what) if parent else row.p,
            quantity=row.q,
            filled=row.z,
            event_ns=nanoseconds(row.T, what),
            trigger_price=decimal(parent.tp if parent else row.sp, what),
            reduce_only=row.R,
            amended=row.x == "AMENDMENT",
            reason=_EXPIRY.get(row.er, "") if row.x == "EXPIRED" else "",
        )
        if row.x not in ("TRADE", "CALCULATED") or row.l <= 0 or row.t <= 0:
            return (update,)
        fill = Fill(
            key=update.key,
            fill_id=str(row.t),
            order_id=update.order_id,
            client_order_id=update.client_order_id,
            side=update.side,
            position_side=update.position_side,
            price=row.L,
            quantity=row.l,
            fee=decimal(row.n, what),
            fee_asset=row.N or "",
            maker=row.m,
            time_ns=update.event_ns,
        )
        return (fill, update)

    def _account(self, frame: _AccountUpdate) -> tuple[AccountEvent, ...]:
        what = "ACCOUNT_UPDATE"
        account = frame.a
        finite(what, (balance.wb for balance in account.B))
        finite(what, (figure for held in account.P for figure in (held.pa, held.ep)))
        event_ns = nanoseconds(frame.T, what)
        balances = tuple(
            BalanceUpdated(self._venue, balance.a, balance.wb, account.m.lower(), event_ns)
            for balance in account.B
        )
        positions = tuple(
            PositionReported(
                Key(self._venue, held.s),
                position_side(held.ps, what),
                held.pa,
                held.ep,
                event_ns,
            )
            for held in account.P
        )
        return (*balances, *positions)

    def _algo(self, frame: _AlgoUpdate) -> tuple[AccountEvent, ...]:
        """Report the life of a conditional order up to its firing, and its refusal.

        After that the plain order it became tells: only a FINISHED that filled all of it is
        passed on, since FINISHED does not say whether the rest was cancelled or expired.
        """
        what = "ALGO_UPDATE"
        row = frame.o
        if row.X not in ALGO_STATUS:
            raise FrameError(f"{what}: unknown status {row.X[:24]!r}")
        child_id = str(row.ai or "")
        if child_id:
            self._adopt(child_id, row)
        quantity, filled = decimal(row.q, what), decimal(row.aq, what)
        state = ALGO_STATUS[row.X]
        if state is OrderStatus.FILLED and filled < quantity:
            self.ignored["ALGO_UPDATE of an unfilled end"] += 1
            return ()
        update = OrderUpdated(
            key=Key(self._venue, row.s),
            client_order_id=row.caid,
            order_id=child_id or str(row.aid),
            side=side(row.S, what),
            position_side=position_side(row.ps, what),
            type=order_type(row.o, "", what),
            status=state,
            price=decimal(row.p, what),
            quantity=quantity,
            filled=filled,
            event_ns=nanoseconds(frame.T, what),
            trigger_price=decimal(row.tp, what),
            reduce_only=row.R,
            reason=row.rm or "",
        )
        return (update,)

    def _adopt(self, child_id: str, row: _Algo) -> None:
        self._parents[child_id] = row
        if len(self._parents) > _CHILDREN_MAX:
            self._parents.popitem(last=False)
