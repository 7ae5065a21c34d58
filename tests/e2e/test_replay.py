"""A host that was killed in the middle leaves a journal whose decisions can be made again."""

from __future__ import annotations

import json

import pytest

from tests.e2e.site import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_the_journal_of_a_killed_host_replays_equal_beside_it_and_after(site: Site) -> None:
    first = site.start()
    filled = site.wait_fills(more_than=5)["fills"]
    first.kill()
    second = site.start()
    site.wait_fills(more_than=filled + 5)
    beside, out, errors = site.done("replay", "--json", "--config", str(site.config))
    assert beside == 0, (out[-3000:], errors)
    assert second.stop() == 0
    code, out, errors = site.done("replay", "--json", "--config", str(site.config))
    assert code == 0, (out[-3000:], errors)
    found = json.loads(out)
    assert found["decisions"] == found["equal"] > 50
    assert found["skipped"] == 0
    assert {"StrategyDecided", "RiskJudged"} <= set(found["kinds"])


def test_what_guards_did_in_a_fast_move_is_judged_again(site: Site) -> None:
    """A flash move on the local exchange: what the host did then is in its journal, and equal."""
    site.configure({"risk": {"losses": {"max_daily_loss_percent": 50, "max_drawdown_percent": 50}}})
    host = site.start()
    site.wait_status("something is held", lambda status: bool(status["positions"]), 30)
    site.control("faults", {"kind": "jump", "bps": -450})
    site.wait_status(
        "the move pauses entries",
        lambda status: "flash_move_bps" in " ".join(status["paused"].values()),
    )
    assert host.stop() == 0
    code, out, errors = site.done("replay", "--json", "--config", str(site.config))
    assert code == 0, (out[-3000:], errors)
    found = json.loads(out)
    assert found["decisions"] == found["equal"] and found["skipped"] == 0
    assert {"FlashJudged", "ProtectionJudged", "HaltChanged"} <= set(found["kinds"])
