"""The report's files say what the journal says, in words that people and tax tools can read."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import run
from adapters.operations import JOURNAL
from adapters.report import instant
from adapters.storage.archive import archive, archives
from adapters.storage.journal import SqliteJournal
from core.decisions import RiskJudged
from core.errors import Rejected, UsageError
from core.messages import FundingPaid, OrderRefused, Side
from core.ports import Record
from core.records import BooksOpened, HaltChanged, OrderIntended, Transferred
from core.risk.halt import Level
from core.statement import SECTIONS
from tests.core.samples import BTC, D, fill, limit
from tests.sim.house import House
from tests.sim.house import config as simulated
from tests.sim.world import World

NS_S = 1_000_000_000
NOON_NS = 1_767_268_800 * NS_S  # 2026-01-01T12:00:00Z
PAYLOADS: list[object] = [
    BooksOpened("binance", "USDT", D(100), (), 1),
    OrderIntended(limit()),
    OrderRefused(BTC, "c", "place", Rejected('=HYPERLINK("x"), "quoted"\nnext')),
    fill("1", Side.BUY, "2", "100", fee=D("0.1"), time_ns=NOON_NS + 123_456_789),
    fill("2", Side.SELL, "2", "99.5", fee=D("0.1"), time_ns=NOON_NS + 3_600 * NS_S),
    FundingPaid(BTC, D("-0.25"), "USDT", "7", NOON_NS + 7_200 * NS_S),
    Transferred("binance", "USDT", D(50), "8", NOON_NS),
    HaltChanged(Level.HALTED, "daily loss", "risk", 2, True),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text('[[bots]]\nname = "grid"\nsymbols = ["BTCUSDT"]\nstrategy = "hedge_grid"\n')
    return file


@pytest.fixture
def journal(config: Path) -> SqliteJournal:
    opened = SqliteJournal(config.parent / "state" / JOURNAL)
    opened.append([Record(each, NOON_NS, BTC, "c", "a") for each in PAYLOADS])
    return opened


class Made:
    """A report, as it is read back."""

    def __init__(self, config: Path, *options: str) -> None:
        self.out = config.parent / "out"
        arguments = ["report", "--config", str(config), "--out", str(self.out), *options]
        self.code = run.main(arguments)

    def csv(self, name: str) -> list[dict[str, str]]:
        with (self.out / f"{name}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / f"{name}.jsonl").open()]


@pytest.mark.usefixtures("journal")
def test_every_section_is_there_twice_with_the_same_rows(config: Path) -> None:
    made = Made(config)
    assert made.code == 0
    expected = {f"{name}.{kind}" for name in SECTIONS for kind in ("csv", "jsonl")}
    assert {file.name for file in made.out.iterdir()} == expected
    for name, columns in SECTIONS.items():
        head = (made.out / f"{name}.csv").read_text().splitlines()[0]
        assert head.split(",") == [column.replace("_ns", "_utc") for column in columns]
        assert len(made.csv(name)) == len(made.lines(name)) > 0, name


@pytest.mark.usefixtures("journal")
def test_numbers_are_exact_and_times_are_iso_in_utc(config: Path) -> None:
    made = Made(config)
    first, second = made.csv("fills")
    assert first["time_utc"] == "2026-01-01T12:00:00.123456Z"
    assert (first["quantity"], first["fee"], first["notional"]) == ("2", "0.1", "200")
    assert second["realised_pnl"] == "-1"
    (paid,) = made.lines("funding")
    assert (paid["time_utc"], paid["amount"]) == ("2026-01-01T14:00:00.000000Z", "-0.25")


@pytest.mark.usefixtures("journal")
def test_a_text_from_outside_is_no_formula_in_a_spreadsheet(config: Path) -> None:
    made = Made(config)
    reason = 'Rejected: =HYPERLINK("x"), "quoted"\nnext'
    assert reason in [row["reason"] for row in made.csv("decisions")]
    orders = {row["client_order_id"]: row["reason"] for row in made.csv("orders")}
    assert orders["c"] == '\'=HYPERLINK("x"), "quoted"\nnext'
    exact = {row["client_order_id"]: row["reason"] for row in made.lines("orders")}
    assert exact["c"].startswith("=HYPERLINK")


@pytest.mark.usefixtures("journal")
def test_the_summary_adds_up_for_people_and_machines(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Made(config, "--json")
    summary = json.loads(capsys.readouterr().out)
    (symbol,) = summary["symbols"]
    assert symbol == {
        "venue": "binance", "symbol": "BTCUSDT", "orders": 2, "fills": 2, "volume": "399",
        "realised_pnl": "-1", "fees": "0.2", "funding": "-0.25", "net": "-1.45",
    }  # fmt: skip
    (asset,) = summary["assets"]
    assert (asset["net"], asset["transfers"], asset["max_drawdown"]) == ("-1.45", "50", "1.45")
    assert len(summary["files"]) == 2 * len(SECTIONS)
    Made(config)
    shown = capsys.readouterr().out
    for words in ("-1.45", "399", "max drawdown", str(config.parent / "out" / "fills.csv")):
        assert words in shown


@pytest.mark.usefixtures("journal")
def test_the_span_begins_with_from_and_ends_before_to(config: Path) -> None:
    hour = ("2026-01-01T13:00:00Z", "2026-01-01T14:00:00Z")
    made = Made(config, "--from", hour[0], "--to", hour[1])
    assert [row["fill_id"] for row in made.csv("fills")] == ["2"]
    assert made.csv("funding") == []
    made = Made(config, "--from", "2026-01-01", "--to", "2026-01-02")
    assert len(made.csv("fills")) == 2
    made = Made(config, "--from", "2026-01-02")
    assert made.csv("fills") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("2026-01-01", NOON_NS - 43_200 * NS_S),
        ("2026-01-01T12:00:00", NOON_NS),
        ("2026-01-01T12:00:00Z", NOON_NS),
        ("2026-01-01T13:30:00+01:30", NOON_NS),
        ("2026-01-01T12:00:00.000001Z", NOON_NS + 1_000),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(words: str, expected: int) -> None:
    assert instant(words, "--from") == expected


@pytest.mark.parametrize("words", ["yesterday", "", "2026-13-01", "1767268800"])
def test_a_time_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        instant(words, "--from")


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize(
    "options", [("--from", "soon"), ("--from", "2026-01-02", "--to", "2026-01-01")]
)
def test_a_span_that_is_none_ends_with_code_2_and_writes_nothing(
    config: Path, options: tuple[str, ...]
) -> None:
    made = Made(config, *options)
    assert made.code == 2
    assert not made.out.exists()


def test_without_a_journal_the_line_says_so(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Made(config).code == 2
    assert "no journal yet" in capsys.readouterr().err


@pytest.mark.usefixtures("journal")
def test_a_folder_that_cannot_be_written_is_said(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config.parent / "file").write_text("")
    assert Made(config, "--out", str(config.parent / "file" / "out")).code == 2
    assert "name another folder" in capsys.readouterr().err


@pytest.mark.usefixtures("journal")
def test_an_earlier_report_is_replaced_whole(config: Path) -> None:
    Made(config)
    made = Made(config, "--from", "2027-01-01")
    assert made.csv("fills") == []
    assert not [file for file in made.out.iterdir() if file.name.endswith(".part")]


def test_a_report_is_made_beside_a_writer(config: Path, journal: SqliteJournal) -> None:
    made = Made(config)
    journal.append([Record(fill("3", Side.BUY, "1", "100", time_ns=NOON_NS), NOON_NS, BTC)])
    again = Made(config)
    assert (len(made.csv("fills")), made.code, again.code) == (3, 0, 0)
    journal.close()


def test_a_report_tells_what_a_strategy_saw_and_what_risk_refused(config: Path) -> None:
    house = House(World(4), simulated())
    house.start()
    house.ready()
    house.run(10)
    house.risk().risk.limits = evolve(house.risk().risk.limits, max_order_notional=D(1))
    house.run(10)
    house.crash()
    opened = SqliteJournal(config.parent / "state" / JOURNAL)
    opened.append(list(house.journal.read()))
    rows = Made(config).csv("decisions")
    decided = [row["reason"] for row in rows if row["decision"] == "strategy decided"]
    assert any(
        re.fullmatch(r"saw a quote at [\d.]+ / [\d.]+: place sim-grid-.+", r) for r in decided
    )
    assert all(": " in reason and not reason.endswith(": ") for reason in decided)
    refused = [row for row in rows if row["decision"] == "refused by risk"]
    assert any("(risk.max_order_notional)" in row["reason"] for row in refused)
    assert {row["symbol"] for row in refused} == {"BTCUSDT"}
    assert all(row["side"] and row["quantity"] and ": " in row["reason"] for row in refused)
    judged = [record.payload for record in opened.read(kinds=(RiskJudged,))]
    assert len(refused) == sum(isinstance(j, RiskJudged) and j.refusal is not None for j in judged)
    opened.close()


def test_missing_archives_are_one_line_no_half_report_and_nothing_in_the_hosts_log(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state" / JOURNAL
    journal = SqliteJournal(path)
    journal.append([Record(each, NOON_NS, BTC, "c", "a") for each in PAYLOADS])
    later_ns = NOON_NS + 10 * 86_400 * NS_S
    journal.append([Record(PAYLOADS[-1], later_ns, actor="a")])
    journal.close()
    assert archive(path, later_ns, "h", later_ns)
    for file in archives(path):
        file.unlink()

    assert run.main(["report", "--config", str(config), "--out", str(tmp_path / "out")]) == 1

    said = capsys.readouterr().err
    assert "put the missing archives back" in said
    assert said.startswith(f"error: the journal {path} goes on behind record")
    assert said.count("\n") == 1
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "logs").exists()
