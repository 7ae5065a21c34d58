"""`run.py deadletters`: look at messages that reached nobody, retry and discard them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from adapters.cli_options import config_option, examples, load
from core.errors import UsageError

__all__ = ["deadletters"]

_ANSWER_WITHIN_S = 5.0
_HELP = "python run.py deadletters --help"


@click.group(
    short_help="Messages that reached nobody.",
    epilog=examples("deadletters list", "deadletters show 3", "deadletters retry 3"),
)
def deadletters() -> None:
    """Look at messages that reached nobody; retry or discard them.

    Kept are those that concerned an order, those that killed their reader, and records that cannot
    be written. Trying again works while a host runs; the rest also without one.
    """


@deadletters.command("list", epilog=examples("deadletters list", "deadletters list --json"))
@config_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_(config_path: Path | None, as_json: bool) -> int:
    """List all letters, the oldest first."""
    return _run(config_path, {"action": "list"}, as_json)


@deadletters.command(epilog=examples("deadletters show 3", "deadletters show 3 --json"))
@config_option
@click.argument("number", type=click.IntRange(1), metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def show(config_path: Path | None, number: int, as_json: bool) -> int:
    """Show one letter: why and when, to whom, and what was in it."""
    return _run(config_path, {"action": "show", "id": number}, as_json)


@deadletters.command(epilog=examples("deadletters retry 3"))
@config_option
@click.argument("number", type=click.IntRange(1), metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def retry(config_path: Path | None, number: int, as_json: bool) -> int:
    """Try one letter again; needs a running host.

    An order goes through risk again, as a new proposal. An old approval is never used: it is
    discarded. What else there is, is told to its address once more.
    """
    return _run(config_path, {"action": "retry", "id": number}, as_json)


@deadletters.command(epilog=examples("deadletters discard 3", "deadletters discard --all"))
@config_option
@click.argument("number", type=click.IntRange(1), metavar="ID", required=False)
@click.option("--all", "every", is_flag=True, help="All letters.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def discard(config_path: Path | None, number: int | None, every: bool, as_json: bool) -> int:
    """Take one letter away for good, or all."""
    if every == (number is not None):
        raise UsageError("which letter?", "deadletters discard", "name one by its ID, or use --all")
    return _run(config_path, {"action": "discard", "id": number}, as_json)


def _run(config_path: Path | None, request: dict[str, Any], as_json: bool) -> int:
    from adapters.deadletters import FOLDER, answer_from
    from adapters.logs import printable, stderr_line
    from adapters.operations import ask, print_json
    from adapters.show import console, show_letter, show_letters

    state_dir = Path(load(config_path).paths.state)
    found = ask(state_dir, {"command": "deadletters", **request}, _ANSWER_WITHIN_S)
    if found is None:
        if request["action"] == "retry":
            raise UsageError(
                "no host runs on this state folder", str(state_dir), "start it (python run.py)"
            )
        found = answer_from(state_dir / FOLDER, request)
    if "usage" in found:
        raise UsageError(*found["usage"])
    if as_json:
        print_json(found)
    if "error" in found:
        stderr_line(printable(f"error: {found['error']} (deadletters): see {_HELP}"))
        return 1
    if as_json:
        return 0
    if "letters" in found:
        show_letters(console(), found["letters"])
    elif "letter" in found:
        show_letter(console(), found["letter"])
    else:
        click.echo(printable(str(found["done"])))
    return 0
