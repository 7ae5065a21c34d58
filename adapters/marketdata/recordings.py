"""Raw stream recordings (`<local time> <frame>` a line) as market events, for replay and tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from adapters.marketdata.files import MarketDataError, lines
from core.messages import BookDelta, BookSnapshot, Key, Level, MarketEvent, MarkPrice, Quote, Trade
from core.money import number

__all__ = ["read_recording"]

_MS = 1_000_000
_US = 1_000
_NS_DIGITS = 18


class _Frame(msgspec.Struct):
    stream: str
    data: msgspec.Raw


class _Depth(msgspec.Struct):
    E: int
    s: str
    U: int
    u: int
    b: tuple[tuple[Decimal, Decimal], ...]
    a: tuple[tuple[Decimal, Decimal], ...]
    pu: int = 0


class _Ticker(msgspec.Struct):
    u: int
    s: str
    b: Decimal
    B: Decimal
    a: Decimal
    A: Decimal
    E: int = 0
    T: int = 0


class _Trade(msgspec.Struct):
    E: int
    T: int
    s: str
    t: int
    p: Decimal
    q: Decimal
    m: bool
    X: str = "MARKET"


class _Aggregate(msgspec.Struct):
    E: int
    T: int
    s: str
    l: int  # noqa: E741
    p: Decimal
    q: Decimal
    m: bool


class _Mark(msgspec.Struct):
    E: int
    s: str
    p: Decimal
    i: Decimal
    r: Decimal | None
    T: int


class _Snapshot(msgspec.Struct):
    lastUpdateId: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    E: int = 0


_frame = msgspec.json.Decoder(_Frame).decode
_depth = msgspec.json.Decoder(_Depth).decode
_ticker = msgspec.json.Decoder(_Ticker).decode
_trade = msgspec.json.Decoder(_Trade).decode
_aggregate = msgspec.json.Decoder(_Aggregate).decode
_mark = msgspec.json.Decoder(_Mark).decode
_snapshot = msgspec.json.Decoder(_Snapshot).decode


def read_recording(paths: Sequence[Path], venue: str) -> Iterator[tuple[int, MarketEvent]]:
    """Yield (local time in ns, event) of one session's files in order.

    Depth updates, best quotes, trades and mark prices become events, one REST snapshot a
    `BookSnapshot` of the session's symbol; other streams are passed over. Prints that are no trades
    of the market (the venue's insurance fund) are left out. Where a session has raw trades its
    aggregate trades are passed over. Errors: `MarketDataError` naming file and line.
    """
    symbol = _session_symbol(paths)
    raw_trades = False
    for path in paths:
        for place, line in lines(path):
            if not line.strip():
                continue
            try:
                received_ns, text = _split(line)
                if text.startswith(b'{"lastUpdateId"'):
                    yield received_ns, _book(text, Key(venue, symbol))
                    continue
                frame = _frame(text)
                raw_trades = raw_trades or frame.stream.endswith("@trade")
                event = _event(frame, venue, received_ns, raw_trades)
            except (msgspec.DecodeError, ValueError, RecursionError) as error:
                raise MarketDataError(f"not a recorded frame: {error}", path, place) from None
            if event is not None:
                yield received_ns, event


def _session_symbol(paths: Sequence[Path]) -> str:
    for path in paths:
        for place, line in lines(path):
            if not line.strip():
                continue
            try:
                _, text = _split(line)
                if not text.startswith(b'{"lastUpdateId"'):
                    return _frame(text).stream.partition("@")[0].upper()
            except (msgspec.DecodeError, ValueError, RecursionError) as error:
                raise MarketDataError(f"not a recorded frame: {error}", path, place) from None
    raise MarketDataError("no stream frame in the recording", paths[0])


def _split(line: bytes) -> tuple[int, bytes]:
    stamp, _, text = line.partition(b" ")
    if not stamp.isdigit() or not text:
        raise ValueError("expected a time, a blank and a frame")
    received = int(stamp)
    return received if len(stamp) > _NS_DIGITS else received * _US, text


def _event(frame: _Frame, venue: str, received_ns: int, raw_trades: bool) -> MarketEvent | None:
    kind = frame.stream.partition("@")[2]
    if kind.startswith("depth"):
        depth = _depth(frame.data)
        _check(each for level in (*depth.b, *depth.a) for each in level)
        return BookDelta(
            Key(venue, depth.s),
            depth.U,
            depth.u,
            depth.pu or depth.U - 1,
            depth.b,
            depth.a,
            depth.E * _MS,
        )
    if kind == "bookTicker":
        ticker = _ticker(frame.data)
        _check((ticker.b, ticker.B, ticker.a, ticker.A))
        event_ns = (ticker.T or ticker.E) * _MS or received_ns
        return Quote(
            Key(venue, ticker.s),
            ticker.b,
            ticker.B,
            ticker.a,
            ticker.A,
            ticker.u,
            event_ns,
            received_ns,
        )
    if kind == "trade":
        trade = _trade(frame.data)
        if trade.X != "MARKET":
            return None
        _check((trade.p, trade.q))
        key = Key(venue, trade.s)
        return Trade(key, trade.t, trade.p, trade.q, trade.m, trade.T * _MS)
    if kind == "aggTrade" and not raw_trades:
        total = _aggregate(frame.data)
        _check((total.p, total.q))
        return Trade(Key(venue, total.s), total.l, total.p, total.q, total.m, total.T * _MS)
    if kind.startswith("markPrice"):
        mark = _mark(frame.data)
        rate = mark.r if mark.r is not None else Decimal(0)
        _check((mark.p, mark.i, rate))
        return MarkPrice(Key(venue, mark.s), mark.p, mark.i, rate, mark.T * _MS, mark.E * _MS)
    return None


def _book(text: bytes, key: Key) -> BookSnapshot:
    found = _snapshot(text)
    _check(each for level in (*found.bids, *found.asks) for each in level)
    bids: tuple[Level, ...] = found.bids
    return BookSnapshot(key, found.lastUpdateId, bids, found.asks, found.E * _MS)


def _check(values: Iterable[Decimal]) -> None:
    """Refuse numbers that are none, or absurd. Errors: `ValueError`."""
    for value in values:
        number(value, "a number")
