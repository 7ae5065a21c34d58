"""Funding settlements, margin calls and liquidation of the simulated account."""

from __future__ import annotations

from decimal import Decimal

from core.exchange import margin
from core.exchange.desk import Desk
from core.exchange.events import AccountChanged, AccountReason, MarginCalled
from core.exchange.floor import Floor, Symbol
from core.exchange.rows import End, IncomeKind
from core.messages import (
    FundingPaid,
    MarkPrice,
    OrderStatus,
    OrderType,
    PlaceOrder,
    PositionSide,
    Side,
)
from core.money import amount


class Settlement:
    """Keep mark prices and what follows from them: funding, margin calls, liquidation."""

    def __init__(self, floor: Floor, desk: Desk) -> None:
        self.floor = floor
        self.desk = desk

    # Funding

    def on_mark(self, symbol: Symbol, event: MarkPrice, now_ns: int) -> None:
        """Take a mark price; settle what fell due while no mark was known.

        A next settlement that is past already is an old announcement and is not followed.
        """
        symbol.mark, symbol.mark_event = event.mark, event
        symbol.funding_rate = event.funding_rate
        if not symbol.fresh:
            symbol.fresh = True
            self.settle_due(symbol, now_ns)
        following = event.next_funding_ns
        if following > now_ns and following != symbol.next_funding_ns:
            symbol.next_funding_ns = following
            self.floor.touch_symbol(symbol)
            self.floor.schedule(following, "funding", symbol.key.symbol)

    def settle_due(self, symbol: Symbol, now_ns: int) -> None:
        """Settle every funding time that has passed, each once, at the present mark and rate.

        After a pause the marks of the missed times are not known: the first fresh one stands in.
        """
        if not symbol.fresh:
            return
        while 0 < symbol.next_funding_ns <= now_ns:
            at_ns = symbol.next_funding_ns
            self._settle(symbol, at_ns)
            symbol.last_funding_ns = at_ns
            symbol.next_funding_ns = at_ns + self.floor.settings.funding_interval_ns
            self.floor.touch_symbol(symbol)
            self.floor.schedule(symbol.next_funding_ns, "funding", symbol.key.symbol)

    def _settle(self, symbol: Symbol, at_ns: int) -> None:
        asset = symbol.instrument.margin_asset
        for side in margin.sides(self.floor):
            paid = amount(-margin.signed_notional(symbol, side) * symbol.funding_rate)
            name = symbol.key.symbol
            row = self.floor.book(IncomeKind.FUNDING_FEE, asset, paid, at_ns, symbol=name)
            if row is None:
                continue
            held = symbol.held[side]
            held.carried -= paid
            if symbol.isolated:
                held.isolated_wallet += paid
            self.floor.touch_position(symbol, side)
            figures = (margin.figures(self.floor, symbol, side),) if symbol.isolated else ()
            self.floor.events.append(
                AccountChanged(
                    AccountReason.FUNDING_FEE,
                    (self.floor.balance_change(asset, paid),),
                    figures,
                    at_ns,
                    FundingPaid(symbol.key, paid, asset, str(row.income_id), at_ns),
                )
            )

    # Margin

    def check_margin(self, symbol: Symbol, now_ns: int) -> None:
        """Liquidate what the present marks no longer carry."""
        if symbol.flat:
            return
        if symbol.isolated:
            for side in margin.sides(self.floor):
                held = symbol.held[side]
                if not held.position.quantity:
                    continue
                balance = held.isolated_wallet + margin.pnl(symbol, side)
                if balance <= margin.maintenance(symbol, side):
                    self._cancel_orders(symbol, now_ns)
                    self.close_out(symbol, side, now_ns)
            return
        asset = symbol.instrument.margin_asset
        balance, needed = margin.cross_health(self.floor, asset)
        if needed and balance <= needed:
            self._liquidate_cross(asset, now_ns)
        else:
            self._call(asset, balance, needed, now_ns)

    def _call(self, asset: str, balance: Decimal, needed: Decimal, now_ns: int) -> None:
        called = self.floor.called_assets
        if needed < balance * self.floor.settings.margin_call_ratio:
            called.discard(asset)
        elif asset not in called and needed:
            called.add(asset)
            positions = tuple(
                margin.figures(self.floor, symbol, side)
                for symbol, side in self._cross_positions(asset)
            )
            cross = self.floor.cross_wallet(asset)
            self.floor.events.append(MarginCalled(asset, cross, positions, now_ns))

    def _cross_positions(self, asset: str) -> list[tuple[Symbol, PositionSide]]:
        """Return open cross positions, the one that needs most maintenance margin first."""
        found = [
            (symbol, side)
            for symbol in self.floor.symbols.values()
            if symbol.instrument.margin_asset == asset and not symbol.isolated
            for side in margin.sides(self.floor)
            if symbol.held[side].position.quantity
        ]
        return sorted(found, key=lambda place: -margin.maintenance(*place))

    def _liquidate_cross(self, asset: str, now_ns: int) -> None:
        for symbol in self.floor.symbols.values():
            if symbol.instrument.margin_asset == asset and not symbol.isolated:
                self._cancel_orders(symbol, now_ns)
        for symbol, side in self._cross_positions(asset):
            self.close_out(symbol, side, now_ns)
            balance, needed = margin.cross_health(self.floor, asset)
            if balance > needed:
                break
        self.floor.called_assets.discard(asset)

    def _cancel_orders(self, symbol: Symbol, now_ns: int) -> None:
        for order in tuple(self.floor.open_ids.values()):
            if order.key == symbol.key:
                self.desk.booking.end(order, OrderStatus.CANCELLED, End.LIQUIDATION, now_ns)

    def close_out(self, symbol: Symbol, side: PositionSide, now_ns: int) -> None:
        """Close one position by force: market first, the rest at the worse of mark and last level.

        The liquidation fee is taken as far as margin is left; a loss beyond the margin is paid by
        the insurance pool.
        """
        floor, instrument = self.floor, symbol.instrument
        held = symbol.held[side]
        quantity = abs(held.position.quantity)
        if not quantity:
            return
        asset = instrument.margin_asset
        isolated_before = held.isolated_wallet
        wallet_before = floor.wallet(asset)
        order_side = Side.SELL if held.position.quantity > 0 else Side.BUY
        request = PlaceOrder(
            key=symbol.key,
            client_order_id=self._forced_id(symbol, now_ns),
            side=order_side,
            position_side=side,
            type=OrderType.MARKET,
            quantity=quantity,
            reduce_only=side is PositionSide.BOTH,
        )
        order = self.desk.accept(request, now_ns, announce=False)
        order.arrived = True
        worst = symbol.reference()
        for price, available in tuple(symbol.liquidity.levels(order_side)):
            take = min(order.remaining, instrument.round_quantity(available))
            if take:
                symbol.liquidity.eat(order_side, price, take)
                self.desk.booking.fill(
                    symbol, order, price, take, now_ns, maker=False, liquidation=True
                )
                worst = min(worst, price) if order_side is Side.SELL else max(worst, price)
            if not order.remaining:
                break
        if order.remaining:
            rest = instrument.nearest_price(worst)
            self.desk.booking.fill(
                symbol, order, rest, order.remaining, now_ns, maker=False, liquidation=True
            )
        left = floor.wallet(asset) - wallet_before + isolated_before
        if not symbol.isolated:
            left = floor.cross_wallet(asset)
        self._clear(symbol, order.quote_filled, left, now_ns)

    def _clear(self, symbol: Symbol, quote_filled: Decimal, left: Decimal, now_ns: int) -> None:
        """Take the liquidation fee from what is left, or fill the hole from the insurance pool."""
        instrument = symbol.instrument
        asset = instrument.margin_asset
        if left > 0:
            fee = amount(quote_filled * instrument.multiplier * instrument.liquidation_fee)
            change = -min(fee, left)
        elif symbol.isolated or not self._cross_positions(asset):
            change = -left
        else:
            return
        name = symbol.key.symbol
        if self.floor.book(IncomeKind.INSURANCE_CLEAR, asset, change, now_ns, symbol=name):
            self.floor.events.append(
                AccountChanged(
                    AccountReason.INSURANCE_CLEAR,
                    (self.floor.balance_change(asset, change),),
                    (),
                    now_ns,
                )
            )

    def _forced_id(self, symbol: Symbol, now_ns: int) -> str:
        while (symbol.key.symbol, f"autoclose-{now_ns}") in self.floor.newest_ids:
            now_ns += 1
        return f"autoclose-{now_ns}"
