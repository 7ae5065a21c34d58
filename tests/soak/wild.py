"""A strategy without manners: it proposes what it is told to, legal or not."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve, frozen

from actors import names
from actors.messages.operations import Tick
from actors.messages.risk import Decided, Propose, RefusedByRisk, ScaleWanted, SizeScaled
from actors.messages.trading import CancelWanted, PositionWatched, WatchPosition
from actors.runtime import Actor, ChildSpec, SupervisorSpec
from core.ids import make
from core.messages import (
    AmendOrder,
    Key,
    OrderType,
    PlaceOrder,
    PositionSide,
    Side,
    TimeInForce,
)
from core.orders import Order
from core.strategies.intents import View

__all__ = ["AmendWish", "CancelWish", "PlaceWish", "WildActor", "with_wild"]

_SECOND_NS = 1_000_000_000


@frozen
class PlaceWish:
    """Propose `count` orders like this, each `step` further; `again` under the id used last."""

    side: Side
    position_side: PositionSide
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    trigger_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    scaled: bool = True
    count: int = 1
    step: Decimal = Decimal(0)
    again: bool = False


@frozen
class AmendWish:
    """Amend the nth of the orders that are open; `turned` names the other side by mistake."""

    nth: int
    price: Decimal
    quantity: Decimal
    turned: bool = False


@frozen
class CancelWish:
    nth: int


class WildActor(Actor):
    """Stand where one bot's strategy stands on one symbol.

    State: the last view of its symbol, the next free sequence number.
    Fails: never by itself.
    Rules: none, which is its purpose; sizes follow the scale where a wish says so.
    """

    def __init__(self, key: Key, host: str, bot: str) -> None:
        self.key = key
        self.host = host
        self.bot = bot
        self.sequence = -1
        self.last_id = ""
        self.orders: tuple[Order, ...] = ()
        self.scale = Decimal(1)
        self.refused: dict[str, int] = {}

    def starting(self) -> None:
        self.tell(names.position(self.key), WatchPosition(self.name, self.bot))
        self.tell(names.RISK, ScaleWanted(self.key, self.name))
        self.every(_SECOND_NS, Tick("decided"))
        self.ready()

    def handle(self, message: object) -> None:
        match message:
            case View():
                self.orders = message.orders
            case PositionWatched():
                self.sequence = message.next_sequence
            case SizeScaled():
                self.scale = message.scale
            case RefusedByRisk():
                rule = message.refusal.rule
                self.refused[rule] = self.refused.get(rule, 0) + 1
            case Tick("decided"):
                self.tell(names.RISK, Decided(self.key))
            case PlaceWish() if self.sequence >= 0:
                for nth in range(message.count):
                    self._place(message, nth)
            case AmendWish() if self.orders:
                self._amend(message, self.orders[message.nth % len(self.orders)])
            case CancelWish() if self.orders:
                order = self.orders[message.nth % len(self.orders)]
                self.tell(names.position(self.key), CancelWanted(order.id))

    def _place(self, wish: PlaceWish, nth: int) -> None:
        if not (wish.again and self.last_id):
            self.last_id = make(self.host, self.bot, self.key.symbol, self.sequence)
            self.sequence += 1
        command = PlaceOrder(
            self.key,
            self.last_id,
            wish.side,
            wish.position_side,
            wish.type,
            wish.quantity,
            price=None if wish.price is None else wish.price - nth * wish.step,
            trigger_price=wish.trigger_price,
            time_in_force=wish.time_in_force,
            reduce_only=wish.reduce_only,
            bot=self.bot,
        )
        if wish.scaled:
            command = evolve(command, size_scale=self.scale)
        self.tell(names.RISK, Propose(command, self.name))

    def _amend(self, wish: AmendWish, order: Order) -> None:
        command = order.command
        amendment = AmendOrder(
            self.key,
            order.id,
            order.order_id,
            command.side.opposite if wish.turned else command.side,
            command.position_side,
            wish.price,
            wish.quantity,
            command.reduce_only,
            command.purpose,
            self.bot,
        )
        self.tell(names.RISK, Propose(amendment, self.name))


def with_wild(tree: SupervisorSpec, host: str, bot: str, wild: frozenset[Key]) -> SupervisorSpec:
    """Return the tree with a wild strategy in the place of the polite one of these symbols."""
    addresses = {names.strategy(bot, key): key for key in wild}

    def replaced(child: ChildSpec | SupervisorSpec) -> ChildSpec | SupervisorSpec:
        if isinstance(child, SupervisorSpec):
            return with_wild(child, host, bot, wild)
        key = addresses.get(child.name)
        return evolve(child, factory=lambda: WildActor(key, host, bot)) if key else child

    return evolve(tree, children=tuple(replaced(child) for child in tree.children))
