"""A venue's streams: keep them open, hand each event to the actor that owns its subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from actors import names
from actors.backoff import Backoff
from actors.messages.lanes import StreamDoubted
from actors.messages.operations import LaneReport, Tick
from actors.messages.risk import Pause, Resume
from actors.runtime import Actor
from core.messages import (
    BalanceUpdated,
    Bar,
    BookDelta,
    BookSnapshot,
    Fill,
    FrameLeftOut,
    FundingPaid,
    Key,
    MarkPrice,
    OrderUpdated,
    PositionReported,
    Quote,
    StreamConnected,
    StreamLost,
    Trade,
)
from core.ports import EventSink, Log, Stream

OpenStreams = Callable[[EventSink], Sequence[Stream]]

_FIRST_RETRY_NS = 500_000_000
_LONGEST_RETRY_NS = 8_000_000_000
_STEADY_NS = 10_000_000_000
_LEFT_OUT_EVERY_NS = 60_000_000_000
_DOUBT_NS = 10_000_000_000
_YOUNG_NS = 3_000_000_000
_LONGEST_DOUBT_NS = 640_000_000_000


@frozen(slots=True)
class StreamNews:
    """A connection's own event; those of connections that were given up count no more."""

    epoch: int
    event: StreamConnected | StreamLost


