"""The user data stream: what the account's owner is told, in the venue's frames (§4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from adapters.venues.binance_usdm.emulator.bodies import average_price
from adapters.venues.binance_usdm.emulator.catalogue import Listing
from adapters.venues.binance_usdm.emulator.clock import Clock
from adapters.venues.binance_usdm.emulator.hub import Hub
from adapters.venues.binance_usdm.emulator.listenkeys import ListenKeys
from adapters.venues.binance_usdm.emulator.words import (
    ACCOUNT_REASONS,
    ALGO_STATES,
    EXECUTIONS,
    TRIGGER_WORDS,
    expiry_code,
    fixed,
    money,
    ms,
    status_word,
    time_in_force_word,
)
from core.exchange import (
    AccountChanged,
    AccountReason,
    ConditionalChanged,
    ConditionalStatus,
    Events,
    Exchange,
    LeverageChanged,
    MarginCalled,
    OrderChanged,
    PositionFigures,
)
from core.messages import Side
from core.money import ZERO, text

__all__ = ["AccountStream"]

Frame = dict[str, Any]


class AccountStream:
    """Write exchange events as frames and hand them to the hub, in their order."""

    def __init__(
        self,
        exchange: Exchange,
        listings: Mapping[str, Listing],
        hub: Hub,
        keys: ListenKeys,
        clock: Clock,
    ) -> None:
        self._exchange = exchange
        self._listings = listings
        self._hub = hub
        self._keys = keys
        self._clock = clock

    def publish(self, events: Events) -> None:
        """Send events to the active listen key's readers; nothing where there are none."""
        key = self._keys.key
        if not self._hub.wanted(key) or not self._keys.active(key, self._clock.told_ms()):
            return
        for event in events:
            match event:
                case OrderChanged():
                    self._order(event)
                case ConditionalChanged():
                    self._conditional(event)
                case AccountChanged():
                    self._account(event)
                case LeverageChanged():
                    config = {"s": event.key.symbol, "l": event.leverage}
                    frame = {"T": ms(event.time_ns), "ac": config}
                    self._send("ACCOUNT_CONFIG_UPDATE", frame, event.key.symbol)
                case MarginCalled():
                    self._margin_call(event)

    def expired(self, key: str) -> None:
        """Tell the readers of an ended key; it carries nothing after this."""
        frame = {"e": "listenKeyExpired", "E": self._clock.told_ms(), "listenKey": key}
        self._hub.publish_user(key, "listenKeyExpired", msgspec.json.encode(frame))

    def _send(self, name: str, frame: Frame, symbol: str) -> None:
        payload = msgspec.json.encode({"e": name, "E": self._clock.told_ms(), **frame})
        self._hub.publish_user(self._keys.key, name, payload, symbol)

    def _order(self, event: OrderChanged) -> None:
        order, trade = event.order, event.trade
        listing = self._listings[order.key.symbol]
        places, lots = listing.price_places, listing.quantity_places
        time_ms = ms(event.time_ns)
        last = trade.fill if trade else None
        common: Frame = {
            "s": order.key.symbol,
            "c": order.client_order_id,
            "S": order.side.value.upper(),
            "q": fixed(order.quantity, lots),
            "p": fixed(order.price, places),
            "i": order.order_id,
            "l": fixed(last.quantity if last else ZERO, lots),
            "L": fixed(last.price if last else ZERO, places),
            "t": int(last.fill_id) if last else 0,
            "m": last.maker if last else False,
        }
        if last is not None:
            self._send("TRADE_LITE", {"T": time_ms, **common}, order.key.symbol)
        bid, ask = self._open_notional(order.key.symbol)
        full: Frame = common | {
            "o": order.type.value.upper(),
            "f": time_in_force_word(order.time_in_force),
            "ap": average_price(order, listing),
            "sp": fixed(order.trigger_price, places),
            "x": EXECUTIONS[event.execution],
            "X": status_word(order),
            "z": fixed(order.filled, lots),
            "T": time_ms,
            "b": bid,
            "a": ask,
            "R": order.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": order.original_type.value.upper(),
            "ps": order.position_side.value.upper(),
            "cp": order.close_position,
            "pP": False,
            "si": 0,
            "ss": 0,
            "rp": money(trade.realised_pnl) if trade else "0",
            "V": "EXPIRE_MAKER",
            "pm": "NONE",
            "gtd": ms(order.good_till_ns),
            "er": expiry_code(order.end),
        }
        if last is not None:
            full |= {"n": money(last.fee), "N": last.fee_asset}
        self._send("ORDER_TRADE_UPDATE", {"T": time_ms, "o": full}, order.key.symbol)

    def _open_notional(self, symbol: str) -> tuple[str, str]:
        bid = ask = ZERO
        for order in self._exchange.open_orders(symbol):
            if order.side is Side.BUY:
                bid += order.price * order.remaining
            else:
                ask += order.price * order.remaining
        return text(bid), text(ask)

    def _conditional(self, event: ConditionalChanged) -> None:
        order = event.order
        listing = self._listings[order.key.symbol]
        places, lots = listing.price_places, listing.quantity_places
        body: Frame = {
            "caid": order.client_order_id,
            "aid": order.algo_id,
            "at": "CONDITIONAL",
            "o": order.type.value.upper(),
            "s": order.key.symbol,
            "S": order.side.value.upper(),
            "ps": order.position_side.value.upper(),
            "f": "GTE_GTC" if order.close_position else time_in_force_word(order.time_in_force),
            "q": fixed(order.quantity, lots),
            "X": ALGO_STATES[order.status],
            "ai": str(order.order_id) if order.order_id else "",
        }
        if order.status is not ConditionalStatus.TRIGGERING:
            body |= {
                "ap": fixed(order.actual_price, 5),
                "aq": fixed(order.actual_quantity, 5),
                "act": ("LIMIT" if order.price else "MARKET") if order.order_id else "0",
            }
        body |= {
            "tp": fixed(order.trigger_price, places),
            "p": fixed(order.price, places) if order.price else "0",
            "V": "EXPIRE_MAKER",
            "wt": TRIGGER_WORDS[order.trigger_by],
            "pm": "NONE",
            "cp": order.close_position,
            "pP": False,
            "R": order.reduce_only,
            "tt": ms(order.triggered_ns),
            "gtd": ms(order.good_till_ns),
            "rm": order.refused,
            "ia": False,
        }
        self._send("ALGO_UPDATE", {"T": ms(event.time_ns), "o": body}, order.key.symbol)

    def _account(self, event: AccountChanged) -> None:
        cross_funding = event.reason is AccountReason.FUNDING_FEE
        positions = [
            self._position(row) for row in event.positions if row.isolated or not cross_funding
        ]
        update: Frame = {
            "m": ACCOUNT_REASONS[event.reason],
            "B": [
                {
                    "a": row.asset,
                    "wb": money(row.wallet),
                    "cw": money(row.cross_wallet),
                    "bc": text(row.change),
                }
                for row in event.balances
            ],
            "P": positions,
        }
        symbol = event.positions[0].key.symbol if event.positions else ""
        self._send("ACCOUNT_UPDATE", {"T": ms(event.time_ns), "a": update}, symbol)

    def _position(self, row: PositionFigures) -> Frame:
        return {
            "s": row.key.symbol,
            "pa": fixed(row.quantity, self._listings[row.key.symbol].quantity_places),
            "ep": text(round(row.entry_price, 8)),
            "bep": text(round(row.break_even_price, 8)),
            "cr": money(row.realised_pnl),
            "up": money(row.unrealised_pnl),
            "mt": "isolated" if row.isolated else "cross",
            "iw": money(row.isolated_wallet) if row.isolated else "0",
            "ps": row.side.value.upper(),
            "ma": "USDT",
        }

    def _margin_call(self, event: MarginCalled) -> None:
        rows = [
            {
                "s": row.key.symbol,
                "ps": row.side.value.upper(),
                "pa": fixed(row.quantity, self._listings[row.key.symbol].quantity_places),
                "mt": "ISOLATED" if row.isolated else "CROSSED",
                "iw": money(row.isolated_wallet) if row.isolated else "0",
                "mp": text(row.mark),
                "up": money(row.unrealised_pnl),
                "mm": money(row.maintenance_margin),
            }
            for row in event.positions
        ]
        self._send("MARGIN_CALL", {"cw": money(event.cross_wallet), "p": rows}, "")
