"""Account, positions, settings, income, fills, listen keys and key permissions (§3.2, §3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.venues.binance_usdm.emulator.bodies import (
    account_asset,
    balance_row,
    income_row,
    order_query,
    position_account_row,
    position_risk_row,
    trade_row,
)
from adapters.venues.binance_usdm.emulator.endpoints import Endpoint, Handler, Security
from adapters.venues.binance_usdm.emulator.errors import bad_request, invalid_value, missing
from adapters.venues.binance_usdm.emulator.reading import read_page
from adapters.venues.binance_usdm.emulator.refusals import answer
from adapters.venues.binance_usdm.emulator.request import Parameters
from adapters.venues.binance_usdm.emulator.venue import LocalVenue
from adapters.venues.binance_usdm.emulator.words import INCOME_KINDS, POSITION_SIDES, ms
from core.exchange import PositionFigures, Refusal
from core.instruments import LeverageBracket
from core.messages import PositionSide
from core.money import text

__all__ = ["ENDPOINTS"]

_ASSET = "USDT"
_MS = 1_000_000
_WEEK_MS = 7 * 86_400_000
_OK = {"code": 200, "msg": "success"}


def _symbol(venue: LocalVenue, p: Parameters) -> str | None:
    return venue.venue_key(p.text("symbol")).symbol if "symbol" in p else None


def _balance(venue: LocalVenue, _: Parameters) -> list[dict[str, Any]]:
    return [balance_row(venue.exchange.account(row.asset)) for row in venue.exchange.balances()]


def _account(full: bool) -> Handler:
    def handler(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
        figures = venue.exchange.account(_ASSET)
        asset = account_asset(figures)
        positions = [
            position_account_row(row, venue.listing(row.key.symbol), full=full)
            for row in venue.exchange.positions()
            if full or _shown(row)
        ]
        body: dict[str, Any] = {
            "totalInitialMargin": asset["initialMargin"],
            "totalMaintMargin": asset["maintMargin"],
            "totalWalletBalance": asset["walletBalance"],
            "totalUnrealizedProfit": asset["unrealizedProfit"],
            "totalMarginBalance": asset["marginBalance"],
            "totalPositionInitialMargin": asset["positionInitialMargin"],
            "totalOpenOrderInitialMargin": asset["openOrderInitialMargin"],
            "totalCrossWalletBalance": asset["crossWalletBalance"],
            "totalCrossUnPnl": asset["crossUnPnl"],
            "availableBalance": asset["availableBalance"],
            "maxWithdrawAmount": asset["maxWithdrawAmount"],
            "assets": [asset],
            "positions": positions,
        }
        return _account_config(venue, _) | body if full else body

    return handler


def _shown(row: PositionFigures) -> bool:
    return bool(row.quantity or row.bid_notional or row.ask_notional)


def _account_config(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    return {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": False,
        "dualSidePosition": venue.exchange.hedge_mode,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def _symbol_config(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    chosen = _symbol(venue, p)
    return [
        {
            "symbol": symbol,
            "marginType": "ISOLATED" if row.isolated else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": row.leverage,
            "maxNotionalValue": text(venue.exchange.max_notional(symbol)),
        }
        for symbol in ([chosen] if chosen else venue.listings)
        for row in (venue.exchange.symbol_row(symbol),)
    ]


def _position_risk(full: bool) -> Handler:
    def handler(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
        return [
            position_risk_row(
                row,
                venue.listing(row.key.symbol),
                full=full,
                max_notional=venue.exchange.max_notional(row.key.symbol),
            )
            for row in venue.exchange.positions(_symbol(venue, p))
            if full or _shown(row)
        ]

    return handler


def _leverage_bracket(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    chosen = _symbol(venue, p)
    return [
        {"symbol": symbol, "brackets": _brackets(venue.exchange.brackets(symbol))}
        for symbol in ([chosen] if chosen else venue.listings)
    ]


def _brackets(rows: tuple[LeverageBracket, ...]) -> list[dict[str, Any]]:
    return [
        {
            "bracket": place,
            "initialLeverage": row.max_leverage,
            "notionalCap": int(row.cap),
            "notionalFloor": int(row.floor),
            "maintMarginRatio": float(row.maintenance_rate),
            "cum": float(row.deduction),
        }
        for place, row in enumerate(rows, start=1)
    ]


def _commission(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    instrument = venue.listing(p.need("symbol")).instrument
    return {
        "symbol": instrument.key.symbol,
        "makerCommissionRate": text(instrument.maker_fee),
        "takerCommissionRate": text(instrument.taker_fee),
        "rpiCommissionRate": "0.00005",
    }


def _dual_side(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    return {"dualSidePosition": venue.exchange.hedge_mode}


def _set_dual_side(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    p.need("dualSidePosition")
    return _change(
        venue, lambda now: venue.exchange.set_hedge_mode(p.flag("dualSidePosition"), now)
    )


def _multi_assets(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    return {"multiAssetsMargin": False}


def _set_multi_assets(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    p.need("multiAssetsMargin")
    if p.flag("multiAssetsMargin"):
        raise bad_request(-1020, "This operation is not supported.")
    raise bad_request(-4171, "No need to change Multi-Assets mode.")


def _change(venue: LocalVenue, act: Any) -> dict[str, Any]:
    try:
        events = act(venue.clock.now_ns())
    except Refusal as refusal:
        raise answer(refusal) from None
    venue.commit(events)
    return dict(_OK)


def _set_leverage(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    symbol = venue.venue_key(p.need("symbol")).symbol
    p.need("leverage")
    leverage = p.integer("leverage", 0)
    _change(venue, lambda now: venue.exchange.set_leverage(symbol, leverage, now))
    return {
        "leverage": leverage,
        "maxNotionalValue": text(venue.exchange.max_notional(symbol)),
        "symbol": symbol,
    }


def _set_margin_type(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    symbol = venue.venue_key(p.need("symbol")).symbol
    kind = p.need("marginType").upper()
    if kind not in ("ISOLATED", "CROSSED"):
        raise invalid_value("marginType")
    isolated = kind == "ISOLATED"
    return _change(venue, lambda now: venue.exchange.set_isolated(symbol, isolated, now))


def _position_margin(venue: LocalVenue, p: Parameters) -> dict[str, Any]:
    symbol = venue.venue_key(p.need("symbol")).symbol
    amount = p.decimal("amount")
    if amount is None or amount <= 0:
        raise missing("amount")
    p.need("type")
    kind = p.integer("type", 0)
    if kind not in (1, 2):
        raise invalid_value("type")
    side = p.choice(
        "positionSide",
        POSITION_SIDES,
        PositionSide.BOTH,
        lambda: bad_request(-4060, "Invalid position side."),
    )
    signed = amount if kind == 1 else -amount
    _change(venue, lambda now: venue.exchange.add_margin(symbol, side, signed, now))
    return {
        "amount": float(amount),
        "code": 200,
        "msg": "Successfully modify position margin.",
        "type": kind,
    }


def _income(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    kinds = {word: kind for kind, word in INCOME_KINDS.items()}
    word, symbol = p.text("incomeType"), p.text("symbol")
    start, end = p.integer("startTime", 0), p.integer("endTime", 0)
    limit, number = p.integer("limit", 100), max(1, p.integer("page", 1))
    if not 1 <= limit <= 1_000:
        raise invalid_value("limit")
    if word and word not in kinds:
        return []
    if not (start or end):
        start = ms(venue.clock.now_ns()) - _WEEK_MS
    found = venue.exchange.income(
        symbol=symbol,
        kind=kinds[word] if word else None,
        start_ns=start * _MS,
        end_ns=(end + 1) * _MS - 1 if end else 0,
    )
    return [income_row(row) for row in found[(number - 1) * limit : number * limit]]


def _user_trades(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    listing = venue.listing(p.need("symbol"))
    start, end, limit = read_page(p, default=500, most=1_000)
    from_id = p.integer("fromId", -1)
    if from_id >= 0 and (start or end):
        raise bad_request(-1128, "Combination of optional parameters invalid.")
    found = venue.exchange.trades(
        listing.instrument.key.symbol,
        from_id=max(0, from_id),
        order_id=p.integer("orderId", 0),
        start_ns=start * _MS,
        end_ns=(end + 1) * _MS - 1 if end else 0,
    )
    rows = found[:limit] if start or from_id >= 0 else found[-limit:]
    return [trade_row(row, listing) for row in rows]


def _force_orders(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    limit = min(100, p.integer("limit", 50))
    rows = [
        order_query(order, venue.listing(order.key.symbol))
        for order in venue.exchange.orders(_symbol(venue, p))
        if order.client_order_id.startswith("autoclose-")
    ]
    return rows[-limit:]


def _adl_quantile(venue: LocalVenue, p: Parameters) -> list[dict[str, Any]]:
    chosen = _symbol(venue, p)
    quantile = {"LONG": 0, "SHORT": 0, "BOTH": 0}
    return [
        {"symbol": symbol, "adlQuantile": quantile}
        for symbol in ([chosen] if chosen else venue.listings)
    ]


def _order_rates(venue: LocalVenue, _: Parameters) -> list[dict[str, object]]:
    return venue.limits.order_rules()


def _trading_status(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    return {"indicators": {}, "updateTime": ms(venue.clock.now_ns())}


def _key_rights(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    fault = venue.faults.active("key_rights")
    told = fault.variant if fault else ""
    return {
        "ipRestrict": told != "no_addresses",
        "createTime": ms(venue.started_ns),
        "enableReading": True,
        "enableWithdrawals": told == "withdraw",
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": told != "no_trading",
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": False,
        "enablePortfolioMarginTrading": False,
    }


def _open_listen_key(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    key = venue.listen_keys.open(venue.clock.told_ms())
    venue.keep_listen_key()
    return {"listenKey": key}


def _keep_listen_key(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    key = venue.listen_keys.keep(venue.clock.told_ms())
    venue.keep_listen_key()
    return {"listenKey": key}


def _close_listen_key(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    venue.listen_keys.close()
    venue.keep_listen_key()
    return {}


def _fee_burn(venue: LocalVenue, _: Parameters) -> dict[str, Any]:
    return {"feeBurn": False}


ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    ("GET", "/fapi/v2/balance"): Endpoint(_balance, 5),
    ("GET", "/fapi/v3/balance"): Endpoint(_balance, 5),
    ("GET", "/fapi/v2/account"): Endpoint(_account(full=True), 5),
    ("GET", "/fapi/v3/account"): Endpoint(_account(full=False), 5),
    ("GET", "/fapi/v1/accountConfig"): Endpoint(_account_config, 5),
    ("GET", "/fapi/v1/symbolConfig"): Endpoint(_symbol_config, 5),
    ("GET", "/fapi/v2/positionRisk"): Endpoint(_position_risk(full=True), 5),
    ("GET", "/fapi/v3/positionRisk"): Endpoint(_position_risk(full=False), 5),
    ("GET", "/fapi/v1/leverageBracket"): Endpoint(_leverage_bracket),
    ("GET", "/fapi/v1/commissionRate"): Endpoint(_commission, 20),
    ("GET", "/fapi/v1/positionSide/dual"): Endpoint(_dual_side, 30),
    ("POST", "/fapi/v1/positionSide/dual"): Endpoint(_set_dual_side),
    ("GET", "/fapi/v1/multiAssetsMargin"): Endpoint(_multi_assets, 30),
    ("POST", "/fapi/v1/multiAssetsMargin"): Endpoint(_set_multi_assets),
    ("POST", "/fapi/v1/leverage"): Endpoint(_set_leverage),
    ("POST", "/fapi/v1/marginType"): Endpoint(_set_margin_type),
    ("POST", "/fapi/v1/positionMargin"): Endpoint(_position_margin),
    ("GET", "/fapi/v1/income"): Endpoint(_income, 30),
    ("GET", "/fapi/v1/userTrades"): Endpoint(_user_trades, 5),
    ("GET", "/fapi/v1/forceOrders"): Endpoint(_force_orders, lambda p: 20 if "symbol" in p else 50),
    ("GET", "/fapi/v1/adlQuantile"): Endpoint(_adl_quantile, 5),
    ("GET", "/fapi/v1/feeBurn"): Endpoint(_fee_burn),
    ("GET", "/fapi/v1/rateLimit/order"): Endpoint(_order_rates),
    ("GET", "/fapi/v1/apiTradingStatus"): Endpoint(
        _trading_status, lambda p: 1 if "symbol" in p else 10
    ),
    ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(_key_rights),
    ("POST", "/fapi/v1/listenKey"): Endpoint(_open_listen_key, 1, Security.KEY),
    ("PUT", "/fapi/v1/listenKey"): Endpoint(_keep_listen_key, 1, Security.KEY),
    ("DELETE", "/fapi/v1/listenKey"): Endpoint(_close_listen_key, 1, Security.KEY),
}
