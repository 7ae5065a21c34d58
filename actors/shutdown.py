"""Shutdown as seen from outside the actors: risk is told to close until the host has ended."""

from __future__ import annotations

from actors import names
from actors.messages.risk import CloseForShutdown
from actors.runtime import Outcome, Runtime

__all__ = ["close"]

_AGAIN_S = 0.05


def close(runtime: Runtime, reason: str, within_s: float) -> Outcome | None:
    """Have risk end new risk, get entries cancelled and stop the host; None if not in time.

    It is told again and again: one that dies meanwhile forgets it, and its successor finds it
    waiting before any proposal, because back-offs are longer than the pause between two tells.
    """
    until_ns = runtime.monotonic_ns() + int(within_s * 1e9)
    while runtime.outcome is None and runtime.monotonic_ns() < until_ns:
        if not runtime.mailboxes[names.RISK].closed:
            runtime.tell_control(names.RISK, CloseForShutdown(reason))
        runtime.wait(_AGAIN_S)
    return runtime.outcome
