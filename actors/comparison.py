"""One symbol compared with the venue: instrument and settings, orders, fills, positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import define, evolve, field, frozen

from actors import names
from actors.backoff import Backoff
from actors.desk import Desk
from actors.messages.account import CompareAgain
from actors.messages.lanes import (
    Read,
    ReadFailed,
    ReadSymbol,
    SetUpSymbol,
    StreamDoubted,
    SymbolRead,
    SymbolSetUp,
)
from actors.messages.operations import Tick
from actors.messages.risk import InstrumentListed, Resume
from actors.orders import Orders
from actors.runtime import Timer
from actors.stated import Stated
from core.errors import RateLimited, Rejected, Unreachable
from core.messages import (
    Fill,
    FundingPaid,
    MarkPrice,
    OrderUpdated,
    PositionReported,
    PositionSide,
    StreamLost,
)
from core.orders import State
from core.records import Reconciled, SymbolOpened

__all__ = ["Comparison"]

_RETRY_NS = 1_000_000_000
_LONGEST_RETRY_NS = 4_000_000_000
_OVERLAP_NS = 60_000_000_000
_FUNDING_LATE_NS = 50_000_000_000
_READS_TO_AGREE = 3
_READS_TO_LATCH = 6
_READ_LOST_NS = 30_000_000_000
_UNLISTED_RETRY_NS = 30_000_000_000
_VERIFIED_EVERY_NS = 600_000_000_000
_EARLY_MOST = 10_000
_TOLD_WITHIN_NS = 2_000_000_000
_TOKENS = 1_000_000_000


@frozen
class _Waiting:
    """A call for the first comparison from `token` on; `equal` where only one without a difference.

    Otherwise one will do in which the venue's word stands for every side that differs.
    """

    token: int
    call: Callable[[], None]
    equal: bool


@define(eq=False)
class Comparison:
    """Reads a symbol from the venue, at the start and ever again, and lets the venue's word stand.

    Its orders and fills are folded in; a position that they do not explain is protected and closed
    as the venue states it (`Desk.stated`), while our books and risk's pause wait for a person.
    Events of the stream wait in `early` until the first comparison, then go to `handle`.
    `_listening` once the stream, connected anew, was compared with: a fill that it does not tell
    from then on is a reason to doubt it. `changed` and `began` are for the actor: something is new;
    the first comparison has found no difference.
    """

    desk: Desk
    orders: Orders
    funding: Callable[[FundingPaid], None]
    handle: Callable[[object], None]
    changed: Callable[[], None]
    began: Callable[[], None]
    stated: Stated = field(init=False)
    backoff: Backoff = field(init=False)
    early: list[object] = field(factory=list, init=False)
    _retry: Timer | None = field(default=None, init=False)
    _setting_up_until_ns: int = field(default=0, init=False)
    _reading_until_ns: int = field(default=0, init=False)
    _since_ns: int = field(default=0, init=False)
    _token: int = field(default=0, init=False)
    _answer_counts_from: int = field(default=0, init=False)
    _reads_differing: int = field(default=0, init=False)
    _recorded_ns: int = field(default=0, init=False)
    _vanished: dict[str, int] = field(factory=dict, init=False)
    _next_funding_ns: int = field(default=0, init=False)
    _settled_ns: int = field(default=0, init=False)
    _funding_read_ns: int = field(default=0, init=False)
    _asked_funding: bool = field(default=False, init=False)
    _waiting: list[_Waiting] = field(factory=list, init=False)
    _listening: bool = field(default=False, init=False)
    _told_apart: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.stated = Stated(self.desk)
        self.backoff = Backoff(self.desk.actor, _RETRY_NS, _LONGEST_RETRY_NS)

    # Asking

    def ask_venue(self) -> None:
        """Set the symbol up, or read it where that is done."""
        if self.desk.instrument is None:
            self.set_up()
        else:
            self._read()

    def when_equal(self, call: Callable[[], None]) -> None:
        """Compare anew; call once what is read from now on shows no difference."""
        self._waiting.append(_Waiting(self._token + 1, call, equal=True))
        self.compare_anew()

    def when_told(self, call: Callable[[], None]) -> None:
        """Compare anew; call once the venue's word is in, whether our own count agrees or not."""
        self._waiting.append(_Waiting(self._token + 1, call, equal=False))
        self.compare_anew()

    def compare_anew(self) -> None:
        """Compare by what is read from now on: what was asked before may lack something."""
        self._answer_counts_from = self._token + 1
        self.ask_venue()

    def _ask_again(self, pause_ns: int) -> None:
        """Ask after a pause; however often this is called, one question is to come."""
        if self._retry is not None:
            self._retry.cancel()
        self._retry = self.desk.actor.after(pause_ns, Tick("again"))

    def set_up(self) -> None:
        """Ask for the instrument, and for leverage and margin mode as configured."""
        desk, now_ns = self.desk, self.desk.actor.monotonic_ns()
        if now_ns < self._setting_up_until_ns:
            return
        self._setting_up_until_ns = now_ns + _READ_LOST_NS
        settings = desk.settings
        desk.read(SetUpSymbol(desk.key, settings.leverage, settings.isolated, desk.actor.name))

    def set_up_done(self, done: SymbolSetUp) -> None:
        """Take the instrument in, then compare."""
        desk = self.desk
        self.backoff.reset()
        desk.instrument = done.instrument
        desk.book.positions.multiplier = done.instrument.multiplier
        desk.mark = desk.mark or done.mark
        if desk.book.terms is None:
            instrument = done.instrument
            opened = SymbolOpened(desk.key, instrument.margin_asset, instrument.multiplier)
            desk.book.terms = opened
            desk.journal(opened)
        listed = InstrumentListed(done.instrument, desk.mark, done.leverage, done.brackets)
        desk.actor.tell(names.RISK, listed)
        desk.actor.waiting("comparing with the venue")
        self._read()

    def _read(self) -> None:
        desk, now_ns = self.desk, self.desk.actor.monotonic_ns()
        if desk.instrument is None or now_ns < self._reading_until_ns:
            return
        self._reading_until_ns = now_ns + _READ_LOST_NS
        asked = tuple(
            (order.id, order.command.type.conditional)
            for order in desk.book.live.values()
            if order.state is not State.SUBMITTING
        )
        self._since_ns = since_ns = desk.book.unproven_ns(_OVERLAP_NS)
        self._token += 1
        self._asked_funding = not desk.synced or self._funding_due()
        funding_since_ns = min(since_ns, self._funding_read_ns - 2 * _OVERLAP_NS)
        funding_since_ns = max(funding_since_ns, desk.book.opened_ns)
        me, token, with_funding = desk.actor.name, self._present_token, self._asked_funding
        request = ReadSymbol(desk.key, since_ns, asked, me, token, with_funding, funding_since_ns)
        desk.read(request)

    @property
    def _present_token(self) -> int:
        return self.desk.actor.generation * _TOKENS + self._token

    def _asked(self, request: Read | SymbolRead) -> bool:
        """Tell whether this is the present question, not one of an earlier incarnation."""
        return getattr(request, "token", 0) == self._present_token

    def failed(self, failed: ReadFailed) -> None:
        """Hear that the venue could not be asked: again after a pause."""
        desk = self.desk
        desk.log("warning", f"reading {desk.key}: {failed.error}")
        pause_ns = 0
        if isinstance(failed.request, SetUpSymbol):
            self._setting_up_until_ns = 0
            if isinstance(failed.error, Rejected):
                pause_ns = _UNLISTED_RETRY_NS
        elif isinstance(failed.request, ReadSymbol) and self._asked(failed.request):
            self._reading_until_ns = 0
        else:
            return
        self._ask_again(pause_ns or self.backoff.pause_ns(failed.error.retry_after_ns))
        if desk.synced:
            return
        desk.actor.waiting(failed.error.message)
        if not isinstance(failed.error, (Unreachable, RateLimited)):
            self._stand_aside(f"the venue refuses to tell of it: {failed.error.message}")

    def _stand_aside(self, reason: str) -> None:
        """Stay paused without holding up the start of the other symbols."""
        self.desk.pause(reason)
        self.desk.actor.ready()

    # The stream

    def stream_lost(self, lost: StreamLost) -> None:
        """Open nothing while the account stream is down."""
        self.desk.stream_up = self._listening = False
        self.desk.pause(f"account stream lost: {lost.reason}")

    def stream_back(self) -> None:
        """Compare anew: what was asked before may lack what was missed."""
        self.desk.stream_up, self._listening = True, False
        self.compare_anew()

    def keep_early(self, event: OrderUpdated | Fill | FundingPaid) -> None:
        """Keep what comes before the venue's snapshot; what is too much is read from it instead."""
        if len(self.early) >= _EARLY_MOST:
            self.early.clear()
            self._answer_counts_from = self._token + 1
            self.desk.log("warning", f"more than {_EARLY_MOST} events before the first comparison")
        self.early.append(event)

    def compare_again(self, told: CompareAgain) -> None:
        """Compare at once: a reading of the whole account says otherwise."""
        self.desk.book.doubt(told.fills_since_ns)
        if self.desk.compared:
            self.desk.log("warning", f"{told.why}; comparing with the venue")
            self.compare_anew()

    def heard(self, said: PositionReported) -> None:
        """Keep the stream's word on a side."""
        if self.stated.heard(said):
            self.changed()

    def marked(self, mark: MarkPrice) -> None:
        """Keep the mark price; compare when funding was just settled."""
        self.desk.mark = mark.mark
        before_ns, self._next_funding_ns = self._next_funding_ns, mark.next_funding_ns
        if before_ns and mark.next_funding_ns > before_ns:
            self._settled_ns = before_ns
            self._ask_again(2 * _RETRY_NS)

    def _funding_due(self) -> bool:
        """Tell whether a settlement may lack in what was read: it is booked some seconds late."""
        if self._next_funding_ns and self.desk.actor.now_ns() > self._next_funding_ns:
            self._settled_ns = self._next_funding_ns
        return self._funding_read_ns < self._settled_ns + _FUNDING_LATE_NS

    # Comparing

    def compare(self, read: SymbolRead) -> None:
        """Take the venue's word in; its fills and orders stand, what stays different is told."""
        if not self._asked(read):
            return
        self._reading_until_ns = 0
        self.backoff.reset()
        desk, differences = self.desk, list[str]()
        changed = untold = False
        for fill in read.fills:
            if self.orders.fold(fill):
                differences.append(f"fill {fill.fill_id} of {fill.client_order_id} was missing")
                untold |= fill.time_ns < read.as_of_ns - _TOLD_WITHIN_NS
        fills = len(differences)
        desk.differs("fill", fills)
        if untold and self._listening:
            stream = names.stream(self.desk.key.venue, "account")
            reason = f"it told {self.desk.key.symbol} nothing of a fill"
            self.desk.actor.tell(stream, StreamDoubted(reason))
        for funding in read.funding:
            self.funding(funding)
        self.orders.look_for_lost(read.orders)
        for said in read.orders:
            known = self.desk.book.find(said.client_order_id)
            self._vanished.pop(said.client_order_id, None)
            if self.orders.take(said, final=True):
                changed = True
                if known is None:
                    differences.append(f"order {said.client_order_id} was not in the journal")
        for missing in read.missing:
            changed |= self._vanish(missing, read.as_of_ns, differences)
        desk.differs("order", len(differences) - fills)
        self._compare_positions(read, differences, changed=changed or bool(differences))

    def _vanish(self, client_order_id: str, as_of_ns: int, differences: list[str]) -> bool:
        """End an order that was open and that the venue, asked several times, knows no more.

        Venues forget orders that ended without a fill. Those that were never acknowledged are
        settled by asking for them alone, see core.evidence.
        """
        order = self.desk.book.live.get(client_order_id)
        if order is None or not order.state.at_venue:
            return False
        count = self._vanished[order.id] = self._vanished.get(order.id, 0) + 1
        if count < self.desk.settings.proof.misses_needed:
            return False
        del self._vanished[order.id]
        differences.append(f"order {order.id} is unknown to the venue")
        return self.orders.vanished(order, as_of_ns)

    def _compare_positions(
        self, read: SymbolRead, differences: list[str], *, changed: bool
    ) -> None:
        desk, now_ns = self.desk, self.desk.actor.monotonic_ns()
        apart, distance = self.stated.apart(read)
        if not desk.compared:
            self.orders.protection.recall(read.as_of_ns, now_ns)
        desk.drift = evolve(desk.drift, apart=distance, compared_ns=now_ns)
        if not apart:
            self._reads_differing = 0
            self._told_apart = False
            desk.book.compared(read.as_of_ns, self._since_ns)
            if self._asked_funding:
                self._funding_read_ns = read.as_of_ns
            desk.book.settle_owing()
            self._agreed(differences, changed=changed)
            return
        if changed and desk.synced:
            self.changed()
        self._reads_differing += 1
        if self._reads_differing < _READS_TO_AGREE:
            # A fill between two reads looks like a difference and is gone in the next.
            self._ask_again(_RETRY_NS // 10)
            return
        what = f"position differs from the venue's: {'; '.join(apart.values())}"
        desk.journal(Reconciled(desk.key, (*differences, *apart.values())))
        desk.differs("position", len(apart))
        desk.log("error", what)
        if self._reads_differing >= _READS_TO_LATCH and not self._told_apart:
            self._told_apart = True
            desk.tell_foreign(f"{what}, and stays so")
        if desk.synced:
            desk.pause(what)
        else:
            desk.actor.waiting(what)
            self._stand_aside(what)
        self._let_stand(apart)

    def _let_stand(self, apart: Mapping[PositionSide, str]) -> None:
        """Act as the venue states a position, where that outweighs our own count of it."""
        desk = self.desk
        first, desk.compared = not desk.compared, True
        news = self.stated.let_stand(apart, lasts=self._reads_differing >= _READS_TO_LATCH)
        self._hand_on_early()
        if first or news:
            self.changed()
        if desk.stated.keys() == apart.keys():
            self._answer(equal=False)
        if self._token < self._answer_counts_from:
            self._ask_again(0)

    def _hand_on_early(self) -> None:
        early, self.early = self.early, []
        for event in early:
            self.handle(event)

    def _answer(self, *, equal: bool) -> None:
        """Call those who wait for a comparison like this one."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if each.token <= self._token and (equal or not each.equal):
                each.call()
            else:
                self._waiting.append(each)

    def _agreed(self, differences: list[str], *, changed: bool) -> None:
        desk = self.desk
        first = not desk.synced
        now_ns = desk.actor.monotonic_ns()
        if differences:
            desk.log("warning", f"compared with the venue: {'; '.join(differences)}")
        if differences or first or now_ns - self._recorded_ns > _VERIFIED_EVERY_NS:
            self._recorded_ns = now_ns
            desk.journal(Reconciled(desk.key, tuple(differences)))
        changed = changed or bool(desk.stated)
        desk.stated.clear()
        desk.compared = desk.synced = True
        self._hand_on_early()
        if self._token < self._answer_counts_from:
            self._ask_again(0)
        elif desk.stream_up:
            self._listening = True
            desk.actor.tell_control(names.RISK, Resume(desk.actor.name))
        if first:
            self.began()
        elif changed:
            self.changed()
        self._answer(equal=True)
