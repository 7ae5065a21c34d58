"""The simulated exchange: one account, many symbols, for servers, backtests and simulations.

Longer than most files because it is the one public face: each method is a line or a few, the rules
live in the modules beside it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from heapq import heappop
from typing import Any

from attrs import evolve

from core.exchange import keeping, margin
from core.exchange.account import Account
from core.exchange.amending import Amending
from core.exchange.bars import BarWalk
from core.exchange.booking import Booking
from core.exchange.conditionals import Conditionals
from core.exchange.desk import Desk
from core.exchange.events import Events, Placed
from core.exchange.floor import Floor, Symbol
from core.exchange.refusals import Reason, Refusal
from core.exchange.resting import Working
from core.exchange.rows import (
    AccountFigures,
    Amendment,
    BalanceRow,
    ConditionalOrder,
    ConditionalStatus,
    End,
    ExchangeState,
    IncomeKind,
    IncomeRow,
    PositionFigures,
    SymbolRow,
    VenueOrder,
    VenueTrade,
)
from core.exchange.settings import ExchangeSettings, Random
from core.exchange.settlement import Settlement
from core.instruments import Instrument, LeverageBracket
from core.market import Book
from core.messages import (
    AmendOrder,
    Bar,
    BookDelta,
    BookSnapshot,
    MarketEvent,
    MarkPrice,
    OrderStatus,
    PlaceOrder,
    PositionSide,
    Quote,
    Side,
    Trade,
    TriggerBy,
)

_MS_NS = 1_000_000


class Exchange:
    """Match orders of one account against a market; keep its money.

    Mutable, single owner, no clock: every call says what time it is (`now_ns`, never backwards).
    Calls that the venue would answer with an error raise `Refusal`, and nothing has happened
    beyond work that was due before; events of that come with the next call that returns.
    With a latency set, placements are checked at once and matched later; cancellations and
    amendments take effect later too, or not at all if the order is over by then.
    """

    def __init__(
        self,
        venue: str,
        instruments: Sequence[Instrument],
        brackets: Mapping[str, tuple[LeverageBracket, ...]],
        *,
        random: Random,
        settings: ExchangeSettings | None = None,
    ) -> None:
        settings = settings or ExchangeSettings()
        symbols = [
            Symbol(instrument, brackets[instrument.key.symbol], settings)
            for instrument in instruments
        ]
        self._floor = Floor(venue, symbols, random, settings)
        self._desk = Desk(self._floor, Booking(self._floor))
        self._conditionals = Conditionals(self._floor, self._desk)
        self._settlement = Settlement(self._floor, self._desk)
        self._amending = Amending(self._floor, self._desk)
        self._account = Account(self._floor)
        self._bars = BarWalk(self._desk, self._conditionals)

    # Time and market

    def on_market(self, event: MarketEvent, now_ns: int) -> Events:
        """Take one market event: match passive orders, fire triggers, check margins.

        Errors: `Refusal` for a symbol that is not listed.
        """
        symbol = self._floor.symbol(event.key.symbol)
        self._work_due(now_ns)
        match event:
            case Trade():
                self._on_trade(symbol, event, now_ns)
            case BookDelta() | BookSnapshot():
                self._on_book(symbol, event)
            case Quote():
                symbol.liquidity.on_quote(event)
                if not symbol.liquidity.last_price:
                    self._without_mark(symbol, now_ns)
            case MarkPrice():
                self._settlement.on_mark(symbol, event, now_ns)
                self._conditionals.on_price(symbol, TriggerBy.MARK, event.mark, now_ns)
                self._settlement.check_margin(symbol, now_ns)
            case Bar():
                if event.closed and symbol.liquidity.last_trade is None:
                    self._bars.on_bar(symbol, event, now_ns)
                    self._without_mark(symbol, now_ns)
        return self._take_events()

    def _on_trade(self, symbol: Symbol, trade: Trade, now_ns: int) -> None:
        symbol.liquidity.on_trade(trade)
        if symbol.resting.count:
            aggressor = Side.SELL if trade.buyer_is_maker else Side.BUY
            self._desk.on_print(symbol, trade.price, trade.quantity, aggressor, now_ns)
        if symbol.triggers.orders:
            self._conditionals.on_price(symbol, TriggerBy.LAST, trade.price, now_ns)
        self._without_mark(symbol, now_ns)

    def _without_mark(self, symbol: Symbol, now_ns: int) -> None:
        """Let the last price stand in where the feed has no mark price."""
        if symbol.mark_event is None:
            price = symbol.liquidity.reference()
            self._conditionals.on_price(symbol, TriggerBy.MARK, price, now_ns)
            self._settlement.check_margin(symbol, now_ns)

    def _on_book(self, symbol: Symbol, event: BookSnapshot | BookDelta) -> None:
        """Apply depth, then let it move the queues before our orders."""
        resting, liquidity = symbol.resting, symbol.liquidity
        if not resting.count:
            liquidity.on_book(event)
            return
        touched = []
        for own in (resting.bids, resting.asks):
            if not own.prices:
                continue
            if isinstance(event, BookDelta):
                levels = event.bids if own is resting.bids else event.asks
                prices = [price for price, _ in levels if price in own.by_price]
            else:
                prices = list(own.prices)
            touched += [(own, price, liquidity.standing_at(own.side, price)) for price in prices]
        if not liquidity.on_book(event):
            return
        step = symbol.instrument.lot_step
        for own, price, before in touched:
            after = liquidity.standing_at(own.side, price)
            if after is not None:
                own.depth_changed(price, after if before is None else before, after, step)

    def on_time(self, now_ns: int) -> Events:
        """Do what is due: delayed orders, good-till dates, countdowns, funding settlements."""
        self._work_due(now_ns)
        return self._take_events()

    def next_due_ns(self) -> int:
        """Return when `on_time` next has something to do; 0 for never."""
        return self._floor.due[0][0] if self._floor.due else 0

    def _work_due(self, now_ns: int) -> None:
        due = self._floor.due
        while due and due[0][0] <= now_ns:
            at_ns, _, kind, name, order_id = heappop(due)
            symbol = self._floor.symbols[name]
            match kind:
                case "arrive":
                    self._arrive_late(symbol, self._floor.orders[order_id], at_ns)
                case "cancel":
                    self._cancel_now(self._floor.orders[order_id], End.CANCELLED, at_ns)
                case "amend":
                    self._amending.arrive(order_id, at_ns)
                case "good_till":
                    order = self._floor.orders[order_id]
                    if order.status.open:
                        self._desk.booking.end(order, OrderStatus.EXPIRED, End.GOOD_TILL, at_ns)
                case "conditional_good_till":
                    if order_id in symbol.triggers.orders:
                        self._conditionals.stop_waiting(
                            order_id, ConditionalStatus.EXPIRED, End.GOOD_TILL, at_ns
                        )
                case "countdown":
                    if symbol.countdown_ns == at_ns:
                        self._countdown_over(symbol, at_ns)
                case "funding":
                    self._settlement.settle_due(symbol, now_ns)

    def _arrive_late(self, symbol: Symbol, order: Working, at_ns: int) -> None:
        if order.status.open and not self._desk.affordable(symbol, order):
            self._desk.booking.end(order, OrderStatus.EXPIRED, End.MARGIN_INSUFFICIENT, at_ns)
        else:
            self._desk.arrive(order, at_ns)

    def _take_events(self) -> Events:
        events = self._floor.events
        if not events:
            return ()
        self._floor.events = []
        return tuple(events)

    def _delay_ns(self) -> int:
        settings = self._floor.settings
        if not settings.latency_jitter_ns:
            return settings.latency_ns
        return settings.latency_ns + int(self._floor.dice.random() * settings.latency_jitter_ns)

    # Orders

    def check(
        self,
        order: PlaceOrder,
        now_ns: int,
        *,
        close_position: bool = False,
        activation_price: Decimal | None = None,
    ) -> None:
        """Check an order as a placement would, and do nothing. Errors: `Refusal`."""
        if not order.client_order_id:
            order = evolve(order, client_order_id=self._floor.generated_id())
        if order.type.conditional:
            self._conditionals.check(
                order, now_ns, close_position=close_position, activation_price=activation_price
            )
        else:
            self._desk.check(order, now_ns)

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
        only, quantity 0) closes what is held when it fires.
        """
        self._work_due(now_ns)
        if not order.client_order_id:
            order = evolve(order, client_order_id=self._floor.generated_id())
        if order.type.conditional:
            waiting = self._conditionals.check(
                order, now_ns, close_position=close_position, activation_price=activation_price
            )
            self._conditionals.place(waiting, now_ns)
            placed = self._floor.conditionals[waiting.algo_id]
            return Placed(placed, placed.update(None), self._take_events())
        if close_position:
            raise Refusal(Reason.CLOSE_POSITION_COMBINATION, "only conditional orders can do that")
        self._desk.check(order, now_ns)
        working = self._desk.accept(order, now_ns)
        delay_ns = self._delay_ns()
        if delay_ns:
            self._floor.schedule(now_ns + delay_ns, "arrive", order.key.symbol, working.order_id)
        else:
            self._desk.arrive(working, now_ns)
        return self._placed(working)

    def _placed(self, order: Working) -> Placed:
        view = order.view()
        return Placed(view, view.update(), self._take_events())

    def amend(self, order: AmendOrder, now_ns: int) -> Placed:
        """Change price and total quantity of an open limit order, by client or order id.

        Queue priority is lost. The order is cancelled where the new quantity is filled already, or
        where it is post-only and would take. Errors: `Refusal`.
        """
        self._work_due(now_ns)
        order_id = int(order.order_id) if order.order_id else 0
        working = self._open(order.key.symbol, order.client_order_id, order_id)
        self._amending.check(working, order)
        delay_ns = self._delay_ns()
        if delay_ns:
            number = self._amending.delay(working, order)
            self._floor.schedule(now_ns + delay_ns, "amend", order.key.symbol, number)
        else:
            self._amending.amend(working, order, now_ns)
        return self._placed(working)

    def cancel(
        self, symbol: str, now_ns: int, *, client_order_id: str = "", order_id: int = 0
    ) -> Placed:
        """Cancel one plain order. Errors: `Refusal`."""
        self._work_due(now_ns)
        working = self._open(symbol, client_order_id, order_id)
        delay_ns = self._delay_ns()
        if delay_ns:
            self._floor.schedule(now_ns + delay_ns, "cancel", symbol, working.order_id)
        else:
            self._cancel_now(working, End.CANCELLED, now_ns)
        return self._placed(working)

    def _cancel_now(self, order: Working, end: End, now_ns: int) -> None:
        if order.status.open:
            self._desk.booking.end(order, OrderStatus.CANCELLED, end, now_ns)

    def _open(self, symbol: str, client_order_id: str, order_id: int) -> Working:
        order = self._find(symbol, client_order_id, order_id)
        if not order.status.open:
            raise Refusal(Reason.UNKNOWN_ORDER, f"order {order.order_id} is {order.status.value}")
        return order

    def _find(self, symbol: str, client_order_id: str, order_id: int) -> Working:
        floor = self._floor
        key = floor.symbol(symbol).key
        order = floor.open_ids.get((symbol, client_order_id)) if not order_id else None
        if order is None:
            number = order_id or floor.newest_ids.get((symbol, client_order_id), 0)
            order = floor.orders.get(number)
        if order is None or order.key != key:
            raise Refusal(Reason.UNKNOWN_ORDER, f"no order {order_id or client_order_id}")
        return order

    def cancel_conditional(
        self, now_ns: int, *, client_order_id: str = "", algo_id: int = 0
    ) -> Placed:
        """Cancel one waiting conditional order. Errors: `Refusal`."""
        self._work_due(now_ns)
        order = self.conditional(client_order_id=client_order_id, algo_id=algo_id)
        if not order.status.waiting:
            raise Refusal(Reason.UNKNOWN_ORDER, f"order {order.algo_id} is {order.status.value}")
        ended = self._conditionals.stop_waiting(
            order.algo_id, ConditionalStatus.CANCELLED, End.CANCELLED, now_ns
        )
        return Placed(ended, ended.update(None), self._take_events())

    def cancel_all(self, symbol: str, now_ns: int) -> Events:
        """Cancel all plain orders of a symbol."""
        self._work_due(now_ns)
        self._cancel_orders(self._floor.symbol(symbol), End.CANCELLED, now_ns)
        return self._take_events()

    def _cancel_orders(self, symbol: Symbol, end: End, now_ns: int) -> None:
        for order in tuple(self._floor.open_ids.values()):
            if order.key == symbol.key:
                self._desk.booking.end(order, OrderStatus.CANCELLED, end, now_ns)

    def cancel_all_conditionals(self, symbol: str, now_ns: int) -> Events:
        """Cancel all waiting conditional orders of a symbol."""
        self._work_due(now_ns)
        self._conditionals.cancel_all(self._floor.symbol(symbol), End.CANCELLED, now_ns)
        return self._take_events()

    def countdown(self, symbol: str, after_ms: int, now_ns: int) -> Events:
        """Cancel the symbol's orders `after_ms` from now unless called again; 0 turns it off."""
        self._work_due(now_ns)
        found = self._floor.symbol(symbol)
        found.countdown_ns = now_ns + after_ms * _MS_NS if after_ms else 0
        self._floor.touch_symbol(found)
        if after_ms:
            self._floor.schedule(found.countdown_ns, "countdown", symbol)
        return self._take_events()

    def _countdown_over(self, symbol: Symbol, now_ns: int) -> None:
        symbol.countdown_ns = 0
        self._floor.touch_symbol(symbol)
        self._cancel_orders(symbol, End.COUNTDOWN, now_ns)
        if self._floor.settings.countdown_cancels_conditionals:
            self._conditionals.cancel_all(symbol, End.COUNTDOWN, now_ns)

    # Account

    def deposit(self, asset: str, amount: Decimal, now_ns: int) -> Events:
        """Put money into a wallet; negative takes it out, at most what is available."""
        self._work_due(now_ns)
        self._account.deposit(asset, amount, now_ns)
        return self._take_events()

    def set_hedge_mode(self, hedge: bool, now_ns: int) -> Events:
        """Switch between one-way and hedge mode; only when flat and without orders."""
        self._work_due(now_ns)
        self._account.set_hedge_mode(hedge)
        return self._take_events()

    def set_isolated(self, symbol: str, isolated: bool, now_ns: int) -> Events:
        """Switch a symbol between isolated and cross margin; only when flat, without orders."""
        self._work_due(now_ns)
        self._account.set_isolated(self._floor.symbol(symbol), isolated, now_ns)
        return self._take_events()

    def set_leverage(self, symbol: str, leverage: int, now_ns: int) -> Events:
        """Set a symbol's leverage, within its brackets for what is held and ordered."""
        self._work_due(now_ns)
        self._account.set_leverage(self._floor.symbol(symbol), leverage, now_ns)
        return self._take_events()

    def add_margin(self, symbol: str, side: PositionSide, amount: Decimal, now_ns: int) -> Events:
        """Move money into an isolated position; negative takes it back."""
        self._work_due(now_ns)
        self._account.add_margin(self._floor.symbol(symbol), side, amount, now_ns)
        return self._take_events()

    def liquidate(self, symbol: str, now_ns: int) -> Events:
        """Liquidate a symbol's positions now, whatever the margin: for drills."""
        self._work_due(now_ns)
        found = self._floor.symbol(symbol)
        self._cancel_orders(found, End.LIQUIDATION, now_ns)
        for side in margin.sides(self._floor):
            self._settlement.close_out(found, side, now_ns)
        return self._take_events()

    # Questions

    @property
    def hedge_mode(self) -> bool:
        return self._floor.hedge_mode

    def order(self, symbol: str, *, client_order_id: str = "", order_id: int = 0) -> VenueOrder:
        """Return one plain order: of several with the client id the open one, else the newest.

        Errors: `Refusal`.
        """
        return self._find(symbol, client_order_id, order_id).view()

    def open_orders(self, symbol: str | None = None) -> tuple[VenueOrder, ...]:
        """Return open plain orders, oldest first."""
        return tuple(
            order.view()
            for order in self._floor.open_ids.values()
            if symbol is None or order.key.symbol == symbol
        )

    def orders(self, symbol: str | None = None) -> tuple[VenueOrder, ...]:
        """Return all plain orders, oldest first."""
        return tuple(
            order.view()
            for order in self._floor.orders.values()
            if symbol is None or order.key.symbol == symbol
        )

    def conditional(self, *, client_order_id: str = "", algo_id: int = 0) -> ConditionalOrder:
        """Return one conditional order, the newest where several had the client id."""
        number = algo_id or self._floor.newest_algo.get(client_order_id, 0)
        order = self._floor.conditionals.get(number)
        if order is None:
            raise Refusal(Reason.UNKNOWN_ORDER, f"no order {algo_id or client_order_id}")
        return order

    def open_conditionals(self, symbol: str | None = None) -> tuple[ConditionalOrder, ...]:
        """Return waiting conditional orders, oldest first."""
        return tuple(
            order
            for found in self._floor.symbols.values()
            if symbol is None or found.key.symbol == symbol
            for order in found.triggers.orders.values()
        )

    def conditionals(self, symbol: str | None = None) -> tuple[ConditionalOrder, ...]:
        """Return all conditional orders, oldest first."""
        return tuple(
            order
            for order in self._floor.conditionals.values()
            if symbol is None or order.key.symbol == symbol
        )

    def amendments(self, symbol: str, order_id: int = 0) -> tuple[Amendment, ...]:
        """Return amendments, oldest first."""
        return tuple(
            row
            for row in self._floor.amendments
            if row.key.symbol == symbol and order_id in (0, row.order_id)
        )

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
        trades = self._floor.symbol(symbol).trades
        first, last = 0, len(trades)
        if from_id:
            first = bisect_left(trades, from_id, key=lambda trade: int(trade.fill.fill_id))
        if start_ns:
            at = bisect_left(trades, start_ns, key=lambda trade: trade.fill.time_ns)
            first = max(first, at)
        if end_ns:
            last = bisect_right(trades, end_ns, key=lambda trade: trade.fill.time_ns)
        wanted = str(order_id)
        return tuple(
            trade for trade in trades[first:last] if not order_id or trade.fill.order_id == wanted
        )

    def income(
        self,
        *,
        symbol: str = "",
        kind: IncomeKind | None = None,
        start_ns: int = 0,
        end_ns: int = 0,
    ) -> tuple[IncomeRow, ...]:
        """Return bookings on the wallets, oldest first; bounds inclusive."""
        return tuple(
            row
            for row in self._floor.income
            if (not symbol or row.symbol == symbol)
            and (kind is None or row.kind is kind)
            and row.time_ns >= start_ns
            and (not end_ns or row.time_ns <= end_ns)
        )

    def positions(self, symbol: str | None = None) -> tuple[PositionFigures, ...]:
        """Return all sides of the mode in force, flat ones too."""
        floor = self._floor
        found = floor.symbols.values() if symbol is None else (floor.symbol(symbol),)
        return tuple(
            margin.figures(floor, each, side) for each in found for side in margin.sides(floor)
        )

    def held(self, symbol: str) -> dict[PositionSide, Decimal]:
        """Return the signed quantity of every side of the mode in force, flat ones too."""
        sides = self._floor.symbol(symbol).held
        return {side: sides[side].position.quantity for side in margin.sides(self._floor)}

    def balances(self) -> tuple[BalanceRow, ...]:
        """Return the wallets."""
        return tuple(keeping.balance_row(self._floor, asset) for asset in self._floor.wallets)

    def account(self, asset: str) -> AccountFigures:
        """Return one margin asset's figures."""
        return margin.account(self._floor, asset)

    def pools(self) -> dict[tuple[str, str], Decimal]:
        """Return the counterparties' money by (pool, asset); with the wallets it adds up to 0."""
        return dict(self._floor.pools)

    def symbol_row(self, symbol: str) -> SymbolRow:
        """Return leverage, margin mode, funding and counters of a symbol."""
        return self._floor.symbol(symbol).row()

    def max_notional(self, symbol: str) -> Decimal:
        """Return the largest notional allowed at the symbol's leverage."""
        found = self._floor.symbol(symbol)
        return margin.max_notional(found, found.leverage)

    def brackets(self, symbol: str) -> tuple[LeverageBracket, ...]:
        """Return a symbol's leverage brackets."""
        return self._floor.symbol(symbol).brackets

    def instruments(self) -> tuple[Instrument, ...]:
        """Return what is listed."""
        return tuple(symbol.instrument for symbol in self._floor.symbols.values())

    def book(self, symbol: str) -> Book:
        """Return the market's book, without our orders and maybe unsynced; for reading only."""
        return self._floor.symbol(symbol).liquidity.book

    def book_errors(self, symbol: str) -> tuple[int, str]:
        """Return how many gaps and crossings the book had, and the last one in words."""
        liquidity = self._floor.symbol(symbol).liquidity
        return liquidity.book_errors, liquidity.last_book_error

    def quote(self, symbol: str) -> Quote | None:
        """Return the newest quote of the market."""
        return self._floor.symbol(symbol).liquidity.quote

    def last_trade(self, symbol: str) -> Trade | None:
        """Return the market's last trade."""
        return self._floor.symbol(symbol).liquidity.last_trade

    def mark(self, symbol: str) -> MarkPrice | None:
        """Return the newest mark price event."""
        return self._floor.symbol(symbol).mark_event

    def ledger(self) -> dict[str, Any]:
        """Return the truth in the shape of `core.ledger`."""
        return keeping.truth(self._floor)

    # Keeping

    def state(self) -> ExchangeState:
        """Return everything worth keeping."""
        return keeping.everything(self._floor)

    def drain(self) -> ExchangeState:
        """Return the rows that changed since the last call, and forget that they did."""
        return keeping.changes(self._floor)

    def restore(self, state: ExchangeState) -> None:
        """Take over kept rows; only on a fresh exchange. Queue positions are estimated anew.

        Orders that were on their way (latency) count as arrived. Errors: `Refusal` for a symbol
        that is not listed any more.
        """
        keeping.restore(self._floor, self._desk, self._conditionals, state)
