"""The venue's rate limits: request weight per minute, orders per 10 seconds and per minute."""

from __future__ import annotations

from adapters.venues.binance_usdm.emulator.errors import ApiError

__all__ = ["RateLimits"]

_MINUTE_MS = 60_000
_TEN_SECONDS_MS = 10_000
_BAN_MS = 120_000


class _Window:
    """A counter that starts anew at every multiple of its length."""

    __slots__ = ("length_ms", "limit", "start_ms", "used")

    def __init__(self, length_ms: int, limit: int) -> None:
        self.length_ms = length_ms
        self.limit = limit
        self.start_ms = 0
        self.used = 0

    def add(self, count: int, now_ms: int) -> bool:
        """Count; return whether the limit still holds."""
        start = now_ms - now_ms % self.length_ms
        if start != self.start_ms:
            self.start_ms, self.used = start, 0
        self.used += count
        return self.used <= self.limit

    def left_ms(self, now_ms: int) -> int:
        return self.start_ms + self.length_ms - now_ms


class RateLimits:
    """Counters of one address and one account.

    A request over the weight limit is answered 429; whoever goes on for `patience` further
    requests is banned (418) for two minutes. Source: fact sheet §5 and §6.
    """

    def __init__(
        self,
        *,
        weight: int = 2_400,
        orders_10s: int = 300,
        orders_1m: int = 1_200,
        patience: int = 50,
    ) -> None:
        self._weight = _Window(_MINUTE_MS, weight)
        self._orders_10s = _Window(_TEN_SECONDS_MS, orders_10s)
        self._orders_1m = _Window(_MINUTE_MS, orders_1m)
        self._patience = patience
        self._ignored = 0
        self._banned_until_ms = 0

    def charge(self, weight: int, now_ms: int) -> None:
        """Count a request. Errors: 429 or 418, code -1003, with Retry-After in seconds."""
        if now_ms < self._banned_until_ms:
            raise self._banned(now_ms)
        if self._weight.add(weight, now_ms):
            self._ignored = 0
            return
        self._ignored += 1
        if self._ignored > self._patience:
            self.ban(now_ms, _BAN_MS)
            raise self._banned(now_ms)
        raise ApiError(
            429,
            -1003,
            f"Too many requests; current limit is {self._weight.limit} requests per minute. "
            "Please use the websocket for live updates to avoid polling the API.",
            self._retry_after(self._weight.left_ms(now_ms)),
        )

    def charge_orders(self, ten_seconds: int, minute: int, now_ms: int) -> None:
        """Count new orders or modifications. Errors: 429, code -1015."""
        for window, count, word in (
            (self._orders_10s, ten_seconds, "10 SECOND"),
            (self._orders_1m, minute, "MINUTE"),
        ):
            if not window.add(count, now_ms):
                raise ApiError(
                    429,
                    -1015,
                    f"Too many new orders; current limit is {window.limit} orders per {word}.",
                    self._retry_after(window.left_ms(now_ms)),
                )

    def ban(self, now_ms: int, for_ms: int) -> None:
        """Ban the address."""
        self._banned_until_ms = now_ms + for_ms
        self._ignored = 0

    def weight_header(self) -> tuple[str, str]:
        return "X-MBX-USED-WEIGHT-1M", str(self._weight.used)

    def order_headers(self) -> tuple[tuple[str, str], ...]:
        return (
            ("X-MBX-ORDER-COUNT-10S", str(self._orders_10s.used)),
            ("X-MBX-ORDER-COUNT-1M", str(self._orders_1m.used)),
        )

    def rules(self) -> list[dict[str, object]]:
        """Return the limits as exchangeInfo lists them."""
        return [
            _rule("REQUEST_WEIGHT", "MINUTE", 1, self._weight.limit),
            _rule("ORDERS", "MINUTE", 1, self._orders_1m.limit),
            _rule("ORDERS", "SECOND", 10, self._orders_10s.limit),
        ]

    def order_rules(self) -> list[dict[str, object]]:
        """Return the order limits as `rateLimit/order` lists them."""
        return [
            _rule("ORDERS", "SECOND", 10, self._orders_10s.limit),
            _rule("ORDERS", "MINUTE", 1, self._orders_1m.limit),
        ]

    def _banned(self, now_ms: int) -> ApiError:
        return ApiError(
            418,
            -1003,
            f"Way too many requests; IP banned until {self._banned_until_ms}. "
            "Please use the websocket for live updates to avoid bans.",
            self._retry_after(self._banned_until_ms - now_ms),
        )

    @staticmethod
    def _retry_after(left_ms: int) -> dict[str, str]:
        return {"Retry-After": str(max(1, -(-left_ms // 1_000)))}


def _rule(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
