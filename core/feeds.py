"""A symbol's quotes and its book count the same updates: the one that stops falls behind."""

from __future__ import annotations

from attrs import define

from core.market import Book
from core.messages import Quote

__all__ = ["Feeds"]


@define
class Feeds:
    """Remembers which feed was behind the other at the last look, and at which update it stood."""

    _behind: tuple[str, int] = ("", 0)

    def stopped(self, quote: Quote | None, book: Book) -> str:
        """Name the feed ("book" or "quotes") that stands where it stood while the other went on.

        Look about once a second: a feed may be behind for the tenth of a second in which the venue
        gathers updates. One that is behind and shows the same best prices is as good as the other.
        """
        before, self._behind = self._behind, _behind(quote, book)
        return self._behind[0] if self._behind == before else ""


def _behind(quote: Quote | None, book: Book) -> tuple[str, int]:
    bid, ask = book.best_bid(), book.best_ask()
    if quote is None or not book.synced or bid is None or ask is None:
        return "", 0
    if (bid[0], ask[0]) == (quote.bid, quote.ask) or quote.update_id == book.last_id:
        return "", 0
    if quote.update_id > book.last_id:
        return "book", book.last_id
    return "quotes", quote.update_id
