"""Makes the local exchange of paper mode from the configuration."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve

from adapters import paper as paper_process
from adapters.configuration import keys
from adapters.venues.binance_usdm.emulator import discovery
from core.config import Config
from core.secrets import Secret

__all__ = ["paper_exchange", "untouched"]


def paper_exchange(
    config: Config, program: Path
) -> tuple[paper_process.PaperExchange | paper_process.AttachedExchange, Secret, Secret]:
    """Make the local exchange's process and the key pair that opens its account.

    `program` is run.py, which starts one.
    """
    paper = config.paper
    if paper.key_env:
        key, secret = keys(paper.key_env, paper.secret_env, "paper", os.environ)
        return paper_process.AttachedExchange("binance", paper.exchange), key, secret
    folder = Path(config.paths.state) / "exchange"
    key, secret = (Secret(word) for word in discovery.credentials(folder / "binance", "", ""))
    if paper.exchange:
        return paper_process.AttachedExchange("binance", paper.exchange), key, secret
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
        return [sys.executable, str(program), "exchange", *words]

    log_path = Path(config.paths.logs) / "exchange.log"
    process = paper_process.PaperExchange("binance", folder, log_path, command)
    return process, key, secret


@contextmanager
def untouched(config: Config) -> Iterator[Config]:
    """Yield a configuration by which a local exchange can be asked without changing the account.

    It is the same one where an exchange runs already or a person starts it. Otherwise one may be
    started on a copy of the account, which ends with this: in its own account orders would fill
    while no host is there.
    """
    folder = Path(config.paths.state) / "exchange"
    own = config.mode == "paper" and not config.paper.exchange
    if not own or discovery.discover(folder, "binance") is not None:
        yield config
        return
    with TemporaryDirectory(prefix="bulkhead-check-") as copy:
        if folder.is_dir():
            shutil.copytree(folder, Path(copy) / "exchange")
        yield evolve(config, paths=evolve(config.paths, state=copy, logs=copy))
