"""Listens to a venue's streams until each has proven itself, for the readiness report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from core.messages import StreamConnected, StreamLost
from core.ports import EventSink, Stream, StreamEvent
from core.readiness import Item, fail, ok

__all__ = ["Listening"]

_POLL_S = 0.02


class Listening:
    """Streams of the market and of the account, opened at once and watched until they work.

    A market stream works when the venue confirmed it and a frame of data came; the account's when
    the venue confirmed it: it is silent while nothing happens.
    """

    def __init__(
        self,
        market: Callable[[EventSink], Sequence[Stream]],
        account: Callable[[EventSink], Sequence[Stream]],
    ) -> None:
        self._news: SimpleQueue[StreamConnected | StreamLost] = SimpleQueue()
        self._confirmed: set[str] = set()
        self._lost: dict[str, str] = {}
        self._began_s = time.monotonic()
        self._market = market(self._heard)
        self._account = account(self._heard)
        for stream in (*self._market, *self._account):
            stream.open()

    def wait(self, within_s: float, interrupted: Callable[[], bool]) -> list[Item]:
        """Wait for all, at most `within_s` from the opening; return an item for each kind."""
        kinds = (("market_stream", self._market, True), ("account_stream", self._account, False))
        until_s = self._began_s + within_s
        while True:
            self._take_news()
            found = {name: self._troubles(streams, data) for name, streams, data in kinds}
            settled = all(stream in self._lost for one in found.values() for stream in one)
            if settled or time.monotonic() > until_s or interrupted():
                return [_judge(name, tuple(found[name].values()), within_s) for name in found]
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Close all connections; what they use at the venue is left to those who share it."""
        for stream in (*self._market, *self._account):
            stream.close()

    def _heard(self, event: StreamEvent) -> None:
        if isinstance(event, (StreamConnected, StreamLost)):
            self._news.put(event)

    def _take_news(self) -> None:
        while not self._news.empty():
            event = self._news.get()
            if isinstance(event, StreamLost):
                self._lost[event.stream] = event.reason
            else:
                self._confirmed.add(event.stream)

    def _troubles(self, streams: Sequence[Stream], data: bool) -> dict[str, str]:
        """Say of each stream that has not proven itself what is missing, in words."""
        found = {}
        for stream in streams:
            name = stream.name
            if name in self._lost:
                found[name] = f"{name}: {self._lost[name]}"
            elif name not in self._confirmed:
                found[name] = f"{name}: not confirmed"
            elif data and not stream.last_frame_ns():
                found[name] = f"{name}: confirmed, no data yet"
        return found


def _judge(name: str, missing: Sequence[str], within_s: float) -> Item:
    if missing:
        figure = f"{'; '.join(missing)} (within {within_s:g} s)"
        return fail(name, figure, "check the network, proxies and the venue's status page")
    return ok(name, "connected, confirmed, data comes" if "market" in name else "confirmed")
