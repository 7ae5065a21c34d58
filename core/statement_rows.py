"""Rows of a statement that one record makes by itself: money moved, controls, decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.decisions import Asked, RiskJudged, StrategyDecided
from core.guard_decisions import (
    FlashEnded,
    FlashJudged,
    LiquidationJudged,
    ProtectionJudged,
    SizeJudged,
    SliceJudged,
)
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
    IncomeDiffered,
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
    if make is None or _of_nothing(payload):
        return None
    row = _whom(record.time_ns, record.key) | {
        "actor": record.actor,
        "client_order_id": record.client_order_id,
    }
    return "decisions", row | make(payload)


def _of_nothing(payload: object) -> bool:
    """Tell of a decision that made no order: an approval's intent has a record of its own."""
    match payload:
        case StrategyDecided():
            return not payload.intents
        case RiskJudged():
            return payload.refusal is None
    return False


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


def _income_differed(payload: IncomeDiffered) -> Row:
    ours, stated = (
        "nothing" if side is None else text(side) for side in (payload.ours, payload.stated)
    )
    return {
        "decision": "income differs" if payload.apart else "income agrees after all",
        "reason": f"{payload.kind.value} of {payload.row_id}: ours {ours}, the venue's {stated}"
        f" {payload.asset}",
    }


def _judged(payload: RiskJudged) -> Row:
    order = payload.place or payload.amend
    terms = {} if order is None else _order(order)
    return terms | {"decision": "refused by risk", "reason": str(payload.refusal)}


def _decided(payload: StrategyDecided) -> Row:
    """Tell what a strategy saw last, and what it asked for."""
    saw = "what was refused" if payload.refused else "its orders and positions"
    quote = payload.quote or payload.before
    if payload.quote is not None:
        saw = "a quote"
    if payload.scale is not None:
        saw = f"{text(payload.scale * 100)} % of full size"
    market = f" at {text(quote.bid)} / {text(quote.ask)}" if quote else ""
    asked = ", ".join(map(_asked, payload.intents))
    return {"decision": "strategy decided", "reason": f"saw {saw}{market}: {asked}"}


def _asked(asked: Asked) -> str:
    if asked.place is not None:
        place = asked.place
        terms = f"{place.side.value} {text(place.quantity)} at {text(place.price)}"
        return f"place {place.client_order_id} {terms}"
    if asked.amend is not None:
        amend = asked.amend
        return f"amend {amend.client_order_id} to {text(amend.quantity)} at {text(amend.price)}"
    return f"cancel {asked.cancel.client_order_id}" if asked.cancel else ""


def _flash(payload: FlashJudged) -> Row:
    what = ["entries pause"] if payload.pauses else []
    what += [
        f"close {text(each.close)} of {each.side.value}"
        if each.close
        else f"{each.side.value} stops {text(each.stop_bps)} bps from the mark"
        for each in payload.answers
    ]
    return {"decision": "fast move", "reason": f"{payload.move}: {', '.join(what)}"}


def _liquidation(payload: LiquidationJudged) -> Row:
    finding, side = payload.finding, payload.side.position.side.value
    row: Row = {"position_side": side, "reason": finding.verdict.text}
    if not finding.reduces:
        return row | {"decision": "liquidation warning"}
    return row | {"decision": "liquidation near: reduce", "quantity": finding.verdict.quantity}


def _sized(payload: SizeJudged) -> Row:
    daily = f"volatility {payload.sizing.daily_percent:.2f} % a day"
    why = f"{daily}, throttle {payload.throttle_percent} %"
    return {"decision": f"entries at {text(payload.scale * 100)} % of full size", "reason": why}


def _protected(payload: ProtectionJudged) -> Row:
    steps, side = payload.steps, payload.seen.held.side.value
    row: Row = {"position_side": side, "purpose": "protect", "reason": steps.why}
    if steps.close:
        return row | {"decision": "close for want of a stop", "quantity": steps.close}
    if steps.place is not None:
        place = steps.place
        terms = {"quantity": place.quantity, "trigger_price": place.trigger_price}
        return row | terms | {"decision": "a stop is missing", "side": place.side.value}
    if steps.cancel:
        return row | {"decision": "stops too many", "reason": ", ".join(steps.cancel)}
    return row | {"decision": "stop before liquidation", "trigger_price": steps.tighten}


def _sliced(payload: SliceJudged) -> Row:
    row: Row = {"side": payload.direction.value, "position_side": payload.position_side.value}
    if payload.slice is not None:
        row |= {"quantity": payload.slice.quantity, "price": payload.slice.price}
    return row | {"decision": "close a slice", "reason": f"of {text(payload.left)}"}


_DECISIONS: dict[type, Callable[[Any], Row]] = {
    FlashJudged: _flash,
    FlashEnded: lambda _: {"decision": "fast move over", "reason": "entries go on"},
    LiquidationJudged: _liquidation,
    SizeJudged: _sized,
    ProtectionJudged: _protected,
    SliceJudged: _sliced,
    OrderIntended: _placed,
    AmendIntended: _amended,
    CancelIntended: lambda _: {"decision": "cancel"},
    OrderRefused: _refused,
    OrderOutcomeUnknown: _unknown,
    OrderGone: lambda p: {"decision": "never arrived", "reason": p.evidence},
    StopTightened: _tightened,
    Reconciled: _compared,
    WalletDiffered: _differed,
    IncomeDiffered: _income_differed,
    RiskJudged: _judged,
    StrategyDecided: _decided,
}
