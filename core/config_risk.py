"""Contradictions between `[risk]` and the bots that trade under it, for `core.config_conflicts`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from core.errors import ConfigError
from core.money import ZERO, text

if TYPE_CHECKING:
    from core.config import Bot, Config

__all__ = ["risk_conflicts"]

_BPS = Decimal(10_000)
_MAINTENANCE_BPS = Decimal(100)
"""Kept for maintenance margin: what the lowest brackets of large symbols need, twice over."""


def risk_conflicts(config: Config) -> Iterator[ConfigError]:
    """Return every contradiction that has to do with a limit of risk."""
    for place, bot in enumerate(config.bots):
        yield from _leverage(f"bots[{place}]", bot, config)
        yield from _ladder(f"bots[{place}]", bot, config)
    yield from _order_of_caps(config)
    yield from _all_ladders(config)
    yield from _symbols(config)
    yield from _groups(config)
    yield from _losses_and_guards(config)


def _leverage(path: str, bot: Bot, config: Config) -> Iterator[ConfigError]:
    risk = config.risk
    if bot.leverage > risk.max_leverage:
        yield ConfigError(
            f"leverage {bot.leverage} is over risk.max_leverage {risk.max_leverage}",
            f"{path}.leverage",
            f"write at most {risk.max_leverage}",
        )
        return
    distance = _liquidation_bps(bot.leverage)
    least, name = max(
        (risk.min_liquidation_distance_bps, "risk.min_liquidation_distance_bps"),
        (risk.guards.liquidation_warning_bps, "risk.guards.liquidation_warning_bps"),
    )
    if distance < least:
        most = _BPS // (least + _MAINTENANCE_BPS)
        yield ConfigError(
            f"at leverage {bot.leverage} liquidation is {text(distance)} bps from an entry, "
            f"nearer than {name} {text(least)}",
            f"{path}.leverage",
            f"write at most {text(most)}, or lower {name}" if most else f"lower {name}",
        )
    if bot.stop_loss_bps >= distance:
        yield ConfigError(
            f"at leverage {bot.leverage} a position may be liquidated before this stop",
            f"{path}.stop_loss_bps",
            f"write less than {text(distance)}" if distance > 1 else "lower the leverage",
        )


def _liquidation_bps(leverage: int) -> Decimal:
    """Return how far from its entry an isolated position is liquidated, in whole basis points."""
    return max(_BPS // leverage - _MAINTENANCE_BPS, ZERO)


def _ladder(path: str, bot: Bot, config: Config) -> Iterator[ConfigError]:
    risk = config.risk
    if not _usable(bot):
        yield ConfigError(
            f"{bot.levels} levels of {text(bot.spacing_bps)} bps reach a price of 0",
            f"{path}.spacing_bps",
            f"write less than {text(_BPS // bot.levels)}",
        )
        return
    if bot.levels > risk.max_open_orders_per_side:
        yield ConfigError(
            f"{bot.levels} levels are over risk.max_open_orders_per_side "
            f"{risk.max_open_orders_per_side}",
            f"{path}.levels",
            f"write at most {risk.max_open_orders_per_side}",
        )
    order = _worst_order(bot)
    if order > risk.max_order_notional:
        yield ConfigError(
            f"an order counts for up to {_money(order)}, over risk.max_order_notional "
            f"{text(risk.max_order_notional)}",
            f"{path}.order_notional",
            "make the order smaller or the cap larger",
        )
    if risk.canary.enabled and order > risk.canary.max_order_notional:
        most = risk.canary.max_order_notional * bot.order_notional // order
        yield ConfigError(
            f"an order counts for up to {_money(order)}, over risk.canary.max_order_notional "
            f"{text(risk.canary.max_order_notional)}: a canary does not shrink orders by itself",
            f"{path}.order_notional",
            f"write at most {text(most)} while risk.canary.enabled is true, or raise its cap",
        )
    ladder = bot.levels * order
    if ladder > risk.max_symbol_notional:
        yield ConfigError(
            f"a full ladder counts for up to {_money(ladder)}, over risk.max_symbol_notional "
            f"{text(risk.max_symbol_notional)}",
            f"{path}.levels",
            "use fewer levels, smaller orders or a larger cap",
        )


def _order_of_caps(config: Config) -> Iterator[ConfigError]:
    risk = config.risk
    order = ("max_order_notional", "max_symbol_notional", "max_side_notional", "max_gross_notional")
    for small, large in pairwise(order):
        if getattr(risk, small) > getattr(risk, large):
            yield ConfigError(
                f"{text(getattr(risk, large))} is under risk.{small} {text(getattr(risk, small))}",
                f"risk.{large}",
                f"write at least {text(getattr(risk, small))}",
            )


def _all_ladders(config: Config) -> Iterator[ConfigError]:
    side = _ladders((bot, len(bot.symbols)) for bot in config.bots)
    for name, needed in (
        ("max_side_notional", side),
        ("max_net_notional", side),
        ("max_gross_notional", 2 * side),
    ):
        if needed > getattr(config.risk, name):
            yield ConfigError(
                f"the full ladders of all bots count for up to {_money(needed)}",
                f"risk.{name}",
                f"raise it from {text(getattr(config.risk, name))}, or make the ladders smaller",
            )


def _symbols(config: Config) -> Iterator[ConfigError]:
    owners = {(bot.venue, symbol): bot for bot in config.bots for symbol in bot.symbols}
    first: dict[tuple[str, str], int] = {}
    for place, caps in enumerate(config.risk.symbols):
        path = f"risk.symbols[{place}]"
        key = (caps.venue, caps.symbol)
        known = first.setdefault(key, place)
        if known != place:
            yield ConfigError(
                f'"{caps.symbol}" has caps in risk.symbols[{known}] too',
                f"{path}.symbol",
                "make one table of the two",
            )
        bot = owners.get(key)
        if bot is None:
            yield _traded_by_nobody(caps.symbol, f"{path}.symbol")
            continue
        if caps.max_leverage > config.risk.max_leverage:
            yield ConfigError(
                f"{caps.max_leverage} is over risk.max_leverage {config.risk.max_leverage}",
                f"{path}.max_leverage",
                f"write at most {config.risk.max_leverage}",
            )
        if caps.max_leverage and bot.leverage > caps.max_leverage:
            yield ConfigError(
                f"its bot {bot.name} has leverage {bot.leverage}",
                f"{path}.max_leverage",
                f"write at least {bot.leverage}, or lower the bot's",
            )
        ladder = _ladders([(bot, 1)])
        if caps.max_notional and ladder > caps.max_notional:
            yield ConfigError(
                f"a full ladder of {bot.name} counts for up to {_money(ladder)}",
                f"{path}.max_notional",
                f"raise it from {text(caps.max_notional)}, or make the ladder smaller",
            )


def _groups(config: Config) -> Iterator[ConfigError]:
    traded = {symbol for bot in config.bots for symbol in bot.symbols}
    first: dict[str, int] = {}
    for place, group in enumerate(config.risk.groups):
        path = f"risk.groups[{place}]"
        known = first.setdefault(group.name, place)
        if known != place:
            yield ConfigError(
                f'"{group.name}" is the name of risk.groups[{known}] too',
                f"{path}.name",
                "rename one",
            )
        for index, symbol in enumerate(group.symbols):
            if symbol not in traded:
                yield _traded_by_nobody(symbol, f"{path}.symbols[{index}]")
        needed = _ladders(
            (bot, sum(symbol in group.symbols for symbol in bot.symbols)) for bot in config.bots
        )
        if needed > group.max_notional:
            yield ConfigError(
                f"the full ladders of its symbols count for up to {_money(needed)}",
                f"{path}.max_notional",
                f"raise it from {text(group.max_notional)}, or make the ladders smaller",
            )


def _losses_and_guards(config: Config) -> Iterator[ConfigError]:
    losses, guards = config.risk.losses, config.risk.guards
    if losses.max_daily_loss_percent > losses.max_drawdown_percent:
        yield ConfigError(
            f"{text(losses.max_daily_loss_percent)} % is over risk.losses.max_drawdown_percent "
            f"{text(losses.max_drawdown_percent)}, which trips first",
            "risk.losses.max_daily_loss_percent",
            f"write at most {text(losses.max_drawdown_percent)}",
        )
    if guards.liquidation_reduce_bps >= guards.liquidation_warning_bps:
        yield ConfigError(
            f"a part is closed at {text(guards.liquidation_reduce_bps)} bps, before the warning at "
            f"{text(guards.liquidation_warning_bps)}",
            "risk.guards.liquidation_reduce_bps",
            f"write less than {text(guards.liquidation_warning_bps)}",
        )
    read_ms = int(config.market.reconcile_every_s * 1000)
    if guards.account_stale_after_ms < 2 * read_ms:
        yield ConfigError(
            f"{guards.account_stale_after_ms} ms are over before a late reading of the account "
            "could come",
            "risk.guards.account_stale_after_ms",
            f"write at least {2 * read_ms}, twice market.reconcile_every_s, or shorten that",
        )
    supervision = config.supervision
    failed_ms = int(max(supervision.mailbox_age_s, 2 * supervision.busy_deadline_s) * 1000)
    if guards.slow_mailbox_ms >= failed_ms:
        yield ConfigError(
            f"{guards.slow_mailbox_ms} ms never come: an actor whose oldest message waited "
            f"{failed_ms} ms has failed",
            "risk.guards.slow_mailbox_ms",
            f"write less than {failed_ms}, the larger of supervision.mailbox_age_s and twice "
            "busy_deadline_s",
        )


def _traded_by_nobody(symbol: str, where: str) -> ConfigError:
    return ConfigError(
        f'no bot trades "{symbol}"', where, "remove it, or write the symbol of a bot"
    )


def _ladders(bots: Iterable[tuple[Bot, int]]) -> Decimal:
    """Return what the full ladders of one direction count for, so many symbols of each bot."""
    return sum(
        (symbols * bot.levels * _worst_order(bot) for bot, symbols in bots if _usable(bot)), ZERO
    )


def _usable(bot: Bot) -> bool:
    return bot.levels * bot.spacing_bps < _BPS


def _worst_order(bot: Bot) -> Decimal:
    """Return what the farthest order of a ladder may count for, in quote money.

    Risk values an order at the worse of its price and the mark, and the farthest rung is the whole
    ladder away from the mark.
    """
    return bot.order_notional / (1 - bot.levels * bot.spacing_bps / _BPS)


def _money(value: Decimal) -> str:
    return text(round(value, 2))
