"""The composition root: the only place where core, actors and adapters meet.

Over 400 lines for that reason: whatever stood elsewhere would be a second such place.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import attrs

from adapters import cli
from core.errors import (
    BulkheadError,
    ConfigError,
    JournalError,
    NotReady,
    UserError,
    VenueError,
)
from core.letters import UNWRITABLE
from core.secrets import Secret

if TYPE_CHECKING:
    from actors.runtime import Outcome, Reply
    from actors.stream import OpenStreams
    from actors.supervisor import Parts, VenueParts
    from adapters.console import LinesDisplay, TableDisplay
    from adapters.logs import Log as LogFile
    from adapters.paper import AttachedExchange, PaperExchange
    from adapters.venues.binance_usdm.hosts import Hosts
    from adapters.venues.binance_usdm.stream import BinanceStreams
    from core.config import Config
    from core.messages import Key
    from core.ports import Venue
    from core.replay import Stage

HERE = Path(__file__).resolve().parent
GAVE_UP = 4
_POLL_S = 0.2
_MORE_THAN_ENTRIES_S = 0.3
_STOP_WITHIN_S = 2.5
_KILL_WITHIN_S = 0.3
_ANSWER_WITHIN_S = 3.0
_HEALTHY_WITHIN_S = 2.0
_TAKE_BACK_WITHIN_S = 10.0


def run_host(config: Config, *, for_s: float | None, accidents: TextIO | None = None) -> int:
    """Run the host until it is stopped, or for `for_s` seconds; return the exit code.

    The command line refuses a live configuration that was not confirmed with `--live`. `accidents`
    is a drill's: each line of it says what shall go wrong in this host.
    """
    from adapters.console import LinesDisplay, TableDisplay
    from adapters.lock import InstanceLock
    from adapters.logs import configure

    stop = _StopSignal()
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # else they end a host that holds positions
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        # A closed terminal ends the host in order, unless `nohup` said that it shall not.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    _check_folder(Path(config.paths.logs), "paths.logs")
    terminal = sys.stdout.isatty()
    display = TableDisplay() if terminal else LinesDisplay()
    log = configure(config.logs, config.paths.logs, console=display.line)
    try:
        with InstanceLock(Path(config.paths.state), config.host_name):
            host = _Host(config, display, log, stop)
            if accidents is not None:
                from adapters.drills.accidents import obey

                obey(accidents, host.runtime.kill, host.runtime.stall, log.log)
            return host.run(for_s)
    finally:
        display.close()
        log.close()


def _check_folder(folder: Path, key: str) -> None:
    """Make a folder of ours. Errors: `ConfigError` where it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        what = f"{folder}: {os.strerror(error.errno or 0).lower()}"
        raise ConfigError(what, key, "name a folder that this user may write to") from None


class _StopSignal:
    """Why the host shall stop; "" while it shall not. Handles signals from the first moment on."""

    def __init__(self) -> None:
        self.reason = ""

    def __call__(self, number: int, frame: object) -> None:
        # Takes no lock: a second signal interrupts this very line, and a lock would never open.
        self.reason = self.reason or f"stopped by {signal.Signals(number).name}"


