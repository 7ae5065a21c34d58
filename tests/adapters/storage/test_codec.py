"""Payloads survive the journal exactly; what may not be written is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.storage.codec import Codec
from core import errors, messages, records
from core.errors import JournalError, OutcomeUnknown, RateLimited, VenueError
from core.messages import BalanceUpdated, Fill, Key, OrderRefused, OrderStatus, OrderUpdated
from core.secrets import Secret

CODEC = Codec()
PAYLOADS = [
    found
    for module in (messages, records)
    for found in vars(module).values()
    if isinstance(found, type) and attrs.has(found) and found.__module__ == module.__name__
]
VENUE_ERRORS = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, VenueError)
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTS = st.integers(-(2**63), 2**63 - 1)
ERRORS = st.builds(
    lambda found, text, **fields: found(text, **fields),
    st.sampled_from(VENUE_ERRORS),
    TEXT,
    venue=TEXT,
    code=INTS,
    http_status=st.integers(0, 599),
    request_id=TEXT,
    retry_after_ns=st.integers(0, 2**62),
)

NUMBERS = st.builds(
    lambda digits, exponent: Decimal(f"{digits}E{exponent}"),
    st.integers(-(10**28), 10**28),
    st.integers(-60, 60),
)
st.register_type_strategy(Decimal, NUMBERS)
st.register_type_strategy(VenueError, ERRORS)
st.register_type_strategy(str, TEXT)
st.register_type_strategy(int, INTS)


def plain(value: Any) -> Any:
    """Spell a value out so that errors, which compare by identity, compare by their fields."""
    if isinstance(value, VenueError):
        return type(value), str(value), vars(value), value.args
    if isinstance(value, Decimal):
        return Decimal, value.as_tuple()
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if attrs.has(type(value)):
        return type(value), [plain(getattr(value, f.name)) for f in attrs.fields(type(value))]
    return type(value), value


@pytest.mark.parametrize("payload_class", PAYLOADS, ids=lambda found: found.__name__)
def test_every_payload_comes_back_equal(payload_class: type) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.from_type(payload_class))
    def check(payload: Any) -> None:
        kind, data = CODEC.encode(payload)
        assert kind == payload_class.__name__
        assert plain(CODEC.decode(kind, data, 1)) == plain(payload)

    check()


def test_digits_of_a_decimal_are_kept_as_they_were() -> None:
    for digits in ("0.10", "1E+3", "-0", "1e-18", "123456789012345678901234567890.123456789"):
        payload = records.Transferred("v", "USDT", Decimal(digits), "1", 1)
        back = CODEC.decode(*CODEC.encode(payload), 1)
        assert isinstance(back, records.Transferred)
        assert back.amount.as_tuple() == Decimal(digits).as_tuple()


def test_a_key_that_was_read_back_is_found_where_the_first_one_is() -> None:
    payload = records.SymbolOpened(Key("binance", "BTCUSDT"), "USDT")
    back = CODEC.decode(*CODEC.encode(payload), 1)
    assert isinstance(back, records.SymbolOpened)
    assert {payload.key: "found"}[back.key] == "found"


def test_an_error_comes_back_with_class_and_fields() -> None:
    error = RateLimited("slow down", venue="binance", code=-1003, http_status=429, retry_after_ns=5)
    refused = OrderRefused(Key("binance", "BTCUSDT"), "c", "place", error)
    back = CODEC.decode(*CODEC.encode(refused), 1)
    assert isinstance(back, OrderRefused)
    assert isinstance(back.error, RateLimited)
    assert (str(back.error), back.error.retry_after_ns) == (str(error), 5)


@pytest.mark.parametrize("place", ["field", "tuple", "whole"])
def test_a_secret_cannot_be_written(place: str) -> None:
    secret = Secret("hunter2-hunter2")
    payloads: dict[str, object] = {
        "field": records.HostStopped(secret),  # type: ignore[arg-type]
        "tuple": records.Reconciled(Key("v", "S"), (secret,)),  # type: ignore[arg-type]
        "whole": secret,
    }
    with pytest.raises(JournalError) as caught:
        CODEC.encode(payloads[place])
    assert "Secret" in str(caught.value)
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_an_error_of_another_family_cannot_be_written() -> None:
    refused = OrderRefused(Key("v", "S"), "c", "place", ValueError("no"))  # type: ignore[arg-type]
    with pytest.raises(JournalError, match="ValueError has no journal form"):
        CODEC.encode(refused)


def test_text_that_is_no_unicode_is_refused_in_words() -> None:
    with pytest.raises(JournalError, match="HostStopped holds a value"):
        CODEC.encode(records.HostStopped("\ud800"))


@pytest.mark.parametrize("absurd", ["NaN", "sNaN", "NaN12", "-Infinity", "1E+100", "1E-100"])
def test_a_number_that_could_not_be_read_back_is_not_written(absurd: str) -> None:
    sent = BalanceUpdated("v", "USDT", Decimal(absurd), Decimal(0), 1)
    with pytest.raises(JournalError, match="a number is not finite, or absurd"):
        CODEC.encode(sent)


def test_an_unknown_kind_is_named_with_its_place() -> None:
    with pytest.raises(JournalError, match="record 7 is a FromTheFuture"):
        CODEC.decode("FromTheFuture", b"{}", 7)


def test_a_payload_that_lacks_a_field_is_named_with_its_place() -> None:
    with pytest.raises(JournalError, match=r"record 9, a HostStopped, cannot be read.*reason"):
        CODEC.decode("HostStopped", b"{}", 9)


def test_an_error_class_that_is_unknown_is_no_plain_error() -> None:
    kind, data = CODEC.encode(OrderRefused(Key("v", "S"), "c", "place", OutcomeUnknown("?")))
    with pytest.raises(JournalError, match="record 3"):
        CODEC.decode(kind, data.replace(b"OutcomeUnknown", b"SomethingElse"), 3)


def test_a_class_that_is_not_registered_is_refused() -> None:
    @frozen
    class Stranger:
        number: int

    with pytest.raises(JournalError, match="Stranger is no journal payload"):
        CODEC.encode(Stranger(1))
    wider = Codec([Stranger])
    assert wider.decode(*wider.encode(Stranger(1)), 1) == Stranger(1)


def test_only_frozen_classes_with_names_of_their_own_are_registered() -> None:
    @attrs.define
    class Loose:
        number: int

    with pytest.raises(ValueError, match="Loose is not a frozen attrs class"):
        Codec([Loose])
    with pytest.raises(ValueError, match="two payload classes are called Fill"):
        Codec([Fill])


def test_a_fields_default_serves_records_that_older_versions_wrote() -> None:
    update = OrderUpdated(
        Key("v", "S"),
        "c",
        "1",
        messages.Side.BUY,
        messages.PositionSide.BOTH,
        messages.OrderType.LIMIT,
        OrderStatus.NEW,
        Decimal(1),
        Decimal(2),
        Decimal(0),
        5,
    )
    kind, data = CODEC.encode(update)
    older = data.replace(b',"reason":""', b"").replace(b',"amended":false', b"")
    assert older != data
    assert CODEC.decode(kind, older, 1) == update


@pytest.mark.parametrize(
    "odd",
    ["nan", "-sNaN7", " NaN ", "inf", "+Infinity", "1e200", "1E-100", "\\u004eaN", "\\u0049nf"],
)
def test_a_number_that_nobody_wrote_is_not_read(odd: str) -> None:
    sent = BalanceUpdated("binance", "USDT", Decimal("73.125"), "", 1)
    kind, data = CODEC.encode(sent)
    assert CODEC.decode(kind, data, 1) == sent
    with pytest.raises(JournalError, match="cannot be read: a number is not finite, or absurd"):
        CODEC.decode(kind, data.replace(b"73.125", odd.encode()), 1)
