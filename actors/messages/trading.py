"""What market, position and strategy tell each other."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from core.instruments import Instrument
from core.messages import (
    Key,
    MarkPrice,
    Quote,
)

Kind = Literal["prices", "quotes", "trades", "book", "bars", "mark"]
"""What a watcher wants of a market.

"prices" are the quotes whose best bid or ask price changed, and one a second besides.
"""


@frozen(slots=True)
class Watch:
    """Ask a market for its events; each watcher is told once it is there, and then for good."""

    watcher: str
    kinds: frozenset[Kind]


@frozen(slots=True)
class MarketState:
    """The newest figures of a symbol, None where there is none."""

    key: Key
    quote: Quote | None
    mark: MarkPrice | None
    in_sync: bool


@frozen(slots=True)
class WatchPosition:
    """Ask a position for its views, for a bot's strategy."""

    watcher: str
    bot: str


@frozen(slots=True)
class PositionWatched:
    """The answer: the instrument, and the first sequence number that is free for the bot."""

    instrument: Instrument
    next_sequence: int


@frozen(slots=True)
class CancelWanted:
    """A strategy wants one of its orders cancelled."""

    client_order_id: str