class _Host:
    """One run of the trading process: builds the parts, watches over start and stop."""

    def __init__(
        self,
        config: Config,
        display: LinesDisplay | TableDisplay,
        log: LogFile,
        stop: _StopSignal,
    ) -> None:
        from actors.letters import Office
        from actors.runtime import ThreadsRuntime
        from adapters.alerts import open_alarm
        from adapters.deadletters import FOLDER, Keeper

        self.config = config
        self.display = display
        self.log = log
        self.stop = stop
        self.metrics: str | None = None
        self.venues = (_binance(config, log.hide),)
        self.alarm = open_alarm(config, os.environ, log.log, log.hide)
        log.listen(self.alarm.hear)
        self.letters = Keeper(Path(config.paths.state) / FOLDER, log.log)
        self.runtime = ThreadsRuntime(
            seed=config.paper.seed,
            on_log=self._runtime_says,
            on_dead_letter=self._dead_letter,
        )
        supervision = config.supervision
        self.office = Office(
            supervision.poison_after,
            int(supervision.window_s * 1e9),
            self.letters.keep,
            self.runtime.tell,
            log.log,
        )

    def run(self, for_s: float | None) -> int:
        """Run until a signal, the time is up, or the root gave up; people are told of that.

        They are told of a start that is refused too: nobody may be there to read it.
        """
        try:
            return self._begin(for_s)
        except Exception as error:
            words = str(error) if isinstance(error, BulkheadError) else type(error).__name__
            self.alarm.tell(self.log.mask(f"the host ends: {words}"))
            raise
        finally:
            self.alarm.close()

    def _begin(self, for_s: float | None) -> int:
        from adapters.lock import account_locks

        state = Path(self.config.paths.state)
        self._prepare_journal(state)
        self._start_exchanges()
        accounts = {venue.name: (venue.endpoints, venue.account) for venue in self.venues}
        try:
            self._check_accounts()
            locks = account_locks(self.config, accounts, os.environ)
        except UserError:
            self._stop_exchanges()
            raise
        with locks:
            return self._run(state, for_s)

    def _run(self, state: Path, for_s: float | None) -> int:
        from actors.runtime import tune_process
        from actors.supervisor import tree
        from adapters.logs import printable, stderr_line
        from adapters.metrics.serving import serving
        from adapters.operations import SOCKET, OperationsServer
        from core.records import HostStarted, HostStopped

        config = self.config
        if not self._check_readiness():
            self.log.log("info", "host", f"stopped before it began: {self.stop.reason}")
            return 0
        try:
            self._write_down(HostStarted(config.mode, config.host_name, _version()))
        except JournalError as error:
            self._stop_exchanges()
            raise _no_journal(error) from error
        spec = tree(config, self._parts(state))
        self.log.log("info", "host", f"starting in {config.mode} mode, state in {state}")
        self.runtime.start(spec)
        tune_process(config.supervision.switch_interval_us / 1e6)
        server = OperationsServer(state / SOCKET, self._answer, self.log.log)
        slow_ms, labels = config.risk.guards.slow_mailbox_ms, {"host": config.host_name}
        labels["version"] = _version()
        try:
            with serving(config.metrics, self._status, slow_ms, labels, self.log.log) as found:
                self.metrics = found
                outcome = self._wait(for_s)
        finally:
            server.close()
            self.letters.close()
        if outcome.exit == "gave_up":
            self._take_back_entries()
        try:
            self._write_down(HostStopped(outcome.reason))
        except JournalError as error:
            text = f"the stop is not in the journal: {error}; the next start asks the venue"
            self.log.log("error", "host", text)
        if outcome.exit == "gave_up":
            self.log.log("critical", "host", f"gave up: {outcome.reason}")
            mend = f"see {self.config.paths.logs}/bulkhead.log, then python run.py reset-halt"
            what = f"error: the host gave up: {outcome.reason} (supervision): {mend}"
            stderr_line(printable(self.log.mask(what)))
            return GAVE_UP
        self.log.log("info", "host", f"stopped: {outcome.reason}")
        return 0

    def _wait(self, for_s: float | None) -> Outcome:
        from actors.shutdown import close

        deadline = None if for_s is None else time.monotonic() + for_s
        while not self.stop.reason:
            outcome = self.runtime.wait(_POLL_S)
            if outcome is not None:
                return outcome
            if deadline is not None and time.monotonic() >= deadline:
                self.stop.reason = f"the {for_s:g} s of --for are over"
                break
        self.log.log("info", "host", f"stopping: {self.stop.reason}")
        processes = [venue.process for venue in self.venues if venue.process is not None]
        for process in processes:
            if not process.close_market():
                text = "the local exchange trades on: the next start books what fills from now on"
                self.log.log("warning", "host", text)
        patience_s = self.config.execution.entry_cancel_timeout_s + _MORE_THAN_ENTRIES_S
        outcome = close(self.runtime, self.stop.reason, patience_s)
        outcome = outcome or self.runtime.stop(self.stop.reason, _STOP_WITHIN_S)
        if outcome.abandoned:
            for process in processes:
                process.stop(_KILL_WITHIN_S)
        return outcome

    def _take_back_entries(self) -> None:
        """Cancel at each venue what might open something, once no actor is left to do it.

        Not at a local exchange that ended with the host: nothing fills there before the next one.
        """
        from adapters.last_act import take_back_entries
        from core.messages import Key

        bots = self.config.bots
        for venue in self.venues:
            if venue.process is None or venue.process.alive():
                keys = [
                    Key(venue.name, s)
                    for bot in bots
                    if bot.venue == venue.name
                    for s in bot.symbols
                ]
                client, host = venue.make_venue(), self.config.host_name
                take_back_entries(client, keys, host, self.log.log, _TAKE_BACK_WITHIN_S)
                client.close()

    def _start_exchanges(self) -> None:
        """Start the local exchange before the host: what is wrong with its options ends the start.

        Any other failure is left to its actor, which tries again.
        """
        if self.config.paper.exchange:
            return  # a person starts that one, and it is waited for
        for venue in self.venues:
            if venue.process is not None:
                with suppress(VenueError):
                    venue.process.ensure()

    def _check_accounts(self) -> None:
        """Refuse a local exchange that is not the one of key and books. Errors: `UserError`."""
        from adapters.paper_setup import check_account

        for venue in self.venues:
            if venue.process is not None:
                check_account(self.config, venue)

    def _stop_exchanges(self) -> None:
        for venue in self.venues:
            if venue.process is not None:
                venue.process.stop()

    def _check_readiness(self) -> bool:
        """Look at everything a start needs, once; False when somebody stopped the host meanwhile.

        Errors: `NotReady` with all that stops the start.
        """
        from adapters.readiness import at_start, refusal, summary

        report = at_start(self.config, os.environ, self.venues, lambda: bool(self.stop.reason))
        for level, line in summary(report):
            self.log.log(level, "readiness", line)
        if not report.stopping and not self.stop.reason:
            return True
        self._stop_exchanges()
        if report.stopping:
            raise refusal(report)
        return False

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer the operator's socket."""
        from actors import names
        from actors.messages.risk import Operate
        from core.operating import read, within_s

        if request.get("command") == "status":
            symbol = str(request.get("symbol", ""))
            return self._status(symbol, _ANSWER_WITHIN_S) | {"metrics": self.metrics}
        if request.get("command") == "deadletters":
            return self._answer_letters(request)
        order = read(request)
        return self._ask(
            names.RISK,
            lambda reply: Operate(order.name, reply, order.symbol, order.percent),
            within_s(order, self.config.execution.flatten_within_s),
        )

    def _status(self, symbol: str = "", within_s: float = _HEALTHY_WITHIN_S) -> dict[str, Any]:
        from actors import names
        from actors.messages.operations import StatusWanted
        from adapters.operations import HostSilent

        if self.runtime.outcome is not None:
            raise HostSilent("it has stopped")
        return self._ask(names.OPERATIONS, lambda reply: StatusWanted(reply, symbol), within_s)

    def _ask(
        self, name: str, message: Callable[[Reply], object], within_s: float
    ) -> dict[str, Any]:
        from actors.runtime import AskTimeout
        from adapters.operations import HostSilent

        try:
            return cast("dict[str, Any]", self.runtime.ask(name, message, within_s))
        except AskTimeout as error:
            raise HostSilent(f"{error}; what was asked may happen still") from error

    def _runtime_says(self, level: str, actor: str, text: str, error: BaseException | None) -> None:
        # Orderly starts and ends of single actors are for the log file at level debug.
        known = {"INFO": "debug"}.get(level, level.lower())
        self.log.log(known, actor, text, exception=error)

    def _dead_letter(self, reason: str, to: str, message: object) -> None:
        # While it stops mailboxes close one by one, and the next start asks the venue.
        stopping = bool(self.stop.reason) or self.runtime.outcome is not None
        now_ns, monotonic_ns = time.time_ns(), time.monotonic_ns()
        kept = not stopping or reason == UNWRITABLE  # no start can ask anybody for that again
        self.office.hear(reason, to, message, now_ns, monotonic_ns, kept=kept)

    def _answer_letters(self, request: dict[str, Any]) -> dict[str, Any]:
        from actors.letters import revive
        from adapters.deadletters import FOLDER, answer_from

        folder = Path(self.config.paths.state) / FOLDER
        found = answer_from(folder, request, revive, self.runtime.tell)
        self.office.commanded(request, found, time.time_ns())
        return found

    def _prepare_journal(self, state: Path) -> None:
        from adapters.operations import JOURNAL
        from adapters.storage.prepare import prepare

        path, settings, host = state / JOURNAL, self.config.journal, self.config.host_name
        try:
            prepare(path, settings, host, self.log.log, time.time_ns())
        except JournalError as error:
            raise _no_journal(error) from error

    def _write_down(self, payload: object) -> None:
        """Write one record while no actor does."""
        from adapters.operations import open_journal
        from core.ports import Record

        journal = open_journal(self.config)
        try:
            journal.append([Record(payload, time.time_ns(), actor="host")])
        finally:
            journal.close()

    def _parts(self, state: Path) -> Parts:
        from actors.supervisor import Parts
        from adapters.operations import JOURNAL, open_journal
        from adapters.storage.journal import JournalReader
        from adapters.usage import read_usage

        return Parts(
            open_journal=partial(open_journal, self.config),
            records=JournalReader(state / JOURNAL),
            venues=self.venues,
            statistics=self.runtime.statistics,
            usage=read_usage,
            display=self.display,
            log=self.log.log,
            alerts=self.alarm.figures,
        )


