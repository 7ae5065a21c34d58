"""Fire drills on the command line, and the host that each of them starts."""

from __future__ import annotations

import ctypes
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapters.cli_options import HERE, RUN_HOST, RunHost, config_option, examples, load
from core.errors import UsageError

if TYPE_CHECKING:
    from adapters.drills.running import Result

__all__ = ["drill", "drilled_host"]

_FAILED = 1
_LEAVE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


@click.command(
    short_help="Hold fire drills: kill, hang, crash, disk full …",
    epilog=examples("drill", "drill kill", "drill kill flash --config my.toml", "drill --list"),
)
@config_option
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--list", "listing", is_flag=True, help="Say which drills there are.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def drill(config_path: Path | None, names: tuple[str, ...], listing: bool, as_json: bool) -> int:
    """Let accidents happen to a host of its own, and see that it keeps its promises.

    Each drill starts a host with the bots and limits of the configuration, always on paper, with
    its own exchange and its own folder, beside whatever else runs. It prints what was injected,
    what the host did, how long it took, and what differs between the host's books and the
    exchange's ledger. Without a NAME all are held, in about two minutes. Exit code 0 when all
    passed, 1 when one did not.
    """
    from adapters.drills.running import DRILLS, hold
    from adapters.drills.show import as_json as shape
    from adapters.drills.show import show_list, show_result, show_table
    from adapters.operations import print_json
    from adapters.show import console

    unknown = next((name for name in names if name not in DRILLS), None)
    if unknown is not None:
        raise UsageError(f"no drill {unknown!r}", "drill", f"there are: {', '.join(DRILLS)}")
    if listing:
        show_list(console())
        return 0
    config = load(config_path)
    for number in _LEAVE:
        signal.signal(number, _interrupt)
    results: list[Result] = []
    folder = Path(tempfile.mkdtemp(prefix="bulkhead-drill-"))
    chosen = names or tuple(DRILLS)
    try:
        for place, name in enumerate(chosen, 1):
            # Over before its result is printed: while it shows, stdout is not stdout.
            with _progress(f"{place}/{len(chosen)} {name}") as said:
                results.append(hold(name, config, folder, HERE / "run.py", said))
            if not as_json:
                show_result(console(), results[-1])
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        click.echo("the drills were interrupted: nothing of them runs or is kept", err=True)
        return _FAILED
    finally:
        with suppress(OSError):  # not empty: a drill failed, and is kept for you to look at
            folder.rmdir()
    if as_json:
        print_json(shape(results))
    elif len(results) > 1:
        show_table(console(), results)
    return 0 if all(result.passed for result in results) else _FAILED


@contextmanager
def _progress(head: str) -> Iterator[Callable[[str], None]]:
    """Show on stderr what is going on; where that is no terminal, only which drill is held."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    if not console.is_terminal:
        click.echo(head, err=True)
        yield lambda _: None
        return
    with console.status(head) as status:
        yield lambda text: status.update(escape(f"{head}: {text}"))


def _interrupt(number: int, frame: object) -> None:
    """Leave once, so that host and exchange of the drill end before this process does."""
    for each in _LEAVE:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


@click.command(hidden=True)
@config_option
@click.pass_context
def drilled_host(context: click.Context, config_path: Path | None) -> int:
    """Run the host of a drill: what goes wrong in it is ordered over its standard input."""
    config = load(config_path)
    if config.mode != "paper" or config.paper.exchange:
        raise UsageError(
            "accidents are for a host on paper, at an exchange of its own",
            "drilled-host",
            "use python run.py drill",
        )
    if sys.platform == "linux":
        # Stopped by the drill when that is killed: it has to run to see its standard input end.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
    run_host: RunHost = context.meta[RUN_HOST]
    return run_host(config, for_s=None, accidents=sys.stdin)
