"""Rows of a statement that one record makes by itself: money moved, controls, decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.messages import (
    AmendOrder,
    FundingPaid,
    Key,
    OrderOutcomeUnknown,
    OrderRefused,
    PlaceOrder,
)
from core.money import text
from core.ports import Record
from core.records import (
    AmendIntended,
    BreakerChanged,
    CancelIntended,
    FlattenChanged,
    HaltChanged,
    HostStarted,
    HostStopped,
    JournalMended,
    OperatorCommanded,
    OrderGone,
    OrderIntended,
    Reconciled,
    StopTightened,
    ThrottleChanged,
    TradingPaused,
    Transferred,
    WalletAdjusted,
    WalletDiffered,
)

__all__ = ["Row", "row_of"]

Row = dict[str, Any]
"""Column to value: Decimal, whole number (nanoseconds UTC in `…_ns`), truth or text."""


def row_of(record: Record) -> tuple[str, Row] | None:
    """Return the section and the row that a record makes; None for one that makes none."""
    payload = record.payload
    match payload:
        case FundingPaid():
            return "funding", _whom(payload.time_ns, payload.key) | {
                "amount": payload.amount,
                "asset": payload.asset,
                "funding_id": payload.funding_id,
            }
        case Transferred():
            return "transfers", _moved(payload, "transfer", payload.transfer_id)
        case WalletAdjusted():
            return "transfers", _moved(payload, payload.kind, payload.adjustment_id)
    make = _CONTROLS.get(type(payload))
    if make is not None:
        return "controls", {"time_ns": record.time_ns} | make(payload)
    make = _DECISIONS.get(type(payload))
    if make is None:
        return None
    row = _whom(record.time_ns, record.key) | {
        "actor": record.actor,
        "client_order_id": record.client_order_id,
    }
    return "decisions", row | make(payload)


def _whom(time_ns: int, key: Key | None) -> Row:
    venue, symbol = (key.venue, key.symbol) if key else ("", "")
    return {"time_ns": time_ns, "venue": venue, "symbol": symbol}


def _moved(payload: Transferred | WalletAdjusted, kind: str, number: str) -> Row:
    return {
        "time_ns": payload.time_ns,
        "venue": payload.venue,
        "asset": payload.asset,
        "amount": payload.amount,
        "kind": kind,
        "transfer_id": number,
    }


def _halt(payload: HaltChanged) -> Row:
    latched = " (latched)" if payload.latched else ""
    return {
        "what": "halt",
        "state": f"{payload.state.value}{latched}",
        "by": payload.by,
        "reason": payload.reason,
    }


def _commanded(payload: OperatorCommanded) -> Row:
    words = f"{payload.command} {payload.argument}".rstrip()
    state = "refused" if payload.refusal else "done"
    return {
        "what": f"operator: {words}",
        "symbol": payload.symbol,
        "state": state,
        "by": "operator",
        "reason": payload.refusal,
    }


def _mended(payload: JournalMended) -> Row:
    return {"what": "journal", "state": f"{payload.kept} records kept", "reason": payload.cut}


_CONTROLS: dict[type, Callable[[Any], Row]] = {
    HaltChanged: _halt,
    OperatorCommanded: _commanded,
    JournalMended: _mended,
    BreakerChanged: lambda p: {
        "what": f"breaker of {p.venue}", "state": p.state, "reason": p.reason
    },
    ThrottleChanged: lambda p: {
        "what": "throttle", "symbol": p.symbol, "state": f"{p.percent} %"
    },
    TradingPaused: lambda p: {
        "what": "pause", "symbol": p.symbol, "state": "paused" if p.paused else "resumed"
    },
    FlattenChanged: lambda p: {
        "what": "flatten", "symbol": p.key.symbol,
        "state": "under way" if p.under_way else "flat", "reason": p.reason,
    },
    HostStarted: lambda p: {
        "what": "host", "state": f"started in {p.mode} mode", "reason": f"{p.host}, {p.version}"
    },
    HostStopped: lambda p: {"what": "host", "state": "stopped", "reason": p.reason},
}  # fmt: skip


def _placed(payload: OrderIntended) -> Row:
    return {"decision": "place"} | _order(payload.order)


def _amended(payload: AmendIntended) -> Row:
    return {"decision": "amend"} | _order(payload.order)


def _order(order: PlaceOrder | AmendOrder) -> Row:
    row = {
        "side": order.side.value,
        "position_side": order.position_side.value,
        "purpose": order.purpose.value,
        "price": order.price,
        "quantity": order.quantity,
    }
    if isinstance(order, PlaceOrder):
        row |= {"type": order.type.value, "trigger_price": order.trigger_price}
    return row


def _refused(payload: OrderRefused) -> Row:
    error = payload.error
    return {
        "decision": f"{payload.action} refused",
        "reason": f"{type(error).__name__}: {error.message}",
    }


def _unknown(payload: OrderOutcomeUnknown) -> Row:
    return {"decision": f"{payload.action} unknown", "reason": payload.error.message}


def _tightened(payload: StopTightened) -> Row:
    return {
        "decision": "tighten stop",
        "position_side": payload.position_side.value,
        "trigger_price": payload.trigger_price,
        "reason": payload.reason,
    }


def _compared(payload: Reconciled) -> Row:
    agree = not payload.differences
    return {
        "decision": "compared with the venue",
        "reason": "no difference" if agree else "; ".join(payload.differences),
    }


def _differed(payload: WalletDiffered) -> Row:
    ours, stated = text(payload.ours), text(payload.stated)
    return {
        "decision": "wallet differs",
        "reason": f"{payload.asset}: ours {ours}, the venue's {stated}",
    }


_DECISIONS: dict[type, Callable[[Any], Row]] = {
    OrderIntended: _placed,
    AmendIntended: _amended,
    CancelIntended: lambda _: {"decision": "cancel"},
    OrderRefused: _refused,
    OrderOutcomeUnknown: _unknown,
    OrderGone: lambda p: {"decision": "never arrived", "reason": p.evidence},
    StopTightened: _tightened,
    Reconciled: _compared,
    WalletDiffered: _differed,
}
