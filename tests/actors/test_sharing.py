"""Questions that wait together in a lane: what is read of all symbols is read once for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest
from attrs import define, field

from actors.messages.lanes import ReadStops, ReadSymbol, SymbolRead
from actors.sharing import Sharing
from core.messages import Fill, FundingPaid, Key, OrderUpdated, PositionReported, PositionSide

SECOND_NS = 1_000_000_000


def key(number: int) -> Key:
    return Key("binance", f"S{number}USDT")


@define
class CountingVenue:
    """Holds one unit of every symbol and counts what it is asked, of a symbol or of all."""

    symbols: int
    tick: Callable[[], None] = lambda: None
    asked: Counter[str] = field(factory=Counter)

    def _count(self, what: str, of: Key | None) -> None:
        self.asked[f"{what} of {'one' if of else 'all'}"] += 1
        self.tick()

    def venue_now_ns(self) -> int:
        return 7

    def open_orders(self, of: Key | None = None) -> tuple[OrderUpdated, ...]:
        self._count("orders", of)
        return ()

    def open_stops(self, of: Key | None = None) -> tuple[OrderUpdated, ...]:
        self._count("stops", of)
        return ()

    def positions(self, of: Key | None = None) -> tuple[PositionReported, ...]:
        self._count("positions", of)
        side, one = PositionSide.LONG, Decimal(1)
        keys = [of] if of else [key(number) for number in range(self.symbols)]
        return tuple(PositionReported(each, side, one, one, 1) for each in keys)

    def fills(self, of: Key, *, since_ns: int = 0) -> tuple[Fill, ...]:
        self._count("fills", of)
        return ()

    def funding(self, of: Key | None, since_ns: int) -> tuple[FundingPaid, ...]:
        self._count(f"funding since {since_ns}", of)
        keys = [of] if of else [key(number) for number in range(self.symbols)]
        return tuple(
            FundingPaid(each, Decimal(1), "USDT", f"{at}", at) for each in keys for at in (5, 50)
        )


@define
class Clock:
    now_ns: int = 0

    def __call__(self) -> int:
        return self.now_ns


def serve(sharing: Sharing) -> list[SymbolRead]:
    answers = []
    while sharing.waits:
        question, asked_ns = sharing.next()
        if isinstance(question, ReadStops):
            sharing.stops(question, asked_ns)
        else:
            answers.append(sharing.symbol(question, asked_ns))
    return answers


def symbol(number: int, since_ns: int = 0, *, funding: bool = True) -> ReadSymbol:
    return ReadSymbol(key(number), 0, (), "asker", number, funding, since_ns)


def test_one_question_alone_is_asked_of_its_symbol() -> None:
    venue = CountingVenue(1)
    sharing = Sharing(venue, Clock())  # type: ignore[arg-type]
    sharing.enqueue(symbol(0))
    (answer,) = serve(sharing)
    assert venue.asked == Counter(
        ["orders of one", "positions of one", "fills of one", "funding since 0 of one"]
    )
    assert (answer.key, answer.token, answer.as_of_ns) == (key(0), 0, 7)


def test_positions_and_funding_of_those_that_wait_are_read_once_and_back_to_the_earliest() -> None:
    venue = CountingVenue(3)
    sharing = Sharing(venue, Clock())  # type: ignore[arg-type]
    for number, since_ns in enumerate((40, 0, 40)):
        sharing.enqueue(symbol(number, since_ns))
    answers = serve(sharing)
    assert venue.asked == Counter(
        {"orders of one": 3, "fills of one": 3, "positions of all": 1, "funding since 0 of all": 1}
    )
    assert [answer.key for answer in answers] == [key(0), key(1), key(2)]
    for answer in answers:
        assert {row.key for row in (*answer.positions, *answer.funding)} == {answer.key}
    assert [len(answer.funding) for answer in answers] == [1, 2, 1], "each from where it asked"


def test_what_was_read_before_a_question_was_asked_does_not_answer_it() -> None:
    clock = Clock()
    venue = CountingVenue(3)
    sharing = Sharing(venue, clock)  # type: ignore[arg-type]
    for number in range(2):
        sharing.enqueue(symbol(number, funding=False))
    serve(sharing)
    clock.now_ns += 1
    for number in range(2):
        sharing.enqueue(symbol(number, funding=False))
    serve(sharing)
    assert venue.asked["positions of all"] == 2


def test_a_reading_grows_too_old_while_others_are_answered() -> None:
    clock = Clock()

    def tick() -> None:
        clock.now_ns += SECOND_NS // 2

    venue = CountingVenue(20, tick)
    sharing = Sharing(venue, clock)  # type: ignore[arg-type]
    for number in range(20):
        sharing.enqueue(symbol(number, funding=False))
    serve(sharing)
    assert venue.asked["positions of all"] > 3


def test_a_reading_of_funding_that_takes_long_still_serves_all_who_wait() -> None:
    clock = Clock()

    def tick() -> None:
        clock.now_ns += 5 * SECOND_NS // 100

    class Slow(CountingVenue):
        def funding(self, of: Key | None, since_ns: int) -> tuple[FundingPaid, ...]:
            clock.now_ns += 5 * SECOND_NS
            return super().funding(of, since_ns)

    venue = Slow(100, tick)
    sharing = Sharing(venue, clock)  # type: ignore[arg-type]
    for number in range(100):
        sharing.enqueue(symbol(number))
    assert len(serve(sharing)) == 100
    assert venue.asked["funding since 0 of all"] == 1


@pytest.mark.parametrize(("waiting", "of"), [(40, "one"), (41, "all")])
def test_orders_and_stops_are_read_of_all_symbols_where_that_is_cheaper(
    waiting: int, of: str
) -> None:
    venue = CountingVenue(waiting)
    sharing = Sharing(venue, Clock())  # type: ignore[arg-type]
    for number in range(waiting):
        sharing.enqueue(ReadStops(key(number), "asker"))
    serve(sharing)
    for number in range(waiting):
        sharing.enqueue(symbol(number, funding=False))
    serve(sharing)
    for what in ("orders", "stops"):
        assert venue.asked[f"{what} of {of}"] == (waiting if of == "one" else 1)


def test_where_stops_are_many_or_funding_is_wanted_others_are_waited_for() -> None:
    sharing = Sharing(CountingVenue(50), Clock())  # type: ignore[arg-type]
    assert sharing.enqueue(ReadStops(key(0), "asker")) == 0
    for number in range(1, 50):
        assert sharing.enqueue(ReadStops(key(number), "asker")) is None
    serve(sharing)
    assert sharing.enqueue(ReadStops(key(0), "asker")) == 150_000_000
    serve(sharing)
    assert sharing.enqueue(symbol(0)) == 150_000_000
    serve(sharing)
    assert sharing.enqueue(symbol(0, funding=False)) == 0
