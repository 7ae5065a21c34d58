"""One symbol's stops as the venue shows them: asked for while anything is held."""

from __future__ import annotations

from attrs import define, field

from actors.backoff import Backoff
from actors.desk import Desk
from actors.messages.lanes import ReadFailed, ReadStops, StopsRead
from actors.protection import Protection
from actors.questions import Questions

__all__ = ["Inspection"]

_ANSWER_NS = 5_000_000_000
_RETRY_NS = 1_000_000_000
_TOKENS = 1_000_000_000


@define(eq=False)
class Inspection:
    """Asks whether the stops that we hold for working are there: somebody may have cancelled them.

    One that is not shown is asked for alone, since it may just have fired. Monotonic times.
    """

    desk: Desk
    protection: Protection
    questions: Questions
    _asked: frozenset[str] = field(default=frozenset(), init=False)
    _asked_ns: int = field(default=0, init=False)
    _due_ns: int = field(default=0, init=False)
    _token: int = field(default=0, init=False)
    _backoff: Backoff = field(init=False)

    def __attrs_post_init__(self) -> None:
        every_ns = self.desk.settings.protection.verify_every_ns
        self._backoff = Backoff(self.desk.actor, _RETRY_NS, max(_RETRY_NS, every_ns))

    def look(self, now_ns: int) -> None:
        """Ask when it is time to."""
        working = self.protection.working()
        if not working or now_ns < self._due_ns:
            return
        self._asked, self._asked_ns = working, now_ns
        self._due_ns = now_ns + max(self.desk.settings.protection.verify_every_ns, _ANSWER_NS)
        self._token += 1
        self.desk.read(ReadStops(self.desk.key, self.desk.actor.name, self._present_token))

    def read(self, read: StopsRead) -> bool:
        """Take the answer in; tell whether a stop is missing."""
        if read.token != self._present_token:
            return False
        # At the same instants as every other symbol: questions that come together share an answer.
        self._backoff.reset()
        every_ns = self.desk.settings.protection.verify_every_ns
        self._due_ns = (self._asked_ns // every_ns + 1) * every_ns
        missing = (self._asked - frozenset(read.client_order_ids)) & self.protection.working()
        self.protection.shown(read.client_order_ids, self._asked_ns)
        self.protection.not_shown(missing)
        for client_order_id in sorted(missing):
            self.desk.log("warning", "the venue does not show this stop", client_order_id)
            self.questions.inquire(client_order_id, 0)
        return bool(missing)

    def failed(self, failed: ReadFailed) -> None:
        """Hear that the venue could not be asked: again after a pause."""
        now_ns = self.desk.actor.monotonic_ns()
        self._due_ns = now_ns + self._backoff.pause_ns(failed.error.retry_after_ns)

    @property
    def _present_token(self) -> int:
        return self.desk.actor.generation * _TOKENS + self._token
