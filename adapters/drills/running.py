"""Holds drills one after the other, each in a folder of its own, and judges how each ended."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from attrs import field, frozen

from adapters.drills import host_drills, operator_drills, venue_drills
from adapters.drills.judging import differences, entries, twice, unprotected
from adapters.drills.settings import for_drill
from adapters.drills.site import DrillFailed, Note, Site
from core.config import Config
from core.errors import BulkheadError

__all__ = ["DRILLS", "Drill", "Result", "hold", "purpose"]

Drill = Callable[[Site], None]
DRILLS: Mapping[str, Drill] = MappingProxyType(
    {
        drill.__name__: drill
        for drill in (
            host_drills.kill,
            host_drills.hang,
            host_drills.crash,
            host_drills.stall,
            host_drills.disk,
            venue_drills.gap,
            venue_drills.silence,
            venue_drills.unknown,
            venue_drills.flash,
            venue_drills.stops,
            venue_drills.exchange,
            operator_drills.halt,
            operator_drills.flatten,
        )
    }
)


def purpose(name: str) -> str:
    """Return the line that says what a drill does."""
    return (DRILLS[name].__doc__ or "").strip()


@frozen(slots=True, kw_only=True)
class Result:
    """How one drill went; `problems` empty: passed. `folder` is kept where it did not."""

    name: str
    took_s: float
    recovered_s: float | None = None
    orders: int = 0
    fills: int = 0
    compared: bool = False
    differences: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[Note, ...] = field(default=(), repr=False)
    folder: str = ""

    @property
    def passed(self) -> bool:
        """Tell whether the host did all that it should."""
        return not self.problems and not self.differences


def hold(
    name: str, config: Config, folder: Path, program: Path, said: Callable[[str], None]
) -> Result:
    """Hold one drill in a new folder below `folder`, which stays only where it did not pass."""
    begun_s = time.monotonic()
    place = folder / name
    problems: list[str] = []
    unequal: list[str] = []
    counts = {"orders": 0, "fills": 0}
    compared = False
    with Site(place, for_drill(config, place), program, said) as site:
        try:
            site.start()
            site.wait_ready()
            DRILLS[name](site)
            site.stop()
            books, truth = site.books(), site.truth()
            counts = {part: len(truth[part]) for part in counts}
            unequal, compared = differences(books, truth), True
            problems += twice(truth)
            problems += [f"open at the end: {row['client_order_id']}" for row in entries(truth)]
            problems += [f"not protected at the end: {text}" for text in unprotected(truth)]
        except (DrillFailed, BulkheadError) as error:
            problems.append(str(error))
    result = Result(
        name=name,
        took_s=round(time.monotonic() - begun_s, 3),
        recovered_s=site.recovered_s,
        compared=compared,
        differences=tuple(unequal),
        problems=tuple(problems),
        notes=site.notes(),
        folder=str(place) if problems or unequal else "",
        **counts,
    )
    if result.passed:
        shutil.rmtree(place)
    return result
