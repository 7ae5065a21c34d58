"""The pages: one question to the host for all who ask within a second, and an honest verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.metrics import pages as module
from adapters.metrics.pages import Pages
from adapters.operations_socket import HostSilent
from tests.adapters.metrics.status import actor, status


class Host:
    """Answers with a status, or not; counts how often it was asked. Owns the clock of the pages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.silent = False
        self.now_s = 100.0
        self.status = status()
        self.pages = Pages(self.ask, 2_000, {"host": "host1", "version": "0.1.0"})
        monkeypatch.setattr(module, "monotonic", lambda: self.now_s)

    def ask(self) -> dict[str, Any]:
        self.asked += 1
        if self.silent:
            raise HostSilent("no reply from 'operations' within 2.0 s")
        return self.status

    def health(self) -> tuple[int, dict[str, Any]]:
        page = self.pages("/health")
        assert page.kind == "application/json"
        return page.code, json.loads(page.body)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def test_a_host_that_works_is_healthy_and_its_metrics_say_so(host: Host):
    verdict = {"healthy": True, "state": "running", "halt": "running", "problems": []}
    assert host.health() == (200, verdict)

    page = host.pages("/metrics")
    assert (page.code, page.kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"\nbulkhead_healthy 1.0\n" in page.body


def test_who_asks_within_a_second_shares_one_question(host: Host):
    first = host.pages("/metrics")
    host.status = status(equity="1")
    host.now_s += 0.9
    assert host.pages("/metrics") is first
    assert host.health()[0] == 200
    assert host.asked == 1

    host.now_s += 0.2
    assert b"\nbulkhead_equity 1.0\n" in host.pages("/metrics").body
    assert host.asked == 2


def test_a_host_that_does_not_answer_is_not_healthy_and_has_no_metrics(host: Host):
    host.silent = True
    code, verdict = host.health()
    assert (code, verdict["healthy"], verdict["state"]) == (503, False, "silent")
    assert "within 2.0 s" in verdict["problems"][0]
    page = host.pages("/metrics")
    assert (page.code, page.kind) == (503, "text/plain; charset=utf-8")
    assert host.asked == 1, "a host that is silent is not asked by each caller anew"

    host.silent, host.now_s = False, host.now_s + 1.1
    assert host.health()[0] == 200


def test_what_is_wrong_is_named_in_health_and_counted_in_metrics(host: Host):
    host.status = status(actors=[actor("risk", state="backing_off")])
    assert host.health()[1]["problems"] == ["risk is backing off"]
    assert host.health()[0] == 503
    assert b"\nbulkhead_healthy 0.0\n" in host.pages("/metrics").body


def test_many_problems_are_told_in_short(host: Host):
    host.status = status(actors=[actor(f"a{n}", state="failed") for n in range(1_000)])
    found = host.health()[1]["problems"]
    assert len(found) == 21
    assert found[-1] == "and 980 more"


def test_what_others_said_stays_in_the_log(host: Host):
    secret = "https://user:secret@venue.example"
    host.status = status(
        halt="reduce_only", halt_reason=secret, halt_by="journal", paused={"binance:X": secret},
        actors=[actor("stream:binance:market", state="waiting", waiting_for=secret)],
    )  # fmt: skip
    bodies = [host.pages(path).body for path in ("/metrics", "/health", "/")]
    assert not [body for body in bodies if b"secret" in body]


def test_the_first_page_names_the_others_and_there_are_no_more(host: Host):
    assert host.pages("/").code == 200
    assert b"/metrics" in host.pages("/").body
    for path in ("/metrics/", "/healthz", "//", "", "*"):
        assert host.pages(path).code == 404
    assert host.asked == 0
