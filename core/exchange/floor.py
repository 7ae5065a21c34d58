"""The floor: all mutable state of the simulated exchange and its double-entry money."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from heapq import heappush

from attrs import Factory, define

from core.exchange.events import BalanceChange, ExchangeEvent
from core.exchange.liquidity import Liquidity
from core.exchange.refusals import Reason, Refusal
from core.exchange.resting import Resting, Working
from core.exchange.rows import (
    Amendment,
    ConditionalOrder,
    IncomeKind,
    IncomeRow,
    SymbolRow,
    VenueTrade,
)
from core.exchange.settings import ExchangeSettings, Random
from core.exchange.triggers import Triggers
from core.instruments import Instrument, LeverageBracket
from core.messages import Key, MarkPrice, OrderType, PositionSide
from core.money import ZERO
from core.positions import Position

POOL_OF = {
    IncomeKind.TRANSFER: "deposits",
    IncomeKind.REALISED_PNL: "market",
    IncomeKind.COMMISSION: "fees",
    IncomeKind.FUNDING_FEE: "funding",
    IncomeKind.INSURANCE_CLEAR: "insurance",
}


@define(slots=True, eq=False)
class Held:
    """One side's position with what its isolated wallet holds; `carried` as in `PositionRow`."""

    position: Position
    isolated_wallet: Decimal = ZERO
    carried: Decimal = ZERO
    updated_ns: int = 0


class Symbol:
    """Everything of one symbol: market, our orders, positions, settings, funding."""

    __slots__ = (
        "bar_ns",
        "brackets",
        "countdown_ns",
        "fresh",
        "funding_rate",
        "held",
        "instrument",
        "isolated",
        "key",
        "last_funding_ns",
        "leverage",
        "liquidity",
        "mark",
        "mark_event",
        "next_fill_id",
        "next_funding_ns",
        "resting",
        "trades",
        "triggers",
    )

    def __init__(
        self,
        instrument: Instrument,
        brackets: tuple[LeverageBracket, ...],
        settings: ExchangeSettings,
    ) -> None:
        self.instrument = instrument
        self.key: Key = instrument.key
        self.brackets = brackets
        self.liquidity = Liquidity(instrument, settings)
        self.resting = Resting(instrument.multiplier)
        self.triggers = Triggers()
        self.held = {side: Held(Position(side)) for side in PositionSide}
        self.leverage = min(settings.default_leverage, brackets[0].max_leverage)
        self.isolated = False
        self.next_fill_id = settings.first_fill_id
        self.mark = ZERO
        self.mark_event: MarkPrice | None = None
        self.funding_rate = ZERO
        self.next_funding_ns = 0
        self.last_funding_ns = 0
        self.countdown_ns = 0
        self.fresh = True
        self.bar_ns = 0
        self.trades: list[VenueTrade] = []

    @property
    def flat(self) -> bool:
        return all(held.position.quantity == ZERO for held in self.held.values())

    def reference(self) -> Decimal:
        """Return the mark price; until one is known, the market's."""
        return self.mark or self.liquidity.reference()

    def closable(self, position_side: PositionSide, sign: int) -> Decimal:
        """Return how much an order of direction `sign` can close of a position."""
        return max(ZERO, -sign * self.held[position_side].position.quantity)

    def row(self) -> SymbolRow:
        return SymbolRow(
            key=self.key,
            leverage=self.leverage,
            isolated=self.isolated,
            next_fill_id=self.next_fill_id,
            mark=self.mark,
            funding_rate=self.funding_rate,
            next_funding_ns=self.next_funding_ns,
            last_funding_ns=self.last_funding_ns,
            countdown_ns=self.countdown_ns,
        )


@define(slots=True, eq=False)
class Touched:
    """What changed since the last drain; trades, income and amendments only grow."""

    orders: dict[int, Working] = Factory(dict)
    conditionals: dict[int, None] = Factory(dict)
    positions: dict[tuple[str, PositionSide], None] = Factory(dict)
    balances: dict[str, None] = Factory(dict)
    symbols: dict[str, None] = Factory(dict)
    pools: dict[tuple[str, str], None] = Factory(dict)
    trades: list[VenueTrade] = Factory(list)
    account: bool = True
    income_from: int = 0
    amendments_from: int = 0


