"""JSON bodies of orders, positions and balances as REST answers them. Source: fact sheet §3, A."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from adapters.venues.binance_usdm.emulator.catalogue import Listing
from adapters.venues.binance_usdm.emulator.words import (
    ALGO_STATES,
    INCOME_KINDS,
    TRIGGER_WORDS,
    fixed,
    money,
    ms,
    status_word,
    time_in_force_word,
)
from core.exchange import (
    AccountFigures,
    Amendment,
    ConditionalOrder,
    IncomeRow,
    PositionFigures,
    VenueOrder,
    VenueTrade,
)
from core.messages import Side
from core.money import ZERO, text

__all__ = [
    "account_asset",
    "amendment_row",
    "average_price",
    "balance_row",
    "conditional_body",
    "income_row",
    "order_ack",
    "order_query",
    "position_account_row",
    "position_risk_row",
    "trade_row",
]

Body = dict[str, Any]
_BPS_PER_PERCENT = Decimal(100)


def average_price(order: VenueOrder, listing: Listing) -> str:
    """Write the mean fill price, two digits finer than the venue's prices."""
    return fixed(order.average_price, listing.price_places + (3 if order.filled else 0))


def _order(order: VenueOrder, listing: Listing) -> Body:
    price, quantity = listing.price_places, listing.quantity_places
    return {
        "orderId": order.order_id,
        "symbol": order.key.symbol,
        "pair": order.key.symbol,
        "status": status_word(order),
        "clientOrderId": order.client_order_id,
        "price": fixed(order.price, price),
        "origQty": fixed(order.quantity, quantity),
        "executedQty": fixed(order.filled, quantity),
        "timeInForce": time_in_force_word(order.time_in_force),
        "type": order.type.value.upper(),
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side.value.upper(),
        "positionSide": order.position_side.value.upper(),
        "stopPrice": fixed(order.trigger_price, price),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.original_type.value.upper(),
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": ms(order.good_till_ns),
        "updateTime": ms(order.updated_ns),
    }


def order_ack(order: VenueOrder, listing: Listing, *, result: bool = False) -> Body:
    """Answer a placement, an amendment or a cancellation.

    Without `result` the venue tells nothing of fills that come at once; with it, the final state.
    """
    body = _order(order, listing)
    body["cumQty"] = body["executedQty"]
    if result:
        body["avgPrice"] = average_price(order, listing)
        body["cumQuote"] = money(order.quote_filled)
    return body


def order_query(order: VenueOrder, listing: Listing) -> Body:
    """Answer a query of one or many orders."""
    body = _order(order, listing)
    body["avgPrice"] = average_price(order, listing)
    body["cumQuote"] = money(order.quote_filled)
    body["cumBase"] = body["executedQty"]
    body["time"] = ms(order.created_ns)
    return body


def conditional_body(order: ConditionalOrder, listing: Listing, *, query: bool = True) -> Body:
    """Answer a placement (without `query`), a cancellation or a query of a conditional order."""
    price, quantity = listing.price_places, listing.quantity_places
    trailing = order.callback_rate_bps > 0
    body: Body = {
        "algoId": order.algo_id,
        "clientAlgoId": order.client_order_id,
        "algoType": "CONDITIONAL",
        "orderType": order.type.value.upper(),
        "symbol": order.key.symbol,
        "side": order.side.value.upper(),
        "positionSide": order.position_side.value.upper(),
        "timeInForce": "GTE_GTC"
        if order.close_position
        else time_in_force_word(order.time_in_force),
        "quantity": fixed(order.quantity, quantity),
        "algoStatus": ALGO_STATES[order.status],
        "triggerPrice": fixed(order.trigger_price, price),
        "price": fixed(order.price, price),
        "icebergQuantity": None,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": TRIGGER_WORDS[order.trigger_by],
        "priceMatch": "NONE",
        "closePosition": order.close_position,
        "priceProtect": False,
        "reduceOnly": order.reduce_only,
        "activatePrice": fixed(order.activation_price, price) if trailing else "",
        "callbackRate": text(order.callback_rate_bps / _BPS_PER_PERCENT) if trailing else "",
        "createTime": ms(order.created_ns),
        "updateTime": ms(order.updated_ns),
        "triggerTime": ms(order.triggered_ns),
        "goodTillDate": ms(order.good_till_ns),
    }
    if query:
        zero = fixed(ZERO, 3)
        body |= {
            "actualOrderId": str(order.order_id) if order.order_id else "",
            "actualPrice": fixed(order.actual_price, 5),
            "actualQty": fixed(order.actual_quantity, quantity),
            "actualType": ("LIMIT" if order.price else "MARKET") if order.order_id else "",
            "tpTriggerPrice": zero,
            "tpPrice": zero,
            "slTriggerPrice": zero,
            "slPrice": zero,
            "tpOrderType": "",
        }
    return body


def amendment_row(row: Amendment) -> Body:
    """Answer one row of the modification history."""
    return {
        "amendmentId": row.amendment_id,
        "symbol": row.key.symbol,
        "pair": row.key.symbol,
        "orderId": row.order_id,
        "clientOrderId": row.client_order_id,
        "time": ms(row.time_ns),
        "amendment": {
            "price": {"before": text(row.price_before), "after": text(row.price_after)},
            "origQty": {"before": text(row.quantity_before), "after": text(row.quantity_after)},
            "count": row.count,
        },
    }


