"""Transfers of one asset: which of them a wallet contains, so that none looks like a loss."""

from __future__ import annotations

from decimal import Decimal

from core.money import ZERO
from core.records import Transferred

__all__ = ["Transfers"]


class Transfers:
    """Deposits less withdrawals since the books were opened; mutable, one owner.

    The stream tells at once that money moved, the list of bookings which transfer it was: until it
    does, the change of the wallet stands in. A booking counts once the wallet contains it.
    """

    def __init__(self, opened_ns: int) -> None:
        self._opened_ns = opened_ns
        self._booked: dict[str, Transferred] = {}
        self._contained: set[str] = set()
        self._told: list[Decimal] = []

    @property
    def opened_ns(self) -> int:
        """Return when the books were opened; what came before is in their opening."""
        return self._opened_ns

    def moved(self, change: Decimal) -> None:
        """Hear from the stream that a transfer changed the wallet by this amount."""
        if change:
            self._told.append(change)

    def book(self, transfer: Transferred) -> bool:
        """Take a booking in; tell whether it is new."""
        if transfer.transfer_id in self._booked or transfer.time_ns <= self._opened_ns:
            return False
        self._booked[transfer.transfer_id] = transfer
        if transfer.amount in self._told:
            self._told.remove(transfer.amount)
            self._contained.add(transfer.transfer_id)
        return True

    @property
    def awaited(self) -> bool:
        """Tell whether the stream told of one that no booking names yet."""
        return bool(self._told)

    def within(self, as_of_ns: int) -> Decimal:
        """Sum what a wallet contains that the venue stated as of this instant."""
        return sum(self._told, ZERO) + sum(
            (
                transfer.amount
                for name, transfer in self._booked.items()
                if transfer.time_ns <= as_of_ns or name in self._contained
            ),
            ZERO,
        )
