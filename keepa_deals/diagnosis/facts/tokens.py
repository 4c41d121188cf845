"""The account: balance, lanes and waits, recovery, learned prices, drift."""

from __future__ import annotations

from collections.abc import Iterator

from keepa_deals.diagnosis.evidence.gather import Evidence
from keepa_deals.diagnosis.facts.base import Level, Line, warn_if
from keepa_deals.diagnosis.rules.tokens import live_drift, patience_of_small
from keepa_deals.health.parts.tokens import TokenHealth
from keepa_deals.humanize import duration_text
from keepa_deals.tokens.counters import LaneCounters


def lines(evidence: Evidence) -> Iterator[Line]:
    """Balance, lanes and waits, recovery, learned prices, drift."""
    tokens = evidence.report.tokens.value
    if tokens is None or tokens.available is None:
        yield Line("tokens", Level.UNKNOWN, evidence.report.tokens.error or "the balance is not known yet")
    else:
        yield from _account(evidence, tokens)
        for name in ("small", "bulk"):
            yield _lane(evidence, name, tokens)
        prices = ", ".join(f"{kind} {price:g}" for kind, price in tokens.prices.items()) or "none yet"
        yield Line("tokens", Level.OK, f"learned prices: {prices}")
    if evidence.token_status is None:
        return
    if (drift := live_drift(evidence)) is not None:
        yield Line("tokens", warn_if(drift > 0), f"drift against /token: {max(drift, 0)} tokens")
    elif evidence.token_status.error:
        yield Line("tokens", Level.FAIL, f"/token: {evidence.token_status.error}")


def _account(evidence: Evidence, tokens: TokenHealth) -> Iterator[Line]:
    assert tokens.available is not None
    mode = ", bulk waits for the recovery target" if tokens.recovering else ""
    told = evidence.age(tokens.as_of)
    tick = f", next tick {evidence.age(tokens.next_tick_at)}" if tokens.next_tick_at else ""
    yield Line(
        "tokens",
        warn_if(tokens.available < 0),
        f"{tokens.available} of {tokens.capacity}, {tokens.refill_rate} a tick, {tokens.reserved} reserved, "
        f"told {told}{tick}{mode}",
    )
    count = tokens.counters.total
    lost = ", ".join(
        f"{words} {count(name)}"
        for name, words in (("foreign", "foreign"), ("wasted", "overflowed"), ("expired", "unanswered"))
    )
    yield Line(
        "tokens",
        warn_if(tokens.foreign_tokens),
        f"since the start: {count('rejected_429')} refusals (429); tokens: {lost}",
    )


def _lane(evidence: Evidence, name: str, tokens: TokenHealth) -> Line:
    lane = tokens.lane(name)
    longest = lane.longest_wait_seconds or 0
    now = f", the longest for {duration_text(longest)}" if longest else ""
    late = name == "small" and longest > patience_of_small(evidence)
    return Line(
        "tokens",
        warn_if(late),
        f"{name} lane: {lane.waiting} wait{now}; {_waited(tokens.counters.lane(name))}",
    )


def _waited(lane: LaneCounters) -> str:
    mean = f", {lane.mean_wait:.0f} s each" if lane.mean_wait is not None else ""
    return f"{lane.grants} granted so far, {lane.waits} after a wait{mean}"
