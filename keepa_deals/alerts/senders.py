"""Sends a message to a channel's address: signed JSON by ourselves, everything else by Apprise."""

from __future__ import annotations

import base64
import contextvars
import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import escape
from typing import Any

import requests

from keepa_deals.alerts.addresses import WEBHOOK, AddressError, listening, plugin, without_address
from keepa_deals.alerts.message import Message

CONNECT_SECONDS, ANSWER_SECONDS = 4.0, 10.0
MAX_PAUSE_SECONDS = 24 * 3600
_MAX_WORDS = 300

log = logging.getLogger(__name__)


class SendError(Exception):
    """The channel did not take a message; the text says why and holds no secret."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        """Seconds after which the channel wants to be asked again, where it says so."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message on its way to an address."""

    kind: str
    address: str
    key: str
    """The same at every attempt."""
    signing_secret: bytes
    message: Message
    now: datetime


Send = Callable[[Envelope], None]
"""Returns when the channel has taken it; a ``SendError`` otherwise."""


def send(envelope: Envelope) -> None:
    """Send it; ``SendError`` when the channel does not take it."""
    with _answers() as answers:
        if envelope.kind == WEBHOOK:
            _post(envelope)
        else:
            _by_apprise(envelope, answers)


# -- webhooks --------------------------------------------------------------------------------------
def signed_headers(key: str, at: datetime, body: bytes, secret: bytes) -> dict[str, str]:
    """What a webhook's receiver checks (Standard Webhooks 1.0: id, timestamp and body, HMAC-SHA256)."""
    timestamp = str(int(at.timestamp()))
    signature = hmac.digest(secret, b".".join((key.encode(), timestamp.encode(), body)), hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "User-Agent": "keepa_deals",
        "Webhook-Id": key,
        "Idempotency-Key": key,
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": f"v1,{base64.b64encode(signature).decode('ascii')}",
    }


def _post(envelope: Envelope) -> None:
    body = json.dumps({"id": envelope.key, **envelope.message.json}, ensure_ascii=False).encode()
    headers = signed_headers(envelope.key, envelope.now, body, envelope.signing_secret)
    problem: SendError | None = None
    try:
        response = requests.post(
            envelope.address,
            data=body,
            headers=headers,
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,
            stream=True,  # whatever it answers beyond its status is not read
        )
        with response:
            if not 200 <= response.status_code < 300:
                problem = SendError(
                    f"It answered {response.status_code}",
                    retry_after=retry_after(response.headers.get("Retry-After"), envelope.now),
                )
    except requests.RequestException as error:
        problem = SendError(_words_of(error))
    if problem is not None:
        raise problem from None  # the library's error repeats the address


def _words_of(error: requests.RequestException) -> str:
    """What went wrong, without the address that the library's own words repeat."""
    if isinstance(error, requests.Timeout):
        return f"No answer within {ANSWER_SECONDS:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "Its certificate is not trusted"
    if isinstance(error, requests.ConnectionError):
        return "It can't be reached"
    return type(error).__name__


# -- Apprise -----------------------------------------------------------------------------------------
def _by_apprise(envelope: Envelope, answers: Answers) -> None:
    from apprise import NotifyFormat

    with listening() as words:
        taken = False
        try:
            channel = plugin(envelope.address)
            channel.socket_connect_timeout, channel.socket_read_timeout = CONNECT_SECONDS, ANSWER_SECONDS
            takes_html = NotifyFormat.HTML in _formats_of(channel)
            title, body = _as_taken(envelope, html=takes_html)
            taken = channel.notify(
                title=title, body=body, body_format=NotifyFormat.HTML if takes_html else NotifyFormat.TEXT
            )
        except AddressError as error:
            words.append(str(error))
        except Exception as error:  # noqa: BLE001  # of 130 plugins any may raise anything
            words.append(type(error).__name__)
    if not taken:
        reason = without_address(" · ".join(dict.fromkeys(words)), envelope.address) or "It was not taken"
        raise SendError(reason[:_MAX_WORDS], retry_after=retry_after(answers.retry_after, envelope.now))


def _as_taken(envelope: Envelope, *, html: bool) -> tuple[str, str]:
    """A message's title and body in the form that its channel shows as they are meant.

    Apprise escapes no title: a mail has it as its subject, all others that take HTML in front of the body.
    Discord reads Markdown, and calls for everybody, in whatever a webhook sends (docs: Execute Webhook).
    """
    message = envelope.message
    if html:
        return (message.title if envelope.kind in _MAIL else escape(message.title, quote=False)), message.html
    if envelope.kind == "discord":
        return as_markdown(message.title), as_markdown(message.text)
    return message.title, message.text


_MAIL = ("mailto", "mailtos")
_OWN_LINK = re.compile(r"https?://[\w.:/?&=%~+,-]+")
_MARKDOWN = re.compile(r"[\\*_~`|>\[\]()#<-]")


def as_markdown(text: str) -> str:
    """Plain text for a reader of Markdown: no letter of it acts, and nobody is called. Links stay links."""
    words = re.split(r"(\s+)", text)
    return "".join(
        word if _OWN_LINK.fullmatch(word) else _MARKDOWN.sub(r"\\\g<0>", word) for word in words
    ).replace("@", "@\N{ZERO WIDTH SPACE}")


def _formats_of(channel: Any) -> tuple[Any, ...]:
    """The form that a channel likes best: for telegram and mail HTML."""
    formats = channel.notify_format
    return (formats[0],) if isinstance(formats, tuple) else (formats,)


# -- what a channel answers over HTTP --------------------------------------------------------------
@dataclass
class Answers:
    """What the answers to one message said, which Apprise does not hand on."""

    retry_after: str | None = None
    statuses: list[int] = field(default_factory=list)


_current: contextvars.ContextVar[Answers | None] = contextvars.ContextVar("answers", default=None)


@contextmanager
def _answers() -> Iterator[Answers]:
    answers = Answers()
    token = _current.set(answers)
    try:
        yield answers
    finally:
        _current.reset(token)


def watch_answers() -> None:
    """Note what channels answer, in this process, from now on: Apprise tells only whether they took it."""
    if getattr(requests.Session.send, "is_watched", False):
        return
    plain = requests.Session.send

    def watched(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> Any:
        response = plain(session, request, **options)
        if (answers := _current.get()) is not None:
            answers.statuses.append(response.status_code)
            if not response.ok:
                answers.retry_after = response.headers.get("Retry-After")
        return response

    watched.is_watched = True  # type: ignore[attr-defined]
    requests.Session.send = watched  # type: ignore[method-assign,assignment]


def retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds until a channel wants to be asked again (RFC 9110: seconds, or a date); at most a day."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_PAUSE_SECONDS) if seconds == seconds else None  # a NaN
