"""An operator's command from outside is read whole or refused."""

from __future__ import annotations

import pytest

from core.errors import UsageError
from core.operating import COMMANDS, Command, read, within_s


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_read_with_what_it_says(name: str):
    assert read({"command": name}) == Command(name, "", 100)
    assert read({"command": name, "symbol": "BTCUSDT", "percent": 50}) == Command(
        name, "BTCUSDT", 50
    )


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({}, "unknown command None"),
        ({"command": "explode"}, "unknown command 'explode'.*there are: status, pause"),
        ({"command": ["pause"]}, "unknown command"),
        ({"command": "pause", "symbol": 7}, "7 is no symbol"),
        ({"command": "pause", "symbol": "\udcff"}, r"'\\udcff' is no symbol"),
        ({"command": "flatten", "symbol": "BTC\0USDT"}, "is no symbol"),
        ({"command": "flatten", "symbol": "B" * 41}, "is no symbol"),
        ({"command": "throttle", "percent": "50"}, "'50' is no whole number"),
        ({"command": "throttle", "percent": 0.5}, "0.5 is no whole number"),
        ({"command": "throttle", "percent": True}, "True is no whole number"),
    ],
)
def test_what_is_no_command_is_refused(request_: dict[str, object], error: str):
    with pytest.raises(UsageError, match=error):
        read(request_)


def test_only_a_flatten_may_take_longer_than_seconds():
    assert within_s(Command("flatten"), 30.0) > 35.0  # and 5 s that risk waits on top
    assert {within_s(Command(name), 30.0) for name in COMMANDS if name != "flatten"} == {5.0}
