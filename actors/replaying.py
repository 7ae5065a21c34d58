"""Where replay decides again: the host's own actors on the step runtime, at the recorded times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from attrs import define, evolve, field

from actors import names
from actors.messages.journal import Note, Recall, Recalled
from actors.messages.risk import Propose, SizeScaled
from actors.messages.trading import PositionWatched
from actors.risk import RiskActor, RiskSettings
from actors.runtime import Actor, ChildSpec, StepRuntime, SupervisorSpec
from actors.strategy import StrategyActor
from core.config import Risk as RiskTables
from core.decisions import RiskJudged, RiskState, StrategyDecided, StrategyState
from core.errors import Rejected
from core.messages import Key, OrderRefused, Quote
from core.orders import Order
from core.ports import Record
from core.risk.witness import install, limits_of
from core.strategies.intents import Refused, View
from core.strategies.witness import orders_of, restored, view_of

__all__ = ["StepStage"]

_NS_S = 1_000_000_000


class _Notebook(Actor):
    """Stands in the journal's place and keeps what is noted; holds nothing from before."""

    def __init__(self, written: list[object]) -> None:
        self.written = written

    def handle(self, message: object) -> None:
        match message:
            case Note():
                self.written += [record.payload for record in message.records]
            case Recall():
                self.tell(message.reply_to, Recalled(()))


class _Nothing:
    """A journal without records."""

    def read(
        self, *, kinds: Sequence[type] = (), key: Key | None = None, after: int = 0
    ) -> Iterator[Record]:
        return iter(())


def _unheard(
    level: str,
    actor: str,
    text: str,
    *,
    symbol: str = "",
    client_order_id: str = "",
    exception: BaseException | None = None,
) -> None:
    """Take a line of the log: what it tells was told when it happened."""


@define(eq=False)
class _Scene:
    """One actor on a step runtime of its own, with a notebook in the journal's place.

    What it tells anybody else comes to nothing: their answers are in the records.
    """

    name: str
    make: Callable[[], Actor]
    runtime: StepRuntime = field(factory=lambda: StepRuntime(record_trace=False))
    written: list[object] = field(factory=list)

    def begin(self, now_ns: int, monotonic_ns: int = 0) -> None:
        """Start at these times."""
        self.go_to(now_ns, monotonic_ns)
        notebook = ChildSpec(names.JOURNAL, lambda: _Notebook(self.written))
        self.runtime.start(SupervisorSpec("replay", (notebook, ChildSpec(self.name, self.make))))
        self.runtime.run_until_idle()

    def go_to(self, now_ns: int, monotonic_ns: int = 0) -> None:
        """Let the time be this; the monotonic one only goes on, and what is due meanwhile happens.

        Nothing that is noted before counts.
        """
        self.runtime.advance(max(0, monotonic_ns - self.runtime.monotonic_ns()))
        self.runtime.run_until_idle()
        self.runtime.set_clock(now_ns)
        self.written.clear()

    def tell(self, message: object) -> list[object]:
        """Tell the actor a message; return what it noted."""
        self.runtime.tell(self.name, message)
        self.runtime.run_until_idle()
        return list(self.written)

    @property
    def actor(self) -> Actor | None:
        """The actor, None after it died of what it was told."""
        context = self.runtime.seats[self.name].context
        return context.actor if context else None


