"""What Binance's answers mean: code and HTTP status → one of the errors of `core.errors`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from core.errors import (
    AuthRejected,
    ClockRejected,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    RetryLater,
    VenueError,
)

__all__ = ["NO_CHANGE", "TOO_MANY_ORDERS", "error_from_answer", "error_from_code", "wait_after"]

NO_CHANGE = frozenset({-4046, -4059, -4171, -5027})
"""Refusals that mean: it already is as you ask. Callers treat them as success."""

TOO_MANY_ORDERS = -1015
"""The order count of the account is used up; calls that count no orders may still be sent."""

_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS

_UNKNOWN = frozenset({-1000, -1001, -1006, -1007})
_DUPLICATE_ID = -4116
_RETRY = frozenset({-1004, -1008, -1016, -1125, -5043})
_LIMIT = frozenset({-1003, TOO_MANY_ORDERS})
_CLOCK = frozenset({-1021, -5028})
_AUTH = frozenset({-1002, -1022, -1099, -2014, -2015, -2017, -4088, -4109, -4402, -4403})
_NOT_FOUND = frozenset({-2011, -2013})

_RETRY_WAIT_NS = {-1008: _SECOND_NS // 5, -1016: 30 * _SECOND_NS, -1004: _SECOND_NS}
_BANNED = re.compile(r"banned until (\d{13})")


class _Body(msgspec.Struct):
    code: int
    msg: str = ""


_decode = msgspec.json.Decoder(_Body).decode


def error_from_code(
    code: int, message: str, *, venue: str, status: int, request_id: str, write: bool
) -> VenueError:
    """Map one code of the venue's table.

    `write` tells that the call may change something: an unclear outcome of a read is only worth
    repeating. -4116 (duplicate client order id) is an unknown outcome here: our ids are never used
    twice, so an open order with this id is the order we asked for, placed by a request whose answer
    we missed; the caller asks for it. -1001 is documented as failed, yet is not believed for
    writes. Codes outside the table: -1xxx that came with a 5xx are unclear, others are refusals.
    Source: binance_usdm.md §5.
    """
    facts: dict[str, Any] = {
        "venue": venue,
        "code": code,
        "http_status": status,
        "request_id": request_id,
    }
    if code in _UNKNOWN:
        return _unclear(message, facts, write)
    if code == _DUPLICATE_ID:
        return OutcomeUnknown(f"{message} An order with this id exists: ask for it.", **facts)
    if code in _RETRY:
        return RetryLater(message, **facts, retry_after_ns=_RETRY_WAIT_NS.get(code, 0))
    if code in _LIMIT:
        return RateLimited(message, **facts)
    if code in _CLOCK:
        return ClockRejected(message, **facts)
    if code in _AUTH:
        return AuthRejected(message, **facts)
    if code in _NOT_FOUND:
        return NotFound(message, **facts)
    if status >= 500 and -1999 <= code <= -1000:
        return _unclear(message, facts, write)
    return Rejected(message, **facts)


def error_from_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    venue: str,
    request_id: str,
    write: bool,
    now_ns: int,
) -> VenueError:
    """Map an answer that is not a success; `now_ns` turns "banned until" into a wait.

    The venue's code decides where it sent one, the HTTP status else. A 503 has three meanings
    that only its text tells apart; an unknown 5xx of a write is an unknown outcome.
    """
    try:
        told = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        told = None
    message = _one_line(told.msg if told else body[:200].decode("utf-8", "replace"))
    facts: dict[str, Any] = {"venue": venue, "http_status": status, "request_id": request_id}
    if status in (418, 429) or (told and told.code in _LIMIT):
        return RateLimited(
            message,
            **facts,
            code=told.code if told else 0,
            retry_after_ns=wait_after(
                status, headers, message, told.code if told else 0, now_ns=now_ns
            ),
        )
    if status == 503 and message.startswith("Unknown error"):
        return _unclear(message, facts, write)
    if status == 503 and message.startswith("Service Unavailable"):
        return RetryLater(message, **facts, retry_after_ns=_SECOND_NS // 5)
    if told:
        return error_from_code(
            told.code, message, venue=venue, status=status, request_id=request_id, write=write
        )
    if status == 401:
        return AuthRejected(message, **facts)
    if status == 403:
        return RetryLater(f"refused by the firewall: {message}", **facts, retry_after_ns=_MINUTE_NS)
    if status == 408 or status >= 500 or status < 400:
        return _unclear(message, facts, write)
    return Rejected(message, **facts)


def wait_after(
    status: int, headers: Mapping[str, str], message: str, code: int, *, now_ns: int
) -> int:
    """Return how long to send nothing, in ns, after a broken limit.

    "banned until" wins, then Retry-After (seconds); without both: the rest of the minute
    (of ten seconds for orders), two minutes after a 418.
    """
    banned = _BANNED.search(message)
    if banned:
        return max(int(banned[1]) * 1_000_000 - now_ns, _SECOND_NS)
    stated = headers.get("Retry-After", "").strip()
    if stated.isascii() and stated.isdigit() and len(stated) < 8:
        return max(int(stated), 1) * _SECOND_NS
    if status == 418:
        return 2 * _MINUTE_NS
    span_ns = 10 * _SECOND_NS if code == TOO_MANY_ORDERS else _MINUTE_NS
    return span_ns - now_ns % span_ns


def _unclear(message: str, facts: dict[str, Any], write: bool) -> VenueError:
    kind = OutcomeUnknown if write else RetryLater
    return kind(message, **facts)


def _one_line(text: str) -> str:
    """Make the far end's words fit for one line of a log."""
    return " ".join(text.split())[:300] or "no message"
