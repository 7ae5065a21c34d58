"""What the journal is asked and tells."""

from __future__ import annotations

from attrs import frozen

from core.ports import Record

Told = tuple[str, object]
"""(address, message) to tell on somebody's behalf."""


@frozen(slots=True)
class Write:
    """Make records durable, then tell `then`; when that cannot be done, tell `failed`."""

    records: tuple[Record, ...]
    then: tuple[Told, ...] = ()
    failed: tuple[Told, ...] = ()


@frozen(slots=True)
class Note:
    """Write these with the next records, or soon: a decision is on disk before its order leaves."""

    records: tuple[Record, ...]


@frozen(slots=True)
class Unwritten:
    """An intent could not be made durable, so its order was not sent."""

    client_order_id: str
    action: str


@frozen(slots=True)
class Recall:
    """Tell what waits for the disk: who begins anew finds it in no file.

    `about` comes back with the answer, for who asks more than one thing.
    """

    reply_to: str
    about: str = ""


@frozen(slots=True)
class Recalled:
    """What is not in the journal yet, oldest first; all else that was told before is."""

    records: tuple[Record, ...]
    about: str = ""


@frozen(slots=True)
class WrittenLate:
    """These records of a symbol waited for the disk; who began meanwhile has not read them."""

    records: tuple[Record, ...]


@frozen(slots=True)
class JournalFailed:
    """The journal cannot be written; nothing may be opened until it can."""

    text: str


@frozen(slots=True)
class JournalRecovered:
    """Everything that waited is on disk now."""
