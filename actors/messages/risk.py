"""What risk is asked and tells: proposals, exposure, pauses, the halt, orders of an operator."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from attrs import frozen

from core.instruments import Instrument, LeverageBracket
from core.messages import (
    AmendOrder,
    Key,
    PlaceOrder,
    PositionSide,
)
from core.positions import Position
from core.risk.exposure import Working
from core.risk.halt import Halt
from core.risk.rules import Refusal


@frozen(slots=True)
class Propose:
    """Ask risk for approval; it answers the symbol's position, or `reply_to` with a refusal."""

    command: PlaceOrder | AmendOrder
    reply_to: str


@frozen(slots=True)
class RefusedByRisk:
    command: PlaceOrder | AmendOrder
    refusal: Refusal


@frozen(slots=True)
class ExposureReport:
    """A symbol's whole state, from its owner; `ended` since the report before.

    `reset` opens the owner's life: orders approved for it earlier that it does not mention may
    still wait in its mailbox. `unprotected` names sides without a working stop of matching size,
    each with the monotonic time since when. `cancels` of entries left since the report before.
    """

    key: Key
    positions: tuple[Position, ...]
    working: tuple[Working, ...]
    ended: tuple[str, ...]
    reset: bool = False
    unprotected: tuple[tuple[PositionSide, int], ...] = ()
    cancels: int = 0


@frozen(slots=True)
class Mention:
    """Ask a position to mention these approvals in its next report, as open or as ended."""

    client_order_ids: tuple[str, ...]


@frozen(slots=True)
class InstrumentListed:
    """A symbol became known, with a first mark price (for figures, too old to trade on).

    `leverage` and `brackets` are what the venue reads back.
    """

    instrument: Instrument
    mark: Decimal
    leverage: int
    brackets: tuple[LeverageBracket, ...]


@frozen(slots=True)
class Pause:
    """Nothing may be opened on this symbol (or whole venue) while `source` has not resumed.

    After one that `needs_comparison` the positions compare with the venue first, asked after the
    source resumed.
    """

    source: str
    reason: str
    venue: str
    key: Key | None = None
    needs_comparison: bool = False


@frozen(slots=True)
class Resume:
    source: str


@frozen(slots=True)
class HaltTold:
    """The trading halt's present state, for the last fence."""

    halt: Halt


@frozen(slots=True)
class HaltWanted:
    """Ask risk for `HaltTold`."""

    reply_to: str


@frozen(slots=True)
class SizeScaled:
    """Size new entries of this symbol with this part of full size (0 to 1), and shrink open ones.

    Told to the symbol's strategy at once on a change and when it asks by `ScaleWanted`.
    """

    key: Key
    scale: Decimal


@frozen(slots=True)
class ScaleWanted:
    """A strategy asks risk for `SizeScaled`."""

    key: Key
    reply_to: str


@frozen(slots=True)
class Decided:
    """A strategy looked at data and decided (perhaps to do nothing): liveness is work done."""

    key: Key


@frozen(slots=True)
class CompareNow:
    """Ask a position to compare itself with the venue; it answers `Compared` with the token."""

    token: int


@frozen(slots=True)
class Compared:
    """The position equals the venue's, as read after the question of this token came."""

    key: Key
    token: int


@frozen(slots=True)
class WalletTold:
    """An account's wallet as the venue states it, to risk, at every change and every reading.

    `transfers` sums deposits less withdrawals since the books were opened. `available`,
    `initial_margin` and `maintenance_margin` are of the last reading, None before it, and `read_ns`
    is when that came (monotonic). A wallet not `explained` may contain a transfer that the venue
    has not listed yet.
    """

    venue: str
    asset: str
    wallet: Decimal
    transfers: Decimal
    available: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    read_ns: int = 0
    explained: bool = True


@frozen(slots=True)
class ForeignFound:
    """Another program's order or position on the account, in words; each once."""

    venue: str
    symbol: str
    text: str


@frozen(slots=True)
class ReducePosition:
    """Close this quantity (venue's unit, positive) of a side with a reduce-only order now."""

    key: Key
    position_side: PositionSide
    quantity: Decimal
    reason: str


@frozen(slots=True)
class TightenStop:
    """Bring a side's stop to this distance from the mark, never further away than it is."""

    key: Key
    position_side: PositionSide
    distance_bps: Decimal
    reason: str


@frozen(slots=True)
class Flatten:
    """Cancel everything and close every side, in slices, until the venue says flat."""

    reason: str
    reply_to: str


@frozen(slots=True)
class FlattenTold:
    """How far a flatten is: `done` when the venue says flat, or when time is up with `left`.

    After the latter the closing goes on, and is `done` once more when the venue says flat.
    """

    key: Key
    done: bool
    left: tuple[str, ...] = ()


@frozen(slots=True)
class CallsTold:
    """How calls of a venue went since the lane's last word; failures are told at once."""

    venue: str
    lane: str
    good: int
    failed: int
    text: str = ""


@frozen(slots=True)
class ProbeVenue:
    """Ask a lane for one harmless signed call; it answers with `CallsTold`."""


@frozen(slots=True)
class Operate:
    """An operator's command to risk; `reply` is called once, when it is carried out or refused.

    `command` is pause, resume, reduce-only, halt, reset-halt, flatten or throttle; `symbol` "" is
    the whole host; `percent` is throttle's. The answer is {"done": text, ...} or {"error": text}.
    """

    command: str
    reply: Callable[[dict[str, Any]], None]
    symbol: str = ""
    percent: int = 100


@frozen(slots=True)
class CloseForShutdown:
    """The host stops: nothing new, entries cancelled, positions stay protected."""

    reason: str


@frozen(slots=True)
class CancelEntries:
    """Cancel what may open something; say to `reply_to`, if any, when the venue has none left."""

    reply_to: str = ""


@frozen(slots=True)
class EntriesCancelled:
    key: Key
    left: tuple[str, ...] = ()


@frozen(slots=True)
class ArmDeadMan:
    """Have the venue cancel a symbol's plain orders in `after_ms` unless told again; 0 ends it."""

    key: Key
    after_ms: int
