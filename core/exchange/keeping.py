"""Keeping the simulated exchange: rows out for a disk, rows back in after a restart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.exchange.conditionals import Conditionals
from core.exchange.desk import Desk
from core.exchange.floor import Floor, Symbol, Touched
from core.exchange.resting import Working
from core.exchange.rows import (
    AccountRow,
    BalanceRow,
    ExchangeState,
    PoolRow,
    PositionRow,
    SymbolRow,
)
from core.ledger import ledger
from core.messages import OrderUpdated, PositionSide, TimeInForce
from core.positions import Position


def position_row(symbol: Symbol, side: PositionSide) -> PositionRow:
    """Describe one side as it is kept."""
    held = symbol.held[side]
    position = held.position
    return PositionRow(
        symbol.key,
        side,
        position.quantity,
        position.entry_price,
        position.realised_pnl,
        position.fees,
        held.isolated_wallet,
        held.carried,
        held.updated_ns,
    )


def balance_row(floor: Floor, asset: str) -> BalanceRow:
    return BalanceRow(asset, floor.wallet(asset), floor.wallet_ns.get(asset, 0))


def account_row(floor: Floor) -> AccountRow:
    return AccountRow(
        floor.hedge_mode,
        floor.next_order_id,
        floor.next_algo_id,
        floor.next_income_id,
        floor.next_amendment_id,
    )


def everything(floor: Floor) -> ExchangeState:
    """Return all rows."""
    return ExchangeState(
        orders=tuple(order.view() for order in floor.orders.values()),
        conditionals=tuple(floor.conditionals.values()),
        trades=tuple(trade for symbol in floor.symbols.values() for trade in symbol.trades),
        amendments=tuple(floor.amendments),
        income=tuple(floor.income),
        positions=tuple(
            position_row(symbol, side)
            for symbol in floor.symbols.values()
            for side in PositionSide
            if symbol.held[side].updated_ns
        ),
        balances=tuple(balance_row(floor, asset) for asset in floor.wallets),
        symbols=tuple(symbol.row() for symbol in floor.symbols.values()),
        pools=tuple(PoolRow(name, asset, held) for (name, asset), held in floor.pools.items()),
        account=account_row(floor),
    )


def changes(floor: Floor) -> ExchangeState:
    """Return the rows touched since the last call, and forget that they were."""
    touched = floor.touched
    floor.touched = Touched(
        account=False,
        income_from=len(floor.income),
        amendments_from=len(floor.amendments),
    )
    return ExchangeState(
        orders=tuple(order.view() for order in touched.orders.values()),
        conditionals=tuple(floor.conditionals[algo_id] for algo_id in touched.conditionals),
        trades=tuple(touched.trades),
        amendments=tuple(floor.amendments[touched.amendments_from :]),
        income=tuple(floor.income[touched.income_from :]),
        positions=tuple(
            position_row(floor.symbols[name], side) for name, side in touched.positions
        ),
        balances=tuple(balance_row(floor, asset) for asset in touched.balances),
        symbols=tuple(floor.symbols[name].row() for name in touched.symbols),
        pools=tuple(PoolRow(*place, floor.pools[place]) for place in touched.pools),
        account=account_row(floor) if touched.account else None,
    )


def restore(floor: Floor, desk: Desk, conditionals: Conditionals, state: ExchangeState) -> None:
    """Take over kept rows; open orders queue up anew, marks count as stale until a new one."""
    for symbol_row in state.symbols:
        _restore_symbol(floor, symbol_row)
    for row in sorted(state.orders, key=lambda row: row.order_id):
        order = Working.of(row)
        desk.register(order)
        if not order.status.open:
            continue
        order.arrived = True
        floor.symbols[row.key.symbol].resting.add(order)
        if order.time_in_force is TimeInForce.GTD:
            floor.schedule(order.good_till_ns, "good_till", row.key.symbol, order.order_id)
    for waiting in sorted(state.conditionals, key=lambda row: row.algo_id):
        conditionals.register(waiting)
        if waiting.status.waiting and waiting.time_in_force is TimeInForce.GTD:
            name = waiting.key.symbol
            floor.schedule(waiting.good_till_ns, "conditional_good_till", name, waiting.algo_id)
    for trade in sorted(state.trades, key=lambda trade: int(trade.fill.fill_id)):
        floor.symbols[trade.fill.key.symbol].trades.append(trade)
    floor.amendments = sorted(state.amendments, key=lambda row: row.amendment_id)
    floor.income = sorted(state.income, key=lambda row: row.income_id)
    for position in state.positions:
        _restore_position(floor, position)
    for balance in state.balances:
        floor.wallets[balance.asset] = balance.wallet
        floor.wallet_ns[balance.asset] = balance.updated_ns
    for pool in state.pools:
        floor.pools[pool.name, pool.asset] = pool.amount
    if state.account is not None:
        floor.hedge_mode = state.account.hedge_mode
        floor.next_order_id = state.account.next_order_id
        floor.next_algo_id = state.account.next_algo_id
        floor.next_income_id = state.account.next_income_id
        floor.next_amendment_id = state.account.next_amendment_id
    changes(floor)


def _restore_symbol(floor: Floor, row: SymbolRow) -> None:
    symbol = floor.symbol(row.key.symbol)
    symbol.leverage, symbol.isolated = row.leverage, row.isolated
    symbol.next_fill_id = row.next_fill_id
    symbol.mark, symbol.funding_rate = row.mark, row.funding_rate
    symbol.next_funding_ns, symbol.last_funding_ns = row.next_funding_ns, row.last_funding_ns
    symbol.countdown_ns = row.countdown_ns
    symbol.fresh = False
    if row.next_funding_ns:
        floor.schedule(row.next_funding_ns, "funding", row.key.symbol)
    if row.countdown_ns:
        floor.schedule(row.countdown_ns, "countdown", row.key.symbol)


def _restore_position(floor: Floor, row: PositionRow) -> None:
    held = floor.symbol(row.key.symbol).held[row.side]
    held.position = Position(row.side, row.quantity, row.entry_price, row.realised_pnl, row.fees)
    held.isolated_wallet, held.carried = row.isolated_wallet, row.carried
    held.updated_ns = row.updated_ns


def truth(floor: Floor) -> dict[str, Any]:
    """Return the ledger: a conditional order and the plain one it became are one row."""
    rows: list[OrderUpdated] = [
        order.view().update() for order in floor.orders.values() if not order.algo_id
    ]
    for waiting in floor.conditionals.values():
        child = floor.orders.get(waiting.order_id)
        rows.append(waiting.update(None if child is None else child.view()))
    wallets: dict[tuple[str, str], Decimal] = {
        (floor.venue, asset): wallet for asset, wallet in floor.wallets.items()
    }
    return ledger(
        rows,
        (trade.fill for symbol in floor.symbols.values() for trade in symbol.trades),
        (
            (symbol.key, held.position)
            for symbol in floor.symbols.values()
            for held in symbol.held.values()
        ),
        wallets,
    )
