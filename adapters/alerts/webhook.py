"""Tells people by posting JSON to an address of theirs (docs/alerts.md has its shape)."""

from __future__ import annotations

from urllib.parse import urlsplit

from adapters.alerts.posting import post
from adapters.alerts.wording import body
from core.alerts import Notice
from core.config_rules import is_loopback
from core.secrets import Secret

__all__ = ["Webhook", "secret_part", "url_problem"]

_LEAST_SECRET = 8


class Webhook:
    """Post each message to one address; any answer of 2xx takes it."""

    name = "webhook"

    def __init__(self, url: Secret, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s

    def send(self, notice: Notice) -> str:
        """Post a message. Errors: `NotTold`."""
        return f"answered HTTP {post(self._url.reveal(), body(notice), self._timeout_s)}"


def url_problem(url: str) -> str:
    """Say what is wrong with an address without showing it; "" for a usable one."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "is no address"
    if not url.isascii() or not url.isprintable() or " " in url or not host or port == 0:
        return "is no address"
    if "@" in parts.netloc:
        return "holds a user or a password, which this does not send"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return ""
    return "does not begin with https://, which any machine but this one needs"


def secret_part(url: str) -> Secret | None:
    """Return what of an address no log may show: all behind the host; None where that is little."""
    parts = urlsplit(url)
    rest = url.split(parts.netloc, 1)[1].strip("/?#")
    return Secret(rest) if len(rest) >= _LEAST_SECRET else None
