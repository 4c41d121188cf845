"""What an answer of Keepa means: its result, the account's state, and the error that it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa.errors import (
    KeepaError,
    KeyRefusedError,
    MisshapenAnswerError,
    OutOfTokensError,
    RequestRejectedError,
    ServerTroubleError,
    UnreadableAnswerError,
)
from keepa_deals.keepa.transport import Reply

TICK_SECONDS = 60.0
RETRY_AFTER_UNKNOWN = 60.0
"""Seconds to wait after a 429 that does not say when tokens arrive: one tick of a real account."""
MAX_RETRY_AFTER = 3600.0
PAYLOADS: Mapping[str, tuple[str, type]] = {"/deal": ("deals", Mapping), "/product": ("products", list)}
"""By call: where its answer holds what was asked for, and of which kind that is."""
_ACCOUNT = ("tokensLeft", "refillIn", "refillRate", "tokensConsumed")
_REFUSALS = (400, 401, 403)
_KEY_NAMED = re.compile(r"\b(?:api|access)?[ _-]?key\b", re.IGNORECASE)
_LONG_TOKEN = re.compile(r"[A-Za-z0-9]{40,}")


@dataclass(frozen=True, slots=True)
class Interpretation:
    """``result`` as in :class:`Answer`; ``envelope`` where the account's state can be believed.

    ``free``: the call was certainly not charged, although no envelope tells so. ``strange``: nobody
    understands the answer, so it is worth keeping.
    """

    result: str
    envelope: TokenEnvelope | None
    body: Mapping[str, Any]
    error: KeepaError | None = None
    free: bool = False
    strange: bool = False


def interpret(path: str, reply: Reply, parsed: object) -> Interpretation:
    """What ``reply`` means whose JSON is ``parsed`` (``None`` where it is none)."""
    body: Mapping[str, Any] = parsed if isinstance(parsed, Mapping) else {}
    envelope = _envelope(body)
    if reply.status == 200:
        return _of_200(path, body, envelope)
    if _refuses_key(reply.status, body, envelope):
        return _key_refused(path, reply.status, body)
    result = str(reply.status)
    words = f"Keepa {path}: {reply.status}"
    detail = error_detail(body)
    if reply.status == 429:
        wait = _until_tokens(envelope) if envelope else retry_after(reply.headers)
        error: KeepaError = OutOfTokensError(
            f"{words} out of tokens{detail}", status=429, envelope=envelope, retry_after=wait
        )
        return Interpretation(result, envelope, body, error, free=True)
    if 400 <= reply.status < 500 and body:
        error = RequestRejectedError(
            f"{words} request rejected{detail}",
            status=reply.status,
            envelope=envelope,
            divisible=_error_type(body) == "invalidParameter",
        )
        return Interpretation(result, envelope, body, error, free=True)
    stranger = "" if body else ", and not in Keepa's JSON: something in between answered"
    error = ServerTroubleError(
        f"{words}{detail}{stranger}",
        status=reply.status,
        envelope=envelope,
        maybe_charged=envelope is None and not 300 <= reply.status < 500,
    )
    return Interpretation(result, envelope, body, error, free=300 <= reply.status < 500)


def _of_200(path: str, body: Mapping[str, Any], envelope: TokenEnvelope | None) -> Interpretation:
    if body.get("error") is not None:
        # One malformed ASIN of a batch is enough; nothing is charged (recorded).
        words = f"Keepa {path}: 200 with an error, the request rejected{error_detail(body)}"
        error: KeepaError = RequestRejectedError(words, status=200, envelope=envelope, divisible=True)
        return Interpretation("rejected", envelope, body, error, free=body.get("tokensConsumed") == 0)
    if envelope is None:
        error = UnreadableAnswerError(
            f"Keepa {path}: 200 without an account envelope that can be believed",
            status=200,
            maybe_charged=True,
        )
        return Interpretation("unreadable", None, body, error, strange=True)
    name, kind = PAYLOADS.get(path, ("", object))
    if name and not isinstance(body.get(name), kind):
        words = f"Keepa {path}: 200 without {name}, the request rejected"
        error = RequestRejectedError(words, status=200, envelope=envelope, divisible=True)
        return Interpretation("rejected", envelope, body, error, strange=True)
    return Interpretation("200", envelope, body)


def misshapen(path: str, what: str, envelope: TokenEnvelope) -> MisshapenAnswerError:
    """The error of an answer of which nothing can be used."""
    return MisshapenAnswerError(f"Keepa {path}: {what}", status=200, envelope=envelope)


def _key_refused(path: str, status: int, body: Mapping[str, Any]) -> Interpretation:
    """The zeros of such an answer are not the account's: they must teach nobody."""
    advice = (
        "the subscription behind KEEPA_API_KEY has lapsed or is not paid (keepa.com/#!api)"
        if status == 402
        else "check KEEPA_API_KEY"
    )
    words = f"Keepa {path}: {status} the key is refused{error_detail(body)}: {advice}"
    result = "402" if status == 402 else "key_refused"
    return Interpretation(result, None, body, KeyRefusedError(words, status=status), free=True)


def _refuses_key(status: int, body: Mapping[str, Any], envelope: TokenEnvelope | None) -> bool:
    """Whether an answer means the key, in whichever form.

    402 is documented for a bad or unpaid key. A 400 whose account is nothing but zeros is a real capture
    (Jleagle/keepa, transport_test.go). Other refusals count when they name the key and tell of no account:
    whoever is told the true balance has a key that is known.
    """
    if status == 402:
        return True
    if status not in _REFUSALS or not body or envelope is not None:
        return False
    told = [body[name] for name in _ACCOUNT if body.get(name) is not None]
    is_empty = all(type(value) in (int, float) and value == 0 for value in told)
    names_key = _KEY_NAMED.search(error_detail(body)) is not None
    return is_empty and (
        names_key or (_error_type(body) == "invalidParameter" and len(told) == len(_ACCOUNT))
    )


def _until_tokens(envelope: TokenEnvelope) -> float:
    """Seconds until the balance is above zero again: a deep debt takes more than one tick."""
    ticks = max(1, -(-(1 - envelope.tokens_left) // envelope.refill_rate))
    return envelope.refill_in_ms / 1000 + (ticks - 1) * TICK_SECONDS


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that ``Retry-After`` asks to wait, a number or a date (RFC 9110, 10.2.3); from 1 to 3,600."""
    told = headers.get("Retry-After", "").strip()
    seconds = RETRY_AFTER_UNKNOWN
    if told.isascii() and told.isdigit():
        seconds = float(told[:9])
    elif told:
        at, now = _date(told), _date(headers.get("Date", "")) or datetime.now(UTC)
        seconds = (at - now).total_seconds() if at else seconds
    return min(max(seconds, 1.0), MAX_RETRY_AFTER)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _envelope(body: Mapping[str, Any]) -> TokenEnvelope | None:
    try:
        return TokenEnvelope.from_json(body)
    except (KeyError, ValueError):
        return None


def _error_type(body: Mapping[str, Any]) -> object:
    error = body.get("error")
    return error.get("type") if isinstance(error, Mapping) else None


def error_detail(body: Mapping[str, Any]) -> str:
    """Keepa's own words on an error, shortened, with anything that could be a key removed."""
    error = body.get("error")
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, Mapping):
        return ""
    parts = (error.get(part) for part in ("type", "message", "details"))
    words = " ".join(part for part in parts if isinstance(part, str) and part)
    return f" ({_LONG_TOKEN.sub('…', words[:2000])[:300]})" if words else ""
