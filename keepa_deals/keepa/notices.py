"""What a client tells of its calls: how each attempt ended, and what nobody understands."""

from __future__ import annotations

from dataclasses import dataclass

from keepa_deals.keepa.envelope import TokenEnvelope


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attempt at a call (``/deal``) ended, for whoever keeps a log of it.

    ``result`` is the HTTP status, ``unreadable`` for a 200 that could not be understood, ``rejected`` for one
    that holds an error or not what was asked for, ``key_refused`` for a 400 that means the key, ``no_answer``
    when the request was sent in vain, or ``no_connection``.
    """

    call: str
    result: str
    seconds: float
    envelope: TokenEnvelope | None = None


@dataclass(frozen=True, slots=True)
class StrangeAnswer:
    """What nobody understands, for whoever keeps it for a bug report.

    ``call`` is the call's path, ``reason`` says what is wrong with it; ``subject`` names which strange thing
    it is (the newest of a subject is enough); ``body`` is the answer, or its strange entries.
    """

    call: str
    subject: str
    reason: str
    body: bytes
    status: int | None = None
