"""The account's state as every answer of Keepa carries it, and what can be true of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keepa_deals.keepa import fields
from keepa_deals.keepa.fields import Json
from keepa_deals.keepa.time import from_unix_ms

_MAX_RATE = 100_000
"""Tokens a minute: Keepa sells plans of 5 to some thousands (keepa.com, API access)."""
_MAX_TOKENS = 60 * _MAX_RATE
"""Tokens expire after 60 minutes (Keepa docs: Tokens). Not 60 times the rate of this very answer: a balance
outlives the plan that it came from by an hour."""
_MAX_DEBT = 1_000_000
"""-350 was recorded; the dearest documented call (100 products with 100 offers each) costs 6,200."""
_HOUR_MS = 3_600_000
"""Ticks are 60 s, once 300 s (api_backend: Response.java); as long as ``KEEPA_TICK_SECONDS`` may be."""
_MIN_TIMESTAMP_MS, _MAX_TIMESTAMP_MS = 1_293_840_000_000, 4_102_444_800_000
"""2011, before which Keepa counts no time, and 2100."""

ACCOUNT_BOUNDS = {
    "refillRate": (1, _MAX_RATE),
    "tokensLeft": (-_MAX_DEBT, _MAX_TOKENS),
    "refillIn": (0, _HOUR_MS),
    "tokensConsumed": (0, _MAX_DEBT),
    "tokenFlowReduction": (0, _MAX_RATE),
    "timestamp": (_MIN_TIMESTAMP_MS, _MAX_TIMESTAMP_MS),
    "processingTimeInMs": (0, _HOUR_MS),
}
"""The least and the most that each field of the account can truly be, both included. Wide: what Keepa merely
never did so far is believed. Whoever judges account data does it by these."""


def _required(body: Json, name: str) -> int:
    return fields.required(body, name, *ACCOUNT_BOUNDS[name])


@dataclass(frozen=True, slots=True)
class TokenEnvelope:
    """The account's state that every answer of Keepa carries (api_backend: Response.java).

    ``tokens_left`` may be negative; ``refill_in_ms`` runs to the next tick; ``refill_rate`` is in
    tokens a minute; ``tokens_consumed`` is the price of this very call.
    """

    timestamp_ms: int
    tokens_left: int
    refill_in_ms: int
    refill_rate: int
    token_flow_reduction: float
    tokens_consumed: int
    processing_time_ms: int

    @classmethod
    def from_json(cls, body: Json) -> TokenEnvelope:
        """Parsed from an answer's top level; ``KeyError`` or ``ValueError`` when it is none, or impossible.

        Believed, an impossible one would stop all spending for as long as it says.
        """
        reduction, took = body.get("tokenFlowReduction"), body.get("processingTimeInMs")
        price_is_told = body.get("tokensConsumed") is not None
        return cls(
            timestamp_ms=_required(body, "timestamp"),
            tokens_left=_required(body, "tokensLeft"),
            refill_in_ms=_required(body, "refillIn"),
            refill_rate=_required(body, "refillRate"),
            token_flow_reduction=fields.real(reduction, *ACCOUNT_BOUNDS["tokenFlowReduction"]) or 0.0,
            tokens_consumed=_required(body, "tokensConsumed") if price_is_told else 0,
            processing_time_ms=fields.whole(took, *ACCOUNT_BOUNDS["processingTimeInMs"]) or 0,
        )

    def told(self) -> dict[str, float]:
        """The fields by the names that Keepa gives them, those of ``ACCOUNT_BOUNDS``."""
        return {
            "refillRate": self.refill_rate,
            "tokensLeft": self.tokens_left,
            "refillIn": self.refill_in_ms,
            "tokensConsumed": self.tokens_consumed,
            "tokenFlowReduction": self.token_flow_reduction,
            "timestamp": self.timestamp_ms,
            "processingTimeInMs": self.processing_time_ms,
        }

    @property
    def timestamp(self) -> datetime:
        """Keepa's own clock when it answered."""
        return from_unix_ms(self.timestamp_ms)
