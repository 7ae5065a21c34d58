"""Makes the local exchange of paper mode from the configuration."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve

from adapters import paper as paper_process
from adapters.configuration import keys
from adapters.lock import fingerprint
from adapters.operations import JOURNAL
from adapters.readiness_venue import VenueAccess
from adapters.storage.journal import JournalReader
from adapters.venues.binance_usdm.emulator import discovery
from core.config import Config
from core.errors import JournalError, NotReady, UsageError
from core.records import BooksOpened
from core.secrets import Secret

__all__ = ["check_account", "paper_exchange", "untouched"]


def paper_exchange(
    config: Config, program: Path
) -> tuple[paper_process.PaperExchange | paper_process.AttachedExchange, Secret, Secret]:
    """Make the local exchange's process and the key pair that opens its account.

    `program` is run.py, which starts one.
    """
    paper = config.paper
    if paper.key_env:
        key, secret = keys(paper.key_env, paper.secret_env, "paper", os.environ)
        return paper_process.AttachedExchange("binance", paper.exchange, key), key, secret
    folder = Path(config.paths.state) / "exchange"
    key, secret = (Secret(word) for word in discovery.credentials(folder / "binance", "", ""))
    if paper.exchange:
        return paper_process.AttachedExchange("binance", paper.exchange, key), key, secret
    symbols = ",".join(symbol for bot in config.bots for symbol in bot.symbols)
    market = "synthetic" if paper.market == "synthetic" else ",".join(paper.files)

    def command(port: int) -> list[str]:
        options = {
            "--venue": "binance",
            "--port": port,
            "--seed": paper.seed,
            "--symbols": symbols,
            "--market": market,
            "--speed": paper.speed,
            "--state": folder,
            "--balance": paper.balance_usdt,
        }
        words = [str(word) for option in options.items() for word in option]
        return [sys.executable, str(program), "exchange", "--by-host", *words]

    log_path = Path(config.paths.logs) / "exchange.log"
    process = paper_process.PaperExchange("binance", folder, log_path, command)
    return process, key, secret


def check_account(config: Config, venue: VenueAccess) -> None:
    """Refuse a local exchange whose account is not that of the key, or of the books.

    One that does not answer is nothing to refuse. Errors: `UsageError`, `NotReady`.
    """
    rest, _ = venue.endpoints()
    health = discovery.answers(rest) if rest else {}
    key = str(health.get("key", ""))
    if config.paper.exchange and key and fingerprint(key) != venue.account:
        raise UsageError(f"{rest} has another key", "paper.exchange", paper_process.OTHER_KEY)
    state = Path(config.paths.state)
    opened_ns = _opened_ns(state / JOURNAL)
    created_ns = health.get("created_ns")
    if opened_ns and isinstance(created_ns, int) and opened_ns < created_ns < time.time_ns():
        raise NotReady(
            f"the account at {rest} began at {_utc(created_ns)}, the books in {state / JOURNAL} at "
            f"{_utc(opened_ns)}: they are of another account",
            "readiness: account",
            "put the account back that was there, or move the journal and exchange/ (both in "
            f"{state}) away together: python run.py then begins both anew",
        )


def _opened_ns(path: Path) -> int:
    """Return when the books of the venue were opened, 0 where they are not, or not readable."""
    if not path.exists():
        return 0
    try:
        opened = JournalReader(path).read(kinds=(BooksOpened,))
        return min((record.time_ns for record in opened), default=0)
    except JournalError:
        return 0  # the journal's own item says why


def _utc(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%F %T} UTC"


@contextmanager
def untouched(config: Config) -> Iterator[Config]:
    """Yield a configuration by which a local exchange can be asked without changing the account.

    It is the same one where an exchange runs already or a person starts it. Otherwise one may be
    started on a copy of the account, which ends with this: in its own account orders would fill
    while no host is there. Errors: `NotReady` where one runs that does not answer.
    """
    folder = Path(config.paths.state) / "exchange"
    own = config.mode == "paper" and not config.paper.exchange
    if not own or discovery.discover(folder, "binance") is not None:
        yield config
        return
    if discovery.is_held(folder, "binance"):
        raise NotReady(
            f"the local exchange on {folder} runs and does not answer",
            "readiness: rest",
            "wait until it does; a host that runs ends it after 15 s of silence and starts another",
        )
    with TemporaryDirectory(prefix="bulkhead-check-") as copy:
        if folder.is_dir():
            shutil.copytree(folder, Path(copy) / "exchange")
        try:
            yield evolve(config, paths=evolve(config.paths, state=copy, logs=copy))
        except UsageError as error:
            where = error.where.replace(copy, str(folder.parent))
            raise UsageError(error.what, where, error.mend) from error
