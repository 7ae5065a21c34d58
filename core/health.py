"""Health: whether the host does its work now, by its own status (shape: DESIGN §8). AUDIT E04."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["problems"]

_RUNNING = "running"
_CLOSED = "closed"
_SLOW_BY_NATURE = ("timesync:", "exchange:")
_QUESTIONS = ":reads"
_TOLD_EVERY_S = 1.0
"""Risk tells once a second when work was done last: what is shown may be that much too old."""


def problems(status: Mapping[str, Any], slow_mailbox_ms: int) -> tuple[str, ...]:
    """Return what keeps the host from its work now; nothing while it does it.

    The work: see the market, hear of the account, decide, and have every part there. A pause, a
    throttle or a latched halt is somebody's word or a limit that did its duty: the host that obeys
    it is well. Words of venues and reasons are left out: this may be read by more people than logs.
    """
    return (
        *_whole(status),
        *_actors(status["actors"], slow_mailbox_ms),
        *_venues(status["venues"]),
        *_work(status["work"]),
    )


def _whole(status: Mapping[str, Any]) -> Iterator[str]:
    if status["state"] == "stopping":
        yield "the host is stopping"
    if status["halt"] is None:
        yield "risk has told nothing of itself yet"
    elif status["halt"] != _RUNNING and not status["halt_latched"]:
        yield f"the host itself holds trading {status['halt']}, by {status['halt_by']}"


def _actors(actors: list[dict[str, Any]], slow_mailbox_ms: int) -> Iterator[str]:
    for actor in actors:
        name = actor["name"]
        if actor["state"] != _RUNNING:
            yield f"{name} is {actor['state'].replace('_', ' ')}"
        elif actor["oldest_ms"] > slow_mailbox_ms and not _may_be_slow(name):
            waited_s = actor["oldest_ms"] / 1_000
            yield f"a message to {name} has waited for {waited_s:.1f} s"


def _may_be_slow(name: str) -> bool:
    """Tell of an actor whose every message is a call that nobody's order waits for."""
    return name.startswith(_SLOW_BY_NATURE) or name.endswith(_QUESTIONS)


def _venues(venues: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    for name, venue in venues.items():
        if not venue["connected"]:
            yield f"{name} is not connected"
        if venue["breaker"] not in (None, _CLOSED):
            yield f"calls to {name} fail: its breaker is {venue['breaker'].replace('_', ' ')}"


def _work(work: list[dict[str, Any]]) -> Iterator[str]:
    for done in work:
        age_s, limit_s = done["age_s"], done["limit_s"]
        if age_s is not None and age_s > limit_s + _TOLD_EVERY_S:
            allowed = f"{limit_s:g} s are allowed"
            yield f"{done['kind']} of {done['of']}: nothing for {age_s:.1f} s, {allowed}"
