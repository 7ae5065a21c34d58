"""One symbol's strangers: orders that this host did not make, told of once."""

from __future__ import annotations

from math import inf

from attrs import define, field

from actors.desk import Desk
from core.ids import is_ours, parse

__all__ = ["Strangers"]

_FORCED = ("autoclose-", "adl_autoclose", "settlement_autoclose-")
_REMEMBERED = 10_000


@define(eq=False)
class Strangers:
    """Tells risk of each stranger's order once; what is done about it is risk's to say.

    An order under one of our names that our books do not hold is another host's, once no order of
    an earlier incarnation can arrive any more: `_sure_from_ns`, of the monotonic clock. Before that
    it is one that a torn journal forgot, and is taken over without a word.
    """

    desk: Desk
    _told: dict[str, None] = field(factory=dict, init=False)
    _sure_from_ns: float = field(default=inf, init=False)

    def begin(self) -> None:
        """Hear that the first comparison with the venue is over."""
        closed_after_ns = self.desk.settings.proof.closed_after_ns
        self._sure_from_ns = self.desk.actor.monotonic_ns() + closed_after_ns

    def heard(self, client_order_id: str, what: str, *, ended: bool) -> None:
        """Hear of an order that our books do not hold, before they take it in."""
        desk, name = self.desk, client_order_id
        if not name or name in self._told:
            return
        if is_ours(name, desk.settings.host, desk.key.symbol):
            if not self._of_another_host(name, ended=ended):
                return
            who = "another host of our names trades this account"
            desk.log("error", f"{who}: {what}", name)
        elif name.startswith(_FORCED):
            who = "the venue closed by force"
        else:
            who = "another program's order"
        self._told[name] = None
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        desk.tell_foreign(f"{who}: {what} ({name})")

    def _of_another_host(self, client_order_id: str, *, ended: bool) -> bool:
        """Tell whether an unknown order under our names cannot be ours.

        Late news of one that ended long ago may be: its number was used before.
        """
        if self.desk.actor.monotonic_ns() < self._sure_from_ns:
            return False
        made = parse(client_order_id)
        unused = made is not None and made.sequence >= self.desk.book.next_sequence(made.bot)
        return unused or not ended
