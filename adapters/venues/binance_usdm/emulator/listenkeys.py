"""Listen keys of the user data stream: one alive at a time, for 60 minutes after its last use."""

from __future__ import annotations

from collections.abc import Callable

from adapters.venues.binance_usdm.emulator.errors import bad_request

__all__ = ["LISTEN_KEY_LIFE_MS", "ListenKeys"]

LISTEN_KEY_LIFE_MS = 3_600_000


class ListenKeys:
    """The listen key of the account; `make` invents a new one. Source: fact sheet §4.3."""

    def __init__(self, make: Callable[[], str], key: str = "", expires_ms: int = 0) -> None:
        self._make = make
        self.key = key
        self.expires_ms = expires_ms

    def open(self, now_ms: int) -> str:
        """Return the active key, extended, or a new one."""
        if not self.active(self.key, now_ms):
            self.key = self._make()
        self.expires_ms = now_ms + LISTEN_KEY_LIFE_MS
        return self.key

    def keep(self, now_ms: int) -> str:
        """Extend the active key. Errors: -1125 where there is none."""
        if not self.active(self.key, now_ms):
            raise bad_request(-1125, "This listenKey does not exist.")
        return self.open(now_ms)

    def close(self) -> None:
        """End the active key, if any."""
        self.key, self.expires_ms = "", 0

    def active(self, key: str, now_ms: int) -> bool:
        """Return whether events go to this key."""
        return bool(key) and key == self.key and now_ms < self.expires_ms

    def expire(self, now_ms: int) -> str:
        """Return the key that ended by time and forget it, "" where none did."""
        if not self.key or now_ms < self.expires_ms:
            return ""
        ended = self.key
        self.close()
        return ended
