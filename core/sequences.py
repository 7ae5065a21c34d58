"""Which numbers of client order ids are free, for each bot of one symbol."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from core.ids import MAX_SEQUENCE, parse

__all__ = ["Sequences"]

_HALF = MAX_SEQUENCE // 2
_PHASE_NS = 100_000_000
_PHASES = 6_000
_BEGINNINGS = 20_000_000


@define
class Sequences:
    """The next free number of each bot; numbers go round, the half behind it counts as used.

    So an id that somebody made up, with a number far ahead, takes no numbers away. Until `begin`
    the first number of a bot is whichever the journal has.
    """

    _next: dict[str, int] = field(factory=dict, init=False)
    _first: int = field(default=0, init=False)
    _begun: bool = field(default=False, init=False)
    jumped: set[str] = field(factory=set, init=False)
    """Bots whose numbers went ahead of them since they began; who numbers for them is to hear."""

    def __bool__(self) -> bool:
        return bool(self._next)

    def next(self, bot: str) -> int:
        """Return the first number that this bot has not used."""
        return self._next.get(bot, self._first)

    def taken(self, client_order_id: str) -> bool:
        """Tell whether the number of one of our ids lies behind the next free one."""
        made = parse(client_order_id)
        return made is not None and not self._ahead(made.bot, made.sequence)

    def use(self, client_order_id: str, beside: int = 0) -> None:
        """Note that an id is used, and so many behind it; one of nobody's here is none."""
        made = parse(client_order_id)
        if made is None:
            return
        if self._ahead(made.bot, made.sequence):
            self._next[made.bot] = (made.sequence + 1 + beside) % MAX_SEQUENCE
        else:
            self._next.setdefault(made.bot, self._first)

    def turned_up(self, client_order_id: str) -> None:
        """Hear of an id from the venue: whoever used one ahead of ours may have used more."""
        made = parse(client_order_id)
        if self._begun and made is not None and self._ahead(made.bot, made.sequence):
            self.jumped.add(made.bot)
        self.use(client_order_id, _PHASES)

    def begin(self, now_ns: int) -> None:
        """Skip ahead at a start, and let bots without a number begin anywhere.

        Closing orders leave while the journal cannot be written, so an id that is not in it may
        have been used all the same. How far depends on the time, so that two starts under a broken
        journal do not choose the same ids. The journal that knew a bot may be lost.
        """
        self._first, self._begun = now_ns // _PHASE_NS % _BEGINNINGS, True
        self.skip((), now_ns)

    def skip(self, client_order_ids: Iterable[str], now_ns: int) -> None:
        """Leave out these ids and some behind all known: they may have been used."""
        for client_order_id in client_order_ids:
            self.use(client_order_id)
        ahead = 1 + now_ns // _PHASE_NS % _PHASES
        for bot, number in self._next.items():
            self._next[bot] = (number + ahead) % MAX_SEQUENCE

    def _ahead(self, bot: str, sequence: int) -> bool:
        if not self._begun and bot not in self._next:
            return True
        return (sequence - self.next(bot)) % MAX_SEQUENCE < _HALF