def _no_journal(error: JournalError) -> NotReady:
    return NotReady(str(error), "readiness: journal", "see docs/journal.md, Mending")


def check_host(config: Config, *, json: bool, alert: bool) -> int:
    """Print the readiness report; return 0 when a start would be allowed, 3 when not.

    A local exchange that does not run is started for it, on a copy of its account. With `alert`
    each channel of `[alerts]` is sent a test message, and how that went stands in the report.
    """
    from adapters.alerts.trial import try_channels
    from adapters.paper_setup import check_account, untouched
    from adapters.readiness import examine, show

    with untouched(config) as asked, ExitStack() as ends:

        def venues() -> list[VenueParts]:
            venue = _binance(asked, lambda _: None)
            if venue.process is not None:
                if not venue.process.find():
                    ends.callback(venue.process.stop)
                    with suppress(VenueError):
                        venue.process.ensure()
                check_account(config, venue)
            return [venue]

        tried = try_channels(config, os.environ) if alert else []
        report = examine(config, os.environ, venues)
        report = attrs.evolve(report, items=(*report.items, *tried))
    show(report, json=json)
    return 0 if report.ready else cli.NOT_READY


def replay_stage() -> Stage:
    """Return the step runtime on which `replay` has strategies and risk decide again."""
    from actors.replaying import StepStage

    return StepStage()


