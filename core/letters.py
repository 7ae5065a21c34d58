"""Dead letters: messages that reached nobody, in the form in which they outlive the host."""

from __future__ import annotations

from attrs import frozen

from core.ports import Record

__all__ = ["UNWRITABLE", "Letter", "Retry"]

UNWRITABLE = "unwritable"
"""Why a record without a written form is a letter, which has none of it either: it has words."""


@frozen(slots=True)
class Letter:
    """One undelivered message.

    `reason` is the runtime's word, `to` the address, `kind` the message's class, `words` the
    message for people. `records` is what it carried, none where it has no durable form; `reply_to`
    who had proposed it. `number` is its place among the letters that were kept, 0 before.
    """

    reason: str
    to: str
    kind: str
    words: str
    time_ns: int
    records: tuple[Record, ...] = ()
    reply_to: str = ""
    number: int = 0


@frozen(slots=True)
class Retry:
    """What trying a letter again comes to: whom to tell what, or why not.

    `obsolete` letters are of no use to anybody any more.
    """

    told: tuple[tuple[str, object], ...] = ()
    refusal: str = ""
    obsolete: bool = False
