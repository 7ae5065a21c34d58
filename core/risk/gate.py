"""The gate: the only type the venue path takes, which only risk can make."""

from __future__ import annotations

from typing import Generic, TypeVar

from attrs import field, frozen

from core.messages import AmendOrder, PlaceOrder

__all__ = ["Approved", "Gate", "Rehearsal"]

C = TypeVar("C", PlaceOrder, AmendOrder)


@frozen(slots=True)
class _Seal:
    """What a gate approved, so that a copy with another content is no approval."""

    command: object
    epoch: int
    at_ns: int
    monotonic_ns: int


@frozen(slots=True)
class Approved(Generic[C]):
    """A command that risk approved.

    `epoch` is the trading halt's epoch at approval: the last fence refuses it when the halt has
    tightened since. `at_ns` and `monotonic_ns` are when it was approved, by both clocks: a lane
    refuses to send what is too old by either, so an order that was not sent in time can be proven
    never to have left. Errors: `TypeError` when anything but a `Gate` builds one, a changed copy
    included.
    """

    command: C
    epoch: int
    at_ns: int
    monotonic_ns: int
    _seal: _Seal = field(repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        seal = self._seal
        if (
            type(seal) is not _Seal
            or seal.command is not self.command
            or (seal.epoch, seal.at_ns) != (self.epoch, self.at_ns)
            or seal.monotonic_ns != self.monotonic_ns
        ):
            raise TypeError("Approved is made by core.risk.gate.Gate.approve, after the checks")


class Gate:
    """Makes `Approved`; `core.risk.checks.Risk` owns the one of the host."""

    def approve(self, command: C, epoch: int, at_ns: int, monotonic_ns: int) -> Approved[C]:
        """Seal a command that passed every check."""
        seal = _Seal(command, epoch, at_ns, monotonic_ns)
        return Approved(command, epoch, at_ns, monotonic_ns, seal)


@frozen(slots=True)
class Rehearsal:
    """A placement that a venue shall only judge, never carry out: it is no `Approved`.

    Anybody may build one, because what places refuses it: a rehearsal opens nothing, so nothing has
    to be reserved for it.
    """

    command: PlaceOrder
