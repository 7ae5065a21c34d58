"""A loss of power tore the journal: the next start mends it, or says how a person does."""

from __future__ import annotations

from adapters.operations import JOURNAL
from adapters.storage.journal import JournalReader
from core.records import JournalMended
from tests.e2e.site import Row, Site

FRAME = 24 + 4_096


def test_a_torn_end_is_cut_off_and_the_venue_says_what_was_in_it(site: Site) -> None:
    host = site.start()
    site.wait_fills(more_than=4)
    host.kill()
    log = site.state_folder / f"{JOURNAL}-wal"
    whole = log.read_bytes()
    lost = min(60, (len(whole) - 32) // FRAME // 2)
    log.write_bytes(whole[: len(whole) - lost * FRAME - 1_000])
    before = JournalReader(site.state_folder / JOURNAL).head().sequence

    host = site.start()
    site.wait_status("compared with the venue", lambda status: status["limits"])
    assert host.stop() == 0, host.shown[-3000:]
    check_equal_but_for_what_never_filled(site.books(), site.truth())

    (mended,) = JournalReader(site.state_folder / JOURNAL).read(kinds=(JournalMended,))
    assert isinstance(mended.payload, JournalMended)
    assert mended.payload.kept == before
    assert all((site.state_folder / name).exists() for name in mended.payload.aside)
    assert "the journal's end was torn" in site.log()


def check_equal_but_for_what_never_filled(books: Row, truth: Row) -> None:
    """An order that began and ended unfilled in what was cut off is nobody's loss."""
    for part in ("positions", "balances", "fills"):
        assert books[part] == truth[part], part
    ours, theirs = ({row["client_order_id"]: row for row in b["orders"]} for b in (books, truth))
    unknown = [row for name, row in theirs.items() if name not in ours]
    assert {(row["status"], row["filled"]) for row in unknown} <= {("cancelled", "0")}
    assert all(theirs[name] == row for name, row in ours.items())


def test_damage_before_the_end_stops_the_start_with_one_line(site: Site) -> None:
    host = site.start()
    site.wait_fills(more_than=8)
    assert host.stop() == 0
    path = site.state_folder / JOURNAL
    whole = path.read_bytes()
    assert len(whole) > 45_000, "what is overwritten is far from its end"
    path.write_bytes(whole[:24_576] + bytes(8_192) + whole[32_768:])
    damaged = path.read_bytes()

    host = site.start()
    assert host.end() == 3
    (line,) = host.errors
    assert line.startswith(f"error: the journal {path} is damaged before its end")
    assert "restore the last backup or move it aside" in line
    assert path.read_bytes() == damaged
