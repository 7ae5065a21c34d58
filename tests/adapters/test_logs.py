"""The log files: what they hold, who may read them, and what never gets into them."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.log_files import RotatingFile
from adapters.logs import MACHINE_LOG, PEOPLE_LOG, Log, configure, printable
from core.config import Logs
from core.secrets import Secret

VALUE = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP"

Open = Callable[..., Log]


@pytest.fixture
def console() -> list[str]:
    return []


@pytest.fixture
def opened(tmp_path: Path, console: list[str]) -> Iterator[Open]:
    logs = []

    def open_log(level: str = "info", **options: Any) -> Log:
        given = {"console": console.append} | options
        logs.append(configure(Logs(level=level), tmp_path / "logs", **given))
        return logs[-1]

    yield open_log
    for log in logs:
        log.close()


def people(folder: Path) -> str:
    return (folder / "logs" / PEOPLE_LOG).read_text()


def machine(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "logs" / MACHINE_LOG).read_text().splitlines()]


def failure(text: str = "boom") -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_a_line_carries_time_level_actor_symbol_and_client_order_id(
    opened: Open, tmp_path: Path, console: list[str]
):
    opened().log(
        "warning", "position:binance:BTCUSDT", "order open", symbol="BTCUSDT", client_order_id="h-1"
    )

    [row] = machine(tmp_path)
    assert row.pop("time").endswith("Z")
    assert row == {
        "level": "warning",
        "actor": "position:binance:BTCUSDT",
        "symbol": "BTCUSDT",
        "client_order_id": "h-1",
        "message": "order open",
        "exception": "",
    }
    line = "warning  position:binance:BTCUSDT [BTCUSDT] [h-1]  order open"
    assert people(tmp_path).rstrip().endswith(line)
    assert console[0].endswith(line)


def test_one_grep_of_an_id_shows_the_life_of_an_order_across_actors(opened: Open, tmp_path: Path):
    log = opened()
    for actor, text in (("risk", "approved"), ("connection", "sent"), ("position", "filled")):
        log.log("info", actor, text, client_order_id="h-1")
        log.log("info", actor, text, client_order_id="h-2")

    found = [line.split()[2] for line in people(tmp_path).splitlines() if "[h-1]" in line]

    assert found == ["risk", "connection", "position"]


def test_a_traceback_is_in_both_files_and_not_on_the_console(
    opened: Open, tmp_path: Path, console: list[str]
):
    opened().log("error", "journal", "cannot write", exception=failure())

    assert "Traceback" in people(tmp_path)
    assert machine(tmp_path)[0]["exception"].endswith("ValueError: boom\n")
    assert len(console) == 1
    assert console[0].endswith("journal  cannot write")


def test_lines_below_the_level_are_not_written(opened: Open, tmp_path: Path):
    log = opened("warning")
    log.log("info", "a", "quiet")
    log.log("warning", "a", "loud")

    assert [row["message"] for row in machine(tmp_path)] == ["loud"]


def test_braces_and_tags_in_a_text_are_only_text(opened: Open, tmp_path: Path):
    opened().log("info", "a", "{0} {name} <red>x</red> %s")

    assert machine(tmp_path)[0]["message"] == "{0} {name} <red>x</red> %s"


def test_a_text_of_a_venue_cannot_forge_a_line(opened: Open, tmp_path: Path, console: list[str]):
    opened().log("info", "a", "refused\n2026-01-01 info risk  all is well\x1b[2J")

    assert len(people(tmp_path).splitlines()) == 1
    assert "\x1b" not in people(tmp_path) + console[0]


def test_a_text_in_an_exception_cannot_forge_a_line_either(opened: Open, tmp_path: Path):
    opened().log(
        "error", "a", "t", exception=failure("odd\n2026-01-01T00 info  risk  all well\x1b")
    )

    first, *rest = people(tmp_path).splitlines()
    assert first.endswith("a  t")
    assert rest and all(line.startswith("    ") for line in rest)
    assert "\x1b" not in people(tmp_path)


def test_a_console_that_is_gone_costs_its_lines_and_nothing_else(tmp_path: Path):
    def gone(line: str) -> None:
        shown.append(line)
        raise BrokenPipeError

    shown: list[str] = []
    log = configure(Logs(), tmp_path / "logs", console=gone)
    log.log("info", "a", "one")
    log.log("info", "a", "two")
    log.close()

    assert [row["message"] for row in machine(tmp_path)] == ["one", "two"]
    assert len(shown) == 1


def test_two_logs_of_one_process_keep_their_lines_apart(tmp_path: Path):
    first = configure(Logs(), tmp_path / "1" / "logs", console=None)
    second = configure(Logs(), tmp_path / "2" / "logs", console=None)
    first.log("info", "a", "one")
    second.log("info", "a", "two")
    second.close()
    first.close()

    assert [row["message"] for row in machine(tmp_path / "1")] == ["one"]
    assert [row["message"] for row in machine(tmp_path / "2")] == ["two"]


def test_only_the_owner_may_read_the_files(opened: Open, tmp_path: Path):
    before = os.umask(0)
    try:
        opened().log("info", "a", "x")
    finally:
        os.umask(before)

    for name in (PEOPLE_LOG, MACHINE_LOG):
        assert stat.S_IMODE((tmp_path / "logs" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700


@pytest.mark.parametrize("where", ["text", "actor", "symbol", "client_order_id", "exception"])
def test_no_secret_reaches_any_log_from_any_field(
    opened: Open, tmp_path: Path, console: list[str], where: str
):
    fields: dict[str, Any] = {"level": "info", "actor": "a", "text": "t"}
    fields[where] = failure(f"with {VALUE}") if where == "exception" else f"x {VALUE} y"

    opened(secrets=[Secret(VALUE)]).log(**fields)

    assert VALUE[:8] not in people(tmp_path) + json.dumps(machine(tmp_path)) + "".join(console)


def test_no_secret_reaches_a_log_from_the_cause_of_an_exception(opened: Open, tmp_path: Path):
    try:
        try:
            raise KeyError(VALUE)
        except KeyError as cause:
            raise RuntimeError("outer") from cause
    except RuntimeError as error:
        opened(secrets=[Secret(VALUE)]).log("error", "a", "t", exception=error)

    assert "KeyError" in people(tmp_path)
    assert VALUE[:8] not in people(tmp_path)


def test_a_secret_made_known_later_is_hidden_from_then_on(opened: Open, tmp_path: Path):
    log = opened()
    log.hide(Secret(VALUE))
    log.log("info", "a", VALUE)

    assert machine(tmp_path)[0]["message"] == "***"


def test_what_libraries_log_ends_in_the_same_files(opened: Open, tmp_path: Path):
    opened()
    logging.getLogger("pykka").error("actor %s died", "x", exc_info=failure())

    [row] = machine(tmp_path)
    assert (row["actor"], row["message"]) == ("pykka", "actor x died")
    assert "ValueError: boom" in row["exception"]


def test_a_library_that_formats_wrongly_still_gets_its_line(opened: Open, tmp_path: Path):
    opened()
    record = logging.LogRecord("lib", logging.WARNING, "", 0, "odd %s %s", ("one",), None)
    logging.getLogger().handlers[-1].handle(record)

    assert machine(tmp_path)[0]["message"] == "odd %s %s"


def test_the_paths_that_urllib3_logs_stay_out_at_every_level(opened: Open, tmp_path: Path):
    opened("debug")
    logging.getLogger("urllib3.connectionpool").info("GET /fapi/v1/order?signature=abc")
    logging.getLogger("urllib3.connectionpool").warning("pool is full")

    assert [row["message"] for row in machine(tmp_path)] == ["pool is full"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_dies_in_a_thread_is_logged_and_prints_no_traceback(
    opened: Open, tmp_path: Path, console: list[str], capfd: pytest.CaptureFixture[str]
):
    def die() -> None:
        raise RuntimeError("in a thread")

    opened()
    thread = threading.Thread(target=die, name="stream-1")
    thread.start()
    thread.join()

    [row] = machine(tmp_path)
    assert (row["level"], row["actor"]) == ("critical", "stream-1")
    assert "RuntimeError: in a thread" in row["exception"]
    assert "Traceback" not in "".join(console) + capfd.readouterr().err


def test_closing_gives_back_what_was_taken_over(tmp_path: Path):
    before = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    handlers = list(logging.getLogger().handlers)

    configure(Logs(), tmp_path, console=None).close()

    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == before
    assert logging.getLogger().handlers == handlers


def test_a_full_disk_costs_lines_and_one_message_but_never_the_caller(
    opened: Open,
    tmp_path: Path,
    console: list[str],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    log = opened()
    with monkeypatch.context() as broken:
        broken.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "disk full")))
        log.log("info", "a", "lost")
        log.log("info", "a", "lost too")
    log.log("info", "a", "kept")

    assert [row["message"] for row in machine(tmp_path)] == ["kept"]
    assert log.lost_lines == 4
    assert capfd.readouterr().err.count("log lines are lost") == 1
    assert len(console) == 3


def test_many_threads_write_whole_lines(opened: Open, tmp_path: Path):
    log = opened()

    def write(name: str) -> None:
        for number in range(50):
            log.log("info", name, f"{number} " + "x" * 200)

    threads = [threading.Thread(target=write, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    rows = machine(tmp_path)
    for name in ("t0", "t1", "t2", "t3"):
        own = [int(row["message"].split()[0]) for row in rows if row["actor"] == name]
        assert own == list(range(50))


def test_a_file_rotates_by_size_and_keeps_so_many(tmp_path: Path):
    file = RotatingFile(tmp_path / "x.log", max_bytes=25, keep=2)
    for number in range(10):
        file.write(f"line {number:04}")
    file.close()

    kept = {path.name: path.read_text().split("\n")[:-1] for path in tmp_path.iterdir()}
    assert kept == {
        "x.log": ["line 0008", "line 0009"],
        "x.log.1": ["line 0006", "line 0007"],
        "x.log.2": ["line 0004", "line 0005"],
    }


def test_a_file_goes_on_where_the_process_before_stopped(tmp_path: Path):
    for text in ("one", "two"):
        file = RotatingFile(tmp_path / "x.log", max_bytes=7, keep=1)
        file.write(text)
        file.close()

    assert (tmp_path / "x.log").read_text() == "two\n"
    assert (tmp_path / "x.log.1").read_text() == "one\n"


def test_what_cannot_be_encoded_is_escaped(tmp_path: Path):
    file = RotatingFile(tmp_path / "x.log", max_bytes=100, keep=1)
    file.write("a\udc80b")
    file.close()

    assert (tmp_path / "x.log").read_text() == "a\\udc80b\n"


def test_printable_leaves_plain_text_alone_and_escapes_the_rest():
    assert printable("größe 测试USDT") == "größe 测试USDT"
    assert printable("a\nb\tc\x1b\x00") == "a\\nb\\tc\\x1b\\x00"
