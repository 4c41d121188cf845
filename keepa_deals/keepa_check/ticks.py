"""When tokens came and how many, told from the envelopes of a few answers."""

from __future__ import annotations

from itertools import pairwise

from keepa_deals.keepa.envelope import TokenEnvelope
from keepa_deals.keepa_check.probes import TICK_TOLERANCE, Evidence

CAPACITY_TICKS = 60
_LATENCY_MS = 60
"""What whole milliseconds and the time within Keepa add to a short tick (a sandbox's)."""


def period(e: Evidence) -> tuple[bool | None, str]:
    """Whether ticks keep the period, told from the first and the last answer."""
    count = sum(_ticks_between(e))
    if not count:
        return None, "no tick came between the answers"
    seconds = (_announced(e.envelopes[-1]) - _announced(e.envelopes[0])) / count / 1000
    return abs(seconds - e.tick_seconds) * 1000 <= _tolerance_ms(
        e
    ), f"{count} ticks, {seconds:.2f} s on average"


def announced(e: Evidence) -> tuple[bool | None, str]:
    """Whether answers of the same tick announce the next one for the same moment."""
    pairs = zip(pairwise(e.envelopes), _ticks_between(e), strict=True)
    apart = [abs(_announced(b) - _announced(a)) for (a, b), ticks in pairs if ticks == 0]
    if not apart:
        return None, "no two answers of the same tick"
    return max(apart) <= _tolerance_ms(e), f"{len(apart)} pairs, at most {max(apart)} ms apart"


def tokens(e: Evidence) -> tuple[bool | None, str]:
    """Whether the balance follows from ticks and prices."""
    if e.shared:
        return None, "a service spends from the same account meanwhile"
    ticks = _ticks_between(e)
    missing = 0
    for (before, after), count in zip(pairwise(e.envelopes), ticks, strict=True):
        refill = round(before.refill_rate - before.token_flow_reduction)
        full = CAPACITY_TICKS * before.refill_rate
        expected = max(before.tokens_left, min(full, before.tokens_left + count * refill))
        missing += expected - after.tokens_consumed - after.tokens_left
    if not sum(ticks):
        return None, "no tick came between the answers"
    if missing == 0:
        return True, f"{e.envelopes[0].refill_rate} tokens a tick, {sum(ticks)} ticks"
    return (
        False,
        f"{missing} tokens less than expected after {sum(ticks)} ticks: another program may use the key",
    )


def _announced(envelope: TokenEnvelope) -> int:
    """When the next tick should come, in Keepa's Unix milliseconds."""
    return envelope.timestamp_ms + envelope.refill_in_ms


def _ticks_between(e: Evidence) -> list[int]:
    """How many ticks came between each answer and the next."""
    tick_ms = e.tick_seconds * 1000
    return [max(0, round((_announced(b) - _announced(a)) / tick_ms)) for a, b in pairwise(e.envelopes)]


def _tolerance_ms(e: Evidence) -> float:
    return TICK_TOLERANCE * e.tick_seconds * 1000 + _LATENCY_MS
