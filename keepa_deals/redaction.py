"""Hides secrets in text: the one place that knows those of this deployment.

:func:`learn` is told each secret when the settings are read. From then on every part of one that has at least
:data:`PART_LENGTH` characters is hidden, whatever its case, and in the forms in which it travels
(percent-encoded, escaped for JSON, Python or HTML, Base64, hexadecimal): half a key in a truncated line is
worth as much to whoever reads it as the whole.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TextIO
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "[hidden]"
PART_LENGTH = 8
"""Characters of the shortest part that is hidden. A shorter secret is hidden where it stands alone."""
_SHORTEST_SECRET = 4
"""A secret with fewer characters is a word like any other."""
_STEP = PART_LENGTH - 4 + 1
"""Every part has one of its four-character pieces at a multiple of this, wherever it begins."""
_MOST = 64
"""Secrets that are remembered: a process sees one or two sets of settings, a test run hundreds."""
_NAMES = ("keepa_deals", "keepa-deals")
"""Names of ours, which stay readable although somebody took one for a password."""

_QUERY_KEY = re.compile(r"([?&]key=)[^&\s\"']+")
_URL_PASSWORD = re.compile(r"(\w[\w+.-]{0,30}://[^\s:/@]{0,200}:)[^\s@]{1,500}@")
"""Bounded, as those below, or a long text without a blank would take the square of its length."""
_SECRET_OPTION = re.compile(r"[?&]\w*password=((?:(?!&\w+=)\S)+)", re.IGNORECASE)
_TOKEN = re.compile(r"\bkd_[0-9A-Za-z_-]{20,}|\$argon2\w{0,8}\$[^\s\"',;]+")
_KEY = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{64}(?![0-9A-Za-z])")
_NAMED = re.compile(
    r"((?:password|passwd|secret|authorization|api_?key)\w{0,40}[\"']?\s{0,8}[=:]\s{0,8})[^\s,;]+",
    re.IGNORECASE,
)


class _Known:
    """What is looked for. Immutable, so that readers need no lock."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self.secrets = secrets
        long = {form for secret in secrets if len(secret) >= PART_LENGTH for form in forms(secret)}
        names = {gram for name in _NAMES for gram in _grams(name, PART_LENGTH)}
        self._parts = frozenset(gram for form in long for gram in _grams(_lower(form), PART_LENGTH)) - names
        self._pieces = frozenset(piece for gram in self._parts for piece in _grams(gram, 4))
        short = sorted(
            (re.escape(s) for s in secrets if _SHORTEST_SECRET <= len(s) < PART_LENGTH), key=len, reverse=True
        )
        self._short = re.compile(rf"(?<![0-9A-Za-z])(?:{'|'.join(short)})(?![0-9A-Za-z])") if short else None

    def hide(self, text: str) -> str:
        if self._short is not None:
            text = self._short.sub(HIDDEN, text)
        folded = _lower(text)
        if self._pieces.isdisjoint({folded[at : at + 4] for at in range(0, len(folded), _STEP)}):
            return text
        return "".join(self._pieces_of(text, folded))

    def _pieces_of(self, text: str, folded: str) -> Iterator[str]:
        """The text with each run of overlapping parts replaced."""
        shown_from = at = 0
        end = len(folded) - PART_LENGTH
        while at <= end:
            if folded[at : at + PART_LENGTH] not in self._parts:
                at += 1
                continue
            yield text[shown_from:at]
            yield HIDDEN
            while at <= end and folded[at : at + PART_LENGTH] in self._parts:
                at += 1
            shown_from = at = at + PART_LENGTH - 1
        yield text[shown_from:]


def learn(*secrets: str | None) -> None:
    """Hide these from now on, in this process."""
    global _known
    with _changing:
        fresh = [secret for secret in secrets if secret and secret not in _known.secrets]
        if fresh:
            _known = _Known((*_known.secrets, *dict.fromkeys(fresh))[-_MOST:])


def forget() -> None:
    """Know no secret any more (for tests)."""
    global _known
    with _changing:
        _known = _Known()


def hide_known(text: str) -> str:
    """``text`` without any part of a secret that was learnt."""
    return _known.hide(text)


def redact_addresses(text: str, secrets: Iterable[str] = ()) -> str:
    """As :func:`hide_known`, also without ``key=…`` of a query, passwords of URLs, the dashboard's tokens and
    hashes, and without ``secrets``."""
    given = tuple(secrets)
    if given:
        text = _Known(given).hide(text)
    text = _TOKEN.sub(HIDDEN, hide_known(text))
    return _URL_PASSWORD.sub(r"\1[password]@", _QUERY_KEY.sub(r"\1[key]", text))


def redact(text: str) -> str:
    """As :func:`redact_addresses`, also without whatever looks like a secret: 64 letters and digits, and what
    stands after ``password=`` and its like."""
    return redact_addresses(_NAMED.sub(rf"\1{HIDDEN}", _KEY.sub(HIDDEN, text)))


def secrets_in(value: str) -> list[str]:
    """What is secret in a setting's value: an address's passwords as written and as meant, else all of it.

    Also where they were not escaped as they should be: it is called before the address is understood.
    """
    _, is_address, rest = value.partition("://")
    if not is_address:
        return [value]
    login, at, _ = rest.rpartition("@")
    written = [login.partition(":")[2], *_SECRET_OPTION.findall(rest)] if at else _SECRET_OPTION.findall(rest)
    return list(dict.fromkeys(form for text in written if text for form in (text, unquote(text))))


def secrets_in_path(address: str) -> list[str]:
    """The long words behind an address's host: where the address itself is a secret, one of them is why."""
    _, _, behind = address.partition("://")[2].partition("/")
    return [word for word in re.split(r"[/?&=#]", behind) if len(word) >= PART_LENGTH]


def forms(secret: str) -> set[str]:
    """A secret as it may be written: as it is, and encoded in the ways of the web."""
    raw = secret.encode(errors="surrogateescape")  # a byte of the environment that is no UTF-8
    encoded = {secret, quote(raw, safe=""), quote_plus(raw), raw.hex(), repr(secret)[1:-1]}
    encoded |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret)}
    return encoded | {form for before in range(3) for form in _base64_forms(raw, before)}


def _base64_forms(raw: bytes, before: int) -> set[str]:
    """The characters of Base64 that depend on ``raw`` alone, with ``before`` bytes of its group before it."""
    first = (before * 8 + 5) // 6
    last = (before + len(raw)) * 8 // 6
    padded = bytes(before) + raw
    return {encode(padded).decode()[first:last] for encode in (base64.b64encode, base64.urlsafe_b64encode)}


def _grams(text: str, length: int) -> Iterator[str]:
    return (text[at : at + length] for at in range(len(text) - length + 1))


def _lower(text: str) -> str:
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


_changing = threading.Lock()
_known = _Known()


# -- what a program writes -------------------------------------------------------------------------
class GuardedStream:
    """A text stream that hides what was learnt in whatever is written: lines, prints, tracebacks."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(hide_known(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard_streams() -> None:
    """Let nothing that was learnt pass this process's standard output and error. Once is enough.

    What the terminal cannot show is written as ``\\xe9``, instead of an error.
    """
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        if stream is not None and not isinstance(stream, GuardedStream):
            setattr(sys, name, GuardedStream(stream))
