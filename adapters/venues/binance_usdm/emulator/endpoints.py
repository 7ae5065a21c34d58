"""Endpoints: what each path costs, who may call it and which function answers."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from attrs import frozen

from adapters.venues.binance_usdm.emulator.request import Parameters
from adapters.venues.binance_usdm.emulator.venue import LocalVenue

__all__ = ["Endpoint", "Handler", "Security"]

Handler = Callable[[LocalVenue, Parameters], Any]


class Security(Enum):
    """What a call must bring: nothing, the key, or the key with a signature and a timestamp."""

    NONE = "none"
    KEY = "key"
    SIGNED = "signed"


@frozen(slots=True)
class Endpoint:
    """`weight` counts against the address, `orders` (per 10 s, per minute) against the account."""

    handler: Handler
    weight: int | Callable[[Parameters], int] = 1
    security: Security = Security.SIGNED
    orders: tuple[int, int] | None = None

    def cost(self, parameters: Parameters) -> int:
        """Return the request weight of one call."""
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)
