"""One bot on one symbol: hand events to its pure core, tell its intents on."""

from __future__ import annotations

from decimal import Decimal

from actors import names
from actors.messages.journal import Note
from actors.messages.risk import Decided, Propose, RefusedByRisk, ScaleWanted, SizeScaled
from actors.messages.trading import CancelWanted, PositionWatched, Watch, WatchPosition
from actors.runtime import Actor
from core.messages import (
    AmendOrder,
    Key,
    OrderRefused,
    OrderType,
    PlaceOrder,
    Purpose,
    Quote,
    TimeInForce,
)
from core.ports import Log, Record
from core.strategies import hedge_grid
from core.strategies.hedge_grid import GridSettings, GridState
from core.strategies.intents import (
    Amend,
    Cancel,
    Event,
    Intent,
    Listed,
    Place,
    Refused,
    Scaled,
    View,
)
from core.strategies.witness import Witness

_DECIDED_EVERY_NS = 1_000_000_000
_FULL = Decimal(1)


class StrategyActor(Actor):
    """Own one bot's state on one symbol.

    State: `GridState`, rebuilt at every start from the position's view and the size that risk
    allows; the journal holds it for `core.replay` and people, no start reads it.
    Fails: any error is a crash; orders and positions are not touched by it.
    Rules: `core.strategies`.
    """

    def __init__(self, key: Key, host: str, bot: str, settings: GridSettings, log: Log) -> None:
        self.key = key
        self.host = host
        self.bot = bot
        self.settings = settings
        self.log = log
        self.state: GridState | None = None
        self.witness = Witness(key)
        self.scale: Decimal | None = None
        self.problem = ""
        self.decided_ns = -_DECIDED_EVERY_NS

    def starting(self) -> None:
        self.position = names.position(self.key)
        # Ready at once: a symbol that has to wait for its venue holds up no other.
        self.tell(names.RISK, ScaleWanted(self.key, self.name))
        self.ready()

    def handle(self, message: object) -> None:
        match message:
            case Quote() | View():
                self._decide(message)
            case RefusedByRisk():
                reason = str(message.refusal)
                self._decide(Refused(message.command.client_order_id, reason, self.now_ns()))
            case OrderRefused():
                error = message.error
                refused = Refused(
                    message.client_order_id, error.message, self.now_ns(), error.retry_after_ns
                )
                self._decide(refused)
            case SizeScaled():
                self._scaled(message.scale)
            case PositionWatched() if self.scale is not None:
                self._begin(message, self.scale)

    def _scaled(self, scale: Decimal) -> None:
        if self.scale is None:  # the size is known: now the position may be
            self.tell(self.position, WatchPosition(self.name, self.bot))
        self.scale = scale
        self._decide(Scaled(scale))

    def _begin(self, watched: PositionWatched, scale: Decimal) -> None:
        self.state = hedge_grid.start(
            self.settings, self.host, self.bot, watched.next_sequence, scale
        )
        self._note(self.witness.began(self.state))
        self._decide(Listed(watched.instrument))
        self.tell(names.market(self.key), Watch(self.name, frozenset(("prices",))))

    def _decide(self, event: Event) -> None:
        if self.state is None:
            return
        before = self.state
        self.state, intents = hedge_grid.decide(before, event)
        self._note(*self.witness.took(before, event, self.state, intents))
        for intent in intents:
            self._tell(self.state, intent)
        now_ns = self.monotonic_ns()
        if now_ns - self.decided_ns >= _DECIDED_EVERY_NS:
            self.decided_ns = now_ns
            self.tell(names.RISK, Decided(self.key))
        if bool(self.state.problem) != bool(self.problem):
            self.problem = self.state.problem
            text = f"cannot build its ladder: {self.problem}" if self.problem else "ladder fits"
            level = "warning" if self.problem else "info"
            self.log(level, self.name, text, symbol=self.key.symbol)

    def _note(self, *decisions: object) -> None:
        """Write down what was seen and decided, in front of what comes of it."""
        if decisions:
            now_ns = self.now_ns()
            records = [Record(each, now_ns, self.key, actor=self.name) for each in decisions]
            self.tell(names.JOURNAL, Note(tuple(records)))

    def _tell(self, state: GridState, intent: Intent) -> None:
        match intent:
            case Place():
                self.tell(names.RISK, Propose(self._order(state, intent), self.name))
            case Amend():
                command = self._amendment(state, intent)
                if command is not None:
                    self.tell(names.RISK, Propose(command, self.name))
            case Cancel():
                self.tell(self.position, CancelWanted(intent.client_order_id))

    def _order(self, state: GridState, intent: Place) -> PlaceOrder:
        return PlaceOrder(
            self.key,
            intent.client_order_id,
            intent.side,
            intent.position_side,
            OrderType.LIMIT,
            intent.quantity,
            price=intent.price,
            time_in_force=TimeInForce.POST_ONLY if intent.post_only else TimeInForce.GTC,
            purpose=intent.purpose,
            bot=self.bot,
            size_scale=state.scale if intent.purpose is Purpose.ENTRY else _FULL,
        )

    def _amendment(self, state: GridState, intent: Amend) -> AmendOrder | None:
        for order in state.view.orders if state.view else ():
            if order.id == intent.client_order_id:
                return AmendOrder(
                    self.key,
                    order.id,
                    order.order_id,
                    order.command.side,
                    order.command.position_side,
                    intent.price,
                    intent.quantity,
                    order.command.reduce_only,
                    order.command.purpose,
                    self.bot,
                )
        return None
