"""The market side of one symbol: what a taker finds, what a passive order queues behind."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from core.errors import BookError
from core.exchange.settings import ExchangeSettings
from core.instruments import Instrument
from core.market import Book
from core.messages import BookDelta, BookSnapshot, Level, Quote, Side, Trade
from core.money import ZERO, ceil_to_step, floor_to_step

_BPS = Decimal(10_000)


class Liquidity:
    """Book, quote and last price of one symbol, less what our own taker orders have eaten.

    The newest of book and quote gives the top; without a book, synthetic levels stand behind the
    quote, and without a quote around the last price. What we ate of a level is given back when
    the market speaks of that level again. `book_errors` counts gaps and crossings: the book is
    then out until the next snapshot, the quote stands in.
    """

    __slots__ = (
        "_eaten",
        "book",
        "book_errors",
        "instrument",
        "last_book_error",
        "last_price",
        "last_trade",
        "quote",
        "settings",
    )

    def __init__(self, instrument: Instrument, settings: ExchangeSettings) -> None:
        self.instrument = instrument
        self.settings = settings
        self.book = Book(instrument.key)
        self.quote: Quote | None = None
        self.last_trade: Trade | None = None
        self.last_price = ZERO
        self.book_errors = 0
        self.last_book_error = ""
        self._eaten: dict[Side, dict[Decimal, Decimal]] = {Side.BUY: {}, Side.SELL: {}}

    def on_book(self, event: BookSnapshot | BookDelta) -> bool:
        """Apply a snapshot or delta; return whether the levels changed."""
        try:
            applied = self.book.apply(event)
        except BookError as error:
            self.book_errors += 1
            self.last_book_error = str(error)
            self._refresh_all()
            return False
        if isinstance(event, BookSnapshot):
            self._refresh_all()
        elif applied:
            self._refresh(Side.BUY, event.asks)
            self._refresh(Side.SELL, event.bids)
        return applied

    def on_quote(self, quote: Quote) -> None:
        self.quote = quote
        if self.book.synced:
            self._refresh(Side.BUY, ((quote.ask, quote.ask_quantity),))
            self._refresh(Side.SELL, ((quote.bid, quote.bid_quantity),))
        else:
            self._refresh_all()

    def on_trade(self, trade: Trade) -> None:
        self.last_trade = trade
        self.on_price(trade.price)

    def on_price(self, price: Decimal) -> None:
        """Note the last price; where it is all we know, it is a fresh market."""
        self.last_price = price
        if self.quote is None and not self.book.synced:
            self._refresh_all()

    def _refresh(self, taker: Side, levels: tuple[Level, ...]) -> None:
        eaten = self._eaten[taker]
        if eaten:
            for price, _ in levels:
                eaten.pop(price, None)

    def _refresh_all(self) -> None:
        self._eaten[Side.BUY].clear()
        self._eaten[Side.SELL].clear()

    def eat(self, taker: Side, price: Decimal, quantity: Decimal) -> None:
        """Note that our taker order took `quantity` at `price`."""
        eaten = self._eaten[taker]
        eaten[price] = eaten.get(price, ZERO) + quantity

    def levels(self, taker: Side) -> Iterator[Level]:
        """Yield what a taker of this side finds, best first, less what we already took."""
        eaten = self._eaten[taker]
        for price, quantity in self._standing(taker):
            left = quantity - eaten[price] if price in eaten else quantity
            if left > 0:
                yield price, left

    def best(self, taker: Side) -> Decimal | None:
        """Return the best price a taker of this side finds now."""
        for price, _ in self.levels(taker):
            return price
        return None

    def reference(self) -> Decimal:
        """Return the last price, else the middle of the market, else 0."""
        if self.last_price:
            return self.last_price
        mid = self.book.mid()
        if mid is not None:
            return mid
        if self.quote is not None:
            return (self.quote.bid + self.quote.ask) / 2
        return ZERO

    def _quote_leads(self) -> bool:
        quote = self.quote
        return quote is not None and (not self.book.synced or quote.update_id > self.book.last_id)

    def _standing(self, taker: Side) -> Iterator[Level]:
        buying = taker is Side.BUY
        quote = self.quote if self._quote_leads() else None
        if quote is not None:
            top = quote.ask if buying else quote.bid
            quantity = quote.ask_quantity if buying else quote.bid_quantity
            if top > 0:
                yield top, quantity
            if self.book.synced:
                for price, behind in self.book.asks() if buying else self.book.bids():
                    if (price > top) if buying else (price < top):
                        yield price, behind
            elif top > 0:
                yield from self._synthetic(buying, top, first=1)
        elif self.book.synced:
            yield from self.book.asks() if buying else self.book.bids()
        elif self.last_price:
            half = self.last_price * self.settings.synthetic_spread_bps / _BPS / 2
            tick = self.instrument.tick_size
            if buying:
                top = ceil_to_step(self.last_price + half, tick)
            else:
                top = floor_to_step(self.last_price - half, tick)
            yield from self._synthetic(buying, top, first=0)

    def _synthetic(self, buying: bool, top: Decimal, *, first: int) -> Iterator[Level]:
        instrument, settings = self.instrument, self.settings
        step = instrument.tick_size if buying else -instrument.tick_size
        for place in range(first, first + settings.synthetic_levels):
            price = top + step * place
            if price <= 0:
                return
            worth = settings.synthetic_level_notional / (price * instrument.multiplier)
            quantity = max(instrument.lot_step, instrument.round_quantity(worth))
            yield price, quantity

    def ahead(self, side: Side, price: Decimal) -> Decimal | None:
        """Estimate what already stands at a passive order's price; None where that is unknown."""
        buying = side is Side.BUY
        quote = self.quote if self._quote_leads() else None
        if quote is not None:
            top = quote.bid if buying else quote.ask
            if price == top:
                return quote.bid_quantity if buying else quote.ask_quantity
            if (price > top) if buying else (price < top):
                return ZERO
            if not self.book.synced:
                return None
        elif not self.book.synced:
            return None
        return self.standing_at(side, price)

    def standing_at(self, side: Side, price: Decimal) -> Decimal | None:
        """Return the book's quantity at a price of one side; None outside the known depth."""
        buying = side is Side.BUY
        book = self.book
        quantity = book.bid_quantity_at(price) if buying else book.ask_quantity_at(price)
        if quantity:
            return quantity
        worst = book.worst_bid() if buying else book.worst_ask()
        if worst is None or ((price < worst) if buying else (price > worst)):
            return None
        return ZERO
