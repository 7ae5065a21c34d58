"""Asks a venue for the readiness report; changes nothing there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Protocol

from attrs import define, field

from adapters.readiness_streams import Listening
from core import readiness_account as holds
from core import readiness_venue as judge
from core.books import Books
from core.config import Bot, Config
from core.errors import AuthRejected, ClockRejected, RateLimited, RetryLater, VenueError
from core.instruments import Instrument
from core.messages import Key
from core.ports import AccountState, ClockSample, Commission, EventSink, Stream, Venue
from core.readiness import Item, fail, ok
from core.records import EquityMarked, Transferred
from core.risk.equity import EquityStop
from core.risk.gate import Rehearsal
from core.transfers import Transfers

__all__ = ["VenueAccess", "VenueLook", "set_up"]

OpenStreams = Callable[[EventSink], Sequence[Stream]]

_ROUND_TRIPS = 3
_KEY_ITEMS = ("key_trading", "key_withdrawal", "key_addresses")
_HELD_ITEMS = ("orphan_orders", "foreign_orders", "foreign_positions", "unprotected_positions")
_AFTER_REST = (
    "clock", *_KEY_ITEMS, "account", "position_mode", "margin_mode", "leverage", "instruments",
    "fees", "free_margin", "equity", *_HELD_ITEMS, "test_order", "market_stream", "account_stream",
    "rate_limits",
)  # fmt: skip


class VenueAccess(Protocol):
    """How to reach one venue; its `endpoints` are empty while a local exchange is not there.

    `account` tells one account from another there.
    """

    @property
    def name(self) -> str: ...
    @property
    def margin_asset(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def endpoints(self) -> Callable[[], tuple[str, str]]: ...
    @property
    def make_venue(self) -> Callable[[], Venue]: ...
    @property
    def market_streams(self) -> Callable[[Sequence[Key]], OpenStreams]: ...
    @property
    def account_streams(self) -> Callable[[Sequence[Key]], OpenStreams]: ...


@define(eq=False)
class VenueLook:
    """One look at a venue.

    `transfers` are those that the journal knows; the venue is asked for what came since. `books`
    are the journal's, None where a host that runs or starts compares with them itself.
    `was_set` says that modes and leverage were set just before, so that another reading is a
    failure. `interrupted` is asked between calls: once true, what was found so far is all.
    """

    config: Config
    access: VenueAccess
    transfers: Transfers
    marked: EquityMarked | None
    books: Books | None = None
    was_set: bool = False
    streams_within_s: float = 10.0
    interrupted: Callable[[], bool] = bool
    wanted: dict[Key, Bot] = field(init=False)
    items: list[Item] = field(init=False, factory=list)
    state: AccountState | None = field(init=False, default=None)
    listed: dict[Key, Instrument] = field(init=False, factory=dict)
    marks: dict[Key, Decimal] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        every = judge.traded(self.config)
        self.wanted = {key: bot for key, bot in every.items() if key.venue == self.access.name}

    def look(self) -> list[Item]:
        """Ask, and return the items in the order of the questions."""
        if not all(self.access.endpoints()):
            return self._unreachable("the local exchange is not there")
        venue = self.access.make_venue()
        try:
            samples = [venue.sample_clock() for _ in range(_ROUND_TRIPS)]
        except VenueError as error:
            venue.close()
            return self._unreachable(f"{venue.rest_url}: {error.message}")
        keys = list(self.wanted)
        listening = Listening(
            self.access.market_streams(keys[:1]), self.access.account_streams(keys)
        )
        try:
            self._ask(venue, samples)
            for item in listening.wait(self.streams_within_s, self.interrupted):
                self.items.append(item)
            reserve = self.config.venues.binance.rate_reserve_percent
            self._one("rate_limits", lambda: judge.rate_limits(venue.usage(), reserve))
        finally:
            listening.close()
            venue.close()
        return self.items

    def _unreachable(self, why: str) -> list[Item]:
        mend = "check the network, the address and the venue's status page"
        rest = fail("rest", why, mend)
        return [rest, *(fail(name, "not asked: rest failed", "mend rest") for name in _AFTER_REST)]

    def _ask(self, venue: Venue, samples: Sequence[ClockSample]) -> None:
        config, settings = self.config, self.config.venues.binance
        self.items.append(ok("rest", f"{venue.rest_url} answers"))
        venue.set_clock_offset_ns(min(samples, key=lambda one: one.round_trip_ns).offset_ns)
        self.items.append(judge.clock(samples, settings))
        self._many(
            _KEY_ITEMS,
            lambda: judge.key_rights(
                venue.key_rights(), config.mode, allow_unrestricted=settings.allow_unrestricted_key
            ),
        )
        self._one("account", lambda: self._account(venue))
        self._needs_account("position_mode", self._position_mode)
        self._many(("margin_mode", "leverage"), lambda: self._settings(venue))
        self._one("instruments", lambda: self._instruments(venue))
        self._one("fees", lambda: judge.fees(self._commissions(venue), self.wanted))
        self._needs_account("free_margin", self._free_margin)
        self._needs_account("equity", lambda state: self._equity(venue, state))
        self._many(_HELD_ITEMS, lambda: self._held(venue))
        self._needs_account("test_order", lambda state: self._rehearse(venue, state))

    # One question each

    def _account(self, venue: Venue) -> Item:
        self.state = venue.account()
        return judge.account(self.state, self.access.margin_asset)

    def _position_mode(self, state: AccountState) -> Item:
        hedge = self.config.venues.binance.hedge_mode
        return judge.position_mode(state, hedge, was_set=self.was_set)

    def _settings(self, venue: Venue) -> Iterable[Item]:
        found = {each.key: each for each in venue.every_symbol_settings()}
        found = {key: found.get(key) or venue.symbol_settings(key) for key in self.wanted}
        isolated = self.config.venues.binance.margin == "isolated"
        yield judge.margin_mode(found, isolated, was_set=self.was_set)
        yield judge.leverage(found, self.wanted, was_set=self.was_set)

    def _instruments(self, venue: Venue) -> Item:
        listed = {found.key: found for found in venue.instruments()}
        self.listed = {key: listed[key] for key in self.wanted if key in listed}
        self.marks = {
            key: venue.mark_price(key).mark
            for key, instrument in self.listed.items()
            if instrument.trading
        }
        return judge.instruments(self.listed, self.marks, self.wanted)

    def _commissions(self, venue: Venue) -> dict[Key, Commission]:
        """Ask once for each quote asset: the tier is the account's, and the question is dear."""
        by_quote: dict[str, Commission] = {}
        for key, instrument in self.listed.items():
            if instrument.quote not in by_quote:
                by_quote[instrument.quote] = venue.commission(key)
        return {key: by_quote[found.quote] for key, found in self.listed.items()}

    def _free_margin(self, state: AccountState) -> Item:
        return judge.free_margin(state, self.wanted, self.config.risk.min_free_margin_percent)

    def _equity(self, venue: Venue, state: AccountState) -> Item:
        risk, place = self.config.risk, (self.access.name, self.access.margin_asset)
        for moved in venue.bookings(self.transfers.opened_ns) if self.marked else ():
            if isinstance(moved, Transferred) and (moved.venue, moved.asset) == place:
                self.transfers.book(moved)
        stop = EquityStop(*place, risk.losses, risk.canary, self.marked)
        contained = self.transfers.within(state.event_ns)
        _, verdict = stop.look(state.margin_balance, contained, time.time_ns())
        return holds.equity(verdict)

    def _held(self, venue: Venue) -> Iterable[Item]:
        config, wanted = self.config, self.wanted.keys()
        orders, positions = venue.open_orders(), venue.positions()
        yield holds.orphan_orders(orders, self.books, config.host_name)
        yield holds.foreign_orders(orders, config)
        yield holds.foreign_positions(positions, wanted, config)
        if self.books is not None:
            yield holds.positions(positions, self.books, wanted)
        within_s = config.execution.protect_within_s
        yield holds.unprotected_positions(positions, orders, wanted, within_s)

    def _rehearse(self, venue: Venue, state: AccountState) -> Item:
        hedge = self.config.venues.binance.hedge_mode
        answers: dict[Key, str] = {}
        for key, mark in self.marks.items():
            if state.hedge_mode != hedge:
                break
            order = judge.minimal_order(self.listed[key], mark, self.config.host_name, hedge=hedge)
            try:
                venue.test_place(Rehearsal(order))
            except VenueError as refusal:
                answers[key] = refusal.message
            else:
                answers[key] = ""
        return judge.rehearsals(answers, mode_fits=state.hedge_mode == hedge)

    # What fails

    def _one(self, name: str, question: Callable[[], Item]) -> None:
        self._many((name,), lambda: (question(),))

    def _needs_account(self, name: str, question: Callable[[AccountState], Item]) -> None:
        state = self.state
        if state is None:
            self.items.append(fail(name, "not asked: the account was not read", "mend account"))
        else:
            self._one(name, lambda: question(state))

    def _many(self, names: Sequence[str], question: Callable[[], Iterable[Item]]) -> None:
        """Ask one question that answers several items; where it fails, all of them do."""
        if self.interrupted():
            return
        try:
            self.items.extend(question())
        except VenueError as error:
            first, *others = names
            self.items.append(fail(first, error.message, _mend(error)))
            figure = f"not known: {first} failed"
            self.items += [fail(name, figure, f"mend {first}") for name in others]


