"""Find actors past their deadlines, by looking from outside once per interval.

No actor reads a clock for this: what stands still between two looks has stood at least that long.
"""

from __future__ import annotations

from collections.abc import Iterable

from .errors import Hung
from .host import Host, describe
from .messages import NOTHING
from .seat import Seat


def look(host: Host, seats: Iterable[Seat], now_ns: int) -> None:
    """Note what every actor is at, and retire those that are past a deadline as hung."""
    for seat in seats:
        age_ns = seat.note_age(now_ns)
        context = seat.context
        if context is None or context.fenced:
            continue
        at, since_ns = context.busy_seen
        if context.current is NOTHING:
            context.busy_seen = (-1, now_ns)
        elif at != context.handled:
            context.busy_seen = (context.handled, now_ns)
        elif now_ns - since_ns > seat.spec.busy_deadline_s * 1e9:
            limit_s = seat.spec.busy_deadline_s
            what = "starting" if at == 0 else "one message"
            error = Hung(f"busy with {what} for more than {limit_s} s")
            host.retire(context, "hung", describe(error), error, only_at=at)
            continue
        age_s = seat.spec.mailbox_age_s
        # What waited while nobody sat here is not this incarnation's fault.
        if age_s is not None and min(age_ns, now_ns - context.launched_ns) > age_s * 1e9:
            error = Hung(f"a message has waited for more than {age_s} s")
            host.retire(context, "hung", describe(error), error)
