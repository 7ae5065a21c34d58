"""REST answers about our account → core types: balances, positions, funding, settings, keys."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from adapters.venues.binance_usdm.decode import (
    decimal,
    decode,
    finite,
    nanoseconds,
    position_side,
)
from core.errors import FrameError
from core.income import Earned, Earning
from core.messages import BalanceUpdated, FundingPaid, Key, PositionReported
from core.ports import AccountState, KeyRights, SymbolSettings
from core.records import Transferred, WalletAdjusted

__all__ = [
    "Income",
    "account",
    "bookings",
    "confirmation",
    "countdown_set",
    "earned",
    "funding",
    "income",
    "key_rights",
    "leverage_set",
    "listen_key",
    "positions",
    "symbol_settings",
]

Number = int | str

_EARNINGS = {
    "REALIZED_PNL": Earning.REALISED_PNL,
    "COMMISSION": Earning.COMMISSION,
    "FUNDING_FEE": Earning.FUNDING,
}
_TRANSFERS = (
    "TRANSFER",
    "INTERNAL_TRANSFER",
    "CROSS_COLLATERAL_TRANSFER",
    "STRATEGY_UMFUTURES_TRANSFER",
    "COIN_SWAP_DEPOSIT",
    "COIN_SWAP_WITHDRAW",
    "AUTO_EXCHANGE",
)


class Income(msgspec.Struct):
    """One row of income as the venue writes it."""

    incomeType: str
    income: Decimal
    asset: str
    time: Number
    tranId: Number
    symbol: str = ""
    tradeId: Number = ""


class _Position(msgspec.Struct):
    symbol: str
    positionSide: str
    positionAmt: Decimal
    entryPrice: Decimal
    updateTime: Number = 0
    liquidationPrice: str = ""
    markPrice: str = ""


class _Asset(msgspec.Struct):
    asset: str
    walletBalance: Decimal
    updateTime: Number = 0


class _Account(msgspec.Struct):
    totalInitialMargin: Decimal
    totalMaintMargin: Decimal
    totalMarginBalance: Decimal
    totalUnrealizedProfit: Decimal
    availableBalance: Decimal
    assets: list[_Asset]


class _AccountConfig(msgspec.Struct):
    canTrade: bool
    dualSidePosition: bool


class _Leverage(msgspec.Struct):
    leverage: int


class _SymbolConfig(msgspec.Struct):
    symbol: str
    marginType: str
    leverage: int


class _Rights(msgspec.Struct):
    ipRestrict: bool
    enableWithdrawals: bool
    enableFutures: bool


class _Confirmation(msgspec.Struct):
    code: Number


class _Countdown(msgspec.Struct):
    countdownTime: Number


class _ListenKey(msgspec.Struct):
    listenKey: str


_INCOME = msgspec.json.Decoder(list[Income])
_POSITIONS = msgspec.json.Decoder(list[_Position])
_ACCOUNT = msgspec.json.Decoder(_Account)
_ACCOUNT_CONFIG = msgspec.json.Decoder(_AccountConfig)
_LEVERAGE = msgspec.json.Decoder(_Leverage)
_SYMBOL_CONFIG = msgspec.json.Decoder(list[_SymbolConfig])
_RIGHTS = msgspec.json.Decoder(_Rights)
_CONFIRMATION = msgspec.json.Decoder(_Confirmation)
_COUNTDOWN = msgspec.json.Decoder(_Countdown)
_LISTEN_KEY = msgspec.json.Decoder(_ListenKey)


def income(raw: bytes) -> list[Income]:
    """Read rows of income as they stand."""
    rows = decode(_INCOME, raw, "income")
    finite("income", (row.income for row in rows))
    for row in rows:
        nanoseconds(row.time, "income time")
    return rows


def funding(rows: Iterable[Income], venue: str) -> tuple[FundingPaid, ...]:
    """Read the funding rows of income, oldest first; other types are left out."""
    paid = (
        FundingPaid(
            Key(venue, row.symbol),
            row.income,
            row.asset,
            str(row.tranId),
            nanoseconds(row.time, "income time"),
        )
        for row in rows
        if row.incomeType == "FUNDING_FEE"
    )
    return tuple(sorted(paid, key=lambda one: one.time_ns))


def bookings(rows: Iterable[Income], venue: str) -> tuple[Transferred | WalletAdjusted, ...]:
    """Read the rows that neither a fill nor a funding settlement tells of, oldest first.

    The venue's ids are unique per type only, and a booking may touch two assets.
    """
    found: list[Transferred | WalletAdjusted] = []
    for row in rows:
        at_ns = nanoseconds(row.time, "income time")
        name = f"{row.incomeType}:{row.asset}:{row.tranId}"
        if row.incomeType in _TRANSFERS:
            found.append(Transferred(venue, row.asset, row.income, name, at_ns))
        elif row.incomeType not in _EARNINGS:
            kind = row.incomeType.lower()
            found.append(WalletAdjusted(venue, row.asset, row.income, kind, name, at_ns))
    return tuple(sorted(found, key=lambda one: one.time_ns))


def _of(row: Income, kind: Earning) -> str:
    return str(row.tranId) if kind is Earning.FUNDING else str(row.tradeId) or f"row {row.tranId}"


def earned(rows: Iterable[Income], venue: str) -> tuple[Earned, ...]:
    """Read the rows that tell what fills and settlements brought in, as they stand.

    One of a fill that the venue does not name is called after itself, so that no fill is like it.
    """
    return tuple(
        Earned(
            Key(venue, row.symbol),
            kind,
            row.asset,
            str(row.tranId)
            if kind is Earning.FUNDING
            else (str(row.tradeId) or f"row {row.tranId}"),
            row.income,
            nanoseconds(row.time, "income time"),
        )
        for row in rows
        if (kind := _EARNINGS.get(row.incomeType)) is not None
    )


def positions(raw: bytes, venue: str) -> tuple[PositionReported, ...]:
    """Read positionRisk; flat symbols may be absent (v3 leaves them out)."""
    rows = decode(_POSITIONS, raw, "positionRisk")
    finite("positionRisk", (value for row in rows for value in (row.positionAmt, row.entryPrice)))
    return tuple(
        PositionReported(
            Key(venue, row.symbol),
            position_side(row.positionSide, "positionRisk positionSide"),
            row.positionAmt,
            row.entryPrice,
            nanoseconds(row.updateTime, "positionRisk updateTime"),
            decimal(row.liquidationPrice, "positionRisk liquidationPrice"),
            decimal(row.markPrice, "positionRisk markPrice"),
        )
        for row in rows
    )


def account(raw: bytes, config: bytes, venue: str, now_ns: int) -> AccountState:
    """Join account and accountConfig; `now_ns` is the venue's time before the reads."""
    row = decode(_ACCOUNT, raw, "account")
    settings = decode(_ACCOUNT_CONFIG, config, "accountConfig")
    totals = (
        row.availableBalance,
        row.totalInitialMargin,
        row.totalMaintMargin,
        row.totalMarginBalance,
        row.totalUnrealizedProfit,
    )
    finite("account", (*totals, *(asset.walletBalance for asset in row.assets)))
    balances = tuple(
        BalanceUpdated(
            venue,
            asset.asset,
            asset.walletBalance,
            "query",
            nanoseconds(asset.updateTime, "account updateTime"),
        )
        for asset in row.assets
    )
    return AccountState(
        balances,
        *totals,
        hedge_mode=settings.dualSidePosition,
        can_trade=settings.canTrade,
        event_ns=now_ns,
    )


