"""Bodies and frames as the fact sheet composes them (binance_usdm.md §3, §4, Appendix A)."""

from __future__ import annotations

import json
from typing import Any

ORDER: dict[str, Any] = {
    "orderId": 283194212345,
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "status": "NEW",
    "clientOrderId": "bot1-0001",
    "price": "62000.00",
    "origQty": "0.100",
    "executedQty": "0.000",
    "cumQty": "0.000",
    "timeInForce": "GTX",
    "type": "LIMIT",
    "origType": "LIMIT",
    "reduceOnly": False,
    "closePosition": False,
    "side": "BUY",
    "positionSide": "BOTH",
    "stopPrice": "0.00",
    "workingType": "CONTRACT_PRICE",
    "priceProtect": False,
    "priceMatch": "NONE",
    "selfTradePreventionMode": "EXPIRE_MAKER",
    "goodTillDate": 0,
    "updateTime": 1790000000321,
}
ALGO: dict[str, Any] = {
    "algoId": 2146760,
    "clientAlgoId": "bot1-sl-1",
    "algoType": "CONDITIONAL",
    "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "positionSide": "BOTH",
    "timeInForce": "GTC",
    "quantity": "0.100",
    "algoStatus": "NEW",
    "triggerPrice": "60000.00",
    "price": "0.00",
    "icebergQuantity": None,
    "selfTradePreventionMode": "EXPIRE_MAKER",
    "workingType": "MARK_PRICE",
    "priceMatch": "NONE",
    "closePosition": False,
    "priceProtect": False,
    "reduceOnly": True,
    "activatePrice": "",
    "callbackRate": "",
    "createTime": 1790000000000,
    "updateTime": 1790000000000,
    "triggerTime": 0,
    "goodTillDate": 0,
}
TRADE: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "id": 698759,
    "orderId": 25851813,
    "side": "BUY",
    "price": "62980.00",
    "qty": "0.100",
    "quoteQty": "6298.00000",
    "baseQty": "0.100",
    "realizedPnl": "0",
    "marginAsset": "USDT",
    "commission": "3.14900000",
    "commissionAsset": "USDT",
    "time": 1790000000000,
    "positionSide": "BOTH",
    "buyer": True,
    "maker": False,
}
INCOME: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "incomeType": "FUNDING_FEE",
    "income": "-0.63105000",
    "asset": "USDT",
    "info": "FUNDING_FEE",
    "time": 1789977600000,
    "tranId": 9689322392,
    "tradeId": "",
}
POSITION: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "positionSide": "BOTH",
    "positionAmt": "0.100",
    "entryPrice": "62980.0",
    "breakEvenPrice": "63005.192",
    "markPrice": "63105.00000000",
    "unRealizedProfit": "12.50000000",
    "liquidationPrice": "0",
    "isolatedMargin": "0",
    "notional": "6310.50000000",
    "marginAsset": "USDT",
    "isolatedWallet": "0",
    "initialMargin": "631.05000000",
    "maintMargin": "25.24200000",
    "positionInitialMargin": "631.05000000",
    "openOrderInitialMargin": "0",
    "adl": 2,
    "bidNotional": "0",
    "askNotional": "0",
    "updateTime": 1790000000000,
}
ACCOUNT: dict[str, Any] = {
    "totalInitialMargin": "631.10000000",
    "totalMaintMargin": "25.24420000",
    "totalWalletBalance": "10000.00000000",
    "totalUnrealizedProfit": "12.50000000",
    "totalMarginBalance": "10012.50000000",
    "totalPositionInitialMargin": "631.10000000",
    "totalOpenOrderInitialMargin": "0.00000000",
    "totalCrossWalletBalance": "10000.00000000",
    "totalCrossUnPnl": "12.50000000",
    "availableBalance": "9381.40000000",
    "maxWithdrawAmount": "9381.40000000",
    "assets": [
        {
            "asset": "USDT",
            "walletBalance": "10000.00000000",
            "unrealizedProfit": "12.50000000",
            "marginBalance": "10012.50000000",
            "updateTime": 1790000000000,
        }
    ],
    "positions": [],
}
ACCOUNT_CONFIG: dict[str, Any] = {
    "feeTier": 0,
    "canTrade": True,
    "canDeposit": True,
    "canWithdraw": True,
    "dualSidePosition": False,
    "updateTime": 0,
    "multiAssetsMargin": False,
    "tradeGroupId": -1,
}
EXCHANGE_INFO: dict[str, Any] = {
    "timezone": "UTC",
    "serverTime": 1790000000123,
    "futuresType": "U_MARGINED",
    "rateLimits": [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": 6000,
        },
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ],
    "exchangeFilters": [],
    "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "pair": "BTCUSDT",
            "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000,
            "onboardDate": 1569398400000,
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "marginAsset": "USDT",
            "pricePrecision": 2,
            "quantityPrecision": 3,
            "liquidationFee": "0.012500",
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "556.80",
                    "maxPrice": "4529764",
                    "tickSize": "0.10",
                },
                {
                    "filterType": "LOT_SIZE",
                    "minQty": "0.001",
                    "maxQty": "1000",
                    "stepSize": "0.001",
                },
                {
                    "filterType": "MARKET_LOT_SIZE",
                    "minQty": "0.001",
                    "maxQty": "120",
                    "stepSize": "0.001",
                },
                {"filterType": "MAX_NUM_ORDERS", "limit": 200},
                {"filterType": "MIN_NOTIONAL", "notional": "50"},
                {
                    "filterType": "PERCENT_PRICE",
                    "multiplierUp": "1.0500",
                    "multiplierDown": "0.9500",
                    "multiplierDecimal": "4",
                },
                {
                    "filterType": "POSITION_RISK_CONTROL",
                    "positionControlSide": "NONE",
                    "notionalLimit": None,
                },
            ],
        }
    ],
}
BRACKETS: list[dict[str, Any]] = [
    {
        "symbol": "BTCUSDT",
        "notionalCoef": 1.5,
        "brackets": [
            {
                "bracket": 2,
                "initialLeverage": 100,
                "notionalCap": 800000,
                "notionalFloor": 300000,
                "maintMarginRatio": 0.005,
                "cum": 300.0,
            },
            {
                "bracket": 1,
                "initialLeverage": 125,
                "notionalCap": 300000,
                "notionalFloor": 0,
                "maintMarginRatio": 0.004,
                "cum": 0.0,
            },
        ],
    }
]
PREMIUM: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "markPrice": "63105.20000000",
    "indexPrice": "63110.51000000",
    "estimatedSettlePrice": "63098.11",
    "lastFundingRate": "0.00010000",
    "interestRate": "0.00010000",
    "nextFundingTime": 1790006400000,
    "time": 1790000000123,
}
DEPTH: dict[str, Any] = {
    "lastUpdateId": 9331412345678,
    "E": 1790000000456,
    "T": 1790000000449,
    "bids": [["63100.00", "1.250"]],
    "asks": [["63100.10", "0.730"]],
}
KLINE: list[Any] = [
    1790000000000 // 60000 * 60000,
    "63000.10",
    "63200.00",
    "62900.00",
    "63100.10",
    "12.345",
    1790000000000 // 60000 * 60000 + 59999,
    "778000.1",
    100,
    "6.1",
    "384000.1",
    "0",
]
COMMISSION: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "makerCommissionRate": "0.0002",
    "takerCommissionRate": "0.0005",
    "rpiCommissionRate": "0.00005",
}
SYMBOL_CONFIG: list[dict[str, Any]] = [
    {
        "symbol": "BTCUSDT",
        "marginType": "CROSSED",
        "isAutoAddMargin": "false",
        "leverage": 10,
        "maxNotionalValue": "230000000",
    }
]
RIGHTS: dict[str, Any] = {
    "ipRestrict": True,
    "createTime": 1698645219000,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableFutures": True,
}
BOOK_TICKER: dict[str, Any] = {
    "e": "bookTicker",
    "u": 9331412345678,
    "s": "BTCUSDT",
    "ps": "BTCUSDT",
    "b": "63100.00",
    "B": "1.250",
    "a": "63100.10",
    "A": "0.730",
    "T": 1790000000449,
    "E": 1790000000456,
    "st": 1,
}
DEPTH_UPDATE: dict[str, Any] = {
    "e": "depthUpdate",
    "E": 1790000000556,
    "T": 1790000000549,
    "s": "BTCUSDT",
    "ps": "BTCUSDT",
    "st": 1,
    "U": 9331412345600,
    "u": 9331412345678,
    "pu": 9331412345599,
    "b": [["63100.00", "1.250"], ["63099.90", "0"]],
    "a": [["63100.10", "0.730"]],
}
AGG_TRADE: dict[str, Any] = {
    "e": "aggTrade",
    "E": 1790000000101,
    "s": "BTCUSDT",
    "a": 5933014,
    "p": "63100.10",
    "q": "0.012",
    "nq": "0.012",
    "f": 100,
    "l": 105,
    "T": 1790000000100,
    "m": True,
    "st": 1,
}
MARK_PRICE: dict[str, Any] = {
    "e": "markPriceUpdate",
    "E": 1790000000000,
    "s": "BTCUSDT",
    "p": "63105.2",
    "i": "63110.5",
    "P": "63098.1",
    "r": "0.00010000",
    "T": 1790006400000,
    "ap": "63104.9",
    "st": 1,
}
KLINE_EVENT: dict[str, Any] = {
    "e": "kline",
    "E": 1790000000000,
    "s": "BTCUSDT",
    "k": {
        "t": 1789999980000,
        "T": 1790000039999,
        "s": "BTCUSDT",
        "i": "1m",
        "f": 100,
        "L": 200,
        "o": "1",
        "c": "2",
        "h": "3",
        "l": "0.5",
        "v": "10",
        "n": 100,
        "x": False,
        "q": "20",
        "V": "5",
        "Q": "10",
        "B": "0",
    },
}
ORDER_TRADE_UPDATE: dict[str, Any] = {
    "e": "ORDER_TRADE_UPDATE",
    "E": 1790000000330,
    "T": 1790000000321,
    "o": {
        "s": "BTCUSDT",
        "c": "bot1-0001",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.100",
        "p": "62000.00",
        "ap": "61999.50",
        "sp": "0",
        "x": "TRADE",
        "X": "PARTIALLY_FILLED",
        "i": 283194212345,
        "l": "0.040",
        "z": "0.040",
        "L": "61999.50",
        "n": "0.49599600",
        "N": "USDT",
        "T": 1790000000321,
        "t": 698760,
        "b": "3720.00",
        "a": "0",
        "m": True,
        "R": False,
        "wt": "CONTRACT_PRICE",
        "ot": "LIMIT",
        "ps": "BOTH",
        "cp": False,
        "pP": False,
        "si": 0,
        "ss": 0,
        "rp": "0",
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": 0,
        "er": "0",
    },
}
ACCOUNT_UPDATE: dict[str, Any] = {
    "e": "ACCOUNT_UPDATE",
    "E": 1790000000330,
    "T": 1790000000321,
    "a": {
        "m": "ORDER",
        "B": [{"a": "USDT", "wb": "9999.50400400", "cw": "9999.50400400", "bc": "0"}],
        "P": [
            {
                "s": "BTCUSDT",
                "pa": "0.040",
                "ep": "61999.5",
                "bep": "62011.9",
                "cr": "0",
                "up": "44.22",
                "mt": "cross",
                "iw": "0",
                "ps": "BOTH",
                "ma": "USDT",
            }
        ],
    },
}
ALGO_UPDATE: dict[str, Any] = {
    "e": "ALGO_UPDATE",
    "T": 1790000000321,
    "E": 1790000000330,
    "o": {
        "caid": "bot1-sl-1",
        "aid": 2146760,
        "at": "CONDITIONAL",
        "o": "STOP_MARKET",
        "s": "BTCUSDT",
        "S": "SELL",
        "ps": "BOTH",
        "f": "GTC",
        "q": "0.100",
        "X": "NEW",
        "ai": "",
        "ap": "0.00000",
        "aq": "0.00000",
        "act": "0",
        "tp": "60000.00",
        "p": "0",
        "V": "EXPIRE_MAKER",
        "wt": "MARK_PRICE",
        "pm": "NONE",
        "cp": False,
        "pP": False,
        "R": True,
        "tt": 0,
        "gtd": 0,
        "rm": "",
        "ia": False,
    },
}


def raw(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def wrapped(event: dict[str, Any], stream: str = "x") -> bytes:
    return raw({"stream": stream, "data": event})


def changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**base, **changes}


def inner(base: dict[str, Any], name: str, **changes: Any) -> dict[str, Any]:
    return {**base, name: {**base[name], **changes}}
