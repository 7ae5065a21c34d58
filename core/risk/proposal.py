"""What a pre-trade rule looks at and what it answers: a proposal, the view around it, a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from attrs import field, frozen

from core.instruments import Instrument
from core.messages import Key
from core.money import ZERO, ceil_to_step, text
from core.risk.exposure import Exposure, Working
from core.risk.facts import Facts
from core.risk.halt import Halt
from core.risk.limits import Limits
from core.risk.measured import Measures

__all__ = ["Proposal", "Refusal", "Rule", "View", "over", "refuse"]

_SHOWN_STEP = Decimal("0.01")


@frozen(slots=True)
class Refusal:
    """Why an order may not leave: the rule, the figures, and where the limit is configured.

    `config` is empty where no key sets the limit: the refusal comes from a state or from the order.
    """

    rule: str
    value: Decimal
    limit: Decimal
    config: str
    text: str

    def __str__(self) -> str:
        where = f" ({self.config})" if self.config else ""
        return f"{self.rule}: {self.text}{where}"


@frozen(slots=True)
class Proposal:
    """An order as the reservation that it needs, and its limit price, if any.

    `replaces` is what the same order already counts with (an amendment), 0 for a new one; `amends`
    tells the two apart. `reduce_only` is what the order says of itself. `notional` is at the worse
    of limit price and mark. `added` is what approval would add to what is reserved: 0 where an
    amendment is no larger than its order, which counts until it changed.
    """

    order: Working
    price: Decimal | None
    mark: Decimal
    instrument: Instrument
    replaces: Decimal = ZERO
    amends: bool = False
    reduce_only: bool = False
    notional: Decimal = field(init=False)
    added: Decimal = field(init=False)

    @notional.default
    def _notional(self) -> Decimal:
        return self.instrument.notional(max(self.order.price, self.mark), self.order.remaining)

    @added.default
    def _added(self) -> Decimal:
        return max(self.notional - self.replaces, ZERO)


@frozen(slots=True)
class View:
    """What is held, known and allowed at the moment of a decision.

    `now_ns` is UTC and only for what the venue's calendar decides (funding); ages are measured by
    `monotonic_ns`, as the times in `facts` are.
    """

    exposure: Exposure
    facts: Facts
    limits: Limits
    halt: Halt
    paused: Mapping[Key, str]
    moves: Measures
    now_ns: int
    monotonic_ns: int


Rule = Callable[[Proposal, View], Refusal | None]


def over(
    rule: str,
    value: Decimal,
    limit: Decimal,
    what: str,
    proposal: Proposal,
    config: str = "",
) -> Refusal | None:
    """Refuse over the limit; `config` is `risk.` and the rule's name unless told otherwise.

    `what` is put into words then only: approvals are the hot path.
    """
    if value <= limit:
        return None
    order = proposal.order
    words = what.format(side=order.side.value, symbol=order.key.symbol, proposal=proposal)
    shown, beyond = (text(ceil_to_step(figure, _SHOWN_STEP)) for figure in (value, value - limit))
    figures = f"{words} would be {shown}, {beyond} over the limit of {text(limit)}"
    return Refusal(rule, value, limit, config or f"risk.{rule}", figures)


def refuse(rule: str, why: str, config: str = "") -> Refusal:
    """Refuse for a state or for what the order says of itself, where there are no figures."""
    return Refusal(rule, ZERO, ZERO, config, why)
