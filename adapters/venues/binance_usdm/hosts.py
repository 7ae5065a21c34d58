"""Where requests go: testnet and local exchange. Live hosts are in `live_hosts` only."""

from __future__ import annotations

from attrs import frozen

__all__ = ["TESTNET", "Hosts", "local"]


@frozen(slots=True)
class Hosts:
    """Base URLs without a slash at the end; `rights` serves the key's permissions, "" if none."""

    rest: str
    ws: str
    rights: str = ""


TESTNET = Hosts(rest="https://demo-fapi.binance.com", ws="wss://demo-fstream.binance.com")


def local(rest: str, ws: str) -> Hosts:
    """Hosts of a local exchange as its `listening` line states them."""
    rest = rest.rstrip("/")
    return Hosts(rest=rest, ws=ws.rstrip("/"), rights=rest)
