"""Booking: what a fill does to fees, positions, wallets and orders, and how orders end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from core.exchange import margin
from core.exchange.events import AccountChanged, AccountReason, Execution, OrderChanged
from core.exchange.floor import Floor, Held, Symbol
from core.exchange.resting import Working
from core.exchange.rows import End, IncomeKind, VenueTrade
from core.messages import Fill, OrderStatus, PositionSide, Side
from core.money import ZERO, amount
from core.positions import Position, apply_fill


def _hear_end(order: Working, now_ns: int) -> None:
    """Nobody listens."""


def _hear_flat(symbol: Symbol, side: PositionSide, now_ns: int) -> None:
    """Nobody listens."""


class Booking:
    """Book fills and ends of plain orders on the floor.

    `on_end` hears of every order that is over, `on_flat` of every position that is gone.
    """

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.on_end: Callable[[Working, int], None] = _hear_end
        self.on_flat: Callable[[Symbol, PositionSide, int], None] = _hear_flat

    def fill(
        self,
        symbol: Symbol,
        order: Working,
        price: Decimal,
        quantity: Decimal,
        now_ns: int,
        *,
        maker: bool,
        liquidation: bool = False,
    ) -> Fill:
        """Book one execution: fee, position, PnL, wallets, then what follows from them."""
        floor, instrument = self.floor, symbol.instrument
        rate = instrument.maker_fee if maker else instrument.taker_fee
        fill = Fill(
            key=order.key,
            fill_id=str(symbol.next_fill_id),
            order_id=str(order.order_id),
            client_order_id=order.client_order_id,
            side=order.side,
            position_side=order.position_side,
            price=price,
            quantity=quantity,
            fee=amount(instrument.notional(price, quantity) * rate),
            fee_asset=instrument.margin_asset,
            maker=maker,
            time_ns=now_ns - now_ns % floor.settings.time_step_ns,
        )
        symbol.next_fill_id += 1
        if order.resting:
            symbol.resting.filled(order, quantity)
        order.filled += quantity
        order.quote_filled += price * quantity
        order.updated_ns = now_ns
        done = order.remaining == ZERO
        order.status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
        held = symbol.held[order.position_side]
        before = held.position
        held.position, realised = apply_fill(before, fill, instrument.multiplier)
        held.updated_ns = now_ns
        self._move_isolated(symbol, held, before, fill)
        self._carry(held, before, fill, realised)
        asset, name = instrument.margin_asset, order.key.symbol
        floor.book(
            IncomeKind.REALISED_PNL, asset, realised, now_ns, symbol=name, fill_id=fill.fill_id
        )
        floor.book(
            IncomeKind.COMMISSION, asset, -fill.fee, now_ns, symbol=name, fill_id=fill.fill_id
        )
        trade = VenueTrade(fill, realised, liquidation)
        symbol.trades.append(trade)
        floor.touched.trades.append(trade)
        floor.touch_position(symbol, order.position_side)
        floor.touch_symbol(symbol)
        if done:
            order.end = End.FILLED
            self._close_books(order)
        self._announce(
            Execution.CALCULATED if liquidation else Execution.TRADE, order, now_ns, trade
        )
        floor.events.append(
            AccountChanged(
                AccountReason.ORDER,
                (floor.balance_change(asset),),
                (margin.figures(floor, symbol, order.position_side),),
                now_ns,
            )
        )
        if done:
            self.on_end(order, now_ns)
        if before.quantity * fill.side.sign < 0:
            self._shrunk(symbol, order.position_side, now_ns)
        return fill

    def _move_isolated(self, symbol: Symbol, held: Held, before: Position, fill: Fill) -> None:
        """Release the closed share of an isolated wallet; fund what was opened."""
        if not symbol.isolated:
            return
        size = abs(before.quantity)
        closed = min(size, fill.quantity) if before.quantity * fill.side.sign < 0 else ZERO
        if closed == size:
            held.isolated_wallet = ZERO
        elif closed:
            held.isolated_wallet -= amount(held.isolated_wallet * closed / size)
        opened = fill.quantity - closed
        if opened:
            notional = symbol.instrument.notional(fill.price, opened)
            held.isolated_wallet += amount(notional / symbol.leverage)

    def _carry(self, held: Held, before: Position, fill: Fill, realised: Decimal) -> None:
        after = held.position.quantity
        if not after:
            held.carried = ZERO
        elif before.quantity * after <= 0:
            held.carried = fill.fee
        else:
            held.carried += fill.fee - realised

    def _shrunk(self, symbol: Symbol, side: PositionSide, now_ns: int) -> None:
        for direction in (Side.BUY, Side.SELL):
            self.trim(symbol, side, direction, now_ns)
        if not symbol.held[side].position.quantity:
            self.on_flat(symbol, side, now_ns)

    def trim(self, symbol: Symbol, side: PositionSide, direction: Side, now_ns: int) -> None:
        """Expire reduce-only orders that those of better priority leave nothing to close."""
        closers = symbol.resting.closers_of(side, direction)
        if not closers:
            return
        closable = symbol.closable(side, direction.sign)
        for order in closers:
            if closable <= 0:
                self.end(order, OrderStatus.EXPIRED, End.REDUCE_ONLY, now_ns)
            closable -= order.remaining

    # Ending

    def end(self, order: Working, status: OrderStatus, end: End, now_ns: int) -> None:
        """End an open order and say why."""
        order.status, order.end, order.updated_ns = status, end, now_ns
        self._close_books(order)
        cancelled = status is OrderStatus.CANCELLED
        self._announce(Execution.CANCELLED if cancelled else Execution.EXPIRED, order, now_ns)
        self.on_end(order, now_ns)

    def _close_books(self, order: Working) -> None:
        if order.resting:
            self.floor.symbols[order.key.symbol].resting.remove(order)
        place = (order.key.symbol, order.client_order_id)
        if self.floor.open_ids.get(place) is order:
            del self.floor.open_ids[place]

    def _announce(
        self, execution: Execution, order: Working, now_ns: int, trade: VenueTrade | None = None
    ) -> None:
        self.floor.touched.orders[order.order_id] = order
        self.floor.events.append(OrderChanged(execution, order.view(), now_ns, trade))

    def announce_amended(self, order: Working, now_ns: int) -> None:
        """Report a changed price or quantity."""
        self._announce(Execution.AMENDED, order, now_ns)

    def announce_new(self, order: Working, now_ns: int) -> None:
        """Report an accepted order."""
        self._announce(Execution.NEW, order, now_ns)
