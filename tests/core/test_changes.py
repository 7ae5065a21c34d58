"""Large states as little differences."""

from __future__ import annotations

from operator import eq

import pytest

from core.changes import change, changed


def named(*texts: str) -> dict[str, str]:
    """Values by their first letter."""
    return {text[0]: text for text in texts}


@pytest.mark.parametrize(
    ("known", "now", "gone", "put"),
    [
        ((), (), (), ()),
        (("a1", "b1"), ("a1", "b1"), (), ()),
        (("a1", "b1"), ("a1", "b2"), (), ("b2",)),
        (("a1", "b1"), ("b1", "c1"), ("a",), ("c1",)),
        (("a1",), (), ("a",), ()),
        (("a1", "b1"), ("b1", "a1"), ("a", "b"), ("b1", "a1")),
        (("b1",), ("a1", "b1"), ("b",), ("a1", "b1")),
    ],
)
def test_what_changed_leads_from_one_state_to_the_next(
    known: tuple[str, ...], now: tuple[str, ...], gone: tuple[str, ...], put: tuple[str, ...]
) -> None:
    assert change(named(*known), named(*now), eq) == (gone, put)
    after = changed(named(*known), gone, put, lambda text: text[0])
    assert list(after.items()) == list(named(*now).items())


def test_an_equal_value_that_is_another_object_is_new_unless_equality_is_asked_for() -> None:
    before, after = {"a": ["x"]}, {"a": ["x"]}
    assert change(before, after) == ((), (["x"],))
    assert change(before, after, eq) == ((), ())
