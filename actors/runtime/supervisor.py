"""Supervision as OTP promises it, as an actor that never waits: every wait is a timer.

Two sequences are worked off one step at a time: children to stop, right to left, and then children
to start, left to right, each once the one before is ready. One-for-one restarts go beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import define, frozen

from .actor import Actor
from .errors import Hung, StartTimeout
from .messages import (
    Cause,
    ChildDied,
    ChildGaveUp,
    ChildReady,
    ChildWaiting,
    Died,
    Finish,
    Ready,
    Stop,
    Waiting,
)
from .restarts import Intensity, backoff_ns
from .spec import ChildSpec, SupervisorSpec

if TYPE_CHECKING:
    from .host import Host
    from .timers import Timer

Phase = Literal["down", "starting", "up", "stopping", "backing_off", "gone"]


@define(eq=False)
class Child:
    """What the supervisor knows of one child; gone means it is not to be started again."""

    spec: ChildSpec
    phase: Phase = "down"
    generation: int = 0
    attempts: int = 0
    ready_ns: int | None = None
    timer: Timer | None = None

    @property
    def alive(self) -> bool:
        """Return whether an incarnation holds the lease."""
        return self.phase in ("starting", "up", "stopping")

    def enter(self, phase: Phase) -> None:
        """Change the phase; a timer belongs to one phase."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.phase = phase


@frozen
class Overdue:
    """Timer: this child did not become ready, or did not stop, in time."""

    child: Child
    generation: int


@frozen
class Restart:
    """Timer: the back-off of one child is over."""

    child: Child


@frozen
class Resume:
    """Timer: the back-off of the whole sequence is over."""