def trade_row(trade: VenueTrade, listing: Listing) -> Body:
    """Answer one of our fills."""
    fill = trade.fill
    return {
        "symbol": fill.key.symbol,
        "pair": fill.key.symbol,
        "id": int(fill.fill_id),
        "orderId": int(fill.order_id),
        "side": fill.side.value.upper(),
        "price": fixed(fill.price, listing.price_places),
        "qty": fixed(fill.quantity, listing.quantity_places),
        "quoteQty": money(fill.price * fill.quantity),
        "baseQty": fixed(fill.quantity, listing.quantity_places),
        "realizedPnl": money(trade.realised_pnl),
        "marginAsset": fill.fee_asset,
        "commission": money(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": ms(fill.time_ns),
        "positionSide": fill.position_side.value.upper(),
        "buyer": fill.side is Side.BUY,
        "maker": fill.maker,
    }


def income_row(row: IncomeRow) -> Body:
    """Answer one booking."""
    word = INCOME_KINDS[row.kind]
    return {
        "symbol": row.symbol,
        "incomeType": word,
        "income": money(row.amount),
        "asset": row.asset,
        "info": row.fill_id or word,
        "time": ms(row.time_ns),
        "tranId": row.income_id,
        "tradeId": row.fill_id,
    }


def balance_row(account: AccountFigures) -> Body:
    """Answer one row of the balances."""
    return {
        "accountAlias": "SgsR",
        "asset": account.asset,
        "balance": money(account.wallet),
        "crossWalletBalance": money(account.cross_wallet),
        "crossUnPnl": money(account.cross_unrealised_pnl),
        "availableBalance": money(account.available),
        "maxWithdrawAmount": money(min(account.available, account.wallet)),
        "marginAvailable": True,
        "updateTime": ms(account.updated_ns),
    }


def account_asset(account: AccountFigures) -> Body:
    """Answer one asset of the account."""
    return {
        "asset": account.asset,
        "walletBalance": money(account.wallet),
        "unrealizedProfit": money(account.unrealised_pnl),
        "marginBalance": money(account.margin_balance),
        "maintMargin": money(account.maintenance_margin),
        "initialMargin": money(account.initial_margin),
        "positionInitialMargin": money(account.position_initial_margin),
        "openOrderInitialMargin": money(account.open_order_initial_margin),
        "crossWalletBalance": money(account.cross_wallet),
        "crossUnPnl": money(account.cross_unrealised_pnl),
        "availableBalance": money(account.available),
        "maxWithdrawAmount": money(min(account.available, account.wallet)),
        "marginAvailable": True,
        "updateTime": ms(account.updated_ns),
    }


def position_account_row(position: PositionFigures, listing: Listing, *, full: bool) -> Body:
    """Answer one position inside the account; `full` is its second version's longer form."""
    body: Body = {
        "symbol": position.key.symbol,
        "positionSide": position.side.value.upper(),
        "positionAmt": fixed(position.quantity, listing.quantity_places),
        "unrealizedProfit": money(position.unrealised_pnl),
        "isolatedMargin": money(position.isolated_margin) if position.isolated else "0",
        "notional": money(position.notional),
        "isolatedWallet": money(position.isolated_wallet) if position.isolated else "0",
        "initialMargin": money(position.initial_margin),
        "maintMargin": money(position.maintenance_margin),
        "updateTime": ms(position.updated_ns),
    }
    if full:
        body |= {
            "positionInitialMargin": money(position.position_initial_margin),
            "openOrderInitialMargin": money(position.open_order_initial_margin),
            "leverage": str(position.leverage),
            "isolated": position.isolated,
            "entryPrice": text(round(position.entry_price, 8)),
            "breakEvenPrice": text(round(position.break_even_price, 8)),
            "bidNotional": money(position.bid_notional),
            "askNotional": money(position.ask_notional),
        }
    return body


def position_risk_row(
    position: PositionFigures, listing: Listing, *, full: bool, max_notional: Decimal
) -> Body:
    """Answer one row of positionRisk; `full` is its second version, with leverage and mode."""
    body: Body = {
        "symbol": position.key.symbol,
        "positionSide": position.side.value.upper(),
        "positionAmt": fixed(position.quantity, listing.quantity_places),
        "entryPrice": text(round(position.entry_price, 8)),
        "breakEvenPrice": text(round(position.break_even_price, 8)),
        "markPrice": money(position.mark),
        "unRealizedProfit": money(position.unrealised_pnl),
        "liquidationPrice": text(round(position.liquidation_price, 8)),
        "isolatedMargin": money(position.isolated_margin) if position.isolated else "0",
        "notional": money(position.notional),
        "marginAsset": "USDT",
        "isolatedWallet": money(position.isolated_wallet) if position.isolated else "0",
        "initialMargin": money(position.initial_margin),
        "maintMargin": money(position.maintenance_margin),
        "positionInitialMargin": money(position.position_initial_margin),
        "openOrderInitialMargin": money(position.open_order_initial_margin),
        "adl": 0 if position.quantity == 0 else 2,
        "bidNotional": money(position.bid_notional),
        "askNotional": money(position.ask_notional),
        "updateTime": ms(position.updated_ns),
    }
    if full:
        body |= {
            "leverage": str(position.leverage),
            "maxNotionalValue": text(max_notional),
            "marginType": "isolated" if position.isolated else "cross",
            "isAutoAddMargin": "false",
            "isolated": position.isolated,
        }
    return body
