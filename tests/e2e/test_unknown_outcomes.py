"""Each way in which an answer to an order goes missing, against a running host, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import define, field

from adapters.storage.journal import JournalReader
from core.messages import Fill, OrderAcknowledged, OrderOutcomeUnknown, OrderUpdated
from core.ports import Record
from core.records import OrderGone, OrderIntended
from tests.e2e.site import Process, Site, check_in_order, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ORDERS = "/fapi/v1/order"
POST = {"endpoint": ORDERS, "method": "POST"}
ASKED = {"endpoint": ORDERS, "method": "GET"}
LOST = {"kind": "5xx_after_accept", **POST}
NOT_FOUND = {"kind": "reject", "code": -2013, "message": "Order does not exist.", **ASKED}
LATE = {"kind": "delay", "stream": "ORDER_TRADE_UPDATE", "ms": 2000, "count": 0}
ARRIVED, NEVER = True, False

CASES: dict[str, tuple[list[dict[str, Any]], bool]] = {
    "503 after acceptance": ([LOST | {"variant": "unknown"}], ARRIVED),
    "503 with -1006 after acceptance": ([LOST | {"variant": "-1006"}], ARRIVED),
    "503 with -1007 after acceptance": ([LOST | {"variant": "-1007"}], ARRIVED),
    "a time-out after acceptance": ([{"kind": "timeout_after", "ms": 1500, **POST}], ARRIVED),
    "a connection cut in the middle of the answer": ([{"kind": "cut_response", **POST}], ARRIVED),
    "not found three times while the venue lags": (
        [LATE, LOST, NOT_FOUND | {"count": 3}],
        ARRIVED,
    ),
    "the question times out as well, twice": (
        [LATE, LOST, {"kind": "timeout_before", "ms": 1500, "count": 2, **ASKED}],
        ARRIVED,
    ),
    "a time-out before acceptance": ([{"kind": "timeout_before", "ms": 1500, **POST}], NEVER),
    "a connection cut before the venue looked": ([{"kind": "drop", **POST}], NEVER),
}


@define
class Trading:
    """A host that trades, and its journal read as it grows."""

    site: Site
    host: Process
    records: list[Record] = field(factory=list)

    def read(self) -> list[Record]:
        after = self.records[-1].sequence if self.records else 0
        kinds = (OrderIntended, OrderOutcomeUnknown, OrderGone)
        kinds += (OrderAcknowledged, OrderUpdated, Fill)
        reader = JournalReader(self.site.state_folder / "journal.db")
        self.records += reader.read(kinds=kinds, after=after)
        return self.records

    def of(self, client_order_id: str, *kinds: type) -> list[Record]:
        return [
            record
            for record in self.read()
            if record.client_order_id == client_order_id and isinstance(record.payload, kinds)
        ]


@pytest.fixture(scope="module")
def trading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trading]:
    site = Site(tmp_path_factory.mktemp("unknown"))
    site.configure(
        {
            "venues": {"binance": {"read_timeout_ms": 1000, "recv_window_ms": 1000}},
            "risk": {"max_orders_per_minute": 3_000},
            "execution": {
                "max_order_age_ms": 500,
                "unknown_first_query_ms": 50,
                "unknown_max_query_ms": 500,
            },
        }
    )
    host = site.start()
    site.wait_fills()
    yield Trading(site, host)
    check_in_order(site, host.stop(), host)
    site.tear_down()


@pytest.mark.parametrize("what", CASES)
def test_an_order_of_unknown_outcome_is_sent_once_and_known_by_proof(
    trading: Trading, what: str
) -> None:
    site, (faults, arrived) = trading.site, CASES[what]
    site.wait_status("it trades", lambda now: now["state"] == "running", 30)
    begin = trading.read()[-1].sequence
    site.control("faults", faults)

    def unknown() -> list[Record]:
        return [
            record
            for record in trading.read()
            if record.sequence > begin
            and isinstance(record.payload, OrderOutcomeUnknown)
            and record.payload.action == "place"
        ]

    site.control("faults", {"kind": "jump", "bps": (-8, 8)[begin % 2]})  # something fills
    name = wait_for("an order of unknown outcome", unknown, 30)[0].client_order_id
    standing = {LATE["kind"]}

    def struck() -> bool:
        return {fault["kind"] for fault in site.control("faults")["faults"]} <= standing

    wait_for("every fault has struck", struck, 30)
    site.control("faults", method="DELETE")
    outcome = (OrderGone,) if not arrived else (OrderAcknowledged, OrderUpdated, Fill)
    (end, *_) = wait_for("proof", lambda: trading.of(name, *outcome), 30)

    (intent,) = trading.of(name, OrderIntended)
    assert not trading.of(name, OrderGone) or not arrived, "what arrived is never written off"
    again = [
        record.client_order_id
        for record in trading.records
        if intent.sequence < record.sequence < end.sequence
        and isinstance(record.payload, OrderIntended)
        and terms(record.payload) == terms(intent.payload)
    ]
    assert not again, "nothing takes its place while nobody knows"
    rows = [row for row in site.truth()["orders"] if row["client_order_id"] == name]
    assert len(rows) == int(arrived)


def terms(intended: Any) -> tuple[object, ...]:
    order = intended.order
    return order.purpose, order.side, order.position_side, order.price
