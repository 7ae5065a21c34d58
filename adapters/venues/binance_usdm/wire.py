"""One lane to Binance: sign, book in the budget, send, and turn every failure into its meaning."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from adapters.http import HttpAnswer, HttpLane, NoAnswer, NotSent
from adapters.venues.binance_usdm.errors import TOO_MANY_ORDERS, error_from_answer
from adapters.venues.binance_usdm.limits import Budget, Cost
from adapters.venues.binance_usdm.sign import Params, encode, signed
from core.errors import FrameError, OutcomeUnknown, RateLimited, RetryLater, Unreachable
from core.secrets import Secret

__all__ = ["Wire"]

T = TypeVar("T")
_ids = count(1)
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Wire:
    """Requests of one lane. Any thread may call; errors are those of `core.errors.VenueError`.

    Signed writes travel with their parameters and signature in the body (POST, PUT and DELETE
    alike: sheet §2 rule 5), reads in the query, which nothing here ever puts into an error: texts
    name method and path. Nothing is repeated: whether and when to repeat is the caller's decision.
    """

    def __init__(
        self,
        base_url: str,
        key: Secret,
        secret: Secret,
        budget: Budget,
        *,
        venue: str,
        lane: str,
        connect_timeout_s: float,
        read_timeout_s: float,
        recv_window_ms: int = 5000,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.venue = venue
        self.budget = budget
        self.offset_ns = 0
        self._secret = secret
        self._recv_window = str(recv_window_ms)
        self._clock = clock
        self._lane = lane
        self._http = HttpLane(
            base_url,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            headers={"X-MBX-APIKEY": key.reveal()},
        )
        self._public = HttpLane(
            base_url, connect_timeout_s=connect_timeout_s, read_timeout_s=read_timeout_s
        )

    def now_ns(self) -> int:
        """Return the venue's time as far as we know."""
        return self._clock() + self.offset_ns

    def public(
        self,
        path: str,
        params: Params,
        cost: Cost,
        parse: Callable[[bytes], T],
        *,
        urgent: bool = False,
    ) -> T:
        """GET what needs no key; the key is not sent. Errors: as `read`."""
        query = encode(params)
        target = f"{path}?{query}" if query else path
        return self._call(self._public, "GET", path, target, None, cost, parse, urgent=urgent)

    def keyed(self, method: str, path: str, cost: Cost, parse: Callable[[bytes], T]) -> T:
        """Call what needs the key and no signature (listen keys). Repeating it does no harm.

        Urgent: without the account's stream nobody hears of fills.
        """
        return self._call(self._http, method, path, path, None, cost, parse, urgent=True)

    def read(
        self,
        path: str,
        params: Params,
        cost: Cost,
        parse: Callable[[bytes], T],
        *,
        urgent: bool = False,
    ) -> T:
        """GET signed. Errors: `RetryLater` where the answer is missing or unreadable."""
        target = f"{path}?{self._signed(params)}"
        return self._call(self._http, "GET", path, target, None, cost, parse, urgent=urgent)

    def write(
        self,
        method: str,
        path: str,
        params: Params,
        cost: Cost,
        parse: Callable[[bytes], T],
        *,
        request_id: str = "",
        urgent: bool = False,
    ) -> T:
        """Send a signed change.

        Errors: `OutcomeUnknown` where it may have been carried out: no answer after sending, or
        one that nobody can read.
        """
        return self._call(
            self._http,
            method,
            path,
            path,
            self._signed(params),
            cost,
            parse,
            request_id=request_id,
            urgent=urgent,
            write=True,
        )

    def unclear(self, failure: FrameError, request_id: str) -> OutcomeUnknown:
        """Return the error for one order of a batch whose answer nobody can read."""
        return OutcomeUnknown(
            f"unreadable answer: {failure}",
            venue=self.venue,
            http_status=200,
            request_id=request_id,
        )

    def close(self) -> None:
        self._http.close()
        self._public.close()

    def _signed(self, params: Params) -> str:
        now_ms = self.now_ns() // 1_000_000
        return signed(
            self._secret,
            [*params, ("recvWindow", self._recv_window), ("timestamp", str(now_ms))],
        )

    def _call(
        self,
        http: HttpLane,
        method: str,
        path: str,
        target: str,
        body: str | None,
        cost: Cost,
        parse: Callable[[bytes], T],
        *,
        request_id: str = "",
        urgent: bool = False,
        write: bool = False,
    ) -> T:
        request_id = request_id or f"{self._lane}-{next(_ids)}"
        self.budget.take(cost, urgent=urgent, request_id=request_id)
        unclear = OutcomeUnknown if write else RetryLater
        try:
            answer = http.request(method, target, body=body, headers=_FORM if body else None)
        except NotSent as failure:
            raise Unreachable(
                f"{method} {path}: {failure}", venue=self.venue, request_id=request_id
            ) from None
        except NoAnswer as failure:
            raise unclear(
                f"{method} {path}: {failure}", venue=self.venue, request_id=request_id
            ) from None
        self.budget.steer(answer.headers)
        if answer.status != 200:
            raise self._refused(answer, method, path, request_id, write)
        try:
            return parse(answer.body)
        except FrameError as failure:
            raise unclear(
                f"{method} {path}: unreadable answer: {failure}",
                venue=self.venue,
                http_status=answer.status,
                request_id=request_id,
            ) from failure

    def _refused(
        self, answer: HttpAnswer, method: str, path: str, request_id: str, write: bool
    ) -> Exception:
        error = error_from_answer(
            answer.status,
            answer.headers,
            answer.body,
            venue=self.venue,
            request_id=request_id,
            write=write,
            now_ns=self.now_ns(),
        )
        error.message = f"{method} {path}: {error.message}"
        if isinstance(error, RateLimited):
            if error.code == TOO_MANY_ORDERS:
                self.budget.block_orders(error.retry_after_ns)
            else:
                self.budget.block(error.retry_after_ns)
        return error