class StreamActor(Actor):
    """Own the connections of one kind (market or account) of one venue.

    State: the open connections and which of them the venue confirmed.
    Fails: a lost, silent or doubted connection closes all of them and opens new ones after a pause
    that grows until one has stood for a while; those who depend on the events are told, and compare
    with the venue before they go on. Doubts that a new connection does not settle are heeded less
    and less often.
    Rules: none. Events run on the connections' own threads straight to their readers' mailboxes.
    """

    def __init__(
        self,
        venue_name: str,
        endpoints: Callable[[], tuple[str, str]],
        open_streams: OpenStreams,
        keys: Sequence[Key],
        listeners: Sequence[str],
        silence_ns: int | None,
        log: Log,
    ) -> None:
        self.venue_name = venue_name
        self.endpoints = endpoints
        self.url = ""
        self.open_streams = open_streams
        self.keys = frozenset(keys)
        self.listeners = listeners
        self.silence_ns = silence_ns
        self.log = log
        self.streams: Sequence[Stream] = ()
        self.down = False
        self.connected: set[str] = set()
        self.backoff = Backoff(self, _FIRST_RETRY_NS, _LONGEST_RETRY_NS)
        self.epoch = 0
        self.opened_ns = 0
        self.doubted_ns = self.doubt_pause_ns = self.up_ns = 0
        self.next_left_out_ns = 0

    def starting(self) -> None:
        self.markets = {key: names.market(key) for key in self.keys}
        self.positions = {key: names.position(key) for key in self.keys}
        self.account = names.account(self.venue_name)
        self.url = self.endpoints()[1]
        self.waiting(f"connecting to {self.url}")
        self._open()
        if self.silence_ns:
            self.every(max(self.silence_ns // 4, 10_000_000), Tick("silence"))

    def stopping(self) -> None:
        self._close()

    def handle(self, message: object) -> None:
        match message:
            case StreamNews() if message.epoch == self.epoch:
                self._changed(message.event)
            case FrameLeftOut():
                self._left_out(message)
            case StreamDoubted():
                self._doubted(message.reason)
            case Tick("silence"):
                self._judge_silence()
            case Tick("open", epoch) if epoch == self.epoch:
                self._open()
            case Tick("steady", epoch) if epoch == self.epoch:
                self.backoff.reset()

    def _open(self) -> None:
        self.epoch += 1
        self.connected.clear()
        self.opened_ns = self.monotonic_ns()
        self.streams = self.open_streams(self._sink(self.epoch))
        for stream in self.streams:
            stream.open()

    def _close(self) -> None:
        for stream in self.streams:
            stream.close()
        self.streams = ()

    def _sink(self, epoch: int) -> EventSink:
        """Make the function that the connections' threads call."""
        tell, tell_latest, name = self.tell, self.tell_latest, self.name
        markets, positions, account = self.markets, self.positions, self.account

        def sink(event: object) -> None:
            match event:
                case Quote():
                    tell_latest(markets[event.key], "quote", event)
                case Trade() | BookDelta() | BookSnapshot() | Bar():
                    tell(markets[event.key], event)
                case MarkPrice():
                    tell_latest(markets[event.key], "mark", event)
                case OrderUpdated() | Fill() | PositionReported() | FundingPaid():
                    tell(positions.get(event.key, account), event)
                case BalanceUpdated():
                    tell(account, event)
                case StreamConnected() | StreamLost():
                    tell(name, StreamNews(epoch, event))
                case FrameLeftOut():
                    tell_latest(name, event.stream, event)

        return sink

    def _left_out(self, frame: FrameLeftOut) -> None:
        """Say what came instead of a frame: the first of each minute, the count tells the rest."""
        now_ns = self.monotonic_ns()
        if now_ns >= self.next_left_out_ns:
            self.next_left_out_ns = now_ns + _LEFT_OUT_EVERY_NS
            text = f"{frame.stream}: no frame: {frame.reason}; {frame.count} left out so far"
            self.log("warning", self.name, f"{text}; it begins {frame.start}")

    def _changed(self, event: StreamConnected | StreamLost) -> None:
        if isinstance(event, StreamLost):
            self._lost(event.stream, event.reason, event.retry_after_ns)
            return
        self.connected.add(event.stream)
        if len(self.connected) < len(self.streams):
            return
        # Not yet forgiven: what broke it may break it again with the first frames.
        self.after(_STEADY_NS, Tick("steady", self.epoch))
        self.down = False
        self.up_ns = self.monotonic_ns()
        # Always: the pause may be one that an incarnation before this one asked for.
        self.tell_control(names.RISK, Resume(self.name))
        self.log("info", self.name, f"connected to {self.url}")
        self._tell_all(event)
        self.ready()

    def _lost(self, stream: str, reason: str, retry_after_ns: int = 0) -> None:
        self._close()
        self.epoch += 1
        pause_ns = self.backoff.pause_ns(retry_after_ns)
        text = f"{stream}: {reason}; connecting again in {pause_ns / 1e9:.1f} s"
        self.log("warning", self.name, text)
        self.waiting(f"connecting to {self.url}: {reason}")
        if not self.down:
            # Risk keeps this pause whoever of the listeners starts anew meanwhile.
            self.down = True
            self.tell_control(names.RISK, Pause(self.name, text, self.venue_name))
        if self.connected:
            self._tell_all(StreamLost(self.venue_name, stream, reason))
        self.connected.clear()
        self.after(pause_ns, Tick("open", self.epoch))

    def _judge_silence(self) -> None:
        """Take a connection for dead when its data stopped, whatever its socket says."""
        assert self.silence_ns
        now_ns = self.monotonic_ns()
        for stream in self.streams:
            heard_ns = max(stream.last_frame_ns(), self.opened_ns)
            if now_ns - heard_ns > self.silence_ns:
                silent_ms = (now_ns - heard_ns) // 1_000_000
                self._lost(stream.name, f"no data for {silent_ms} ms (stream_silence_ms)")
                return

    def _doubted(self, reason: str) -> None:
        """Connect anew, unless that was done a moment ago: the doubt may be of what was before."""
        now_ns = self.monotonic_ns()
        since_ns = now_ns - self.doubted_ns
        up = self.streams and len(self.connected) == len(self.streams)
        if not up or now_ns - self.up_ns < _YOUNG_NS or since_ns < self.doubt_pause_ns:
            return
        calm = since_ns > 4 * self.doubt_pause_ns
        longer_ns = _DOUBT_NS if calm else min(2 * self.doubt_pause_ns, _LONGEST_DOUBT_NS)
        self.doubted_ns, self.doubt_pause_ns = now_ns, longer_ns
        self._lost(self.name, f"doubted: {reason}")

    def _tell_all(self, event: StreamConnected | StreamLost) -> None:
        for listener in self.listeners:
            self.tell(listener, event)
        connected = isinstance(event, StreamConnected)
        report = LaneReport(self.venue_name, self.name, connected)
        self.tell_latest(names.OPERATIONS, self.name, report)
