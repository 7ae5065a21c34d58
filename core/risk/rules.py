"""The pre-trade rules: every family joined, in the order in which an order meets them."""

from __future__ import annotations

from core.errors import InvalidOrder
from core.risk.limits import Limits
from core.risk.margin_rules import MARGIN_RULES
from core.risk.order_rules import ORDER_RULES, closing_quantity
from core.risk.portfolio_rules import PORTFOLIO_RULES
from core.risk.proposal import Proposal, Refusal, Rule, View, refuse
from core.risk.size_rules import SIZE_RULES
from core.risk.state_rules import STATE_RULES

__all__ = [
    "CLOSING_RULES",
    "RULES",
    "Limits",
    "Proposal",
    "Refusal",
    "Rule",
    "View",
    "instrument_rule",
]

RULES: tuple[Rule, ...] = (
    *STATE_RULES,
    *ORDER_RULES,
    *SIZE_RULES,
    *MARGIN_RULES,
    *PORTFOLIO_RULES,
)
"""For what may grow a position; the first refusal counts."""

CLOSING_RULES: tuple[Rule, ...] = (closing_quantity,)
"""For what can only shrink one: no loss, age, pause or cap ever holds it back."""


def instrument_rule(problem: InvalidOrder) -> Refusal:
    """Turn a broken rule of the venue into a refusal."""
    return refuse(problem.rule, problem.text, "the venue's filter")
