"""A difference of two sources counts once both have told of the same event."""

from decimal import Decimal

from core.settled import Settled

S = 1_000_000_000


def test_the_first_figure_counts_at_once() -> None:
    assert Settled().look(Decimal(5), 0) == 5


def test_a_figure_that_comes_back_was_never_believed() -> None:
    settled = Settled()
    settled.look(Decimal(5), 0)
    assert settled.look(Decimal(35), 1) == 5
    assert settled.look(Decimal(5), 2) == 5
    assert settled.look(Decimal(35), S) == 5, "a new departure begins anew"
    assert settled.look(Decimal(35), 2 * S - 1) == 5


def test_a_figure_that_stays_for_a_second_is_believed() -> None:
    settled = Settled()
    settled.look(Decimal(5), 0)
    settled.look(Decimal(4), S)
    assert settled.look(Decimal(4), 2 * S - 1) == 5
    assert settled.look(Decimal(4), 2 * S) == 4


def test_a_figure_that_never_stands_still_is_believed_after_ten_seconds() -> None:
    settled = Settled()
    settled.look(Decimal(0), 0)
    found = [settled.look(Decimal(n), n * S // 2) for n in range(1, 22)]
    assert found[:19] == [0] * 19
    assert found[20] == 21


def test_while_a_source_lags_the_figure_before_counts_and_then_for_a_second_more() -> None:
    settled = Settled()
    settled.look(Decimal(5), 0)
    for second in range(1, 30):
        assert settled.look(Decimal(4), second * S, lagging=True) == 5
    assert settled.look(Decimal(4), 30 * S - 1) == 5
    assert settled.look(Decimal(4), 30 * S) == 4


def test_a_source_that_lags_for_ever_holds_a_figure_back_for_75_seconds() -> None:
    settled = Settled()
    settled.look(Decimal(5), 0)
    found = [settled.look(Decimal(4), n * S, lagging=True) for n in range(1, 77)]
    assert found == [5] * 75 + [4]
