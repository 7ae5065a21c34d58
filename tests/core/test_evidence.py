"""Whose word on a position counts while the journal and the venue differ."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from core.evidence import outweighs
from core.messages import PositionSide

LONG, SHORT, BOTH = PositionSide.LONG, PositionSide.SHORT, PositionSide.BOTH


@pytest.mark.parametrize(
    ("side", "ours", "theirs", "at_once"),
    [
        (LONG, "1", "2", True),
        (SHORT, "-1", "-2", True),
        (LONG, "0", "1", True),
        (LONG, "2", "1", False),
        (SHORT, "-1", "0", False),
        (SHORT, "1", "0", True),
        (LONG, "-1", "0", True),
        (BOTH, "2", "-1", True),
        (BOTH, "2", "1", False),
        (BOTH, "-2", "0", False),
    ],
)
def test_more_than_we_count_stands_at_once_and_less_only_when_it_lasts(
    side: PositionSide, ours: str, theirs: str, at_once: bool
) -> None:
    assert outweighs(side, D(ours), D(theirs), lasts=False) is at_once
    assert outweighs(side, D(ours), D(theirs), lasts=True)
