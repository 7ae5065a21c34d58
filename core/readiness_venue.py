"""Readiness of a venue: clock, key, settings, instruments, fees, rates, margin, a test order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from core.config import BinanceVenue, Bot, Config
from core.errors import InvalidOrder
from core.ids import make
from core.instruments import Instrument, quantity_for_risk
from core.messages import Key, OrderType, PlaceOrder, PositionSide, Side, TimeInForce
from core.money import ZERO, ceil_to_step, text
from core.ports import AccountState, ClockSample, Commission, KeyRights, RateUsage, SymbolSettings
from core.readiness import Item, fail, ok, warn

__all__ = [
    "account",
    "clock",
    "fees",
    "free_margin",
    "instruments",
    "key_rights",
    "leverage",
    "margin_mode",
    "minimal_order",
    "position_mode",
    "rate_limits",
    "rehearsals",
    "traded",
]

_NS_MS = 1_000_000
_BPS = Decimal(10_000)
_CENT = Decimal("0.01")
_FAR_FROM_MARK = Decimal("0.97")
_BUSY_PERCENT = 50
_SET_BY_START = "nothing: the start sets it and reads it back"


def traded(config: Config) -> dict[Key, Bot]:
    """Return every symbol with the bot that trades it."""
    return {Key(bot.venue, symbol): bot for bot in config.bots for symbol in bot.symbols}


def clock(samples: Sequence[ClockSample], settings: BinanceVenue) -> Item:
    """Judge the venue's clock against ours by the shortest of some round trips."""
    best = min(samples, key=lambda sample: sample.round_trip_ns)
    offset_ms, trip_ms = best.offset_ns / _NS_MS, best.round_trip_ns / _NS_MS
    figure = f"{offset_ms:+.1f} ms against ours, round trip {trip_ms:.1f} ms"
    if trip_ms > settings.recv_window_ms:
        what = f"{figure}; signed requests arrive after {settings.recv_window_ms} ms at the latest"
        return fail("clock", what, "find a faster way to the venue, or raise recv_window_ms")
    if abs(offset_ms) > settings.max_clock_drift_ms:
        what = f"{figure}; over {settings.max_clock_drift_ms} ms (max_clock_drift_ms)"
        return warn("clock", what, "let NTP set this machine's clock (timedatectl set-ntp true)")
    return ok("clock", figure)


def key_rights(rights: KeyRights, mode: str, *, allow_unrestricted: bool) -> Iterator[Item]:
    """Judge what the key may do; a venue that does not tell is no good enough for real money."""
    untold = fail if mode == "live" else warn
    ask = "look at the key's page at the venue"
    if rights.trade is None:
        yield untold("key_trading", "the venue does not tell", ask)
    elif rights.trade:
        yield ok("key_trading", "the key may trade futures")
    else:
        mend = "enable futures for this key at the venue"
        yield fail("key_trading", "the key may not trade futures", mend, unsafe=True)
    if rights.withdraw is None:
        yield untold("key_withdrawal", "the venue does not tell", ask)
    elif rights.withdraw:
        mend = "make a key without the right to withdraw"
        yield fail("key_withdrawal", "the key may withdraw money", mend, unsafe=True)
    else:
        yield ok("key_withdrawal", "the key may not withdraw")
    if rights.ip_restricted:
        yield ok("key_addresses", "the key works from listed addresses only")
    elif allow_unrestricted and mode == "live":
        what = "not bound to addresses, allowed by venues.binance.allow_unrestricted_key"
        yield ok("key_addresses", what)
    elif rights.ip_restricted is None:
        yield untold("key_addresses", "the venue does not tell", ask)
    else:
        mend = "bind it to this machine's address at the venue"
        yield untold("key_addresses", "the key works from any address", mend)


