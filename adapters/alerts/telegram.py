"""Tells people by a bot of Telegram. Source: core.telegram.org/bots/api, sendMessage."""

from __future__ import annotations

import json
import re

from adapters.alerts.posting import Posted, post
from adapters.alerts.wording import words
from adapters.logs import printable
from core.alerts import Notice
from core.errors import NotTold
from core.secrets import Secret

__all__ = ["Telegram", "token_problem"]

_API = "https://api.telegram.org"
_TOKEN = re.compile(r"[0-9]{3,20}:[A-Za-z0-9_-]{20,100}")
_MOST_CHARACTERS = 4_000
"""A message may have 4,096 UTF-16 units; nearly all of ours is ASCII."""


class Telegram:
    """Write each message into one chat, as plain text without previews of links."""

    name = "telegram"

    def __init__(self, token: Secret, chat: str, timeout_s: float, *, api: str = _API) -> None:
        self._token = token
        self._chat = chat
        self._timeout_s = timeout_s
        self._api = api

    def send(self, notice: Notice) -> str:
        """Write a message. Errors: `NotTold`, with Telegram's own words where it gave some."""
        url = f"{self._api}/bot{self._token.reveal()}/sendMessage"
        text = _fitting(words(notice, _MOST_CHARACTERS))
        body = {"chat_id": self._chat, "text": text, "disable_web_page_preview": True}
        try:
            status = post(url, body, self._timeout_s)
        except Posted as answer:
            raise _read(answer, self._token) from None
        return f"answered HTTP {status}"


def token_problem(token: str) -> str:
    """Say what is wrong with a token without showing it; "" for a usable one."""
    return "" if _TOKEN.fullmatch(token) else "is no token of a bot, such as 123456:ABC…"


def _fitting(text: str) -> str:
    """Cut a text to what a message may hold, in UTF-16 units."""
    data = text.encode("utf-16-le", "replace")
    return text if len(data) <= 8_192 else data[:8_192].decode("utf-16-le", "ignore")


def _read(answer: Posted, token: Secret) -> NotTold:
    """Return the error with what Telegram says: {"description", "parameters": {"retry_after"}}."""
    try:
        found = json.loads(answer.body)
        said = str(found["description"])[:200]
        wait = found.get("parameters", {}).get("retry_after", 0)
        wait_s = float(wait) if isinstance(wait, int) and 0 < wait < 3_600 else 0.0
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return answer
    text = printable(f"{answer}: {said}").replace(token.reveal(), "***")
    wait_s = max(wait_s, answer.retry_after_s)
    return NotTold(text, retry_after_s=wait_s, final=answer.final)
