"""Masking: a secret, or a part of it, in any usual spelling."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.masking import Masker
from core.secrets import Secret

VALUE = 'Zq7"+/&x\\Kd93ßpl0mWvT2'
MASKER = Masker([Secret(VALUE)])


@pytest.mark.parametrize(
    "spelling",
    [
        VALUE,
        quote(VALUE, safe=""),
        quote(VALUE, safe="").lower(),
        quote_plus(VALUE),
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode(),
        VALUE.encode().hex(),
        VALUE.encode().hex().upper(),
        json.dumps(VALUE)[1:-1],
        repr(VALUE)[1:-1],
    ],
)
def test_every_usual_spelling_is_masked_whole(spelling: str):
    assert MASKER.mask(f"before {spelling} after") == "before *** after"


@given(st.integers(0, len(VALUE) - 8), st.integers(8, len(VALUE)))
def test_parts_of_eight_characters_and_more_are_masked(start: int, length: int):
    part = VALUE[start : start + length]

    assert MASKER.mask(f"<{part}>") == "<***>"


@given(st.text(max_size=20), st.text(max_size=20), st.text(alphabet="abcXYZ0189", min_size=12))
def test_base64_of_a_text_around_a_secret_does_not_give_it_back(
    before: str, after: str, value: str
):
    coded = base64.b64encode(f"{before}{value}{after}".encode()).decode()

    masked = Masker([Secret(value)]).mask(coded)

    inner = base64.b64encode(value.encode()).decode()[:8]
    assert "***" in masked
    assert inner not in masked


def test_two_secrets_side_by_side_leave_nothing():
    masker = Masker([Secret("A" * 4 + "bcdefghi"), Secret("zyxwvuts" + "0" * 4)])

    assert masker.mask("AAAAbcdefghizyxwvuts0000") == "***"
    assert masker.mask("AAAAbcdefghi-zyxwvuts0000") == "***-***"


def test_a_secret_at_either_end_is_masked():
    assert MASKER.mask(VALUE + " x") == "*** x"
    assert MASKER.mask("x " + VALUE) == "x ***"
    assert MASKER.mask(VALUE) == "***"


def test_a_short_secret_is_masked_whole():
    assert Masker([Secret("pass1")]).mask("passphrase=pass1;") == "passphrase=***;"


def test_a_secret_added_later_is_masked_from_then_on():
    masker = Masker()
    assert masker.mask("longer-secret") == "longer-secret"

    masker.add(Secret("longer-secret"))

    assert masker.mask("longer-secret") == "***"


@pytest.mark.parametrize(
    ("text", "leak"),
    [
        ("{'X-MBX-APIKEY': 'dbefbc809e3e'}", "dbefbc80"),
        ("X-MBX-APIKEY: dbefbc809e3e", "dbefbc80"),
        ("('x-mbx-apikey', b'dbefbc809e3e')", "dbefbc80"),
        ("POST /fapi/v1/order?quantity=1&signature=3c661234138461fc", "3c661234"),
        ('{"signature":"d84e6641b1e328e7"}', "d84e6641"),
        ('{"listenKey":"pqia91ma19a5s61cv6a81va65sdf19v8"}', "pqia91ma"),
        ("wss://127.0.0.1/private/ws/pqia91ma19a5s61cv6a81va65sdf19v8a65a1", "pqia91ma"),
        ("/private/ws?listenKey=pqia91ma19a5s61cv6a81va65sdf19v8a65a1&events=X", "pqia91ma"),
    ],
)
def test_credentials_of_the_wire_are_masked_without_being_known(text: str, leak: str):
    masked = Masker().mask(text)

    assert leak not in masked
    assert "***" in masked


def test_plain_lines_are_left_alone():
    line = "order host1-grid-BTCUSDT-10 filled 0.003 at 65000.10 (/fapi/v1/order, weight 1)"

    assert MASKER.mask(line) == line
