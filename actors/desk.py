"""What the parts of one symbol's position share: its book, its settings, and how they are heard."""

from __future__ import annotations

from decimal import Decimal

from attrs import define, frozen

from actors import names
from actors.messages import Pause, Read, Write
from actors.protection import ProtectionSettings
from actors.runtime import Actor
from core.errors import Rejected
from core.evidence import ProofRule
from core.instruments import Instrument
from core.messages import Key, OrderRefused
from core.money import text
from core.orders import Order
from core.ports import Log, Record
from core.symbol_book import SymbolBook

__all__ = ["Desk", "PositionSettings", "words"]


@frozen(slots=True)
class PositionSettings:
    """What one symbol's position is configured with; times in nanoseconds."""

    host: str
    bot: str
    leverage: int
    isolated: bool
    hedge_mode: bool
    groups: int
    protection: ProtectionSettings
    proof: ProofRule
    answer_within_ns: int
    first_query_ns: int
    longest_query_ns: int
    alert_after_ns: int
    reconcile_every_ns: int


@define(eq=False)
class Desk:
    """One symbol as all parts of its `PositionActor` see it; they run in that actor's turn.

    `synced` from the first comparison with the venue on that found no difference, `stream_up`
    while the account stream tells of this symbol. `mark` is 0 until it is known. `watcher` is the
    strategy's address and its bot.
    """

    actor: Actor
    key: Key
    settings: PositionSettings
    book: SymbolBook
    write_log: Log
    instrument: Instrument | None = None
    mark: Decimal = Decimal(0)
    watcher: tuple[str, str] | None = None
    synced: bool = False
    stream_up: bool = True

    @property
    def opening(self) -> bool:
        """Tell whether anything may be opened at present."""
        return self.synced and self.stream_up

    def journal(self, payload: object, client_order_id: str = "") -> None:
        """Write one record."""
        self.actor.tell(names.JOURNAL, Write((self.record(payload, client_order_id),)))

    def record(self, payload: object, client_order_id: str = "") -> Record:
        """Return a record of this symbol, as of now."""
        return Record(payload, self.actor.now_ns(), self.key, client_order_id, self.actor.name)

    def log(self, level: str, said: str, client_order_id: str = "") -> None:
        """Log in this actor's name."""
        self.write_log(
            level, self.actor.name, said, symbol=self.key.symbol, client_order_id=client_order_id
        )

    def read(self, request: Read) -> None:
        """Ask the venue."""
        self.actor.tell(names.reads_lane(self.key.venue), request)

    def pause(self, reason: str) -> None:
        """Keep risk from approving entries on this symbol until it hears otherwise."""
        pause = Pause(self.actor.name, reason, self.key.venue, self.key)
        self.actor.tell_control(names.RISK, pause)

    def tell_watcher(self, message: object) -> None:
        """Tell the strategy, if one watches."""
        if self.watcher:
            self.actor.tell(self.watcher[0], message)

    def refusal(self, client_order_id: str, action: str, why: str) -> OrderRefused:
        """Return a refusal of our own making: the venue never heard of it."""
        error = Rejected(why, venue=self.key.venue)
        return OrderRefused(self.key, client_order_id, action, error)


def words(order: Order) -> str:
    """Return an order in words for the log."""
    command = order.command
    price = text(order.price or command.trigger_price or Decimal(0))
    return (
        f"{command.purpose.value} {command.side.value} {text(order.quantity)} "
        f"{command.type.value} at {price}"
    )
