"""`run.py replay`: its options, help and examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from adapters.cli_options import config_option, examples, load

if TYPE_CHECKING:
    from core.replay import Stage

__all__ = ["MAKE_STAGE", "MakeStage", "replay"]

MAKE_STAGE = "bulkhead.make_stage"


class MakeStage(Protocol):
    """Return where strategies and risk decide again."""

    def __call__(self) -> Stage: ...


@click.command(
    short_help="Make a journal's decisions again and compare them.",
    epilog=examples(
        "replay",
        "replay state/journal.db --from 2026-03-01T08:00:00Z --to 2026-03-01T09:00:00Z",
        "replay state/archive/journal-000000000001-000000250000.db --json",
    ),
)
@config_option
@click.argument(
    "journal", required=False, type=click.Path(path_type=Path, dir_okay=False), metavar="[JOURNAL]"
)
@click.option(
    "--from", "since", default="", metavar="T", help="From then on.  [default: the beginning]"
)
@click.option("--to", "until", default="", metavar="T", help="Up to then.  [default: now]")
@click.option("--json", "as_json", is_flag=True, help="The answer for machines.")
@click.pass_context
def replay(
    context: click.Context,
    config_path: Path | None,
    journal: Path | None,
    since: str,
    until: str,
    as_json: bool,
) -> int:
    """Make every decision in a journal again with this program, and compare to the byte.

    JOURNAL is a journal or one of its archives; without it the one of the configuration. Strategies
    and risk run again on a virtual clock and are told what they were told; guards, protection and
    the halt are given what they were given. What they decide now must be what is written.
    Exit code 0: all are equal; 1: one is not, nothing could be compared, or the journal is damaged.
    Works beside a running host. Times are ISO 8601 in UTC: --from belongs to the span, --to does
    not.
    """
    from adapters.operations import JOURNAL
    from adapters.replay import replay as again

    path = journal or Path(load(config_path).paths.state) / JOURNAL
    make_stage: MakeStage = context.meta[MAKE_STAGE]
    return again(path, make_stage(), since=since, until=until, json=as_json)
