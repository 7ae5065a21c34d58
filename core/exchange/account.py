"""Deposits and the account's settings: position mode, margin type, leverage, isolated margin."""

from __future__ import annotations

from decimal import Decimal

from core.exchange import margin
from core.exchange.events import AccountChanged, AccountReason, LeverageChanged
from core.exchange.floor import Floor, Symbol
from core.exchange.refusals import Reason, Refusal
from core.exchange.rows import IncomeKind
from core.messages import PositionSide
from core.money import ZERO, text


class Account:
    """Change settings as the venue would allow. Every method may raise `Refusal`."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor

    def deposit(self, asset: str, amount: Decimal, now_ns: int) -> None:
        floor = self.floor
        if amount < 0:
            available = margin.account(floor, asset).available
            most = min(available, floor.cross_wallet(asset))
            if -amount > most:
                raise Refusal(Reason.BALANCE_INSUFFICIENT, f"{text(most)} {asset} can be taken out")
        floor.book(IncomeKind.TRANSFER, asset, amount, now_ns)
        reason = AccountReason.DEPOSIT if amount > 0 else AccountReason.WITHDRAW
        floor.events.append(
            AccountChanged(reason, (floor.balance_change(asset, amount),), (), now_ns)
        )

    def set_hedge_mode(self, hedge: bool) -> None:
        floor = self.floor
        if hedge is floor.hedge_mode:
            raise Refusal(Reason.POSITION_MODE_UNCHANGED, "the position mode is that already")
        if floor.open_ids or floor.waiting_conditionals():
            raise Refusal(Reason.POSITION_MODE_OPEN_ORDERS, "orders are open")
        if not all(symbol.flat for symbol in floor.symbols.values()):
            raise Refusal(Reason.POSITION_MODE_POSITION, "a position is open")
        floor.hedge_mode = hedge
        floor.touched.account = True

    def set_isolated(self, symbol: Symbol, isolated: bool, now_ns: int) -> None:
        if isolated is symbol.isolated:
            raise Refusal(Reason.MARGIN_TYPE_UNCHANGED, "the margin type is that already")
        open_orders = any(order.key == symbol.key for order in self.floor.open_ids.values())
        if open_orders or symbol.triggers.orders:
            raise Refusal(Reason.MARGIN_TYPE_OPEN_ORDERS, "orders are open")
        if not symbol.flat:
            raise Refusal(Reason.MARGIN_TYPE_POSITION, "a position is open")
        symbol.isolated = isolated
        self.floor.touch_symbol(symbol)
        figures = tuple(
            margin.figures(self.floor, symbol, side) for side in margin.sides(self.floor)
        )
        self.floor.events.append(
            AccountChanged(AccountReason.MARGIN_TYPE_CHANGE, (), figures, now_ns)
        )

    def set_leverage(self, symbol: Symbol, leverage: int, now_ns: int) -> None:
        floor = self.floor
        most = symbol.brackets[0].max_leverage
        if not 1 <= leverage <= most:
            raise Refusal(Reason.LEVERAGE_INVALID, f"{leverage} is not 1 to {most}")
        if symbol.isolated and leverage < symbol.leverage and not symbol.flat:
            raise Refusal(
                Reason.LEVERAGE_REDUCTION_ISOLATED, "leverage cannot shrink under a position"
            )
        limit = margin.max_notional(symbol, leverage)
        held = max(self._exposure(symbol, side) for side in margin.sides(floor))
        if held > limit:
            raise Refusal(
                Reason.LEVERAGE_NOTIONAL,
                f"notional {text(held)} is over {text(limit)} at {leverage}x",
                figure=text(limit),
            )
        self._afford(symbol, leverage)
        symbol.leverage = leverage
        floor.touch_symbol(symbol)
        floor.events.append(LeverageChanged(symbol.key, leverage, now_ns))

    def _exposure(self, symbol: Symbol, side: PositionSide) -> Decimal:
        position, orders = margin.initial(symbol, side)
        return (position + orders) * symbol.leverage

    def _afford(self, symbol: Symbol, leverage: int) -> None:
        asset, before = symbol.instrument.margin_asset, symbol.leverage
        if leverage >= before:
            return
        needed = ZERO
        for side in margin.sides(self.floor):
            needed += self._exposure(symbol, side) * (Decimal(1) / leverage - Decimal(1) / before)
        available = margin.account(self.floor, asset).available
        if needed > available:
            raise Refusal(
                Reason.MARGIN_INSUFFICIENT,
                f"{text(needed)} {asset} more is needed, {text(available)} available",
                figure=text(available),
            )

    def add_margin(self, symbol: Symbol, side: PositionSide, amount: Decimal, now_ns: int) -> None:
        floor = self.floor
        if not symbol.isolated:
            raise Refusal(Reason.NOT_ISOLATED, f"{symbol.key.symbol} is in cross margin")
        if side not in margin.sides(floor):
            raise Refusal(Reason.POSITION_SIDE_MISMATCH, f"there is no {side.value} side")
        held = symbol.held[side]
        if not held.position.quantity:
            raise Refusal(Reason.NO_POSITION, f"{symbol.key.symbol} is flat")
        asset = symbol.instrument.margin_asset
        if amount > 0:
            most = margin.account(floor, asset).available
        else:
            gain = min(ZERO, margin.pnl(symbol, side))
            most = max(ZERO, held.isolated_wallet + gain - margin.initial(symbol, side)[0])
        if abs(amount) > most:
            raise Refusal(Reason.ISOLATED_BALANCE, f"at most {text(most)} {asset} can be moved")
        held.isolated_wallet += amount
        held.updated_ns = now_ns
        floor.touch_position(symbol, side)
        floor.events.append(
            AccountChanged(
                AccountReason.MARGIN_TRANSFER,
                (floor.balance_change(asset, -amount),),
                (margin.figures(floor, symbol, side),),
                now_ns,
            )
        )