def account(state: AccountState, asset: str) -> Item:
    """Judge whether the account may trade and holds the margin asset."""
    held = next((row.wallet for row in state.balances if row.asset == asset), None)
    if not state.can_trade:
        mend = "ask the venue why; it is its switch"
        return fail("account", "the account may not trade", mend, unsafe=True)
    if not held:
        return fail("account", f"it holds no {asset}", f"move {asset} into the futures wallet")
    return ok("account", f"wallet {_money(held)} {asset}, it may trade")


def position_mode(state: AccountState, hedge: bool, *, was_set: bool) -> Item:
    """Compare the position mode with the configured one; `was_set` by us just before."""
    words = {True: "hedge mode", False: "one-way mode"}
    if state.hedge_mode == hedge:
        return ok("position_mode", words[hedge])
    figure = f"{words[state.hedge_mode]}, {words[hedge]} is configured (venues.binance.hedge_mode)"
    return _unset("position_mode", figure, was_set)


def margin_mode(found: Mapping[Key, SymbolSettings], isolated: bool, *, was_set: bool) -> Item:
    """Compare each symbol's margin mode with the configured one."""
    words = {True: "isolated", False: "cross"}
    other = [key.symbol for key, settings in found.items() if settings.isolated != isolated]
    if not other:
        return ok("margin_mode", f"{words[isolated]} on all symbols")
    figure = f"{words[not isolated]} on {', '.join(other)}, {words[isolated]} is configured"
    return _unset("margin_mode", f"{figure} (venues.binance.margin)", was_set)


def leverage(
    found: Mapping[Key, SymbolSettings], wanted: Mapping[Key, Bot], *, was_set: bool
) -> Item:
    """Compare each symbol's leverage with its bot's."""
    other = [
        f"{key.symbol} {settings.leverage}x, configured {wanted[key].leverage}x"
        for key, settings in found.items()
        if settings.leverage != wanted[key].leverage
    ]
    if not other:
        shown = ", ".join(f"{key.symbol} {bot.leverage}x" for key, bot in wanted.items())
        return ok("leverage", shown)
    return _unset("leverage", f"{'; '.join(other)} (bots.leverage)", was_set)


def _unset(name: str, figure: str, was_set: bool) -> Item:
    if was_set:
        mend = "close what is open on it, or set it at the venue by hand"
        return fail(name, f"{figure}; the venue did not take it", mend)
    return warn(name, figure, _SET_BY_START, by_start=True)


def instruments(
    listed: Mapping[Key, Instrument], marks: Mapping[Key, Decimal], wanted: Mapping[Key, Bot]
) -> Item:
    """Judge whether each symbol trades and takes the smallest order of its ladder."""
    problems: list[str] = []
    for key, bot in wanted.items():
        instrument = listed.get(key)
        if instrument is None:
            problems.append(f"{key.symbol} is not listed")
        elif not instrument.trading:
            problems.append(f"{key.symbol} is not open for trading")
        elif key not in marks:
            problems.append(f"{key.symbol} has no mark price")
        else:
            # The farthest ask buys the least for the same money.
            highest = marks[key] * (1 + bot.levels * bot.spacing_bps / _BPS)
            try:
                quantity_for_risk(instrument, bot.order_notional, highest)
            except InvalidOrder as problem:
                problems.append(f"{key.symbol}: {problem.text}")
    if problems:
        mend = "trade other symbols, or raise bots.order_notional"
        return fail("instruments", "; ".join(problems), mend)
    least = ", ".join(f"{key.symbol} from {_money(listed[key].min_notional)}" for key in wanted)
    return ok("instruments", f"all trade and take the configured orders: {least}")


