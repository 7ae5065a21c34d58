"""The instruments the local exchange lists: steps, limits, fees and leverage brackets."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from core.errors import UsageError
from core.instruments import Instrument, LeverageBracket
from core.messages import Key

__all__ = ["Listing", "brackets", "listing"]

D = Decimal


@frozen(slots=True)
class Listing:
    """One symbol: its rules, where a synthetic market starts, and how the venue prints it."""

    instrument: Instrument
    start_price: Decimal
    price_places: int
    quantity_places: int


# symbol: base, tick, minimum price, maximum price, lot step, maximum quantity, of market orders,
# minimum notional, start price. Source: fact sheet §3.1 (BTC, ETH) and an exchangeInfo of 2025-11.
_ROWS: dict[str, tuple[str, ...]] = {
    "BTCUSDT": ("BTC", "0.10", "556.80", "4529764", "0.001", "1000", "120", "50", "63000"),
    "ETHUSDT": ("ETH", "0.01", "39.86", "306177", "0.001", "10000", "2000", "20", "3400"),
    "SOLUSDT": ("SOL", "0.0100", "0.4200", "6857", "1", "1000000", "5000", "5", "155"),
    "XRPUSDT": ("XRP", "0.0001", "0.0143", "100000", "0.1", "10000000", "2000000", "5", "0.6"),
    "DOGEUSDT": ("DOGE", "0.000010", "0.002440", "30", "1", "50000000", "30000000", "5", "0.125"),
    "BNBUSDT": ("BNB", "0.010", "6.600", "100000", "0.01", "10000", "2000", "5", "580"),
    "ADAUSDT": ("ADA", "0.00010", "0.01740", "20000", "1", "2000000", "300000", "5", "0.45"),
    "LTCUSDT": ("LTC", "0.01", "3.61", "100000", "0.001", "10000", "5000", "5", "70"),
    "AVAXUSDT": ("AVAX", "0.0010", "0.3500", "2403", "1", "1000000", "5000", "5", "28"),
    "LINKUSDT": ("LINK", "0.001", "0.464", "100000", "0.01", "100000", "20000", "5", "14"),
    "ALGOUSDT": ("ALGO", "0.0001", "0.0001", "1000", "0.1", "1000000", "500000", "5", "0.15"),
    "WIFUSDT": ("WIF", "0.0001", "0.0001", "1000", "0.1", "1000000", "50000", "5", "2.2"),
    "1000PEPEUSDT": (
        *("1000PEPE", "0.0000001", "0.0000001", "200", "1", "100000000", "10000000", "5"),
        "0.0115",
    ),
    "1000SHIBUSDT": (
        *("1000SHIB", "0.000001", "0.000157", "2000", "1", "100000000", "10000000", "5"),
        "0.0175",
    ),
}

# maximum leverage, notional cap, maintenance rate
_MAJOR = (
    (125, 300_000, "0.004"),
    (100, 800_000, "0.005"),
    (75, 3_000_000, "0.0065"),
    (50, 12_000_000, "0.01"),
    (25, 70_000_000, "0.02"),
    (20, 100_000_000, "0.025"),
    (10, 230_000_000, "0.05"),
    (5, 480_000_000, "0.1"),
    (4, 600_000_000, "0.125"),
    (3, 800_000_000, "0.15"),
    (2, 1_200_000_000, "0.25"),
    (1, 1_800_000_000, "0.5"),
)
_OTHER = (
    (75, 10_000, "0.005"),
    (50, 50_000, "0.01"),
    (40, 100_000, "0.015"),
    (25, 500_000, "0.02"),
    (20, 1_000_000, "0.025"),
    (10, 5_000_000, "0.05"),
    (5, 10_000_000, "0.1"),
    (4, 20_000_000, "0.125"),
    (2, 30_000_000, "0.25"),
    (1, 50_000_000, "0.5"),
)


def listing(venue: str, symbol: str, price: Decimal | None = None) -> Listing:
    """Return the rules of a symbol; one that is not in the table is derived from its `price`.

    Derived: a tick five digits under the price, a lot of about 0.05 USDT at most. Errors:
    `UsageError` for a symbol that is neither known nor priced.
    """
    row = _ROWS.get(symbol)
    if row is None:
        row = _derived(symbol, price)
    base, tick, least, most, step, max_quantity, market_max, notional, start = row
    instrument = Instrument(
        key=Key(venue, symbol),
        base=base,
        quote="USDT",
        margin_asset="USDT",
        tick_size=D(tick),
        lot_step=D(step),
        min_quantity=D(step),
        max_quantity=D(max_quantity),
        market_max_quantity=D(market_max),
        min_notional=D(notional),
        min_price=D(least),
        max_price=D(most),
        price_up=D("1.05"),
        price_down=D("0.95"),
        max_open_orders=200,
        max_conditional_orders=200,
    )
    places = max(2, -int(D(tick).as_tuple().exponent))
    return Listing(instrument, price or D(start), places, -int(D(step).as_tuple().exponent))


def _derived(symbol: str, price: Decimal | None) -> tuple[str, ...]:
    if not symbol.isascii() or not symbol.isalnum() or not symbol.endswith("USDT"):
        raise UsageError(f"{symbol!r} is no USDT perpetual", "--symbols", "write it as BTCUSDT")
    if price is None or price <= 0:
        known = ", ".join(_ROWS)
        raise UsageError(
            f"{symbol} has no start price for a synthetic market", "--symbols", f"choose of {known}"
        )
    tick = D(10) ** (price.adjusted() - 4)
    step = min(D(1), D(10) ** (-1 - price.adjusted()))
    return (
        symbol.removesuffix("USDT"),
        f"{tick:f}",
        f"{tick:f}",
        f"{tick * 10_000_000:f}",
        f"{step:f}",
        f"{step * 10_000_000:f}",
        f"{step * 1_000_000:f}",
        "5",
        f"{price:f}",
    )


def brackets(symbol: str) -> tuple[LeverageBracket, ...]:
    """Return the leverage brackets; deductions make the maintenance margin continuous.

    Source: fact sheet §3.2 and the venue's brackets of 2024-10; symbols without their own share
    one ladder.
    """
    found: list[LeverageBracket] = []
    floor = rate = deduction = D(0)
    for leverage, cap, text in _MAJOR if symbol in ("BTCUSDT", "ETHUSDT") else _OTHER:
        deduction += floor * (D(text) - rate)
        rate = D(text)
        found.append(LeverageBracket(floor, D(cap), leverage, rate, deduction))
        floor = D(cap)
    return tuple(found)
