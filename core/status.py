"""The status of a host that does not answer: what its books last knew (shape: DESIGN §8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.account import Figure, Unknown
from core.books import Books
from core.ledger import position_row
from core.messages import Key
from core.money import ZERO, text
from core.remembered import Remembered

__all__ = ["figure", "status_from_books"]

_BY_OPERATOR = "paused by the operator"
_FULL = 100


def figure(value: Figure) -> str | None:
    """Write a figure; None (null, shown as "unknown") for one that nobody can know."""
    return None if isinstance(value, Unknown) else text(value)


def status_from_books(
    books: Books, held: Remembered, as_of_ns: int, state: str, symbol: str = ""
) -> dict[str, Any]:
    """Build `status --json` from the books alone, as of their last record (0: there is none).

    Nobody can know marks, equity or connections of a host that does not answer: they are null; an
    order counted here may have been filled since. `held` is what the next start will hold: halt,
    pauses, throttles. `symbol` narrows positions, counts and PnL.
    """
    wanted = [key for key in books.symbols() if symbol in ("", key.symbol)]
    halt = books.halt
    return {
        "mode": books.started.mode if books.started else None,
        "state": state,
        "halt": halt.state.value if halt else None,
        "halt_reason": halt.halt.why if halt else None,
        "halt_by": halt.by if halt else None,
        "halt_latched": halt.latched if halt else None,
        "halt_since_ns": (halt.since_ns or None) if halt else None,
        "uptime_s": None,
        "venues": {},
        "actors": [],
        "positions": [
            position_row(key, position)
            | {"mark_price": None, "liquidation_price": None, "unrealised_pnl": None}
            for key in wanted
            for _, position in books.wallets.positions(key)
            if position.quantity != ZERO
        ],
        "open_orders": sum(1 for key in wanted for _ in books.open_orders(key)),
        "unresolved_orders": sum(1 for key in wanted for _ in books.pending(key)),
        "fills": sum(1 for key in wanted for _ in books.wallets.fills(key)),
        "equity": None,
        "unrealised_pnl": None,
        "realised_pnl": figure(_made(books, wanted)),
        "limits": [],
        "paused": dict.fromkeys(sorted(one or "host" for one in held.paused), _BY_OPERATOR),
        "throttle": {one: part for one, part in held.throttles.items() if part != _FULL},
        "as_of_ns": as_of_ns or None,
        "process": {},
        "alerts": None,
        "stop_reason": books.stopped.reason if books.stopped else None,
    }


def _made(books: Books, wanted: Sequence[Key]) -> Figure:
    """Sum what was realised, less fees, with funding, where it is all of one asset."""
    assets = {books.wallets.margin_asset(key) for key in wanted}
    if len(assets) != 1:
        return Unknown("nothing was traded yet" if not assets else "different assets do not add up")
    return sum((books.wallets.made(key) for key in wanted), ZERO)