def fees(found: Mapping[Key, Commission], wanted: Mapping[Key, Bot]) -> Item:
    """Judge whether a round trip to the take-profit earns more than its fees."""
    problems: list[str] = []
    for key, bot in wanted.items():
        if key not in found:
            continue
        entry = found[key].maker if bot.maker_only else found[key].taker
        trip_bps = (entry + found[key].maker) * _BPS
        if bot.take_profit_bps <= trip_bps:
            problems.append(
                f"{key.symbol}: take_profit_bps {text(bot.take_profit_bps)} is no more than the "
                f"{text(trip_bps)} bps of a round trip's fees"
            )
    shown = sorted({(_bps(rate.maker), _bps(rate.taker)) for rate in found.values()})
    tier = ", ".join(f"maker {maker} bps, taker {taker} bps" for maker, taker in shown)
    if problems:
        return fail("fees", f"{tier}; {'; '.join(problems)}", "raise bots.take_profit_bps")
    return ok("fees", tier)


def rate_limits(usage: Sequence[RateUsage], reserve_percent: int) -> Item:
    """Judge how much of each rate limit other programs of this address and account use."""
    figure = ", ".join(f"{rate.name} {rate.used} of {rate.limit}" for rate in usage)
    most = max((100 * rate.used // rate.limit for rate in usage if rate.limit), default=0)
    mend = "stop what else uses this address or account, or wait a minute"
    if most >= 100 - reserve_percent:
        return fail("rate_limits", f"{figure}; only the reserve is left", mend)
    if most >= _BUSY_PERCENT:
        return warn("rate_limits", f"{figure}; over {_BUSY_PERCENT} % in use", mend)
    return ok("rate_limits", figure)


def free_margin(state: AccountState, wanted: Mapping[Key, Bot], min_free_percent: Decimal) -> Item:
    """Judge whether the account carries the full ladders of all bots, both sides at once.

    What positions and orders bind already counts as free for them.
    """
    needed = sum(
        (2 * bot.levels * bot.order_notional / bot.leverage for bot in wanted.values()), ZERO
    )
    there = state.available + state.initial_margin
    reserve = max(state.margin_balance, ZERO) * min_free_percent / 100
    figure = f"{_money(there)} for full ladders of {_money(needed)}"
    mend = "fewer or smaller rungs (bots.levels, bots.order_notional), or more money"
    if needed > there:
        return fail("free_margin", figure, mend)
    if needed > there - reserve:
        what = f"{figure}; {_money(reserve)} must stay free (risk.min_free_margin_percent)"
        return warn("free_margin", what, mend)
    return ok("free_margin", figure)


def minimal_order(instrument: Instrument, mark: Decimal, host: str, *, hedge: bool) -> PlaceOrder:
    """Return the smallest legal bid, well away from the market: for the venue to judge."""
    lowest = max(_FAR_FROM_MARK, instrument.price_down) * mark
    price = instrument.passive_price(lowest, Side.BUY)
    needed = instrument.min_notional / (price * instrument.multiplier)
    quantity = max(ceil_to_step(needed, instrument.lot_step), instrument.min_quantity)
    return PlaceOrder(
        instrument.key,
        make(host, "check", instrument.key.symbol, 0),
        Side.BUY,
        PositionSide.LONG if hedge else PositionSide.BOTH,
        OrderType.LIMIT,
        quantity,
        price=price,
        time_in_force=TimeInForce.POST_ONLY,
    )


def rehearsals(refusals: Mapping[Key, str], *, mode_fits: bool) -> Item:
    """Say what the venue's test endpoint answered to each symbol's minimal order ("" for yes)."""
    if not mode_fits:
        what = "not asked: orders are written for a position mode that is not set yet"
        return warn("test_order", what, _SET_BY_START, by_start=True)
    refused = [f"{key.symbol}: {why}" for key, why in refusals.items() if why]
    if refused:
        return fail("test_order", "; ".join(refused), "mend what the venue names")
    symbols = ", ".join(key.symbol for key in refusals)
    return ok("test_order", f"the venue would take a minimal order on {symbols}")


def _money(value: Decimal) -> str:
    return text(round(value, 2))


def _bps(rate: Decimal) -> str:
    return text((rate * _BPS).quantize(_CENT))
