"""Margin of the simulated account: initial, maintenance, available, liquidation prices."""

from __future__ import annotations

from decimal import Decimal

from core.exchange.floor import Floor, Symbol
from core.exchange.rows import AccountFigures, PositionFigures
from core.instruments import bracket_for
from core.messages import PositionSide, Side
from core.money import ZERO
from core.positions import unrealised_pnl

ONE_WAY = (PositionSide.BOTH,)
HEDGE = (PositionSide.LONG, PositionSide.SHORT)


def sides(floor: Floor) -> tuple[PositionSide, ...]:
    """Return the position sides of the mode in force."""
    return HEDGE if floor.hedge_mode else ONE_WAY


def pnl(symbol: Symbol, side: PositionSide) -> Decimal:
    """Unrealised PnL at the mark."""
    position = symbol.held[side].position
    if not position.quantity:
        return ZERO
    return unrealised_pnl(position, symbol.reference(), symbol.instrument.multiplier)


def signed_notional(symbol: Symbol, side: PositionSide) -> Decimal:
    """Position value at the mark, negative for a short."""
    quantity = symbol.held[side].position.quantity
    return quantity * symbol.reference() * symbol.instrument.multiplier if quantity else ZERO


def maintenance(symbol: Symbol, side: PositionSide) -> Decimal:
    """Maintenance margin: notional × the bracket's rate − its deduction."""
    notional = abs(signed_notional(symbol, side))
    if not notional:
        return ZERO
    bracket = bracket_for(symbol.brackets, notional)
    return notional * bracket.maintenance_rate - bracket.deduction


def initial(
    symbol: Symbol, side: PositionSide, extra_bid: Decimal = ZERO, extra_ask: Decimal = ZERO
) -> tuple[Decimal, Decimal]:
    """Initial margin of one side: of the position, and of its open orders on top.

    One-way mode reserves for the worse of all bids or all asks filled. `extra_…` adds the notional
    of an order that is not there yet.
    """
    leverage = symbol.leverage
    notional = signed_notional(symbol, side)
    bids = symbol.resting.reserved_at(side, Side.BUY) + extra_bid
    asks = symbol.resting.reserved_at(side, Side.SELL) + extra_ask
    position = abs(notional) / leverage
    total = max(abs(notional + bids), abs(notional - asks)) / leverage
    return position, max(ZERO, total - position)


def account(floor: Floor, asset: str) -> AccountFigures:
    """Add up one margin asset's account. Isolated positions stand on their own wallets."""
    cross_pnl = all_pnl = position_margin = order_margin = cross_margin = maintained = ZERO
    isolated_wallets = ZERO
    for symbol in floor.symbols.values():
        if symbol.instrument.margin_asset != asset:
            continue
        if symbol.flat and not symbol.resting.count:
            continue
        for side in sides(floor):
            gain = pnl(symbol, side)
            held, orders = initial(symbol, side)
            all_pnl += gain
            position_margin += held
            order_margin += orders
            maintained += maintenance(symbol, side)
            if symbol.isolated:
                isolated_wallets += symbol.held[side].isolated_wallet
                cross_margin += orders
            else:
                cross_pnl += gain
                cross_margin += held + orders
    wallet = floor.wallet(asset)
    cross_wallet = wallet - isolated_wallets
    return AccountFigures(
        asset=asset,
        wallet=wallet,
        cross_wallet=cross_wallet,
        unrealised_pnl=all_pnl,
        cross_unrealised_pnl=cross_pnl,
        margin_balance=wallet + all_pnl,
        initial_margin=position_margin + order_margin,
        position_initial_margin=position_margin,
        open_order_initial_margin=order_margin,
        maintenance_margin=maintained,
        available=max(ZERO, cross_wallet + cross_pnl - cross_margin),
        updated_ns=floor.wallet_ns.get(asset, 0),
    )


def cross_health(floor: Floor, asset: str) -> tuple[Decimal, Decimal]:
    """Return margin balance and maintenance margin of the cross positions of an asset."""
    balance, needed = floor.cross_wallet(asset), ZERO
    for symbol in floor.symbols.values():
        if symbol.instrument.margin_asset == asset and not symbol.isolated and not symbol.flat:
            for side in sides(floor):
                balance += pnl(symbol, side)
                needed += maintenance(symbol, side)
    return balance, needed


def max_notional(symbol: Symbol, leverage: int) -> Decimal:
    """Return the largest notional the brackets allow at a leverage, 0 where they allow none."""
    return max(
        (bracket.cap for bracket in symbol.brackets if bracket.max_leverage >= leverage),
        default=ZERO,
    )


def liquidation_price(floor: Floor, symbol: Symbol, side: PositionSide) -> Decimal:
    """Return the mark at which this position alone would bring liquidation, 0 for none.

    Solves balance(p) = maintenance(p) with all other positions at their present marks and this
    one's present bracket.
    """
    held = symbol.held[side]
    quantity = held.position.quantity
    if not quantity:
        return ZERO
    multiplier = symbol.instrument.multiplier
    bracket = bracket_for(symbol.brackets, abs(signed_notional(symbol, side)))
    if symbol.isolated:
        balance = held.isolated_wallet
    else:
        total, needed = cross_health(floor, symbol.instrument.margin_asset)
        balance = total - pnl(symbol, side) - (needed - maintenance(symbol, side))
    base = quantity * multiplier
    slope = abs(base) * bracket.maintenance_rate - base
    if not slope:
        return ZERO
    price = (balance + bracket.deduction - base * held.position.entry_price) / slope
    return max(ZERO, price)


def figures(floor: Floor, symbol: Symbol, side: PositionSide) -> PositionFigures:
    """Describe one side of one symbol in full."""
    held = symbol.held[side]
    position = held.position
    gain = pnl(symbol, side)
    notional = signed_notional(symbol, side)
    position_margin, order_margin = initial(symbol, side)
    break_even = ZERO
    if position.quantity:
        base = position.quantity * symbol.instrument.multiplier
        break_even = position.entry_price + held.carried / base
    return PositionFigures(
        key=symbol.key,
        side=side,
        quantity=position.quantity,
        entry_price=position.entry_price,
        break_even_price=break_even,
        mark=symbol.reference(),
        unrealised_pnl=gain,
        realised_pnl=position.realised_pnl,
        notional=notional,
        liquidation_price=liquidation_price(floor, symbol, side),
        leverage=symbol.leverage,
        isolated=symbol.isolated,
        isolated_wallet=held.isolated_wallet,
        isolated_margin=held.isolated_wallet + gain if symbol.isolated else ZERO,
        initial_margin=position_margin + order_margin,
        position_initial_margin=position_margin,
        open_order_initial_margin=order_margin,
        maintenance_margin=maintenance(symbol, side),
        bid_notional=symbol.resting.reserved_at(side, Side.BUY),
        ask_notional=symbol.resting.reserved_at(side, Side.SELL),
        updated_ns=held.updated_ns,
    )
