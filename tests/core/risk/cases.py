"""What every pre-trade rule refuses: orders that just fit, and ones that break one rule only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from attrs import evolve, field, frozen

from core.messages import Key, PlaceOrder, PositionSide
from core.money import ZERO
from core.positions import Position
from core.risk.checks import Risk
from core.risk.halt import Halt, Level, tighten
from core.risk.limits import Caps, Group
from tests.core.risk.samples import (
    LIMITS,
    NOW,
    STALE_NS,
    approved,
    buy,
    close_long,
    report,
    risk_at,
    sell,
)
from tests.core.samples import BTC, ETH, D

__all__ = ["CASES", "Case", "state"]

SOL = Key("binance", "SOLUSDT")
Change = Callable[[Risk], object]


def nothing(risk: Risk) -> None:
    """Leave everything as it is."""


def all_at(price: str) -> Change:
    """Bring the quotes elsewhere than the marks."""

    def change(risk: Risk) -> None:
        risk.facts.quotes = dict.fromkeys(risk.facts.quotes, (D(price), D(price), NOW))

    return change


def one_way(risk: Risk) -> None:
    risk.exposure.report(BTC, [Position(PositionSide.BOTH, D(2), D(100))], [], [])


def short(risk: Risk) -> None:
    report(risk, ETH, short="7")


@frozen(kw_only=True)
class Case:
    """What is known and open already, an order that just fits, and one that breaks one rule only.

    `given` comes before both, `spoilt` before the one that breaks. `limits` differ from the usual.
    """

    fits: PlaceOrder
    breaks: PlaceOrder
    says: str
    value: Decimal = ZERO
    limit: Decimal = ZERO
    before: Sequence[PlaceOrder] = ()
    given: Change = nothing
    spoilt: Change = nothing
    limits: Mapping[str, Any] = field(factory=dict)

    def prepared(self) -> Risk:
        risk = risk_at(limits=evolve(LIMITS, **self.limits))
        self.given(risk)
        approved(risk, *self.before)
        return risk


OLD_NS = NOW - 90_000_000_000
BOTH = {"position_side": PositionSide.BOTH}
CANARY = {"canary_order_notional": D(50), "canary_max_loss": D(20)}
CAPS = Caps(where="risk.symbols[0]", max_order_quantity=D(3), max_notional=D(600))
OWN = {"symbols": {BTC: CAPS, ETH: Caps(where="risk.symbols[1]")}}
GROUPS = {
    "groups": (
        Group(where="risk.groups[0]", name="alone", keys=(ETH,), max_notional=D(1)),
        Group(where="risk.groups[1]", name="wide", keys=(BTC, ETH, SOL), max_notional=D(9000)),
        Group(where="risk.groups[2]", name="majors", keys=(BTC, ETH, SOL), max_notional=D(700)),
    )
}


def state(spoilt: Change, says: str, value: int | str = 0, limit: int = 0, **more: Any) -> Case:
    """A case in which the same order fits before something happened."""
    order = buy("a", "0.4")
    figures = {"value": D(value), "limit": D(limit)}
    return Case(fits=order, breaks=order, spoilt=spoilt, says=says, **figures, **more)


CASES = {
    "halted": state(
        lambda risk: setattr(risk, "halt", tighten(Halt(), Level.HALTED, "daily loss", "risk")),
        "halt: trading is halted: daily loss",
    ),
    "paused": state(
        lambda risk: risk.paused.update({BTC: "the stream is lost"}), "paused: the stream is lost"
    ),
    "breaker": state(
        lambda risk: risk.facts.breaker_open.update(binance="7 of 10 calls failed"),
        "breaker: calls of binance fail: 7 of 10 calls failed (risk.breaker)",
    ),
    "mark_age": state(
        lambda risk: risk.mark(BTC, D(100), NOW - STALE_NS - 1_000_000),
        "stale_after_ms: the mark price of binance:BTCUSDT is 5001 ms old (market.stale_after_ms)",
        5001,
        5000,
    ),
    "account_age": state(
        lambda risk: risk.facts.accounts_ns.update(binance=OLD_NS - 1_000_000),
        "account: the account at binance is 90001 ms old (risk.guards.account_stale_after_ms)",
        90_001,
        90_000,
        given=lambda risk: risk.facts.accounts_ns.update(binance=OLD_NS),
    ),
    "unprotected_side": state(
        lambda risk: risk.facts.unprotected.update({BTC: {PositionSide.LONG: NOW - 2_600_000_000}}),
        "unprotected: the lack of a stop on the long side of binance:BTCUSDT is 2600 ms old "
        "(execution.protect_within_s)",
        2600,
        2500,
        given=lambda risk: risk.facts.unprotected.update(
            {
                BTC: {
                    PositionSide.LONG: NOW - 2_500_000_000,
                    PositionSide.SHORT: OLD_NS,
                },
                ETH: {PositionSide.LONG: OLD_NS},
            }
        ),
    ),
    "canary_loss": state(
        lambda risk: setattr(risk.facts, "canary_headroom", D("-1.5")),
        "canary_loss: a canary lost 21.5, 20 is allowed (risk.canary.max_loss)",
        "21.5",
        20,
        given=lambda risk: setattr(risk.facts, "canary_headroom", D("0.01")),
        limits=CANARY,
    ),
    "sense": Case(
        fits=buy("a", "1"),
        breaks=buy("a", "1", reduce_only=True),
        says="reduce_only: a buy of the long side opens, so it cannot be reduce-only",
    ),
    "duplicate_intent": Case(
        before=[buy("a", "1", bot="grid")],
        fits=buy("b", "1", "99.9", bot="grid"),
        breaks=buy("b", "2", bot="grid"),
        says="duplicate_intent: b is a again, which has not ended",
    ),
    "throttle": Case(
        given=lambda risk: risk.facts.scale.update({BTC: D("0.5")}),
        fits=buy("a", "1", size_scale=D("0.5")),
        breaks=buy("a", "1", size_scale=D("0.75")),
        value=D("0.75"),
        limit=D("0.5"),
        says="throttle: sized with 75 % of full size, where BTCUSDT may have 50 % now",
    ),
    "open_orders": Case(
        before=[buy("a", "1"), buy("b", "1"), buy("c", "1")],
        fits=sell("d", "1"),
        breaks=buy("d", "1"),
        value=D(4),
        limit=D(3),
        says="max_open_orders_per_side: open buy orders of BTCUSDT would be 4, 1 over the limit "
        "of 3 (risk.max_open_orders_per_side)",
    ),
    "order_pace": Case(
        before=[buy("a", "1")],
        limits={"max_orders_per_minute": 2},
        fits=buy("b", "1"),
        spoilt=lambda risk: approved(risk, buy("c", "1")),
        breaks=buy("b", "1"),
        value=D(3),
        limit=D(2),
        says="max_orders_per_minute: orders within a minute would be 3, 1 over the limit of 2 "
        "(risk.max_orders_per_minute)",
    ),
    "cancel_pace": state(
        lambda risk: risk.cancelled(NOW),
        "max_cancels_per_minute: cancels within a minute, with this order's own, would be 3, 1 "
        "over the limit of 2 (risk.max_cancels_per_minute)",
        3,
        2,
        given=lambda risk: risk.cancelled(NOW),
        limits={"max_cancels_per_minute": 2},
    ),
    "price_collar": Case(
        given=all_at("101"),
        fits=buy("a", "1", "101"),
        breaks=buy("a", "1", "101.1"),
        value=D(110),
        limit=D(100),
        says="price_collar_bps: price 101.1 through mark 100 in bps would be 110, 10 over the "
        "limit of 100 (risk.price_collar_bps)",
    ),
    "quote_age": state(
        lambda risk: risk.facts.quotes.update({BTC: (D(100), D(100), NOW - STALE_NS - 1_000_000)}),
        "quote: the quote of binance:BTCUSDT is 5001 ms old (market.stale_after_ms)",
        5001,
        5000,
        given=lambda risk: risk.facts.quotes.update({BTC: (D(100), D(100), NOW - STALE_NS)}),
    ),
    "book_collar": Case(
        given=all_at("80"),
        fits=buy("a", "1", "80.8"),
        breaks=buy("a", "1", "82"),
        value=D(250),
        limit=D(100),
        says="book_collar_bps: price 82 through the best opposite price 80 in bps would be 250, "
        "150 over the limit of 100 (risk.book_collar_bps)",
    ),
    "flip": Case(
        given=one_way,
        fits=sell("a", "2", **BOTH),
        breaks=sell("a", "2.001", **BOTH),
        value=D("2.001"),
        limit=D(2),
        says="flip: sell orders of 2.001 would turn a position of 2 BTCUSDT round",
    ),
    "order_notional": Case(
        fits=buy("a", "5"),
        breaks=buy("a", "5.001"),
        value=D("500.1"),
        limit=D(500),
        says="max_order_notional: order notional would be 500.1, 0.1 over the limit of 500 "
        "(risk.max_order_notional)",
    ),
    "canary_order": Case(
        given=lambda risk: setattr(risk.facts, "canary_headroom", D(1)),
        limits=CANARY,
        fits=buy("a", "0.5"),
        breaks=buy("a", "0.501"),
        value=D("50.1"),
        limit=D(50),
        says="canary: a canary's order notional would be 50.1, 0.1 over the limit of 50 "
        "(risk.canary.max_order_notional)",
    ),
    "order_quantity": Case(
        limits=OWN,
        fits=buy("a", "3"),
        breaks=buy("a", "3.001"),
        value=D("3.001"),
        limit=D(3),
        says="max_order_quantity: 3.001 of BTCUSDT in one order, 3 are allowed "
        "(risk.symbols[0].max_order_quantity)",
    ),
    "symbol_notional": Case(
        before=[buy("a", "4"), buy("b", "4")],
        fits=buy("c", "2"),
        breaks=buy("c", "3"),
        value=D(1100),
        limit=D(1000),
        says="max_symbol_notional: buy notional of BTCUSDT would be 1100, 100 over the limit of "
        "1000 (risk.max_symbol_notional)",
    ),
    "own_notional": Case(
        limits=OWN,
        before=[buy("a", "3"), buy("b", "4", key=ETH)],
        fits=buy("c", "3"),
        spoilt=lambda risk: approved(risk, buy("d", "2")),
        breaks=buy("c", "2"),
        value=D(700),
        limit=D(600),
        says="max_notional: buy notional of BTCUSDT would be 700, 100 over the limit of 600 "
        "(risk.symbols[0].max_notional)",
    ),
    "group_notional": Case(
        limits=GROUPS,
        given=short,
        before=[buy("a", "4")],
        fits=buy("c", "3"),
        breaks=buy("c", "3.1"),
        value=D(710),
        limit=D(700),
        says="group_notional: buy notional of the group majors would be 710, 10 over the limit "
        "of 700 (risk.groups[2].max_notional)",
    ),
    "side_notional": Case(
        before=[buy("a", "4"), buy("b", "4"), buy("c", "4", key=ETH)],
        given=short,
        fits=buy("d", "3", key=ETH),
        breaks=buy("d", "4", key=ETH),
        value=D(1600),
        limit=D(1500),
        says="max_side_notional: buy notional would be 1600, 100 over the limit of 1500 "
        "(risk.max_side_notional)",
    ),
    "net_notional": Case(
        limits={"max_net_notional": D(400)},
        given=lambda risk: report(risk, ETH, short="1"),
        before=[sell("a", "3")],
        fits=buy("d", "5"),
        spoilt=lambda risk: report(risk, ETH, short="0.5"),
        breaks=buy("d", "5"),
        value=D(450),
        limit=D(400),
        says="max_net_notional: net buy notional would be 450, 50 over the limit of 400 "
        "(risk.max_net_notional)",
    ),
    "gross_notional": Case(
        before=[
            *(buy("a", "4"), buy("b", "4"), buy("c", "4", key=ETH)),
            *(sell("d", "4"), sell("e", "5")),
        ],
        fits=sell("f", "4", key=ETH),
        breaks=sell("f", "5", key=ETH),
        value=D(2600),
        limit=D(2500),
        says="max_gross_notional: gross notional would be 2600, 100 over the limit of 2500 "
        "(risk.max_gross_notional)",
    ),
    "closing_quantity": Case(
        given=lambda risk: report(risk, long="2"),
        fits=close_long("a", "2"),
        breaks=close_long("a", "2.001"),
        value=D("2.001"),
        limit=D(2),
        says="closing_quantity: closing 2.001 of a position of 2 BTCUSDT",
    ),
}
