"""A status becomes metrics that Prometheus reads back as what the status says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from adapters.metrics.families import StatusFamilies
from tests.adapters.metrics.status import status

LABELS = {"host": "host1", "version": "0.1.0"}
DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"
BTC = {"venue": "binance", "symbol": "BTCUSDT"}
ETH = {"venue": "binance", "symbol": "ETHUSDT"}
SHORT = BTC | {"side": "short"}
MARKET = BTC | {"kind": "market"}
ACCOUNT = {"kind": "account", "venue": "binance", "symbol": ""}
POSITION = {"actor": "position:binance:BTCUSDT"}
GROSS = {"limit": "max_gross_notional"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def exposition(**changes: Any) -> str:
    return generate_latest(StatusFamilies(status(**changes), True, LABELS)).decode()


def read(text: str) -> Samples:
    """Parse an exposition; the same sample twice would be an error of Prometheus too."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            place = (sample.name.removeprefix("bulkhead_"), frozenset(sample.labels.items()))
            assert place not in found
            found[place] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


@pytest.mark.parametrize(
    ("name", "labels", "wanted"),
    [
        ("host_info", {**LABELS, "mode": "paper"}, 1),
        ("healthy", {}, 1),
        ("uptime_seconds", {}, 12.5),
        ("state", {"state": "running"}, 1),
        ("state", {"state": "halted"}, 0),
        ("halt_level", {"level": "running"}, 1),
        ("halt_level", {"level": "reduce_only"}, 0),
        ("halt_latched", {}, 0),
        ("paused", BTC, 0),
        ("paused", ETH, 1),
        ("throttle_ratio", BTC, 0.5),
        ("throttle_ratio", ETH, 0.2),
        ("entry_scale_ratio", BTC, 0.25),
        ("limit_value", GROSS, 10),
        ("limit", GROSS, 6000),
        ("limit_headroom", GROSS, 5990),
        ("limit", {"limit": "max_var_percent"}, 5),
        ("refusals_total", {"rule": "price_collar"}, 4),
        ("equity", {}, 10001.5),
        ("unrealised_pnl", {}, 0.52),
        ("realised_pnl", {}, -1.25),
        ("position_quantity", SHORT, -0.009),
        ("position_entry_price", SHORT, 62814.8),
        ("position_mark_price", SHORT, 62756.5),
        ("position_unrealised_pnl", SHORT, 0.52),
        ("open_orders", BTC, 8),
        ("unresolved_orders", BTC, 1),
        ("fills_total", BTC, 18),
        ("symbol_realised_pnl", BTC, -1.25),
        ("reconciliation_age_seconds", BTC, 7),
        ("position_apart", BTC, 0.003),
        ("differences_total", BTC | {"kind": "fill"}, 1),
        ("differences_total", BTC | {"kind": "position"}, 0),
        ("wallet_apart", {"venue": "binance"}, 0.5),
        ("wallet_differences_total", {}, 3),
        ("venue_connected", {"venue": "binance"}, 1),
        ("venue_clock_offset_seconds", {"venue": "binance"}, -0.0035),
        ("breaker_state", {"venue": "binance", "state": "closed"}, 1),
        ("breaker_state", {"venue": "binance", "state": "half_open"}, 0),
        ("work_age_seconds", MARKET, 0.4),
        ("work_age_seconds", ACCOUNT, 8.7),
        ("work_age_limit_seconds", ACCOUNT, 90),
        ("actor_up", POSITION, 1),
        ("actor_restarts_total", POSITION, 2),
        ("actor_mailbox_messages", POSITION, 1),
        ("actor_oldest_message_seconds", POSITION, 0.02),
        ("actor_last_recovery_seconds", POSITION, 0.35),
        ("process_memory_bytes", {}, 61_000_000),
        ("process_threads", {}, 61),
        ("process_open_files", {}, 47),
        ("process_open_files_limit", {}, 1024),
        ("process_waiting_messages", {}, 3),
        ("process_alerts", {}, 1),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_figure_of_the_status_is_read_back(name: str, labels: dict[str, str], wanted: float):
    assert value(read(exposition()), name, **labels) == wanted


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("position_liquidation_price", SHORT),
        ("limit_value", {"limit": "max_var_percent"}),
        ("limit_headroom", {"limit": "max_var_percent"}),
        ("reconciliation_age_seconds", ETH),
        ("position_apart", ETH),
        ("differences_total", ETH | {"kind": "fill"}),
        ("work_age_seconds", BTC | {"kind": "decision"}),
        ("actor_last_recovery_seconds", {"actor": "risk"}),
        ("process_memory_limit_bytes", {}),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_is_unknown_has_no_sample_and_is_never_a_0(name: str, labels: dict[str, str]):
    assert (name, frozenset(labels.items())) not in read(exposition())


def test_before_anybody_reported_nothing_is_claimed():
    found = read(
        exposition(
            state="starting", halt=None, halt_latched=None, equity=None, unrealised_pnl=None,
            realised_pnl=None, limits=[], paused={}, throttle={}, scale={}, refusals={},
            symbols={}, work=[], positions=[],
            venues={"binance": {"connected": False, "clock_offset_ms": None, "breaker": None}},
            reconciliation={"wallets_apart": {}, "found": {"wallet": 0}},
        )
    )  # fmt: skip

    claimed = {name for name, _ in found}
    told = {"state", "healthy", "host_info", "uptime_seconds", "venue_connected"}
    assert {name for name in claimed if not name.startswith(("actor_", "process_"))} == (
        told | {"wallet_differences_total"}
    )


@pytest.mark.parametrize("breaker", ["closed", "open", "half_open"])
@pytest.mark.parametrize("halt", ["running", "reduce_only", "halted"])
def test_of_states_exactly_the_present_one_is_1(breaker: str, halt: str):
    venues = {"binance": {"connected": True, "clock_offset_ms": 0.0, "breaker": breaker}}
    found = read(exposition(venues=venues, halt=halt, halt_latched=True, state=halt))

    for family, label, now in (("breaker_state", "state", breaker), ("halt_level", "level", halt)):
        states = {dict(labels)[label]: n for (name, labels), n in found.items() if name == family}
        assert len(states) == 3
        assert [state for state, on in states.items() if on] == [now]
    assert value(found, "halt_latched") == 1


def test_a_host_that_is_not_well_says_so():
    text = generate_latest(StatusFamilies(status(), False, LABELS)).decode()

    assert value(read(text), "healthy") == 0


def test_names_that_were_made_to_break_the_format_are_escaped():
    rows = [{"name": 'a"b\\c\nd', "value": "1", "limit": "1", "headroom": "0"}]

    assert value(read(exposition(limits=rows)), "limit_value", limit='a"b\\c\nd') == 1


def test_every_family_has_a_help_a_type_and_a_row_in_the_documents():
    text = exposition()
    helps = dict(re.findall(r"^# HELP bulkhead_(\w+) (.+)$", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE bulkhead_(\w+) (\w+)$", text, re.MULTILINE))
    documented = re.findall(r"^\| `bulkhead_(\w+)`", DOCUMENT.read_text(), re.MULTILINE)

    assert helps.keys() == types.keys()
    assert sorted(documented) == sorted(helps)
    assert {name for name, kind in types.items() if kind == "counter"} == {
        name for name in helps if name.endswith("_total")
    }


def test_promtool_finds_nothing_to_mend():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")

    done = subprocess.run(
        [promtool, "check", "metrics"], input=exposition(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
