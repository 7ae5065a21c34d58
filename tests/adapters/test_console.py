"""What the host's own screen shows a person."""

from __future__ import annotations

import io
from typing import Any

from adapters.console import LinesDisplay, TableDisplay, _Screen, troubles

QUIET = "14:00:01 info     connection:binance:urgent [BTCUSDT]  cancel accepted by binance"
FILLED = "14:00:01 info     position:binance:BTCUSDT  filled buy 0.003 at 62930.8"
ERROR = "14:00:02 error    risk  trading is halted: the journal cannot be written"


def status(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "mode": "paper", "state": "running", "halt": "running", "halt_reason": "",
        "uptime_s": 12.4,
        "venues": {"binance": {"rest": "http://127.0.0.1:9", "ws": "", "connected": True,
                               "clock_offset_ms": 0.4, "breaker": None}},
        "actors": [{"name": "risk", "state": "running", "waiting_for": "", "restarts": 2,
                    "mailbox": 0, "oldest_ms": 0.0}],
        "positions": [{"symbol": "BTCUSDT", "position_side": "long", "quantity": "0.006",
                       "entry_price": "62899.33333333", "mark_price": "62938.00517578",
                       "liquidation_price": None, "unrealised_pnl": "-1.27345342"}],
        "open_orders": 16, "unresolved_orders": 0, "fills": 3, "equity": "9993.85674405",
        "unrealised_pnl": "-1.27345342", "realised_pnl": None,
        "limits": [{"name": "max_gross_notional", "value": "377.4", "limit": "6000",
                    "headroom": "5622.6"}],
        "paused": {},
    }  # fmt: skip
    return values | changes


def table(width: int = 100) -> tuple[TableDisplay, io.StringIO]:
    out = io.StringIO()
    screen = _Screen(file=out, force_terminal=True, width=width, height=40, color_system=None)
    return TableDisplay(screen), out


def lines() -> tuple[LinesDisplay, io.StringIO]:
    out = io.StringIO()
    return LinesDisplay(_Screen(file=out, highlight=False, soft_wrap=True)), out


def test_the_table_shows_state_money_positions_limits_and_the_venue():
    display, out = table()
    display.show(status())
    display.close()

    shown = out.getvalue()
    for words in (
        "paper running  up 12 s  actors 1 of 1 running  restarts 2",
        "equity 9993.86  realised -  unrealised -1.27  open orders 16  fills 3",
        "max_gross_notional 377.4 of 6000",
        "binance connected  http://127.0.0.1:9  clock 0.4 ms off",
    ):
        assert words in shown
    row = next(line for line in shown.splitlines() if "BTCUSDT" in line)
    assert row.split() == ["BTCUSDT", "long", "0.006", "62899.33", "62938.01", "-1.27", "-"]


def test_what_is_wrong_is_said_with_its_reason_the_halt_first():
    actor = status()["actors"][0]
    found = troubles(
        status(
            halt="reduce_only",
            halt_reason="journal: no space left on device",
            paused={"binance:BTCUSDT": "stream lost", "binance:ETHUSDT": "stream lost"},
            actors=[actor, actor | {"name": "x", "state": "waiting", "waiting_for": "connecting"}],
            unresolved_orders=2,
        )
    )
    assert found == [
        "trading is reduce_only: journal: no space left on device",
        "paused binance:BTCUSDT, binance:ETHUSDT: stream lost",
        "x waiting connecting",
        "2 orders of unknown outcome: the venue is being asked",
    ]
    assert troubles(status()) == []


def test_many_troubles_are_counted_instead_of_filling_the_screen():
    actor = status()["actors"][0] | {"state": "backing_off"}
    found = troubles(status(actors=[actor | {"name": f"a{n}"} for n in range(20)]))
    assert len(found) == 7
    assert found[-1].startswith("and 14 more")


def test_while_it_stops_the_parts_that_have_stopped_are_no_trouble():
    actor = status()["actors"][0] | {"state": "backing_off"}
    assert troubles(status(state="stopping", actors=[actor])) == []


def test_log_lines_wait_for_the_next_drawing_and_stand_above_the_table():
    display, out = table()
    display.show(status())
    before = out.getvalue()
    display.line(FILLED)
    assert out.getvalue() == before

    display.show(status(fills=4))
    later = out.getvalue()[len(before) :]
    assert later.index(FILLED) < later.index("fills 4")
    display.close()


def test_an_error_is_shown_at_once():
    display, out = table()
    display.show(status())
    display.line(FILLED)
    display.line(ERROR)
    assert out.getvalue().index(FILLED) < out.getvalue().index(ERROR)
    display.close()


def test_lines_before_the_first_table_and_after_the_last_are_not_kept_back():
    display, out = table()
    display.line(FILLED)
    assert FILLED in out.getvalue()
    display.show(status())
    display.line(FILLED.replace("0.003", "0.004"))
    display.close()
    assert "0.004" in out.getvalue()
    display.line(FILLED.replace("0.003", "0.005"))
    assert "0.005" in out.getvalue()


def test_what_lanes_say_of_each_call_stays_in_the_log_file():
    for make in (table, lines):
        display, out = make()
        display.line(QUIET)
        display.line(QUIET.replace(" info    ", " warning "))
        assert out.getvalue().count("connection:binance:urgent") == 1


def test_square_brackets_in_a_line_are_shown_as_they_are():
    display, out = table()
    display.line("14:00:01 info     risk [bold]  refused")
    assert "[bold]" in out.getvalue()


def test_lines_come_often_at_first_then_each_tenth_time_and_when_the_state_changes():
    display, out = lines()
    for _ in range(15):
        display.show(status())
    assert out.getvalue().count("paper running") == 6
    display.show(status(state="paused", paused={"binance:BTCUSDT": "no market data yet"}))
    assert "  paused binance:BTCUSDT: no market data yet" in out.getvalue().splitlines()
    display.show(status(state="paused", halt="halted", halt_reason="a limit"))
    assert "  trading is halted: a limit" in out.getvalue().splitlines()


def test_a_reader_that_left_costs_the_screen_and_nothing_else():
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    for display in (
        LinesDisplay(_Screen(file=Closed())),
        TableDisplay(_Screen(file=Closed(), force_terminal=True)),
    ):
        display.line(FILLED)
        display.show(status())
        display.line(ERROR)
        display.close()
