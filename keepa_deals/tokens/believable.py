"""Whether what an answer says of the account can be true (api_backend: Response.java; Keepa docs: plans).

The bucket learns from every answer, and one absurd number would stop all spending for as long as it is
believed. What was parsed is within the bounds already (``keepa.envelope``); what a program hands over is
judged by the same ones.
"""

from __future__ import annotations

import math

from keepa_deals.keepa.envelope import ACCOUNT_BOUNDS, TokenEnvelope


def says_nothing(envelope: TokenEnvelope) -> bool:
    """Whether all token fields are zero, as with a refused key (recorded: invalid_key_400.json)."""
    return not (
        envelope.refill_rate or envelope.tokens_left or envelope.refill_in_ms or envelope.tokens_consumed
    )


def why_unbelievable(envelope: TokenEnvelope) -> str | None:
    """The field that cannot be true, with its value; ``None`` when all may be."""
    for name, value in envelope.told().items():
        least, most = ACCOUNT_BOUNDS[name]
        if not least <= value <= most:
            return f"{name} {_short(value)}"
    return None


def _short(value: float) -> str:
    if isinstance(value, int) and abs(value) > 10**15:
        return f"{'-' if value < 0 else ''}10^{int(math.log10(abs(value)))}"
    return f"{value:g}" if isinstance(value, float) else str(value)
