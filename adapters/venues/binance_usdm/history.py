"""What happened on our account: executions with their client order ids, and funding, paged."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from adapters.venues.binance_usdm import parse_account
from adapters.venues.binance_usdm import parse_orders as parse
from adapters.venues.binance_usdm.limits import Cost
from adapters.venues.binance_usdm.wire import Wire
from core.errors import NotFound, Rejected, RetryLater
from core.income import EarnedRead
from core.messages import Fill, FundingPaid, Key, OrderUpdated
from core.records import Transferred, WalletAdjusted

__all__ = ["History", "OrderIds"]

_DAY_NS = 86_400_000_000_000
_SPAN_NS = 7 * _DAY_NS - 1_000_000
_KEPT_NS = 89 * _DAY_NS
_PAGE = 1000
_ONE_BY_ONE = 5
_TRADES = Cost(weight=5)
_ORDERS = Cost(weight=5)
_INCOME = Cost(weight=30)
_PAGES_MAX = 1000
_PAGES_EARNED = 5
"""Of the weight 30 each, in one go: what comes more of is left for the next reading."""
_PROGRESS_NS = 60_000_000_000
_HOUR_NS = 3_600_000_000_000
_RARE = ("TRANSFER", "INSURANCE_CLEAR")
_NS_MS = 1_000_000


class OrderIds:
    """Which client order id belongs to a venue's order id; bounded, the oldest go first.

    Any thread may call; lanes may share one.
    """

    def __init__(self, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._lock = Lock()
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()

    def learn(self, orders: Iterable[OrderUpdated]) -> None:
        """Remember the ids of these orders."""
        with self._lock:
            for order in orders:
                self._known[order.key.symbol, order.order_id] = order.client_order_id
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)

    def find(self, symbol: str, order_id: str) -> str | None:
        with self._lock:
            return self._known.get((symbol, order_id))


class History:
    """Reads of the past over one lane.

    Executions and funding may use the budget's reserve: without them nobody knows what to protect.
    """

    def __init__(self, wire: Wire, ids: OrderIds) -> None:
        self._wire = wire
        self._ids = ids

    def fills(self, key: Key, since_ns: int, order_id: str, from_id: str) -> tuple[Fill, ...]:
        """Return executions oldest first: of one order, from an id on, or since a time.

        Without any of the three: all the venue still keeps (three months).
        """
        if order_id:
            found = self._of_order(key, order_id)
        elif from_id:
            if not (from_id.isascii() and from_id.isdigit()):
                raise Rejected(
                    f"not sent: {from_id!r} is no fill id", venue=self._wire.venue, code=-1130
                )
            found = self._from(key, int(from_id))
        else:
            found = self._since(key, since_ns)
        found = [trade for trade in found if trade.fill.time_ns >= since_ns]
        self._learn(key, {trade.fill.order_id for trade in found})
        return parse.named(found, lambda one: self._ids.find(key.symbol, one) or "")

    def funding(self, key: Key | None, since_ns: int) -> tuple[FundingPaid, ...]:
        """Return funding settlements since `since_ns`, oldest first (three months are kept)."""
        of = [("symbol", key.symbol)] if key else []
        rows = self._income(since_ns, *of, ("incomeType", "FUNDING_FEE"), urgent=True)
        return parse_account.funding(rows, self._wire.venue)

    def bookings(self, since_ns: int) -> tuple[Transferred | WalletAdjusted, ...]:
        """Return transfers and adjustments since `since_ns`, oldest first.

        Of a span of an hour all kinds; of a longer one, which may hold a hundred thousand fees and
        PnLs, transfers and insurance only.
        """
        if self._wire.now_ns() - since_ns <= _HOUR_NS:
            rows = self._income(since_ns)
        else:
            rows = [row for kind in _RARE for row in self._income(since_ns, ("incomeType", kind))]
        return parse_account.bookings(rows, self._wire.venue)

    def earned(self, since_ns: int, until_ns: int) -> EarnedRead:
        """Return income of fills and funding between two instants, of all symbols.

        Ends early behind five thousand rows, in front of the last row's millisecond. Errors:
        `RetryLater` where such an end is needed and rows are not in order of time.
        """
        found: dict[tuple[str, str, str], parse_account.Income] = {}
        for page in range(1, _PAGES_MAX):
            span = [
                ("startTime", str(max(0, since_ns) // _NS_MS)),
                ("endTime", str(until_ns // _NS_MS)),
            ]
            rows = self._page_of_income(page, *span)
            found |= {(row.incomeType, row.asset, str(row.tranId)): row for row in rows}
            if len(rows) < _PAGE:
                break
            if page >= _PAGES_EARNED and int(rows[-1].time) * _NS_MS > since_ns + _PROGRESS_NS:
                times = [int(row.time) for row in found.values()]
                if times != sorted(times):
                    what = "income: more rows than one reading takes, not in order of time"
                    raise RetryLater(what, venue=self._wire.venue)
                until_ns = times[-1] * _NS_MS - 1
                break
        earned = parse_account.earned(found.values(), self._wire.venue)
        return EarnedRead(tuple(row for row in earned if row.time_ns <= until_ns), until_ns)

    def _income(
        self, since_ns: int, *filters: tuple[str, str], urgent: bool = False
    ) -> list[parse_account.Income]:
        start_ns = max(since_ns, self._wire.now_ns() - _KEPT_NS)
        found: dict[tuple[str, str, str], parse_account.Income] = {}
        for page in range(1, _PAGES_MAX):
            span = ("startTime", str(start_ns // _NS_MS))
            rows = self._page_of_income(page, *filters, span, urgent=urgent)
            found |= {(row.incomeType, row.asset, str(row.tranId)): row for row in rows}
            if len(rows) < _PAGE:
                break
        return [row for row in found.values() if int(row.time) * _NS_MS >= since_ns]

    def _page_of_income(
        self, page: int, *chosen: tuple[str, str], urgent: bool = False
    ) -> list[parse_account.Income]:
        return self._wire.read(
            "/fapi/v1/income",
            [*chosen, ("page", str(page)), ("limit", str(_PAGE))],
            _INCOME,
            parse_account.income,
            urgent=urgent,
        )

    def _page(self, key: Key, *extra: tuple[str, str]) -> list[parse.Traded]:
        return self._wire.read(
            "/fapi/v1/userTrades",
            [("symbol", key.symbol), *extra, ("limit", str(_PAGE))],
            _TRADES,
            lambda raw: list(parse.trades(raw, self._wire.venue)),
            urgent=True,
        )

    def _from(self, key: Key, number: int) -> list[parse.Traded]:
        found: list[parse.Traded] = []
        while True:
            page = self._page(key, ("fromId", str(number)))
            found += page
            if len(page) < _PAGE:
                return found
            number = page[-1].number + 1

    def _of_order(self, key: Key, order_id: str) -> list[parse.Traded]:
        page = self._page(key, ("orderId", order_id))
        if len(page) < _PAGE:
            return page
        rest = self._from(key, page[-1].number + 1)
        return page + [trade for trade in rest if trade.fill.order_id == order_id]

    def _since(self, key: Key, since_ns: int) -> list[parse.Traded]:
        """Search week by week for the first execution, then page by id: times allow seven days."""
        now_ns = self._wire.now_ns()
        start_ns = max(since_ns, now_ns - _KEPT_NS)
        while start_ns <= now_ns:
            end_ns = start_ns + _SPAN_NS
            span = [("startTime", str(start_ns // _NS_MS))]
            if end_ns < now_ns:
                span.append(("endTime", str(end_ns // _NS_MS)))
            page = self._page(key, *span)
            if page and (len(page) == _PAGE or end_ns < now_ns):
                return page + self._from(key, page[-1].number + 1)
            if page:
                return page
            start_ns = end_ns + _NS_MS
        return []

    def _learn(self, key: Key, order_ids: set[str]) -> None:
        """Find the client order ids of orders this process has not seen acknowledged."""
        unknown = {one for one in order_ids if self._ids.find(key.symbol, one) is None}
        if len(unknown) > _ONE_BY_ONE:
            orders = self._wire.read(
                "/fapi/v1/allOrders",
                [
                    ("symbol", key.symbol),
                    ("orderId", str(min(int(one) for one in unknown))),
                    ("limit", str(_PAGE)),
                ],
                _ORDERS,
                lambda raw: parse.orders(raw, self._wire.venue),
                urgent=True,
            )
            self._ids.learn(orders)
            unknown = {one for one in unknown if self._ids.find(key.symbol, one) is None}
        for order_id in sorted(unknown):
            try:
                order = self._wire.read(
                    "/fapi/v1/order",
                    [("symbol", key.symbol), ("orderId", order_id)],
                    Cost(),
                    lambda raw: parse.order(raw, self._wire.venue),
                    urgent=True,
                )
            except NotFound:
                continue
            self._ids.learn((order,))