def set_up(config: Config, access: VenueAccess) -> None:
    """Set position mode, margin modes and leverage where they are not as configured.

    Errors: `VenueError`; a symbol with something open refuses a change.
    """
    settings = config.venues.binance
    venue = access.make_venue()
    try:
        best = min(
            (venue.sample_clock() for _ in range(_ROUND_TRIPS)), key=lambda one: one.round_trip_ns
        )
        venue.set_clock_offset_ns(best.offset_ns)
        if venue.account().hedge_mode != settings.hedge_mode:
            venue.set_hedge_mode(settings.hedge_mode)
        for key, bot in judge.traded(config).items():
            if key.venue != access.name:
                continue
            found = venue.symbol_settings(key)
            if found.isolated != (settings.margin == "isolated"):
                venue.set_isolated(key, settings.margin == "isolated")
            if found.leverage != bot.leverage:
                venue.set_leverage(key, bot.leverage)
    finally:
        venue.close()


def _mend(error: VenueError) -> str:
    match error:
        case AuthRejected():
            return "check key and secret, the key's rights and its listed addresses at the venue"
        case ClockRejected():
            return "let NTP set this machine's clock"
        case RateLimited():
            return "wait until the venue's limit allows it"
        case RetryLater():
            return "check the network and the venue's status page, then look again"
    return "mend what the venue names"
