"""The command line: what it offers, and how it says no."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import run
from adapters import cli
from core.errors import JournalError, NotReady, UsageError

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "check", "deadletters", "drill", "exchange", "flatten", "halt", "ledger", "pause",
    "reduce-only", "replay", "report", "reset-halt", "resume", "status", "tail", "throttle",
)  # fmt: skip
ERROR = re.compile(r"error: .+ \(.+\): .+")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text('[[bots]]\nname = "grid"\nsymbols = ["BTCUSDT"]\nstrategy = "hedge_grid"\n')
    return file


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Run a command line that must be refused and return its lines on stderr."""
    assert run.main(list(arguments)) == 2
    written = capsys.readouterr()
    assert written.out == ""
    lines = written.err.splitlines()
    assert lines
    assert all(ERROR.fullmatch(line) for line in lines), lines
    return lines


def test_the_commands_are_those_that_work_and_no_others():
    shown = {name for name, command in cli.cli.commands.items() if not command.hidden}
    assert tuple(sorted(shown)) == COMMANDS


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_shows_an_example(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]):
    assert run.main([*command, "--help"]) == 0

    shown = capsys.readouterr().out
    assert re.search(r"Examples:\n    python run\.py ?" + "".join(command), shown)


def test_help_of_the_program_itself_needs_no_library_of_the_host():
    code = (
        "import sys, run; code = run.main(['--help']); "
        "heavy = {'requests', 'pykka', 'uvicorn', 'starlette', 'loguru', 'diskcache'}; "
        "sys.exit(code or ' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("bogus",), "No such command"),
        (("--bogus",), "No such option"),
        (("status", "--jsn"), "--json"),
        (("--for", "soon"), "--for"),
        (("--for", "0"), "--for"),
        (("--for", "nan"), "--for"),
        (("--config",), "--config"),
        (("exchange",), "--venue"),
        (("exchange", "--venue", "nyse"), "binance"),
        (("exchange", "--venue", "binance", "--port", "70000"), "--port"),
        (("exchange", "--venue", "binance", "--balance", "much"), "--balance"),
        (("exchange", "--venue", "binance", "--balance", "-1"), "--balance"),
        (("exchange", "--venue", "binance", "--key", "k"), "secret"),
        (("tail", "--level", "loud"), "--level"),
        (("throttle",), "PCT"),
        (("throttle", "101"), "0<=x<=100"),
        (("throttle", "-1"), "-1"),
        (("throttle", "half"), "half"),
        (("throttle", "12.5"), "12.5"),
        (("halt", "--symbol", "BTCUSDT"), "halt is the whole host's"),
        (("reduce-only", "--symbol", "BTCUSDT"), "reduce-only is the whole host's"),
        (("reset-halt", "--symbol", "BTCUSDT"), "reset-halt is the whole host's"),
        (("--live", "status"), "--live"),
        (("--for", "3", "tail"), "--for"),
        (("--config", "/nowhere/config.toml"), "no such file"),
        (("status", "--config", "/nowhere/config.toml"), "no such file"),
        (("--config", "/nowhere/config.toml", "status"), "no such file"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], hint: str, capsys: pytest.CaptureFixture[str]
):
    [line] = refused(capsys, *arguments)

    assert hint in line


def test_a_group_without_its_command_shows_its_help(capsys: pytest.CaptureFixture[str]):
    assert run.main(["deadletters"]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("Usage: python run.py deadletters")
    assert "\n  retry " in written.err


def test_every_problem_of_a_configuration_is_a_line_of_its_own(
    config: Path, capsys: pytest.CaptureFixture[str]
):
    config.write_text(config.read_text() + "level = 3\n[risk]\nmax_leverage = 0\n")

    lines = refused(capsys, "--config", str(config))

    assert [re.search(r"\((.+?)\):", line)[1] for line in lines] == [  # type: ignore[index]
        "bots[0].level",
        "risk.max_leverage",
    ]


def test_a_key_that_holds_a_line_break_still_makes_one_line(
    config: Path, capsys: pytest.CaptureFixture[str]
):
    config.write_text('"a\\nerror: b" = 1\n' + config.read_text())

    assert len(refused(capsys, "--config", str(config))) == 1


def test_the_flag_for_live_trading_needs_the_mode(config: Path, capsys: pytest.CaptureFixture[str]):
    [line] = refused(capsys, "--config", str(config), "--live")

    assert 'mode = "live"' in line


def test_the_mode_for_live_trading_needs_the_flag(config: Path, capsys: pytest.CaptureFixture[str]):
    keys = '[venues.binance]\nkey_env = "K"\nsecret_env = "S"\n'
    config.write_text('mode = "live"\n' + keys + config.read_text())

    [line] = refused(capsys, "--config", str(config))

    assert "--live" in line


class TestFailures:
    @pytest.fixture
    def failing(self, config: Path, monkeypatch: pytest.MonkeyPatch):
        def run_with(error: BaseException) -> int:
            def fail(*_: object, **__: object) -> int:
                raise error

            monkeypatch.setattr(run, "run_host", fail)
            return run.main(["--config", str(config)])

        return run_with

    def test_an_error_of_the_user_is_one_line_and_exit_code_2(self, failing, capsys):
        assert failing(UsageError("what", "where", "mend")) == 2
        assert capsys.readouterr().err == "error: what (where): mend\n"

    def test_a_start_that_is_not_ready_is_a_line_for_each_reason_and_exit_code_3(
        self, failing, capsys
    ):
        other = NotReady("c", "d", "e")
        assert failing(NotReady("what", "where", "mend", (other,))) == 3
        assert capsys.readouterr().err == "error: what (where): mend\nerror: c (d): e\n"

    def test_an_error_of_the_program_is_one_line_exit_code_1_and_a_traceback_in_the_log(
        self, failing, capsys, tmp_path
    ):
        assert failing(JournalError("the disk is full")) == 1
        written = capsys.readouterr()
        assert ERROR.fullmatch(written.err.rstrip("\n"))
        assert "Traceback" not in written.err + written.out
        assert "JournalError: the disk is full" in (tmp_path / "logs/bulkhead.log").read_text()

    def test_a_fault_of_the_program_is_one_line_exit_code_1_and_a_traceback_in_the_log(
        self, failing, capsys, tmp_path
    ):
        assert failing(ZeroDivisionError("in the depths")) == 1
        written = capsys.readouterr()
        assert "unexpected ZeroDivisionError" in written.err
        assert ERROR.fullmatch(written.err.rstrip("\n"))
        [row] = (tmp_path / "logs/bulkhead.jsonl").read_text().splitlines()
        assert "in the depths" in json.loads(row)["exception"]

    def test_a_secret_in_the_text_of_a_failure_reaches_neither_console_nor_log(
        self, failing, capsys, tmp_path, monkeypatch
    ):
        monkeypatch.setenv(cli.SECRET_VARIABLE, "very-secret-value")
        failing(ValueError("cannot sign with very-secret-value"))
        log = (tmp_path / "logs/bulkhead.log").read_text()
        assert "very-secret" not in log + capsys.readouterr().err

    def test_a_secret_in_an_error_of_the_program_is_masked_on_the_console_too(
        self, failing, capsys, monkeypatch
    ):
        monkeypatch.setenv(cli.SECRET_VARIABLE, "very-secret-value")
        failing(JournalError("odd: very-secret-value"))
        assert "very-secret" not in capsys.readouterr().err

    def test_ctrl_c_outside_the_host_is_no_failure(self, failing, capsys):
        assert failing(KeyboardInterrupt()) == 0
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.ENAMETOOLONG])
    def test_what_the_machine_refuses_is_no_fault_of_the_program(self, failing, capsys, error):
        assert failing(OSError(error, os.strerror(error))) == 1
        said = capsys.readouterr().err
        assert ERROR.fullmatch(said.rstrip("\n"))
        assert said.startswith(f"error: {os.strerror(error)} (standard output): ")


