"""Orders on Binance: placing, batches, amending, cancelling and asking, plain and conditional."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import evolve

from adapters.venues.binance_usdm import params as build
from adapters.venues.binance_usdm import parse_orders as parse
from adapters.venues.binance_usdm.errors import NO_CHANGE, error_from_code
from adapters.venues.binance_usdm.history import OrderIds
from adapters.venues.binance_usdm.limits import Cost
from adapters.venues.binance_usdm.parse_account import confirmation, countdown_set
from adapters.venues.binance_usdm.wire import Wire
from core.errors import FrameError, NotFound, Rejected, VenueError
from core.messages import (
    AmendOrder,
    CancelAll,
    CancelOrder,
    Key,
    OrderUpdated,
    PlaceOrder,
)
from core.risk.gate import Approved, Rehearsal

__all__ = ["Orders"]

_ORDER = "/fapi/v1/order"
_ALGO = "/fapi/v1/algoOrder"
_ONE = Cost()
_OF_ALL = Cost(weight=40)
_PLACE = Cost(weight=0, orders_10s=1, orders_1m=1)


Read = Callable[[bytes], OrderUpdated]
C = TypeVar("C", PlaceOrder, AmendOrder)


class Orders:
    """The order calls of the `Venue` port over one lane.

    Calls that close, cancel, or ask for an order's fate or for stops may use the budget's reserve.
    """

    def __init__(self, wire: Wire, ids: OrderIds, hedge_mode: bool) -> None:
        self.hedge_mode = hedge_mode
        self._wire = wire
        self._ids = ids

    def open_orders(self, key: Key | None = None) -> tuple[OrderUpdated, ...]:
        """Return plain and conditional orders, one row per client order id and symbol.

        The conditional ones are read first: one that fires between the two reads is then seen
        twice and merged, instead of not at all.
        """
        conditionals = self._conditionals(key)
        plain = self._wire.read(
            "/fapi/v1/openOrders",
            *_asked(key),
            lambda raw: parse.orders(raw, self._wire.venue),
            urgent=key is not None,
        )
        self._ids.learn(plain)
        found = {(one.key, one.client_order_id): one for one in conditionals}
        for child in plain:
            name = (child.key, child.client_order_id)
            parent = found.get(name)
            found[name] = parse.merge(parent, child) if parent else child
        return tuple(found.values())

    def open_stops(self, key: Key | None = None) -> tuple[OrderUpdated, ...]:
        """Return the conditional orders, of a symbol or all, that wait for their trigger."""
        return self._conditionals(key)

    def order(self, key: Key, client_order_id: str, *, conditional: bool = False) -> OrderUpdated:
        """Ask for one order. A fired conditional order is told together with what it became.

        Errors: `NotFound`, which is no proof that the order never existed.
        """
        if not conditional:
            return self._plain(
                key, ("origClientOrderId", client_order_id), self._ours(client_order_id)
            )
        asked = self._conditional(client_order_id)
        if not asked.child_id:
            return asked.order
        try:
            child = self._plain(key, ("orderId", asked.child_id), self._any)
        except NotFound:
            return asked.order
        return parse.merge(asked.order, child)

    def place(self, order: Approved[PlaceOrder]) -> OrderUpdated:
        """Place one order and return the venue's acknowledgement.

        A market order is acknowledged as new; its fills come by stream or query. Post-only orders
        that would take are `Rejected` with code -5022, fill-or-kill ones with -5021.
        """
        command = _approved(order)
        if command.type.conditional:
            placed = self._wire.write(
                "POST",
                _ALGO,
                build.conditional(command, self.hedge_mode),
                _PLACE,
                self._our_conditional(command.client_order_id),
                request_id=command.client_order_id,
                urgent=command.closing,
            )
            return placed.order
        return self._wire.write(
            "POST",
            _ORDER,
            build.plain(command, self.hedge_mode),
            _PLACE,
            self._ours(command.client_order_id),
            request_id=command.client_order_id,
            urgent=command.closing,
        )

    def place_batch(
        self, orders: Sequence[Approved[PlaceOrder]]
    ) -> tuple[OrderUpdated | Exception, ...]:
        """Place many orders; each has its own result, in the order given.

        Plain orders go five to a request; conditional ones, which have no batch, singly. A request
        that fails as a whole fails each of its orders with the same meaning.
        """
        results: dict[int, OrderUpdated | Exception] = {}
        plain: list[tuple[int, PlaceOrder, build.Params]] = []
        commands = [_approved(order) for order in orders]
        for number, (order, command) in enumerate(zip(orders, commands, strict=True)):
            try:
                if command.type.conditional:
                    results[number] = self.place(order)
                else:
                    fields = build.plain(command, self.hedge_mode)
                    plain.append((number, command, fields))
            except VenueError as error:
                results[number] = error
        for first in range(0, len(plain), build.BATCH_MAX):
            part = plain[first : first + build.BATCH_MAX]
            for (number, _, _), result in zip(part, self._batch(part), strict=True):
                results[number] = result
        return tuple(results[number] for number in range(len(orders)))

    def test_place(self, order: Rehearsal) -> None:
        """Let the venue check an order without placing it.

        Errors: as `place`; conditional orders are only checked locally, as the venue's algo service
        has no such call.
        """
        command = order.command
        if command.type.conditional:
            build.conditional(command, self.hedge_mode)
            return
        self._wire.write(
            "POST",
            f"{_ORDER}/test",
            build.plain(command, self.hedge_mode),
            _ONE,
            bytes,
            request_id=command.client_order_id,
        )

    def amend(self, order: Approved[AmendOrder]) -> OrderUpdated:
        """Change price and total quantity. The venue may answer with a cancelled order.

        It cancels when the new quantity is filled already or a post-only order would take.
        An amendment that changes nothing returns the order as it stands.
        """
        command = _approved(order)
        try:
            amended = self._wire.write(
                "PUT",
                _ORDER,
                build.amendment(command),
                _PLACE,
                self._ours(command.client_order_id),
                request_id=command.client_order_id,
            )
        except Rejected as refusal:
            if refusal.code not in NO_CHANGE:
                raise
            amended = self.order(command.key, command.client_order_id)
        return evolve(amended, amended=True)

    def cancel(self, order: CancelOrder) -> OrderUpdated | None:
        """Cancel one order; a conditional one that has fired is cancelled as what it became.

        Returns None where the algo service confirms without the order's state.
        Errors: `NotFound` when it is filled, cancelled or was never there: ask which.
        """
        if not order.conditional:
            name = ("origClientOrderId", order.client_order_id)
            return self._cancel_plain(order, name, self._ours(order.client_order_id))
        try:
            return self._wire.write(
                "DELETE",
                _ALGO,
                [("clientAlgoId", order.client_order_id)],
                _ONE,
                lambda raw: parse.cancelled_conditional(raw, self._wire.venue),
                request_id=order.client_order_id,
                urgent=True,
            )
        except (NotFound, Rejected):
            asked = self._conditional(order.client_order_id)
            if not asked.child_id or asked.finished:
                raise
        child = self._cancel_plain(order, ("orderId", asked.child_id), self._any)
        return parse.merge(asked.order, child)

    def cancel_all(self, orders: CancelAll) -> None:
        """Cancel all plain orders of a symbol, then the conditional ones where asked.

        The second request is sent even when the first failed; the first error is raised.
        """
        paths = ["/fapi/v1/allOpenOrders"]
        if orders.conditional_too:
            paths.append("/fapi/v1/algoOpenOrders")
        failures: list[VenueError] = []
        for path in paths:
            try:
                self._wire.write("DELETE", path, _of(orders.key), _ONE, confirmation, urgent=True)
            except VenueError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def countdown_cancel(self, key: Key, after_ms: int) -> None:
        """Let the venue cancel the symbol's plain orders unless renewed in time; 0 switches off."""
        self._wire.write(
            "POST",
            "/fapi/v1/countdownCancelAll",
            [*_of(key), ("countdownTime", str(after_ms))],
            Cost(weight=10),
            lambda raw: countdown_set(raw, after_ms),
            urgent=True,
        )

    def _conditionals(self, key: Key | None) -> tuple[OrderUpdated, ...]:
        found = self._wire.read(
            "/fapi/v1/openAlgoOrders",
            *_asked(key),
            lambda raw: parse.conditionals(raw, self._wire.venue),
            urgent=True,
        )
        return tuple(one.order for one in found)

    def _plain(self, key: Key, name: tuple[str, str], read: Read) -> OrderUpdated:
        return self._wire.read(_ORDER, [*_of(key), name], _ONE, read, urgent=True)

    def _conditional(self, client_order_id: str) -> parse.Conditional:
        return self._wire.read(
            _ALGO,
            [("clientAlgoId", client_order_id)],
            _ONE,
            self._our_conditional(client_order_id),
            urgent=True,
        )

    def _cancel_plain(self, order: CancelOrder, name: tuple[str, str], read: Read) -> OrderUpdated:
        return self._wire.write(
            "DELETE",
            _ORDER,
            [*_of(order.key), name],
            _ONE,
            read,
            request_id=order.client_order_id,
            urgent=True,
        )

    def _any(self, raw: bytes) -> OrderUpdated:
        found = parse.order(raw, self._wire.venue)
        self._ids.learn((found,))
        return found

    def _ours(self, client_order_id: str) -> Read:
        """Read an answer that has to speak of this order: another id is no answer to us."""

        def read(raw: bytes) -> OrderUpdated:
            return _same(self._any(raw), client_order_id)

        return read

    def _our_conditional(self, client_order_id: str) -> Callable[[bytes], parse.Conditional]:
        def read(raw: bytes) -> parse.Conditional:
            found = parse.conditional(raw, self._wire.venue)
            _same(found.order, client_order_id)
            return found

        return read

    def _batch(
        self, part: Sequence[tuple[int, PlaceOrder, build.Params]]
    ) -> list[OrderUpdated | Exception]:
        try:
            answers = self._wire.write(
                "POST",
                "/fapi/v1/batchOrders",
                [("batchOrders", build.batch_of([fields for _, _, fields in part]))],
                Cost(weight=5, orders_10s=len(part), orders_1m=len(part)),
                lambda raw: parse.batch(raw, self._wire.venue, len(part)),
                request_id=part[0][1].client_order_id,
                urgent=all(command.closing for _, command, _ in part),
            )
        except VenueError as error:
            return [_for_order(error, command.client_order_id) for _, command, _ in part]
        results: list[OrderUpdated | Exception] = []
        for (_, command, _), answer in zip(part, answers, strict=True):
            match answer:
                case OrderUpdated() if answer.client_order_id == command.client_order_id:
                    self._ids.learn((answer,))
                    results.append(answer)
                case OrderUpdated():
                    other = FrameError("the answer speaks of another client order id")
                    results.append(self._wire.unclear(other, command.client_order_id))
                case FrameError():
                    results.append(self._wire.unclear(answer, command.client_order_id))
                case parse.Refusal():
                    results.append(
                        error_from_code(
                            answer.code,
                            answer.message,
                            venue=self._wire.venue,
                            status=200,
                            request_id=command.client_order_id,
                            write=True,
                        )
                    )
        return results


def _approved(order: Approved[C]) -> C:
    """Return what risk approved. Errors: `TypeError` for anything else, a rehearsal too."""
    if type(order) is not Approved:
        raise TypeError(f"{type(order).__name__} is no Approved: nothing was sent")
    return order.command


def _same(update: OrderUpdated, client_order_id: str) -> OrderUpdated:
    if update.client_order_id != client_order_id:
        raise FrameError("the answer speaks of another client order id")
    return update


def _of(key: Key) -> build.Params:
    return [("symbol", key.symbol)]


def _asked(key: Key | None) -> tuple[build.Params, Cost]:
    """Return what to ask for open orders of a symbol, or of all, and what that costs."""
    return (_of(key), _ONE) if key else ([], _OF_ALL)


def _for_order(error: VenueError, request_id: str) -> VenueError:
    """Return the same error under the id of one order of the batch it happened to."""
    return type(error)(
        error.message,
        venue=error.venue,
        code=error.code,
        http_status=error.http_status,
        request_id=request_id,
        retry_after_ns=error.retry_after_ns,
    )
