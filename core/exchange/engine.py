"""The simulated exchange: one account, many symbols, for servers, backtests and simulations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.exchange.events import Events, Placed
from core.exchange.rows import (
    AccountFigures,
    Amendment,
    BalanceRow,
    ConditionalOrder,
    ExchangeState,
    IncomeKind,
    IncomeRow,
    PositionFigures,
    SymbolRow,
    VenueOrder,
    VenueTrade,
)
from core.exchange.settings import ExchangeSettings, Random
from core.instruments import Instrument, LeverageBracket
from core.market import Book
from core.messages import AmendOrder, MarketEvent, MarkPrice, PlaceOrder, PositionSide, Quote, Trade


class Exchange:
    """Match orders of one account against a market; keep its money.

    Mutable, single owner, no clock: every call says what time it is (`now_ns`, never backwards).
    Calls that the venue would answer with an error raise `Refusal`, and nothing has happened.
    """

    def __init__(
        self,
        venue: str,
        instruments: Sequence[Instrument],
        brackets: Mapping[str, tuple[LeverageBracket, ...]],
        *,
        random: Random,
        settings: ExchangeSettings | None = None,
    ) -> None: ...

    # Time and market

    def on_market(self, event: MarketEvent, now_ns: int) -> Events:
        """Take one market event: match passive orders, fire triggers, check margins."""
        raise NotImplementedError

    def on_time(self, now_ns: int) -> Events:
        """Do what is due: delayed orders, good-till dates, countdowns, funding settlements."""
        raise NotImplementedError

    def next_due_ns(self) -> int:
        """Return when `on_time` next has something to do; 0 for never."""
        raise NotImplementedError

    # Orders

    def check(self, order: PlaceOrder, now_ns: int, *, close_position: bool = False) -> None:
        """Check an order as a placement would, and do nothing. Errors: `Refusal`."""
        raise NotImplementedError

    def place(
        self,
        order: PlaceOrder,
        now_ns: int,
        *,
        close_position: bool = False,
        activation_price: Decimal | None = None,
    ) -> Placed:
        """Place a plain or conditional order. Errors: `Refusal`.

        An empty `client_order_id` gets a generated one. `close_position` (conditional market types
        only) ignores the quantity.
        """
        raise NotImplementedError

    def amend(self, order: AmendOrder, now_ns: int) -> Placed:
        """Change price and total quantity of an open limit order, by client or order id."""
        raise NotImplementedError

    def cancel(
        self, symbol: str, now_ns: int, *, client_order_id: str = "", order_id: int = 0
    ) -> Placed:
        """Cancel one plain order."""
        raise NotImplementedError

    def cancel_conditional(
        self, now_ns: int, *, client_order_id: str = "", algo_id: int = 0
    ) -> Placed:
        """Cancel one waiting conditional order."""
        raise NotImplementedError

    def cancel_all(self, symbol: str, now_ns: int) -> Events:
        """Cancel all plain orders of a symbol."""
        raise NotImplementedError

    def cancel_all_conditionals(self, symbol: str, now_ns: int) -> Events:
        """Cancel all waiting conditional orders of a symbol."""
        raise NotImplementedError

    def countdown(self, symbol: str, after_ms: int, now_ns: int) -> Events:
        """Cancel the symbol's orders `after_ms` from now unless called again; 0 turns it off."""
        raise NotImplementedError

    # Account

    def deposit(self, asset: str, amount: Decimal, now_ns: int) -> Events:
        """Put money into a wallet; negative takes it out, at most what is available."""
        raise NotImplementedError

    def set_hedge_mode(self, hedge: bool, now_ns: int) -> Events:
        """Switch between one-way and hedge mode; only when flat and without orders."""
        raise NotImplementedError

    def set_isolated(self, symbol: str, isolated: bool, now_ns: int) -> Events:
        """Switch a symbol between isolated and cross margin; only when flat, without orders."""
        raise NotImplementedError

    def set_leverage(self, symbol: str, leverage: int, now_ns: int) -> Events:
        """Set a symbol's leverage."""
        raise NotImplementedError

    def add_margin(self, symbol: str, side: PositionSide, amount: Decimal, now_ns: int) -> Events:
        """Move money into an isolated position; negative takes it back."""
        raise NotImplementedError

    def liquidate(self, symbol: str, now_ns: int) -> Events:
        """Liquidate a symbol's positions now, whatever the margin: for drills."""
        raise NotImplementedError

    # Questions

    @property
    def hedge_mode(self) -> bool:
        raise NotImplementedError

    def order(self, symbol: str, *, client_order_id: str = "", order_id: int = 0) -> VenueOrder:
        """Return one plain order, the newest where several had the client id. Errors: `Refusal`."""
        raise NotImplementedError

    def open_orders(self, symbol: str | None = None) -> tuple[VenueOrder, ...]:
        raise NotImplementedError

    def orders(self, symbol: str | None = None) -> tuple[VenueOrder, ...]:
        """Return all plain orders, oldest first."""
        raise NotImplementedError

    def conditional(self, *, client_order_id: str = "", algo_id: int = 0) -> ConditionalOrder:
        raise NotImplementedError

    def open_conditionals(self, symbol: str | None = None) -> tuple[ConditionalOrder, ...]:
        raise NotImplementedError

    def conditionals(self, symbol: str | None = None) -> tuple[ConditionalOrder, ...]:
        raise NotImplementedError

    def amendments(self, symbol: str, order_id: int = 0) -> tuple[Amendment, ...]:
        raise NotImplementedError

    def trades(
        self,
        symbol: str,
        *,
        from_id: int = 0,
        order_id: int = 0,
        start_ns: int = 0,
        end_ns: int = 0,
    ) -> tuple[VenueTrade, ...]:
        """Return our fills, oldest first; bounds inclusive, 0 for none."""
        raise NotImplementedError

    def income(
        self,
        *,
        symbol: str = "",
        kind: IncomeKind | None = None,
        start_ns: int = 0,
        end_ns: int = 0,
    ) -> tuple[IncomeRow, ...]:
        raise NotImplementedError

    def positions(self, symbol: str | None = None) -> tuple[PositionFigures, ...]:
        """Return all sides of the mode in force, flat ones too."""
        raise NotImplementedError

    def balances(self) -> tuple[BalanceRow, ...]:
        raise NotImplementedError

    def account(self, asset: str) -> AccountFigures:
        raise NotImplementedError

    def settings_of(self, symbol: str) -> SymbolRow:
        """Return leverage, margin mode and counters of a symbol."""
        raise NotImplementedError

    def brackets(self, symbol: str) -> tuple[LeverageBracket, ...]:
        raise NotImplementedError

    def instruments(self) -> tuple[Instrument, ...]:
        raise NotImplementedError

    def book(self, symbol: str) -> Book:
        """Return the market's book (without our orders), which may be unsynced."""
        raise NotImplementedError

    def quote(self, symbol: str) -> Quote | None:
        raise NotImplementedError

    def last_trade(self, symbol: str) -> Trade | None:
        raise NotImplementedError

    def mark(self, symbol: str) -> MarkPrice | None:
        raise NotImplementedError

    def ledger(self) -> dict[str, Any]:
        """Return the truth in the shape of `core.ledger`."""
        raise NotImplementedError

    # Keeping

    def state(self) -> ExchangeState:
        """Return everything worth keeping."""
        raise NotImplementedError

    def drain(self) -> ExchangeState:
        """Return the rows that changed since the last call, and forget that they did."""
        raise NotImplementedError

    def restore(self, state: ExchangeState) -> None:
        """Take over kept rows; only on a fresh exchange. Queue positions are estimated anew."""
        raise NotImplementedError
