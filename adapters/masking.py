"""The second wall against leaks: masks secrets, or parts of them, in text about to be written."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from core.secrets import MASK, Secret

__all__ = ["Masker"]

_WINDOW = 8
_PATTERNS = (
    re.compile(r"(?i)(x-mbx-apikey[\"']?\s*[:=,]\s*b?[\"']?)([^\s\"'&,}\)]+)"),
    re.compile(r"(?i)(signature[\"']?\s*[:=,]\s*b?[\"']?)([A-Za-z0-9%+/=_-]{8,})"),
    re.compile(r"(?i)(listenKey[\"']?\s*[:=,]\s*b?[\"']?)([A-Za-z0-9_-]{8,})"),
    re.compile(r"(/(?:ws|stream)/)([A-Za-z0-9]{32,})"),
)
_SUSPECT = re.compile(r"(?i)apikey|signature|listenkey|/ws/|/stream/")
"""What every pattern needs: one look instead of four, for the many lines that hold none of it."""


class Masker:
    """Knows secrets by every run of eight characters of their usual spellings.

    Plain, URL-encoded, base64 (in all alignments), hexadecimal, escaped as JSON or by `repr`.
    A part shorter than eight characters passes; secrets shorter than that are masked whole.
    Safe to read from any thread while secrets are added.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._windows: frozenset[str] = frozenset()
        self._short: tuple[str, ...] = ()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret) -> None:
        """Mask this secret from now on."""
        windows, short = set(self._windows), set(self._short)
        for spelling in _spellings(secret.reveal()):
            if len(spelling) < _WINDOW:
                short.add(spelling)
            windows.update(_runs(spelling))
        self._windows = frozenset(windows)
        self._short = tuple(sorted(short, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """Return `text` with `***` in place of secrets, signatures and listen keys."""
        if _SUSPECT.search(text):
            for pattern in _PATTERNS:
                text = pattern.sub(rf"\1{MASK}", text)
        for spelling in self._short:
            text = text.replace(spelling, MASK)
        windows = self._windows
        if not windows:
            return text
        found = [place for place, run in enumerate(_runs(text)) if run in windows]
        return _cut(text, found) if found else text


def _runs(text: str) -> Iterator[str]:
    return (text[at : at + _WINDOW] for at in range(len(text) - _WINDOW + 1))


def _cut(text: str, places: list[int]) -> str:
    """Replace the runs that start at `places`; those that touch become one mask."""
    parts: list[str] = []
    end = 0
    for place in places:
        if place > end or not parts:
            parts += (text[end:place], MASK)
        end = max(end, place + _WINDOW)
    return "".join(parts) + text[end:]


def _spellings(value: str) -> set[str]:
    data = value.encode()
    found = {
        value,
        quote(value, safe=""),
        quote(value, safe="").lower(),
        quote_plus(value),
        data.hex(),
        data.hex().upper(),
        json.dumps(value)[1:-1],
        repr(value)[1:-1],
    }
    for before, unstable in ((0, 0), (1, 2), (2, 3)):
        coded = b64encode(b"\0" * before + data).decode()
        for form in (coded, coded.translate(str.maketrans("+/", "-_"))):
            found.add(form[unstable:])
            # What follows in a longer text changes the last character before the padding.
            found.add(form[unstable:].rstrip("=")[:-1])
    return {spelling for spelling in found if len(spelling) >= min(_WINDOW, len(value))}