@pytest.mark.parametrize("command", ["check", "replay", "report"])
def test_a_command_that_was_interrupted_never_looks_like_one_that_passed(
    command: str, config: Path, monkeypatch: pytest.MonkeyPatch
):
    def leave(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.cli.commands[command], "invoke", leave)
    assert run.main([command, "--config", str(config)]) == 1


def test_a_path_too_long_for_any_file_is_one_line(capsys: pytest.CaptureFixture[str]):
    assert run.main(["replay", "x" * 5_000]) in (1, 2)
    assert ERROR.fullmatch(capsys.readouterr().err.rstrip("\n"))


class TestTail:
    @pytest.fixture
    def log(self, config: Path) -> Path:
        file = config.parent / "logs" / "bulkhead.jsonl"
        file.parent.mkdir()
        rows = [
            {"time": "T", "level": "info", "actor": "risk", "message": f"line {n}"}
            for n in range(60)
        ]
        rows[30]["client_order_id"] = "h-1"
        rows[31]["level"] = "error"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    def test_without_following_it_shows_everything_kept(self, log, config, capsys):
        assert run.main(["tail", "--config", str(config), "--no-follow"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 60

    @pytest.mark.parametrize(
        ("arguments", "shown"),
        [
            (("--order", "h-1"), "line 30"),
            (("--level", "warning"), "line 31"),
            (("--lines", "1"), "line 59"),
        ],
    )
    def test_it_filters(self, log, config, capsys, arguments, shown):
        run.main(["tail", "--config", str(config), "--no-follow", *arguments])
        [line] = capsys.readouterr().out.splitlines()
        assert line.endswith(shown)

    def test_a_malformed_line_is_a_warning_and_no_failure(self, log, config, capsys):
        log.write_text("{broken\n" + log.read_text())
        assert run.main(["tail", "--config", str(config), "--no-follow"]) == 0
        written = capsys.readouterr()
        assert written.err == "warning: bulkhead.jsonl, line 1: not a JSON record\n"
        assert len(written.out.splitlines()) == 60

    def test_no_log_is_told(self, config, capsys):
        [line] = refused(capsys, "tail", "--config", str(config), "--no-follow")
        assert "no log yet" in line

    def test_it_follows_until_ctrl_c(self, log, config):
        command = [sys.executable, "-u", str(ROOT / "run.py"), "tail", "--config", str(config)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            old = [process.stdout.readline() for _ in range(50)]
            assert old[0].rstrip().endswith("line 10")
            with log.open("a") as stream:
                stream.write(json.dumps({"message": "new", "level": "info"}) + "\n")
            assert process.stdout.readline().rstrip().endswith("new")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=10)
            assert (process.returncode, errors) == (0, "")
        finally:
            process.kill()
            process.wait()

    def test_a_reader_that_leaves_early_is_no_failure(self, log, config):
        log.write_text((json.dumps({"message": "x" * 1000}) + "\n") * 2000)
        reading, writing = os.pipe()
        command = [sys.executable, str(ROOT / "run.py"), "tail", "--no-follow"]
        process = subprocess.Popen(
            [*command, "--config", str(config)], stdout=writing, stderr=subprocess.PIPE, text=True
        )
        os.close(writing)
        os.read(reading, 100)
        os.close(reading)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")