def leverage_set(raw: bytes, leverage: int) -> None:
    """Check that the venue set what was asked for. Errors: `FrameError` where it did not."""
    row = decode(_LEVERAGE, raw, "leverage")
    if row.leverage != leverage:
        raise FrameError(f"leverage: asked for {leverage}, set {row.leverage}")


def every_symbol_settings(raw: bytes, venue: str) -> tuple[SymbolSettings, ...]:
    return tuple(
        SymbolSettings(Key(venue, row.symbol), row.leverage, row.marginType.upper() == "ISOLATED")
        for row in decode(_SYMBOL_CONFIG, raw, "symbolConfig")
    )


def symbol_settings(raw: bytes, key: Key) -> SymbolSettings:
    for settings in every_symbol_settings(raw, key.venue):
        if settings.key == key:
            return settings
    raise FrameError(f"symbolConfig: nothing for {key.symbol}")


def key_rights(raw: bytes) -> KeyRights:
    row = decode(_RIGHTS, raw, "apiRestrictions")
    return KeyRights(row.enableFutures, row.enableWithdrawals, row.ipRestrict)


def confirmation(raw: bytes) -> None:
    """Read the answer to a change that has no other content. Errors: `FrameError` if it is none."""
    if decode(_CONFIRMATION, raw, "confirmation").code not in (200, "200"):
        raise FrameError("confirmation: its code is not 200")


def countdown_set(raw: bytes, after_ms: int) -> None:
    """Check that the countdown is the one asked for. Errors: `FrameError` where it is not."""
    if str(decode(_COUNTDOWN, raw, "countdownCancelAll").countdownTime) != str(after_ms):
        raise FrameError(f"countdownCancelAll: asked for {after_ms} ms, got another time")


def listen_key(raw: bytes) -> str:
    """Read the key of a user stream: a bearer secret, never to be logged."""
    key = decode(_LISTEN_KEY, raw, "listenKey").listenKey
    if not key.isalnum() or not key.isascii():
        raise FrameError("listenKey: not a key")
    return key
