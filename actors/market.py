"""One symbol's market: quote, mark, funding, book and bars, and whether they can be trusted."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from actors import names
from actors.backoff import Backoff
from actors.messages.lanes import BarsRead, ReadBars, ReadBook, ReadFailed, StreamDoubted
from actors.messages.operations import Tick
from actors.messages.risk import Pause, Resume
from actors.messages.trading import Kind, MarketState, Watch
from actors.runtime import Actor
from core.errors import BookError, Rejected
from core.feeds import Feeds
from core.market import Book
from core.messages import (
    Bar,
    BookDelta,
    BookSnapshot,
    Key,
    Level,
    MarkPrice,
    Quote,
    StreamConnected,
    StreamLost,
    Trade,
)
from core.ports import Log

_RETRY_NS = 1_000_000_000
_LONGEST_RETRY_NS = 8_000_000_000
_REFUSED_RETRY_NS = 30_000_000_000
_LEVELS_SHOWN = 20
_SAME_PRICE_NS = 1_000_000_000
_RISK_QUOTE_NS = 500_000_000
_BAR_NS = 60_000_000_000
_SILENT_TIMES = 3
_DOUBTS = 2


@frozen(slots=True)
class MarketSettings:
    """Nanoseconds until figures are stale; levels of a book snapshot, 0 for no book.

    Risk hears of a quote twice a second, at once where it moved by `quote_move_bps`. `warm_up_bars`
    one-minute bars are read from the venue at the start and after a gap.
    """

    stale_after_ns: int
    depth: int
    quote_move_bps: Decimal
    warm_up_bars: int


@frozen(slots=True)
class BookTop:
    """The best levels after a change, best first: (price, quantity)."""

    key: Key
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    last_id: int


class MarketActor(Actor):
    """Own what is known of one symbol's market.

    State: newest quote and mark (prices in quote money), the book, when data last came.
    Fails: the first update, a gap and a crossed book ask for a new snapshot; stale or missing
    figures pause the symbol at risk until they are back and the position has compared with the
    venue. A feed that stops while others go on is forgotten and its stream doubted; where two new
    connections brought nothing, the symbol stays paused and the others are left in peace. Nobody is
    shown a book that is not in sync.
    Rules: `core.market`, `core.feeds`.
    """

    def __init__(self, key: Key, settings: MarketSettings, log: Log) -> None:
        self.key = key
        self.settings = settings
        self.log = log
        self.watchers: dict[Kind, list[str]] = {}
        self.quote: Quote | None = None
        self.mark: MarkPrice | None = None
        self.book = Book(key)
        self.feeds = Feeds()
        self.reading_book = False
        self.backoffs = {
            kind: Backoff(self, _RETRY_NS, _LONGEST_RETRY_NS) for kind in (ReadBook, ReadBars)
        }
        self.book_asked_ns = -_RETRY_NS
        self.bars_asked_ns = 0
        self.heard_ns = self.quote_ns = self.mark_ns = self.priced_ns = 0
        self.prices_told_ns = 0
        self.trade_id = self.bar_ns = 0
        self.risk_quote: Quote | None = None
        self.risk_told_ns = 0
        self.paused = ""
        self.needs_comparison = False
        self.doubting = False
        self.vain_doubts = 0

    def starting(self) -> None:
        self._pause("no market data yet")
        self._read_bars()
        self.every(max(self.settings.stale_after_ns // 4, 10_000_000), Tick("age"))
        self.ready()

    def handle(self, message: object) -> None:
        match message:
            case Quote():
                self._quote(message)
            case MarkPrice():
                self._mark(message)
            case BookDelta() | BookSnapshot():
                self._book(message)
            case Trade():
                self._trade(message)
            case Bar():
                self._bar(message)
            case BarsRead():
                self._bars_read(message)
            case Watch():
                self._watch(message)
            case Tick("age"):
                self._judge_age()
            case Tick("book") if not self.book.synced:
                self._read_book()
            case Tick("bars"):
                self._read_bars()
            case StreamConnected():
                # What was silent before says nothing of it.
                self.heard_ns = self.priced_ns = self.monotonic_ns()
                self.vain_doubts += self.doubting  # until the symbol is whole again
                self.doubting = False
                if self.heard_ns - self.bars_asked_ns >= _BAR_NS:
                    self._read_bars()
            case Tick("ask for the book"):
                self._ask_for_book()
            case ReadFailed():
                self._read_failed(message)
            case StreamLost():
                self.book.reset()
                self.quote = self.mark = None
                self._pause(f"market stream lost: {message.reason}", needs_comparison=True)

    def _quote(self, quote: Quote) -> None:
        if self.quote is not None and quote.update_id < self.quote.update_id:
            return
        before, self.quote = self.quote, quote
        if before is None:  # where no update of the book comes, its absence shall be noticed
            self.after(_RETRY_NS, Tick("book"))
        self.heard_ns = self.quote_ns = self.monotonic_ns()
        for watcher in self.watchers.get("quotes", ()):
            self.tell_latest(watcher, self.key, quote)
        moved = before is None or (quote.bid, quote.ask) != (before.bid, before.ask)
        if moved or self.heard_ns - self.prices_told_ns > _SAME_PRICE_NS:
            self.prices_told_ns = self.heard_ns
            for watcher in self.watchers.get("prices", ()):
                self.tell_latest(watcher, self.key, quote)
        self._tell_quote(quote)
        if self.paused:
            self._resume_if_whole()

    def _tell_quote(self, quote: Quote) -> None:
        """Keep risk's picture of the best prices fresh without waking it for each of them."""
        told = self.risk_quote
        if told is not None and self.heard_ns - self.risk_told_ns < _RISK_QUOTE_NS:
            moved = max(abs(quote.bid - told.bid), abs(quote.ask - told.ask)) * 10_000
            if moved < told.bid * self.settings.quote_move_bps:
                return
        self.risk_quote, self.risk_told_ns = quote, self.heard_ns
        self.tell_latest(names.RISK, ("quote", self.key), quote)

    def _mark(self, mark: MarkPrice) -> None:
        if self.mark is not None and mark.event_ns < self.mark.event_ns:
            return
        self.mark = mark
        self.heard_ns = self.mark_ns = self.monotonic_ns()
        self.tell_latest(names.RISK, self.key, mark)
        position = names.position(self.key)
        self.tell_latest(position, "mark", mark)
        if self.quote is not None and self.heard_ns - self.quote_ns < self.settings.stale_after_ns:
            self.tell_latest(position, "quote", self.quote)
        for watcher in self.watchers.get("mark", ()):
            self.tell_latest(watcher, "mark", mark)
        if self.paused:
            self._resume_if_whole()

    def _book(self, event: BookDelta | BookSnapshot) -> None:
        if isinstance(event, BookSnapshot):
            self.reading_book = False
            self.backoffs[ReadBook].reset()
        if not self.settings.depth:
            return
        try:
            changed = self.book.apply(event)
        except BookError as error:
            self.log("warning", self.name, f"{error}; new snapshot", symbol=self.key.symbol)
            self._pause(f"book: {error}")
            self._read_book()
            return
        if not self.book.synced:  # a snapshot read before the first update would be too old for it
            self._read_book()
        self.heard_ns = self.monotonic_ns()
        watchers = self.watchers.get("book", ())
        if changed and watchers and self.book.current:
            bids, asks = self.book.top(_LEVELS_SHOWN)
            top = BookTop(self.key, bids, asks, self.book.last_id)
            for watcher in watchers:
                self.tell_latest(watcher, "book", top)
        if self.paused:
            self._resume_if_whole()

    def _read_book(self) -> None:
        if not self.settings.depth or self.reading_book:
            return
        self.reading_book = True
        now_ns = self.monotonic_ns()
        pause_ns = self.book_asked_ns + _RETRY_NS - now_ns
        if pause_ns > 0:  # snapshots that never fit must not use up the rate limit
            self.after(pause_ns, Tick("ask for the book"))
        else:
            self._ask_for_book()

    def _ask_for_book(self) -> None:
        self.book_asked_ns = self.monotonic_ns()
        request = ReadBook(self.key, self.settings.depth, self.name)
        self.tell(names.reads_lane(self.key.venue), request)

    def _watch(self, watch: Watch) -> None:
        for kind in watch.kinds:
            watchers = self.watchers.setdefault(kind, [])
            if watch.watcher not in watchers:
                watchers.append(watch.watcher)
        if self.quote is not None and watch.kinds & {"prices", "quotes"} and not self.paused:
            self.tell_latest(watch.watcher, self.key, self.quote)
        if self.mark is not None and "mark" in watch.kinds:
            self.tell_latest(watch.watcher, "mark", self.mark)

    def _read_bars(self) -> None:
        self.bars_asked_ns = self.monotonic_ns()
        request = ReadBars(self.key, _BAR_NS, self.settings.warm_up_bars, self.name)
        self.tell(names.reads_lane(self.key.venue), request)

    def _read_failed(self, failed: ReadFailed) -> None:
        error, bars = failed.error, isinstance(failed.request, ReadBars)
        pause_ns = self.backoffs[ReadBars if bars else ReadBook].pause_ns(error.retry_after_ns)
        if isinstance(error, Rejected):
            pause_ns = _REFUSED_RETRY_NS
        self.after(pause_ns, Tick("bars" if bars else "ask for the book"))

    def _trade(self, trade: Trade) -> None:
        if trade.trade_id > self.trade_id:
            self.trade_id = trade.trade_id
            self._pass_on("trades", trade)

    def _bar(self, bar: Bar) -> None:
        if bar.closed:
            if self.bar_ns and bar.open_ns - self.bar_ns > bar.interval_ns:
                self._read_bars()
            self.bar_ns = max(self.bar_ns, bar.open_ns)
            self.tell(names.RISK, bar)
        self._pass_on("bars", bar)

    def _bars_read(self, read: BarsRead) -> None:
        self.backoffs[ReadBars].reset()
        closed = [bar.open_ns for bar in read.bars if bar.closed]
        self.bar_ns = max(self.bar_ns, *closed, 0)
        self.tell(names.RISK, read)

    def _pass_on(self, kind: Kind, event: Trade | Bar) -> None:
        for watcher in self.watchers.get(kind, ()):
            self.tell(watcher, event)

    def _whole(self) -> bool:
        book = self.book.current or not self.settings.depth
        return self.quote is not None and self.mark is not None and book

    def _judge_age(self) -> None:
        age_ns = self.monotonic_ns() - self.heard_ns
        if self.heard_ns and age_ns > self.settings.stale_after_ns:
            reason = f"market data {age_ns // 1_000_000} ms old (market.stale_after_ms)"
            self._pause(reason, needs_comparison=True)
        self._judge_feeds(age_ns)
        state = MarketState(self.key, self.quote, self.mark, self._whole() and not self.paused)
        self.tell_latest(names.OPERATIONS, self.name, state)

    def _judge_feeds(self, age_ns: int) -> None:
        """Forget what a feed told that has stopped, and have its connection made anew."""
        stale_ns = self.settings.stale_after_ns
        stopped = self.feeds.stopped(self.quote, self.book)
        if stopped == "book":
            self.book.reset()
            self._read_book()
        elif stopped == "quotes":
            self.quote = None
        elif self.mark is not None and self.monotonic_ns() - self.mark_ns > stale_ns > age_ns:
            stopped, self.mark = "mark prices", None
        elif self.heard_ns and age_ns > _SILENT_TIMES * stale_ns:
            stopped = "everything"
        elif self._lacks_price_for_ns() > _SILENT_TIMES * stale_ns > age_ns:
            # It never came, or a doubt of a young connection was not heeded.
            stopped = "quotes" if self.quote is None else "mark prices"
        if stopped:
            reason = f"{stopped} of {self.key.symbol} stopped"
            self._pause(reason)
            self._doubt(reason)

    def _doubt(self, reason: str) -> None:
        """Have the connection of all symbols made anew, unless that has not helped this one."""
        if self.vain_doubts < _DOUBTS:
            self.doubting = True
            self.tell(names.stream(self.key.venue, "market"), StreamDoubted(reason))
        elif self.vain_doubts == _DOUBTS:
            self.vain_doubts += 1
            text = f"{reason}, and {_DOUBTS} new connections brought nothing: it opens nothing"
            self.log("error", self.name, f"{text} until it is told again", symbol=self.key.symbol)

    def _lacks_price_for_ns(self) -> int:
        if self.quote is not None and self.mark is not None:
            self.priced_ns = self.monotonic_ns()
        return self.monotonic_ns() - self.priced_ns

    def _pause(self, reason: str, *, needs_comparison: bool = False) -> None:
        if not self.paused or (needs_comparison and not self.needs_comparison):
            self.paused = reason
            self.needs_comparison = needs_comparison
            pause = Pause(self.name, reason, self.key.venue, self.key, needs_comparison)
            self.tell_control(names.RISK, pause)

    def _resume_if_whole(self) -> None:
        oldest_ns = self.monotonic_ns() - self.settings.stale_after_ns
        if self._whole() and self.heard_ns >= oldest_ns:
            self.paused = ""
            self.needs_comparison = self.doubting = False
            self.vain_doubts = 0
            # On the same lane: who proposes on this news is judged by these figures. Risk dates
            # what it hears, so an old figure is not told again.
            for news, at_ns in ((self.mark, self.mark_ns), (self.quote, self.quote_ns)):
                if at_ns >= oldest_ns:
                    self.tell_control(names.RISK, news)
            self.tell_control(names.RISK, Resume(self.name))
