"""Whether what an answer says of the account can be true (api_backend: Response.java; Keepa docs: plans).

The bucket learns from every answer, and one absurd number would stop all spending for as long as it is
believed. Bounds are wide: what Keepa merely never did so far is believed.
"""

from __future__ import annotations

import math

from keepa_deals.keepa.types import TokenEnvelope

HIGHEST_RATE = 100_000
"""Tokens a minute: some hundred times the largest plan that Keepa lists."""
MOST_TOKENS = 60 * HIGHEST_RATE
FARTHEST_TICK_MS = 86_400_000
"""A day; Keepa documents a minute."""
FIRST_MS, LAST_MS = 1_262_304_000_000, 4_102_444_800_000
"""2010 (Keepa's minutes begin in 2011) and 2100."""
LONGEST_PROCESSING_MS = 3_600_000


def says_nothing(envelope: TokenEnvelope) -> bool:
    """Whether all token fields are zero, as with a refused key (recorded: invalid_key_400.json)."""
    return not (
        envelope.refill_rate or envelope.tokens_left or envelope.refill_in_ms or envelope.tokens_consumed
    )


def why_unbelievable(envelope: TokenEnvelope) -> str | None:
    """The field that cannot be true, with its value; ``None`` when all may be."""
    bounds: tuple[tuple[str, float, float, float], ...] = (
        ("refillRate", envelope.refill_rate, 1, HIGHEST_RATE),
        ("tokensLeft", envelope.tokens_left, -MOST_TOKENS, MOST_TOKENS),
        ("refillIn", envelope.refill_in_ms, 0, FARTHEST_TICK_MS),
        ("tokensConsumed", envelope.tokens_consumed, 0, MOST_TOKENS),
        ("tokenFlowReduction", envelope.token_flow_reduction, 0, HIGHEST_RATE),
        ("timestamp", envelope.timestamp_ms, FIRST_MS, LAST_MS),
        ("processingTimeInMs", envelope.processing_time_ms, 0, LONGEST_PROCESSING_MS),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            return f"{name} {_short(value)}"
    return None


def _short(value: float) -> str:
    if isinstance(value, int) and abs(value) > 10**15:
        return f"{'-' if value < 0 else ''}10^{int(math.log10(abs(value)))}"
    return f"{value:g}" if isinstance(value, float) else str(value)
