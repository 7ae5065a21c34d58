"""Every error this project raises on purpose, for those who catch by type.

BulkheadError
├── UserError                 one line for the console: what, where, how to mend
│   ├── ConfigError           a key of config.toml (where = its full path)
│   ├── UsageError            a command line, an operator's command, a file handed in
│   └── NotReady              an item of the readiness report that stops a start
├── InvalidOrder              an order that breaks an instrument's rules, before any request
├── IllegalTransition         an order event that its state does not allow
├── BookError                 a local book that can no longer be trusted
│   ├── BookGap               a sequence number is missing
│   └── BookCrossed           best bid at or above best ask
├── PositionMismatch          journal and venue disagree
├── JournalError              the journal could not be written or read (disk full, corrupt)
│   └── UnwritableRecord      one record that never can be written, whatever the disk does
├── NotTold                   a message to people that was not taken
├── StoreError                the store of dead letters could not be written or read
├── FrameError                bytes from a venue that are not what its protocol says
└── VenueError                an answer (or no answer) of a venue, with what it means
    ├── Rejected              refused for good; nothing happened
    ├── NotFound              the venue does not know this order (no proof on its own, see docs)
    ├── OutcomeUnknown        it may have happened; ask for the client order id
    ├── RetryLater            did not happen; safe to repeat after a pause
    │   ├── RateLimited       with the time to wait
    │   │   └── OverBudget    held back by our own count of the limit: the venue was not asked
    │   └── Unreachable       no connection was made, nothing was sent
    ├── ClockRejected         timestamp refused; nothing happened
    └── AuthRejected          key, signature or permission refused; nothing happened
"""

from __future__ import annotations

__all__ = [
    "AuthRejected",
    "BookCrossed",
    "BookError",
    "BookGap",
    "BulkheadError",
    "ClockRejected",
    "ConfigError",
    "FrameError",
    "IllegalTransition",
    "InvalidOrder",
    "JournalError",
    "NotFound",
    "NotReady",
    "NotTold",
    "OutcomeUnknown",
    "OverBudget",
    "PositionMismatch",
    "RateLimited",
    "Rejected",
    "RetryLater",
    "StoreError",
    "Unreachable",
    "UnwritableRecord",
    "UsageError",
    "UserError",
    "VenueError",
]


class BulkheadError(Exception):
    """Root of the tree."""


class UserError(BulkheadError):
    """Something a person can mend.

    Printed as `error: <what> (<where>): <mend>`.
    """

    def __init__(self, what: str, where: str, mend: str) -> None:
        super().__init__(what, where, mend)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what} ({self.where}): {self.mend}"


class ConfigError(UserError):
    """A configuration key that is unknown, of the wrong type, out of range or contradictory.

    `others` are the further problems of the same file, each to be shown on a line of its own.
    """

    def __init__(
        self, what: str, where: str, mend: str, others: tuple[ConfigError, ...] = ()
    ) -> None:
        super().__init__(what, where, mend)
        self.others = others


class UsageError(UserError):
    """A command line, an operator's command or an input file that cannot be used."""


class NotReady(UserError):
    """A start that the readiness report does not allow.

    `others` are the further items that stop it, each to be shown on a line of its own.
    """

    def __init__(self, what: str, where: str, mend: str, others: tuple[NotReady, ...] = ()) -> None:
        super().__init__(what, where, mend)
        self.others = others


class InvalidOrder(BulkheadError):
    """An order that the venue would refuse: `rule` names which, the text gives the figures."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(rule, text)
        self.rule = rule
        self.text = text

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


class IllegalTransition(BulkheadError):
    """An event that an order's present state does not allow."""

    def __init__(self, client_order_id: str, state: str, event: str) -> None:
        super().__init__(client_order_id, state, event)
        self.client_order_id = client_order_id
        self.state = state
        self.event = event

    def __str__(self) -> str:
        return f"order {self.client_order_id} is {self.state} and cannot take {self.event}"


class BookError(BulkheadError):
    """A local order book that needs a new snapshot."""


class BookGap(BookError):
    """A depth update does not follow the one before it."""


class BookCrossed(BookError):
    """The best bid reached the best ask."""


class PositionMismatch(BulkheadError):
    """The journal's position and the venue's differ."""


class JournalError(BulkheadError):
    """The journal could not be written or read."""


class UnwritableRecord(JournalError):
    """A record without an exact written form; `place` is where it stood among those to write."""

    def __init__(self, text: str, place: int = 0) -> None:
        super().__init__(text)
        self.place = place


class StoreError(BulkheadError):
    """The store of dead letters could not be written or read."""


class NotTold(BulkheadError):
    """A message to people was not taken, or nobody knows; the text holds no secret.

    `retry_after_s` is how long the other side asks to be left alone. A message that is `final` was
    refused for what it is: the same would be refused again.
    """

    def __init__(self, text: str, *, retry_after_s: float = 0.0, final: bool = False) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s
        self.final = final


class FrameError(BulkheadError):
    """Bytes from a venue that its protocol does not allow; the text never holds a secret."""


class VenueError(BulkheadError):
    """What a venue answered, or that it did not.

    `code` is the venue's own number (0 where it gave none), `http_status` 0 where no answer came,
    `request_id` the id that is also in the log and, for orders, the client order id.
    """

    def __init__(
        self,
        message: str,
        *,
        venue: str = "",
        code: int = 0,
        http_status: int = 0,
        request_id: str = "",
        retry_after_ns: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.venue = venue
        self.code = code
        self.http_status = http_status
        self.request_id = request_id
        self.retry_after_ns = retry_after_ns

    def __str__(self) -> str:
        place = f"{self.venue} " if self.venue else ""
        return f"{place}{type(self).__name__} {self.code} (HTTP {self.http_status}): {self.message}"


class Rejected(VenueError):
    """Refused for good; nothing happened."""


class NotFound(VenueError):
    """The venue does not know the order asked for."""


class OutcomeUnknown(VenueError):
    """The request may have been carried out."""


class RetryLater(VenueError):
    """Not carried out; may be repeated after `retry_after_ns`."""


class RateLimited(RetryLater):
    """A rate limit was reached, the venue's or our own; not carried out."""


class OverBudget(RateLimited):
    """Not sent: our own budget of the venue's limit did not allow it."""


class Unreachable(RetryLater):
    """No connection could be made; nothing was sent."""


class ClockRejected(VenueError):
    """The timestamp was refused; not carried out; the clock offset needs a new sample."""


class AuthRejected(VenueError):
    """Key, signature, address or permission refused; not carried out."""