def _remote_hosts(mode: str) -> Hosts:
    """Return the hosts of testnet or live; this is the only place that imports the live ones."""
    if mode == "live":
        from adapters.venues.binance_usdm.live_hosts import LIVE

        return LIVE
    from adapters.venues.binance_usdm.hosts import TESTNET

    return TESTNET


def _addresses(hosts: Hosts) -> tuple[str, str]:
    return hosts.rest, hosts.ws


def _binance(config: Config, hide: Callable[[Secret], None]) -> VenueParts:
    """Build Binance's parts for the configured mode; `hide` keeps a secret out of the log."""
    from actors.supervisor import VenueParts
    from adapters.configuration import keys
    from adapters.lock import fingerprint
    from adapters.paper_setup import paper_exchange
    from adapters.venues.binance_usdm.history import OrderIds
    from adapters.venues.binance_usdm.hosts import local
    from adapters.venues.binance_usdm.limits import Budget
    from adapters.venues.binance_usdm.rest import BinanceVenue
    from adapters.venues.binance_usdm.stream import BinanceStreams

    settings = config.venues.binance
    process: PaperExchange | AttachedExchange | None = None
    remote: Hosts | None = None
    if config.mode == "paper":
        process, key, secret = paper_exchange(config, HERE / "run.py")
        endpoints = process.endpoints
    else:
        key, secret = keys(settings.key_env, settings.secret_env, "venues.binance", os.environ)
        remote = _remote_hosts(config.mode)
        endpoints = partial(_addresses, remote)
    hide(key)
    hide(secret)
    budget = Budget(reserve_percent=settings.rate_reserve_percent)
    ids = OrderIds()
    connect_timeout_s = settings.connect_timeout_ms / 1000
    read_timeout_s = settings.read_timeout_ms / 1000

    def hosts() -> Hosts:
        return remote or local(*endpoints())

    def make_venue() -> Venue:
        return BinanceVenue(
            hosts(),
            key,
            secret,
            budget,
            recv_window_ms=settings.recv_window_ms,
            hedge_mode=settings.hedge_mode,
            ids=ids,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )

    @cache
    def streams_at(at: Hosts) -> BinanceStreams:
        return BinanceStreams(
            at,
            key,
            secret,
            budget,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )

    def market(keys: Sequence[Key]) -> OpenStreams:
        return lambda sink: streams_at(hosts()).market("binance.market", keys, sink)

    def account(keys: Sequence[Key]) -> OpenStreams:
        return lambda sink: [streams_at(hosts()).account("binance.account", keys, sink)]

    return VenueParts(
        name="binance",
        endpoints=endpoints,
        margin_asset="USDT",
        make_venue=make_venue,
        market_streams=market,
        account_streams=account,
        process=process,
        account=fingerprint(key.reveal()),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    return cli.main(run_host, check_host, replay_stage, arguments)


def _version() -> str:
    try:
        return version("bulkhead")
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
