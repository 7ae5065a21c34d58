"""`run.py report`: its options, help and examples."""

from __future__ import annotations

from pathlib import Path

import click

from adapters.cli_options import config_option, examples, load

__all__ = ["report"]


@click.command(
    short_help="Write orders, fills, PnL and controls as CSV and JSON lines.",
    epilog=examples(
        "report",
        "report --from 2026-01-01 --to 2027-01-01 --out taxes",
        "report --from 2026-03-01T08:00:00Z --json",
    ),
)
@config_option
@click.option(
    "--from", "since", default="", metavar="T", help="From then on.  [default: the beginning]"
)
@click.option("--to", "until", default="", metavar="T", help="Up to then.  [default: now]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("report"),
    show_default=True,
    metavar="DIR",
    help="Where the files go; those of an earlier report are replaced.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary for machines.")
def report(config_path: Path | None, since: str, until: str, out: Path, as_json: bool) -> int:
    """Write what the journal says of a span, for people and tax tools, and sum it up.

    Orders, fills with what each realised, positions over time, funding, transfers, controls (halts,
    pauses, operator's commands) and decisions, each as CSV and as JSON lines. Times are ISO 8601 in
    UTC: --from belongs to the span, --to does not, a date alone is its first instant.
    """
    from adapters.report import report as write

    return write(load(config_path), since=since, until=until, out=out, json=as_json)
