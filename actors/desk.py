"""What the parts of one symbol's position share: its book, its settings, and how they are heard."""

from __future__ import annotations

from decimal import Decimal

from attrs import define, evolve, field, frozen

from actors import names
from actors.messages.account import Holding
from actors.messages.journal import Note, Write
from actors.messages.lanes import Read
from actors.messages.operations import Drift
from actors.messages.risk import ForeignFound, Pause, Propose
from actors.runtime import Actor
from core.errors import Rejected
from core.evidence import ProofRule
from core.flattening import SliceRule
from core.ids import make
from core.instruments import Instrument
from core.messages import (
    Key,
    OrderRefused,
    OrderType,
    PlaceOrder,
    PositionReported,
    PositionSide,
    Purpose,
    Side,
    TimeInForce,
)
from core.money import text
from core.orders import Order, State
from core.ports import Log, Record
from core.positions import Position
from core.protecting import UNKNOWN_CLOSES, StopRule
from core.symbol_book import SymbolBook

__all__ = ["STOP_BOT", "Desk", "PositionSettings", "ProtectionSettings", "words"]

STOP_BOT = "stop"
"""The name in the client order ids of protective stops and of the host's own closing orders."""


@frozen(slots=True)
class ProtectionSettings:
    """What a side needs; `verify_every_ns` is how often the venue is asked whether stops work."""

    rule: StopRule
    verify_every_ns: int


@frozen(slots=True)
class PositionSettings:
    """What one symbol's position is configured with; times in nanoseconds.

    `dead_man_ns` is the venue's count-down after which entries go unless it is begun anew, every
    `dead_man_every_ns`; 0 for none.
    """

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
    slices: SliceRule
    flatten_within_ns: int
    dead_man_ns: int
    dead_man_every_ns: int


@define(eq=False)
class Desk:
    """One symbol as all parts of its `PositionActor` see it; they run in that actor's turn.

    `compared` from the first comparison with the venue on, `synced` from the first one that found
    no difference. `stated` is the venue's word on sides that our fills cannot explain: it stands in
    for them. `stream_up` while the account stream tells of this symbol. `mark` is 0 until it is
    known. `watcher` is the strategy's address and its bot. `flattening` while everything is being
    closed. `drift` is how comparing with the venue went.
    """

    actor: Actor
    key: Key
    settings: PositionSettings
    book: SymbolBook
    write_log: Log
    instrument: Instrument | None = None
    mark: Decimal = Decimal(0)
    watcher: tuple[str, str] | None = None
    compared: bool = False
    synced: bool = False
    stated: dict[PositionSide, PositionReported] = field(factory=dict)
    stream_up: bool = True
    flattening: bool = False
    drift: Drift = field(factory=Drift)
    _next_sequence: int = field(default=0, init=False)
    _told: Holding | None = field(default=None, init=False)

    @property
    def opening(self) -> bool:
        """Tell whether anything may be opened at present."""
        return self.synced and self.stream_up and not self.flattening

    def held(self, side: PositionSide) -> Position:
        """Return a side as it is protected and closed: the venue's word where that stands."""
        ours, said = self.book.positions.of(side), self.stated.get(side)
        if said is None:
            return ours
        return evolve(ours, quantity=said.quantity, entry_price=said.entry_price)

    @property
    def holdings(self) -> tuple[Position, ...]:
        """Return all sides as `held` does."""
        if not self.stated:
            return tuple(self.book.positions)
        return tuple(self.held(side) for side in PositionSide)

    def differs(self, kind: str, count: int) -> None:
        """Count differences that a comparison with the venue found: fill, order or position."""
        found = dict(self.drift.found)
        found[kind] = found.get(kind, 0) + count
        if count:
            self.drift = evolve(self.drift, found=tuple(sorted(found.items())))

    def journal(self, payload: object, client_order_id: str = "") -> None:
        """Write one record."""
        self.actor.tell(names.JOURNAL, Write((self.record(payload, client_order_id),)))

    def note(self, decision: object) -> None:
        """Write down what was decided, in front of what comes of it."""
        self.actor.tell(names.JOURNAL, Note((self.record(decision),)))

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

    def close(
        self,
        direction: Side,
        position_side: PositionSide,
        kind: OrderType,
        quantity: Decimal,
        purpose: Purpose,
        *,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
    ) -> str:
        """Propose an order of the host's own that closes something; return its id.

        A limit order is immediate-or-cancel.
        """
        sequence = max(self._next_sequence, self.book.next_sequence(STOP_BOT))
        self._next_sequence = sequence + 1
        command = PlaceOrder(
            self.key,
            make(self.settings.host, STOP_BOT, self.key.symbol, sequence),
            direction,
            position_side,
            kind,
            quantity,
            price=price,
            trigger_price=trigger_price,
            time_in_force=TimeInForce.IOC if kind is OrderType.LIMIT else TimeInForce.GTC,
            reduce_only=True,
            purpose=purpose,
            bot=self.settings.bot,
        )
        self.actor.tell(names.RISK, Propose(command, self.actor.name))
        return command.client_order_id

    def closing(self, position_side: PositionSide) -> bool:
        """Tell whether a closing order of the host's own is open, or on its way for sure."""
        return any(order.state is not State.UNKNOWN for order in self._closes(position_side))

    def may_close(self, position_side: PositionSide) -> bool:
        """Tell whether another closing order may go: not beside one, nor after too many lost ones.

        One of unknown outcome keeps nobody from closing: two cannot close more than there is.
        """
        return not self.closing(position_side) and self.lost(position_side) < UNKNOWN_CLOSES

    def lost(self, position_side: PositionSide) -> int:
        """Count the closing orders of the host's own whose outcome is unknown."""
        return sum(1 for o in self._closes(position_side) if o.state is State.UNKNOWN)

    def _closes(self, position_side: PositionSide) -> list[Order]:
        return [
            order
            for order in self.book.live.values()
            if order.command.purpose is Purpose.CLOSE
            and order.command.position_side is position_side
        ]

    def tell_foreign(self, what: str) -> None:
        """Tell risk what somebody else did on this symbol; its policy decides what follows."""
        self.log("warning", what)
        self.actor.tell(names.RISK, ForeignFound(self.key.venue, self.key.symbol, what))

    def tell_account(self) -> None:
        """Tell the account what is held, where that is news: it reads all positions at once."""
        sides = frozenset((held.side, held.quantity) for held in self.holdings if held.quantity)
        holding = Holding(self.key, sides, at_work=bool(sides or self.book.live))
        if holding != self._told:
            self._told = holding
            self.actor.tell_latest(names.account(self.key.venue), self.actor.name, holding)

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
