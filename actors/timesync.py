"""A venue's clock: sample it, tell the lanes, notice when it drifts or the sample grows old."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from actors import names
from actors.backoff import Backoff
from actors.messages.lanes import ClockTold, SampleClock
from actors.messages.operations import Tick
from actors.messages.risk import Pause, Resume
from actors.runtime import Actor, Timer
from core.errors import VenueError
from core.ports import ClockSample, Log, Venue

_FIRST_RETRY_NS = 500_000_000
_LONGEST_RETRY_NS = 4_000_000_000
_ROUND_TRIPS = 5
_YOUNG_NS = 1_000_000_000
_WATCH_NS = 1_000_000_000
_MOVED = "this machine's clock moved"


@frozen(slots=True)
class ClockSettings:
    """Nanoseconds: how often to sample, how far a new sample may be off, how old one may be.

    `data_age_ns` is how old data of the market may be.
    """

    sample_every_ns: int
    max_drift_ns: int
    max_age_ns: int
    data_age_ns: int


class TimesyncActor(Actor):
    """Own the offset between our clock and one venue's.

    State: the last good sample (nanoseconds; positive when the venue is ahead), and how far the
    wall clock is ahead of the monotonic one.
    Fails: an unreachable venue is waited for, with growing pauses; without a sample young enough
    nothing may be opened at the venue, and neither once the two clocks of this machine moved
    against each other, before the next good sample: it slept, or somebody set its clock.
    Rules: of several round trips the shortest wins, its error is at most half its length.
    """

    def __init__(
        self,
        make_venue: Callable[[], Venue],
        settings: ClockSettings,
        lanes: Sequence[str],
        log: Log,
    ) -> None:
        self.make_venue = make_venue
        self.settings = settings
        self.lanes = lanes
        self.log = log
        self.sample: ClockSample | None = None
        self.backoff = Backoff(self, _FIRST_RETRY_NS, _LONGEST_RETRY_NS)
        self.usable = False
        self.retry: Timer | None = None
        self.sampled_ns = 0
        self.lead_ns = self.unsure_until_ns = 0

    def starting(self) -> None:
        self.lead_ns = self.now_ns() - self.monotonic_ns()
        self.venue = self.make_venue()
        self.waiting(f"connecting to {self.venue.name} at {self.venue.rest_url}")
        self._sample()
        self.every(self.settings.sample_every_ns, Tick("sample"))
        self.every(max(self.settings.max_age_ns // 4, 10_000_000), Tick("age"))
        self.every(_WATCH_NS, Tick("watch"))

    def handle(self, message: object) -> None:
        match message:
            case Tick("sample") | Tick("retry"):
                self._sample()
            case Tick("age"):
                self._judge_age()
            case Tick("watch"):
                self._compare_clocks()
            case SampleClock():
                self._wanted(message.reply_to)

    def stopping(self) -> None:
        self.venue.close()

    def _wanted(self, reply_to: str) -> None:
        """Answer a lane that begins; sample for one whose timestamp was refused."""
        if reply_to:
            if self.sample is not None:
                self._tell(reply_to)
        elif self.sample is None or self.monotonic_ns() - self.sampled_ns > _YOUNG_NS:
            self._sample()

    def _sample_again(self, pause_ns: int) -> None:
        if self.retry is not None:
            self.retry.cancel()
        self.retry = self.after(pause_ns, Tick("retry"))

    def _sample(self) -> None:
        self.sampled_ns = self.monotonic_ns()
        try:
            trips = [self.venue.sample_clock() for _ in range(_ROUND_TRIPS)]
        except VenueError as error:
            self._failed(error)
            return
        best = min(trips, key=lambda trip: trip.round_trip_ns)
        before, self.sample = self.sample, best
        self.backoff.reset()
        drift_ns = abs(best.offset_ns - before.offset_ns) if before else 0
        drifted = drift_ns > self.settings.max_drift_ns
        if drifted:
            self.log(
                "warning",
                self.name,
                f"clock moved by {drift_ns // 1_000_000} ms against {self.venue.name} "
                f"(venues.{self.venue.name}.max_clock_drift_ms); sampling again",
            )
            self._sample_again(_FIRST_RETRY_NS)
        unsure_ns = self.unsure_until_ns - self.sampled_ns
        if unsure_ns > 0 and not drifted:
            self._sample_again(unsure_ns)
        reason = f"clock of {self.venue.name} drifted by {drift_ns // 1_000_000} ms"
        self._use(not drifted and unsure_ns <= 0, _MOVED if unsure_ns > 0 else reason)
        self.ready()

    def _failed(self, error: VenueError) -> None:
        pause_ns = self.backoff.pause_ns(error.retry_after_ns)
        text = f"no clock sample from {self.venue.rest_url}: {error.message}"
        self.log("warning", self.name, f"{text}; again in {pause_ns / 1e9:.1f} s")
        if self.sample is None:
            self.waiting(f"connecting: {text}")
        self._sample_again(pause_ns)

    def _judge_age(self) -> None:
        if self.sample is None:
            return
        age_ns = self.now_ns() - self.sample.at_ns
        if age_ns > self.settings.max_age_ns or age_ns < -self.settings.max_drift_ns:
            self._use(False, f"clock sample of {self.venue.name} is {age_ns / 1e9:.0f} s old")

    def _compare_clocks(self) -> None:
        """Stop entries when this machine's clocks moved against each other.

        What came before counts as new by the monotonic clock, and may be hours old: only once it
        counts as old by that clock too, entries go on.
        """
        before_ns, self.lead_ns = self.lead_ns, self.now_ns() - self.monotonic_ns()
        moved_ns = self.lead_ns - before_ns
        if self.sample is None or abs(moved_ns) <= self.settings.max_drift_ns:
            return
        self.log("warning", self.name, f"{_MOVED}, by {moved_ns / 1e9:.1f} s: it slept or was set")
        self.unsure_until_ns = self.monotonic_ns() + self.settings.data_age_ns
        self._use(False, _MOVED)
        self._sample()

    def _use(self, usable: bool, reason: str) -> None:
        if usable and not self.usable:
            self.tell_control(names.RISK, Resume(self.name))
        elif not usable:
            pause = Pause(self.name, reason, self.venue.name, needs_comparison=True)
            self.tell_control(names.RISK, pause)
        self.usable = usable
        for lane in (*self.lanes, names.OPERATIONS):
            self._tell(lane)

    def _tell(self, to: str) -> None:
        assert self.sample is not None
        told = ClockTold(self.sample.offset_ns, self.usable, self.sample.at_ns, self.name)
        self.tell_control(to, told)