class Floor:
    """Orders, conditionals, symbols, wallets, pools, counters, events not yet handed out."""

    def __init__(
        self,
        venue: str,
        symbols: Iterable[Symbol],
        random: Random,
        settings: ExchangeSettings,
    ) -> None:
        self.venue = venue
        self.settings = settings
        self.dice = random
        self.hedge_mode = settings.hedge_mode
        self.symbols = {symbol.key.symbol: symbol for symbol in symbols}
        self.orders: dict[int, Working] = {}
        self.open_ids: dict[tuple[str, str], Working] = {}
        self.newest_ids: dict[tuple[str, str], int] = {}
        self.conditionals: dict[int, ConditionalOrder] = {}
        self.newest_algo: dict[str, int] = {}
        self.amendments: list[Amendment] = []
        self.income: list[IncomeRow] = []
        self.wallets: dict[str, Decimal] = {}
        self.wallet_ns: dict[str, int] = {}
        self.pools: dict[tuple[str, str], Decimal] = {}
        self.next_order_id = settings.first_order_id
        self.next_algo_id = settings.first_algo_id
        self.next_income_id = 1
        self.next_amendment_id = 1
        self.events: list[ExchangeEvent] = []
        self.due: list[tuple[int, int, str, str, int]] = []
        self.touched = Touched(symbols=dict.fromkeys(self.symbols))
        self.called_assets: set[str] = set()
        self._due_number = 0

    def symbol(self, name: str) -> Symbol:
        """Return a symbol. Errors: `Refusal`."""
        try:
            return self.symbols[name]
        except KeyError:
            raise Refusal(Reason.SYMBOL_UNKNOWN, f"{name} is not listed here") from None

    def schedule(self, at_ns: int, kind: str, symbol: str, order_id: int = 0) -> None:
        """Have `kind` of work done at `at_ns`; equal times in the order they were scheduled."""
        self._due_number += 1
        heappush(self.due, (at_ns, self._due_number, kind, symbol, order_id))

    # Money: every booking has a wallet on one side and a pool on the other

    def book(
        self,
        kind: IncomeKind,
        asset: str,
        amount: Decimal,
        now_ns: int,
        *,
        symbol: str = "",
        fill_id: str = "",
    ) -> IncomeRow | None:
        """Move money between a wallet and the pool of its kind; nothing for 0."""
        if not amount:
            return None
        pool = (POOL_OF[kind], asset)
        self.wallets[asset] = self.wallets.get(asset, ZERO) + amount
        self.pools[pool] = self.pools.get(pool, ZERO) - amount
        self.wallet_ns[asset] = now_ns
        row = IncomeRow(self.next_income_id, kind, symbol, asset, amount, now_ns, fill_id)
        self.next_income_id += 1
        self.income.append(row)
        self.touched.balances[asset] = None
        self.touched.pools[pool] = None
        self.touched.account = True
        return row

    def wallet(self, asset: str) -> Decimal:
        return self.wallets.get(asset, ZERO)

    def cross_wallet(self, asset: str) -> Decimal:
        """Return the wallet less what isolated positions hold of it."""
        isolated = sum(
            (
                held.isolated_wallet
                for symbol in self.symbols.values()
                if symbol.isolated and symbol.instrument.margin_asset == asset
                for held in symbol.held.values()
            ),
            ZERO,
        )
        return self.wallet(asset) - isolated

    def balance_change(self, asset: str, change: Decimal = ZERO) -> BalanceChange:
        return BalanceChange(asset, self.wallet(asset), self.cross_wallet(asset), change)

    def touch_position(self, symbol: Symbol, side: PositionSide) -> None:
        self.touched.positions[symbol.key.symbol, side] = None

    def touch_symbol(self, symbol: Symbol) -> None:
        self.touched.symbols[symbol.key.symbol] = None

    def keep_conditional(self, order: ConditionalOrder) -> None:
        """Store a conditional order's new state."""
        self.conditionals[order.algo_id] = order
        self.touched.conditionals[order.algo_id] = None

    def waiting_conditionals(self) -> int:
        return sum(len(symbol.triggers) for symbol in self.symbols.values())

    def generated_id(self) -> str:
        """Make up a client order id of 22 characters."""
        return "".join(_ALPHABET[self.dice.randrange(0, len(_ALPHABET))] for _ in range(22))


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MARKET_TYPES = (
    OrderType.MARKET,
    OrderType.STOP_MARKET,
    OrderType.TAKE_PROFIT_MARKET,
    OrderType.TRAILING_STOP_MARKET,
)