class Supervisor(Actor):
    """Keep the children of one `SupervisorSpec` running, or give up.

    State: the phase of each child, what is still to stop and to start, the restarts counted.
    Fails: ends as "gave_up" after one restart too many; its own supervisor counts one failure.
    Rules: `restarts`.
    """

    stops_itself: ClassVar[bool] = True

    def __init__(self, spec: SupervisorSpec, host: Host) -> None:
        self.spec = spec
        self.host = host
        self.children = [Child(child) for child in spec.child_specs()]
        self.by_name = {child.spec.name: child for child in self.children}
        self.to_stop: list[Child] = []
        self.to_start: list[Child] = []
        self.pause: Timer | None = None
        self.intensity = Intensity(spec.max_restarts, spec.window_s)
        self.closing: tuple[Cause, str] | None = None

    def starting(self) -> None:
        """Start from the left; ready follows when the rightmost is."""
        self.to_start = list(self.children)
        self._proceed()

    def handle(self, message: object) -> None:
        """Hear of a child, of time, or of the end."""
        match message:
            case Ready(name=name, generation=generation):
                self._became_ready(self._present(name, generation))
            case Waiting(name=name, generation=generation, reason=reason):
                self._waits(self._present(name, generation), reason)
            case Died(name=name, generation=generation):
                self._died(self._present(name, generation), message)
            case Overdue(child=child, generation=generation):
                self._overdue(child, generation)
            case Restart(child=child):
                self._start(child)
            case Resume():
                self.pause = None
            case Stop(reason=reason):
                self._close("stopped", reason)
            case _:
                self.host.dead_letter("unhandled", self.name, message)
        self._proceed()

    def _present(self, name: str, generation: int) -> Child | None:
        child = self.by_name.get(name)
        return child if child is not None and child.generation == generation else None

    def _became_ready(self, child: Child | None) -> None:
        if child is not None and child.phase == "starting":
            child.enter("up")
            child.ready_ns = self.monotonic_ns()
            self._emit(ChildReady(child.spec.name, child.generation))

    def _waits(self, child: Child | None, reason: str) -> None:
        if child is not None and child.phase == "starting":
            child.enter("starting")
            self._allow(child, child.spec.start_within_s)
            self._emit(ChildWaiting(child.spec.name, child.generation, reason))

    def _overdue(self, child: Child, generation: int) -> None:
        if child.generation != generation:
            return
        spec = child.spec
        if child.phase == "starting":
            late = StartTimeout(f"not ready within {spec.start_within_s} s")
            self.host.retire_child(spec.name, generation, "failed_start", late)
        elif child.phase == "stopping":
            stuck = Hung(f"abandoned: not stopped within {spec.shutdown_within_s} s")
            self.host.retire_child(spec.name, generation, "stopped", stuck)

    def _died(self, child: Child | None, died: Died) -> None:
        if child is None or not child.alive:
            return
        expected = child.phase == "stopping" or child in self.to_stop or self.closing is not None
        if child.ready_ns is not None:
            if self.monotonic_ns() - child.ready_ns >= self.spec.window_s * 1e9:
                child.attempts = 0
            child.ready_ns = None
        child.enter("down")
        if self.closing is None:
            self._emit(ChildDied(died.name, died.generation, died.reason, died.cause, died.poison))
        if expected:
            if child.spec.restart == "temporary":
                self._dismiss(child)
        elif child.spec.restart == "permanent" or (
            child.spec.restart == "transient" and died.cause != "normal"
        ):
            self._restart(child, died)
        else:
            self._dismiss(child)

    def _dismiss(self, child: Child) -> None:
        child.enter("gone")
        if child in self.to_start:
            self.to_start.remove(child)
        self.host.dismiss(self.context, child.spec.name)

    def _restart(self, child: Child, died: Died) -> None:
        now_ns = self.monotonic_ns()
        if not self.intensity.allows(now_ns):
            limit = f"more than {self.spec.max_restarts} restarts within {self.spec.window_s} s"
            reason = f"{limit}, the last for {died.name}: {died.reason}"
            self._emit(ChildGaveUp(died.name, died.generation, reason, self.name))
            self._close("gave_up", reason)
            return
        wait_ns = backoff_ns(self.spec, child.attempts, self.random.random())
        child.attempts += 1
        self.host.note_back_off(self.context, child.spec.name)
        self.host.log("WARNING", died.name, f"restart in {wait_ns / 1e9:.3f} s", None)
        if self.spec.strategy == "one_for_one":
            child.enter("backing_off")
            child.timer = self.after(wait_ns, Restart(child))
            return
        first = self.children.index(child) if self.spec.strategy == "rest_for_one" else 0
        affected = self.children[first:]
        self.to_stop = [each for each in affected if each.alive]
        self.to_start = [
            each
            for each in self.children
            if (each in affected and each.spec.restart != "temporary") or each in self.to_start
        ]
        if self.pause is not None:
            self.pause.cancel()
        self.pause = self.after(wait_ns, Resume())

    def _close(self, cause: Cause, reason: str) -> None:
        if self.closing is not None:
            return
        self.closing = (cause, reason)
        self.to_start = []
        for child in self.children:
            if child.phase == "backing_off":
                child.enter("down")
        self.to_stop = [child for child in self.children if child.alive]

    def _proceed(self) -> None:
        """Take the next step that does not have to wait for anything."""
        if any(child.phase == "stopping" for child in self.children):
            return
        while self.to_stop:
            child = self.to_stop.pop()
            if child.alive:
                self._stop(child)
                return
        if self.closing is not None:
            cause, reason = self.closing
            self.context.finish(Finish(self.generation, cause, reason))
            return
        while self.to_start and self.pause is None:
            child = self.to_start[0]
            if child.phase == "up":
                self.to_start.pop(0)
            elif child.phase in ("down", "gone"):
                self._start(child)
                return
            else:
                return
        if not self.to_start:
            self.ready()

    def _start(self, child: Child) -> None:
        child.enter("starting")
        child.generation = self.host.spawn(self.context, child.spec.name)
        self._allow(child, child.spec.start_within_s)

    def _stop(self, child: Child) -> None:
        child.enter("stopping")
        reason = self.closing[1] if self.closing is not None else "a sibling failed"
        self.host.order_stop(child.spec.name, child.generation, reason)
        self._allow(child, child.spec.shutdown_within_s)

    def _allow(self, child: Child, within_s: float | None) -> None:
        if within_s is not None:
            overdue = Overdue(child, child.generation)
            child.timer = self.after(round(within_s * 1e9), overdue)

    def _emit(self, event: ChildReady | ChildWaiting | ChildDied | ChildGaveUp) -> None:
        if self.spec.events_to is not None:
            self.tell_control(self.spec.events_to, event)
