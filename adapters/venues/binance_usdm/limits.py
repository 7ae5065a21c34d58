"""Binance's rate limits as one budget that every lane of an address and account shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock

from attrs import define, frozen

from core.errors import OverBudget
from core.ports import RateUsage

__all__ = ["Budget", "Cost"]

_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS
_DIGITS_MAX = 9
_HEADERS = {
    "weight_1m": "X-MBX-USED-WEIGHT-1M",
    "orders_10s": "X-MBX-ORDER-COUNT-10S",
    "orders_1m": "X-MBX-ORDER-COUNT-1M",
}


@frozen(slots=True)
class Cost:
    """What one call uses: IP weight, and order counts of the account."""

    weight: int = 1
    orders_10s: int = 0
    orders_1m: int = 0

    def of(self, window: str) -> int:
        return {
            "weight_1m": self.weight,
            "orders_10s": self.orders_10s,
            "orders_1m": self.orders_1m,
        }[window]


@define(slots=True)
class _Window:
    name: str
    limit: int
    span_ns: int
    used: int = 0
    started_ns: int = 0
    last_seen: int = 0
    """The venue's newest count; a large drop means that its window began anew."""

    def roll(self, now_ns: int) -> None:
        started = now_ns - now_ns % self.span_ns
        if started > self.started_ns:
            self.started_ns = started
            self.used = 0
            self.last_seen = 0

    def steer(self, seen: int) -> None:
        if seen * 2 < self.last_seen:
            self.used = seen
        else:
            self.used = max(self.used, seen)
        self.last_seen = seen


class Budget:
    """Weights, windows and a reserve for cancels, closes and questions about unknown outcomes.

    Ordinary calls are refused locally once `limit × (1 − reserve_percent / 100)` would be passed;
    urgent ones may use the whole limit. The venue's usage headers overrule our own count, since
    other programs may share the address. While the venue told us to wait, nothing is sent at all:
    calls under a 429 turn into a ban. Any thread may call.
    Source: binance_usdm.md §6; limits are replaced by those of exchangeInfo (`configure`).
    """

    def __init__(
        self,
        *,
        reserve_percent: int = 20,
        venue: str = "binance",
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if not 0 <= reserve_percent < 100:
            raise ValueError(f"reserve_percent: {reserve_percent} is not in 0..99")
        self._reserve_percent = reserve_percent
        self._venue = venue
        self._clock = clock
        self._lock = Lock()
        self._blocked_until_ns = 0
        self._orders_blocked_until_ns = 0
        self._windows = {
            window.name: window
            for window in (
                _Window("weight_1m", 2400, _MINUTE_NS),
                _Window("orders_10s", 300, 10 * _SECOND_NS),
                _Window("orders_1m", 1200, _MINUTE_NS),
            )
        }

    def configure(self, limits: Mapping[str, int]) -> None:
        """Replace limits by the venue's own; names as in `usage`, unknown ones are refused."""
        with self._lock:
            for name, limit in limits.items():
                self._windows[name].limit = limit

    def take(self, cost: Cost, *, urgent: bool = False, request_id: str = "") -> None:
        """Book a call before it is sent.

        Errors: `OverBudget` with the time to wait when the budget does not allow it; then
        nothing is booked.
        """
        with self._lock:
            now_ns = self._clock()
            until_ns = self._blocked_until_ns
            if cost.orders_10s or cost.orders_1m:
                until_ns = max(until_ns, self._orders_blocked_until_ns)
            if now_ns < until_ns:
                raise self._refusal("the venue told us to wait", until_ns - now_ns, request_id)
            for window in self._windows.values():
                window.roll(now_ns)
                share = 100 if urgent else 100 - self._reserve_percent
                allowed = window.limit * share // 100
                wanted = cost.of(window.name)
                if wanted and window.used + wanted > allowed:
                    raise self._refusal(
                        f"{window.name} has {window.used} of {window.limit} used, "
                        f"{allowed} allowed for this call, {wanted} wanted",
                        window.started_ns + window.span_ns - now_ns,
                        request_id,
                    )
            for window in self._windows.values():
                window.used += cost.of(window.name)

    def steer(self, headers: Mapping[str, str]) -> None:
        """Take over the usage that an answer's headers state."""
        with self._lock:
            now_ns = self._clock()
            for name, header in _HEADERS.items():
                stated = headers.get(header, "")
                if stated.isascii() and stated.isdigit() and len(stated) <= _DIGITS_MAX:
                    window = self._windows[name]
                    window.roll(now_ns)
                    window.steer(int(stated))

    def block(self, wait_ns: int) -> None:
        """Send nothing for `wait_ns`; a longer wait that already runs stays."""
        with self._lock:
            self._blocked_until_ns = max(self._blocked_until_ns, self._clock() + wait_ns)

    def block_orders(self, wait_ns: int) -> None:
        """Place and amend nothing for `wait_ns`; cancels and reads, which count no orders, go."""
        with self._lock:
            self._orders_blocked_until_ns = max(
                self._orders_blocked_until_ns, self._clock() + wait_ns
            )

    def usage(self) -> tuple[RateUsage, ...]:
        """Return what is used of each limit at this moment."""
        with self._lock:
            now_ns = self._clock()
            for window in self._windows.values():
                window.roll(now_ns)
            return tuple(
                RateUsage(window.name, window.used, window.limit, window.span_ns)
                for window in self._windows.values()
            )

    def _refusal(self, text: str, wait_ns: int, request_id: str) -> OverBudget:
        return OverBudget(
            f"not sent: {text}",
            venue=self._venue,
            request_id=request_id,
            retry_after_ns=wait_ns,
        )
