"""Dead letters of the trading host: which are worth keeping, and what becomes of one retried."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from actors import names
from actors.messages.journal import Write
from actors.messages.risk import Operate, Propose
from core.letters import UNWRITABLE, Letter, Retry
from core.messages import (
    AmendOrder,
    CancelOrder,
    Fill,
    FundingPaid,
    Key,
    OrderAcknowledged,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderUpdated,
    PlaceOrder,
)
from core.ports import Log, Record
from core.records import AmendIntended, CancelIntended, OperatorCommanded, OrderIntended
from core.risk.gate import Approved
from core.risk.halt import OPERATOR

__all__ = ["Office", "letter_of", "revive"]

_TOLD_AGAIN: Final = (
    CancelOrder, Fill, FundingPaid, OrderAcknowledged, OrderOutcomeUnknown,
    OrderRefused, OrderUpdated,
)  # fmt: skip
_INTENTS: Final = (AmendIntended, CancelIntended, OrderIntended)
_LONGEST = 2_000


def letter_of(reason: str, to: str, message: object, now_ns: int) -> Letter | None:
    """Write the letter of a message that concerned an order, or that killed its reader.

    Of a record that cannot be written, too, in words. None for any other: a quote or a tick that
    reached nobody is made up for by the next one.
    """
    kind = type(message).__name__
    records: tuple[Record, ...] = ()
    reply_to = ""
    match message:
        case Approved():
            records = (_record(message.command, to, now_ns),)
        case Propose():
            records = (_record(message.command, to, now_ns),)
            reply_to = message.reply_to
        case Write():
            records = message.records
        case Record() if reason == UNWRITABLE:
            kind = type(message.payload).__name__
        case _ if isinstance(message, _TOLD_AGAIN):
            records = (_record(message, to, now_ns),)
        case _ if reason != "poison":
            return None
    return Letter(reason, to, kind, repr(message)[:_LONGEST], now_ns, records, reply_to)


def revive(letter: Letter) -> Retry:
    """Say what trying a letter again comes to.

    What would open something is proposed to risk, which judges it as it judges any other; an
    approval is never used twice. Facts are told again: each counts once, however often it comes.
    """
    payloads = tuple(record.payload for record in letter.records)
    match letter.kind, payloads:
        case "Approved", _:
            why = "an approval is for one moment; the strategy proposes anew by itself"
            return Retry(refusal=why, obsolete=True)
        case "Propose", (PlaceOrder() | AmendOrder() as command,):
            return Retry(((names.RISK, Propose(command, letter.reply_to)),))
        case "Write", _:
            facts = tuple(r for r in letter.records if not isinstance(r.payload, _INTENTS))
            if facts:
                return Retry(((names.JOURNAL, Write(facts)),))
            return Retry(refusal="it announced orders that were never sent", obsolete=True)
        case _, (payload,) if isinstance(payload, _TOLD_AGAIN):
            return Retry(((letter.to, payload),))
    return Retry(refusal=f"a {letter.kind} has no durable form, so it is kept to be looked at only")


def _record(payload: object, to: str, now_ns: int) -> Record:
    key = _key(payload)
    client_order_id = getattr(payload, "client_order_id", "")
    if isinstance(payload, OrderAcknowledged):
        client_order_id = payload.update.client_order_id
    return Record(payload, now_ns, key, client_order_id, to)


def _key(payload: object) -> Key | None:
    found = payload.update.key if isinstance(payload, OrderAcknowledged) else None
    found = found or getattr(payload, "key", None)
    return found if isinstance(found, Key) else None


class Office:
    """Hears of every dead letter of the host; not an actor, so that it outlives each of them.

    State: the instants (monotonic ns) of the last deaths by messages about each symbol. A message
    that killed its reader is a dead letter at once: what it did before is not known, so it is not
    tried again. Its like may come again and again; after `poison_after` deaths within `window_ns`
    its symbol is paused at risk, durably and until an operator resumes it, so that one symbol's
    restarts do not go on until the whole host is halted.
    """

    def __init__(
        self,
        poison_after: int,
        window_ns: int,
        keep: Callable[[Letter], None],
        tell: Callable[[str, object], None],
        log: Log,
    ) -> None:
        self.poison_after = poison_after
        self.window_ns = window_ns
        self.keep = keep
        self.tell = tell
        self.log = log
        self.deaths: dict[Key, deque[int]] = {}

    def hear(
        self, reason: str, to: str, message: object, now_ns: int, monotonic_ns: int, *, kept: bool
    ) -> None:
        """Log a dead letter; where it is to be `kept`, keep it if it is worth it."""
        letter = letter_of(reason, to, message, now_ns)
        level = "warning" if letter is None else "error"
        kind = type(message).__name__ if letter is None else letter.kind
        self.log(level, to, f"dead letter ({reason}): {kind}")
        if letter is None or not kept:
            return
        self.keep(letter)
        if reason == "poison":
            self._count(to, message, monotonic_ns)

    def commanded(
        self, request: Mapping[str, object], answer: Mapping[str, object], now_ns: int
    ) -> None:
        """Journal what an operator did to the letters."""
        action = request.get("action")
        if action in ("retry", "discard"):
            which = "all" if request.get("id") is None else str(request["id"])
            refusal = str(answer.get("error", ""))
            command = OperatorCommanded(f"deadletters {action}", "", which, refusal)
            self.tell(names.JOURNAL, Write((Record(command, now_ns, actor=OPERATOR),)))

    def _count(self, reader: str, message: object, monotonic_ns: int) -> None:
        key = _symbol(reader, message)
        if key is None:
            return
        deaths = self.deaths.setdefault(key, deque())
        deaths.append(monotonic_ns)
        while deaths and deaths[0] < monotonic_ns - self.window_ns:
            deaths.popleft()
        if len(deaths) < self.poison_after:
            return
        deaths.clear()
        many = f"{self.poison_after} messages about it killed their readers"
        mend = f"see run.py deadletters list; run.py resume --symbol {key.symbol} ends it"
        self.log("error", names.RISK, f"{key} is to be paused: {many}: {mend}", symbol=key.symbol)
        self.tell(names.RISK, Operate("pause", self._answered, key.symbol))

    def _answered(self, answer: Mapping[str, object]) -> None:
        if "error" in answer:
            self.log("error", names.RISK, f"the pause was refused: {answer['error']}")


def _symbol(to: str, message: object) -> Key | None:
    """Return the symbol that a message is about, else the one of its reader."""
    match message:
        case Propose() | Approved():
            return message.command.key
        case Write():
            return next((r.key for r in message.records if r.key), None)
    return _key(message) or names.symbol_of(to)
