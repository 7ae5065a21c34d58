"""Addresses to listen on, as the configuration writes them: 127.0.0.1:9464, [::1]:9464."""

from __future__ import annotations

import re
from ipaddress import ip_address

from attrs import frozen

__all__ = ["Address", "read"]

_WRITTEN = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+|localhost)):([0-9]{1,5})")


@frozen(slots=True)
class Address:
    """An IP address of this machine and a port, 0 for any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Tell whether only programs on this machine reach it."""
        return ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read(written: str) -> Address | None:
    """Read an address; None for what is none, names too but localhost: nothing is looked up."""
    found = _WRITTEN.fullmatch(written)
    if found is None:
        return None
    six, four, port = found.groups()
    try:
        host = str(ip_address("127.0.0.1" if four == "localhost" else six or four))
    except ValueError:
        return None
    if (":" in host) != bool(six) or int(port) > 65_535:
        return None
    return Address(host, int(port))
