"""What the runtime tells: events for observers, reports for supervisors, orders for actors."""

from collections.abc import Callable
from typing import Final, Literal

from attrs import field, frozen

Cause = Literal[
    "normal", "crash", "hung", "overflow", "failed_start", "gave_up", "stopped", "supervisor_died"
]
State = Literal["starting", "waiting", "running", "backing_off", "stopping", "stopped", "failed"]


class _Nothing:
    """The type of `NOTHING`."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()  # "no message": a message may well be None


@frozen
class ChildReady:
    """A child has started and reported ready."""

    name: str
    generation: int
    reason: str = "ready"


@frozen
class ChildWaiting:
    """A child is starting and says what it waits for."""

    name: str
    generation: int
    reason: str


@frozen
class ChildDied:
    """A child's incarnation ended, by itself or because a sibling's end took it along."""

    name: str
    generation: int
    reason: str
    cause: Cause
    poison: object = NOTHING  # the message in its hands, NOTHING if there was none


@frozen
class ChildGaveUp:
    """This child's failure was one more than `supervisor` may mend; all its children stop."""

    name: str
    generation: int
    reason: str
    supervisor: str


@frozen
class Outcome:
    """How the host ended; `abandoned` are those that did not stop in time."""

    reason: str
    exit: Literal["orderly", "gave_up"]
    abandoned: tuple[str, ...] = ()


@frozen
class ActorStatistics:
    """One address, as seen from outside; ages are exact to one interval of the watch."""

    name: str
    state: State
    waiting_for: str
    restarts: int
    generation: int
    mailbox: int
    oldest_ms: float
    busy_ms: float
    handled: int
    conflated: int
    dead_letters: int
    recovery_ms: float | None
    """From its last end until it was ready again; None when it never ended."""


@frozen
class Ready:
    """Report of an incarnation: it has rebuilt its state."""

    name: str
    generation: int


@frozen
class Waiting:
    """Report of an incarnation: still starting, and why."""

    name: str
    generation: int
    reason: str


@frozen
class Died:
    """Report of the runtime: this incarnation has ended and holds no lease any more."""

    name: str
    generation: int
    cause: Cause
    reason: str
    error: BaseException | None = field(default=None, eq=False)
    poison: object = NOTHING


@frozen
class Begin:
    """Order of the step runtime: build the state."""

    generation: int


@frozen
class Stop:
    """Order: end this incarnation after `stopping()`. A supervisor stops its children first."""

    generation: int
    reason: str


@frozen
class Kill:
    """Order of a test or a drill: raise this in the actor's own thread."""

    generation: int
    error: BaseException


@frozen
class Stall:
    """Order of a drill: hang on this in the actor's own thread."""

    generation: int
    wait: Callable[[], object]


@frozen
class Finish:
    """An incarnation's order to itself: end here."""

    generation: int
    cause: Cause
    reason: str


Order = Begin | Stop | Kill | Stall | Finish