@define(eq=False)
class _Strategy:
    """A `StrategyActor` that begins where a whole state was written."""

    state: StrategyState
    scene: _Scene = field(init=False)
    orders: dict[str, Order] = field(init=False)

    def __attrs_post_init__(self) -> None:
        grid, key = self.state.state, self.state.key
        self.orders = orders_of(grid)
        self.scene = _Scene(
            names.strategy(grid.bot, key),
            lambda: StrategyActor(key, grid.host, grid.bot, grid.settings, _unheard),
        )
        self.scene.begin(0)
        self.scene.tell(SizeScaled(key, grid.scale))
        if self.state.number:
            self.put(self.state)

    def put(self, record: StrategyState) -> None:
        """Let the strategy know what a whole state says."""
        actor, state = self.scene.actor, restored(record)
        self.orders = orders_of(state)
        if isinstance(actor, StrategyActor):
            actor.state = state
            actor.witness.resume(record.number, state)

    def decide(self, record: StrategyDecided, time_ns: int) -> list[object]:
        """Tell the strategy what it was told."""
        actor = self.scene.actor
        if not isinstance(actor, StrategyActor):
            return []
        if actor.state is not None:
            actor.witness.number = record.number - 1
            if record.before is not None:
                # Quotes that changed nothing but themselves are in no record: the newest stands.
                actor.state = evolve(actor.state, quote=record.before)
        held = actor.state.view.positions if actor.state and actor.state.view else ()
        if record.view is not None:
            self.orders, view = view_of(record.view, self.orders, held)
            return self._told(view, time_ns)
        if record.refused is not None:
            refused = record.refused
            return self._told(_refusal(record.key, refused), refused.at_ns)
        if record.scale is not None:
            return self._told(SizeScaled(record.key, record.scale), time_ns)
        if record.instrument is not None:
            sequence = self.state.state.next_sequence
            return self._told(PositionWatched(record.instrument, sequence), time_ns)
        if record.quote is not None:
            return self._told(record.quote, time_ns)
        raise ValueError(f"decision {record.number} of {record.key} has no event")

    def _told(
        self, message: Quote | View | OrderRefused | SizeScaled | PositionWatched, now_ns: int
    ) -> list[object]:
        self.scene.go_to(now_ns)
        return self.scene.tell(message)


def _refusal(key: Key, refused: Refused) -> OrderRefused:
    error = Rejected(refused.reason, retry_after_ns=refused.rest_ns)
    return OrderRefused(key, refused.client_order_id, "place", error)


@define(eq=False)
class _Risk:
    """A `RiskActor` that is given, before each proposal, what a record says that it knew.

    What its other parts would have it know by themselves is put aside by that.
    """

    state: RiskState
    scene: _Scene | None = field(default=None, init=False)

    def judge(self, record: RiskJudged) -> list[object]:
        """Propose what was proposed."""
        command = record.place or record.amend
        if command is None:
            raise ValueError(f"judgement {record.number} has no order")
        scene = self.scene
        if scene is None:
            keys = tuple(dict.fromkeys((record.key, *(seen.key for seen in record.seen))))
            scene = self.scene = _Scene(names.RISK, partial(self._actor, keys))
            scene.begin(record.now_ns, record.monotonic_ns)
        scene.go_to(record.now_ns, record.monotonic_ns)
        actor = scene.actor
        if not isinstance(actor, RiskActor):
            return []
        actor.witness.number = record.number - 1
        install(actor.risk, record)
        return scene.tell(Propose(command, ""))

    def _actor(self, keys: tuple[Key, ...]) -> RiskActor:
        settings = RiskSettings(
            limits_of(self.state),
            RiskTables(),
            keys=keys,
            lanes=(),
            strategies={},
            assets={key.venue: "" for key in keys},
            groups=1,
            isolated=True,
            foreign_stops=False,
            close_within_ns=_NS_S,
            flatten_within_ns=_NS_S,
            statistics=lambda: (),
        )
        return RiskActor(settings, _Nothing(), _unheard)


@define(eq=False)
class StepStage:
    """Every strategy and risk, each on a step runtime of its own: `core.replay.Stage`."""

    _strategies: dict[str, _Strategy] = field(factory=dict, init=False)
    _risk: _Risk | None = field(default=None, init=False)

    def strategy_at(self, actor: str, state: StrategyState) -> None:
        """Let a strategy go on from a whole state, anew from its first."""
        known = self._strategies.get(actor)
        if known is None or not state.number:
            self._strategies[actor] = _Strategy(state)
        else:
            known.put(state)

    def strategy_decides(
        self, actor: str, decided: StrategyDecided, time_ns: int
    ) -> Sequence[object]:
        """Let a strategy decide; return what it writes down."""
        return self._strategies[actor].decide(decided, time_ns)

    def risk_at(self, state: RiskState) -> None:
        """Let risk begin with these limits."""
        self._risk = _Risk(state)

    def risk_judges(self, judged: RiskJudged) -> Sequence[object]:
        """Let risk judge; return what it writes down."""
        assert self._risk is not None, "a judgement before any limits"
        return self._risk.judge(judged)
