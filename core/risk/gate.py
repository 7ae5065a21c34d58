"""The gate: the only type the venue path takes, which only risk can make."""

from __future__ import annotations

from typing import Generic, TypeVar

from attrs import frozen

from core.messages import AmendOrder, PlaceOrder

__all__ = ["Approved", "Gate"]

C = TypeVar("C", PlaceOrder, AmendOrder)


class _Seal:
    """Held by this module and handed to gates; without it `Approved` cannot be built."""


_SEAL = _Seal()


@frozen(slots=True)
class Approved(Generic[C]):
    """A command that risk approved.

    `epoch` is the trading halt's epoch at approval: the last fence refuses it when the halt has
    tightened since. `at_ns` is when it was approved: a lane refuses to send what is too old, so an
    order that was not sent in time can be proven never to have left. Errors: `TypeError` when anything but a `Gate` builds one.
    """

    command: C
    epoch: int
    at_ns: int
    _seal: object

    def __attrs_post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("Approved is made by core.risk.gate.Gate.approve, after the checks")


class Gate:
    """Makes `Approved`; `core.risk.checks.Risk` owns the one of the host."""

    def approve(self, command: C, epoch: int, at_ns: int) -> Approved[C]:
        """Seal a command that passed every check."""
        return Approved(command, epoch, at_ns, _SEAL)
