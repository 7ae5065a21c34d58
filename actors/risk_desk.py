"""What the parts of risk share: the rules' state, whom they watch over, and how they are heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import define, field, frozen

from actors import names
from actors.messages.journal import Note, Write
from actors.runtime import Actor, ActorStatistics
from core.account import Figure, Unknown
from core.config import Risk as RiskTables
from core.instruments import Instrument
from core.messages import Key
from core.ports import Log, Record
from core.risk.checks import Risk
from core.risk.limits import Limits

__all__ = ["RiskDesk", "RiskSettings"]


@frozen
class RiskSettings:
    """What risk is configured with; times in nanoseconds.

    `tables` is `[risk]` and what is below it. `strategies` are the addresses of the bots of each
    symbol, `assets` the margin asset of each venue, `groups` how many lanes part a venue's symbols.
    `foreign_stops`: strangers on the account end new risk. `statistics` tells of every mailbox.
    """

    limits: Limits
    tables: RiskTables
    keys: Sequence[Key]
    lanes: Sequence[str]
    strategies: Mapping[Key, Sequence[str]]
    assets: Mapping[str, str]
    groups: int
    isolated: bool
    foreign_stops: bool
    close_within_ns: int
    flatten_within_ns: int
    statistics: Callable[[], Iterable[ActorStatistics]]


@define(eq=False)
class RiskDesk:
    """Risk as all parts of `RiskActor` see it; they run in that actor's turn.

    `instruments` are those that were listed so far.
    """

    actor: Actor
    risk: Risk
    settings: RiskSettings
    write_log: Log
    keys: tuple[Key, ...] = field(init=False)
    instruments: dict[Key, Instrument] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.keys = tuple(self.settings.keys)

    def mark(self, key: Key) -> Figure:
        """Return a symbol's mark price while it is young enough to be believed."""
        found = self.risk.facts.marks.get(key)
        if found is None:
            return Unknown(f"no mark price of {key} yet")
        price, seen_ns = found
        age_ns = self.actor.monotonic_ns() - seen_ns
        if age_ns > self.risk.limits.stale_after_ns:
            return Unknown(f"no mark price of {key} within market.stale_after_ms")
        return price

    def journal(self, *payloads: object, then: object = None) -> None:
        """Write records; tell ourselves `then`, if any, once they are on disk."""
        if payloads:
            actor, now_ns = self.actor, self.actor.now_ns()
            records = tuple(Record(each, now_ns, actor=actor.name) for each in payloads)
            after = () if then is None else ((actor.name, then),)
            actor.tell(names.JOURNAL, Write(records, then=after))

    def note(self, key: Key, decision: object) -> None:
        """Write down what was decided of a symbol, in front of what comes of it."""
        actor = self.actor
        record = Record(decision, actor.now_ns(), key, actor=actor.name)
        actor.tell(names.JOURNAL, Note((record,)))

    def log(self, level: str, said: str, key: Key | None = None) -> None:
        """Log in this actor's name."""
        self.write_log(level, self.actor.name, said, symbol=key.symbol if key else "")
