"""The tree as data: what a supervisor starts, how long it waits, when it gives up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen, validators

if TYPE_CHECKING:
    from .actor import Actor

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "rest_for_one", "one_for_all"]

_positive = validators.gt(0.0)


@frozen
class ChildSpec:
    """One child. Seconds throughout; `None` means no such deadline.

    `restart`: permanent is always restarted, transient only after a failure, temporary never.
    `start_within_s` counts from the last sign of life: each `waiting(reason)` starts it anew.
    `busy_deadline_s` bounds one message, `starting()` and `stopping()` alike.
    """

    name: str = field(validator=validators.min_len(1))
    factory: Callable[[], Actor] | SupervisorSpec
    restart: Restart = field(
        default="permanent", validator=validators.in_(("permanent", "transient", "temporary"))
    )
    start_within_s: float | None = 30.0
    shutdown_within_s: float = field(default=5.0, validator=_positive)
    busy_deadline_s: float = field(default=10.0, validator=_positive)
    mailbox_age_s: float | None = None
    mailbox_limit: int = field(default=100_000, validator=validators.gt(0))

    def __attrs_post_init__(self) -> None:
        """Refuse deadlines that are never met, and a nested supervisor under two names."""
        for deadline_s in (self.start_within_s, self.mailbox_age_s):
            if deadline_s is not None and deadline_s <= 0:
                raise ValueError(f"child {self.name!r}: a deadline must be above 0 s or None")
        if isinstance(self.factory, SupervisorSpec) and self.factory.name != self.name:
            raise ValueError(f"child {self.name!r} holds a supervisor named {self.factory.name!r}")


@frozen
class SupervisorSpec:
    """One supervisor: at most `max_restarts` within `window_s`, else it gives up.

    The n-th back-off is `backoff_initial_s * backoff_factor**n`, at most `backoff_max_s`, of which
    a random part of up to `jitter` (0..1) is taken off. A child that stayed ready for `window_s`
    begins again with the first. Events go to the address `events_to`, on its control lane.
    """

    name: str = field(validator=validators.min_len(1))
    children: tuple[ChildSpec | SupervisorSpec, ...] = ()
    strategy: Strategy = field(
        default="one_for_one",
        validator=validators.in_(("one_for_one", "rest_for_one", "one_for_all")),
    )
    max_restarts: int = field(default=5, validator=validators.ge(0))
    window_s: float = field(default=60.0, validator=_positive)
    backoff_initial_s: float = field(default=0.1, validator=validators.ge(0.0))
    backoff_max_s: float = field(default=10.0, validator=validators.ge(0.0))
    backoff_factor: float = field(default=2.0, validator=validators.ge(1.0))
    jitter: float = field(default=0.2, validator=[validators.ge(0.0), validators.le(1.0)])
    events_to: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse a breaker that cannot trip: back-offs so long that the window forgets them."""
        least_s = sum(islice(self.backoffs_s(), self.max_restarts)) * (1 - self.jitter)
        if least_s >= self.window_s:
            raise ValueError(
                f"supervisor {self.name!r} can never give up: {self.max_restarts} back-offs last "
                f"{least_s:.3g} s or more, its window {self.window_s:.3g} s (raise window_s, or "
                f"lower max_restarts or backoff_max_s)"
            )

    def backoffs_s(self) -> Iterator[float]:
        """Yield the back-offs one after the other, before jitter, without end."""
        wait_s = self.backoff_initial_s
        while True:
            yield min(self.backoff_max_s, wait_s)
            if wait_s < self.backoff_max_s:
                wait_s *= self.backoff_factor

    def as_child(self) -> ChildSpec:
        """Return this supervisor as a permanent child that may take its children's time."""
        stop_s = sum(child.shutdown_within_s for child in self.child_specs())
        return ChildSpec(
            name=self.name, factory=self, start_within_s=None, shutdown_within_s=stop_s + 1.0
        )

    def child_specs(self) -> Iterator[ChildSpec]:
        """Yield the children, left to right, nested supervisors wrapped."""
        for child in self.children:
            yield child.as_child() if isinstance(child, SupervisorSpec) else child
